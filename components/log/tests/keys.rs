//! The life of a log's key, written by the log itself: whoever pins the first one follows every rotation, and each
//! other signer is refused.

use crate::pinned::{key, pinned, policy, signed_segment, vkey, whole};
use crate::support::{FixedKey, ORIGIN, WITNESS};
use crate::world::{MemHeads, Shared, event, events, log, log_with_heads, stream};
use secure_log::encode::{decode_entry, rotate_message};
use secure_log::error::{FindingKind, LogError};
use secure_log::note::{VerifierKey, cosignature_message, note_line};
use secure_log::signer::Algorithm::{self, EcdsaP256, Ed25519, RsaPssSha256};
use secure_log::store::{RowKind, Want};
use secure_log::types::{Detail, StreamId};

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
