//! Proof files as made, and every way we could think of to bend one.
#![allow(clippy::unwrap_used)]

use std::convert::Infallible;

use super::*;
use crate::encode::encode_entry;
use crate::merkle::{Tiles, consistency_path, inclusion_path, root};
use crate::note::{cosignature_message, note_line};
use crate::signer::testing::TestKey;
use crate::signer::{Algorithm, sign_checked};
use crate::types::{Detail, StreamId, Tier};

const ORIGIN: &str = "log.example.org/payments";

/// At most 256 entries, so that one tile of leaves holds all.
struct Tree(Vec<Vec<u8>>);

impl Tiles for Tree {
    type Error = Infallible;
    fn tile(&mut self, _: u8, _: u64, width: u16) -> Result<Vec<Digest>, Infallible> {
        Ok(self.0.iter().take(width.into()).map(|entry| leaf_hash(entry)).collect())
    }
}

fn entry(stream: &str, seqno: u64) -> Vec<u8> {
    let detail = match seqno {
        0 => Detail::StreamCreated { origin: ORIGIN.into(), tier: Tier::Public, description: None },
        _ => Detail::StreamClosed { reason: format!("{seqno}") },
    };
    encode_entry(&Entry {
        stream_id: StreamId::try_from(stream).unwrap(),
        seqno,
        prev_entry_hash: Digest::ZERO,
        timestamp: 1_767_225_600_000_000 + seqno,
        clock: None,
        session_id: [0; 16],
        boot_id: [0; 16],
        event: detail.into_event(),
        author: None,
    })
    .unwrap()
}

fn tree() -> Tree {
    Tree((0..200).map(|seqno| entry("payments", seqno)).collect())
}

fn vkey(origin: &str, seed: u8) -> VerifierKey {
    VerifierKey::for_log(origin, TestKey::new(Algorithm::Ed25519, seed).public()).unwrap()
}

fn witness() -> VerifierKey {
    VerifierKey::for_witness("witness.example/w", TestKey::new(Algorithm::Ed25519, 9).public()).unwrap()
}

/// The note of this size by the log key with this seed, cosigned or not.
fn note(origin: &str, size: u64, seed: u8, cosigned: bool) -> Note {
    let text = Checkpoint { origin: origin.into(), size, root: root(size, &mut tree()).unwrap() }.to_text();
    let sign = |seed, message: &[u8]| {
        let key = TestKey::new(Algorithm::Ed25519, seed);
        sign_checked(&key, &key.public(), message).unwrap()
    };
    let mut lines = vec![note_line(&vkey(origin, seed), &sign(seed, text.as_bytes()))];
    if cosigned {
        let signature = sign(9, &cosignature_message(1_767_225_660, &text));
        lines.push(note_line(&witness(), &[&1_767_225_660_u64.to_be_bytes()[..], &signature].concat()));
    }
    Note::new(&text, lines).unwrap()
}

fn proof(seqno: u64, size: u64) -> InclusionFile {
    let path = inclusion_path(seqno, size, &mut tree()).unwrap();
    InclusionFile { extra: None, index: seqno, path, note: note(ORIGIN, size, 1, true) }
}

fn policy(witnessed: bool) -> Policy {
    let quorum = if witnessed { format!("witness w {}\nquorum w\n", witness()) } else { "quorum none\n".into() };
    Policy::parse(&format!("log {}\n{quorum}", vkey(ORIGIN, 1))).unwrap()
}

#[test]
fn a_proof_convinces_with_nothing_but_the_entry_and_a_policy() {
    for (seqno, size) in [(0, 1), (0, 200), (5, 6), (5, 129), (199, 200)] {
        let text = proof(seqno, size).to_string();
        assert!(text.starts_with(&format!("c2sp.org/tlog-proof@v1\nindex {seqno}\n")));
        let read = InclusionFile::parse(&text).unwrap();
        assert_eq!((read.to_string(), &read), (text, &proof(seqno, size)));
        let verified = read.verify(&entry("payments", seqno), &policy(true)).unwrap();
        assert_eq!((verified.entry().seqno, verified.hash()), (seqno, leaf_hash(&entry("payments", seqno))));
        assert_eq!(verified.checkpoint().checkpoint().size, size);
        assert_eq!(verified.checkpoint().signers(), [vkey(ORIGIN, 1)]);
        assert_eq!(verified.checkpoint().witnesses(), [("w".to_owned(), 1_767_225_660)]);
    }
}

#[test]
fn the_extra_line_is_kept_and_changes_nothing() {
    let with = InclusionFile { extra: Some(b"context".to_vec()), ..proof(5, 129) };
    let read = InclusionFile::parse(&with.to_string()).unwrap();
    assert_eq!(read, with);
    assert!(read.verify(&entry("payments", 5), &policy(true)).is_ok());
}

#[test]
fn no_single_byte_of_a_proof_can_change() {
    let (good, body) = (proof(5, 6).to_string(), entry("payments", 5));
    for at in 0..good.len() {
        for change in [1, 0x20] {
            let mut bytes = good.clone().into_bytes();
            bytes[at] ^= change;
            let Ok(text) = String::from_utf8(bytes) else { continue };
            let judged = InclusionFile::parse(&text).and_then(|read| read.verify(&body, &policy(true)));
            assert!(judged.is_err(), "byte {at} of {good}");
        }
    }
    for at in 0..body.len() {
        let mut changed = body.clone();
        changed[at] ^= 1;
        assert!(proof(5, 6).verify(&changed, &policy(true)).is_err(), "byte {at} of the entry");
    }
}

#[test]
fn what_does_not_belong_together_is_told_apart() {
    let (good, body) = (proof(5, 129), entry("payments", 5));
    let verify = |file: &InclusionFile, body: &[u8]| file.verify(body, &policy(true)).unwrap_err();
    assert!(matches!(verify(&good, &entry("payments", 6)), ProofError::WrongEntry(_)));
    assert!(matches!(verify(&good, &entry("refunds", 5)), ProofError::WrongEntry(_)));
    assert!(matches!(verify(&good, b"no entry"), ProofError::WrongEntry(_)));
    let other_size = InclusionFile { note: note(ORIGIN, 128, 1, true), ..good.clone() };
    assert_eq!(verify(&other_size, &body), ProofError::WrongPath);
    let longer = InclusionFile { path: [&good.path[..], &[Digest::ZERO]].concat(), ..good.clone() };
    assert_eq!(verify(&longer, &body), ProofError::WrongPath);
    let shorter = InclusionFile { path: good.path[1..].to_vec(), ..good.clone() };
    assert_eq!(verify(&shorter, &body), ProofError::WrongPath);
    let next = InclusionFile { index: 6, ..good.clone() };
    assert!(matches!(verify(&next, &body), ProofError::WrongEntry(_)));
    let foreign = InclusionFile { note: note("evil.example.org/payments", 129, 1, true), ..good.clone() };
    assert_eq!(verify(&foreign, &body), ProofError::UnknownLog("evil.example.org/payments".into()));
    let stranger = InclusionFile { note: note(ORIGIN, 129, 2, true), ..good.clone() };
    assert_eq!(verify(&stranger, &body), ProofError::Checkpoint(NoteError::NoKnownKey));
    let alone = InclusionFile { note: note(ORIGIN, 129, 1, false), ..good };
    assert_eq!(verify(&alone, &body), ProofError::NotWitnessed(ORIGIN.into(), 0));
    assert!(alone.verify(&body, &policy(false)).is_ok(), "a policy without quorum asks for no witness");
}

#[test]
fn only_one_spelling_of_a_proof_is_read() {
    let good = proof(5, 129).to_string();
    let hash = good.lines().nth(2).unwrap();
    for (from, to) in [
        ("@v1\n", "@v2\n"),
        ("@v1\n", "@v1\r\n"),
        ("index 5\n", ""),
        ("index 5\n", "index 05\n"),
        ("index 5\n", "index +5\n"),
        ("index 5\n", "index 9223372036854775808\n"),
        ("index 5\n", "index 5\nindex 5\n"),
        ("index 5\n", "extra \u{e4}\nindex 5\n"),
        ("index 5\n", "index 5\nextra YQ==\n"),
        (hash, &hash[..43]),
        (hash, &format!("{hash} ")),
        (hash, "YQ=="),
        ("\n\nlog.", "\nlog."),
        ("\n\nlog.", "\n\n\nlog."),
        ("index 5\n", &format!("index 5\n{}", format!("{hash}\n").repeat(65))),
    ] {
        assert!(good.contains(from));
        assert!(InclusionFile::parse(&good.replacen(from, to, 1)).is_err(), "{from:?} to {to:?}");
    }
    assert!(InclusionFile::parse(good.trim_end()).is_err());
    assert!(InclusionFile::parse(&format!("{good}\n")).is_err());
    assert!(InclusionFile::parse(&format!("{INCLUSION}\nextra {}", "A".repeat(MAX_PROOF_FILE))).is_err());
}

fn consistency(old: u64, new: u64) -> ConsistencyFile {
    let path = consistency_path(old, new, &mut tree()).unwrap();
    ConsistencyFile { path, old: note(ORIGIN, old, 1, true), new: note(ORIGIN, new, 1, true) }
}

#[test]
fn a_consistency_proof_carries_both_checkpoints_and_binds_them() {
    for (old, new) in [(0, 5), (1, 2), (3, 7), (128, 200), (199, 200), (7, 7)] {
        let text = consistency(old, new).to_string();
        let read = ConsistencyFile::parse(&text).unwrap();
        assert_eq!((read.to_string(), &read), (text, &consistency(old, new)));
        let verified = read.verify(&policy(true)).unwrap();
        assert_eq!((verified.older().checkpoint().size, verified.newer().checkpoint().size), (old, new));
    }
}

#[test]
fn no_single_byte_of_a_consistency_proof_can_change() {
    let good = consistency(3, 7).to_string();
    for at in 0..good.len() {
        let mut bytes = good.clone().into_bytes();
        bytes[at] ^= 1;
        let Ok(text) = String::from_utf8(bytes) else { continue };
        let judged = ConsistencyFile::parse(&text).and_then(|read| read.verify(&policy(true)));
        assert!(judged.is_err(), "byte {at} of {good}");
    }
}

#[test]
fn a_consistency_proof_of_other_checkpoints_is_refused() {
    let good = consistency(3, 7);
    let turned = ConsistencyFile { old: good.new.clone(), new: good.old.clone(), ..good.clone() };
    assert_eq!(turned.verify(&policy(true)), Err(ProofError::WrongPath));
    let other = ConsistencyFile { new: note(ORIGIN, 8, 1, true), ..good.clone() };
    assert_eq!(other.verify(&policy(true)), Err(ProofError::WrongPath));
    let stranger = ConsistencyFile { old: note(ORIGIN, 3, 2, true), ..good.clone() };
    assert_eq!(stranger.verify(&policy(true)), Err(ProofError::Checkpoint(NoteError::NoKnownKey)));
    let elsewhere = "log.example.org/refunds";
    let two_logs = Policy::parse(&format!("log {}\nlog {}\nquorum none\n", vkey(ORIGIN, 1), vkey(elsewhere, 2)));
    let mixed = ConsistencyFile { new: note(elsewhere, 7, 2, false), ..good };
    assert!(matches!(mixed.verify(&two_logs.unwrap()), Err(ProofError::Malformed(_))));
}
