//! Key entries that no log writes, forged row by row as an attacker would who has the store and some key, with every
//! unkeyed hash right: whoever pinned the first key is deceived by none.

use crate::forge::Forge;
use crate::pinned::{key, pinned, policy, signed_segment, vkey, whole};
use crate::support::{FixedKey, ORIGIN, WITNESS};
use crate::world::{Shared, log, stream};
use secure_log::encode::{attest_message, revoke_message, rotate_message};
use secure_log::error::{FindingKind, LogError};
use secure_log::keys::KEPT;
use secure_log::note::VerifierKey;
use secure_log::signer::Algorithm::{EcdsaP256, Ed25519, RsaPssSha256};
use secure_log::store::RowKind;
use secure_log::types::{Detail, Digest};
use secure_log::verify::{self, Scope};

/// A policy lists a later key as well, for proof files: whoever stole that one has not stolen the history before it.
#[test]
fn of_several_pinned_keys_the_first_is_the_first_and_the_others_are_strangers() {
    let store = Shared::default();
    let mut writer = log(&store);
    signed_segment(&mut writer, &key(1));
    writer.rotate_key(&stream(), &key(1), &key(2), None).unwrap();
    signed_segment(&mut writer, &key(2));
    let both = |a: u8, b: u8| policy(&format!("log {}\nlog {}\nquorum none\n", vkey(&key(a)), vkey(&key(b))));
    for trust in [both(1, 3), both(1, 2)] {
        let report = writer.verify(&stream(), &trust).unwrap();
        assert_eq!((report.finding, report.signers.len()), (None, 2));
        assert!(report.trust_basis.contains("the first of its keys"), "{}", report.trust_basis);
    }
    let found = |forge: Forge, trust| log(&forge.store()).verify(&stream(), &trust).unwrap().finding.unwrap().kind;
    let signed_by = |keys: &[u8]| {
        let mut forge = Forge::new();
        for seed in keys {
            forge.seal_signed(&key(*seed));
        }
        forge
    };
    assert_eq!(found(signed_by(&[1, 3]), both(1, 3)), FindingKind::WrongKey, "two pinned keys are not two signers");
    assert_eq!(found(signed_by(&[2]), both(1, 2)), FindingKind::WrongKey, "a history by the later key alone");
    assert_eq!(found(signed_by(&[1]), both(2, 1)), FindingKind::WrongKey, "the order is that of the lines");
}

/// The details of key entries as their signers would make them, for this place.
fn rotated(old: &FixedKey, new: &FixedKey, seqno: u64, prev: Digest) -> Detail {
    let (old_vkey, new_vkey) = (vkey(old), vkey(new));
    let message = rotate_message(ORIGIN, seqno, &prev, &old_vkey, &new_vkey, None);
    let (sig_old, sig_new) = (old.sign_note(&message), new.sign_note(&message));
    Detail::KeyRotated { old_vkey, new_vkey, attestation: None, sig_old, sig_new }
}

fn revoked(by: &FixedKey, whom: &FixedKey, from_seqno: u64, seqno: u64, prev: Digest) -> Detail {
    let signature = by.sign_note(&revoke_message(ORIGIN, seqno, &prev, &vkey(whom), from_seqno));
    Detail::KeyRevoked { vkey: vkey(whom), from_seqno, reason: "x".into(), signature }
}

fn attested(key: &FixedKey, seqno: u64, prev: Digest) -> Detail {
    let signature = key.sign_note(&attest_message(ORIGIN, seqno, &prev, &vkey(key), b"quote"));
    Detail::KeyAttested { vkey: vkey(key), attestation: b"quote".to_vec(), signature }
}

/// The verdict of who pinned key 1.
fn verdict(forge: Forge) -> (FindingKind, u64, String) {
    let finding = log(&forge.store()).verify(&stream(), &pinned(&key(1))).unwrap().finding.expect("found");
    (finding.kind, finding.last_seqno, finding.detail)
}

/// Segment 0 signed by key 1, and a rotation from key 1 to key 2.
fn begun() -> Forge {
    let mut forge = Forge::new();
    forge.seal_signed(&key(1));
    forge.push_at(|seqno, prev| rotated(&key(1), &key(2), seqno, prev));
    forge
}

#[test]
fn the_forger_writes_what_an_honest_log_would() {
    let mut forge = begun();
    forge.seal_signed(&key(2));
    forge.push_at(|seqno, prev| rotated(&key(2), &key(3), seqno, prev));
    forge.push_at(|seqno, prev| revoked(&key(3), &key(1), 1, seqno, prev));
    forge.seal_signed(&key(3));
    assert_eq!(whole(&forge.store(), &key(1)).rotations, 2);
}

#[test]
fn a_checkpoint_by_another_key_than_that_of_its_size_is_found() {
    use FindingKind::WrongKey;
    for (what, wrong) in [
        ("a foreign signer", key(9)),
        ("the old key after its rotation", key(1)),
        ("the key after the next", key(3)),
        ("the same seed under another algorithm", FixedKey::seeded(EcdsaP256, 2)),
        ("an algorithm nobody rotated to", FixedKey::log(RsaPssSha256)),
    ] {
        let mut forge = begun();
        let sealed = forge.seal_signed(&wrong);
        let (kind, at, why) = verdict(forge);
        assert_eq!((kind, at), (WrongKey, sealed), "{what}: {why}");
        assert!(why.contains(&vkey(&key(2))), "{what}: {why}");
    }
    let mut early = Forge::new();
    early.seal_signed(&key(2));
    early.push_at(|seqno, prev| rotated(&key(2), &key(1), seqno, prev));
    assert_eq!(verdict(early).0, WrongKey, "the new key before its rotation");
}

#[test]
fn a_key_entry_that_the_keys_did_not_sign_for_its_place_is_found() {
    use FindingKind::WrongKey;
    type Make = Box<dyn Fn(u64, Digest) -> Detail>;
    let with_signatures = |change: fn(&mut Vec<u8>, &mut Vec<u8>)| -> Make {
        Box::new(move |seqno, prev| {
            let mut detail = rotated(&key(2), &key(3), seqno, prev);
            if let Detail::KeyRotated { sig_old, sig_new, .. } = &mut detail {
                change(sig_old, sig_new);
            }
            detail
        })
    };
    let swapped_type = |seqno, prev| {
        let mut detail = rotated(&key(2), &key(3), seqno, prev);
        if let Detail::KeyRotated { new_vkey, .. } = &mut detail {
            *new_vkey = VerifierKey::for_witness(ORIGIN, key(3).public()).unwrap().to_string();
        }
        detail
    };
    let swapped_key = |seqno, prev| {
        let mut detail = rotated(&key(2), &key(3), seqno, prev);
        if let Detail::KeyRotated { new_vkey, .. } = &mut detail {
            *new_vkey = vkey(&FixedKey::seeded(EcdsaP256, 3));
        }
        detail
    };
    let elsewhere = |seqno, prev: Digest| {
        let (old_vkey, new_vkey) = (vkey(&key(2)), vkey(&key(3)));
        let message = rotate_message("log.example.org/other", seqno, &prev, &old_vkey, &new_vkey, None);
        let (sig_old, sig_new) = (key(2).sign_note(&message), key(3).sign_note(&message));
        Detail::KeyRotated { old_vkey, new_vkey, attestation: None, sig_old, sig_new }
    };
    let other_name = |seqno, prev: Digest| {
        let names = [2, 3].map(|seed| key(seed).vkey("log.example.org/other").to_string());
        let message = rotate_message(ORIGIN, seqno, &prev, &names[0], &names[1], None);
        let (sig_old, sig_new) = (key(2).sign_note(&message), key(3).sign_note(&message));
        let [old_vkey, new_vkey] = names;
        Detail::KeyRotated { old_vkey, new_vkey, attestation: None, sig_old, sig_new }
    };
    let cases: Vec<(&str, Make)> = vec![
        ("a rotation was skipped", Box::new(|seqno, prev| rotated(&key(3), &key(4), seqno, prev))),
        ("the old key hands over again", Box::new(|seqno, prev| rotated(&key(1), &key(4), seqno, prev))),
        ("a key comes back", Box::new(|seqno, prev| rotated(&key(2), &key(1), seqno, prev))),
        ("a key follows itself", Box::new(|seqno, prev| rotated(&key(2), &key(2), seqno, prev))),
        ("the new key never proved possession", with_signatures(|old, new| new.clone_from(old))),
        ("no signature of the new key", with_signatures(|_, new| new.clear())),
        ("the old key did not sign", with_signatures(|old, new| old.clone_from(new))),
        ("the new key became a witness's", Box::new(swapped_type)),
        ("the new key's algorithm was swapped", Box::new(swapped_key)),
        ("copied from another seqno", Box::new(|seqno, prev| rotated(&key(2), &key(3), seqno + 1, prev))),
        ("copied from another history", Box::new(|seqno, _| rotated(&key(2), &key(3), seqno, Digest([7; 32])))),
        ("copied from another stream", Box::new(elsewhere)),
        ("keys of another stream", Box::new(other_name)),
        ("the current key is revoked", Box::new(|seqno, prev| revoked(&key(2), &key(2), 1, seqno, prev))),
        ("a stranger is revoked", Box::new(|seqno, prev| revoked(&key(2), &key(9), 1, seqno, prev))),
        ("revoked by itself", Box::new(|seqno, prev| revoked(&key(1), &key(1), 1, seqno, prev))),
        ("revoked by a stranger", Box::new(|seqno, prev| revoked(&key(9), &key(1), 1, seqno, prev))),
        ("a revocation from elsewhere", Box::new(|seqno, _| revoked(&key(2), &key(1), 1, seqno, Digest([7; 32])))),
        ("revoked from the future on", Box::new(|seqno, prev| revoked(&key(2), &key(1), seqno, seqno, prev))),
        ("a later key is attested", Box::new(|seqno, prev| attested(&key(2), seqno, prev))),
    ];
    for (what, make) in cases {
        let mut forge = begun();
        let at = forge.push_at(make);
        let (kind, found, why) = verdict(forge);
        assert_eq!((kind, found), (WrongKey, at), "{what}: {why}");
    }
    for (what, by) in [("attested by another", 2), ("attested before it is", 9)] {
        let mut forge = Forge::new();
        let at = forge.push_at(|seqno, prev| attested(&key(by), seqno, prev));
        assert_eq!(verdict(forge).1, at, "{what}");
    }
    let mut twice = Forge::new();
    twice.push_at(|seqno, prev| attested(&key(1), seqno, prev));
    let at = twice.push_at(|seqno, prev| attested(&key(1), seqno, prev));
    assert_eq!((verdict(twice).1, at), (2, 2), "attested twice");
    let mut undone = begun();
    undone.push_at(|seqno, prev| revoked(&key(2), &key(1), 1, seqno, prev));
    let at = undone.push_at(|seqno, prev| revoked(&key(2), &key(1), 2, seqno, prev));
    assert_eq!(verdict(undone).1, at, "a revocation is taken back in part");
}

#[test]
fn a_log_rotated_onto_the_key_of_its_witness_vouches_for_itself_and_is_found() {
    let witness = FixedKey::witness();
    let cosigner = VerifierKey::for_witness(WITNESS, witness.public()).unwrap();
    let mut forge = Forge::new();
    forge.seal_signed(&key(1));
    forge.push_at(|seqno, prev| rotated(&key(1), &witness, seqno, prev));
    forge.seal_signed(&witness);
    let store = forge.store();
    whole(&store, &key(1));
    let trust = policy(&format!("log {}\nwitness w {cosigner}\nquorum w\n", vkey(&key(1))));
    let found = log(&store).verify(&stream(), &trust).unwrap().finding.unwrap();
    assert_eq!((found.kind, found.last_seqno), (FindingKind::WrongKey, 2));
}

#[test]
fn a_seal_that_the_old_key_left_unsigned_is_found() {
    let mut forge = Forge::new();
    forge.seal();
    forge.push_at(|seqno, prev| rotated(&key(1), &key(2), seqno, prev));
    assert_eq!(verdict(forge).0, FindingKind::CheckpointMissing);
    let mut forge = begun();
    let store = forge.store();
    store.rows(RowKind::Checkpoint, Vec::clear);
    let found = log(&store).verify(&stream(), &pinned(&key(1))).unwrap().finding.unwrap();
    assert_eq!(found.kind, FindingKind::CheckpointMissing, "a checkpoint that was dropped");
    forge.seal_signed(&key(2));
    let store = forge.store();
    store.rows(RowKind::Checkpoint, |rows| rows.swap(0, 1));
    assert!(log(&store).verify(&stream(), &pinned(&key(1))).unwrap().finding.is_some());
}

#[test]
fn a_log_does_not_sign_what_a_false_rotation_leads_to() {
    let mut forge = Forge::new();
    forge.seal_signed(&key(1));
    forge.push_at(|seqno, prev| {
        let mut detail = rotated(&key(1), &key(2), seqno, prev);
        if let Detail::KeyRotated { sig_old, sig_new, .. } = &mut detail {
            sig_old.clone_from(sig_new);
        }
        detail
    });
    forge.seal();
    let store = forge.store();
    for signer in [key(1), key(2)] {
        assert!(log(&store).sign_segment(&signer, &stream(), 1).is_err());
    }
    let mut stranger = Forge::new();
    stranger.seal_signed(&key(9));
    stranger.push_at(|seqno, prev| rotated(&key(1), &key(2), seqno, prev));
    stranger.seal();
    let store = stranger.store();
    for signer in [key(1), key(2), key(9)] {
        assert!(log(&store).sign_segment(&signer, &stream(), 1).is_err(), "on a stranger's checkpoint");
    }
    assert!(log(&store).rotate_key(&stream(), &key(2), &key(3), None).is_err());
}

#[test]
fn every_flipped_byte_of_a_log_with_rotations_is_found() {
    let mut forge = begun();
    forge.push_at(|seqno, prev| revoked(&key(2), &key(1), 1, seqno, prev));
    forge.seal_signed(&key(2));
    let honest = forge.store();
    for kind in [RowKind::Entry, RowKind::Checkpoint] {
        for index in 0..honest.rows(kind, |rows| rows.len()) {
            for position in 0..honest.rows(kind, |rows| rows[index].body.len()) {
                let store = honest.deep_clone();
                store.rows(kind, |rows| rows[index].body[position] ^= 1);
                let found = match log(&store).verify(&stream(), &pinned(&key(1))) {
                    Ok(report) => report.finding.is_some(),
                    Err(LogError::Tampered(_) | LogError::Unsupported(_)) => true,
                    Err(error) => panic!("{error}"),
                };
                assert!(found, "{kind:?} {index} byte {position}");
            }
        }
    }
}

#[test]
fn a_store_that_shows_a_revocation_once_is_found() {
    let with = |from: Option<u64>| {
        let mut forge = Forge::new();
        forge.push_at(|_, _| Detail::Erased { ranges: vec![(0, 0)], reason: "x".into() });
        forge.seal_signed(&key(1));
        forge.push_at(|seqno, prev| rotated(&key(1), &key(2), seqno, prev));
        if let Some(from) = from {
            forge.push_at(|seqno, prev| revoked(&key(2), &key(1), from, seqno, prev));
        }
        forge.store()
    };
    for (then, expected) in [(Some(1), None), (None, Some(FindingKind::Forked)), (Some(2), Some(FindingKind::Forked))] {
        let mut store = with(Some(1));
        *store.then.borrow_mut() = Some(with(then).store.borrow().clone());
        let trust = pinned(&key(1));
        let report = verify::stream(&mut store, &stream(), ORIGIN, &trust, None, None, Scope::Everything).unwrap();
        assert_eq!(report.finding.map(|finding| finding.kind), expected, "{then:?}");
    }
}

#[test]
fn memory_is_bounded_over_any_number_of_rotations_and_old_keys_fall_out_of_reach() {
    let keys: Vec<FixedKey> =
        (0..KEPT + 44).map(|n| FixedKey::seeded([Ed25519, EcdsaP256][n / 250], (n % 250) as u8 + 1)).collect();
    let mut forge = Forge::new();
    let mut sizes = vec![forge.seal_signed(&keys[0]) + 1];
    for pair in keys.windows(2) {
        forge.push_at(|seqno, prev| rotated(&pair[0], &pair[1], seqno, prev));
        sizes.push(forge.seal_signed(&pair[1]) + 1);
    }
    let store = forge.store();
    let mut writer = log(&store);
    let report = whole(&store, &keys[0]);
    assert_eq!((report.rotations as usize, report.checkpoints as usize), (keys.len() - 1, keys.len()));
    assert_eq!((report.signers.len(), report.signers[0].vkey.clone()), (64, vkey(&keys[0])));
    assert_eq!(report.signers[63].vkey, vkey(&keys[keys.len() - 1]));
    assert!(report.notes.iter().any(|note| note.contains("signers")), "{:?}", report.notes);
    let last = &keys[keys.len() - 1];
    let oldest = keys.len() - 1 - KEPT;
    assert!(matches!(writer.revoke_key(&stream(), last, &vkey(&keys[oldest - 1]), 1, "x"), Err(LogError::Invalid(_))));
    writer.revoke_key(&stream(), last, &vkey(&keys[oldest]), sizes[oldest - 1], "x").unwrap();
    let report = whole(&store, &keys[0]);
    assert_eq!(report.revoked[0].discounted, 1);
    assert!(matches!(writer.rotate_key(&stream(), last, &keys[oldest], None), Err(LogError::Invalid(_))));
}
