//! What a call costs, exactly.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Place, all, put, run};
use secure_log::contract::rows::{entry_row, noise, plain, plain_run, stream};
use secure_log::encode::{decode_entry, encode_entry};
use secure_log::store::{Row, RowKind, Store, Want};
use secure_log::types::Name;
use secure_log_store_file::{FileStore, Stats};

fn since(store: &FileStore, before: Stats) -> Stats {
    let now = store.stats();
    Stats {
        writes: now.writes - before.writes,
        bytes_written: 0,
        syncs: now.syncs - before.syncs,
        directory_syncs: now.directory_syncs - before.directory_syncs,
        leases: now.leases - before.leases,
        tokens: now.tokens - before.tokens,
        links: now.links - before.links,
        reads: now.reads - before.reads,
        bytes_read: now.bytes_read - before.bytes_read,
        lines_parsed: now.lines_parsed - before.lines_parsed,
        index_writes: now.index_writes - before.index_writes,
        rebuilds: now.rebuilds - before.rebuilds,
    }
}

#[test]
fn a_head_of_many_streams_is_written_once_per_its_length() {
    let place = Place::new();
    let mut store = place.open();
    for start in (0..4000).step_by(1000) {
        let rows: Vec<Row> = (start..start + 1000).flat_map(|n| plain_run(&format!("stream-{n:0>60}"), 0, 1)).collect();
        put(&mut store, &rows);
    }
    put(&mut store, &run(0, 2000));
    let head = std::fs::metadata(place.index().join("head")).unwrap().len();
    assert!(head > 4 * (64 << 10), "{head}");
    let (begin, before) = (place.read().len() as u64, store.stats());
    while since(&store, before).index_writes == 0 {
        let next = store.last(RowKind::Entry, &stream("app")).unwrap().map_or(0, |row| row.index + 1);
        put(&mut store, &run(next, 100));
    }
    let grown = place.read().len() as u64 - begin;
    assert!((head..head + (128 << 10)).contains(&grown), "{grown} of {head}");
}

#[test]
fn an_append_of_an_owner_is_one_write_and_one_data_sync() {
    let place = Place::new();
    let mut store = place.open();
    let created = since(&store, Stats::default());
    assert_eq!((created.writes, created.syncs, created.directory_syncs), (1, 1, 1));
    let before = store.stats();
    for index in 0..50 {
        put(&mut store, &run(index, 1));
    }
    assert_eq!(since(&store, before), Stats { writes: 50, syncs: 50, leases: 50, ..Stats::default() });
    let before = store.stats();
    put(&mut store, &run(50, 1000));
    let batch = Stats { writes: 1, syncs: 1, leases: 1, index_writes: 2, ..Stats::default() };
    assert_eq!(since(&store, before), batch);
    let before = store.stats();
    store.append(&run(1050, 10), Want::Written).unwrap();
    store.append(&run(1060, 10), Want::Written).unwrap();
    assert_eq!(since(&store, before), Stats { writes: 2, leases: 2, ..Stats::default() });
    let before = store.stats();
    store.append(&[], Want::Synced).unwrap();
    assert_eq!(since(&store, before), Stats { syncs: 1, ..Stats::default() });
    let before = store.stats();
    store.erase(RowKind::Entry, &stream("app"), 3).unwrap();
    let erased = since(&store, before);
    assert_eq!((erased.writes, erased.syncs, erased.leases), (2, 2, 1));
    let before = store.stats();
    store.erase(RowKind::Entry, &stream("app"), 3).unwrap();
    assert_eq!(since(&store, before).writes, 0);
}

#[test]
fn an_append_of_several_writers_is_a_token_a_link_one_write_and_two_data_syncs() {
    let place = Place::new();
    let mut store = FileStore::default();
    store.init(&place.config(true)).unwrap();
    let before = store.stats();
    for index in 0..50 {
        put(&mut store, &run(index, 1));
    }
    // The token's write and sync are counted as the token.
    assert_eq!(since(&store, before), Stats { writes: 50, syncs: 50, tokens: 50, links: 50, ..Stats::default() });
}

/// A power cut must not leave half of what an intent orders and not the intent.
#[test]
fn an_intent_that_another_left_is_synced_before_it_is_carried_out() {
    let place = Place::new();
    let mut store = place.open();
    put(&mut store, &run(0, 3));
    let before = place.read();
    store.erase(RowKind::Entry, &stream("app"), 1).unwrap();
    drop(store);
    let after = place.read();
    place.write(&[&before[..], &after[before.len()..]].concat());
    let stats = place.open().stats();
    assert_eq!((stats.writes, stats.syncs), (1, 2));
    assert_eq!(place.read(), after);
}

#[test]
fn pages_parse_their_rows_once_and_read_in_large_pieces() {
    let place = Place::new();
    let mut store = place.open();
    put(&mut store, &run(0, 1000));
    let before = store.stats();
    let first = store.scan(RowKind::Entry, &stream("app"), 0, 1000, true).unwrap().len();
    assert!((500..1000).contains(&first), "{first} rows of about 220 bytes in 128 KiB");
    let rest = store.scan(RowKind::Entry, &stream("app"), first as u64, 1000, true).unwrap().len();
    assert_eq!(first + rest, 1000);
    let page = since(&store, before);
    // The row that did not fit, twice.
    assert_eq!((page.lines_parsed, page.writes, page.rebuilds), (1001, 0, 0));
    assert!(page.reads <= 1 + store.stats().bytes_written / (32 << 10), "{page:?}");
    let before = store.stats();
    store.get(RowKind::Entry, &stream("app"), 700).unwrap();
    store.last(RowKind::Entry, &stream("app")).unwrap();
    let two = since(&store, before);
    assert_eq!((two.lines_parsed, two.reads), (2, 2));
}

/// Bytes of the file per canonical byte (body, salt and payload) for rows with payloads of 256 bytes.
#[test]
fn rows_that_stand_far_apart_are_read_without_what_lies_between() {
    let place = Place::new();
    let mut store = place.open();
    let rows = 30;
    for n in 0..rows {
        let entry = Row { payload: Some(noise(n, 200_000)), ..plain(RowKind::Entry, "a", n) };
        store.append(&[entry, plain(RowKind::Node1, "a", n)], Want::Synced).unwrap();
    }
    let before = store.stats();
    let page = store.scan(RowKind::Node1, &stream("a"), 0, 256, false).unwrap();
    assert_eq!(page, (0..rows).map(|n| plain(RowKind::Node1, "a", n)).collect::<Vec<_>>());
    let cost = since(&store, before);
    assert_eq!((cost.reads, cost.lines_parsed), (rows, rows));
    assert!(cost.bytes_read <= rows * 4096, "{} bytes", cost.bytes_read);
}

fn ratio(batch: usize, rows: &[Row]) -> f64 {
    let place = Place::new();
    let mut store = place.open();
    for chunk in rows.chunks(batch) {
        store.append(chunk, Want::Synced).unwrap();
    }
    assert_eq!(all(&mut store).unwrap(), rows);
    place.read().len() as f64 / rows.iter().map(Row::bytes).sum::<usize>() as f64
}

/// The row as the log makes it when its host names a boot or none, and its caller an encoding or none.
fn made(row: Row, boot: bool, encoding: bool) -> Row {
    let mut entry = decode_entry(&row.body).unwrap();
    let name = if encoding { Name::parse("encoding", "application/json").unwrap() } else { Name::default_encoding() };
    entry.event.payload.as_mut().unwrap().encoding = name;
    entry.boot_id = if boot { [0x5a; 16] } else { [0; 16] };
    Row { body: encode_entry(&entry).unwrap(), ..row }
}

/// An append of a single row pays for a commit line of its own; base64 adds a third to payloads that are no text.
#[test]
fn the_file_has_at_most_1_9_times_the_canonical_bytes_at_256_byte_payloads() {
    let text = |index: u64| format!("{:0>255}x", format!("user={index} action=\"login\" ok")).into_bytes();
    let bytes = |index: u64| noise(index + 1, 256);
    type Payload<'a> = &'a dyn Fn(u64) -> Vec<u8>;
    let payloads: [(&str, Payload); 2] = [("text", &text), ("bytes", &bytes)];
    for (what, payload) in payloads {
        for (boot, encoding) in [(false, false), (true, false), (false, true), (true, true)] {
            let rows = (0..200).map(|index| made(entry_row("app", index, Some(&payload(index))), boot, encoding));
            let rows: Vec<Row> = rows.collect();
            for batch in [1, 100] {
                let ratio = ratio(batch, &rows);
                println!("{what}, batch {batch}, boot id {boot}, encoding named {encoding}: {ratio:.3}");
                assert!(ratio <= 1.9, "{what}, batch {batch}, boot id {boot}, encoding named {encoding}: {ratio}");
            }
        }
    }
}

#[test]
fn opening_reads_the_same_however_long_the_log_is() {
    let mut costs = Vec::new();
    for count in [1_000, 30_000] {
        let place = Place::new();
        let mut store = place.open();
        for start in (0..count).step_by(100) {
            store.append(&run(start, 100), Want::Written).unwrap();
        }
        drop(store);
        let mut store = place.open();
        assert_eq!(store.last(RowKind::Entry, &stream("app")).unwrap().unwrap().index, count - 1);
        put(&mut store, &run(count, 1));
        let cost = store.stats();
        assert!(cost.lines_parsed < 250 && cost.bytes_read < 256 << 10, "{cost:?}");
        assert_eq!(cost.rebuilds, 0);
        costs.push(cost.reads);
    }
    assert!(costs[1] <= costs[0] + 2, "{costs:?}");
}
