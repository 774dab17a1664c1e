//! What people meet: the stock `sqlite3` program on a file the store wrote, and files that are no database.
#![cfg(not(target_os = "wasi"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::fs;
use std::process::Command;

use common::Scratch;
use secure_log::contract::rows::{entry_row, noise, plain_run, stream};
use secure_log::store::{Row, RowKind, Store, StoreError, Want};
use secure_log_store_sqlite::SqliteStore;

fn opened(config: &str) -> SqliteStore {
    let mut store = SqliteStore::default();
    store.init(config).unwrap();
    store
}

/// Output and success of `sqlite3 <file> <sql>`.
fn sqlite3(options: &[&str], file: &str, sql: &str) -> (String, bool) {
    let output = Command::new("sqlite3").args(options).args([file, sql]).output().expect("the sqlite3 program");
    let text = [output.stdout, output.stderr].concat();
    (String::from_utf8_lossy(&text).trim_end().to_owned(), output.status.success())
}

fn three_entries() -> Vec<Row> {
    vec![
        entry_row("app", 0, Some("grüße".as_bytes())),
        entry_row("app", 1, Some(b"\xff\x00binary")),
        entry_row("app", 2, None),
    ]
}

#[test]
fn the_sqlite3_program_reads_events_beside_an_open_store() {
    let scratch = Scratch::new();
    let file = scratch.path("audit.db");
    for config in [file.clone(), format!("{file}?lease")] {
        let mut store = opened(&config);
        if store.last(RowKind::Entry, &stream("app")).unwrap().is_none() {
            store.append(&three_entries(), Want::Synced).unwrap();
        }
        let sql = "SELECT seqno, time, type, severity, producer, payload FROM event WHERE stream = 'app'";
        let (text, ok) = sqlite3(&["-readonly"], &file, sql);
        assert!(ok, "{text}");
        assert_eq!(
            text,
            "0|2025-11-01T12:26:40.000000Z|app.started|informational|billing-1|grüße\n\
             1|2025-11-01T12:26:40.000001Z|app.started|informational|billing-1|\n\
             2|2025-11-01T12:26:40.000002Z|app.started|informational|billing-1|"
        );
        assert_eq!(sqlite3(&[], &file, "PRAGMA integrity_check"), ("ok".into(), true));
        assert_eq!(sqlite3(&[], &file, "SELECT hex(payload_bytes) FROM event WHERE seqno = 1").0, "FF0062696E617279");
    }
    assert!(String::from_utf8_lossy(&fs::read(&file).unwrap()).starts_with("SQLite format 3"));
}

#[test]
fn the_sqlite3_program_can_not_change_or_delete_rows() {
    let scratch = Scratch::new();
    let file = scratch.path("audit.db");
    let mut store = opened(&file);
    store.append(&three_entries(), Want::Synced).unwrap();
    for sql in [
        "UPDATE row SET body = x'00' WHERE idx = 1",
        "UPDATE row SET producer = 'nobody'",
        "UPDATE row SET payload = x'00'",
        "DELETE FROM row WHERE idx = 2",
        "INSERT OR REPLACE INTO row (kind, stream, idx, body) VALUES ('entry', 'app', 1, x'00')",
    ] {
        let (text, ok) = sqlite3(&[], &file, sql);
        assert!(!ok && text.contains("row"), "{sql}: {text}");
    }
    for row in three_entries() {
        assert_eq!(store.get(row.kind, &row.stream_id, row.index).unwrap(), Some(row));
    }
}

/// Someone drops the triggers, edits what people see and the rows, and puts nothing back.
#[test]
fn integrity_check_names_what_was_edited_behind_the_triggers() {
    let scratch = Scratch::new();
    let file = scratch.path("audit.db");
    let mut store = opened(&file);
    store.append(&three_entries(), Want::Synced).unwrap();
    assert_eq!(store.integrity_check(), Ok(Vec::new()));
    let edit = "DROP TRIGGER row_is_kept; DROP TRIGGER row_stays; \
        UPDATE row SET producer = 'nobody' WHERE idx = 0; DELETE FROM row WHERE idx = 1";
    assert!(sqlite3(&[], &file, edit).1);
    let problems = store.integrity_check().unwrap();
    for expected in [
        "trigger row_is_kept is missing or changed",
        "trigger row_stays is missing or changed",
        "entry rows of app: 2 are there, the last index is 2",
        "entry 0 of app: time, type, severity or producer is not what the body says",
    ] {
        assert!(problems.iter().any(|problem| problem == expected), "{expected}: {problems:?}");
    }
    assert_eq!(problems.len(), 4, "{problems:?}");
}

/// The payload stands in the table, in overflow pages, in the journal or the write-ahead log: nowhere afterwards.
#[test]
fn an_erased_payload_is_in_no_file() {
    let secret = b"a very secret payload of some length";
    let traces = |scratch: &Scratch| {
        let files = fs::read_dir(scratch.dir()).unwrap().map(|file| file.unwrap().path()).filter(|path| path.is_file());
        files.filter(|path| fs::read(path).unwrap().windows(secret.len()).any(|window| window == secret)).count()
    };
    for options in ["", "?lease", "?owner", "?owner&lease"] {
        let scratch = Scratch::new();
        let mut store = opened(&format!("{}{options}", scratch.path("audit.db")));
        let long = secret.repeat(1000);
        let mut rows = plain_run("app", 0, 3);
        rows[1].payload = Some([noise(1, 16), secret.to_vec()].concat());
        rows[2].payload = Some([noise(2, 16), long].concat());
        store.append(&rows, Want::Synced).unwrap();
        assert!(traces(&scratch) > 0, "{options}");
        store.erase(RowKind::Entry, &stream("app"), 1).unwrap();
        store.erase(RowKind::Entry, &stream("app"), 2).unwrap();
        store.erase(RowKind::Entry, &stream("app"), 2).unwrap();
        assert_eq!(traces(&scratch), 0, "{options}");
        let kept = store.get(RowKind::Entry, &stream("app"), 2).unwrap().unwrap();
        assert_eq!((kept.body, kept.payload), (rows[2].body.clone(), None));
    }
}

#[test]
fn what_is_no_database_is_refused_by_name_and_left_alone() {
    let scratch = Scratch::new();
    let text = scratch.path("notes.txt");
    fs::write(&text, "not a database\n".repeat(500)).unwrap();
    let good = scratch.path("good.db");
    opened(&good).append(&plain_run("a", 0, 500), Want::Synced).unwrap();
    let bytes = fs::read(&good).unwrap();
    let truncated = scratch.path("truncated.db");
    fs::write(&truncated, &bytes[..bytes.len() / 2]).unwrap();
    let stump = scratch.path("stump.db");
    fs::write(&stump, &bytes[..40]).unwrap();
    let newer = scratch.path("newer.db");
    fs::write(&newer, &bytes).unwrap();
    assert!(sqlite3(&[], &newer, "PRAGMA user_version = 77").1);
    let foreign = scratch.path("foreign.db");
    assert!(sqlite3(&[], &foreign, "CREATE TABLE theirs (a); INSERT INTO theirs VALUES (1)").1);
    fs::create_dir(scratch.path("dir.db")).unwrap();

    let init = |path: &str, options: &str| SqliteStore::default().init(&format!("{path}{options}"));
    for options in ["", "?lease", "?owner"] {
        for path in [&text, &truncated, &stump] {
            let before = fs::read(path).unwrap();
            let answer = init(path, options);
            assert!(matches!(&answer, Err(StoreError::Corrupt(why)) if why.contains(path)), "{path}: {answer:?}");
            assert_eq!(fs::read(path).unwrap(), before, "{path}{options}");
        }
        for path in [&newer, &foreign] {
            let answer = init(path, options);
            assert!(matches!(&answer, Err(StoreError::Invalid(why)) if why.contains(path)), "{path}: {answer:?}");
        }
        for path in [scratch.path("dir.db"), scratch.path("none/audit.db")] {
            let answer = init(&path, options);
            assert!(matches!(&answer, Err(StoreError::Invalid(why)) if why.contains(&path)), "{path}: {answer:?}");
        }
    }
    assert_eq!(sqlite3(&[], &foreign, "SELECT * FROM theirs"), ("1".into(), true));
    assert_eq!(sqlite3(&[], &newer, "PRAGMA user_version"), ("77".into(), true));
}

/// A page in the middle of the table is overwritten: reading says so or gives other rows, and nothing is written.
#[test]
fn a_damaged_page_is_corrupt_and_ends_writing() {
    let scratch = Scratch::new();
    let file = scratch.path("audit.db");
    opened(&file).append(&plain_run("a", 0, 2000), Want::Synced).unwrap();
    let mut bytes = fs::read(&file).unwrap();
    for page in (4..bytes.len() / 4096).step_by(3) {
        bytes[page * 4096..page * 4096 + 512].fill(0xab);
    }
    fs::write(&file, &bytes).unwrap();
    let mut store = opened(&file);
    let answer = (0..2000).find_map(|start| store.scan(RowKind::Entry, &stream("a"), start, 50, true).err());
    assert!(matches!(answer, Some(StoreError::Corrupt(_))), "{answer:?}");
    let answer = store.append(&plain_run("b", 0, 1), Want::Synced);
    assert!(matches!(answer, Err(StoreError::Corrupt(_))), "{answer:?}");
    assert_eq!(fs::read(&file).unwrap(), bytes);
}

#[test]
fn an_owner_keeps_others_out_and_shared_opens_what_an_owner_left() {
    let scratch = Scratch::new();
    let file = scratch.path("audit.db");
    let mut owner = opened(&format!("{file}?owner"));
    owner.append(&plain_run("a", 0, 2), Want::Written).unwrap();
    let text = sqlite3(&["-readonly"], &file, "SELECT count(*) FROM row").0;
    assert!(text.contains("locked"), "{text}");
    let second = SqliteStore::default().init(&format!("{file}?owner"));
    assert!(matches!(&second, Err(StoreError::Unavailable(why)) if why.contains("another")), "{second:?}");
    // As a kill would leave it: the write-ahead log stays.
    let copy = scratch.path("copy.db");
    for end in ["", "-wal"] {
        fs::copy(format!("{file}{end}"), format!("{copy}{end}")).unwrap();
    }
    drop(owner);
    for left in [&file, &copy] {
        let mut shared = opened(left);
        assert_eq!(shared.last(RowKind::Entry, &stream("a")).unwrap().map(|row| row.index), Some(1));
        shared.append(&plain_run("a", 2, 1), Want::Synced).unwrap();
        assert!(!fs::exists(format!("{left}-wal")).unwrap());
    }
}

/// The core's promise of one sync per append or batch rests on this.
#[test]
fn what_an_append_costs() {
    let scratch = Scratch::new();
    let cost = |store: &mut SqliteStore, rows: &[Row], want: Want| {
        let before = store.stats().unwrap();
        store.append(rows, want).unwrap();
        let after = store.stats().unwrap();
        (after.commits - before.commits, after.syncs - before.syncs)
    };
    let mut owner = opened(&format!("{}?owner", scratch.path("owner.db")));
    owner.append(&plain_run("a", 0, 1), Want::Synced).unwrap();
    assert_eq!(cost(&mut owner, &plain_run("a", 1, 1), Want::Synced), (1, 1));
    assert_eq!(cost(&mut owner, &plain_run("a", 2, 200), Want::Synced), (1, 1));
    assert_eq!(cost(&mut owner, &plain_run("a", 202, 5), Want::Written), (1, 0));
    assert_eq!(cost(&mut owner, &[], Want::Synced), (1, 1));
    assert_eq!(cost(&mut owner, &[], Want::Synced), (0, 0));
    assert_eq!(cost(&mut owner, &plain_run("a", 207, 5), Want::Written), (1, 0));
    assert_eq!(cost(&mut owner, &plain_run("a", 212, 5), Want::Synced), (1, 1));
    let mut shared = opened(&scratch.path("shared.db"));
    shared.append(&plain_run("a", 0, 1), Want::Synced).unwrap();
    let per_append = cost(&mut shared, &plain_run("a", 1, 1), Want::Synced);
    assert_eq!(cost(&mut shared, &plain_run("a", 2, 200), Want::Synced), per_append);
    // The journal, its header, the table, the journal's end.
    assert_eq!(per_append, (1, 4));
}
