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

/// A line says the length of a payload once: by showing it, or else in a field.
#[test]
fn the_length_of_a_payload_is_not_said_where_it_is_shown() {
    let shown = rendered(&entry_row("a", 0, Some(b"text")));
    let erased = rendered(&entry_row("a", 0, None));
    let payload = entry_row("a", 0, Some(b"text")).payload.unwrap();
    let changed = |line: &[u8], from: &str, to: &str| {
        let text = String::from_utf8(line.to_vec()).unwrap();
        assert!(text.contains(from), "{text}");
        resummed(text.replacen(from, to, 1).as_bytes())
    };
    let said = |length: &str| changed(&shown, ",\"commitment\"", &format!(",\"length\":{length},\"commitment\""));
    for with_payload in [true, false] {
        let refused = |line: Vec<u8>| parse(line.trim_ascii_end(), None, with_payload).is_err();
        assert!(!refused(shown.clone()));
        assert!(refused(said("4")), "the length that is shown, again");
        assert!(!refused(said("5")), "a length that the payload contradicts");
        assert!(refused(changed(&shown, ",\"payload\":\"text\"", ",\"payload\":null")), "erased and no length");
    }
    let contradicting = read(&said("5")).unwrap();
    assert_eq!(rendered(&contradicting), said("5"));
    assert_eq!(contradicting.payload, Some(payload.clone()));
    assert!(!String::from_utf8(erased.clone()).unwrap().contains("length"), "nothing was logged");
    let gone = String::from_utf8(rendered(&Row { payload: None, ..entry_row("a", 0, Some(b"text")) })).unwrap();
    assert!(gone.contains(",\"payload\":null,") && gone.contains(",\"length\":4,\"commitment\":"), "{gone}");
    // Too short to have a salt: what there is has no length of its own.
    let short = rendered(&Row { payload: Some(payload[..4].to_vec()), ..entry_row("a", 0, Some(b"text")) });
    assert!(String::from_utf8(short).unwrap().contains(",\"length\":4,"));
}

/// An erasure writes over the row's line: without the payload, and with the length that the payload no longer shows.
#[test]
fn a_boot_id_of_zeros_is_not_said() {
    let line = String::from_utf8(rendered(&entry_row("a", 0, None))).unwrap();
    let with = |boot: &str| {
        assert!(line.contains("\"session\":") && !line.contains("boot"), "{line}");
        let said = line.replacen(",\"sum\":", &format!(",\"boot\":\"{boot}\",\"sum\":"), 1);
        resummed(said.as_bytes())
    };
    assert_eq!(read(&with(&"A".repeat(22))), None);
    assert_eq!(rendered(&read(&with(&format!("B{}", "A".repeat(21)))).unwrap()), with(&format!("B{}", "A".repeat(21))));
}

#[test]
fn the_line_of_an_erased_row_fits_into_the_room_of_the_old_one() {
    let mut rows = samples();
    for length in (0..70).chain([99, 100, 101, 999, 1000, 1001, 9_999, 10_000, 100_000, 1 << 20]) {
        for payload in [vec![b'x'; length], vec![0xff; length], vec![0; length]] {
            rows.push(entry_row("a", 0, Some(&payload)));
            for kept in 0..18.min(length + 16) {
                let stored = entry_row("a", 0, Some(&payload)).payload.unwrap()[..kept].to_vec();
                rows.push(Row { payload: Some(stored), ..entry_row("a", 0, Some(&payload)) });
            }
        }
    }
    let mut tightest = usize::MAX;
    for row in rows.into_iter().filter(|row| row.payload.is_some()) {
        let line = rendered(&row);
        let erased = rendered(&Row { payload: None, ..row });
        let room = line.len().checked_sub(erased.len());
        tightest = tightest.min(room.unwrap_or_else(|| panic!("{}", String::from_utf8_lossy(&line))));
    }
    assert_eq!(tightest, 0, "an empty payload without a salt is the corner");
}

#[test]
fn a_place_comes_back_from_its_line_and_is_no_line_of_a_log() {
    for at in [0, 44, u64::MAX] {
        let mut line = Vec::new();
        place(&mut line, at);
        assert_eq!(parse_place(line.trim_ascii_end()), Ok(at));
        assert!(parse_place(&line).is_err() && parse(line.trim_ascii_end(), None, true).is_err());
        line[6] ^= 1;
        assert!(parse_place(line.trim_ascii_end()).is_err());
    }
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
    let closing = Commit { n: 3, rows: 2, durable: None, check: 6 };
    commit(&mut line, &closing);
    assert!(
        matches!(parse(&padded(&line)[..line.len() + 2], None, true), Ok(Parsed::Commit(found)) if found == closing)
    );
}

#[test]
fn commits_and_intents_come_back() {
    for (durable, rows) in [(None, 2), (Some(44), 1), (Some(0), 0)] {
        let closing = Commit { n: 3, rows, durable, check: u64::MAX };
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
