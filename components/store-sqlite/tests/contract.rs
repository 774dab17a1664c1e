//! The contract suite of all stores, in every mode this one has. Natively some run under the very locks that
//! instances under WASI use; compiled for wasm32-wasip2 the same file runs under a wasm runtime that gives
//! it a directory `.`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::Scratch;
use secure_log::contract::store::{Harness, run};
use secure_log_store_sqlite::SqliteStore;
use secure_log_store_sqlite::lease::LeaseTimes;

struct Mode {
    scratch: Scratch,
    options: &'static str,
    count: u32,
    /// An owner refuses, or is fenced by, another one.
    shared: bool,
    /// Lock as under WASI; there it is so anyway.
    wasi: bool,
}

impl Mode {
    fn new(options: &'static str, shared: bool, wasi: bool) -> Mode {
        Mode { scratch: Scratch::new(), options, count: 0, shared, wasi }
    }
}

impl Harness for Mode {
    type Store = SqliteStore;

    fn fresh(&mut self) -> String {
        self.count += 1;
        format!("{}{}", self.scratch.path(&format!("{}.db", self.count)), self.options)
    }

    fn instance(&mut self) -> SqliteStore {
        match self.wasi {
            true => SqliteStore::as_under_wasi(LeaseTimes::default()),
            false => SqliteStore::default(),
        }
    }

    fn durable(&self) -> bool {
        true
    }

    fn shared(&self) -> bool {
        self.shared
    }

    fn read_only(&self, config: &str) -> Option<String> {
        Some(format!("{}?readonly", config.strip_suffix(self.options).unwrap()))
    }
}

#[test]
fn shared_mode_keeps_the_contract() {
    run(&mut Mode::new("", true, false));
}

#[test]
fn shared_mode_under_leases_keeps_the_contract() {
    run(&mut Mode::new("", true, true));
}

#[test]
fn shared_mode_under_both_locks_keeps_the_contract() {
    run(&mut Mode::new("?shared&lease", true, false));
}

#[test]
fn owner_mode_keeps_the_contract() {
    run(&mut Mode::new("?owner", false, false));
}

#[test]
fn owner_mode_under_leases_keeps_the_contract() {
    run(&mut Mode::new("?owner", false, true));
}

struct Memory;

impl Harness for Memory {
    type Store = SqliteStore;

    fn fresh(&mut self) -> String {
        ":memory:".into()
    }

    fn instance(&mut self) -> SqliteStore {
        SqliteStore::default()
    }

    fn durable(&self) -> bool {
        false
    }

    fn shared(&self) -> bool {
        false
    }
}

#[test]
fn a_database_in_memory_keeps_the_contract() {
    run(&mut Memory);
}
