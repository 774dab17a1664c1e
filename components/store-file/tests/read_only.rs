//! Evidence is read as it lies there: whoever opens it with `?readonly` changes no byte, no name and no time of it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::fs::{self, File};
use std::io::Write as _;
use std::thread;

use common::{Place, all, put, reading, row, run};
use secure_log::contract::rows::stream;
use secure_log::store::{Row, RowKind, Store, StoreError, Want};
use secure_log_store_file::FileStore;

fn opened(place: &Place) -> FileStore {
    let mut store = FileStore::default();
    store.init(&place.read_only()).unwrap();
    store
}

fn use_fully(store: &mut FileStore) -> Vec<Row> {
    reading::use_fully(store, "app")
}

/// The torn rest of a dead writer is evidence: only an instance that may write cuts it off.
#[test]
fn a_torn_tail_stays_at_every_length_and_is_told() {
    let place = Place::new();
    let mut store = place.open();
    put(&mut store, &run(0, 5));
    let before = place.read();
    put(&mut store, &run(5, 3));
    drop(store);
    let after = place.read();
    for length in before.len()..=after.len() {
        place.write(&after[..length]);
        let found = place.everything();
        let mut store = opened(&place);
        let kept = if length == after.len() { 8 } else { 5 };
        assert_eq!(use_fully(&mut store), run(0, kept), "cut at {length}");
        let torn = (length - before.len()) as u64;
        let told = store.recovered().map(|left| (left.at, left.bytes));
        assert_eq!(told, (kept == 5 && torn > 0).then_some((before.len() as u64, torn)), "cut at {length}");
        assert_eq!(store.damage(), None, "cut at {length}");
        drop(store);
        assert_eq!(place.everything(), found, "cut at {length}");
    }
}

#[test]
fn without_an_index_or_with_a_wrong_one_everything_is_found_and_none_is_made() {
    let place = Place::new();
    let mut store = place.open();
    (0..40).for_each(|batch| put(&mut store, &run(batch * 50, 50)));
    drop(store);
    let head = place.index().join("head");
    assert!(head.exists());
    for state in ["whole", "offsets wrong", "head wrong", "none"] {
        match state {
            "offsets wrong" => fs::write(place.index().join("0"), vec![7u8; 16_000]).unwrap(),
            "head wrong" => fs::write(&head, "other").unwrap(),
            "none" => place.drop_index(),
            _ => {}
        }
        let found = place.everything();
        assert_eq!(use_fully(&mut opened(&place)), run(0, 2000), "index: {state}");
        assert_eq!(place.everything(), found, "index: {state}");
    }
}

#[test]
fn where_there_is_no_log_none_is_made_and_the_path_is_named() {
    let place = Place::new();
    let missing = place.path();
    let nowhere = missing.join("deeper.jsonl");
    for path in [&missing, &nowhere] {
        let answer = FileStore::default().init(&format!("{}?readonly", path.display()));
        assert_eq!(answer, Err(StoreError::no_log_at(path.display())));
        assert!(answer.unwrap_err().to_string().contains(&path.display().to_string()));
    }
    assert_eq!(place.everything().len(), 1, "only the directory itself");
    // A log whose creation was cut short is not finished here.
    put(&mut place.open(), &run(0, 1));
    let first = place.read();
    for length in [0, 1, 43] {
        place.write(&first[..length]);
        assert_eq!(FileStore::default().init(&place.read_only()), Err(StoreError::no_log_at(missing.display())));
        assert_eq!(place.read(), first[..length]);
    }
}

#[test]
fn damage_is_corrupt_and_stays_what_it_is() {
    let place = Place::new();
    let mut store = place.open();
    (0..6).for_each(|batch| put(&mut store, &run(batch * 2, 2)));
    drop(store);
    let whole = place.read();
    for at in (60..whole.len() - 600).step_by(97) {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        place.write(&bytes);
        place.drop_index();
        let found = place.everything();
        let mut store = opened(&place);
        assert!(store.damage().is_some(), "byte {at}");
        assert!(matches!(store.append(&[], Want::Synced), Err(StoreError::Corrupt(_))), "byte {at}");
        assert_eq!(store.append(&run(12, 1), Want::Synced), Err(StoreError::read_only()), "byte {at}");
        assert!(all(&mut store).map_or(true, |rows| rows.iter().all(|row| run(0, 12).contains(row))), "byte {at}");
        drop(store);
        assert_eq!(place.everything(), found, "byte {at}");
    }
}

/// A log of five rows, the second of them erased: the file before and after.
fn erased() -> (Place, Vec<u8>, Vec<u8>) {
    let place = Place::new();
    let mut store = place.open();
    put(&mut store, &run(0, 5));
    let before = place.read();
    store.erase(RowKind::Entry, &stream("app"), 1).unwrap();
    drop(store);
    let after = place.read();
    (place, before, after)
}

/// The intent is durable, the line of the row is overwritten up to any byte, and nobody may finish it.
#[test]
fn an_erasure_cut_short_is_seen_as_finished_and_left_unfinished() {
    let (place, before, after) = erased();
    let mut erased = run(0, 5);
    erased[1] = Row { payload: None, ..row(1) };
    for done in (0..=before.len()).step_by(5) {
        place.write(&[&after[..done], &before[done..], &after[before.len()..]].concat());
        for with_index in [true, false] {
            if !with_index {
                place.drop_index();
            }
            let found = place.everything();
            let mut store = opened(&place);
            assert_eq!(use_fully(&mut store), erased, "overwritten up to {done}");
            assert_eq!(store.damage(), None, "overwritten up to {done}");
            assert_eq!(place.everything(), found, "overwritten up to {done}");
        }
    }
    // A reader that was there before goes on when the next writer finishes it and appends.
    place.write(&[&before[..], &after[before.len()..]].concat());
    let mut reader = opened(&place);
    put(&mut place.open(), &run(5, 1));
    assert_eq!(all(&mut reader).unwrap(), [erased, run(5, 1)].concat());
}

/// The same, met by who was there before: its writer dies between two of its calls.
#[test]
fn an_erasure_cut_short_beside_an_open_instance_is_no_damage() {
    let (place, before, after) = erased();
    for done in (0..=before.len()).step_by(13) {
        place.write(&before);
        let (mut reader, mut writer) = (opened(&place), place.open());
        let half = [&after[..done], &before[done..], &after[before.len()..]].concat();
        // Over what is there: the two look at one file all the time.
        File::options().write(true).open(place.path()).unwrap().write_all(&half).unwrap();
        let untouched = half.starts_with(&before);
        let payload = row(1).payload.filter(|_| untouched);
        for store in [&mut reader, &mut writer] {
            let found = store.get(RowKind::Entry, &stream("app"), 1);
            assert_eq!(found, Ok(Some(Row { payload: payload.clone(), ..row(1) })), "overwritten up to {done}");
            assert_eq!(store.damage(), None, "overwritten up to {done}");
        }
        assert!(place.read() == if untouched { half } else { after.clone() }, "overwritten up to {done}");
    }
}

/// An append that is linked and not yet in the log was not answered: it is not looked for.
#[test]
fn a_shared_log_is_seen_as_far_as_it_is_in_the_file() {
    let place = Place::new();
    let mut writer = FileStore::default();
    writer.init(&place.config(true)).unwrap();
    put(&mut writer, &run(0, 2));
    let before = place.read();
    put(&mut writer, &run(2, 2));
    let after = place.read();
    for length in [before.len(), before.len() + 100] {
        place.write(&after[..length]);
        let found = place.everything();
        assert_eq!(use_fully(&mut opened(&place)), run(0, 2));
        assert_eq!(place.everything(), found);
    }
}

/// Each look at a log that is being written and erased is a prefix of it, and none is damage.
#[test]
fn beside_a_writer_every_look_is_a_prefix() {
    for shared in [false, true] {
        let place = Place::new();
        let config = place.config(shared);
        let mut writer = FileStore::default();
        writer.init(&config).unwrap();
        put(&mut writer, &run(0, 1));
        let writing = thread::spawn(move || {
            for index in 1..1500u64 {
                put(&mut writer, &run(index, 1));
                if index % 7 == 0 {
                    writer.erase(RowKind::Entry, &stream("app"), index - 1).unwrap();
                }
            }
        });
        let mut looks = 0;
        while !writing.is_finished() {
            let mut store = opened(&place);
            for _ in 0..3 {
                let rows = all(&mut store).expect("no look is damage");
                assert!(rows.iter().zip(0..).all(|(found, index)| found.body == row(index).body));
                assert_eq!(store.damage(), None);
                looks += 1;
            }
        }
        writing.join().unwrap();
        assert!(looks > 3);
        assert_eq!(all(&mut opened(&place)).unwrap().len(), 1500);
    }
}

/// Not a test of its own: what the next one runs where nothing can be written.
#[test]
fn child() {
    reading::child(|directory| {
        let mut store = FileStore::default();
        store.init(&format!("{}?readonly", directory.join("log.jsonl").display())).unwrap();
        assert_eq!(use_fully(&mut store), run(0, 5));
    });
}

#[test]
fn a_log_on_a_read_only_medium_is_read() {
    let place = Place::new();
    let mut store = place.open();
    put(&mut store, &run(0, 5));
    let whole = place.read();
    put(&mut store, &run(5, 1));
    drop(store);
    place.write(&[&whole[..], b"{\"kind\":\"en"].concat());
    reading::on_a_read_only_medium(place.path().parent().unwrap());
}
