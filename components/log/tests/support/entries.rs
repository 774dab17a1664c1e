//! The entries of the vectors, built from the domain's types, and their JSON form.

use secure_log::encode::{author_message, encode_entry, revoke_message, rotate_message};
use secure_log::merkle::leaf_hash;
use secure_log::payload;
use secure_log::signer::{Algorithm, Signer as _};
use secure_log::types::{Author, Detail, Digest, Entry, Event, Name, Seal, Severity, StreamId, Tier, hex};
use serde_json::{Value, json};

use super::support::{FixedKey, ORIGIN, STREAM};

/// 2026-01-01T00:00:00Z.
pub const START: u64 = 1_767_225_600_000_000;
pub const SALT: [u8; 16] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];

pub fn name(text: &str) -> Name {
    Name::parse("name", text).unwrap()
}

pub fn entry(seqno: u64, prev: Digest, event: Event) -> Entry {
    Entry {
        stream_id: StreamId::try_from(STREAM).unwrap(),
        seqno,
        prev_entry_hash: prev,
        timestamp: START + seqno * 1_000_000,
        clock: None,
        session_id: [0xa5; 16],
        boot_id: [0; 16],
        event,
        author: None,
    }
}

pub fn event(event_type: &str, severity: Severity, payload: Option<(&str, &[u8])>) -> Event {
    let payload = payload
        .map(|(encoding, bytes)| payload::reference(Some(name(encoding)), &payload::stored(&SALT, bytes)).unwrap());
    Event {
        event_type: name(event_type),
        severity,
        producer: name("till-7"),
        payload,
        detail: None,
        idempotency_key: None,
    }
}

pub fn author(key: &FixedKey, author_seq: u64, event: &Event) -> Author {
    Author {
        algorithm: key.algorithm().as_str().to_owned(),
        public_key: key.public_key(),
        author_seq,
        signature: key.sign_note(&author_message(ORIGIN, author_seq, event)),
    }
}

pub fn rotated(seqno: u64, prev: Digest, attestation: Option<Vec<u8>>) -> Detail {
    let (old, new) = (FixedKey::log(Algorithm::Ed25519), FixedKey::log(Algorithm::EcdsaP256));
    let (old_vkey, new_vkey) = (old.vkey(ORIGIN).to_string(), new.vkey(ORIGIN).to_string());
    let message = rotate_message(ORIGIN, seqno, &prev, &old_vkey, &new_vkey, attestation.as_deref());
    let (sig_old, sig_new) = (old.sign_note(&message), new.sign_note(&message));
    Detail::KeyRotated { old_vkey, new_vkey, attestation, sig_old, sig_new }
}

pub fn revoked(seqno: u64, prev: Digest, from_seqno: u64) -> Detail {
    let vkey = FixedKey::log(Algorithm::Ed25519).vkey(ORIGIN).to_string();
    let message = revoke_message(ORIGIN, seqno, &prev, &vkey, from_seqno);
    let signature = FixedKey::log(Algorithm::EcdsaP256).sign_note(&message);
    Detail::KeyRevoked { vkey, from_seqno, reason: "token lost".into(), signature }
}

/// Every field in every form, every system detail, each on its own: not a stream.
pub fn every_form() -> Vec<(&'static str, Entry)> {
    const MAX: u64 = i64::MAX as u64;
    let prev = leaf_hash(b"the entry before");
    let plain = || event("payment.captured", Severity::Informational, Some(("text/plain", b"EUR 12.50")));
    let system = |seqno, detail: Detail| entry(seqno, prev, detail.into_event());
    let seal = |segment, first_seqno, last_seqno, hash: Option<Digest>| {
        let seal = Seal {
            segment,
            first_seqno,
            last_seqno,
            prev_checkpoint_hash: hash,
            policy_hash: hash,
            graph_digest: hash,
        };
        system(last_seqno, Detail::SegmentSealed(seal))
    };
    let mut all = vec![
        ("user event", entry(1, prev, plain())),
        ("without payload", entry(23, prev, event("a", Severity::Debug, None))),
        ("empty payload", entry(24, prev, event("a", Severity::Alert, Some(("application/octet-stream", b""))))),
        ("clock went back", Entry { clock: Some(START - 1), ..entry(255, prev, plain()) }),
        ("clock zero", Entry { clock: Some(0), timestamp: 0, ..entry(256, prev, plain()) }),
        ("boot id", Entry { boot_id: [0x5a; 16], ..entry(65_535, prev, plain()) }),
        ("largest integers", Entry { seqno: MAX, timestamp: MAX, clock: Some(MAX), ..entry(65_536, prev, plain()) }),
        ("32-bit seqno", entry(u64::from(u32::MAX), prev, plain())),
        ("64-bit seqno", entry(u64::from(u32::MAX) + 1, prev, plain())),
        ("short idempotency key", entry(2, prev, Event { idempotency_key: Some(vec![0]), ..plain() })),
        ("longest idempotency key", entry(2, prev, Event { idempotency_key: Some(vec![0xff; 64]), ..plain() })),
        (
            "longest names",
            entry(
                3,
                prev,
                Event {
                    producer: name(&"p".repeat(256)),
                    ..event(&"t".repeat(256), Severity::Error, Some((&"e".repeat(256), b"x")))
                },
            ),
        ),
        ("text outside ASCII", entry(3, prev, Event { producer: name("Kasse Süd €"), ..plain() })),
        (
            "longest stream id",
            Entry { stream_id: StreamId::try_from("s".repeat(128).as_str()).unwrap(), ..entry(4, prev, plain()) },
        ),
        (
            "stream created",
            entry(
                0,
                Digest::ZERO,
                Detail::StreamCreated {
                    origin: ORIGIN.into(),
                    tier: Tier::Public,
                    description: Some("Card payments".into()),
                }
                .into_event(),
            ),
        ),
        (
            "stream created without description",
            entry(
                0,
                Digest::ZERO,
                Detail::StreamCreated { origin: ORIGIN.into(), tier: Tier::HighlyRestricted, description: None }
                    .into_event(),
            ),
        ),
        ("first seal", seal(0, 0, 2, None)),
        ("later seal with policy and graph", seal(1, 3, 1000, Some(prev))),
        ("stream closed", system(9, Detail::StreamClosed { reason: "end of contract".into() })),
        (
            "erased ranges",
            system(900, Detail::Erased { ranges: vec![(0, 0), (2, 40), (300, 899)], reason: "retention".into() }),
        ),
        (
            "key attested",
            system(
                1,
                Detail::KeyAttested {
                    vkey: FixedKey::log(Algorithm::Ed25519).vkey(ORIGIN).to_string(),
                    attestation: vec![0xaa; 300],
                    signature: vec![0xbb; 64],
                },
            ),
        ),
        ("key rotated", system(6, rotated(6, prev, None))),
        ("key rotated with attestation", system(6, rotated(6, prev, Some(vec![0xcc; 24])))),
        ("key revoked", system(9, revoked(9, prev, 6))),
        ("key epoch", system(5, Detail::KeyEpoch { epoch: 7, key_commitment: prev })),
        ("key destroyed", system(5, Detail::KeyDestroyed { epoch: 7 })),
    ];
    for (severity, form) in Severity::ALL.into_iter().zip([
        "emergency",
        "alert",
        "critical",
        "error",
        "warning",
        "notice",
        "informational",
        "debug",
    ]) {
        all.push((form, entry(5, prev, event("severity", severity, None))));
    }
    for (algorithm, form) in
        Algorithm::ALL.into_iter().zip(["author ed25519", "author ecdsa-p256", "author rsa-pss-sha256"])
    {
        let signed = plain();
        let author = author(&FixedKey::log(algorithm), 41, &signed);
        all.push((form, Entry { author: Some(author), ..entry(7, prev, signed) }));
    }
    all
}

/// `name`, the fields, the canonical bytes, the hash.
pub fn vector(form: &str, entry: &Entry) -> Value {
    let cbor = encode_entry(entry).unwrap();
    json!({ "name": form, "entry": entry_json(entry), "cbor": hex(&cbor), "hash": leaf_hash(&cbor).to_hex() })
}

pub fn entry_json(entry: &Entry) -> Value {
    json!({
        "version": 1,
        "stream_id": entry.stream_id.as_str(),
        "seqno": entry.seqno,
        "prev_entry_hash": entry.prev_entry_hash.to_hex(),
        "timestamp": entry.timestamp,
        "clock": entry.clock,
        "session_id": hex(&entry.session_id),
        "boot_id": hex(&entry.boot_id),
        "event": event_json(&entry.event),
        "author": entry.author.as_ref().map(|author| json!({
            "algorithm": author.algorithm,
            "public_key": hex(&author.public_key),
            "author_seq": author.author_seq,
            "signature": hex(&author.signature),
        })),
    })
}

pub fn event_json(event: &Event) -> Value {
    json!({
        "event_type": event.event_type.as_str(),
        "severity": event.severity as u8,
        "producer": event.producer.as_str(),
        "payload": event.payload.as_ref().map(|payload| json!({
            "encoding": payload.encoding.as_str(),
            "length": payload.length,
            "commitment": payload.commitment.to_hex(),
        })),
        "detail": event.detail.as_ref().map(detail_json),
        "idempotency_key": event.idempotency_key.as_ref().map(|key| hex(key)),
    })
}

fn detail_json(detail: &Detail) -> Value {
    let digest = |digest: &Option<Digest>| digest.map(|digest| digest.to_hex());
    match detail {
        Detail::StreamCreated { origin, tier, description } => {
            json!({ "origin": origin, "tier": tier.as_str(), "description": description })
        }
        Detail::SegmentSealed(seal) => json!({
            "segment": seal.segment, "first_seqno": seal.first_seqno, "last_seqno": seal.last_seqno,
            "prev_checkpoint_hash": digest(&seal.prev_checkpoint_hash),
            "policy_hash": digest(&seal.policy_hash), "graph_digest": digest(&seal.graph_digest),
        }),
        Detail::StreamClosed { reason } => json!({ "reason": reason }),
        Detail::Erased { ranges, reason } => json!({ "ranges": ranges, "reason": reason }),
        Detail::KeyAttested { vkey, attestation, signature } => {
            json!({ "vkey": vkey, "attestation": hex(attestation), "signature": hex(signature) })
        }
        Detail::KeyRotated { old_vkey, new_vkey, attestation, sig_old, sig_new } => json!({
            "old_vkey": old_vkey, "new_vkey": new_vkey, "attestation": attestation.as_ref().map(|bytes| hex(bytes)),
            "sig_old": hex(sig_old), "sig_new": hex(sig_new),
        }),
        Detail::KeyRevoked { vkey, from_seqno, reason, signature } => {
            json!({ "vkey": vkey, "from_seqno": from_seqno, "reason": reason, "signature": hex(signature) })
        }
        Detail::KeyEpoch { epoch, key_commitment } => {
            json!({ "epoch": epoch, "key_commitment": key_commitment.to_hex() })
        }
        Detail::KeyDestroyed { epoch } => json!({ "epoch": epoch }),
    }
}

/// Bytes that are nearly the `user event`, and what the decoder says: `malformed` or `unsupported`.
pub fn nearly(canonical: &[u8]) -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let with = |at: usize, length: usize, bytes: &[u8]| [&canonical[..at], bytes, &canonical[at + length..]].concat();
    let length = canonical.len();
    // 0 array, 1 version, 2 stream id (8 bytes), 11 seqno, 12 previous hash, 46 timestamp, 55 clock,
    // 56 session id, 73 boot id, 90 event, 91 event type (16 bytes), 108 severity,
    // and from the end: detail, idempotency key, author.
    let mut indefinite = with(0, 1, &[0x9f]);
    indefinite.push(0xff);
    let mut unknown = with(91, 17, b"\x72secure-log.unknown");
    let detail = unknown.len() - 3;
    unknown[detail] = 0x80;
    vec![
        ("no bytes", Vec::new(), "malformed"),
        ("last byte missing", with(length - 1, 1, &[]), "malformed"),
        ("a byte too many", with(length, 0, &[0xf6]), "malformed"),
        ("array of indefinite length", indefinite, "malformed"),
        ("array length not minimal", with(0, 1, &[0x98, 0x0a]), "malformed"),
        ("array of nine", with(0, 1, &[0x89]), "malformed"),
        ("version not minimal", with(1, 1, &[0x18, 0x01]), "malformed"),
        ("version two", with(1, 1, &[0x02]), "unsupported"),
        ("text length not minimal", with(2, 1, &[0x78, 0x08]), "malformed"),
        ("text in chunks", with(2, 9, b"\x7f\x68payments\xff"), "malformed"),
        ("text not UTF-8", with(3, 1, &[0xff]), "malformed"),
        ("text as bytes", with(2, 1, &[0x48]), "malformed"),
        ("stream id with a space", with(3, 1, b" "), "malformed"),
        ("seqno negative", with(11, 1, &[0x20]), "malformed"),
        ("seqno a float", with(11, 1, &[0xf9, 0x3c, 0x00]), "malformed"),
        ("seqno 2^63", with(11, 1, &[0x1b, 0x80, 0, 0, 0, 0, 0, 0, 0]), "malformed"),
        ("previous hash of 31 bytes", with(12, 3, &[0x58, 0x1f]), "malformed"),
        ("timestamp tagged", with(46, 0, &[0xc1]), "malformed"),
        ("clock undefined", with(55, 1, &[0xf7]), "malformed"),
        ("clock false", with(55, 1, &[0xf4]), "malformed"),
        ("event a map", with(90, 1, &[0xa3]), "malformed"),
        ("event type empty", with(91, 17, &[0x60]), "malformed"),
        ("event type reserved and unknown", unknown, "unsupported"),
        ("severity eight", with(108, 1, &[0x08]), "malformed"),
    ]
}
