//! Durable commits and rows per second in each mode, natively and in a guest, with the raw cost of a write and
//! a sync on the same disk beside them:
//! `cargo run --release -p secure-log-store-sqlite --example rates -- DIRECTORY`
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use secure_log::contract::rows::{entry_row, noise, stream};
use secure_log::store::{Row, RowKind, Store, Want};
use secure_log_store_sqlite::SqliteStore;
use secure_log_store_sqlite::lease::LeaseTimes;

const BATCH: u64 = 1000;

fn rows(start: u64, count: u64) -> Vec<Row> {
    let payload = noise(7, 256);
    (start..start + count).map(|seqno| entry_row("bench", seqno, Some(&payload))).collect()
}

/// Calls of `call(n)` per second, for about a second and a half.
fn per_second(mut call: impl FnMut(u64)) -> f64 {
    let started = Instant::now();
    let mut count = 0;
    while started.elapsed() < Duration::from_millis(1500) {
        call(count);
        count += 1;
    }
    count as f64 / started.elapsed().as_secs_f64()
}

fn control(dir: &Path) {
    let mut file = File::create(dir.join("raw")).unwrap();
    let bytes = noise(1, 600);
    let rate = per_second(|_| {
        file.write_all(&bytes).unwrap();
        file.sync_data().unwrap();
    });
    println!("{:<22} {rate:>9.0} write+sync/s", "raw file");
}

fn measure(name: &str, mut store: SqliteStore, config: &str) {
    let started = Instant::now();
    store.init(config).unwrap();
    let opened = started.elapsed();
    let mut next = 0;
    let mut append = |store: &mut SqliteStore, count: u64, want: Want| {
        store.append(&rows(next, count), want).unwrap();
        next += count;
    };
    let single = per_second(|_| append(&mut store, 1, Want::Synced));
    let written = per_second(|_| append(&mut store, 1, Want::Written));
    let batched = per_second(|_| append(&mut store, BATCH, Want::Synced)) * BATCH as f64;
    let get = per_second(|n| {
        store.get(RowKind::Entry, &stream("bench"), n * 7919 % next).unwrap().unwrap();
    });
    let mut read = 0;
    let scanned = per_second(|_| {
        let page = store.scan(RowKind::Entry, &stream("bench"), read % next, 1000, true).unwrap();
        read = (read + page.len() as u64) % next;
    }) * BATCH as f64;
    println!(
        "{name:<22} {single:>9.0} commits/s {written:>9.0} written/s {batched:>9.0} rows/s {get:>9.0} gets/s \
         {scanned:>9.0} scanned/s  opened in {opened:?}"
    );
}

fn main() {
    let dir = PathBuf::from(std::env::args().nth(1).unwrap_or_else(|| ".".into())).join("rates");
    fs::create_dir(&dir).unwrap();
    control(&dir);
    for mode in ["shared", "shared&lease", "owner"] {
        let config = format!("{}?{mode}", dir.join(format!("{mode}.db")).display());
        measure(mode, SqliteStore::default(), &config);
    }
    if !cfg!(target_os = "wasi") {
        let config = dir.join("wasi.db").display().to_string();
        measure("shared as under wasi", SqliteStore::as_under_wasi(LeaseTimes::default()), &config);
    }
    measure("memory", SqliteStore::default(), ":memory:");
    control(&dir);
    fs::remove_dir_all(&dir).unwrap();
}
