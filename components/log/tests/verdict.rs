//! What a report tells besides a finding: payloads that should be gone, cosignatures that stand for nothing,
//! producers too many to follow, and on whose word it all rests.

use crate::support::{FixedKey, ORIGIN, WITNESS};
use crate::world::{Shared, event, events, log, pinned, stream};
use secure_log::author;
use secure_log::encode::encode_cosignature;
use secure_log::error::LogError;
use secure_log::note::{VerifierKey, cosignature_message, note_line};
use secure_log::policy::Policy;
use secure_log::signer::Algorithm::Ed25519;
use secure_log::store::{Row, RowKind, Want};
use secure_log::types::NewEvent;
use secure_log::verify::{Report, Signers, Trust};

fn witness() -> VerifierKey {
    VerifierKey::for_witness(WITNESS, FixedKey::witness().public()).unwrap()
}

/// Three signed segments, the first and the last of them witnessed.
fn witnessed() -> Shared {
    let store = Shared::default();
    let mut writer = log(&store);
    let key = FixedKey::log(Ed25519);
    for segment in 0..3 {
        writer.append_batch(&stream(), &events(3), Want::Synced).unwrap();
        writer.close_segment(&stream()).unwrap();
        writer.sign_segment(&key, &stream(), segment).unwrap();
        if segment != 1 {
            let text: String = writer.read_checkpoint(&stream(), None).unwrap().split_inclusive('\n').take(3).collect();
            let signature = FixedKey::witness().sign_note(&cosignature_message(9, &text));
            let line = note_line(&witness(), &[&9u64.to_be_bytes()[..], &signature].concat()).to_string();
            writer.add_cosignature(&stream(), segment, &[line], &[witness().to_string()]).unwrap();
        }
    }
    store
}

fn verdict(store: &Shared) -> Report {
    let text = format!("log {}\nwitness w {}\nquorum w\n", FixedKey::log(Ed25519).vkey(ORIGIN), witness());
    let signers = Signers::Policy(Policy::parse(&text).unwrap());
    let trust = Trust { signers, authors: Vec::new(), require_author: false };
    let report = log(store).verify(&stream(), &trust).unwrap();
    assert_eq!(report.finding, None);
    report
}

/// Puts a row of this segment before the others.
fn insert(store: &Shared, at: usize, segment: u64) {
    store.rows(RowKind::Cosignature, |rows| {
        let body = encode_cosignature(segment, "— nobody AAAAAAAA");
        rows.insert(at, Row { kind: RowKind::Cosignature, stream_id: stream(), index: 0, body, payload: None });
        rows.iter_mut().enumerate().for_each(|(index, row)| row.index = index as u64);
    });
}

#[test]
fn a_cosignature_row_of_a_segment_far_ahead_hides_no_honest_one() {
    let honest = verdict(&witnessed());
    assert_eq!((honest.cosignatures, honest.witnessed), (2, Some((0, honest.entries - 1))));
    assert!(honest.notes.iter().all(|note| !note.contains("cosignature")), "{:?}", honest.notes);
    for far in [3, 1 << 40, i64::MAX as u64] {
        for at in 0..=2 {
            let store = witnessed();
            insert(&store, at, far);
            insert(&store, at, far);
            let report = verdict(&store);
            assert_eq!((report.cosignatures, report.witnessed), (2, honest.witnessed), "{far} at {at}");
            assert!(report.notes.iter().any(|note| note.contains("cosignature row")), "{:?}", report.notes);
        }
    }
}

#[test]
fn a_cosignature_out_of_its_turn_is_told_and_counts_for_nothing() {
    let store = witnessed();
    store.rows(RowKind::Cosignature, |rows| {
        rows.swap(0, 1);
        rows.iter_mut().enumerate().for_each(|(index, row)| row.index = index as u64);
    });
    let report = verdict(&store);
    assert_eq!(report.cosignatures, 1);
    assert!(report.notes.iter().any(|note| note.contains("after its turn")), "{:?}", report.notes);
}

#[test]
fn no_flood_of_rows_hides_what_must_be_read() {
    let store = witnessed();
    (0..300).for_each(|_| insert(&store, 0, 77));
    let report = verdict(&store);
    assert_eq!(report.cosignatures, 2);
    assert!(report.notes.len() < 110 && report.notes.iter().any(|note| note.starts_with("no head is remembered")));
    assert!(report.notes.iter().any(|note| note.contains("200 more notes")), "{:?}", report.notes.last());
}

#[test]
fn a_payload_that_should_be_gone_is_told_and_the_log_is_whole() {
    let store = Shared::default();
    let mut writer = log(&store);
    writer.append_batch(&stream(), &events(9), Want::Synced).unwrap();
    let kept = store.rows(RowKind::Entry, |rows| rows[4].payload.clone());
    writer.erase_payload(&stream(), 2, 5, "request").unwrap();
    let told =
        |report: &Report| report.notes.iter().filter(|note| note.contains("still stored")).cloned().collect::<Vec<_>>();
    let trust = pinned(Ed25519);
    let report = writer.verify(&stream(), &trust).unwrap();
    assert_eq!((report.finding.clone(), report.erased, told(&report)), (None, 4, Vec::new()));
    store.rows(RowKind::Entry, |rows| rows[4].payload = kept);
    for reader in [&mut writer, &mut log(&store)] {
        let report = reader.verify(&stream(), &trust).unwrap();
        assert_eq!((report.finding.clone(), report.erased), (None, 3));
        let told = told(&report);
        assert!(matches!(&told[..], [one] if one.contains("1 payload(s)") && one.contains("entry 4")), "{told:?}");
    }
}

#[test]
fn erased_entries_that_name_everything_again_and_again_cost_one_more_reading() {
    let store = Shared::default();
    let mut writer = log(&store);
    writer.append_batch(&stream(), &events(200), Want::Synced).unwrap();
    for _ in 0..50 {
        writer.erase_payload(&stream(), 0, 200, "again").unwrap();
    }
    store.counts();
    let report = writer.verify(&stream(), &pinned(Ed25519)).unwrap();
    assert_eq!(report.finding, None);
    assert!(store.counts().rows_read < 3 * report.entries);
    assert!(report.notes.iter().any(|note| note.contains("not all of it")), "{:?}", report.notes);
}

/// A report without a finding reads as good news: it says itself how far anybody vouches for what was read.
#[test]
fn what_nobody_vouches_for_is_told() {
    let told = |report: &Report| -> Vec<String> {
        report.notes.iter().filter(|note| note.contains("vouche")).cloned().collect()
    };
    let store = Shared::default();
    let mut writer = log(&store);
    writer.append_batch(&stream(), &events(3), Want::Synced).unwrap();
    let unsigned = writer.verify(&stream(), &pinned(Ed25519)).unwrap();
    assert_eq!(unsigned.finding, None);
    assert_eq!(told(&unsigned), ["no checkpoint counts: nobody vouches for any of the 4 entries"]);
    writer.close_segment(&stream()).unwrap();
    writer.sign_segment(&FixedKey::log(Ed25519), &stream(), 0).unwrap();
    assert_eq!(told(&writer.verify(&stream(), &pinned(Ed25519)).unwrap()), Vec::<String>::new());
    let quorum = ["no checkpoint has the quorum that the policy demands: it vouches for none of the 5 entries"];
    assert_eq!(told(&verdict(&store)), quorum);

    let store = witnessed();
    assert_eq!(told(&verdict(&store)), Vec::<String>::new());
    log(&store).append(&stream(), event("later")).unwrap();
    let report = verdict(&store);
    let last = report.entries - 2;
    let open = format!("vouched for through entry {last}: nobody vouches yet for the 1 behind it");
    assert_eq!(told(&report), [open]);
}

#[test]
fn nobody_pinned_is_said_twice() {
    let store = Shared::default();
    let mut writer = log(&store);
    writer.append(&stream(), event("x")).unwrap();
    let key = FixedKey::log(Ed25519).public();
    let signers = Signers::Keystore { identity: "demo".into(), key };
    let trust = Trust { signers, authors: Vec::new(), require_author: false };
    let report = writer.verify(&stream(), &trust).unwrap();
    assert!(report.trust_basis.starts_with("keystore:"), "{}", report.trust_basis);
    assert!(report.notes.iter().any(|note| note.contains("nobody pinned")), "{:?}", report.notes);
}

/// An ed25519 key from a number; only a test may do that.
fn numbered(number: usize) -> FixedKey {
    let mut seed = [5; 32];
    seed[..8].copy_from_slice(&number.to_le_bytes());
    FixedKey::Ed25519(ed25519_dalek::SigningKey::from_bytes(&seed))
}

#[test]
fn more_producers_than_are_followed_are_told_in_the_report_and_still_held_to_their_numbers_by_the_log() {
    let store = Shared::default();
    let mut writer = log(&store);
    let sign = |number: usize, author_seq| {
        let new = NewEvent { payload: None, encoding: None, ..event("") };
        author::sign(new, ORIGIN, author_seq, &numbered(number)).unwrap()
    };
    let all: Vec<NewEvent> = (0..=author::TRACKED).map(|number| sign(number, 5)).collect();
    writer.append_batch(&stream(), &all, Want::Synced).unwrap();
    let replayed = |trust: &Trust| {
        let report = log(&store).verify(&stream(), trust).unwrap();
        assert_eq!(report.finding, None);
        report.notes.iter().any(|note| note.contains("replay"))
    };
    let mut trust = pinned(Ed25519);
    trust.require_author = true;
    assert!(replayed(&trust));
    trust.authors = (0..=author::TRACKED).map(|number| numbered(number).vkey("producer")).collect();
    assert!(!replayed(&trust), "those that are listed are followed, however many");
    for instance in [&mut writer, &mut log(&store)] {
        for number in [0, author::TRACKED - 1, author::TRACKED] {
            assert!(matches!(instance.append(&stream(), sign(number, 5)), Err(LogError::Untrusted(_))), "{number}");
        }
    }
    writer.append(&stream(), sign(author::TRACKED, 6)).unwrap();
    assert!(matches!(writer.append(&stream(), sign(author::TRACKED, 6)), Err(LogError::Untrusted(_))));
}
