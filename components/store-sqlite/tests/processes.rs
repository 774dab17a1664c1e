//! Several processes on one file, some of them killed or stopped in the middle of a transaction. The
//! processes are this test binary again, told by the environment to run [`worker`]; a guest can be such a
//! worker too, but starts none.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use common::Scratch;
use secure_log::contract::rows::{entry_row, stream};
use secure_log::store::{Row, RowKind, Store, StoreError, Want};
use secure_log_store_sqlite::SqliteStore;
use secure_log_store_sqlite::lease::LeaseTimes;

/// Rows of one append.
const BATCH: u64 = 3;
/// Short, so that tests need not wait a minute; long against a slow disk.
const TIMES: LeaseTimes = LeaseTimes { hold: Duration::from_millis(1000), takeover: Duration::from_millis(2000) };

/// With `lease` in the config: locked as under WASI, by lease files alone.
fn opened(config: &str) -> SqliteStore {
    let wasi = config.contains("lease");
    let mut store = if wasi { SqliteStore::as_under_wasi(TIMES) } else { SqliteStore::default() };
    store.init(config).unwrap();
    store
}

fn next(store: &mut SqliteStore) -> Result<u64, StoreError> {
    Ok(store.last(RowKind::Entry, &stream("a"))?.map_or(0, |row| row.index + 1))
}

fn batch(start: u64) -> Vec<Row> {
    let text = "x".repeat(1500);
    (start..start + BATCH).map(|seqno| entry_row("a", seqno, Some(format!("{seqno} {text}").as_bytes()))).collect()
}

/// Appends batches at the end, whoever else does the same, and prints the end of each that was acknowledged.
#[test]
fn worker() {
    let Ok(config) = std::env::var("STORE_SQLITE_WORKER") else { return };
    let count: u64 = std::env::var("STORE_SQLITE_COUNT").unwrap().parse().unwrap();
    let mut store = opened(&config);
    let mut done = 0;
    while done < count {
        let appended =
            next(&mut store).and_then(|start| store.append(&batch(start), Want::Synced).map(|()| start + BATCH));
        match appended {
            Ok(end) => {
                done += 1;
                let mut out = std::io::stdout();
                writeln!(out, "acknowledged {end}").unwrap();
                out.flush().unwrap();
            }
            Err(StoreError::Conflict) => {}
            Err(StoreError::Io(why)) => {
                println!("reopened: {why}");
                store.init(&config).unwrap();
            }
            Err(other) => panic!("{other}"),
        }
    }
}

fn spawn(config: &str, count: u64) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "worker", "--nocapture"])
        .env("STORE_SQLITE_WORKER", config)
        .env("STORE_SQLITE_COUNT", count.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// The greatest end that a finished worker acknowledged.
fn acknowledged(child: Child) -> u64 {
    let lines = BufReader::new(child.stdout.unwrap()).lines().map_while(Result::ok);
    lines.filter_map(|line| line.rsplit_once("acknowledged ")?.1.parse().ok()).max().unwrap_or(0)
}

fn signal(child: &Child, name: &str) {
    assert!(Command::new("kill").args([name, &child.id().to_string()]).status().unwrap().success());
}

/// Whole, dense, in batches, and with every acknowledged row.
fn assert_sound(store: &mut SqliteStore, acknowledged: u64, what: &str) {
    assert_eq!(store.integrity_check(), Ok(Vec::new()), "{what}");
    let end = next(store).unwrap();
    assert!(end >= acknowledged, "{what}: {acknowledged} were acknowledged, {end} are there");
    assert_eq!(end % BATCH, 0, "{what}: half a batch");
}

#[test]
#[cfg_attr(target_os = "wasi", ignore = "a guest starts no processes")]
fn processes_that_append_to_one_file_interleave_and_never_fork() {
    for options in ["", "?lease"] {
        let scratch = Scratch::new();
        let config = format!("{}{options}", scratch.path("audit.db"));
        let started = Instant::now();
        let mut children: Vec<Child> = (0..4).map(|_| spawn(&config, 25)).collect();
        for child in &mut children {
            assert!(child.wait().unwrap().success());
        }
        eprintln!("4 processes x 25 appends, {options:?}: {:?}", started.elapsed());
        let mut store = opened(&config);
        assert_sound(&mut store, 4 * 25 * BATCH, options);
        assert_eq!(next(&mut store), Ok(4 * 25 * BATCH));
        let rows = store.scan(RowKind::Entry, &stream("a"), 0, 1000, true).unwrap();
        let expected: Vec<Row> = (0..4 * 25).flat_map(|n| batch(n * BATCH)).collect();
        assert_eq!(rows[..], expected[..rows.len()]);
    }
}

#[test]
#[cfg_attr(target_os = "wasi", ignore = "a guest starts no processes")]
fn a_writer_killed_at_any_moment_loses_nothing_acknowledged_and_leaves_no_half_batch() {
    // The lease that a killed writer leaves is waited for; side by side, for all of them at once.
    std::thread::scope(|scope| {
        for (options, rounds) in [("", 18), ("?owner", 18), ("?owner&lease", 7), ("?lease", 7)] {
            scope.spawn(move || killed_again_and_again(options, rounds));
        }
    });
}

fn killed_again_and_again(options: &str, rounds: u64) {
    let scratch = Scratch::new();
    let config = format!("{}{options}", scratch.path("audit.db"));
    let mut end = 0;
    for round in 0..rounds {
        let mut child = spawn(&config, u64::MAX);
        std::thread::sleep(Duration::from_millis(60 + round * 13));
        child.kill().unwrap();
        child.wait().unwrap();
        end = acknowledged(child).max(end);
        assert_sound(&mut opened(&config), end, &format!("{options:?}, kill {round}"));
    }
    assert!(end > 0, "{options:?}: no round got as far as an append");
}

/// A suspended laptop, a stopped process: it must not write when it comes back, somebody else did.
#[test]
#[cfg_attr(target_os = "wasi", ignore = "a guest starts no processes")]
fn a_writer_that_was_stopped_for_longer_than_the_takeover_is_fenced() {
    let scratch = Scratch::new();
    for (round, options) in ["?lease", "?owner&lease", "?lease"].into_iter().enumerate() {
        let config = format!("{}{options}", scratch.path(&format!("{round}.db")));
        let mut child = spawn(&config, u64::MAX);
        std::thread::sleep(Duration::from_millis(700));
        signal(&child, "-STOP");
        let mut store = opened(&config);
        let start = next(&mut store).unwrap();
        store.append(&batch(start), Want::Synced).unwrap();
        let ours = start + BATCH;
        drop(store);
        signal(&child, "-CONT");
        std::thread::sleep(Duration::from_millis(1500));
        child.kill().unwrap();
        child.wait().unwrap();
        let end = acknowledged(child);
        assert!(end > ours, "{options}: the stopped writer went on, after opening again: {end} > {ours}");
        let mut store = opened(&config);
        assert_sound(&mut store, end, options);
        let rows = store.scan(RowKind::Entry, &stream("a"), start, BATCH as u32, true).unwrap();
        assert_eq!(rows, batch(start));
    }
}
