//! The life of a log's key: whoever pins the first one follows every rotation and is deceived by none.
//!
//! Honest histories are written by the log itself. What it refuses to write is forged row by row, as an attacker
//! would who has the store and some key, with every unkeyed hash right.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/forge.rs"]
mod forge;
mod support;
#[path = "support/world.rs"]
mod world;

use forge::Forge;
use secure_log::encode::{attest_message, decode_entry, revoke_message, rotate_message};
use secure_log::error::{FindingKind, LogError};
use secure_log::keys::KEPT;
use secure_log::note::{VerifierKey, cosignature_message, note_line};
use secure_log::policy::Policy;
use secure_log::signer::Algorithm::{self, EcdsaP256, Ed25519, RsaPssSha256};
use secure_log::store::{Row, RowKind, Store, StoreError, Want};
use secure_log::types::{Detail, Digest, StreamId};
use secure_log::verify::{self, Report, Scope, Signers, Trust};
use support::{FixedKey, ORIGIN, WITNESS};
use world::{MemHeads, Shared, TestLog, event, events, log, log_with_heads, stream};

fn key(seed: u8) -> FixedKey {
    FixedKey::seeded(Ed25519, seed)
}

fn vkey(key: &FixedKey) -> String {
    key.vkey(ORIGIN).to_string()
}

fn policy(text: &str) -> Trust {
    Trust { signers: Signers::Policy(Policy::parse(text).unwrap()), authors: Vec::new(), require_author: false }
}

/// Trust in this first key, and in nothing else.
fn pinned(first: &FixedKey) -> Trust {
    policy(&format!("log {}\nquorum none\n", first.vkey(ORIGIN)))
}

/// Some events, a seal, its signature.
fn signed_segment(log: &mut TestLog, key: &FixedKey) -> u64 {
    log.append_batch(&stream(), &events(2), Want::Synced).unwrap();
    let sealed = log.close_segment(&stream()).unwrap();
    log.sign_segment(key, &stream(), sealed.number).unwrap();
    sealed.last_seqno + 1
}

fn whole(store: &Shared, first: &FixedKey) -> Report {
    let report = log(store).verify(&stream(), &pinned(first)).unwrap();
    assert_eq!(report.finding, None, "{report:#?}");
    report
}

#[test]
fn one_pinned_key_leads_through_rotations_of_all_algorithms_in_any_order() {
    for order in [
        [Ed25519, EcdsaP256, RsaPssSha256],
        [EcdsaP256, RsaPssSha256, Ed25519],
        [RsaPssSha256, Ed25519, EcdsaP256],
        [Ed25519, RsaPssSha256, EcdsaP256],
    ] {
        let (store, heads) = (Shared::default(), MemHeads::default());
        let mut writer = log_with_heads(&store, &heads);
        let keys = order.map(FixedKey::log);
        let mut rotations = Vec::new();
        let mut sizes = vec![signed_segment(&mut writer, &keys[0])];
        for pair in keys.windows(2) {
            rotations.push(writer.rotate_key(&stream(), &pair[0], &pair[1], Some(b"quote")).unwrap().seqno);
            // A new instance has not seen the rotation, and the last checkpoint is the old key's.
            writer = log_with_heads(&store, &heads);
            signed_segment(&mut writer, &pair[1]);
            sizes.push(signed_segment(&mut writer, &pair[1]));
        }
        let report = writer.verify(&stream(), &pinned(&keys[0])).unwrap();
        assert_eq!((report.finding.clone(), report.checkpoints, report.rotations), (None, 5, 2), "{report:#?}");
        assert!(report.head_checked && report.current_key == Some(vkey(&keys[2])));
        let signers: Vec<_> = report
            .signers
            .iter()
            .map(|signer| (signer.vkey.clone(), signer.last_seqno + 1, signer.rotated_in))
            .collect();
        let expected = [None, Some(rotations[0]), Some(rotations[1])];
        let expected: Vec<_> =
            keys.iter().zip(&sizes).zip(expected).map(|((key, size), since)| (vkey(key), *size, since)).collect();
        assert_eq!(signers, expected);
        for later in &keys[1..] {
            let other = writer.verify(&stream(), &pinned(later)).unwrap();
            assert_eq!(other.finding.unwrap().kind, FindingKind::WrongKey, "only the first key is pinned");
        }
        writer.verify_segment_signature(&stream(), 4, &pinned(&keys[0])).unwrap();
    }
}

#[test]
fn only_the_key_of_a_size_signs_it_also_after_reopening() {
    let (store, heads) = (Shared::default(), MemHeads::default());
    let mut writer = log_with_heads(&store, &heads);
    let (old, new, stranger) = (key(1), key(2), key(3));
    let first = signed_segment(&mut writer, &old);
    writer.append(&stream(), event("between")).unwrap();
    writer.rotate_key(&stream(), &old, &new, None).unwrap();
    writer.append(&stream(), event("after")).unwrap();
    writer.close_segment(&stream()).unwrap();
    for instance in [&mut writer, &mut log_with_heads(&store, &heads), &mut log(&store)] {
        for wrong in [&old, &stranger] {
            assert!(matches!(instance.sign_segment(wrong, &stream(), 1), Err(LogError::Untrusted(_))));
        }
        assert!(matches!(instance.sign_segment(&new, &stream(), 0), Err(LogError::Untrusted(_))));
        assert_eq!(
            instance.sign_segment(&old, &stream(), 0).unwrap().note,
            instance.read_checkpoint(&stream(), Some(first)).unwrap()
        );
    }
    let signed = log_with_heads(&store, &heads).sign_segment(&new, &stream(), 1).unwrap();
    assert_eq!(writer.sign_segment(&new, &stream(), 1).unwrap(), signed);
    assert!(matches!(log(&store).sign_segment(&old, &stream(), 1), Err(LogError::Untrusted(_))));
    assert!(matches!(log(&store).rotate_key(&stream(), &old, &stranger, None), Err(LogError::Untrusted(_))));
    assert!(matches!(writer.rotate_key(&stream(), &stranger, &key(4), None), Err(LogError::Untrusted(_))));
    assert_eq!(whole(&store, &old).signers.len(), 2);
    // A store that hides the checkpoints gets the old key's signed by the old key again, and by no other.
    let hiding = store.deep_clone();
    hiding.rows(RowKind::Checkpoint, Vec::clear);
    for wrong in [&new, &stranger] {
        assert!(matches!(log(&hiding).sign_segment(wrong, &stream(), 0), Err(LogError::Untrusted(_))));
    }
    let again = log(&hiding).sign_segment(&old, &stream(), 0).unwrap();
    assert_eq!(again.note, log(&store).read_checkpoint(&stream(), Some(first)).unwrap());
}

#[test]
fn a_key_is_rotated_only_when_every_sealed_segment_is_signed() {
    let store = Shared::default();
    let mut writer = log(&store);
    let (old, new) = (key(1), key(2));
    signed_segment(&mut writer, &old);
    for _ in 0..2 {
        writer.append(&stream(), event("x")).unwrap();
        writer.close_segment(&stream()).unwrap();
    }
    let size = writer.head(&stream()).unwrap().size;
    for segment in [1, 2] {
        match writer.rotate_key(&stream(), &old, &new, None) {
            Err(LogError::Invalid(why)) => assert!(why.contains(&format!("segment {segment}")), "{why}"),
            other => panic!("{other:?}"),
        }
        writer.sign_segment(&old, &stream(), segment).unwrap();
    }
    assert_eq!(writer.head(&stream()).unwrap().size, size, "nothing was appended");
    writer.rotate_key(&stream(), &old, &new, None).unwrap();
    for (who, bad) in [(&new, &old), (&new, &new)] {
        assert!(matches!(writer.rotate_key(&stream(), who, bad, None), Err(LogError::Invalid(_))), "a key comes back");
    }
    let long = vec![0; 32 * 1024 + 1];
    assert!(matches!(writer.rotate_key(&stream(), &new, &key(3), Some(&long)), Err(LogError::Invalid(_))));
    let unknown = StreamId::try_from("unknown").unwrap();
    assert_eq!(writer.rotate_key(&unknown, &old, &new, None), Err(LogError::StreamNotFound));
    whole(&store, &old);
}

#[test]
fn a_rotation_that_lost_a_race_is_signed_again_for_its_new_place() {
    let store = Shared::default();
    let mut writer = log(&store);
    let (old, new) = (key(1), key(2));
    signed_segment(&mut writer, &old);
    let other = store.deep_clone();
    let before = other.rows(RowKind::Entry, |rows| rows.len());
    log(&other).append(&stream(), event("first")).unwrap();
    let raced = other.rows(RowKind::Entry, |rows| rows[before..].to_vec());
    store.race.borrow_mut().push(raced);
    let rotated = writer.rotate_key(&stream(), &old, &new, None).unwrap();
    assert_eq!(rotated.seqno as usize, before + 1);
    signed_segment(&mut writer, &new);
    whole(&store, &old);
}

#[test]
fn no_key_entry_is_signed_on_a_history_that_the_remembered_head_contradicts() {
    let (store, heads) = (Shared::default(), MemHeads::default());
    let (old, new) = (key(1), key(2));
    signed_segment(&mut log_with_heads(&store, &heads), &old);
    let behind = store.deep_clone();
    let mut left = log_with_heads(&behind, &heads);
    left.head(&stream()).unwrap();
    signed_segment(&mut log_with_heads(&store, &heads), &old);
    assert!(matches!(left.rotate_key(&stream(), &old, &new, None), Err(LogError::Rollback(_))), "behind the head");
    left.append_batch(&stream(), &events(20), Want::Synced).unwrap();
    assert!(matches!(left.rotate_key(&stream(), &old, &new, None), Err(LogError::Rollback(_))), "another history");
    assert!(matches!(left.attest_key(&old, &stream(), b"x"), Err(LogError::Rollback(_))));
    log_with_heads(&store, &heads).rotate_key(&stream(), &old, &new, None).unwrap();
}

/// One storage until the end of a first pass has been reached, another from then on.
struct Changing {
    now: Shared,
    then: Option<Shared>,
}

impl Store for Changing {
    fn init(&mut self, config: &str) -> Result<(), StoreError> {
        self.now.init(config)
    }
    fn append(&mut self, rows: &[Row], want: Want) -> Result<(), StoreError> {
        let done = self.now.append(rows, want);
        self.now = self.then.take().unwrap_or_else(|| self.now.clone());
        done
    }
    fn get(&mut self, kind: RowKind, stream: &StreamId, index: u64) -> Result<Option<Row>, StoreError> {
        self.now.get(kind, stream, index)
    }
    fn last(&mut self, kind: RowKind, stream: &StreamId) -> Result<Option<Row>, StoreError> {
        self.now.last(kind, stream)
    }
    fn scan(
        &mut self,
        kind: RowKind,
        stream: &StreamId,
        start: u64,
        limit: u32,
        with_payload: bool,
    ) -> Result<Vec<Row>, StoreError> {
        self.now.scan(kind, stream, start, limit, with_payload)
    }
    fn streams(&mut self, after: Option<&StreamId>, limit: u32) -> Result<Vec<StreamId>, StoreError> {
        self.now.streams(after, limit)
    }
    fn erase(&mut self, kind: RowKind, stream: &StreamId, index: u64) -> Result<(), StoreError> {
        self.now.erase(kind, stream, index)
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
        let mut store = Changing { now: with(Some(1)), then: Some(with(then)) };
        let trust = pinned(&key(1));
        let report = verify::stream(&mut store, &stream(), ORIGIN, &trust, None, None, Scope::Everything).unwrap();
        assert_eq!(report.finding.map(|finding| finding.kind), expected, "{then:?}");
    }
}

#[test]
fn keys_live_on_in_a_closed_stream_and_before_the_first_checkpoint() {
    let store = Shared::default();
    let mut writer = log(&store);
    let keys = [key(1), FixedKey::seeded(EcdsaP256, 2), key(3)];
    writer.append(&stream(), event("x")).unwrap();
    writer.attest_key(&keys[0], &stream(), b"made in hardware").unwrap();
    assert!(matches!(writer.attest_key(&keys[0], &stream(), b"again"), Err(LogError::Invalid(_))));
    assert!(matches!(writer.attest_key(&keys[1], &stream(), b"other"), Err(LogError::Untrusted(_))));
    writer.rotate_key(&stream(), &keys[0], &keys[1], None).unwrap();
    assert!(matches!(writer.attest_key(&keys[1], &stream(), b"second"), Err(LogError::Invalid(_))));
    writer.close_stream(&stream(), "done").unwrap();
    assert!(matches!(writer.sign_segment(&keys[0], &stream(), 0), Err(LogError::Untrusted(_))));
    writer.sign_segment(&keys[1], &stream(), 0).unwrap();
    writer.rotate_key(&stream(), &keys[1], &keys[2], None).unwrap();
    writer.revoke_key(&stream(), &keys[2], &vkey(&keys[0]), 1, "lost").unwrap();
    let sealed = writer.close_segment(&stream()).unwrap();
    writer.sign_segment(&keys[2], &stream(), sealed.number).unwrap();
    let report = whole(&store, &keys[0]);
    assert_eq!((report.rotations, report.revoked.len(), report.signers.len()), (2, 1, 2));
}

#[test]
fn an_attestation_is_of_the_key_that_signs_the_log() {
    let store = Shared::default();
    let mut writer = log(&store);
    signed_segment(&mut writer, &key(1));
    assert!(matches!(log(&store).attest_key(&key(2), &stream(), b"x"), Err(LogError::Untrusted(_))));
    assert!(matches!(writer.attest_key(&key(1), &stream(), &[0; 32 * 1024 + 1]), Err(LogError::Invalid(_))));
    writer.attest_key(&key(1), &stream(), &[7; 32 * 1024]).unwrap();
    whole(&store, &key(1));
}

#[test]
fn a_revocation_takes_back_what_came_after_its_seqno_unless_it_was_witnessed() {
    let store = Shared::default();
    let mut writer = log(&store);
    let (old, new) = (key(1), key(2));
    let first = signed_segment(&mut writer, &old);
    let second = signed_segment(&mut writer, &old);
    let third = signed_segment(&mut writer, &old);
    let rotation = writer.rotate_key(&stream(), &old, &new, None).unwrap().seqno;
    assert_eq!(whole(&store, &old).signed, Some((0, third - 1)));
    let harmless = writer.revoke_key(&stream(), &new, &vkey(&old), rotation, "replaced").unwrap().seqno;
    let report = whole(&store, &old);
    assert_eq!((report.signed, report.checkpoints), (Some((0, third - 1)), 3), "nothing larger was signed");
    assert_eq!(
        (report.revoked[0].from_seqno, report.revoked[0].seqno, report.revoked[0].discounted),
        (rotation, harmless, 0)
    );

    assert!(matches!(writer.revoke_key(&stream(), &old, &vkey(&old), first, "by itself"), Err(LogError::Untrusted(_))));
    for (who, from, why) in [
        (&new, 0, "the current key"),
        (&key(3), 0, "a stranger"),
        (&old, rotation, "no less"),
        (&old, 1 << 62, "no entry"),
    ] {
        let refused = writer.revoke_key(&stream(), &new, &vkey(who), from, "x");
        assert!(matches!(refused, Err(LogError::Invalid(_))), "{why}: {refused:?}");
    }
    let revoked = log(&store).revoke_key(&stream(), &new, &vkey(&old), first, "token lost").unwrap().seqno;
    let report = whole(&store, &old);
    assert_eq!((report.signed, report.checkpoints), (Some((0, first - 1)), 1));
    assert_eq!((report.sealed, report.open_tail), (Some((first, third - 1)), Some((third, revoked))));
    assert_eq!((report.revoked.len(), report.revoked[0].from_seqno, report.revoked[0].discounted), (1, first, 2));

    let witness = VerifierKey::for_witness(WITNESS, FixedKey::witness().public()).unwrap();
    let text = writer.read_checkpoint(&stream(), Some(second)).unwrap();
    let text = text.split_inclusive('\n').take(3).collect::<String>();
    let time = 1_767_225_660u64;
    let signature = FixedKey::witness().sign_note(&cosignature_message(time, &text));
    let line = note_line(&witness, &[&time.to_be_bytes()[..], &signature].concat()).to_string();
    assert_eq!(writer.add_cosignature(&stream(), 1, &[line], &[witness.to_string()]), Ok(1));
    let witnessed = policy(&format!("log {}\nwitness w {witness}\nquorum w\n", old.vkey(ORIGIN)));
    let report = writer.verify(&stream(), &witnessed).unwrap();
    assert_eq!((report.finding, report.checkpoints, report.revoked[0].discounted), (None, 2, 1));
    assert_eq!((report.signed, report.witnessed), (Some((0, second - 1)), Some((0, second - 1))));

    let sealed = writer.close_segment(&stream()).unwrap();
    writer.sign_segment(&new, &stream(), sealed.number).unwrap();
    let report = whole(&store, &old);
    assert_eq!((report.signed, report.checkpoints), (Some((0, sealed.last_seqno)), 2), "the new key covers it all");
    assert_eq!((report.signers[1].first_seqno, report.signers[1].rotated_in), (first, Some(rotation)));
    writer.verify_segment_signature(&stream(), sealed.number, &pinned(&old)).unwrap();
    writer.verify_checkpoint_chain(&stream(), &pinned(&old)).unwrap();
}

#[test]
fn of_several_pinned_keys_the_one_that_signs_first_is_the_first_and_the_others_are_strangers() {
    let store = Shared::default();
    let mut writer = log(&store);
    signed_segment(&mut writer, &key(1));
    writer.rotate_key(&stream(), &key(1), &key(2), None).unwrap();
    signed_segment(&mut writer, &key(2));
    let both = |a: u8, b: u8| policy(&format!("log {}\nlog {}\nquorum none\n", vkey(&key(a)), vkey(&key(b))));
    for trust in [both(1, 3), both(3, 1), both(1, 2)] {
        let report = writer.verify(&stream(), &trust).unwrap();
        assert_eq!((report.finding, report.signers.len()), (None, 2));
        assert!(report.trust_basis.contains("2 keys"), "{}", report.trust_basis);
    }
    let mut forge = Forge::new();
    forge.seal_signed(&key(1));
    forge.seal_signed(&key(3));
    let report = log(&forge.store()).verify(&stream(), &both(1, 3)).unwrap();
    assert_eq!(report.finding.unwrap().kind, FindingKind::WrongKey, "two pinned keys are not two signers");
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

#[test]
fn a_stored_rotation_says_what_the_format_says() {
    let store = Shared::default();
    let mut writer = log(&store);
    signed_segment(&mut writer, &key(1));
    let seqno =
        writer.rotate_key(&stream(), &key(1), &FixedKey::log(Algorithm::RsaPssSha256), Some(b"q")).unwrap().seqno;
    let entry = store.rows(RowKind::Entry, |rows| decode_entry(&rows[seqno as usize].body).unwrap());
    let Some(Detail::KeyRotated { old_vkey, new_vkey, attestation, sig_old, sig_new }) = entry.event.detail else {
        panic!("{:?}", entry.event)
    };
    let message = rotate_message(ORIGIN, seqno, &entry.prev_entry_hash, &old_vkey, &new_vkey, attestation.as_deref());
    assert!(key(1).public().verify(&message, &sig_old));
    assert!(FixedKey::log(Algorithm::RsaPssSha256).public().verify(&message, &sig_new));
}
