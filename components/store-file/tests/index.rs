//! The sidecar index is never trusted: whatever is done to it, the rows are the same.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::fs;

use common::{Place, all, put, run};
use secure_log::contract::rows::{plain, plain_run, stream};
use secure_log::store::{Row, RowKind, Store};

const ROWS: u64 = 600;

fn written() -> Place {
    let place = Place::new();
    let mut store = place.open();
    for start in (0..ROWS).step_by(50) {
        let mut rows = run(start, 50);
        rows.extend(plain_run("other", start, 50));
        rows.push(plain(RowKind::Segment, "app", start / 50));
        put(&mut store, &rows);
    }
    assert!(store.stats().index_writes > 6);
    place
}

fn assert_whole(place: &Place, what: &str) {
    let mut store = place.open();
    assert_eq!(store.streams(None, 9).unwrap(), [stream("app"), stream("other")], "{what}");
    assert_eq!(store.get(RowKind::Entry, &stream("app"), 7).unwrap(), run(7, 1).pop(), "{what}");
    assert_eq!(all(&mut store).unwrap(), run(0, ROWS), "{what}");
    let others: Vec<Row> = store.scan(RowKind::Entry, &stream("other"), 0, 1000, true).unwrap();
    assert_eq!(others, plain_run("other", 0, ROWS), "{what}");
    assert_eq!(store.last(RowKind::Segment, &stream("app")).unwrap().unwrap().index, ROWS / 50 - 1, "{what}");
    assert_eq!(store.damage(), None, "{what}");
    put(&mut store, &run(ROWS, 1));
    assert_eq!(all(&mut store).unwrap(), run(0, ROWS + 1), "{what}");
}

#[test]
fn an_index_deleted_garbled_cut_or_swapped_makes_no_difference() {
    let place = written();
    let log = place.read();
    let names: Vec<String> =
        fs::read_dir(place.index()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    let files: Vec<(String, Vec<u8>)> =
        names.iter().map(|name| (name.clone(), fs::read(place.index().join(name)).unwrap())).collect();
    let restore = |change: &dyn Fn()| {
        place.write(&log);
        place.drop_index();
        fs::create_dir(place.index()).unwrap();
        for (name, bytes) in &files {
            fs::write(place.index().join(name), bytes).unwrap();
        }
        change();
    };
    assert_eq!(files.len(), 4);
    restore(&|| place.drop_index());
    assert_whole(&place, "deleted");
    for (name, bytes) in &files {
        let path = place.index().join(name);
        restore(&|| fs::remove_file(&path).unwrap());
        assert_whole(&place, &format!("{name} deleted"));
        restore(&|| fs::write(&path, []).unwrap());
        assert_whole(&place, &format!("{name} empty"));
        restore(&|| fs::write(&path, &bytes[..bytes.len() / 2]).unwrap());
        assert_whole(&place, &format!("{name} cut"));
        restore(&|| fs::write(&path, vec![0xff; bytes.len()]).unwrap());
        assert_whole(&place, &format!("{name} garbled"));
        for at in (0..bytes.len()).step_by(bytes.len() / 20) {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            restore(&|| fs::write(&path, &changed).unwrap());
            assert_whole(&place, &format!("{name} byte {at}"));
        }
        for (other, theirs) in &files {
            restore(&|| fs::write(&path, theirs).unwrap());
            assert_whole(&place, &format!("{other} in place of {name}"));
        }
    }
}

#[test]
fn what_lies_behind_the_head_makes_no_difference() {
    for junk in [b'x', b'\n', 0xff] {
        let place = written();
        fs::write(place.index().join("head"), vec![junk; 100_000]).unwrap();
        drop(place.open());
        let mut store = place.open();
        assert!(store.stats().lines_parsed < ROWS, "{:?}", store.stats());
        assert_eq!(all(&mut store).unwrap(), run(0, ROWS));
    }
}

#[test]
fn an_index_that_is_deleted_under_a_writer_comes_back() {
    for whole in [true, false] {
        let place = written();
        let mut store = place.open();
        put(&mut store, &plain_run("before", 0, 600));
        match whole {
            true => place.drop_index(),
            false => fs::remove_file(place.index().join("head")).unwrap(),
        }
        for n in 0..4 {
            put(&mut store, &plain_run(&format!("new-{n}"), 0, 600));
        }
        assert!(place.index().join("head").exists(), "whole: {whole}");
        assert_eq!(all(&mut place.open()).unwrap(), run(0, ROWS));
        assert_eq!(all(&mut store).unwrap(), run(0, ROWS));
    }
}

#[test]
fn an_index_that_is_deleted_again_and_again_is_made_again() {
    let place = Place::new();
    let mut store = place.open();
    let streams: Vec<String> = (0..12).map(|n| format!("stream-{n}")).collect();
    for id in &streams {
        put(&mut store, &plain_run(id, 0, 300));
    }
    for round in 1..4 {
        place.drop_index();
        for id in &streams {
            let rows = store.scan(RowKind::Entry, &stream(id), 0, 1000, true);
            assert!(rows == Ok(plain_run(id, 0, 300)), "round {round}, {id}: {:?}", rows.map(|rows| rows.len()));
        }
        assert_eq!((store.stats().rebuilds, store.damage()), (round, None));
    }
    put(&mut store, &plain_run("app", 0, 3));
}

/// A head that is whole in itself but counts fewer or more rows than the log has, or names another last append.
#[test]
fn a_head_with_other_counts_or_another_append_is_not_believed() {
    let place = written();
    let path = place.index().join("head");
    let text = fs::read_to_string(&path).unwrap();
    let log = place.read();
    let [_, second] = *text.lines().take(2).collect::<Vec<_>>() else { panic!("{text}") };
    let words: Vec<&str> = second.split(' ').collect();
    let [commits, end, at, sum, chains] = words[..] else { panic!("{second}") };
    let other = |place: usize, word: &str| {
        let mut words = words.clone();
        words[place] = word;
        words.join(" ")
    };
    let plus_one = |word: &str| (word.parse::<u64>().unwrap() + 1).to_string();
    let zeros = "0".repeat(sum.len());
    let seconds = [
        other(0, &plus_one(commits)),
        other(1, &plus_one(end)),
        other(2, &plus_one(at)),
        other(3, &zeros),
        other(4, &plus_one(chains)),
    ];
    let counts = [("entry app 600", "entry app 599"), ("entry app 600", "entry app 601"), ("segment", "node1")];
    for (from, to) in counts.into_iter().chain(seconds.iter().map(|other| (second, &other[..]))) {
        let body = text[..text.len() - 17].replacen(from, to, 1);
        assert_ne!(body, text[..text.len() - 17]);
        fs::write(&path, format!("{body}{:016x}\n", xxhash_rust::xxh3::xxh3_64(body.as_bytes()))).unwrap();
        assert_whole(&place, to);
        place.write(&log);
    }
}

#[test]
fn an_index_older_than_the_log_or_of_another_log_makes_no_difference() {
    let place = Place::new();
    let mut store = place.open();
    put(&mut store, &run(0, 200));
    let old = fs::read(place.index().join("head")).unwrap();
    put(&mut store, &run(200, 400));
    drop(store);
    fs::write(place.index().join("head"), &old).unwrap();
    assert_eq!(all(&mut place.open()).unwrap(), run(0, 600));

    let other = written();
    place.drop_index();
    fs::rename(other.index(), place.index()).unwrap();
    let mut store = place.open();
    assert_eq!(all(&mut store).unwrap(), run(0, 600));
    assert_eq!(store.streams(None, 9).unwrap(), [stream("app")]);
}

#[test]
fn a_log_cut_back_to_an_earlier_append_is_read_as_it_is() {
    let place = Place::new();
    let mut store = place.open();
    put(&mut store, &run(0, 300));
    let earlier = place.read();
    put(&mut store, &run(300, 300));
    drop(store);
    place.write(&earlier);
    let mut store = place.open();
    assert_eq!(all(&mut store).unwrap(), run(0, 300));
    put(&mut store, &run(300, 5));
    assert_eq!(all(&mut store).unwrap(), run(0, 305));
}

#[test]
fn a_log_without_room_for_an_index_works() {
    let place = Place::new();
    fs::write(place.index(), "a file where the directory should be").unwrap();
    let mut store = place.open();
    for start in (0..600).step_by(100) {
        put(&mut store, &run(start, 100));
    }
    assert_eq!(all(&mut store).unwrap(), run(0, 600));
    assert_eq!(all(&mut place.open()).unwrap(), run(0, 600));
}
