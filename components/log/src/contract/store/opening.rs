//! Opening, opening again, and what is still there afterwards.

use super::{Harness, assert_stored, open_on, opened, put};
use crate::contract::rows::{entry_row, plain, plain_run, stream};
use crate::store::{Row, RowKind, Store as _, StoreError, Want};

pub(super) fn not_initialised<H: Harness>(harness: &mut H) {
    let config = harness.fresh();
    let mut store = harness.instance();
    let id = stream("a");
    let none = StoreError::NotInitialised;
    assert_eq!(store.append(&plain_run("a", 0, 1), Want::Synced), Err(none.clone()));
    assert_eq!(store.append(&[], Want::Synced), Err(none.clone()));
    assert_eq!(store.get(RowKind::Entry, &id, 0), Err(none.clone()));
    assert_eq!(store.last(RowKind::Entry, &id), Err(none.clone()));
    assert_eq!(store.scan(RowKind::Entry, &id, 0, 1, true), Err(none.clone()));
    assert_eq!(store.streams(None, 1), Err(none.clone()));
    assert_eq!(store.erase(RowKind::Entry, &id, 0), Err(none));
    store.init(&config).unwrap();
    assert_stored(&mut store, RowKind::Entry, "a", &[]);
}

pub(super) fn empty_config<H: Harness>(harness: &mut H) {
    let config = harness.fresh();
    let mut store = harness.instance();
    assert!(matches!(store.init(""), Err(StoreError::Invalid(_))));
    assert_eq!(store.last(RowKind::Entry, &stream("a")), Err(StoreError::NotInitialised));
    store.init(&config).unwrap();
    put(&mut store, &plain_run("a", 0, 1));
    // The same of a store that is open: a failed init never leaves it on what it had before.
    assert!(matches!(store.init(""), Err(StoreError::Invalid(_))));
    assert_eq!(store.last(RowKind::Entry, &stream("a")), Err(StoreError::NotInitialised));
}

pub(super) fn second_init<H: Harness>(harness: &mut H) {
    let config = harness.fresh();
    let mut store = open_on(harness, &config);
    put(&mut store, &plain_run("a", 0, 3));
    store.init(&config).unwrap();
    if harness.durable() {
        assert_stored(&mut store, RowKind::Entry, "a", &plain_run("a", 0, 3));
        put(&mut store, &plain_run("a", 3, 1));
        assert_stored(&mut store, RowKind::Entry, "a", &plain_run("a", 0, 4));
    }
}

pub(super) fn nothing_there<H: Harness>(harness: &mut H) {
    let mut store = opened(harness);
    let id = stream("a");
    for kind in RowKind::ALL {
        assert_stored(&mut store, kind, "a", &[]);
        assert!(matches!(store.erase(kind, &id, 0), Err(StoreError::Invalid(_))));
    }
    assert_eq!(store.streams(None, 10), Ok(Vec::new()));
    assert_eq!(store.append(&[], Want::Synced), Ok(()));
    assert_eq!(store.append(&[], Want::Written), Ok(()));
    assert_eq!(store.streams(None, 10), Ok(Vec::new()));
}

pub(super) fn written_then_synced<H: Harness>(harness: &mut H) {
    let config = harness.fresh();
    let mut store = open_on(harness, &config);
    store.append(&plain_run("a", 0, 4), Want::Written).unwrap();
    store.append(&plain_run("a", 4, 4), Want::Written).unwrap();
    assert_stored(&mut store, RowKind::Entry, "a", &plain_run("a", 0, 8));
    store.append(&[], Want::Synced).unwrap();
    assert_stored(&mut store, RowKind::Entry, "a", &plain_run("a", 0, 8));
    if harness.durable() {
        drop(store);
        let mut store = open_on(harness, &config);
        assert_stored(&mut store, RowKind::Entry, "a", &plain_run("a", 0, 8));
    }
}

pub(super) fn durability<H: Harness>(harness: &mut H) {
    if !harness.durable() {
        return;
    }
    let config = harness.fresh();
    let mut expected = Vec::new();
    for round in 0..5 {
        let mut store = open_on(harness, &config);
        assert_stored(&mut store, RowKind::Entry, "a", &expected);
        for count in [1, 3] {
            let rows = plain_run("a", expected.len() as u64, count);
            put(&mut store, &rows);
            expected.extend(rows);
        }
        put(&mut store, &[plain(RowKind::Segment, "a", round), entry_row("b/c", round, Some(b"text"))]);
    }
    let mut store = open_on(harness, &config);
    assert_stored(&mut store, RowKind::Entry, "a", &expected);
    let others: Vec<Row> = (0..5).map(|index| entry_row("b/c", index, Some(b"text"))).collect();
    assert_stored(&mut store, RowKind::Entry, "b/c", &others);
    assert_eq!(store.streams(None, 10).unwrap(), [stream("a"), stream("b/c")]);
}
