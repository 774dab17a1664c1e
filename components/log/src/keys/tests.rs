#![allow(clippy::unwrap_used)]

use std::borrow::Cow;

use super::*;
use crate::signer::testing::TestKey;
use crate::signer::{Algorithm, sign_checked};
use crate::types::{Digest, StreamId};

const ORIGIN: &str = "log.example.org/s";

fn key(seed: u8) -> TestKey {
    TestKey::new(Algorithm::Ed25519, seed)
}

fn vkey(key: &TestKey) -> VerifierKey {
    VerifierKey::for_log(ORIGIN, key.public()).unwrap()
}

fn rotation(seqno: u64, old: &TestKey, new: &TestKey) -> Entry {
    let prev = Digest([3; 32]);
    let (old_vkey, new_vkey) = (vkey(old).to_string(), vkey(new).to_string());
    let message = rotate_message(ORIGIN, seqno, &prev, &old_vkey, &new_vkey, None);
    let sign = |key: &TestKey| sign_checked(key, &key.public(), &message).unwrap();
    let (sig_old, sig_new) = (sign(old), sign(new));
    Entry {
        stream_id: StreamId::try_from("s").unwrap(),
        seqno,
        prev_entry_hash: prev,
        timestamp: 0,
        clock: None,
        session_id: [0; 16],
        boot_id: [0; 16],
        event: Detail::KeyRotated { old_vkey, new_vkey, attestation: None, sig_old, sig_new }.into_event(),
        author: None,
    }
}

fn one(history: &KeyHistory, size: u64) -> Option<VerifierKey> {
    history.authorised(size).unwrap().map(Cow::into_owned)
}

#[test]
fn sizes_up_to_the_seqno_of_a_rotation_are_the_old_keys_and_larger_ones_the_new_keys() {
    let mut history = KeyHistory::pinned(vkey(&key(1)));
    history.take(ORIGIN, &rotation(10, &key(1), &key(2))).unwrap();
    history.take(ORIGIN, &rotation(11, &key(2), &key(3))).unwrap();
    for (size, seed) in [(0, 1), (10, 1), (11, 2), (12, 3), (u64::MAX, 3)] {
        assert_eq!(one(&history, size), Some(vkey(&key(seed))), "{size}");
    }
    assert_eq!((history.rotations(), history.since()), (2, Some(11)));
}

#[test]
fn a_refused_entry_changes_nothing() {
    let mut history = KeyHistory::pinned(vkey(&key(1)));
    assert!(history.take(ORIGIN, &rotation(5, &key(2), &key(3))).is_err());
    let mut forged = rotation(5, &key(1), &key(2));
    forged.seqno = 6;
    assert!(history.take(ORIGIN, &forged).is_err());
    assert!(history.take("log.example.org/t", &rotation(5, &key(1), &key(2))).is_err());
    assert_eq!((one(&history, 9), history.rotations()), (Some(vkey(&key(1))), 0));
}

#[test]
fn a_partial_history_tells_only_what_it_saw() {
    let mut history = KeyHistory::partial();
    assert_eq!(one(&history, 7), None);
    history.take(ORIGIN, &rotation(10, &key(4), &key(5))).unwrap();
    assert_eq!((one(&history, 7), one(&history, 11)), (Some(vkey(&key(4))), Some(vkey(&key(5)))));
}

#[test]
fn what_is_out_of_reach_is_an_error_and_never_another_key() {
    let at = |n: usize| TestKey::new([Algorithm::Ed25519, Algorithm::EcdsaP256][n % 2], (n / 2 % 255) as u8 + 1);
    let mut history = KeyHistory::pinned(vkey(&at(0)));
    for n in 0..KEPT + 2 {
        history.take(ORIGIN, &rotation(10 + n as u64, &at(n), &at(n + 1))).unwrap();
    }
    for size in [0, 10, 11] {
        assert!(history.authorised(size).is_err(), "{size}");
    }
    assert_eq!(one(&history, 12), Some(vkey(&at(2))));
    assert_eq!((history.0.past.len(), one(&history, u64::MAX)), (KEPT, Some(vkey(&at(KEPT + 2)))));
}
