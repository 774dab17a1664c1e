//! The compare, all or none, and the limits of an append.

use super::{Harness, assert_stored, open_on, opened, put, scan_all};
use crate::contract::rows::{noise, plain, plain_run, stream};
use crate::store::{MAX_BATCH_BYTES, MAX_BATCH_ROWS, Row, RowKind, Store as _, StoreError, Want};
use crate::types::{MAX_ENTRY, MAX_PAYLOAD, StreamId};

pub(super) fn order_and_density<H: Harness>(harness: &mut H) {
    let mut store = opened(harness);
    let rows = plain_run("a", 0, 23);
    put(&mut store, &rows[..1]);
    put(&mut store, &rows[1..9]);
    put(&mut store, &rows[9..10]);
    put(&mut store, &rows[10..]);
    assert_stored(&mut store, RowKind::Entry, "a", &rows);
    let id = stream("a");
    for limit in [1, 2, 7, 22, 23, 24, u32::MAX] {
        assert_eq!(scan_all(&mut store, RowKind::Entry, &id, limit, true), rows);
    }
    assert_eq!(store.scan(RowKind::Entry, &id, 5, 3, true).unwrap(), rows[5..8]);
    assert_eq!(store.scan(RowKind::Entry, &id, 22, 3, true).unwrap(), rows[22..]);
    assert_eq!(store.scan(RowKind::Entry, &id, 0, 0, true), Ok(Vec::new()));
    for beyond in [23, 24, 1 << 32, i64::MAX as u64, i64::MAX as u64 + 1, u64::MAX] {
        assert_eq!(store.get(RowKind::Entry, &id, beyond), Ok(None));
        assert_eq!(store.scan(RowKind::Entry, &id, beyond, 10, true), Ok(Vec::new()));
        assert!(matches!(store.erase(RowKind::Entry, &id, beyond), Err(StoreError::Invalid(_))));
    }
}

pub(super) fn compare<H: Harness>(harness: &mut H) {
    let mut store = opened(harness);
    put(&mut store, &plain_run("a", 0, 3));
    for index in [0, 2, 4, 1 << 32, i64::MAX as u64, i64::MAX as u64 + 1, u64::MAX] {
        let wrong = [plain(RowKind::Entry, "a", index)];
        assert_eq!(store.append(&wrong, Want::Synced), Err(StoreError::Conflict), "index {index}");
        assert_eq!(store.append(&wrong, Want::Written), Err(StoreError::Conflict), "index {index}");
    }
    assert_eq!(store.append(&[plain(RowKind::Node1, "a", 1)], Want::Synced), Err(StoreError::Conflict));
    assert_eq!(store.append(&[plain(RowKind::Entry, "b", 1)], Want::Synced), Err(StoreError::Conflict));
    assert_stored(&mut store, RowKind::Entry, "a", &plain_run("a", 0, 3));
    assert_stored(&mut store, RowKind::Node1, "a", &[]);
    put(&mut store, &plain_run("a", 3, 1));
    assert_stored(&mut store, RowKind::Entry, "a", &plain_run("a", 0, 4));
}

pub(super) fn all_or_none<H: Harness>(harness: &mut H) {
    let mut store = opened(harness);
    put(&mut store, &plain_run("a", 0, 2));
    let [two, three, five] = [2, 3, 5].map(|index| plain(RowKind::Entry, "a", index));
    let other = plain(RowKind::Node1, "b", 0);
    for bad in [
        vec![two.clone(), other.clone(), five.clone()],
        vec![two.clone(), two.clone(), three.clone()],
        vec![three.clone(), two.clone()],
        vec![other.clone(), other.clone()],
        vec![other.clone(), two.clone(), plain(RowKind::Entry, "a", 1)],
    ] {
        assert_eq!(store.append(&bad, Want::Synced), Err(StoreError::Conflict));
        assert_stored(&mut store, RowKind::Entry, "a", &plain_run("a", 0, 2));
        assert_stored(&mut store, RowKind::Node1, "b", &[]);
    }
    let too_long = Row { body: vec![0; MAX_ENTRY + 1], ..three.clone() };
    assert!(matches!(store.append(&[two.clone(), too_long], Want::Synced), Err(StoreError::Invalid(_))));
    assert_stored(&mut store, RowKind::Entry, "a", &plain_run("a", 0, 2));
    put(&mut store, &[other.clone(), two.clone(), three.clone()]);
    assert_stored(&mut store, RowKind::Node1, "b", &[other]);
    assert_eq!(store.last(RowKind::Entry, &stream("a")), Ok(Some(three)));
}

pub(super) fn two_writers<H: Harness>(harness: &mut H) {
    let config = harness.fresh();
    let mut first = open_on(harness, &config);
    if !harness.shared() {
        return;
    }
    let mut second = open_on(harness, &config);
    let mut expected: Vec<Row> = Vec::new();
    for round in 0..6 {
        let mine = Row { payload: Some(b"first".to_vec()), ..plain(RowKind::Entry, "a", round) };
        let theirs = Row { payload: Some(b"second".to_vec()), ..mine.clone() };
        let (winner, loser, won, lost) = match round % 2 {
            0 => (&mut first, &mut second, mine, theirs),
            _ => (&mut second, &mut first, theirs, mine),
        };
        put(winner, std::slice::from_ref(&won));
        assert_eq!(loser.append(&[lost], Want::Synced), Err(StoreError::Conflict));
        assert_eq!(loser.last(RowKind::Entry, &stream("a")), Ok(Some(won.clone())));
        expected.push(won);
    }
    assert_stored(&mut first, RowKind::Entry, "a", &expected);
    assert_stored(&mut second, RowKind::Entry, "a", &expected);
}

pub(super) fn separation<H: Harness>(harness: &mut H) {
    let mut store = opened(harness);
    let long = "x".repeat(StreamId::MAX_LEN);
    let ids = ["a", "A", "a.b", "a_b", "axb", "a/b", "a/b/c", "a-b", "~", "...", "0", "00", &long];
    let mut batch = Vec::new();
    for (count, id) in (1u64..).zip(ids) {
        batch.extend(plain_run(id, 0, count));
        batch.extend((0..count % 3).map(|index| plain(RowKind::Segment, id, index)));
    }
    put(&mut store, &batch);
    for (count, id) in (1u64..).zip(ids) {
        assert_stored(&mut store, RowKind::Entry, id, &plain_run(id, 0, count));
        let segments: Vec<Row> = (0..count % 3).map(|index| plain(RowKind::Segment, id, index)).collect();
        assert_stored(&mut store, RowKind::Segment, id, &segments);
        assert_stored(&mut store, RowKind::Node1, id, &[]);
    }
    assert_stored(&mut store, RowKind::Entry, "B", &[]);
}

pub(super) fn limits<H: Harness>(harness: &mut H) {
    let mut store = opened(harness);
    let invalid = |result| assert!(matches!(result, Err(StoreError::Invalid(_))), "{result:?}");
    let row = |index, body, payload| Row { body: noise(1, body), payload, ..plain(RowKind::Entry, "a", index) };
    invalid(store.append(&[row(0, MAX_ENTRY + 1, None)], Want::Synced));
    invalid(store.append(&[row(0, 1, Some(vec![7; MAX_PAYLOAD + 65]))], Want::Synced));
    let many: Vec<Row> = (0..=MAX_BATCH_ROWS as u64).map(|index| row(index, 1, None)).collect();
    invalid(store.append(&many, Want::Synced));
    let heavy: Vec<Row> = (0..5).map(|index| row(index, 1, Some(vec![7; MAX_BATCH_BYTES / 4]))).collect();
    invalid(store.append(&heavy, Want::Synced));
    assert_stored(&mut store, RowKind::Entry, "a", &[]);

    let largest = row(0, MAX_ENTRY, Some(noise(2, MAX_PAYLOAD + 16)));
    let text = row(1, 300, Some([&noise(3, 16)[..], &vec![b'"'; MAX_PAYLOAD]].concat()));
    let escapes = row(2, 300, Some(vec![1; MAX_PAYLOAD + 16]));
    put(&mut store, &[largest.clone(), text.clone(), escapes.clone()]);
    assert_stored(&mut store, RowKind::Entry, "a", &[largest, text, escapes]);
    put(&mut store, &(0..4).map(|index| row(index + 3, 1, Some(vec![7; MAX_BATCH_BYTES / 4]))).collect::<Vec<_>>());
    let most: Vec<Row> = (0..MAX_BATCH_ROWS as u64).map(|index| plain(RowKind::Node1, "a", index)).collect();
    put(&mut store, &most);
    assert_eq!(store.last(RowKind::Node1, &stream("a")).unwrap().as_ref(), most.last());
    assert_eq!(scan_all(&mut store, RowKind::Node1, &stream("a"), u32::MAX, true), most);
}
