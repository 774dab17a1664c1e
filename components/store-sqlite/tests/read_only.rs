//! Evidence is read as it lies there: whoever opens a database with `?readonly` changes no byte, no name and no time
//! of it and beside it, and is told when it can not be read like that.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, SystemTime};

use common::Scratch;
use common::reading::{self, everything};
use rusqlite::Connection;
use secure_log::contract::rows::{noise, plain_run, stream};
use secure_log::store::{Row, RowKind, Store, StoreError, Want};
use secure_log_store_sqlite::SqliteStore;
use secure_log_store_sqlite::lease::LeaseTimes;

fn instance(wasi: bool) -> SqliteStore {
    if wasi { SqliteStore::as_under_wasi(LeaseTimes::default()) } else { SqliteStore::default() }
}

fn opened(wasi: bool, config: &str) -> SqliteStore {
    let mut store = instance(wasi);
    store.init(config).unwrap();
    store
}

fn put(store: &mut SqliteStore, rows: &[Row]) {
    store.append(rows, Want::Synced).unwrap();
}

fn all(store: &mut SqliteStore) -> Vec<Row> {
    reading::all(store, "a").unwrap()
}

/// Does everything a caller can do.
fn use_fully(store: &mut SqliteStore) -> Vec<Row> {
    let rows = reading::use_fully(store, "a");
    assert_eq!(store.integrity_check().unwrap(), Vec::<String>::new());
    rows
}

#[test]
fn a_database_of_either_mode_is_read_and_nothing_beside_it_changes() {
    for (options, wasi) in [("", false), ("?owner", false), ("", true), ("?owner", true)] {
        let scratch = Scratch::new();
        let file = scratch.path("audit.db");
        put(&mut opened(wasi, &format!("{file}{options}")), &plain_run("a", 0, 3000));
        let found = everything(scratch.dir());
        for reads_as_wasi in [false, true] {
            let mut store = opened(reads_as_wasi, &format!("{file}?readonly"));
            assert_eq!(use_fully(&mut store), plain_run("a", 0, 3000));
            assert_eq!(store.stats().unwrap().writes, 0);
            assert_eq!(store.stats().unwrap().syncs, 0);
            drop(store);
            assert_eq!(everything(scratch.dir()), found, "{options} as under WASI: {wasi}, {reads_as_wasi}");
        }
        put(&mut opened(wasi, &format!("{file}{options}")), &plain_run("a", 3000, 1));
    }
}

#[test]
fn where_there_is_no_log_none_is_made_and_the_path_is_named() {
    let scratch = Scratch::new();
    let empty = scratch.path("empty.db");
    File::create(&empty).unwrap();
    let found = everything(scratch.dir());
    for wasi in [false, true] {
        for file in [scratch.path("missing.db"), scratch.path("no/where.db"), empty.clone()] {
            let answer = instance(wasi).init(&format!("{file}?readonly"));
            assert_eq!(answer, Err(StoreError::no_log_at(&file)));
            assert!(answer.unwrap_err().to_string().contains(&file));
        }
    }
    assert_eq!(everything(scratch.dir()), found);
}

/// A transaction in its middle, as a kill would leave it: pages are overwritten, the old ones are in the journal.
fn half_written(file: &str, copy: &str) {
    let connection = Connection::open(file).unwrap();
    connection.execute_batch("PRAGMA cache_size = 1; PRAGMA journal_mode = TRUNCATE; BEGIN").unwrap();
    for index in 10..200u32 {
        let insert = "INSERT INTO row (kind, stream, idx, body) VALUES ('entry', 'a', ?1, ?2)";
        connection.execute(insert, (index, noise(u64::from(index), 3000))).unwrap();
    }
    for end in ["", "-journal"] {
        fs::copy(format!("{file}{end}"), format!("{copy}{end}")).unwrap();
    }
}

#[test]
fn a_journal_of_a_crash_is_left_and_said_to_need_recovery() {
    let scratch = Scratch::new();
    let (file, copy) = (scratch.path("audit.db"), scratch.path("copy.db"));
    put(&mut opened(false, &file), &plain_run("a", 0, 10));
    half_written(&file, &copy);
    let journal = File::options().append(true).open(format!("{copy}-journal")).unwrap();
    journal.set_modified(SystemTime::now() - Duration::from_secs(90)).unwrap();
    let found = everything(scratch.dir());
    for wasi in [false, true] {
        let answer = instance(wasi).init(&format!("{copy}?readonly"));
        let Err(StoreError::Denied(why)) = &answer else { panic!("{answer:?}") };
        assert!(why.contains("journal") && why.contains("needs recovery") && why.contains(&copy), "{why}");
        assert_eq!(everything(scratch.dir()), found);
    }
    assert_eq!(all(&mut opened(false, &copy)), plain_run("a", 0, 10));
    assert_eq!(use_fully(&mut opened(false, &format!("{copy}?readonly"))), plain_run("a", 0, 10));
}

/// Under WASI a program ends without closing anything, so an owner always leaves its log.
#[test]
fn a_write_ahead_log_that_was_left_is_read_and_stays() {
    let scratch = Scratch::new();
    let (file, copy) = (scratch.path("audit.db"), scratch.path("copy.db"));
    let mut owner = opened(false, &format!("{file}?owner"));
    put(&mut owner, &plain_run("a", 0, 5));
    put(&mut owner, &plain_run("a", 5, 5));
    for end in ["", "-wal"] {
        fs::copy(format!("{file}{end}"), format!("{copy}{end}")).unwrap();
    }
    drop(owner);
    assert!(fs::metadata(format!("{copy}-wal")).unwrap().len() > 4096);
    for torn in [0, 1000, 5] {
        // The last transaction is cut: it is out of view, and so is the first in the end.
        let log = File::options().write(true).open(format!("{copy}-wal")).unwrap();
        log.set_len(log.metadata().unwrap().len() - torn).unwrap();
        let found = everything(scratch.dir());
        for wasi in [false, true] {
            let mut store = opened(wasi, &format!("{copy}?readonly"));
            assert_eq!(use_fully(&mut store), plain_run("a", 0, if torn == 0 { 10 } else { 5 }));
            drop(store);
            assert_eq!(everything(scratch.dir()), found);
        }
    }
    put(&mut opened(false, &format!("{copy}?owner")), &plain_run("a", 5, 5));
    put(&mut opened(false, &format!("{copy}?owner")), &plain_run("a", 10, 1));
    assert_eq!(use_fully(&mut opened(false, &format!("{copy}?readonly"))), plain_run("a", 0, 11));
}

/// Without its full path nothing tells whether the log beside it holds newer rows.
#[test]
fn a_full_path_that_is_no_text_is_an_error_and_no_older_state() {
    let scratch = Scratch::new();
    let (file, odd) = (scratch.path("audit.db"), scratch.dir().join(OsStr::from_bytes(b"\xff")));
    fs::create_dir(&odd).unwrap();
    symlink(&odd, scratch.path("link")).unwrap();
    put(&mut opened(false, &format!("{file}?owner")), &plain_run("a", 0, 5));
    let mut owner = opened(false, &format!("{file}?owner"));
    put(&mut owner, &plain_run("a", 5, 5));
    for end in ["", "-wal"] {
        fs::copy(format!("{file}{end}"), scratch.path(&format!("link/audit.db{end}"))).unwrap();
    }
    for wasi in [false, true] {
        let answer = instance(wasi).init(&format!("{}?readonly", scratch.path("link/audit.db")));
        assert!(matches!(&answer, Err(StoreError::Invalid(why)) if why.contains("UTF-8")), "{answer:?}");
    }
}

#[test]
fn damage_is_corrupt_and_stays_what_it_is() {
    let scratch = Scratch::new();
    let file = scratch.path("audit.db");
    let rows: Vec<Row> =
        plain_run("a", 0, 200).into_iter().map(|row| Row { body: noise(row.index, 900), ..row }).collect();
    put(&mut opened(false, &file), &rows);
    let mut bytes = fs::read(&file).unwrap();
    for page in bytes.chunks_mut(4096).skip(8) {
        page[..64].fill(0xff);
    }
    fs::write(&file, &bytes).unwrap();
    let found = everything(scratch.dir());
    for wasi in [false, true] {
        let mut store = opened(wasi, &format!("{file}?readonly"));
        let answers = (0..200).map(|index| store.get(RowKind::Entry, &stream("a"), index));
        assert!(answers.into_iter().any(|answer| matches!(answer, Err(StoreError::Corrupt(_)))));
        assert!(matches!(store.append(&[], Want::Synced), Err(StoreError::Corrupt(_))));
        assert_eq!(store.append(&rows[..1], Want::Synced), Err(StoreError::read_only()));
        drop(store);
        assert_eq!(everything(scratch.dir()), found);
    }
}

/// What a reader knows of the pages is void when an owner was there: a write-ahead log does not say so in the header.
#[test]
fn a_reader_that_stays_open_sees_what_an_owner_did_meanwhile() {
    let scratch = Scratch::new();
    let file = scratch.path("audit.db");
    for wasi in [false, true] {
        let mut reader = None;
        for count in 0..20 {
            let start = count * 7 + if wasi { 140 } else { 0 };
            put(&mut opened(wasi, &format!("{file}?owner")), &plain_run("a", start, 7));
            let reader = reader.get_or_insert_with(|| opened(wasi, &format!("{file}?readonly")));
            assert_eq!(all(reader), plain_run("a", 0, start + 7));
        }
    }
}

/// No look at a database that is being written is anything but a prefix of it: not where the system's locks
/// keep the two apart, and not where writer and reader can not see each other's.
#[test]
fn beside_a_writer_every_look_is_a_prefix() {
    for (options, writes_as_wasi, reads_as_wasi) in
        [("", false, false), ("", true, true), ("", true, false), ("?owner", true, true), ("?owner", true, false)]
    {
        let scratch = Scratch::new();
        let file = scratch.path("audit.db");
        let mut writer = opened(writes_as_wasi, &format!("{file}{options}"));
        put(&mut writer, &plain_run("a", 0, 1));
        let looks = Arc::new(AtomicU64::new(0));
        let looked = Arc::clone(&looks);
        let writing = thread::spawn(move || {
            for batch in 0..150u64 {
                // A fast writer does not leave a slow reader behind.
                while looked.load(Ordering::Relaxed) < batch / 15 {
                    thread::yield_now();
                }
                let rows = plain_run("a", 1 + batch * 20, 20);
                let padded: Vec<Row> =
                    rows.into_iter().map(|row| Row { payload: Some(noise(7, 2000)), ..row }).collect();
                put(&mut writer, &padded);
                writer.erase(RowKind::Entry, &stream("a"), batch * 20).unwrap();
            }
        });
        let mut seen = 0;
        let mut kept = opened(reads_as_wasi, &format!("{file}?readonly"));
        while !writing.is_finished() {
            let mut new = opened(reads_as_wasi, &format!("{file}?readonly"));
            for store in [&mut new, &mut kept] {
                let rows = all(store);
                assert!(rows.iter().zip(plain_run("a", 0, 4000)).all(|(found, row)| found.body == row.body));
                assert!(rows.len() >= seen, "{} after {seen}", rows.len());
                seen = rows.len();
                looks.fetch_add(1, Ordering::Relaxed);
            }
        }
        writing.join().unwrap();
        assert_eq!(all(&mut kept).len(), 3001);
        assert_eq!(kept.integrity_check().unwrap(), Vec::<String>::new());
        eprintln!("{options} writer as under WASI: {writes_as_wasi}, reader: {reads_as_wasi}: {looks:?} looks");
    }
}

/// Not a test of its own: what the next one runs where nothing can be written.
#[test]
fn child() {
    reading::child(|directory| {
        for name in ["shared.db", "owned.db", "left.db"] {
            for wasi in [false, true] {
                let mut store = opened(wasi, &format!("{}?readonly", directory.join(name).display()));
                assert_eq!(use_fully(&mut store), plain_run("a", 0, 50));
            }
        }
    });
}

#[test]
fn a_log_on_a_read_only_medium_is_read() {
    let scratch = Scratch::new();
    put(&mut opened(false, &scratch.path("shared.db")), &plain_run("a", 0, 50));
    put(&mut opened(false, &format!("{}?owner", scratch.path("owned.db"))), &plain_run("a", 0, 50));
    let mut owner = opened(false, &format!("{}?owner", scratch.path("live.db")));
    put(&mut owner, &plain_run("a", 0, 50));
    for end in ["", "-wal"] {
        fs::copy(scratch.path(&format!("live.db{end}")), scratch.path(&format!("left.db{end}"))).unwrap();
    }
    reading::on_a_read_only_medium(scratch.dir());
}
