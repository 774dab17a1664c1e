//! An attacker who writes the store (threats.md): P0 flips bytes, P1 recomputes every unkeyed hash. Every
//! change of what a checkpoint covers must be found, by name; nothing may trap, and nothing may be signed
//! that was not logged.

use std::cell::RefCell;
use std::rc::Rc;

use crate::support::{FixedKey, WITNESS};
use crate::world::{MemHeads, Shared, event, events, log, log_with_heads, pinned, stream};
use crate::{support, world};
use secure_log::encode::{decode_entry, encode_cosignature, encode_entry, encode_uint};
use secure_log::error::{FindingKind, LogError};
use secure_log::merkle::{Frontier, leaf_hash};
use secure_log::note::{Note, VerifierKey, cosignature_message, note_line};
use secure_log::payload;
use secure_log::signer::Algorithm;
use secure_log::store::{Row, RowKind, Store, Want};
use secure_log::types::{Detail, Digest, Entry, Tier};
use secure_log::verify::Report;

/// Two signed segments of a few entries, an erased payload, and the heads that go with them.
fn signed_log() -> (Shared, MemHeads) {
    build(true)
}

fn build(erasing: bool) -> (Shared, MemHeads) {
    let (store, heads) = (Shared::default(), MemHeads::default());
    let mut log = log_with_heads(&store, &heads);
    let key = FixedKey::log(Algorithm::Ed25519);
    for segment in 0..2 {
        log.append_batch(&stream(), &events(5), Want::Synced).unwrap();
        if segment == 1 && erasing {
            log.erase_payload(&stream(), 2, 3, "request").unwrap();
        }
        log.close_segment(&stream()).unwrap();
        log.sign_segment(&key, &stream(), segment).unwrap();
    }
    (store, heads)
}

/// The verdict of someone with the pinned key and a copy of the store; `Unsupported` is a verdict too.
fn verdict(store: &Shared) -> Result<Report, LogError> {
    log(store).verify(&stream(), &pinned(Algorithm::Ed25519))
}

fn found(store: &Shared) -> Option<FindingKind> {
    match verdict(store) {
        Ok(report) => report.finding.map(|finding| finding.kind),
        Err(LogError::Tampered(finding) | LogError::Rollback(finding)) => Some(finding.kind),
        Err(LogError::Unsupported(_)) => Some(FindingKind::EntryAltered),
        Err(error) => panic!("no verdict: {error}"),
    }
}

/// What an attacker without keys does after a change: every link, node row and segment row made right.
fn recompute(store: &Shared) {
    let mut entries: Vec<Entry> = Vec::new();
    store.rows(RowKind::Entry, |rows| {
        let mut prev = Digest::ZERO;
        for (seqno, row) in rows.iter_mut().enumerate() {
            let mut entry = decode_entry(&row.body).unwrap();
            entry.seqno = seqno as u64;
            entry.prev_entry_hash = prev;
            if let Some(Detail::SegmentSealed(seal)) = &mut entry.event.detail {
                seal.last_seqno = seqno as u64;
            }
            row.index = seqno as u64;
            row.body = encode_entry(&entry).unwrap();
            prev = leaf_hash(&row.body);
            entries.push(entry);
        }
    });
    let mut frontier = Frontier::new();
    let (mut segments, mut sealed, mut hash) = (Vec::new(), 0, None);
    store.rows(RowKind::Entry, |rows| {
        let mut prev = Digest::ZERO;
        for (row, entry) in rows.iter_mut().zip(&mut entries) {
            entry.prev_entry_hash = prev;
            if let Some(Detail::SegmentSealed(seal)) = &mut entry.event.detail {
                seal.segment = segments.len() as u64;
                seal.first_seqno = sealed;
                seal.prev_checkpoint_hash = hash;
                segments.push(seal.last_seqno);
            }
            row.body = encode_entry(entry).unwrap();
            prev = leaf_hash(&row.body);
            frontier.push(prev, |_, _, _| {});
            if let Some(Detail::SegmentSealed(_)) = &entry.event.detail {
                let (origin, root) = (support::ORIGIN.to_owned(), frontier.root());
                hash = Some(secure_log::note::Checkpoint { origin, size: frontier.size(), root }.hash());
                sealed = frontier.size();
            }
        }
    });
    store.rows(RowKind::Segment, |rows| {
        rows.truncate(segments.len());
        for (row, seqno) in rows.iter_mut().zip(&segments) {
            row.body = encode_uint(*seqno);
        }
    });
}

#[test]
fn the_untouched_log_is_whole() {
    let (store, heads) = signed_log();
    let report = verdict(&store).unwrap();
    assert_eq!((report.finding, report.erased, report.checkpoints), (None, 2, 2));
    let report = log_with_heads(&store, &heads).verify(&stream(), &pinned(Algorithm::Ed25519)).unwrap();
    assert!(report.head_checked);
}

#[test]
fn every_flipped_byte_is_found() {
    let (honest, _) = signed_log();
    for kind in RowKind::ALL {
        for index in 0..honest.rows(kind, |rows| rows.len()) {
            let (body, payload) =
                honest.rows(kind, |rows| (rows[index].body.len(), rows[index].payload.as_ref().map_or(0, Vec::len)));
            for position in 0..body + payload {
                for mask in [1, 0x80] {
                    let store = honest.deep_clone();
                    store.rows(kind, |rows| match position.checked_sub(body) {
                        None => rows[index].body[position] ^= mask,
                        Some(position) => rows[index].payload.as_mut().unwrap()[position] ^= mask,
                    });
                    let kinds: &[FindingKind] = match kind {
                        RowKind::Entry if position >= body => &[FindingKind::PayloadAltered],
                        RowKind::Checkpoint => &[FindingKind::CheckpointForged, FindingKind::WrongKey],
                        RowKind::Segment => {
                            &[FindingKind::NodeWrong, FindingKind::EntryMissing, FindingKind::Truncated]
                        }
                        _ => &[
                            FindingKind::EntryAltered,
                            FindingKind::ChainBroken,
                            FindingKind::RootMismatch,
                            FindingKind::EntryMissing,
                            FindingKind::EntryInserted,
                            FindingKind::OriginWrong,
                            FindingKind::TimeDecreased,
                            FindingKind::PayloadAltered,
                        ],
                    };
                    let found = found(&store).unwrap_or_else(|| panic!("{kind:?} {index} byte {position}"));
                    assert!(kinds.contains(&found), "{kind:?} {index} byte {position}: {found:?}");
                }
            }
        }
    }
}

type Attack = (&'static str, fn(&mut Vec<Row>, usize), &'static [FindingKind]);

#[test]
fn every_removed_doubled_swapped_or_foreign_entry_is_found() {
    use FindingKind::*;
    let renumber = |rows: &mut Vec<Row>| rows.iter_mut().enumerate().for_each(|(i, row)| row.index = i as u64);
    let attacks: [Attack; 5] = [
        ("delete", |rows, at| drop(rows.remove(at)), &[EntryMissing, OriginWrong]),
        ("double", |rows, at| rows.insert(at, rows[at].clone()), &[EntryInserted]),
        ("swap", |rows, at| rows.swap(at, at + 1), &[EntryMissing, OriginWrong]),
        (
            "foreign",
            |rows, at| {
                let mut entry = decode_entry(&rows[at].body).unwrap();
                entry.stream_id = "other".try_into().unwrap();
                rows[at].body = encode_entry(&entry).unwrap();
            },
            &[EntryInserted],
        ),
        (
            "reword",
            |rows, at| {
                let mut entry = decode_entry(&rows[at].body).unwrap();
                entry.session_id = [1; 16];
                rows[at].body = encode_entry(&entry).unwrap();
            },
            &[ChainBroken, RootMismatch],
        ),
    ];
    let (honest, _) = signed_log();
    let count = honest.rows(RowKind::Entry, |rows| rows.len());
    for (name, attack, kinds) in attacks {
        for at in 0..count - 1 {
            let store = honest.deep_clone();
            store.rows(RowKind::Entry, |rows| {
                attack(rows, at);
                renumber(rows);
            });
            let found = found(&store).unwrap_or_else(|| panic!("{name} at {at}"));
            assert!(kinds.contains(&found), "{name} at {at}: {found:?}");
        }
    }
}

#[test]
fn a_rewritten_history_with_every_unkeyed_hash_recomputed_contradicts_the_checkpoints() {
    use FindingKind::*;
    let attacks: [Attack; 4] = [
        (
            "edit",
            |rows, at| {
                let mut entry = decode_entry(&rows[at].body).unwrap();
                let stored = payload::stored(&[0; 16], b"nothing to see");
                entry.event.payload = Some(payload::reference(None, &stored).unwrap());
                rows[at].payload = Some(stored);
                rows[at].body = encode_entry(&entry).unwrap();
            },
            &[RootMismatch],
        ),
        ("delete", |rows, at| drop(rows.remove(at)), &[EntryMissing, RootMismatch]),
        ("insert", |rows, at| rows.insert(at, rows[at].clone()), &[EntryInserted, RootMismatch]),
        (
            "swap",
            |rows, at| {
                let times = [at, at + 1].map(|at| decode_entry(&rows[at].body).unwrap().timestamp);
                rows.swap(at, at + 1);
                for (at, time) in [at, at + 1].into_iter().zip(times) {
                    let mut entry = decode_entry(&rows[at].body).unwrap();
                    entry.timestamp = time;
                    rows[at].body = encode_entry(&entry).unwrap();
                }
            },
            &[RootMismatch],
        ),
    ];
    let (honest, _) = signed_log();
    for (name, attack, kinds) in attacks {
        for at in [1, 4] {
            let store = honest.deep_clone();
            store.rows(RowKind::Entry, |rows| attack(rows, at));
            recompute(&store);
            let found = found(&store).unwrap_or_else(|| panic!("{name} at {at}"));
            assert!(kinds.contains(&found), "{name} at {at}: {found:?}");
            let mut writer = log(&store);
            let (segments, key) = (store.rows(RowKind::Segment, |rows| rows.len()), FixedKey::log(Algorithm::Ed25519));
            let _ = writer.append_batch(&stream(), &events(1), Want::Synced);
            let _ = writer.close_segment(&stream());
            let signed = writer.sign_segment(&key, &stream(), segments as u64);
            assert!(signed.is_err(), "{name} at {at}: a rewritten history was signed");
        }
    }
}

#[test]
fn a_cut_end_is_found_by_checkpoint_or_head_and_only_an_older_valid_state_needs_the_head() {
    let (honest, heads) = build(false);
    let count = honest.rows(RowKind::Entry, |rows| rows.len());
    for keep in 1..count {
        let store = honest.deep_clone();
        store.rows(RowKind::Entry, |rows| rows.truncate(keep));
        assert!(found(&store).is_some(), "{keep} of {count} entries");
        store.rows(RowKind::Segment, |rows| rows.retain(|row| row.index == 0 && keep >= 7));
        store.rows(RowKind::Checkpoint, |rows| rows.retain(|row| row.index == 0 && keep >= 7));
        // Without a head this is an earlier valid state: it can not be told apart (threats.md, the list).
        assert_eq!(found(&store), None, "{keep} of {count} entries, checkpoints cut with them");
        let with_head = log_with_heads(&store, &heads).verify(&stream(), &pinned(Algorithm::Ed25519)).unwrap();
        assert_eq!(with_head.finding.unwrap().kind, FindingKind::RolledBack, "{keep} of {count} entries");
    }
}

#[test]
fn a_checkpoint_in_the_place_of_another_or_by_another_key_is_found() {
    let (honest, _) = signed_log();
    let store = honest.deep_clone();
    store.rows(RowKind::Checkpoint, |rows| {
        let body = rows[0].body.clone();
        rows[1].body = body;
    });
    assert_eq!(found(&store), Some(FindingKind::CheckpointForged));
    let store = honest.deep_clone();
    store.rows(RowKind::Checkpoint, |rows| drop(rows.remove(0)));
    assert_eq!(found(&store), Some(FindingKind::CheckpointMissing));
    let forged = Shared::default();
    let mut other = log(&forged);
    other.append_batch(&stream(), &events(5), Want::Synced).unwrap();
    other.close_segment(&stream()).unwrap();
    other.sign_segment(&FixedKey::log(Algorithm::EcdsaP256), &stream(), 0).unwrap();
    assert_eq!(found(&forged), Some(FindingKind::WrongKey));
}

#[test]
fn a_second_history_at_a_signed_size_is_never_signed_under_the_same_head() {
    let (store, heads) = (Shared::default(), MemHeads::default());
    let key = FixedKey::log(Algorithm::Ed25519);
    let mut writer = log_with_heads(&store, &heads);
    writer.append_batch(&stream(), &events(5), Want::Synced).unwrap();
    let before = store.deep_clone();
    writer.close_segment(&stream()).unwrap();
    writer.sign_segment(&key, &stream(), 0).unwrap();
    let mut fork = log_with_heads(&before, &heads);
    assert!(matches!(fork.head(&stream()), Err(LogError::Rollback(_))));
    let mut careless = log(&before);
    careless.append_batch(&stream(), &events(1), Want::Synced).unwrap();
    careless.close_segment(&stream()).unwrap();
    assert!(matches!(log_with_heads(&before, &heads).sign_segment(&key, &stream(), 0), Err(LogError::Rollback(_))));
}

/// 512 entries, sealed and signed: no leaf stands right of the last node row, so node rows alone give the root.
fn signed_at_a_tile_boundary() -> (Shared, MemHeads) {
    let (store, heads) = (Shared::default(), MemHeads::default());
    let mut log = log_with_heads(&store, &heads);
    log.append_batch(&stream(), &events(510), Want::Synced).unwrap();
    assert_eq!(log.close_segment(&stream()).unwrap().last_seqno, 511);
    log.sign_segment(&FixedKey::log(Algorithm::Ed25519), &stream(), 0).unwrap();
    (store, heads)
}

#[test]
fn honest_node_rows_over_a_rewritten_history_deceive_neither_seal_nor_signature() {
    let (store, heads) = signed_at_a_tile_boundary();
    let key = FixedKey::log(Algorithm::Ed25519);
    store.rows(RowKind::Entry, |rows| {
        let mut entry = decode_entry(&rows[5].body).unwrap();
        let stored = payload::stored(&[0; 16], b"nothing to see");
        entry.event.payload = Some(payload::reference(None, &stored).unwrap());
        rows[5].payload = Some(stored);
        rows[5].body = encode_entry(&entry).unwrap();
    });
    recompute(&store);
    for checkpoints_too in [false, true] {
        if checkpoints_too {
            store.rows(RowKind::Checkpoint, Vec::clear);
        }
        let mut writer = log_with_heads(&store, &heads);
        let _ = writer.append_batch(&stream(), &events(40), Want::Synced);
        assert!(writer.close_segment(&stream()).is_err(), "sealed");
        if checkpoints_too {
            assert!(log_with_heads(&store, &heads).sign_segment(&key, &stream(), 0).is_err(), "a second root at 512");
        }
        assert_eq!(heads.0.borrow()[support::ORIGIN].size, 512, "the head moved");
    }
}

#[test]
fn the_last_entry_under_a_checkpoint_is_bound_to_its_root() {
    let (store, heads) = signed_at_a_tile_boundary();
    store.rows(RowKind::Entry, |rows| {
        let mut entry = decode_entry(&rows[511].body).unwrap();
        entry.timestamp = i64::MAX as u64;
        rows[511].body = encode_entry(&entry).unwrap();
    });
    for heads in [Some(&heads), None] {
        let mut writer = world::opened(&store, heads, world::config());
        let _ = writer.append_batch(&stream(), &events(1), Want::Synced);
        let _ = writer.close_segment(&stream());
        let signed = writer.sign_segment(&FixedKey::log(Algorithm::Ed25519), &stream(), 1);
        assert!(signed.is_err(), "signed a chain that links to an entry that was never logged");
    }
}

#[test]
fn a_checkpoint_row_by_anyone_certifies_nothing() {
    let store = Shared::default();
    let mut writer = log(&store);
    writer.append_batch(&stream(), &events(510), Want::Synced).unwrap();
    writer.close_segment(&stream()).unwrap();
    let honest = writer.head(&stream()).unwrap().root;
    store.rows(RowKind::Node1, |rows| rows[0].body[0] ^= 1);
    let forged = log(&store).head(&stream()).unwrap().root;
    assert_ne!(forged, honest);
    let checkpoint = secure_log::note::Checkpoint { origin: support::ORIGIN.into(), size: 512, root: forged };
    let key = FixedKey::log(Algorithm::EcdsaP256);
    let line = secure_log::note::note_line(&key.vkey(support::ORIGIN), &key.sign_note(checkpoint.to_text().as_bytes()));
    let note = secure_log::note::Note::new(&checkpoint.to_text(), vec![line]).unwrap();
    store.rows(RowKind::Checkpoint, |rows| {
        let body = note.to_string().into_bytes();
        rows.push(Row { kind: RowKind::Checkpoint, stream_id: stream(), index: 0, body, payload: None });
    });
    let mut reopened = log(&store);
    reopened.append_batch(&stream(), &events(1), Want::Synced).unwrap();
    let sealed = reopened.close_segment(&stream()).unwrap();
    let right = secure_log::note::Checkpoint { origin: support::ORIGIN.into(), size: 512, root: honest };
    assert_eq!(sealed.prev_checkpoint_hash, Some(right.hash()));
}

#[test]
fn only_the_size_of_a_seal_is_signed() {
    let store = Shared::default();
    let mut writer = log(&store);
    writer.append_batch(&stream(), &events(10), Want::Synced).unwrap();
    writer.close_segment(&stream()).unwrap();
    let lying = store.deep_clone();
    // The row names an earlier entry, and that entry claims to be the seal: only the chain contradicts.
    lying.rows(RowKind::Segment, |rows| rows[0].body = encode_uint(4));
    let key = FixedKey::log(Algorithm::Ed25519);
    assert!(log(&lying).sign_segment(&key, &stream(), 0).is_err());
    assert!(log(&store).sign_segment(&key, &stream(), 0).is_ok());
}

#[test]
fn a_data_key_planted_in_a_public_stream_is_found_and_never_signed() {
    let planted = [Detail::KeyEpoch { epoch: 0, key_commitment: Digest([7; 32]) }, Detail::KeyDestroyed { epoch: 0 }];
    for detail in planted {
        let (store, _) = signed_log();
        store.rows(RowKind::Entry, |rows| {
            let last = rows.last().unwrap().clone();
            let mut entry = decode_entry(&last.body).unwrap();
            entry.seqno += 1;
            entry.prev_entry_hash = leaf_hash(&last.body);
            entry.event = detail.clone().into_event();
            rows.push(Row { index: last.index + 1, body: encode_entry(&entry).unwrap(), payload: None, ..last });
        });
        assert_eq!(found(&store), Some(FindingKind::EntryInserted));
        // Sealing re-hashes everything since the last checkpoint.
        assert!(matches!(log(&store).close_segment(&stream()), Err(LogError::Tampered(_))));
    }
}

#[test]
fn a_stream_that_claims_to_be_encrypted_never_takes_a_payload_in_clear() {
    let store = Shared::default();
    log(&store).append_batch(&stream(), &events(2), Want::Synced).unwrap();
    store.rows(RowKind::Entry, |rows| {
        let mut entry = decode_entry(&rows[0].body).unwrap();
        if let Some(Detail::StreamCreated { tier, .. }) = &mut entry.event.detail {
            *tier = Tier::Protected;
        }
        rows[0].body = encode_entry(&entry).unwrap();
    });
    recompute(&store);
    let before = store.rows(RowKind::Entry, |rows| rows.len());
    let appended = log(&store).append_batch(&stream(), &events(1), Want::Synced);
    assert!(matches!(appended, Err(LogError::Unsupported(_))), "{appended:?}");
    assert_eq!(store.rows(RowKind::Entry, |rows| rows.len()), before);
}

/// A row with the witness's name and another signature stood first: the real line is kept and shown all the same.
#[test]
fn a_cosignature_row_that_does_not_verify_keeps_nobodys_place() {
    let store = Shared::default();
    let mut writer = log(&store);
    writer.append_batch(&stream(), &events(2), Want::Synced).unwrap();
    let sealed = writer.close_segment(&stream()).unwrap().number;
    writer.sign_segment(&FixedKey::log(Algorithm::Ed25519), &stream(), sealed).unwrap();
    let note = Note::parse(&writer.read_checkpoint(&stream(), None).unwrap()).unwrap();
    let witness = VerifierKey::for_witness(WITNESS, FixedKey::witness().public()).unwrap();
    let junk = note_line(&witness, &[9; 72]).to_string();
    let body = encode_cosignature(sealed, &junk);
    let row = Row { kind: RowKind::Cosignature, stream_id: stream(), index: 0, body, payload: None };
    store.clone().append(&[row], Want::Synced).unwrap();
    // The true line comes behind it, and a page has only one.
    store.sparing.set(true);

    let signature = FixedKey::witness().sign_note(&cosignature_message(5, note.text()));
    let line = note_line(&witness, &[&5u64.to_be_bytes()[..], &signature].concat()).to_string();
    for kept in [1, 0] {
        let lines = std::slice::from_ref(&line);
        assert_eq!(writer.add_cosignature(&stream(), sealed, lines, &[witness.to_string()]).unwrap(), kept);
        let shown = writer.read_checkpoint(&stream(), None).unwrap();
        assert!(shown.contains(&line) && !shown.contains(&junk), "{shown}");
    }
}

/// One byte makes an entry one of a later version, which nobody here can read; the next entry knows what stood there.
#[test]
fn an_entry_made_unreadable_under_a_signature_is_altered_and_at_the_end_of_the_log_unsupported() {
    let store = Shared::default();
    log(&store).append_batch(&stream(), &events(2), Want::Synced).unwrap();
    let versions = |index: usize| {
        let changed = store.deep_clone();
        changed.rows(RowKind::Entry, |rows| rows[index].body[1] = 2);
        log(&changed).verify(&stream(), &pinned(Algorithm::Ed25519))
    };
    let found = versions(1).unwrap().finding.unwrap();
    assert_eq!((found.kind, found.last_seqno), (FindingKind::EntryAltered, 1));
    assert!(matches!(versions(2), Err(LogError::Unsupported(_))));
}

/// One key, one place of heads, two instances. The store shows each another history and holds the second one's
/// reading back until the first has signed: the second compared with a head that no longer is the last.
#[test]
fn two_instances_with_one_place_of_heads_never_sign_two_histories() {
    for (shown_first, shown_second) in [(1, 2), (2, 1), (1, 1)] {
        let (base, heads) = (Shared::default(), MemHeads::default());
        let key = FixedKey::log(Algorithm::Ed25519);
        let mut writer = log_with_heads(&base, &heads);
        writer.append_batch(&stream(), &events(2), Want::Synced).unwrap();
        let sealed = writer.close_segment(&stream()).unwrap().number;
        writer.sign_segment(&key, &stream(), sealed).unwrap();
        let other = base.deep_clone();

        let mut first = log_with_heads(&base, &heads);
        first.append_batch(&stream(), &events(shown_first), Want::Synced).unwrap();
        let sealed = first.close_segment(&stream()).unwrap().number;
        let mut second = log_with_heads(&other, &heads);
        let changed: Vec<_> = (0..shown_second).map(|number| event(&format!("changed {number}"))).collect();
        second.append_batch(&stream(), &changed, Want::Synced).unwrap();
        second.close_segment(&stream()).unwrap();

        let signed = Rc::new(RefCell::new(false));
        let done = signed.clone();
        *other.before_scan.borrow_mut() = Some(Box::new(move || {
            first.sign_segment(&FixedKey::log(Algorithm::Ed25519), &stream(), sealed).unwrap();
            *done.borrow_mut() = true;
        }));
        let refused = second.sign_segment(&key, &stream(), sealed).unwrap_err();
        assert!(*signed.borrow(), "the first signed while the second read");
        assert!(matches!(&refused, LogError::Rollback(found) if found.kind == FindingKind::RolledBack), "{refused:?}");
    }
}
