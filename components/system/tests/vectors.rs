//! The head file of `wit/FORMAT.md` is the one that is written and read.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::path::Path;

use secure_log::log::{Heads as _, RememberedHead};
use secure_log::types::Digest;
use secure_log_system::FileHeads;
use serde_json::Value;

#[test]
fn the_frozen_head_file_is_what_is_written_and_read() {
    let vectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("../log/tests/vectors/notes.json");
    let vectors: Value = serde_json::from_str(&std::fs::read_to_string(vectors).unwrap()).unwrap();
    let frozen = |field: &str| vectors["head_file"][field].as_str().unwrap();
    let root: Vec<u8> =
        (0..64).step_by(2).map(|i| u8::from_str_radix(&frozen("root")[i..i + 2], 16).unwrap()).collect();
    let head = RememberedHead {
        size: vectors["head_file"]["size"].as_u64().unwrap(),
        root: Digest::try_from(root.as_slice()).unwrap(),
        vkey: frozen("vkey").to_owned(),
    };
    let folder = tempfile::tempdir().unwrap();
    let prefix = folder.path().join("heads");
    let mut heads = FileHeads::new(prefix.to_str().unwrap()).unwrap();
    heads.record(frozen("origin"), None, &head).unwrap();
    let file = folder.path().join(frozen("name"));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), frozen("content"));
    assert_eq!(heads.latest(frozen("origin")), Ok(Some(head)));
}
