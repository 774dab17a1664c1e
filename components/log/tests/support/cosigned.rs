//! The vectors of a witness: two checkpoints of one log cosigned, a fork of it refused.

use secure_log::merkle::{consistency_path, leaf_hash, root};
use secure_log::note::{Checkpoint, Note, note_line};
use secure_log::policy::KnownLogs;
use secure_log::signer::Algorithm;
use secure_log::store::{MemStore, RowKind, Store as _};
use secure_log::types::{Digest, StreamId};
use secure_log::witness::{AddCheckpoint, OriginHash, Verdict, Witness, convict};
use serde_json::{Value, json};

use crate::support::{FixedKey, ORIGIN, Rows, WITNESS};

/// Seconds since 1970.
const TIME: u64 = 1_767_225_660;

fn tree(leaves: &[&str]) -> Rows {
    let mut rows = Rows::new();
    leaves.iter().for_each(|leaf| rows.push(leaf_hash(leaf.as_bytes())));
    rows
}

fn request(leaves: &[&str], old_size: u64) -> AddCheckpoint {
    let (mut rows, size, key) = (tree(leaves), leaves.len() as u64, FixedKey::log(Algorithm::Ed25519));
    let root: Digest = root(size, &mut rows).unwrap();
    let text = Checkpoint { origin: ORIGIN.into(), size, root }.to_text();
    let note = Note::new(&text, vec![note_line(&key.vkey(ORIGIN), &key.sign_note(text.as_bytes()))]).unwrap();
    AddCheckpoint { old_size, proof: consistency_path(old_size, size, &mut rows).unwrap(), note }
}

pub fn witness_vectors() -> Value {
    let log_key = FixedKey::log(Algorithm::Ed25519).vkey(ORIGIN);
    let logs = KnownLogs::parse(&format!("log {log_key}\nquorum none\n")).unwrap();
    let witness = Witness::new(WITNESS, FixedKey::witness(), logs).unwrap();
    let mut store = MemStore::new();
    store.init("memory").unwrap();
    let leaves = ["0", "1", "2", "3", "4", "5", "6"];
    let mut cosigned = Vec::new();
    for (old, size) in [(0, 3), (3, 7)] {
        let (asked, time) = (request(&leaves[..size], old), TIME + old);
        let line = witness.add_checkpoint(&mut store, || time, asked.to_string().as_bytes()).unwrap();
        cosigned.push(json!({
            "old": old, "size": size, "time": time, "request": asked.to_string(), "line": line.to_string(),
        }));
    }
    let forked = ["0", "1", "2", "3", "x", "5", "6"];
    let refused = request(&forked, 7);
    let refusal = witness.add_checkpoint(&mut store, || TIME, refused.to_string().as_bytes()).unwrap_err();
    let hash = OriginHash::of(ORIGIN);
    let evidence = witness.evidence(&mut store, &hash).unwrap();
    let verdict = convict(&evidence[0], &[log_key]).unwrap();
    assert!(matches!((refusal.status(), verdict), (422, Verdict::Forked { size: 7, .. })));
    let rows = store.rows_mut(RowKind::Checkpoint, &StreamId::try_from(hash.as_str()).unwrap());
    json!({
        "origin": ORIGIN,
        "origin_hash": hash.as_str(),
        "leaves": leaves,
        "cosigned": cosigned,
        "rows": rows.iter().map(|row| String::from_utf8(row.body.clone()).unwrap()).collect::<Vec<_>>(),
        "forked_leaves": forked,
        "refused": refused.to_string(),
        "evidence": evidence[0].to_string(),
    })
}
