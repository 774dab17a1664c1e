//! Rows to try a store with: entries as the log writes them, and bytes nobody would expect.

use crate::encode::{encode_cosignature, encode_entry, encode_uint};
use crate::store::{Row, RowKind};
use crate::types::{Author, Detail, Digest, Entry, Event, Name, PayloadRef, Seal, Severity, StreamId, Tier};

/// A stream id that is known to be good.
pub fn stream(id: &str) -> StreamId {
    StreamId::try_from(id).unwrap()
}

/// A row without payload whose body tells its place.
pub fn plain(kind: RowKind, id: &str, index: u64) -> Row {
    Row {
        kind,
        stream_id: stream(id),
        index,
        body: format!("{} {id} {index}", kind.as_str()).into_bytes(),
        payload: None,
    }
}

/// `count` plain entry rows with a short payload, from `start`.
pub fn plain_run(id: &str, start: u64, count: u64) -> Vec<Row> {
    (start..start + count)
        .map(|index| Row { payload: Some(format!("payload {index}").into_bytes()), ..plain(RowKind::Entry, id, index) })
        .collect()
}

/// Bytes without structure, the same for the same seed (xorshift64).
pub fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    })
    .take(length)
    .collect()
}

/// An entry as a producer causes it. `text` becomes the payload, behind a 16-byte salt.
pub fn entry_row(id: &str, seqno: u64, text: Option<&[u8]>) -> Row {
    let payload = text.map(|text| PayloadRef {
        encoding: Name::parse("encoding", "text/plain; charset=utf-8").unwrap(),
        length: text.len() as u64,
        commitment: Digest(noise(seqno + 1, 32).try_into().unwrap()),
    });
    let entry = Entry {
        event: Event { payload, ..event("app.started", "billing-1") },
        ..entry(id, seqno, event("app.started", "billing-1"))
    };
    sealed(&entry, text.map(|text| [noise(seqno + 2, 16).as_slice(), text].concat()))
}

fn event(event_type: &str, producer: &str) -> Event {
    Event {
        event_type: Name::parse("event type", event_type).unwrap(),
        severity: Severity::Informational,
        producer: Name::parse("producer", producer).unwrap(),
        payload: None,
        detail: None,
        idempotency_key: None,
    }
}

fn entry(id: &str, seqno: u64, event: Event) -> Entry {
    Entry {
        stream_id: stream(id),
        seqno,
        prev_entry_hash: Digest(noise(seqno + 3, 32).try_into().unwrap()),
        timestamp: 1_762_000_000_000_000 + seqno,
        clock: None,
        session_id: noise(4, 16).try_into().unwrap(),
        boot_id: [0; 16],
        event,
        author: None,
    }
}

fn sealed(entry: &Entry, payload: Option<Vec<u8>>) -> Row {
    Row {
        kind: RowKind::Entry,
        stream_id: entry.stream_id.clone(),
        index: entry.seqno,
        body: encode_entry(entry).unwrap(),
        payload,
    }
}

/// Entries of every shape the log writes: all system details, authors, odd names, clamped clocks,
/// extreme times, every severity. Indexes count from 0.
pub fn entries(id: &str) -> Vec<Row> {
    let mut events: Vec<Event> = details().into_iter().map(Detail::into_event).collect();
    let names = [
        "a",
        "\"quoted\\back/slash\"",
        "tab\tnew\nline\r\u{0}\u{1f}\u{7f}",
        "\u{2028}\u{2029}\u{feff}\u{202e}",
        "\u{d7ff}\u{e000}\u{ffff}\u{10ffff}",
        "日本語 🦀 e\u{301}",
        "null",
        "{}",
    ];
    for (severity, name) in Severity::ALL.into_iter().zip(names) {
        events.push(Event {
            severity,
            idempotency_key: Some(noise(9, 1 + severity as usize * 9)),
            ..event(&name.repeat(1 + severity as usize), name)
        });
    }
    events.push(event(&"e".repeat(256), &"p".repeat(256)));
    let mut rows = Vec::new();
    for (seqno, event) in (0u64..).zip(events) {
        let mut entry = entry(id, seqno, event);
        if entry.event.detail.is_none() {
            entry.author = (seqno % 2 == 0).then(|| Author {
                algorithm: "ed25519".into(),
                public_key: noise(5, 32),
                author_seq: seqno,
                signature: noise(6, 64),
            });
            entry.clock = (seqno % 3 == 0).then_some(seqno);
            entry.boot_id = if seqno % 3 == 1 { noise(8, 16).try_into().unwrap() } else { [0; 16] };
            entry.timestamp = [0, 1, 999_999, 253_402_300_799_999_999, 253_402_300_800_000_000, i64::MAX as u64]
                [(seqno % 6) as usize];
        }
        rows.push(sealed(&entry, None));
    }
    rows
}

/// One of each; their seqno-dependent parts fit the positions 0 to 8.
fn details() -> Vec<Detail> {
    let reason = || "because \"we\" can\n".to_owned();
    let vkey = |n: u8| format!("example.org/a+0000000{n}+AQID");
    vec![
        Detail::StreamCreated { origin: "log.example.org/a".into(), tier: Tier::Public, description: Some(reason()) },
        Detail::SegmentSealed(Seal {
            segment: 0,
            first_seqno: 0,
            last_seqno: 1,
            prev_checkpoint_hash: None,
            policy_hash: Some(Digest([1; 32])),
            graph_digest: Some(Digest([2; 32])),
        }),
        Detail::StreamClosed { reason: reason() },
        Detail::Erased { ranges: vec![(0, 0), (2, 2)], reason: String::new() },
        Detail::KeyAttested { vkey: vkey(1), attestation: noise(1, 32 * 1024), signature: noise(2, 64) },
        Detail::KeyRotated {
            old_vkey: vkey(1),
            new_vkey: vkey(2),
            attestation: None,
            sig_old: noise(3, 64),
            sig_new: noise(4, 64),
        },
        Detail::KeyRevoked { vkey: vkey(1), from_seqno: i64::MAX as u64, reason: reason(), signature: noise(5, 64) },
        Detail::KeyEpoch { epoch: 7, key_commitment: Digest([3; 32]) },
        Detail::KeyDestroyed { epoch: 7 },
    ]
}

/// Payloads behind a salt: texts with every character JSON treats in its own way, and bytes that are
/// almost UTF-8.
pub fn texts() -> Vec<Vec<u8>> {
    let mut texts: Vec<Vec<u8>> = (0u8..=0x20).map(|byte| vec![b'<', byte, b'>']).collect();
    for text in [
        "",
        " ",
        "\"",
        "\\",
        "/",
        "\\\\\"",
        "\\u0041",
        "\u{7f}",
        "\u{80}",
        "\u{2028}\u{2029}",
        "\u{feff}bom",
        "\u{fffd}",
        "\u{d7ff}\u{e000}\u{ffff}\u{10ffff}",
        "e\u{301} é",
        "日本語 🦀",
        "{\"json\":[1,null,\"x\"]}",
        "line\r\nline\n",
        "null",
        "trailing space   ",
        "\0",
    ] {
        texts.push(text.as_bytes().to_vec());
    }
    let nearly: [&[u8]; 9] = [
        b"\x80",
        b"\xc0\x80",
        b"\xed\xa0\x80",
        b"\xed\xa0\xbd\xed\xb8\x80",
        b"\xf4\x90\x80\x80",
        b"\xff\xfe",
        b"ok\xe2\x82",
        b"\xf0\x9f\xa6",
        b"\xe2\x82\xacok\xc3",
    ];
    texts.extend(nearly.map(<[u8]>::to_vec));
    texts.push((0..=255).collect());
    texts
}

/// Bodies that are not entries, or entries of another place. A store returns them as they came.
pub fn strange_bodies() -> Vec<Vec<u8>> {
    let canonical = entry_row("elsewhere", 77, Some(b"text")).body;
    let mut trailing = canonical.clone();
    trailing.push(0);
    let mut version = canonical.clone();
    version[1] = 2;
    // 10 elements, the version as a two-byte integer: the same value in another encoding.
    let wide = [&canonical[..1], &[0x18, 1], &canonical[2..]].concat();
    vec![
        Vec::new(),
        vec![0],
        b"\n".to_vec(),
        b"{\"kind\":\"entry\"}\n".to_vec(),
        b"plain text, \"quoted\"".to_vec(),
        vec![0xff; 32],
        (0..=255).collect(),
        canonical[..canonical.len() - 1].to_vec(),
        canonical,
        trailing,
        version,
        wide,
    ]
}

/// A body as the log writes it for each kind but entries.
pub fn usual_body(kind: RowKind, index: u64) -> Vec<u8> {
    match kind {
        RowKind::Entry => Vec::new(),
        RowKind::Segment => encode_uint(index * 1000),
        RowKind::Checkpoint => b"log.example.org/a\n1\nAAAA\n\n\xe2\x80\x94 log.example.org/a BBBB\n".to_vec(),
        RowKind::Cosignature => encode_cosignature(index, "\u{2014} witness.example.org CCCC"),
        RowKind::Key => noise(index, 60),
        _ => noise(index, 32),
    }
}
