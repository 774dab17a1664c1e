//! What goes in comes out, byte for byte, until it is erased.

use super::{Harness, assert_stored, open_on, opened, put};
use crate::contract::rows::{entries, entry_row, noise, plain, strange_bodies, stream, texts, usual_body};
use crate::store::{Row, RowKind, Store as _, StoreError};

pub(super) fn every_kind<H: Harness>(harness: &mut H) {
    let mut store = opened(harness);
    let rows = |kind: RowKind| -> Vec<Row> {
        let payload = matches!(kind, RowKind::Entry | RowKind::Key).then(|| noise(8, 40));
        let row = |index| Row { body: usual_body(kind, index), payload: payload.clone(), ..plain(kind, "a", index) };
        (0..3).map(row).collect()
    };
    for index in 0..3 {
        let batch: Vec<Row> = RowKind::ALL.into_iter().map(|kind| rows(kind)[index].clone()).collect();
        put(&mut store, &batch);
    }
    for kind in RowKind::ALL {
        assert_stored(&mut store, kind, "a", &rows(kind));
    }
}

pub(super) fn realistic_entries<H: Harness>(harness: &mut H) {
    let mut store = opened(harness);
    let rows = entries("a");
    put(&mut store, &rows[..1]);
    put(&mut store, &rows[1..]);
    assert_stored(&mut store, RowKind::Entry, "a", &rows);
}

pub(super) fn payload_bytes<H: Harness>(harness: &mut H) {
    let mut store = opened(harness);
    let rows: Vec<Row> = (0..).zip(texts()).map(|(seqno, text)| entry_row("a", seqno, Some(&text))).collect();
    put(&mut store, &rows);
    assert_stored(&mut store, RowKind::Entry, "a", &rows);
    // The same bytes where the body promises no payload, or another length.
    let bare = |(seqno, text)| Row { payload: Some(text), ..entry_row("b", seqno, None) };
    let rows: Vec<Row> = (0..).zip(texts()).map(bare).collect();
    put(&mut store, &rows);
    assert_stored(&mut store, RowKind::Entry, "b", &rows);
}

pub(super) fn strange<H: Harness>(harness: &mut H) {
    let mut store = opened(harness);
    for kind in [RowKind::Entry, RowKind::Segment, RowKind::Checkpoint] {
        let row = |(index, body)| Row { body, payload: Some(noise(3, 20)), ..plain(kind, "a", index) };
        let rows: Vec<Row> = (0..).zip(strange_bodies()).map(row).collect();
        put(&mut store, &rows);
        assert_stored(&mut store, kind, "a", &rows);
    }
}

pub(super) fn absent_and_empty<H: Harness>(harness: &mut H) {
    let mut store = opened(harness);
    let with = |index, payload: Option<&[u8]>| Row {
        payload: payload.map(<[u8]>::to_vec),
        ..entry_row("a", index, (index % 2 == 0).then_some(b"".as_slice()))
    };
    let rows = [
        with(0, None),
        with(1, None),
        with(2, Some(b"")),
        with(3, Some(b"")),
        with(4, Some(&[0])),
        with(5, Some(&[0; 16])),
    ];
    put(&mut store, &rows);
    assert_stored(&mut store, RowKind::Entry, "a", &rows);
}

pub(super) fn erasing<H: Harness>(harness: &mut H) {
    let config = harness.fresh();
    let mut store = open_on(harness, &config);
    let mut rows: Vec<Row> = (0..).zip(texts()).map(|(seqno, text)| entry_row("a", seqno, Some(&text))).collect();
    let key = Row { body: usual_body(RowKind::Key, 0), payload: Some(noise(1, 60)), ..plain(RowKind::Key, "a", 0) };
    put(&mut store, &rows);
    put(&mut store, &[key.clone(), plain(RowKind::Node1, "a", 0)]);
    let id = stream("a");
    let count = rows.len() as u64;
    for index in [0, 5, count - 1, 5] {
        store.erase(RowKind::Entry, &id, index).unwrap();
        rows[index as usize].payload = None;
        assert_stored(&mut store, RowKind::Entry, "a", &rows);
    }
    store.erase(RowKind::Node1, &id, 0).unwrap();
    assert!(matches!(store.erase(RowKind::Entry, &id, count), Err(StoreError::Invalid(_))));
    assert!(matches!(store.erase(RowKind::Entry, &stream("b"), 0), Err(StoreError::Invalid(_))));
    rows.push(entry_row("a", count, Some(b"after")));
    put(&mut store, &rows[rows.len() - 1..]);
    store.erase(RowKind::Entry, &id, 1).unwrap();
    rows[1].payload = None;
    store.erase(RowKind::Key, &id, 0).unwrap();
    let key = Row { payload: None, ..key };
    if harness.shared() {
        let mut other = open_on(harness, &config);
        assert_stored(&mut other, RowKind::Entry, "a", &rows);
        other.erase(RowKind::Entry, &id, 2).unwrap();
        rows[2].payload = None;
    }
    assert_stored(&mut store, RowKind::Entry, "a", &rows);
    assert_stored(&mut store, RowKind::Key, "a", std::slice::from_ref(&key));
    if harness.durable() {
        drop(store);
        let mut store = open_on(harness, &config);
        assert_stored(&mut store, RowKind::Entry, "a", &rows);
        assert_stored(&mut store, RowKind::Key, "a", &[key]);
        put(&mut store, &[entry_row("a", count + 1, None)]);
    }
}
