//! What every store must do, as cases that panic when it does not. Someone who writes another store
//! implements [`Harness`] for it and calls [`run`] in a test:
//!
//! ```
//! use secure_log::contract::store::{Harness, run};
//! use secure_log::store::MemStore;
//!
//! struct Memory;
//! impl Harness for Memory {
//!     type Store = MemStore;
//!     fn fresh(&mut self) -> String {
//!         ":memory:".into()
//!     }
//!     fn instance(&mut self) -> MemStore {
//!         MemStore::default()
//!     }
//!     fn durable(&self) -> bool {
//!         false
//!     }
//!     fn shared(&self) -> bool {
//!         false
//!     }
//! }
//! run(&mut Memory);
//! ```
//!
//! Not here: what only one provider can do to itself (torn writes, kills, full disks, lost answers).

mod appending;
mod content;
mod opening;
mod paging;
mod reading_only;

use super::rows::stream;
use crate::store::{Row, RowKind, Store, Want};
use crate::types::StreamId;

/// What the suite needs to know of a store.
pub trait Harness {
    /// The provider.
    type Store: Store;

    /// Config of new, empty storage. Instances of earlier storage are all dropped by then.
    fn fresh(&mut self) -> String;

    /// An instance on which `init` has not been called.
    fn instance(&mut self) -> Self::Store;

    /// Whether a new instance with the same config finds what an earlier, dropped one appended.
    fn durable(&self) -> bool;

    /// Whether two instances may use one storage at the same time.
    fn shared(&self) -> bool;

    /// Config that opens the storage of `config` without ever writing to it. `None`: this store has no such thing.
    fn read_only(&self, config: &str) -> Option<String> {
        let _ = config;
        None
    }
}

type Case<H> = (&'static str, fn(&mut H));

/// Runs every case, naming each on stderr.
///
/// # Panics
/// When the store breaks the contract.
pub fn run<H: Harness>(harness: &mut H) {
    (0..case_count::<H>()).for_each(|number| run_case(harness, number));
}

/// Cases that [`run`] runs.
pub fn case_count<H: Harness>() -> usize {
    cases::<H>().len()
}

/// Runs one case, counted from 0, naming it on stderr: for storage that somebody else must empty between two.
///
/// # Panics
/// When the store breaks the contract, and when there is no such case.
pub fn run_case<H: Harness>(harness: &mut H, number: usize) {
    let (name, case) = cases::<H>().remove(number);
    eprintln!("store contract: {name}");
    case(harness);
}

fn cases<H: Harness>() -> Vec<Case<H>> {
    vec![
        ("calls before init are not-initialised", opening::not_initialised),
        ("an empty config is invalid", opening::empty_config),
        ("a second init reopens", opening::second_init),
        ("an empty store answers with nothing", opening::nothing_there),
        ("rows come back in order, dense, identical", appending::order_and_density),
        ("a wrong index is a conflict and writes nothing", appending::compare),
        ("a batch is all or none", appending::all_or_none),
        ("of two writers on one index one wins", appending::two_writers),
        ("streams and kinds do not mix", appending::separation),
        ("every kind of row", content::every_kind),
        ("entries as the log writes them", content::realistic_entries),
        ("payload texts and bytes", content::payload_bytes),
        ("bodies that are not entries of their place", content::strange),
        ("an absent payload is not an empty one", content::absent_and_empty),
        ("the limits, reached and exceeded", appending::limits),
        ("pages are bounded by bytes", paging::page_bytes),
        ("paging while another writer appends", paging::paging_under_appends),
        ("streams are paged in byte order", paging::streams_in_order),
        ("written rows are there, and durable after a sync", opening::written_then_synced),
        ("rows survive a reopen", opening::durability),
        ("erasing drops the payload and nothing else", content::erasing),
        ("a thousand rows, each found", paging::thousand),
        ("a read-only open creates nothing", reading_only::nothing_there),
        ("a read-only open shows every row and writes none", reading_only::every_row),
        ("a read-only open follows a writer", reading_only::beside_a_writer),
    ]
}

fn opened<H: Harness>(harness: &mut H) -> H::Store {
    let config = harness.fresh();
    open_on(harness, &config)
}

fn open_on<H: Harness>(harness: &mut H, config: &str) -> H::Store {
    let mut store = harness.instance();
    store.init(config).unwrap();
    store
}

fn put(store: &mut impl Store, rows: &[Row]) {
    store.append(rows, Want::Synced).unwrap();
}

/// `get`, `last` and `scan` agree that exactly these rows are stored for (kind, stream).
fn assert_stored(store: &mut impl Store, kind: RowKind, id: &str, rows: &[Row]) {
    let id = stream(id);
    for row in rows {
        assert_eq!(store.get(kind, &id, row.index).unwrap().as_ref(), Some(row));
    }
    assert_eq!(store.get(kind, &id, rows.len() as u64), Ok(None));
    assert_eq!(store.last(kind, &id).unwrap().as_ref(), rows.last());
    assert_eq!(scan_all(store, kind, &id, 1000, true), rows);
    let bare: Vec<Row> = rows.iter().map(|row| Row { payload: None, ..row.clone() }).collect();
    assert_eq!(scan_all(store, kind, &id, 1000, false), bare);
}

fn scan_all(store: &mut impl Store, kind: RowKind, id: &StreamId, limit: u32, with_payload: bool) -> Vec<Row> {
    let mut all = Vec::new();
    loop {
        let page = store.scan(kind, id, all.len() as u64, limit, with_payload).unwrap();
        assert!(page.len() <= limit as usize);
        if page.is_empty() {
            return all;
        }
        all.extend(page);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::rows::{entries, strange_bodies, texts};
    use crate::store::MemStore;

    struct Memory;

    impl Harness for Memory {
        type Store = MemStore;
        fn fresh(&mut self) -> String {
            ":memory:".into()
        }
        fn instance(&mut self) -> MemStore {
            MemStore::default()
        }
        fn durable(&self) -> bool {
            false
        }
        fn shared(&self) -> bool {
            false
        }
    }

    #[test]
    fn the_store_in_memory_keeps_the_contract() {
        run(&mut Memory);
    }

    #[test]
    fn the_sample_rows_are_what_they_claim() {
        for row in entries("a") {
            assert_eq!(crate::encode::decode_entry(&row.body).unwrap().seqno, row.index);
        }
        assert!(texts().iter().any(|text| std::str::from_utf8(text).is_err()));
        assert_eq!(strange_bodies().iter().filter(|body| crate::encode::decode_entry(body).is_ok()).count(), 1);
    }
}
