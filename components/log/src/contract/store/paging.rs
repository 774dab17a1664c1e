//! Pages: bounded, without gaps or repeats.

use super::{Harness, assert_stored, open_on, opened, put, scan_all};
use crate::contract::rows::{entry_row, noise, plain, plain_run, stream};
use crate::store::{PAGE_BYTES, Row, RowKind, Store as _};
use crate::types::{MAX_PAYLOAD, StreamId};

pub(super) fn page_bytes<H: Harness>(harness: &mut H) {
    let mut store = opened(harness);
    let row = |index| Row { payload: Some(noise(index, 300 * 1024)), ..plain(RowKind::Entry, "a", index) };
    let mut rows: Vec<Row> = (0..8).map(row).collect();
    rows.push(Row { payload: Some(noise(9, MAX_PAYLOAD + 16)), ..plain(RowKind::Entry, "a", 8) });
    rows.push(row(9));
    put(&mut store, &rows[..8]);
    put(&mut store, &rows[8..]);
    let id = stream("a");
    for start in 0..10 {
        let page = store.scan(RowKind::Entry, &id, start, u32::MAX, true).unwrap();
        assert!(page.len() == 1 || page.iter().map(Row::bytes).sum::<usize>() <= PAGE_BYTES, "page at {start}");
        assert_eq!(page, rows[start as usize..start as usize + page.len()]);
        assert!(!page.is_empty());
    }
    assert_eq!(scan_all(&mut store, RowKind::Entry, &id, 1000, true), rows);
    assert_eq!(store.scan(RowKind::Entry, &id, 0, u32::MAX, false).unwrap().len(), 10);
}

pub(super) fn paging_under_appends<H: Harness>(harness: &mut H) {
    let config = harness.fresh();
    let mut writer = open_on(harness, &config);
    let mut reader = harness.shared().then(|| open_on(harness, &config));
    put(&mut writer, &plain_run("a", 0, 20));
    let mut read: Vec<Row> = Vec::new();
    let mut written = 20;
    loop {
        let page =
            reader.as_mut().unwrap_or(&mut writer).scan(RowKind::Entry, &stream("a"), read.len() as u64, 7, true);
        let page = page.unwrap();
        if page.is_empty() {
            break;
        }
        read.extend(page);
        if written < 60 {
            let mut batch = plain_run("a", written, 5);
            batch.extend(plain_run("b", written - 20, 5));
            put(&mut writer, &batch);
            written += 5;
        }
    }
    assert_eq!(read, plain_run("a", 0, 60));
}

pub(super) fn streams_in_order<H: Harness>(harness: &mut H) {
    let mut store = opened(harness);
    let ids = ["b", "a/b", "a", "Z", "~", "a-b", "aa", "a.b", "B", "9", "a/a", "_"];
    for id in ids {
        put(&mut store, &plain_run(id, 0, 1));
    }
    put(&mut store, &[plain(RowKind::Node1, "no-entries", 0), plain(RowKind::Key, "no-entries", 0)]);
    let mut sorted: Vec<StreamId> = ids.map(stream).to_vec();
    sorted.sort_by(|a, b| a.as_str().as_bytes().cmp(b.as_str().as_bytes()));
    assert_eq!(store.streams(None, u32::MAX).unwrap(), sorted);
    assert_eq!(store.streams(None, 0), Ok(Vec::new()));
    for limit in [1, 5, 12, 13] {
        let mut paged: Vec<StreamId> = Vec::new();
        loop {
            let page = store.streams(paged.last(), limit).unwrap();
            assert!(page.len() <= limit as usize);
            if page.is_empty() {
                break;
            }
            paged.extend(page);
        }
        assert_eq!(paged, sorted);
    }
    assert_eq!(store.streams(Some(&stream("a.a")), 1).unwrap(), [stream("a.b")]);
    assert_eq!(store.streams(Some(&stream("~")), 1), Ok(Vec::new()));
}

pub(super) fn thousand<H: Harness>(harness: &mut H) {
    let mut store = opened(harness);
    let rows: Vec<Row> =
        (0..1000).map(|seqno| entry_row("a", seqno, Some(format!("event {seqno}").as_bytes()))).collect();
    for chunk in rows.chunks(300) {
        put(&mut store, chunk);
    }
    assert_stored(&mut store, RowKind::Entry, "a", &rows);
}
