//! What a crash at any point leaves: the append is there whole or not at all, and what was dropped is said.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Place, all, put, row, run};
use secure_log::contract::rows::stream;
use secure_log::store::{Row, RowKind, Store, StoreError, Want};
use secure_log_store_file::FileStore;

/// Five appends of one row, then one of three. Gives the file before and after the last.
fn written(place: &Place) -> (Vec<u8>, Vec<u8>) {
    let mut store = place.open();
    for index in 0..5 {
        put(&mut store, &run(index, 1));
    }
    let before = place.read();
    put(&mut store, &run(5, 3));
    (before, place.read())
}

#[test]
fn cut_at_every_byte_an_append_is_there_whole_or_not_at_all() {
    let place = Place::new();
    let (before, after) = written(&place);
    for shared in [false, true] {
        for length in before.len()..=after.len() {
            place.write(&after[..length]);
            let mut store = FileStore::default();
            store.init(&place.config(shared)).unwrap();
            let whole = length == after.len();
            let kept = if whole { 8 } else { 5 };
            assert_eq!(all(&mut store).unwrap(), run(0, kept), "cut at {length}");
            put(&mut store, &run(kept, 2));
            assert_eq!(all(&mut store).unwrap(), run(0, kept + 2), "cut at {length}");
            let torn = length - before.len();
            let reported = store.recovered().map(|recovered| (recovered.at, recovered.bytes));
            let expected = (!whole && torn > 0).then_some((before.len() as u64, torn as u64));
            assert_eq!(reported, expected, "cut at {length}");
            drop(store);
            place.drop_index();
            std::fs::remove_dir_all(place.commits()).ok();
            assert_eq!(all(&mut place.open()).unwrap(), run(0, kept + 2), "cut at {length}, read again");
        }
    }
}

/// A power cut may keep the commit line and lose sectors before it.
#[test]
fn an_append_whose_sectors_were_lost_is_torn() {
    let place = Place::new();
    let (before, after) = written(&place);
    let first = before.len().div_ceil(512) * 512;
    for sector in (first..after.len() - 512).step_by(512) {
        let mut bytes = after.clone();
        bytes[sector..sector + 512].fill(0);
        place.write(&bytes);
        let mut store = place.open();
        assert_eq!(all(&mut store).unwrap(), run(0, 5));
        assert_eq!(store.recovered().map(|recovered| recovered.at), Some(before.len() as u64));
        assert_eq!(place.read(), before);
    }
}

/// Rows that were only written are not durable: a power cut may lose any of them, later ones kept or not.
#[test]
fn lost_sectors_of_unsynced_appends_are_torn_and_those_of_synced_ones_are_damage() {
    for (want, expect_damage) in [(Want::Written, false), (Want::Synced, true)] {
        let place = Place::new();
        let mut store = place.open();
        put(&mut store, &run(0, 5));
        let before = place.read();
        for index in 5..12 {
            store.append(&run(index, 1), want).unwrap();
        }
        drop(store);
        let mut bytes = place.read();
        let sector = before.len().div_ceil(512) * 512;
        bytes[sector..sector + 512].fill(0);
        place.write(&bytes);
        let mut store = place.open();
        assert_eq!(store.damage().is_some(), expect_damage, "{want:?}");
        if expect_damage {
            assert!(matches!(store.append(&run(12, 1), want), Err(StoreError::Corrupt(_))));
            assert_eq!(place.read(), bytes);
        } else {
            assert_eq!(all(&mut store).unwrap(), run(0, 5));
            put(&mut store, &run(5, 1));
        }
    }
}

/// Each append vouches for those before it that were synced: also for one whose rows are whole and whose commit line
/// is not, and for several in a row.
#[test]
fn a_lost_sector_before_a_synced_append_is_damage_wherever_it_lies() {
    let place = Place::new();
    let mut store = place.open();
    for index in 0..9 {
        put(&mut store, &run(index, 1));
    }
    let before = place.read().len();
    let long = Row { payload: Some(vec![b'x'; 2000]), ..row(9) };
    put(&mut store, std::slice::from_ref(&long));
    drop(store);
    let whole = place.read();
    for sectors in [1, 2, 4] {
        let mut damaged = 0;
        for start in (512..before).step_by(512) {
            let mut bytes = whole.clone();
            bytes[start..start + 512 * sectors].fill(0);
            place.write(&bytes);
            let mut store = place.open();
            assert!(store.damage().is_some() && store.recovered().is_none(), "{sectors} sectors at {start}");
            assert!(matches!(store.append(&run(10, 1), Want::Synced), Err(StoreError::Corrupt(_))));
            assert!(place.read() == bytes, "{sectors} sectors at {start}");
            damaged += 1;
        }
        assert!(damaged > 5);
    }
}

/// Also where each writer ends after one append, before anybody has said that it is durable: whoever comes next does.
#[test]
fn a_lost_sector_of_what_writers_of_one_append_left_is_damage() {
    for shared in [false, true] {
        let place = Place::new();
        let open = || {
            let mut store = FileStore::default();
            store.init(&place.config(shared)).unwrap();
            store
        };
        for index in 0..9 {
            put(&mut open(), &run(index, 1));
        }
        let whole = place.read();
        let last = whole[..whole.len() - 1].rsplit(|&byte| byte == b'\n').nth(1).unwrap().as_ptr() as usize;
        let last = last - whole.as_ptr() as usize;
        let mut damaged = 0;
        for start in (512..last - 512).step_by(512) {
            let mut bytes = whole.clone();
            bytes[start..start + 512].fill(0);
            place.write(&bytes);
            place.drop_index();
            std::fs::remove_dir_all(place.commits()).ok();
            let mut store = open();
            assert!(store.damage().is_some() && store.recovered().is_none(), "shared {shared}: sector at {start}");
            assert!(matches!(store.append(&run(9, 1), Want::Synced), Err(StoreError::Corrupt(_))));
            assert!(place.read() == bytes, "shared {shared}: sector at {start}");
            damaged += 1;
        }
        assert!(damaged > 3, "shared {shared}: {damaged}");
    }
}

#[test]
fn a_file_whose_first_line_is_cut_begins_anew() {
    let place = Place::new();
    drop(place.open());
    let header = place.read();
    for length in 0..=header.len() {
        place.write(&header[..length]);
        let mut store = place.open();
        put(&mut store, &run(0, 1));
        assert_eq!(all(&mut store).unwrap(), run(0, 1));
    }
}

/// The file at each point of an erasure: the intent torn at every byte, then the line overwritten up to
/// every byte. Erased it is exactly when the intent is whole; the body is the same throughout.
#[test]
fn an_erasure_cut_at_every_byte_is_finished_or_never_began() {
    let place = Place::new();
    let mut store = place.open();
    put(&mut store, &run(0, 3));
    put(&mut store, &run(3, 2));
    let before = place.read();
    store.erase(RowKind::Entry, &stream("app"), 1).unwrap();
    drop(store);
    let after = place.read();
    let mut erased = run(0, 5);
    erased[1] = Row { payload: None, ..row(1) };

    for length in before.len()..after.len() {
        place.write(&[&before, &after[before.len()..length]].concat());
        assert_eq!(all(&mut place.open()).unwrap(), run(0, 5));
    }
    for done in 0..=before.len() {
        let bytes = [&after[..done], &before[done..], &after[before.len()..]].concat();
        for with_index in [true, false] {
            if !with_index {
                place.drop_index();
            }
            place.write(&bytes);
            let mut store = place.open();
            assert_eq!(all(&mut store).unwrap(), erased, "overwritten up to {done}");
            assert_eq!(place.read(), after);
            assert_eq!(store.damage(), None);
        }
    }
    let mut store = place.open();
    put(&mut store, &run(5, 1));
}

#[test]
fn an_erased_payload_is_nowhere_in_any_file() {
    for shared in [false, true] {
        let place = Place::new();
        let mut store = FileStore::default();
        store.init(&place.config(shared)).unwrap();
        put(&mut store, &run(0, 200));
        store.erase(RowKind::Entry, &stream("app"), 150).unwrap();
        let mut files = vec![place.path()];
        for directory in [place.index(), place.commits()] {
            files.extend(std::fs::read_dir(directory).into_iter().flatten().map(|entry| entry.unwrap().path()));
        }
        for file in files {
            let text = String::from_utf8_lossy(&std::fs::read(&file).unwrap()).into_owned();
            assert!(!text.contains("event number 150"), "{}", file.display());
        }
    }
}

/// Linked but not copied: the writer died in between. The append counts, and exactly once.
#[test]
fn a_linked_append_is_copied_by_whoever_comes_next() {
    let place = Place::new();
    let mut store = FileStore::default();
    store.init(&place.config(true)).unwrap();
    put(&mut store, &run(0, 2));
    let before = place.read();
    put(&mut store, &run(2, 2));
    let after = place.read();
    for length in before.len()..after.len() {
        place.write(&after[..length]);
        let mut store = FileStore::default();
        store.init(&place.config(true)).unwrap();
        assert_eq!(all(&mut store).unwrap(), run(0, 2));
        assert_eq!(store.append(&run(2, 1), Want::Synced), Err(StoreError::Conflict));
        assert_eq!(all(&mut store).unwrap(), run(0, 4));
        assert_eq!(place.read(), after);
    }
}

/// The index is saved every 64 KiB of log. Had it been saved between an intent and its overwrite, whoever
/// opens after a crash would start behind the intent and never erase.
#[test]
fn an_erasure_cut_short_is_finished_wherever_the_index_was_saved() {
    for length in (44_000..50_000).step_by(100) {
        let place = Place::new();
        let mut store = place.open();
        put(&mut store, &run(0, 2));
        put(&mut store, &[Row { payload: Some(vec![0xff; length]), ..row(2) }]);
        let before = place.read();
        store.erase(RowKind::Entry, &stream("app"), 1).unwrap();
        drop(store);
        let after = place.read();
        place.write(&[&before[..], &after[before.len()..]].concat());
        let mut store = place.open();
        let row = store.get(RowKind::Entry, &stream("app"), 1).unwrap().unwrap();
        assert_eq!(row.payload, None, "{length} bytes before the intent");
        assert_eq!(place.read(), after, "{length} bytes before the intent");
    }
}
