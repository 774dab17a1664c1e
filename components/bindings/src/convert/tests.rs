#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use secure_log::encode::{decode_entry, encode_entry};
use secure_log::error::{Finding, FindingKind, LogError};
use secure_log::log::{ConsistencyProof, InclusionProof, ReadEntry};
use secure_log::merkle::leaf_hash;
use secure_log::signer::{Algorithm, PublicKey};
use secure_log::types::{
    Author, Detail, Entry, Event, MAX_INT, MAX_PAYLOAD, Name, NewEvent, PayloadRef, Seal, Severity, Tier,
};
use secure_log::verify::Signers;

use super::*;

fn stream() -> StreamId {
    StreamId::try_from("audit/a").unwrap()
}

fn hash(byte: u8) -> Digest {
    Digest([byte; 32])
}

fn row(stream: &str, index: u64) -> types::Row {
    let body = vec![1, 2];
    types::Row { kind: types::RowKind::Entry, stream_id: stream.into(), index, body, payload: Some(vec![3]) }
}

fn event() -> types::Event {
    types::Event {
        event_type: "login".into(),
        severity: types::Severity::Warning,
        producer: "sshd".into(),
        payload: Some(vec![1, 2, 3]),
        payload_encoding: Some("text/plain".into()),
        salt: Some(vec![7; 16]),
        idempotency_key: Some(vec![8; 64]),
        author: Some(types::Author {
            algorithm: "ed25519".into(),
            public_key: vec![1; 32],
            author_seq: MAX_INT,
            signature: vec![2; 64],
        }),
    }
}

/// An entry of every kind of content there is.
fn entries() -> Vec<Entry> {
    let name = |text: &str| Name::parse("name", text).unwrap();
    let user = Event {
        event_type: name("login"),
        severity: Severity::Debug,
        producer: name("sshd"),
        payload: Some(PayloadRef { encoding: name("text/plain"), length: 3, commitment: hash(4) }),
        detail: None,
        idempotency_key: Some(vec![1]),
    };
    let seal = Seal {
        segment: 1,
        first_seqno: 2,
        last_seqno: 5,
        prev_checkpoint_hash: Some(hash(1)),
        policy_hash: None,
        graph_digest: Some(hash(2)),
    };
    let details = [
        Detail::SegmentSealed(seal),
        Detail::StreamClosed { reason: "done".into() },
        Detail::Erased { ranges: vec![(1, 2), (4, 4)], reason: "asked".into() },
        Detail::KeyAttested { vkey: "k".into(), attestation: vec![1], signature: vec![2] },
        Detail::KeyRevoked { vkey: "k".into(), from_seqno: 1, reason: "lost".into(), signature: vec![2] },
        Detail::KeyEpoch { epoch: 1, key_commitment: hash(3) },
        Detail::KeyDestroyed { epoch: 1 },
    ];
    let author = Author { algorithm: "ed25519".into(), public_key: vec![1; 32], author_seq: 9, signature: vec![2; 64] };
    let entry = |event, author| Entry {
        stream_id: stream(),
        seqno: 5,
        prev_entry_hash: hash(5),
        timestamp: MAX_INT,
        clock: Some(3),
        session_id: [6; 16],
        boot_id: [7; 16],
        event,
        author,
    };
    let mut all = vec![entry(user, Some(author))];
    all.extend(details.into_iter().map(|detail| entry(detail.into_event(), None)));
    all
}

#[test]
fn enums_of_both_sides_have_one_order() {
    for (place, kind) in RowKind::ALL.into_iter().enumerate() {
        assert_eq!((types::RowKind::from(kind) as usize, RowKind::from(types::RowKind::from(kind))), (place, kind));
    }
    for (place, severity) in Severity::ALL.into_iter().enumerate() {
        let lowered = types::Severity::from(severity);
        assert_eq!((lowered as usize, Severity::from(lowered)), (place, severity));
    }
    for (place, tier) in [Tier::Public, Tier::Protected, Tier::HighlyRestricted].into_iter().enumerate() {
        assert_eq!((types::Tier::from(tier) as usize, Tier::from(types::Tier::from(tier))), (place, tier));
    }
    for want in [Want::Synced, Want::Written] {
        assert_eq!(Want::from(types::Want::from(want)), want);
    }
}

#[test]
fn store_errors_come_back_as_they_went() {
    let why = || "why".to_owned();
    for error in [
        StoreError::Conflict,
        StoreError::NotInitialised,
        StoreError::Invalid(why()),
        StoreError::NoSpace,
        StoreError::Io(why()),
        StoreError::Corrupt(why()),
        StoreError::Unavailable(why()),
        StoreError::Denied(why()),
    ] {
        assert_eq!(StoreError::from(types::StoreError::from(error.clone())), error);
    }
}

#[test]
fn rows_come_back_as_they_went_and_are_moved() {
    // Longer than what a stream id holds without an allocation.
    let long = "x".repeat(64);
    let sent = vec![row(&long, 0), row(&long, 1), row("b/c", 0)];
    let bodies: Vec<_> = sent.iter().map(|row| row.body.as_ptr()).collect();
    let expected = sent.clone();
    let parsed = rows(sent).unwrap();
    assert_eq!(parsed.iter().map(|row| row.body.as_ptr()).collect::<Vec<_>>(), bodies);
    assert!(std::ptr::eq(parsed[0].stream_id.as_str(), parsed[1].stream_id.as_str()), "one id, parsed once");
    assert_eq!(each::<_, types::Row>(parsed), expected);
}

#[test]
fn a_row_of_a_stream_that_cannot_be_stops_at_the_edge() {
    for evil in ["", "..", "a//b", "a\0", "ä", &"x".repeat(129)] {
        assert!(rows(vec![row("a", 0), row(evil, 0)]).is_err(), "{evil:?}");
    }
}

#[test]
fn events_keep_every_field() {
    let parsed = NewEvent::try_from(event()).unwrap();
    assert_eq!(parsed.event_type.as_str(), "login");
    assert_eq!(parsed.severity, Severity::Warning);
    assert_eq!(parsed.producer.as_str(), "sshd");
    assert_eq!(parsed.payload, Some(vec![1, 2, 3]));
    assert_eq!(parsed.encoding.map(|name| name.as_str().to_owned()), Some("text/plain".into()));
    assert_eq!(parsed.salt, Some([7; 16]));
    assert_eq!(parsed.idempotency_key, Some(vec![8; 64]));
    assert_eq!(parsed.author.map(types::Author::from), event().author);
}

#[test]
fn an_event_out_of_bounds_is_invalid_and_the_field_is_named() {
    let long = "x".repeat(257);
    let bad = |change: fn(&mut types::Event, &str), names: &str| {
        let mut event = event();
        change(&mut event, &long);
        let error = NewEvent::try_from(event).unwrap_err();
        assert!(error.0.contains(names), "{error} names {names}");
    };
    bad(|event, _| event.event_type.clear(), "event type");
    bad(|event, long| event.event_type = long.into(), "event type");
    bad(|event, _| event.producer.clear(), "producer");
    bad(|event, long| event.producer = long.into(), "producer");
    bad(|event, _| event.payload_encoding = Some(String::new()), "payload encoding");
    bad(|event, long| event.payload_encoding = Some(long.into()), "payload encoding");
    bad(|event, _| event.payload = Some(vec![0; MAX_PAYLOAD + 1]), "payload");
    bad(|event, _| event.salt = Some(vec![0; 15]), "salt");
    bad(|event, _| event.salt = Some(vec![0; 17]), "salt");
    bad(|event, _| event.idempotency_key = Some(vec![]), "idempotency key");
    bad(|event, _| event.idempotency_key = Some(vec![0; 65]), "idempotency key");
    bad(|event, _| event.author.as_mut().unwrap().author_seq = MAX_INT + 1, "author-seq");
}

#[test]
fn entries_come_back_as_they_went() {
    for entry in entries() {
        let bytes = encode_entry(&entry).unwrap();
        let read =
            ReadEntry { entry: entry.clone(), hash: leaf_hash(&bytes), payload: Some(vec![1]), salt: Some([2; 16]) };
        let lowered = types::Entry::from(read);
        assert_eq!((lowered.payload.clone(), lowered.salt.clone()), (Some(vec![1]), Some(vec![2; 16])));
        assert_eq!(lowered.entry_hash, leaf_hash(&bytes).0);
        let back = Entry::try_from(lowered).unwrap();
        assert_eq!(back, entry);
        assert_eq!(decode_entry(&encode_entry(&back).unwrap()), Ok(entry));
    }
}

#[test]
fn an_entry_out_of_bounds_is_refused() {
    type Change = fn(&mut types::Entry);
    let changes: [Change; 16] = [
        |entry| entry.stream_id = "a//b".into(),
        |entry| entry.seqno = MAX_INT + 1,
        |entry| entry.prev_entry_hash.truncate(31),
        |entry| entry.prev_entry_hash.push(0),
        |entry| entry.timestamp = u64::MAX,
        |entry| entry.clock = Some(u64::MAX),
        |entry| entry.session_id.truncate(15),
        |entry| entry.boot_id.clear(),
        |entry| entry.event_type.clear(),
        |entry| entry.producer = "x".repeat(257),
        |entry| entry.idempotency_key = Some(vec![]),
        |entry| entry.payload_ref.as_mut().unwrap().encoding.clear(),
        |entry| entry.payload_ref.as_mut().unwrap().length = u64::MAX,
        |entry| entry.payload_ref.as_mut().unwrap().commitment.truncate(31),
        |entry| entry.author.as_mut().unwrap().author_seq = u64::MAX,
        |entry| entry.detail = Some(vec![0x80]),
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let entry = entries().remove(0);
        let mut lowered = types::Entry::from(ReadEntry { entry, hash: hash(0), payload: None, salt: None });
        change(&mut lowered);
        assert!(matches!(Entry::try_from(lowered), Err(LogError::Invalid(_))), "change {number}");
    }
    let unknown = |change: Change| {
        let entry = entries().remove(1);
        let mut lowered = types::Entry::from(ReadEntry { entry, hash: hash(0), payload: None, salt: None });
        change(&mut lowered);
        assert!(matches!(Entry::try_from(lowered), Err(LogError::Unsupported(_))));
    };
    unknown(|entry| entry.version = 2);
    unknown(|entry| entry.event_type = "secure-log.other".into());
}

#[test]
fn proofs_come_back_as_they_went_and_a_hash_has_32_bytes() {
    let path = vec![hash(3); 64];
    let inclusion =
        InclusionProof { stream_id: stream(), seqno: 1, entry_hash: hash(1), tree_size: 9, root: hash(2), path };
    let lowered = types::InclusionProof::from(inclusion.clone());
    assert_eq!(InclusionProof::try_from(lowered.clone()), Ok(inclusion));
    let changes: [fn(&mut types::InclusionProof); 7] = [
        |proof| proof.root.truncate(31),
        |proof| proof.entry_hash.truncate(31),
        |proof| proof.path[63].truncate(31),
        |proof| proof.path.push(vec![0; 32]),
        |proof| proof.seqno = u64::MAX,
        |proof| proof.tree_size = MAX_INT + 1,
        |proof| proof.stream_id = "..".into(),
    ];
    for change in changes {
        let mut bad = lowered.clone();
        change(&mut bad);
        assert!(InclusionProof::try_from(bad).is_err());
    }

    let (old_root, new_root) = (hash(1), hash(2));
    let path = vec![hash(3)];
    let consistency = ConsistencyProof { stream_id: stream(), old_size: 1, new_size: 2, old_root, new_root, path };
    let lowered = types::ConsistencyProof::from(consistency.clone());
    assert_eq!(ConsistencyProof::try_from(lowered.clone()), Ok(consistency));
    let changes: [fn(&mut types::ConsistencyProof); 6] = [
        |proof| proof.old_root.truncate(31),
        |proof| proof.new_root.push(0),
        |proof| proof.path[0].clear(),
        |proof| proof.old_size = u64::MAX,
        |proof| proof.new_size = u64::MAX,
        |proof| proof.stream_id.clear(),
    ];
    for change in changes {
        let mut bad = lowered.clone();
        change(&mut bad);
        assert!(ConsistencyProof::try_from(bad).is_err());
    }
}

#[test]
fn a_31_byte_hash_is_invalid_and_named() {
    let error = digest("expected-root", &[0; 31]).unwrap_err();
    assert_eq!(error.0, "expected-root: a hash has 32 bytes, not 31");
}

#[test]
fn findings_and_errors_keep_kind_and_place() {
    let kind = FindingKind::RolledBack;
    let finding = Finding { stream_id: stream(), first_seqno: 3, last_seqno: 4, kind, detail: "behind".into() };
    let lowered = types::Finding {
        stream_id: "audit/a".into(),
        first_seqno: 3,
        last_seqno: 4,
        kind: types::FindingKind::RolledBack,
        detail: "behind".into(),
    };
    assert_eq!(types::LogError::from(LogError::Rollback(finding.clone())), types::LogError::Rollback(lowered.clone()));
    assert_eq!(types::LogError::from(LogError::Tampered(finding)), types::LogError::Tampered(lowered));
    assert_eq!(
        types::LogError::from(LogError::Store(StoreError::Io("disk".into()))),
        types::LogError::Store(types::StoreError::Io("disk".into()))
    );
    assert_eq!(
        types::LogError::from(LogError::Signer(SignerError::WrongSignature("k".into()))),
        types::LogError::Signer(types::SignerError::WrongSignature("k".into()))
    );
}

#[test]
fn trust_is_parsed_once_and_asks_the_keystore_only_when_told_to() {
    let given = |signers, authors: &[&str]| types::Trust {
        signers,
        authors: authors.iter().map(|vkey| (*vkey).to_owned()).collect(),
        require_author: true,
    };
    let never = |_: &str| -> Result<PublicKey, LogError> { panic!("the keystore was asked") };

    let policy = types::Signers::Policy("log no-vkey\n".into());
    assert!(matches!(trust(given(policy, &[]), never), Err(LogError::Invalid(_))));

    let keystore = || types::Signers::Keystore("me".into());
    let missing = LogError::Signer(SignerError::KeyNotFound("me".into()));
    assert_eq!(trust(given(keystore(), &[]), |_| Err(missing.clone())).unwrap_err(), missing);

    let key = ed25519_key();
    let parsed = trust(given(keystore(), &[]), |_| Ok(key.clone())).unwrap();
    assert!(matches!(parsed.signers, Signers::Keystore { identity, .. } if identity == "me"));
    assert!(parsed.require_author);
    assert!(matches!(trust(given(keystore(), &["nonsense"]), |_| Ok(key.clone())), Err(LogError::Invalid(_))));
}

/// The base point of edwards25519 (RFC 8032 section 5.1): a valid key.
fn ed25519_key() -> PublicKey {
    let mut encoded = [0x66; 32];
    encoded[0] = 0x58;
    PublicKey::parse(Algorithm::Ed25519, &encoded).unwrap()
}

#[test]
fn an_error_that_a_log_answers_is_the_one_it_had() {
    let finding = || Finding {
        stream_id: stream(),
        first_seqno: 3,
        last_seqno: 4,
        kind: FindingKind::Truncated,
        detail: "cut".into(),
    };
    let words = || "why".to_owned();
    for error in [
        LogError::NotOpen,
        LogError::AlreadyOpen,
        LogError::Invalid(words()),
        LogError::EntryNotFound,
        LogError::StreamNotFound,
        LogError::SegmentNotFound,
        LogError::EmptySegment,
        LogError::StreamClosed,
        LogError::Conflict,
        LogError::Tampered(finding()),
        LogError::Rollback(finding()),
        LogError::Untrusted(words()),
        LogError::Signer(SignerError::KeyNotFound(words())),
        LogError::Signer(SignerError::UnsupportedAlgorithm(words())),
        LogError::Signer(SignerError::AccessDenied(words())),
        LogError::Signer(SignerError::Backend(words())),
        LogError::Signer(SignerError::WrongSignature(words())),
        LogError::Store(StoreError::Denied(words())),
        LogError::Unsupported(words()),
    ] {
        assert_eq!(LogError::try_from(types::LogError::from(error.clone())), Ok(error));
    }
    let mut evil = types::Finding::from(finding());
    evil.stream_id = "../a".into();
    assert!(LogError::try_from(types::LogError::Tampered(evil)).is_err());
}
