//! Shared by the tests: files in a temporary directory, rows, and what a file says.
#![allow(dead_code, clippy::unwrap_used)]

#[path = "../../../log/tests/support/reading.rs"]
pub mod reading;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::SystemTime;

use secure_log::contract::rows::entry_row;
use secure_log::store::{Row, Store, StoreError, Want};
use secure_log_store_file::FileStore;

pub struct Place {
    directory: tempfile::TempDir,
}

impl Place {
    /// In memory where there is such a file system: thousands of syncs are not what these tests are about.
    pub fn new() -> Place {
        let directory = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
        Place { directory: directory.unwrap() }
    }

    /// On a disk.
    pub fn on_disk() -> Place {
        Place { directory: tempfile::tempdir().unwrap() }
    }

    pub fn path(&self) -> PathBuf {
        self.directory.path().join("log.jsonl")
    }

    pub fn config(&self, shared: bool) -> String {
        let path = self.path().display().to_string();
        if shared { path + "?shared" } else { path }
    }

    pub fn read_only(&self) -> String {
        format!("{}?readonly", self.path().display())
    }

    /// As [`reading::everything`].
    pub fn everything(&self) -> BTreeMap<PathBuf, (SystemTime, Option<Vec<u8>>)> {
        reading::everything(self.directory.path())
    }

    pub fn index(&self) -> PathBuf {
        self.directory.path().join("log.jsonl.idx")
    }

    pub fn commits(&self) -> PathBuf {
        self.directory.path().join("log.jsonl.commits")
    }

    pub fn read(&self) -> Vec<u8> {
        std::fs::read(self.path()).unwrap()
    }

    pub fn write(&self, bytes: &[u8]) {
        std::fs::write(self.path(), bytes).unwrap();
    }

    pub fn open(&self) -> FileStore {
        let mut store = FileStore::default();
        store.init(&self.config(false)).unwrap();
        store
    }

    pub fn drop_index(&self) {
        std::fs::remove_dir_all(self.index()).ok();
    }
}

pub fn row(index: u64) -> Row {
    entry_row("app", index, Some(format!("event number {index}, \"quoted\"").as_bytes()))
}

pub fn run(start: u64, count: u64) -> Vec<Row> {
    (start..start + count).map(row).collect()
}

pub fn put(store: &mut FileStore, rows: &[Row]) {
    store.append(rows, Want::Synced).unwrap();
}

/// All entry rows of `app`, or the first error.
pub fn all(store: &mut FileStore) -> Result<Vec<Row>, StoreError> {
    reading::all(store, "app")
}
