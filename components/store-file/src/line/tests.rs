#![allow(clippy::unwrap_used, clippy::panic)]
//! A line has one spelling: whatever is accepted renders to the same bytes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use secure_log::contract::rows::{entries, entry_row, noise, plain, strange_bodies, texts, usual_body};
use secure_log::store::{Row, RowKind};

use super::*;

fn rendered(row: &Row) -> Vec<u8> {
    let mut line = Vec::new();
    super::row(&mut line, row);
    line
}

/// The row a line stands for.
fn read(line: &[u8]) -> Option<Row> {
    match parse(line.strip_suffix(b"\n")?, None, true) {
        Ok(Parsed::Row(row)) => Some(row),
        _ => None,
    }
}

fn samples() -> Vec<Row> {
    let mut rows = entries("a");
    rows.extend((0..).zip(texts()).map(|(seqno, text)| entry_row("a/b", seqno, Some(&text))));
    rows.extend((0..).zip(texts()).map(|(seqno, text)| Row { payload: Some(text), ..entry_row("b", seqno, None) }));
    for kind in RowKind::ALL {
        rows.push(Row { body: usual_body(kind, 3), ..plain(kind, "a", 3) });
        rows.extend(strange_bodies().into_iter().map(|body| Row {
            body,
            payload: Some(noise(1, 20)),
            ..plain(kind, "a", 7)
        }));
    }
    rows
}

#[test]
fn every_row_comes_back_from_its_line() {
    for row in samples() {
        let line = rendered(&row);
        assert_eq!(read(&line).as_ref(), Some(&row), "{}", String::from_utf8_lossy(&line));
        assert_eq!(line.iter().filter(|&&b| b == b'\n').count(), 1);
        assert!(line.len() <= MAX_LINE);
        let bare = parse(line.strip_suffix(b"\n").unwrap(), Some(&row.stream_id), false);
        match bare {
            Ok(Parsed::Row(bare)) => assert_eq!(bare, Row { payload: None, ..row }),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn every_line_is_json_with_the_fields_people_look_for() {
    for row in samples() {
        let line = rendered(&row);
        let value: serde_json::Value = serde_json::from_slice(&line).unwrap();
        assert_eq!(value["kind"], row.kind.as_str());
        assert_eq!(value["stream"], row.stream_id.as_str());
        if let Ok(entry) = secure_log::encode::decode_entry(&row.body)
            && entry.stream_id == row.stream_id
        {
            assert_eq!(value["seqno"], row.index);
            assert_eq!(value["type"], entry.event.event_type.as_str());
            assert_eq!(value["producer"], entry.event.producer.as_str());
            assert_eq!(value["severity"], entry.event.severity.as_str());
            if let Some(Ok(text)) = row.payload.as_ref().and_then(|payload| payload.get(16..)).map(std::str::from_utf8)
            {
                assert_eq!(value["payload"], text);
            }
        }
    }
}

/// Re-sums a changed line, as someone would who wants it to be accepted.
fn resummed(line: &[u8]) -> Vec<u8> {
    let text = line.strip_suffix(b"\n").unwrap_or(line).trim_ascii_end();
    let body = &text[..text.len() - 21];
    let mut out = body.to_vec();
    let sum = STANDARD_NO_PAD.encode(xxh3_64(body).to_be_bytes());
    out.extend(format!(",\"sum\":\"{sum}\"}}\n").bytes());
    out
}

#[test]
fn a_line_that_is_accepted_renders_to_the_same_bytes() {
    let (mut accepted, mut refused) = (0, 0);
    for row in samples().iter().filter(|row| row.bytes() < 1000).step_by(4) {
        let line = rendered(row);
        for at in 0..line.len() - 27 {
            for change in [line[at] ^ 1, line[at] ^ 0x20, b'"', b'0', b'\\', b' '] {
                let mut changed = line.clone();
                changed[at] = change;
                if changed == line {
                    continue;
                }
                assert_eq!(read(&changed), None, "not re-summed, byte {at} of {}", String::from_utf8_lossy(&line));
                let changed = resummed(&changed);
                match read(&changed) {
                    Some(row) => {
                        accepted += 1;
                        assert_eq!(String::from_utf8_lossy(&rendered(&row)), String::from_utf8_lossy(&changed));
                    }
                    None => refused += 1,
                }
            }
        }
    }
    assert!(accepted > 1000 && refused > accepted, "{accepted} {refused}");
}

#[test]
fn only_erased_rows_and_commits_may_be_padded() {
    let erased = rendered(&entry_row("a", 0, None));
    let whole = rendered(&entry_row("a", 0, Some(b"text")));
    let padded = |line: &[u8]| [line.strip_suffix(b"\n").unwrap(), b"   \n"].concat();
    assert!(read(&padded(&erased)).is_some());
    assert!(read(&padded(&whole)).is_none());
    assert!(read(&[erased.strip_suffix(b"\n").unwrap(), b" \t\n"].concat()).is_none());
    let mut line = Vec::new();
    let closing = Commit { n: 3, at: 100, rows: 2, durable: 100, tails: 5, check: 6 };
    commit(&mut line, &closing);
    assert!(
        matches!(parse(&padded(&line)[..line.len() + 2], None, true), Ok(Parsed::Commit(found)) if found == closing)
    );
}

#[test]
fn commits_and_intents_come_back() {
    for durable in [100, 44, 0] {
        let closing = Commit { n: 3, at: 100, rows: 2, durable, tails: u64::MAX, check: 0 };
        let mut line = Vec::new();
        commit(&mut line, &closing);
        assert!(matches!(parse(line.trim_ascii_end(), None, true), Ok(Parsed::Commit(found)) if found == closing));
        assert!(serde_json::from_slice::<serde_json::Value>(&line).is_ok());
    }
    for row in [plain(RowKind::Key, "a/b", 9), entry_row("a", 3, None)] {
        let intent = Intent { at: 17, length: 4000, row };
        let mut line = Vec::new();
        erase(&mut line, &intent);
        assert!(matches!(parse(line.trim_ascii_end(), None, true), Ok(Parsed::Erase(found)) if found == intent));
        assert!(serde_json::from_slice::<serde_json::Value>(&line).is_ok());
        let with_payload = Intent { row: Row { payload: Some(noise(1, 20)), ..intent.row }, ..intent };
        line.clear();
        erase(&mut line, &with_payload);
        assert!(parse(line.trim_ascii_end(), None, true).is_err());
    }
}
