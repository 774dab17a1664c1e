//! Several processes on one file, killed processes, a full medium. The test binary runs itself as the other
//! process: `child` does nothing unless it was asked to.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use common::{Place, all, put, row, run};
use secure_log::contract::rows::{entry_row, stream};
use secure_log::store::{RowKind, Store, StoreError, Want};
use secure_log_store_file::FileStore;

const JOB: &str = "STORE_FILE_TEST_JOB";

fn command(job: &str, config: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "child", "--nocapture", "--test-threads=1"]).env(JOB, format!("{job} {config}"));
    command.stdout(Stdio::piped()).stderr(Stdio::null());
    command
}

#[test]
fn child() {
    let Ok(job) = std::env::var(JOB) else { return };
    let (job, config) = job.split_once(' ').unwrap();
    match job {
        "compete" => {
            let writers: Vec<_> = (0..4)
                .map(|_| {
                    let config = config.to_owned();
                    std::thread::spawn(move || compete(&config))
                })
                .collect();
            writers.into_iter().for_each(|writer| writer.join().unwrap());
        }
        "append" => append_for_ever(config),
        "fill" => fill(config),
        other => panic!("{other}"),
    }
}

/// 100 appends that each take the next free place.
fn compete(config: &str) {
    let mut store = FileStore::default();
    store.init(config).unwrap();
    for _ in 0..100 {
        loop {
            let next = store.last(RowKind::Entry, &stream("app")).unwrap().map_or(0, |row| row.index + 1);
            match store.append(&[row(next)], Want::Synced) {
                Ok(()) => break,
                Err(StoreError::Conflict) => {}
                Err(error) => panic!("{error}"),
            }
        }
    }
}

/// Says each append after it returned.
fn append_for_ever(config: &str) {
    let mut store = FileStore::default();
    store.init(config).unwrap();
    loop {
        let next = store.last(RowKind::Entry, &stream("app")).unwrap().map_or(0, |row| row.index + 1);
        match store.append(&run(next, 3), Want::Synced) {
            Ok(()) => println!("\nappended {}", next + 3),
            Err(StoreError::Conflict) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

/// Appends until the file may not grow any more.
fn fill(config: &str) {
    let mut store = FileStore::default();
    store.init(config).unwrap();
    for index in 0.. {
        match store.append(&[row(index)], Want::Synced) {
            Ok(()) => println!("\nappended {}", index + 1),
            Err(error) => {
                assert_eq!(error, StoreError::NoSpace);
                break;
            }
        }
    }
    // The first failure is the answer to everything until the store is opened again.
    assert_eq!(store.get(RowKind::Entry, &stream("app"), 0), Err(StoreError::NoSpace));
    assert_eq!(store.append(&[], Want::Synced), Err(StoreError::NoSpace));
    store.init(config).unwrap();
    println!("\nreopened {}", all(&mut store).unwrap().len());
}

/// The greatest number that follows `word` in what a child said.
fn said(child: &mut Child, word: &str) -> u64 {
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    lines.filter_map(|line| line.strip_prefix(word)?.trim().parse().ok()).max().unwrap_or(0)
}

fn two_processes(shared: bool) {
    let place = Place::new();
    let config = place.config(shared);
    let mut children = [command("compete", &config).spawn().unwrap(), command("compete", &config).spawn().unwrap()];
    for child in &mut children {
        assert!(child.wait().unwrap().success());
    }
    let mut store = FileStore::default();
    store.init(&config).unwrap();
    assert_eq!(all(&mut store).unwrap(), run(0, 800));
    assert_eq!((store.damage(), store.recovered()), (None, None));
    let text = String::from_utf8(place.read()).unwrap();
    assert_eq!(text.lines().filter(|line| line.starts_with("{\"kind\":\"entry\"")).count(), 800);
    drop(store);
    place.drop_index();
    assert_eq!(all(&mut place.open()).unwrap(), run(0, 800));
}

#[test]
fn eight_writers_in_two_processes_make_800_rows_in_turn() {
    two_processes(false);
}

#[test]
fn eight_writers_in_two_processes_make_800_rows_on_a_shared_file() {
    two_processes(true);
}

/// As if a lease was left behind long ago.
fn grow_old(lease: &Path) {
    let old = SystemTime::now() - Duration::from_secs(11);
    std::fs::File::options().write(true).open(lease).unwrap().set_modified(old).unwrap();
}

/// Two writers, each killed at some moment and followed by another one, eight times over: what one of them
/// said is there, nothing is damaged, and nobody waits for ever.
fn kills(shared: bool) {
    let place = Place::on_disk();
    let config = place.config(shared);
    let (mut acknowledged, mut left_behind) = (0, 0);
    for round in 0..8u64 {
        let mut children = [command("append", &config).spawn().unwrap(), command("append", &config).spawn().unwrap()];
        std::thread::sleep(Duration::from_millis(150 + 37 * round));
        for child in &mut children {
            child.kill().unwrap();
        }
        for child in &mut children {
            acknowledged = acknowledged.max(said(child, "appended "));
            child.wait().unwrap();
        }
        let lease = place.path().with_file_name("log.jsonl.lock");
        if lease.exists() {
            left_behind += 1;
            grow_old(&lease);
        }
        let begin = Instant::now();
        let mut store = FileStore::default();
        store.init(&config).unwrap();
        let rows = all(&mut store).unwrap();
        assert!(rows.len() as u64 >= acknowledged, "{} rows, {acknowledged} acknowledged", rows.len());
        assert_eq!(rows, run(0, rows.len() as u64));
        assert_eq!(store.damage(), None);
        let next = store.last(RowKind::Entry, &stream("app")).unwrap().map_or(0, |row| row.index + 1);
        match store.append(&run(next, 1), Want::Synced) {
            // A linked append of a dead writer came first.
            Err(StoreError::Conflict) if shared => {}
            done => done.unwrap(),
        }
        assert!(begin.elapsed() < Duration::from_secs(30), "{:?}", begin.elapsed());
    }
    assert!(acknowledged > 0);
    eprintln!("{acknowledged} rows, {left_behind} leases left behind");
}

#[test]
fn killed_owners_lose_nothing_they_acknowledged() {
    kills(false);
}

#[test]
fn killed_writers_of_a_shared_file_lose_nothing_they_acknowledged() {
    kills(true);
}

#[test]
fn a_lease_that_was_left_behind_is_taken_over() {
    let place = Place::new();
    let mut store = place.open();
    put(&mut store, &run(0, 1));
    let lock = place.path().with_file_name("log.jsonl.lock");
    for content in ["0123456789abcdef0123456789abcdef", ""] {
        std::fs::write(&lock, content).unwrap();
        grow_old(&lock);
        let begin = Instant::now();
        let next = store.last(RowKind::Entry, &stream("app")).unwrap().unwrap().index + 1;
        put(&mut store, &run(next, 1));
        assert!(begin.elapsed() < Duration::from_secs(5));
        assert!(!lock.exists());
    }
    // A fresh one is respected.
    std::fs::write(&lock, "0123456789abcdef0123456789abcdef").unwrap();
    let begin = Instant::now();
    put(&mut store, &run(3, 1));
    assert!(begin.elapsed() > Duration::from_secs(9));
}

#[test]
fn a_full_medium_is_no_space_and_loses_nothing() {
    let place = Place::new();
    let config = place.config(false);
    // No file may grow beyond 64 blocks of 1,024 bytes; the signal that goes with it is ignored.
    let mut limited = Command::new("bash");
    limited.args(["-c", "trap '' XFSZ; ulimit -f 64; exec \"$0\" --exact child --nocapture"]);
    limited.arg(std::env::current_exe().unwrap()).env(JOB, format!("fill {config}"));
    let mut child = limited.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let acknowledged = {
        let lines: Vec<String> = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok).collect();
        let number =
            |word: &str| lines.iter().filter_map(|line| line.strip_prefix(word)?.trim().parse::<u64>().ok()).max();
        assert_eq!(number("reopened "), number("appended "));
        number("appended ").unwrap()
    };
    assert!(child.wait().unwrap().success());
    assert!(acknowledged > 50);
    let mut store = place.open();
    assert_eq!(all(&mut store).unwrap(), run(0, acknowledged));
    put(&mut store, &run(acknowledged, 10));
}

#[test]
fn places_that_cannot_be_written_have_their_own_errors() {
    let mut store = FileStore::default();
    let error = store.init("/nonexistent-directory/log.jsonl");
    assert!(matches!(error, Err(StoreError::Invalid(_))), "{error:?}");
    if Path::new("/sys/kernel").is_dir() {
        let error = store.init("/sys/kernel/log.jsonl");
        assert!(matches!(error, Err(StoreError::Denied(_) | StoreError::Io(_))), "{error:?}");
    }
    assert_eq!(store.append(&[entry_row("app", 0, None)], Want::Synced), Err(StoreError::NotInitialised));
}
