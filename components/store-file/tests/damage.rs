//! Damage is named or makes no difference: no changed byte ever yields other rows.
#![allow(clippy::unwrap_used)]

mod common;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use common::{Place, all, put, row, run};
use secure_log::contract::rows::{noise, plain, plain_run, stream, usual_body};
use secure_log::store::{Row, RowKind, Store, StoreError, Want};
use secure_log_store_file::FileStore;
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

fn rows() -> Vec<Row> {
    let mut rows = run(0, 4);
    rows[2].payload = None;
    rows.push(Row { payload: Some(noise(1, 30)), ..row(4) });
    rows.push(Row { payload: Some(noise(1, 3)), ..plain(RowKind::Key, "app", 0) });
    rows.push(Row { body: usual_body(RowKind::Checkpoint, 0), ..plain(RowKind::Checkpoint, "app", 0) });
    rows.push(Row { body: noise(2, 32), ..plain(RowKind::Node1, "app", 0) });
    rows
}

fn written(place: &Place) -> Vec<u8> {
    let mut store = place.open();
    put(&mut store, &run(0, 1));
    put(&mut store, &run(1, 2));
    store.erase(RowKind::Entry, &stream("app"), 2).unwrap();
    let rows = rows();
    put(&mut store, &rows[3..5]);
    put(&mut store, &rows[5..]);
    place.read()
}

/// Opens the file as it is and reads every row. True if it found something to say.
fn says(place: &Place, what: &str) -> bool {
    let bytes = place.read();
    let mut store = FileStore::default();
    match store.init(&place.config(false)) {
        Err(StoreError::Corrupt(_)) => return true,
        done => done.unwrap(),
    }
    let mut said = store.recovered().is_some() || store.damage().is_some();
    for row in rows() {
        match store.get(row.kind, &row.stream_id, row.index) {
            Ok(Some(found)) => assert_eq!(found, row, "{what}"),
            Ok(None) => assert!(said, "{what}: {} row {} is gone and nothing was said", row.kind.as_str(), row.index),
            Err(StoreError::Corrupt(_)) => said = true,
            Err(error) => assert_eq!(error, StoreError::Conflict, "{what}"),
        }
        match store.scan(row.kind, &row.stream_id, row.index, 10, true) {
            Ok(page) => {
                for found in page {
                    assert!(rows().contains(&found), "{what}");
                }
            }
            Err(error) => assert!(matches!(error, StoreError::Corrupt(_)), "{what}: {error}"),
        }
    }
    if store.damage().is_some() {
        let empty = store.append(&[], Want::Synced);
        assert!(matches!(empty, Err(StoreError::Corrupt(_))), "{what}: an empty append says {empty:?}");
        let next = Row {
            index: store.last(RowKind::Entry, &stream("app")).ok().flatten().map_or(0, |row| row.index + 1),
            ..row(0)
        };
        assert!(matches!(store.append(&[next], Want::Synced), Err(StoreError::Corrupt(_))), "{what}");
        assert_eq!(place.read(), bytes, "{what}: damage was touched");
    }
    said
}

#[test]
fn a_changed_byte_is_found_or_changes_no_row() {
    let place = Place::new();
    let whole = written(&place);
    let last = whole.strip_suffix(b"\n").unwrap().iter().rposition(|&b| b == b'\n').unwrap();
    let mut quiet = 0;
    for at in 0..whole.len() {
        // Every byte in one way, every seventh in all.
        let changes = [whole[at] ^ 1, b'\n', 0];
        for &change in &changes[..if at % 7 == 0 { 3 } else { 1 }] {
            let mut bytes = whole.clone();
            bytes[at] = change;
            if bytes == whole {
                continue;
            }
            place.write(&bytes);
            place.drop_index();
            if !says(&place, &format!("byte {at} changed to {change:#x}")) {
                quiet += 1;
            }
            // Nothing that was committed is ever cut off, unless its very last sector looks never written.
            assert!(change == 0 || at > last || place.read() == bytes, "byte {at} changed to {change:#x} was cut");
        }
    }
    assert_eq!(quiet, 0);
}

/// Spaces may stand behind a commit and behind a row without payload, but what follows stands where it was written.
#[test]
fn a_byte_too_many_or_too_few_is_found_unless_it_is_a_space_at_the_end_of_a_line_of_the_last_append() {
    let place = Place::new();
    let whole = written(&place);
    let text = std::str::from_utf8(&whole).unwrap();
    let commit_before = text[..text.rfind("{\"commit\":").unwrap()].rfind("{\"commit\":").unwrap();
    let last = commit_before + text[commit_before..].find('\n').unwrap() + 1;
    let ends = (0..whole.len()).filter(|&at| whole[at] == b'\n' || whole[at.saturating_sub(1)] == b' ');
    for at in (0..whole.len()).step_by(5).chain(ends) {
        let more = [&whole[..at], b" ", &whole[at..]].concat();
        let less = [&whole[..at], &whole[at + 1..]].concat();
        for (what, bytes) in [("more", more), ("less", less)] {
            place.write(&bytes);
            place.drop_index();
            let found = says(&place, &format!("one {what} at {at}"));
            assert!(found || (what == "more" && at >= last && whole[at] == b'\n'), "one {what} at {at}");
        }
    }
}

#[test]
fn lines_removed_doubled_and_swapped_are_found() {
    let place = Place::new();
    let whole = written(&place);
    let lines: Vec<&[u8]> = whole.split_inclusive(|&b| b == b'\n').collect();
    for at in 0..lines.len() {
        let mut removed = lines.clone();
        removed.remove(at);
        let mut doubled = lines.clone();
        doubled.insert(at, lines[at]);
        let mut variants = vec![("removed", removed), ("doubled", doubled)];
        for other in at + 1..lines.len() {
            let mut swapped = lines.clone();
            swapped.swap(at, other);
            variants.push(("swapped", swapped));
        }
        for (what, lines) in variants {
            place.write(&lines.concat());
            place.drop_index();
            assert!(says(&place, &format!("line {at} {what}")), "line {at} {what}");
        }
    }
}

#[test]
fn whole_appends_removed_or_doubled_are_found_unless_they_were_the_last() {
    let place = Place::new();
    let whole = written(&place);
    let mut appends: Vec<Vec<u8>> = vec![Vec::new()];
    for line in whole.split_inclusive(|&b| b == b'\n').skip(1) {
        appends.last_mut().unwrap().extend(line);
        if line.starts_with(b"{\"commit\":") {
            appends.push(Vec::new());
        }
    }
    appends.pop();
    let header = whole.split_inclusive(|&b| b == b'\n').next().unwrap();
    for at in 0..appends.len() {
        let mut doubled = appends.clone();
        doubled.insert(at, appends[at].clone());
        let mut removed = appends.clone();
        removed.remove(at);
        for (what, appends, found) in [("doubled", doubled, true), ("removed", removed, at + 1 < appends.len())] {
            place.write(&[header, &appends.concat()].concat());
            place.drop_index();
            if found {
                assert!(says(&place, &format!("append {at} {what}")), "append {at} {what}");
            }
        }
    }
}

#[test]
fn what_is_not_ours_is_refused_and_left_alone() {
    let place = Place::new();
    for foreign in [
        &b"Nov 21 14:00:01 host cron[1]: hello\n"[..],
        b"{}\n{}\n",
        &[0; 100],
        b"{\"kind\":\"log\",\"format\":\"secure-log-file/2\"}\n",
        b"SQLite format 3\0",
    ] {
        place.write(foreign);
        let mut store = FileStore::default();
        assert!(matches!(store.init(&place.config(false)), Err(StoreError::Corrupt(_))));
        assert_eq!(place.read(), foreign);
        assert_eq!(store.streams(None, 1), Err(StoreError::NotInitialised));
    }
}

/// A line as whoever can write the file makes it: its sum fits.
fn forged(line: &str) -> Vec<u8> {
    format!("{line},\"sum\":\"{}\"}}\n", sum_text(xxh3_64(line.as_bytes()))).into_bytes()
}

/// A checksum as lines have it.
fn sum_text(sum: u64) -> String {
    STANDARD_NO_PAD.encode(sum.to_be_bytes())
}

/// The commit line that closes `rows` lines with this sum, at byte `at`, behind the append that `last` closes, in a log of
/// `count` entries of `app`.
fn commit_after(last: &str, rows: u64, at: usize, sum: u64, count: u64) -> Vec<u8> {
    let n: u64 = last.strip_prefix(r#"{"commit":"#).unwrap().split([',', '}']).next().unwrap().parse().unwrap();
    let tails = xxh3_64(&[&[RowKind::Entry as u8][..], &count.to_le_bytes(), b"app"].concat());
    let check = xxh3_64(&[sum.to_le_bytes(), tails.to_le_bytes(), (at as u64).to_le_bytes()].concat());
    let rows = if rows == 1 { String::new() } else { format!(",\"rows\":{rows}") };
    forged(&format!(r#"{{"commit":{}{rows},"check":"{}""#, n + 1, sum_text(check)))
}

/// An intent to overwrite `length` bytes at `at` with row 1 of `whole` without its payload; it is added to `check`.
fn intent(whole: &str, at: u64, length: u64, check: &mut Xxh3) -> Vec<u8> {
    let bare = Row { payload: None, ..row(1) };
    let shown = whole.lines().nth(2).unwrap().split_once(",\"payload\":").unwrap();
    let after = shown.1.split_once(",\"prev\"").unwrap().1.split_once(",\"salt\"").unwrap().0;
    let length_of_payload = row(1).payload.unwrap().len() - 16;
    let after = after.replace(",\"commitment\"", &format!(",\"length\":{length_of_payload},\"commitment\""));
    let inner = String::from_utf8(forged(&format!("{},\"payload\":null,\"prev\"{after}", shown.0))).unwrap();
    check.update(&[0xff]);
    check.update(&at.to_le_bytes());
    check.update(&length.to_le_bytes());
    check.update(&[RowKind::Entry as u8, 3]);
    check.update(b"app");
    check.update(&1u64.to_le_bytes());
    check.update(&(bare.body.len() as u64).to_le_bytes());
    check.update(&bare.body);
    forged(&format!(r#"{{"kind":"erase","at":{at},"length":{length},"row":{}"#, inner.trim_end()))
}

#[test]
fn a_forged_index_behind_damage_makes_the_store_allocate_nothing() {
    let place = Place::new();
    let mut store = place.open();
    put(&mut store, &run(0, 3));
    put(&mut store, &run(3, 1));
    let whole = String::from_utf8(place.read()).unwrap();
    let damaged = whole.replacen("event number 0", "Event number 0", 1);
    let last = whole.lines().last().unwrap();
    let body = r#"{"kind":"node1","stream":"app","index":1152921504606846976,"body":"AAAA""#;
    let forged = [damaged.as_bytes(), &forged(body), &commit_after(last, 1, whole.len(), 0, 4)].concat();
    place.write(&forged);
    place.drop_index();
    let mut store = place.open();
    assert!(store.damage().is_some());
    assert_eq!(store.last(RowKind::Node1, &stream("app")), Ok(None));
    assert_eq!(store.get(RowKind::Entry, &stream("app"), 3), Ok(Some(row(3))));
}

/// Its bytes are not in the file, or are more than one line may have.
#[test]
fn a_forged_intent_leaves_the_log_readable_and_unwritable() {
    const MAX_LINE: u64 = 32 << 20;
    let place = Place::new();
    put(&mut place.open(), &run(0, 3));
    let whole = String::from_utf8(place.read()).unwrap();
    let padding = " ".repeat(20 << 20);
    for (at, length) in [(1 << 20, 1 << 40), (44, MAX_LINE + 1)] {
        let mut check = Xxh3::new();
        let intent = intent(&whole, at, length, &mut check);
        let padded = format!("{}{padding}\n", whole.trim_end());
        let commit = commit_after(whole.lines().last().unwrap(), 1, padded.len(), check.digest(), 3);
        let forged = [padded.as_bytes(), &intent, commit.trim_ascii_end(), padding.as_bytes(), b"\n"].concat();
        place.write(&forged);
        place.drop_index();
        let mut store = place.open();
        assert_eq!(all(&mut store).unwrap(), run(0, 3));
        assert!(matches!(store.append(&[row(3)], Want::Synced), Err(StoreError::Corrupt(_))));
        assert!(place.read() == forged, "{length} bytes at {at}");
    }
}

/// A writer makes one intent in one append; many would have to be kept all, of whoever forged them.
#[test]
fn an_intent_that_is_not_alone_in_its_append_is_damage() {
    let place = Place::new();
    put(&mut place.open(), &run(0, 3));
    let whole = String::from_utf8(place.read()).unwrap();
    let lines: Vec<&str> = whole.split_inclusive('\n').collect();
    let (at, length) = (lines[0].len() + lines[1].len(), lines[2].len());
    let mut erased = run(0, 3);
    erased[1].payload = None;
    for (count, rows) in [(1, erased), (2, run(0, 3)), (3, run(0, 3))] {
        let mut check = Xxh3::new();
        let intents = (0..count).flat_map(|_| intent(&whole, at as u64, length as u64, &mut check)).collect::<Vec<_>>();
        let commit = commit_after(lines[4], count, whole.len(), check.digest(), 3);
        let forged = [whole.as_bytes(), &intents, &commit].concat();
        place.write(&forged);
        for config in [place.read_only(), place.config(false)] {
            place.drop_index();
            let mut store = FileStore::default();
            store.init(&config).unwrap();
            assert_eq!(store.damage().is_some(), count > 1, "{count} intents");
            assert_eq!(all(&mut store).unwrap(), rows, "{count} intents");
        }
        assert!(count == 1 || place.read() == forged, "{count} intents");
    }
}

/// What an open store had and reads no more is damage to it, though another who opens the file could take the same bytes
/// for an append that was never finished.
#[test]
fn an_open_store_takes_no_append_that_it_had_for_an_unfinished_one() {
    for index in ["kept", "deleted"] {
        let place = Place::new();
        let mut store = place.open();
        put(&mut store, &run(0, 2));
        let kept = place.read().len();
        put(&mut store, &[Row { payload: Some(noise(3, 3000)), ..row(2) }]);
        let mut bytes = place.read();
        let sector = kept.next_multiple_of(512);
        bytes[sector..sector + 512].fill(0);
        place.write(&bytes);
        if index == "deleted" {
            place.drop_index();
        }
        for _ in 0..2 {
            let page = store.scan(RowKind::Entry, &stream("app"), 0, 1000, true);
            // It may end before what is lost.
            assert!(matches!(page, Err(StoreError::Corrupt(_))) || page == Ok(run(0, 2)), "index {index}: {page:?}");
            let last = store.scan(RowKind::Entry, &stream("app"), 2, 1, true);
            assert!(matches!(last, Err(StoreError::Corrupt(_))), "index {index}: {last:?}");
        }
        assert_eq!(store.get(RowKind::Entry, &stream("app"), 1), Ok(Some(row(1))), "index {index}");
        assert!(store.damage().is_some());
        let next = store.append(&run(2, 1), Want::Synced);
        assert!(matches!(next, Err(StoreError::Corrupt(_))), "{next:?}");
        assert_eq!(place.read(), bytes, "damage was touched");
    }
}

#[test]
fn behind_damage_and_without_an_index_what_is_whole_can_be_read() {
    let place = Place::new();
    let mut store = place.open();
    let streams: Vec<String> = (0..12).map(|n| format!("stream-{n}")).collect();
    for id in &streams {
        put(&mut store, &plain_run(id, 0, 300));
    }
    let bytes = [&place.read()[..], b"no line of ours\n"].concat();
    place.write(&bytes);
    place.drop_index();
    for id in streams.iter().chain(&streams) {
        assert!(store.scan(RowKind::Entry, &stream(id), 0, 1000, true) == Ok(plain_run(id, 0, 300)), "{id}");
    }
    assert!(store.damage().is_some());
    assert!(matches!(store.append(&run(0, 1), Want::Synced), Err(StoreError::Corrupt(_))));
    assert_eq!(place.read(), bytes, "damage was touched");
}

/// Read-only, an erasure that is the last of a log stays to be looked at; a cut behind it is no part of it.
#[test]
fn a_log_that_gets_shorter_behind_an_erasure_is_damaged_to_who_reads_it() {
    let place = Place::new();
    let mut store = place.open();
    put(&mut store, &run(0, 3));
    let end = place.read().len() as u64;
    put(&mut store, &run(3, 3));
    store.erase(RowKind::Entry, &stream("app"), 1).unwrap();
    let mut reader = FileStore::default();
    reader.init(&place.read_only()).unwrap();
    assert_eq!(reader.last(RowKind::Entry, &stream("app")), Ok(Some(row(5))));
    std::fs::File::options().write(true).open(place.path()).unwrap().set_len(end).unwrap();
    for _ in 0..2 {
        let last = reader.last(RowKind::Entry, &stream("app"));
        assert!(matches!(last, Err(StoreError::Corrupt(_))), "{last:?}");
    }
}
