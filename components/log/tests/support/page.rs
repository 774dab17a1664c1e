//! The worked examples of `wit/FORMAT.md`, compared with the vectors.
//!
//! A fenced block whose info string is `hex <file>#<JSON pointer>` holds those bytes in hexadecimal, in any
//! layout, with comments from `#` to the end of the line; `text <file>#<JSON pointer>` holds that text
//! line by line. Other blocks are prose.

use std::path::Path;

use serde_json::Value;

/// What must be shown.
pub const STRUCTURES: &[&str] = &[
    "payloads.json#/0/commitment",
    "stream.json#/entries/0/cbor",
    "stream.json#/entries/1/cbor",
    "stream.json#/entries/1/hash",
    "stream.json#/entries/2/cbor",
    "stream.json#/rows/segment/0",
    "stream.json#/rows/cosignature/0",
    "stream.json#/checkpoints/0/text",
    "stream.json#/checkpoints/0/hash",
    "tree.json#/node_rows/0/hash",
    "tree.json#/roots/0",
    "proofs.json#/inclusion/8/path/0",
    "proofs.json#/consistency/12/path/0",
    "notes.json#/signed/0/note",
    "notes.json#/signed/1/note",
    "notes.json#/signed/2/note",
    "notes.json#/signed/0/vkey",
    "notes.json#/signed/1/vkey",
    "notes.json#/signed/2/vkey",
    "notes.json#/signed/0/key_id_input",
    "notes.json#/signed/1/key_id",
    "notes.json#/cosignature/line",
    "notes.json#/cosignature/message",
    "notes.json#/author/message",
    "notes.json#/attest/message",
    "notes.json#/rotate/message",
    "notes.json#/revoke/message",
    "notes.json#/head_file/content",
    "notes.json#/head_file/name",
    "evidence.json#/inclusion/file",
    "evidence.json#/consistency/file",
    "evidence.json#/tiles/files/1/bytes",
    "records.json#/signed/0/message",
    "records.json#/signed/0/record",
    "records.json#/signed/0/trace_hash",
    "records.json#/signed/3/attestation_hash",
    "records.json#/signed/3/record",
];

/// Compares every named block and returns the names.
pub fn compare(page: &str, folder: &Path) -> Vec<String> {
    let mut names = Vec::new();
    let mut lines = page.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        let Some(info) = line.strip_prefix("```") else { continue };
        let block: Vec<&str> = lines.by_ref().map(|(_, line)| line).take_while(|line| *line != "```").collect();
        let Some((form, name)) = info.split_once(' ') else { continue };
        let (file, pointer) =
            name.split_once('#').unwrap_or_else(|| panic!("line {}: {name} names no vector", number + 1));
        let vectors = std::fs::read_to_string(folder.join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
        let vectors: Value = serde_json::from_str(&vectors).unwrap();
        let vector = vectors.pointer(pointer).and_then(Value::as_str);
        let vector = vector.unwrap_or_else(|| panic!("line {}: no text at {name}", number + 1));
        let shown: String = match form {
            "hex" => block.iter().flat_map(|line| line.split('#').next()).flat_map(str::split_whitespace).collect(),
            "text" => block.join("\n"),
            other => panic!("line {}: a named block is hex or text, not {other}", number + 1),
        };
        assert_eq!(shown, vector.strip_suffix('\n').unwrap_or(vector), "line {}: not {name}", number + 1);
        names.push(name.to_owned());
    }
    names
}
