//! One small stream from its creation to its end, with every row a store would hold, and the signed texts.

use secure_log::encode::{
    attest_message, author_message, encode_cosignature, encode_entry, encode_uint, revoke_message, rotate_message,
};
use secure_log::error::Invalid;
use secure_log::merkle::{consistency_path, inclusion_path, leaf_hash, root};
use secure_log::note::{Checkpoint, Note, RSA_TYPE, VerifierKey, cosignature_message, note_line};
use secure_log::proof_file::{ConsistencyFile, InclusionFile};
use secure_log::signer::Algorithm;
use secure_log::tiles::{Builder, Content, FULL, Tile};
use secure_log::types::{Detail, Digest, Entry, Event, Seal, Severity, Tier, hex};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::entries::{SALT, START, author, entry, entry_json, event, event_json, revoked, rotated, vector};
use super::support::{FixedKey, LOG_NAME, ORIGIN, Rows, STREAM, WITNESS};

const PAYLOAD: &[u8] = b"EUR 12.50";
const ATTESTATION: &[u8] = b"made in hardware";
/// When the witness saw the first checkpoint: seconds since 1970, one minute after the stream began.
const WITNESSED: u64 = START / 1_000_000 + 60;

/// The stream while it is written.
struct Story {
    entries: Vec<(&'static str, Entry)>,
    tree: Rows,
    /// Seqno of every seal.
    seals: Vec<u64>,
    checkpoints: Vec<Checkpoint>,
}

impl Story {
    fn last_hash(&self) -> Digest {
        self.tree.heights[0].last().copied().unwrap_or(Digest::ZERO)
    }

    fn push(&mut self, what: &'static str, event: Event, change: impl FnOnce(&mut Entry)) {
        let mut entry = entry(self.entries.len() as u64, self.last_hash(), event);
        change(&mut entry);
        self.tree.push(leaf_hash(&encode_entry(&entry).unwrap()));
        self.entries.push((what, entry));
    }

    fn system(&mut self, what: &'static str, detail: Detail) {
        self.push(what, detail.into_event(), |_| ());
    }

    fn seal(&mut self, what: &'static str) {
        let last_seqno = self.entries.len() as u64;
        let seal = Seal {
            segment: self.seals.len() as u64,
            first_seqno: self.seals.last().map_or(0, |seal| seal + 1),
            last_seqno,
            prev_checkpoint_hash: self.checkpoints.last().map(Checkpoint::hash),
            policy_hash: None,
            graph_digest: None,
        };
        self.system(what, Detail::SegmentSealed(seal));
        let root = root(last_seqno + 1, &mut self.tree).unwrap();
        self.seals.push(last_seqno);
        self.checkpoints.push(Checkpoint { origin: ORIGIN.into(), size: last_seqno + 1, root });
    }
}

fn story() -> Story {
    let mut story = Story { entries: Vec::new(), tree: Rows::new(), seals: Vec::new(), checkpoints: Vec::new() };
    let created =
        Detail::StreamCreated { origin: ORIGIN.into(), tier: Tier::Public, description: Some("Card payments".into()) };
    story.system("created", created);
    story.push("payment", event("payment.captured", Severity::Informational, Some(("text/plain", PAYLOAD))), |entry| {
        entry.event.idempotency_key = Some(b"order-1".to_vec());
    });
    story.seal("first seal");
    story.push("signed by its author, the clock gone back", event("till.closed", Severity::Warning, None), |entry| {
        entry.author = Some(author(&FixedKey::author(), 1, &entry.event));
        entry.clock = Some(START);
        entry.timestamp = START + 2_000_000;
    });
    story.system("erased", Detail::Erased { ranges: vec![(1, 1)], reason: "retention".into() });
    story.seal("second seal");
    let detail = rotated(6, story.last_hash(), None);
    story.system("rotated", detail);
    story.seal("third seal");
    let detail = revoked(8, story.last_hash(), 6);
    story.system("revoked", detail);
    story.system("closed", Detail::StreamClosed { reason: "end of contract".into() });
    story.seal("last seal");
    story
}

/// Checkpoints of a size up to the seqno of the rotation are the old key's.
fn signed(checkpoint: &Checkpoint) -> String {
    let algorithm = if checkpoint.size <= 6 { Algorithm::Ed25519 } else { Algorithm::EcdsaP256 };
    sign(&FixedKey::log(algorithm), &checkpoint.to_text())
}

fn sign(key: &FixedKey, text: &str) -> String {
    let line = note_line(&key.vkey(ORIGIN), &key.sign_note(text.as_bytes()));
    Note::new(text, vec![line]).unwrap().to_string()
}

pub fn stream_vectors() -> Value {
    let story = story();
    let checkpoints = story.checkpoints.iter().enumerate().map(|(segment, checkpoint)| {
        json!({
            "segment": segment, "size": checkpoint.size, "root": checkpoint.root.to_hex(),
            "text": checkpoint.to_text(), "hash": checkpoint.hash().to_hex(),
        })
    });
    let payload = [&SALT[..], PAYLOAD].concat();
    json!({
        "log_name": LOG_NAME,
        "stream_id": STREAM,
        "origin": ORIGIN,
        "entries": story.entries.iter().map(|(what, entry)| vector(what, entry)).collect::<Vec<_>>(),
        "checkpoints": checkpoints.collect::<Vec<_>>(),
        "rows": {
            "segment": story.seals.iter().map(|seal| hex(&encode_uint(*seal))).collect::<Vec<_>>(),
            "checkpoint": story.checkpoints.iter().map(signed).collect::<Vec<_>>(),
            "cosignature": [hex(&encode_cosignature(0, &cosignature_line(&story.checkpoints[0].to_text())))],
            "entry_payloads": [json!({ "seqno": 1, "before_erasure": hex(&payload), "erased_by": 4 })],
        },
    })
}

fn witness() -> VerifierKey {
    VerifierKey::for_witness(WITNESS, FixedKey::witness().public()).unwrap()
}

fn cosignature_line(text: &str) -> String {
    let signature = FixedKey::witness().sign_note(&cosignature_message(WITNESSED, text));
    note_line(&witness(), &[&WITNESSED.to_be_bytes()[..], &signature].concat()).to_string()
}

pub fn note_vectors() -> Value {
    let story = story();
    let text = story.checkpoints[0].to_text();
    let signed = Algorithm::ALL.map(|algorithm| {
        let key = FixedKey::log(algorithm);
        let vkey = key.vkey(ORIGIN);
        let key_type: &[u8] = match algorithm {
            Algorithm::Ed25519 => &[1],
            Algorithm::EcdsaP256 => &[2],
            Algorithm::RsaPssSha256 => RSA_TYPE,
        };
        let public = key.public();
        let key_id_input = match algorithm {
            Algorithm::EcdsaP256 => public.encoded().to_vec(),
            _ => [ORIGIN.as_bytes(), b"\n", key_type, public.encoded()].concat(),
        };
        json!({
            "algorithm": algorithm.as_str(), "type": hex(key_type), "public_key": hex(public.encoded()),
            "key_id_input": hex(&key_id_input), "key_id": hex(&vkey.key_id()), "vkey": vkey.to_string(), "text": text,
            "signature": hex(&key.sign_note(text.as_bytes())), "note": sign(&key, &text),
        })
    });
    let (_, signed_event) = &story.entries[3];
    let rotation = &story.entries[6].1;
    let revocation = &story.entries[8].1;
    let (Some(Detail::KeyRotated { old_vkey, new_vkey, .. }), Some(Detail::KeyRevoked { vkey, from_seqno, .. })) =
        (&rotation.event.detail, &revocation.event.detail)
    else {
        panic!("the story changed")
    };
    let attested = &story.entries[1].1;
    let log_vkey = FixedKey::log(Algorithm::Ed25519).vkey(ORIGIN).to_string();
    let attest = attest_message(ORIGIN, 1, &attested.prev_entry_hash, &log_vkey, ATTESTATION);
    let origin_hash = hex(&Sha256::digest(ORIGIN));
    let Checkpoint { size, root, .. } = &story.checkpoints[0];
    let head = format!("secure-log-head/v1\n{ORIGIN}\n{size}\n{}\n{log_vkey}\n", root.to_hex());
    json!({
        "signed": signed,
        "cosignature": {
            "vkey": witness().to_string(), "key_id": hex(&witness().key_id()), "time": WITNESSED, "text": text,
            "public_key": hex(FixedKey::witness().public().encoded()),
            "message": String::from_utf8(cosignature_message(WITNESSED, &text)).unwrap(),
            "line": cosignature_line(&text),
        },
        "author": {
            "origin": ORIGIN, "author_seq": 1, "event": event_json(&signed_event.event),
            "message": hex(&author_message(ORIGIN, 1, &signed_event.event)),
            "author": entry_json(signed_event)["author"],
        },
        "attest": {
            "origin": ORIGIN, "seqno": 1, "prev_entry_hash": attested.prev_entry_hash.to_hex(), "vkey": log_vkey,
            "attestation": hex(ATTESTATION), "message": hex(&attest),
            "signature": hex(&FixedKey::log(Algorithm::Ed25519).sign_note(&attest)),
        },
        "rotate": {
            "origin": ORIGIN, "seqno": 6, "prev_entry_hash": rotation.prev_entry_hash.to_hex(),
            "old_vkey": old_vkey, "new_vkey": new_vkey, "attestation": null,
            "message": hex(&rotate_message(ORIGIN, 6, &rotation.prev_entry_hash, old_vkey, new_vkey, None)),
        },
        "revoke": {
            "origin": ORIGIN, "seqno": 8, "prev_entry_hash": revocation.prev_entry_hash.to_hex(),
            "vkey": vkey, "from_seqno": from_seqno,
            "message": hex(&revoke_message(ORIGIN, 8, &revocation.prev_entry_hash, vkey, *from_seqno)),
        },
        "head_file": {
            "origin": ORIGIN, "size": story.checkpoints[0].size,
            "name": format!("heads.{origin_hash}.1"), "number": 1,
            "content": format!("{head}{}\n", hex(&Sha256::digest(&head))),
            "root": story.checkpoints[0].root.to_hex(), "vkey": log_vkey,
        },
    })
}

/// Proof files and the published tree of the first two checkpoints.
pub fn evidence_vectors() -> Value {
    let mut story = story();
    let (first, second) = (story.checkpoints[0].size, story.checkpoints[1].size);
    let cosigned = signed(&story.checkpoints[0]) + &cosignature_line(&story.checkpoints[0].to_text()) + "\n";
    let (old, new) = (Note::parse(&cosigned).unwrap(), Note::parse(&signed(&story.checkpoints[1])).unwrap());
    let path = inclusion_path(1, first, &mut story.tree).unwrap();
    let inclusion = InclusionFile { extra: None, index: 1, path, note: old.clone() };
    let path = consistency_path(first, second, &mut story.tree).unwrap();
    let consistency = ConsistencyFile { path, old: old.clone(), new: new.clone() };

    let bodies: Vec<Vec<u8>> =
        story.entries.iter().take(second as usize).map(|(_, entry)| encode_entry(entry).unwrap()).collect();
    let mut builder = Builder::new();
    for body in &bodies {
        builder.push::<Invalid>(body, |_, _| Ok(())).unwrap();
    }
    let files =
        builder.partials().into_iter().map(|(tile, bytes)| json!({ "name": tile.path(), "bytes": hex(&bytes) }));
    let name = |level: u8, index: u64, width: u16| {
        let path = Tile { content: Content::Hashes(level), index, width }.path();
        json!({ "level": level, "index": index, "width": width, "name": path })
    };
    json!({
        "origin": ORIGIN,
        "entries": bodies.iter().map(|body| hex(body)).collect::<Vec<_>>(),
        "notes": [old.to_string(), new.to_string()],
        "inclusion": { "index": 1, "size": first, "file": inclusion.to_string() },
        "consistency": { "old": first, "new": second, "file": consistency.to_string() },
        "tiles": { "size": second, "files": files.collect::<Vec<_>>() },
        "names": [name(0, 0, FULL), name(0, 1_234_067, FULL), name(1, 1, 17), name(2, 1000, 1)],
    })
}
