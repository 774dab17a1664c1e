//! Opened to be judged, not to be written to.

use super::{Harness, assert_stored, open_on, put};
use crate::contract::rows::{plain, plain_run, stream};
use crate::store::{RowKind, Store, StoreError, Want};

pub(super) fn nothing_there<H: Harness>(harness: &mut H) {
    let config = harness.fresh();
    let Some(read_only) = harness.read_only(&config) else { return };
    let mut store = harness.instance();
    for _ in 0..2 {
        assert!(matches!(store.init(&read_only), Err(StoreError::Invalid(_))), "what is not there is not opened");
        assert_eq!(store.last(RowKind::Entry, &stream("a")), Err(StoreError::NotInitialised));
    }
    store.init(&config).unwrap();
    assert_stored(&mut store, RowKind::Entry, "a", &[]);
}

pub(super) fn every_row<H: Harness>(harness: &mut H) {
    let config = harness.fresh();
    let Some(read_only) = harness.read_only(&config) else { return };
    let rows = plain_run("a", 0, 300);
    let mut store = open_on(harness, &config);
    put(&mut store, &rows[..299]);
    put(&mut store, &[rows[299].clone(), plain(RowKind::Segment, "b", 0)]);
    drop(store);

    let mut store = open_on(harness, &read_only);
    for _ in 0..2 {
        assert_stored(&mut store, RowKind::Entry, "a", &rows);
        assert_stored(&mut store, RowKind::Segment, "b", &[plain(RowKind::Segment, "b", 0)]);
        assert_eq!(store.streams(None, 10).unwrap(), [stream("a")]);
        assert_refused(&mut store, 300);
    }
    drop(store);

    let mut store = open_on(harness, &config);
    assert_stored(&mut store, RowKind::Entry, "a", &rows);
    put(&mut store, &plain_run("a", 300, 1));
}

pub(super) fn beside_a_writer<H: Harness>(harness: &mut H) {
    let config = harness.fresh();
    let Some(read_only) = harness.read_only(&config).filter(|_| harness.shared()) else { return };
    let mut writer = open_on(harness, &config);
    put(&mut writer, &plain_run("a", 0, 1));
    let mut reader = open_on(harness, &read_only);
    for count in 1..20 {
        assert_stored(&mut reader, RowKind::Entry, "a", &plain_run("a", 0, count));
        assert_refused(&mut reader, count);
        put(&mut writer, &plain_run("a", count, 1));
    }
    writer.erase(RowKind::Entry, &stream("a"), 3).unwrap();
    assert_eq!(reader.get(RowKind::Entry, &stream("a"), 3).unwrap().map(|row| row.payload), Some(None));
}

/// Every writing call is denied; an empty append, by which a reader asks for damage, is not.
fn assert_refused(store: &mut impl Store, next: u64) {
    for want in [Want::Synced, Want::Written] {
        let refused = store.append(&plain_run("a", next, 1), want);
        assert!(matches!(refused, Err(StoreError::Denied(_))), "{refused:?}");
        assert_eq!(store.append(&[], want), Ok(()));
    }
    let refused = store.erase(RowKind::Entry, &stream("a"), 0);
    assert!(matches!(refused, Err(StoreError::Denied(_))), "{refused:?}");
}
