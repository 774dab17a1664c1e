//! An honest log that others write to is never accused: whatever another writer does, and before whichever call of
//! the store it does it, a verdict has no finding, and reading, sealing, signing and rotating go on.

use crate::support::{FixedKey, ORIGIN};
use crate::world::{MemHeads, Shared, at_every_call, event, events, fill, log, log_with_heads, pinned, stream};
use secure_log::error::{FindingKind, LogError};
use secure_log::signer::Algorithm::Ed25519;
use secure_log::store::{RowKind, StoreError, Want};

type Act = fn(&Shared, &MemHeads);

/// Seed of the key that follows the pinned one.
const NEXT: u8 = 9;

fn key() -> FixedKey {
    FixedKey::log(Ed25519)
}

fn append(store: &Shared, heads: &MemHeads) {
    log_with_heads(store, heads).append(&stream(), event("meanwhile")).unwrap();
}

fn append_over_a_node(store: &Shared, heads: &MemHeads) {
    log_with_heads(store, heads).append_batch(&stream(), &events(300), Want::Synced).unwrap();
}

/// Everything is sealed, and every seal signed by the key whose turn it is.
fn seal_and_sign(store: &Shared, heads: &MemHeads) {
    let mut writer = log_with_heads(store, heads);
    match writer.close_segment(&stream()) {
        Ok(_) | Err(LogError::EmptySegment) => {}
        Err(error) => panic!("{error}"),
    }
    sign_all(store, heads);
}

/// By the pinned key, or when it is no longer its turn by the next.
fn sign_all(store: &Shared, heads: &MemHeads) {
    let mut writer = log_with_heads(store, heads);
    let segments = |kind| store.rows(kind, |rows| rows.len() as u64);
    for number in segments(RowKind::Checkpoint)..segments(RowKind::Segment) {
        if let Err(error) = writer.sign_segment(&key(), &stream(), number) {
            assert!(matches!(error, LogError::Untrusted(_)), "{error}");
            writer.sign_segment(&FixedKey::seeded(Ed25519, NEXT), &stream(), number).unwrap();
        }
    }
}

fn append_and_seal(store: &Shared, heads: &MemHeads) {
    append(store, heads);
    log_with_heads(store, heads).close_segment(&stream()).unwrap();
}

fn append_seal_and_sign_twice(store: &Shared, heads: &MemHeads) {
    for _ in 0..2 {
        append_over_a_node(store, heads);
        seal_and_sign(store, heads);
    }
}

/// What was sealed is signed, the key handed over, and the next segment signed by its successor.
fn rotate(store: &Shared, heads: &MemHeads) {
    sign_all(store, heads);
    let next = FixedKey::seeded(Ed25519, NEXT);
    log_with_heads(store, heads).rotate_key(&stream(), &key(), &next, None).unwrap();
    seal_and_sign(store, heads);
}

fn revoke_more(store: &Shared, heads: &MemHeads) {
    let next = FixedKey::seeded(Ed25519, NEXT);
    let first = key().vkey(ORIGIN).to_string();
    log_with_heads(store, heads).revoke_key(&stream(), &next, &first, 3, "earlier").unwrap();
}

/// Two signed segments and an open tail, in all just under 256 entries.
fn signed() -> (Shared, MemHeads) {
    let base = (Shared::default(), MemHeads::default());
    for _ in 0..2 {
        fill(&mut log(&base.0), 120);
        seal_and_sign(&base.0, &base.1);
    }
    fill(&mut log(&base.0), 10);
    base
}

/// One more segment, that nobody signed.
fn sealed() -> (Shared, MemHeads) {
    let base = signed();
    append_and_seal(&base.0, &base.1);
    base
}

#[test]
fn a_log_that_is_written_to_while_it_is_verified_gets_no_finding() {
    let acts: [Act; 6] =
        [append, append_over_a_node, append_and_seal, seal_and_sign, append_seal_and_sign_twice, rotate];
    for base in [signed(), sealed()] {
        let before = log(&base.0).verify(&stream(), &pinned(Ed25519)).unwrap();
        for (number, act) in acts.into_iter().enumerate() {
            at_every_call(&base, act, |store, _, call| {
                let report = log(store).verify(&stream(), &pinned(Ed25519)).unwrap();
                assert_eq!(report.finding, None, "act {number} before call {call}");
                assert!(report.entries >= before.entries && report.checkpoints >= before.checkpoints);
            });
        }
    }
}

/// What comes between the pass that finds the revocations and the one that counts without them is not of this verdict.
#[test]
fn a_log_that_revokes_more_while_it_is_verified_gets_no_finding() {
    let base = signed();
    rotate(&base.0, &base.1);
    let first = key().vkey(ORIGIN).to_string();
    let mut writer = log_with_heads(&base.0, &base.1);
    writer.revoke_key(&stream(), &FixedKey::seeded(Ed25519, NEXT), &first, 130, "lost").unwrap();
    for act in [append, revoke_more, append_seal_and_sign_twice] {
        at_every_call(&base, act, |store, _, call| {
            let report = log(store).verify(&stream(), &pinned(Ed25519)).unwrap();
            assert_eq!(report.finding, None, "before call {call}");
            let revoked = report.revoked.last().unwrap();
            assert_eq!(revoked.discounted, if revoked.from_seqno == 3 { 2 } else { 1 }, "before call {call}");
        });
    }
}

#[test]
fn a_store_that_only_says_that_it_grew_is_found() {
    let (store, _) = signed();
    store.rows(RowKind::Entry, |rows| {
        let mut last = rows.last().unwrap().clone();
        last.index += 7;
        rows.push(last);
    });
    let found = log(&store).verify(&stream(), &pinned(Ed25519)).unwrap().finding.unwrap();
    assert_eq!(found.kind, FindingKind::EntryMissing);
}

#[test]
fn a_stream_is_opened_beside_a_writer_that_seals_and_signs() {
    for base in [signed(), sealed()] {
        for act in [append, append_and_seal, seal_and_sign, append_seal_and_sign_twice, rotate] {
            at_every_call(&base, act, |store, heads, call| {
                let opened = log_with_heads(store, heads).head(&stream());
                assert!(opened.is_ok(), "before call {call}: {opened:?}");
            });
        }
    }
    // The first signature of all: a head comes to be while the stream is read.
    let fresh = (Shared::default(), MemHeads::default());
    fill(&mut log(&fresh.0), 3);
    at_every_call(&fresh, seal_and_sign, |store, heads, call| {
        let opened = log_with_heads(store, heads).head(&stream());
        assert!(opened.is_ok(), "before call {call}: {opened:?}");
    });
}

#[test]
fn who_signs_what_another_signed_meanwhile_gets_that_signature() {
    let fresh = (Shared::default(), MemHeads::default());
    fill(&mut log(&fresh.0), 6);
    log(&fresh.0).close_segment(&stream()).unwrap();
    for (base, number) in [(fresh, 0), (sealed(), 2)] {
        at_every_call(&base, append_seal_and_sign_twice, |store, heads, call| {
            let signed = log_with_heads(store, heads).sign_segment(&key(), &stream(), number);
            let signed = signed.unwrap_or_else(|error| panic!("before call {call}: {error}"));
            let stored = store.rows(RowKind::Checkpoint, |rows| rows[number as usize].body.clone());
            assert_eq!(signed.note.into_bytes(), stored, "before call {call}");
        });
    }
}

fn append_seal_sign_and_append(store: &Shared, heads: &MemHeads) {
    append_seal_and_sign_twice(store, heads);
    append(store, heads);
}

#[test]
fn a_segment_is_sealed_beside_a_writer_that_seals_and_signs() {
    at_every_call(&signed(), append_seal_sign_and_append, |store, heads, call| {
        let sealed = log_with_heads(store, heads).close_segment(&stream());
        assert!(sealed.is_ok(), "before call {call}: {sealed:?}");
    });
}

#[test]
fn a_key_is_rotated_beside_a_writer_that_seals_and_signs() {
    let base = signed();
    seal_and_sign(&base.0, &base.1);
    at_every_call(&base, append_seal_and_sign_twice, |store, heads, call| {
        let next = FixedKey::seeded(Ed25519, NEXT);
        let rotated = log_with_heads(store, heads).rotate_key(&stream(), &key(), &next, None);
        assert!(rotated.is_ok(), "before call {call}: {rotated:?}");
    });
}

/// No entry is there to name, whatever head is remembered.
#[test]
fn a_damaged_store_without_entries_is_a_finding_and_no_trap() {
    let (store, heads) = signed();
    let head = heads.0.borrow()[ORIGIN].clone();
    heads.0.borrow_mut().insert(ORIGIN.into(), secure_log::log::RememberedHead { size: 0, ..head });
    for kind in RowKind::ALL {
        store.rows(kind, Vec::clear);
    }
    *store.fail_append.borrow_mut() = Some((StoreError::Corrupt("a torn end".into()), false));
    let found = log_with_heads(&store, &heads).verify(&stream(), &pinned(Ed25519)).unwrap().finding.unwrap();
    assert_eq!((found.kind, found.last_seqno), (FindingKind::EntryInserted, 0));
}
