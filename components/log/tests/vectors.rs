//! The frozen vectors: `tests/vectors/*.json` is what every implementation of the format must compute.
//!
//! `vectors_are_frozen` builds them with this crate and compares byte for byte; `BLESS=1` rewrites the files,
//! and the difference is read before it is committed. `recompute.py` computes them once more from the
//! text of `wit/FORMAT.md` alone, without a line of this crate, and the page's own examples are compared
//! with the files.

use std::path::Path;
use std::process::Command;

use secure_log::encode::{DecodeError, decode_entry};
use secure_log::error::FindingKind;
use secure_log::merkle::{
    consistency_path, empty_root, inclusion_path, leaf_hash, root, verify_consistency, verify_inclusion,
};
use secure_log::note::VerifierKey;
use secure_log::payload::{commitment, stored};
use secure_log::policy::Policy;
use secure_log::store::{MemStore, Row, RowKind, Store as _, Want};
use secure_log::types::{Digest, StreamId, hex};
use secure_log::verify::{self, Scope, Signers, Trust};
use serde_json::{Value, json};

use crate::support::Rows;
use crate::{cosigned, entries, page, record_samples, story, support};

fn folder() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors"))
}

fn all_vectors() -> Vec<(&'static str, Value)> {
    vec![
        ("entries.json", entry_vectors()),
        ("payloads.json", payload_vectors()),
        ("tree.json", tree_vectors()),
        ("proofs.json", proof_vectors()),
        ("notes.json", story::note_vectors()),
        ("stream.json", story::stream_vectors()),
        ("witness.json", cosigned::witness_vectors()),
        ("evidence.json", story::evidence_vectors()),
        ("records.json", record_samples::vectors()),
    ]
}

fn entry_vectors() -> Value {
    let entries = entries::every_form();
    let canonical = secure_log::encode::encode_entry(&entries[0].1).unwrap();
    let refused = entries::nearly(&canonical).into_iter();
    json!({
        "accepted": entries.iter().map(|(form, entry)| entries::vector(form, entry)).collect::<Vec<_>>(),
        "refused": refused.map(|(why, bytes, error)| json!({ "name": why, "cbor": hex(&bytes), "error": error })).collect::<Vec<_>>(),
    })
}

fn payload_vectors() -> Value {
    let long: Vec<u8> = (0..1000u32).map(|i| (i % 251) as u8).collect();
    let cases: [(&str, [u8; 16], &[u8]); 4] = [
        ("text", entries::SALT, b"EUR 12.50"),
        ("empty", entries::SALT, b""),
        ("zero salt", [0; 16], b"\0"),
        ("binary", [0xff; 16], &long),
    ];
    let vectors = cases.map(|(form, salt, payload)| {
        let commitment = commitment(&stored(&salt, payload));
        json!({ "name": form, "salt": hex(&salt), "payload": hex(payload), "length": payload.len(), "commitment": commitment.to_hex() })
    });
    json!(vectors)
}

/// Leaf i is the decimal text of i.
fn leaves(count: usize) -> Rows {
    let mut rows = Rows::new();
    (0..count).for_each(|i| rows.push(leaf_hash(i.to_string().as_bytes())));
    rows
}

fn tree_vectors() -> Value {
    let mut rows = Rows::new();
    let mut roots = vec![rows.frontier.root().to_hex()];
    for i in 0..1025 {
        rows.push(leaf_hash(i.to_string().as_bytes()));
        assert_eq!(root(i + 1, &mut rows), Ok(rows.frontier.root()));
        roots.push(rows.frontier.root().to_hex());
    }
    let large = leaves(65_537);
    let row = |height: usize, index: usize| json!({ "kind": format!("node{height}"), "index": index, "hash": large.heights[height][index].to_hex() });
    json!({
        "leaf": "leaf i is the ASCII decimal of i",
        "leaves": (0..8).map(|i| large.heights[0][i].to_hex()).collect::<Vec<_>>(),
        "roots": roots,
        "node_rows": [row(1, 0), row(1, 1), row(1, 3), row(1, 255), row(2, 0)],
        "larger_roots": [json!({ "size": 65_537, "root": large.frontier.root().to_hex() })],
    })
}

fn proof_vectors() -> Value {
    let mut rows = leaves(1025);
    let path_json = |path: &[Digest]| path.iter().map(Digest::to_hex).collect::<Vec<_>>();
    let mut inclusion = Vec::new();
    for size in [1, 2, 3, 4, 5, 6, 7, 8, 9, 255, 256, 257, 511, 512, 513, 1024, 1025u64] {
        let some = [0, 1, 2, 127, 254, 255, 256, size / 2, size.saturating_sub(2), size - 1];
        for seqno in (0..size).filter(|seqno| size < 10 || some.contains(seqno)) {
            let leaf = rows.heights[0][seqno as usize];
            let (root, path) = (root(size, &mut rows).unwrap(), inclusion_path(seqno, size, &mut rows).unwrap());
            assert!(verify_inclusion(&leaf, seqno, size, &path, &root));
            inclusion.push(json!({
                "seqno": seqno, "size": size, "leaf": leaf.to_hex(), "root": root.to_hex(), "path": path_json(&path),
            }));
        }
    }
    let mut consistency = Vec::new();
    for new in [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 255, 256, 257, 511, 512, 513, 1024, 1025] {
        let some = [0, 1, 3, 64, 255, 256, 257, new - new.min(1), new];
        for old in (0..=new).filter(|old| new < 10 || some.contains(old)) {
            let (old_root, new_root) = (root(old, &mut rows).unwrap(), root(new, &mut rows).unwrap());
            let path = consistency_path(old, new, &mut rows).unwrap();
            assert!(verify_consistency(old, new, &path, &old_root, &new_root));
            consistency.push(json!({
                "old": old, "new": new, "old_root": old_root.to_hex(), "new_root": new_root.to_hex(), "path": path_json(&path),
            }));
        }
    }
    json!({ "inclusion": inclusion, "consistency": consistency })
}

#[test]
fn vectors_are_frozen() {
    assert_eq!(root(0, &mut Rows::new()), Ok(empty_root()));
    for (file, value) in all_vectors() {
        let text = serde_json::to_string_pretty(&value).unwrap() + "\n";
        let path = folder().join(file);
        if std::env::var_os("BLESS").is_some_and(|bless| bless == "1") {
            std::fs::write(&path, &text).unwrap();
        }
        let frozen = std::fs::read_to_string(&path).unwrap_or_default();
        let line = text.lines().zip(frozen.lines()).position(|(now, then)| now != then);
        let line = line.map_or("the end".to_owned(), |line| format!("line {}", line + 1));
        assert!(text == frozen, "{} differs at {line}: the format changed, or BLESS=1 was forgotten", path.display());
    }
}

#[test]
fn what_is_frozen_decodes_to_itself_and_what_is_nearly_canonical_is_refused() {
    let forms = entries::every_form();
    for (form, entry) in &forms {
        let cbor = secure_log::encode::encode_entry(entry).unwrap();
        assert_eq!(decode_entry(&cbor).as_ref(), Ok(entry), "{form}");
        for at in 0..cbor.len() {
            let mut changed = cbor.clone();
            changed[at] ^= 0x20;
            assert_ne!(decode_entry(&changed).as_ref(), Ok(entry), "{form}, byte {at}");
        }
    }
    let canonical = secure_log::encode::encode_entry(&forms[0].1).unwrap();
    for (why, bytes, expected) in entries::nearly(&canonical) {
        match decode_entry(&bytes) {
            Err(DecodeError::Malformed(_)) => assert_eq!(expected, "malformed", "{why}"),
            Err(DecodeError::Unsupported(_)) => assert_eq!(expected, "unsupported", "{why}"),
            Ok(entry) => panic!("{why}: accepted as {entry:?}"),
        }
    }
}

#[test]
fn frozen_notes_verify_under_their_frozen_keys() {
    let notes = read("notes.json");
    for signed in notes["signed"].as_array().unwrap() {
        let vkey: VerifierKey = signed["vkey"].as_str().unwrap().parse().unwrap();
        assert_eq!(hex(&vkey.key_id()), signed["key_id"].as_str().unwrap());
        let note = secure_log::note::Note::parse(signed["note"].as_str().unwrap()).unwrap();
        assert_eq!(note.verify(&[vkey]), Ok(vec![0]), "{}", signed["algorithm"]);
    }
    let attest = &notes["attest"];
    let vkey: VerifierKey = attest["vkey"].as_str().unwrap().parse().unwrap();
    assert!(vkey.key().public_key().verify(&unhex(&attest["message"]), &unhex(&attest["signature"])));
}

fn read(file: &str) -> Value {
    serde_json::from_str(&std::fs::read_to_string(folder().join(file)).unwrap()).unwrap()
}

fn unhex(text: &Value) -> Vec<u8> {
    let text = text.as_str().unwrap();
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

/// The rows of the frozen stream in a store, as they are after the erasure.
fn frozen_store() -> MemStore {
    let stream = read("stream.json");
    let id = StreamId::try_from(stream["stream_id"].as_str().unwrap()).unwrap();
    let mut store = MemStore::new();
    store.init("memory").unwrap();
    let mut rows = Vec::new();
    let mut add = |kind, bodies: Vec<Vec<u8>>| {
        rows.extend(bodies.into_iter().enumerate().map(|(index, body)| Row {
            kind,
            stream_id: id.clone(),
            index: index as u64,
            body,
            payload: None,
        }));
    };
    let list =
        |value: &Value, body: fn(&Value) -> Vec<u8>| value.as_array().unwrap().iter().map(body).collect::<Vec<_>>();
    add(RowKind::Entry, list(&stream["entries"], |entry| unhex(&entry["cbor"])));
    add(RowKind::Segment, list(&stream["rows"]["segment"], unhex));
    add(RowKind::Checkpoint, list(&stream["rows"]["checkpoint"], |note| note.as_str().unwrap().into()));
    add(RowKind::Cosignature, list(&stream["rows"]["cosignature"], unhex));
    store.append(&rows, Want::Synced).unwrap();
    store
}

#[test]
fn the_frozen_stream_verifies_from_its_first_key_to_its_last_checkpoint() {
    let notes = read("notes.json");
    let (genesis, witness) = (&notes["signed"][0]["vkey"], &notes["cosignature"]["vkey"]);
    let policy = format!("log {}\nwitness w1 {}\nquorum none\n", genesis.as_str().unwrap(), witness.as_str().unwrap());
    let trust = |policy: &str| Trust {
        signers: Signers::Policy(Policy::parse(policy).unwrap()),
        authors: Vec::new(),
        require_author: false,
    };
    let id = StreamId::try_from(support::STREAM).unwrap();
    let verdict = |store: &mut MemStore, policy: &str| {
        verify::stream(store, &id, support::ORIGIN, &trust(policy), None, None, Scope::Everything).unwrap()
    };
    let report = verdict(&mut frozen_store(), &policy);
    assert_eq!(report.finding, None, "{report:#?}");
    assert_eq!((report.entries, report.segments, report.checkpoints, report.cosignatures), (11, 4, 4, 1));
    assert_eq!((report.erased, report.signed, report.open_tail), (1, Some((0, 10)), None));
    assert_eq!(report.root.to_hex(), read("stream.json")["checkpoints"][3]["root"].as_str().unwrap());
    let signers: Vec<_> = report.signers.iter().map(|signer| (signer.last_seqno, signer.rotated_in)).collect();
    assert_eq!((signers, report.rotations), (vec![(5, None), (10, Some(6))], 1));
    assert_eq!((report.revoked[0].from_seqno, report.revoked[0].seqno, report.revoked[0].discounted), (6, 8, 0));

    let other = policy.replace(genesis.as_str().unwrap(), notes["signed"][1]["vkey"].as_str().unwrap());
    assert_eq!(verdict(&mut frozen_store(), &other).finding.map(|finding| finding.kind), Some(FindingKind::WrongKey));
    let mut altered = frozen_store();
    altered.rows_mut(RowKind::Entry, &id)[3].body[60] ^= 1;
    assert!(verdict(&mut altered, &policy).finding.is_some());
}

/// Python's standard library and FORMAT.md are all that `recompute.py` has.
#[test]
fn an_independent_program_recomputes_every_vector() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/oracle/recompute.py");
    let output = Command::new("python3").arg(script).arg(folder()).output();
    let output = output.expect("python3 is needed for this test: apt-get install python3");
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && text.contains("all vectors recomputed"), "{text}");
}

#[test]
fn the_examples_of_the_format_page_are_the_vectors() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit/FORMAT.md");
    let text = std::fs::read_to_string(&page).unwrap();
    let compared = page::compare(&text, folder());
    for structure in page::STRUCTURES {
        assert!(compared.iter().any(|name| name == structure), "FORMAT.md has no example of {structure}");
    }
}
