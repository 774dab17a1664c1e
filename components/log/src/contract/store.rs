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

use super::rows::{entries, entry_row, noise, plain, plain_run, strange_bodies, stream, texts, usual_body};
use crate::store::{MAX_BATCH_BYTES, MAX_BATCH_ROWS, PAGE_BYTES, Row, RowKind, Store, StoreError, Want};
use crate::types::{MAX_ENTRY, MAX_PAYLOAD, StreamId};

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
}

type Case<H> = (&'static str, fn(&mut H));

/// Runs every case, naming each on stderr.
///
/// # Panics
/// When the store breaks the contract.
pub fn run<H: Harness>(harness: &mut H) {
    for (name, case) in cases::<H>() {
        eprintln!("store contract: {name}");
        case(harness);
    }
}

fn cases<H: Harness>() -> Vec<Case<H>> {
    vec![
        ("calls before init are not-initialised", not_initialised),
        ("an empty config is invalid", empty_config),
        ("a second init reopens", second_init),
        ("an empty store answers with nothing", nothing_there),
        ("rows come back in order, dense, identical", order_and_density),
        ("a wrong index is a conflict and writes nothing", compare),
        ("a batch is all or none", all_or_none),
        ("of two writers on one index one wins", two_writers),
        ("streams and kinds do not mix", separation),
        ("every kind of row", every_kind),
        ("entries as the log writes them", realistic_entries),
        ("payload texts and bytes", payload_bytes),
        ("bodies that are not entries of their place", strange),
        ("an absent payload is not an empty one", absent_and_empty),
        ("the limits, reached and exceeded", limits),
        ("pages are bounded by bytes", page_bytes),
        ("paging while another writer appends", paging_under_appends),
        ("streams are paged in byte order", streams_in_order),
        ("written rows are there, and durable after a sync", written_then_synced),
        ("rows survive a reopen", durability),
        ("erasing drops the payload and nothing else", erasing),
        ("a thousand rows, each found", thousand),
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

fn not_initialised<H: Harness>(harness: &mut H) {
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

fn empty_config<H: Harness>(harness: &mut H) {
    let config = harness.fresh();
    let mut store = harness.instance();
    assert!(matches!(store.init(""), Err(StoreError::Invalid(_))));
    assert_eq!(store.last(RowKind::Entry, &stream("a")), Err(StoreError::NotInitialised));
    store.init(&config).unwrap();
    put(&mut store, &plain_run("a", 0, 1));
}

fn second_init<H: Harness>(harness: &mut H) {
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

fn nothing_there<H: Harness>(harness: &mut H) {
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

fn order_and_density<H: Harness>(harness: &mut H) {
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

fn compare<H: Harness>(harness: &mut H) {
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

fn all_or_none<H: Harness>(harness: &mut H) {
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

fn two_writers<H: Harness>(harness: &mut H) {
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

fn separation<H: Harness>(harness: &mut H) {
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

fn every_kind<H: Harness>(harness: &mut H) {
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

fn realistic_entries<H: Harness>(harness: &mut H) {
    let mut store = opened(harness);
    let rows = entries("a");
    put(&mut store, &rows[..1]);
    put(&mut store, &rows[1..]);
    assert_stored(&mut store, RowKind::Entry, "a", &rows);
}

fn payload_bytes<H: Harness>(harness: &mut H) {
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

fn strange<H: Harness>(harness: &mut H) {
    let mut store = opened(harness);
    for kind in [RowKind::Entry, RowKind::Segment, RowKind::Checkpoint] {
        let row = |(index, body)| Row { body, payload: Some(noise(3, 20)), ..plain(kind, "a", index) };
        let rows: Vec<Row> = (0..).zip(strange_bodies()).map(row).collect();
        put(&mut store, &rows);
        assert_stored(&mut store, kind, "a", &rows);
    }
}

fn absent_and_empty<H: Harness>(harness: &mut H) {
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

fn limits<H: Harness>(harness: &mut H) {
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

fn page_bytes<H: Harness>(harness: &mut H) {
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

fn paging_under_appends<H: Harness>(harness: &mut H) {
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

fn streams_in_order<H: Harness>(harness: &mut H) {
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

fn written_then_synced<H: Harness>(harness: &mut H) {
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

fn durability<H: Harness>(harness: &mut H) {
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

fn erasing<H: Harness>(harness: &mut H) {
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

fn thousand<H: Harness>(harness: &mut H) {
    let mut store = opened(harness);
    let rows: Vec<Row> =
        (0..1000).map(|seqno| entry_row("a", seqno, Some(format!("event {seqno}").as_bytes()))).collect();
    for chunk in rows.chunks(300) {
        put(&mut store, chunk);
    }
    assert_stored(&mut store, RowKind::Entry, "a", &rows);
}

#[cfg(test)]
mod tests {
    use super::*;
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
