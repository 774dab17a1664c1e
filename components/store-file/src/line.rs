//! One line of the file, both ways. Not here: where lines stand and which of them count (`replay`).
//!
//! ```text
//! {"kind":"log","format":"secure-log-file/1"}                                        the first line
//! {"kind":"entry","stream":"app","seqno":1,"time":"2025-11-21T14:15:09.123456Z","type":"app.started",
//!  "severity":"informational","producer":"billing-1","payload":"text","prev":b64,"session":b64,
//!  "commitment":b64,"salt":b64,"sum":b64}                                            an entry (one line)
//! {"kind":"node1","stream":"app","index":0,"body":b64,"sum":b64}                     any other row
//! {"kind":"erase","at":44,"length":519,"row":{"kind":"entry", ..,"sum":b64},"sum":b64}  an erase intent
//! {"commit":0,"rows":2,"check":b64,"sum":b64}                                        closes an append
//! ```
//!
//! b64 is base64 of the standard alphabet without padding (RFC 4648 sections 3.2 and 4), its unused bits zero.
//!
//! An entry is rendered from its decoded body and the body is encoded again when it is read, so a field
//! changed by hand changes the entry hash. A body that is not the canonical entry of its row's place, and
//! the body of any other kind, stands in base64 (the text of a checkpoint as `text`).
//!
//! | key | in | meaning |
//! |---|---|---|
//! | `payload` | entry | the payload without its salt, as text if it is UTF-8; `null`: none, or erased |
//! | `payload64` | any row | base64: of an entry's payload that is no text; of the whole payload if it is shorter than a salt or the row has a `body` |
//! | `prev` | entry | entry hash of the entry before; so the hash of an entry stands in the next one. The store itself hashes nothing |
//! | `clock`, `boot`, `encoding`, `detail`, `key`, `author` | entry | left out when absent, zero, `application/octet-stream` |
//! | `commitment` | entry | of the payload that was logged; left out when there was none |
//! | `length` | entry | bytes of the payload that was logged; left out when there was none, and when the line shows one of that length behind a `salt` |
//! | `salt` | entry | first 16 bytes of the stored payload |
//! | `sum` | all | XXH3-64 of the line up to here: finds damage, proves nothing. This and `check` are 8 bytes, most significant first, in base64 |
//! | `at`, `length`, `row` | erase | where the line of the row stands, how long it is, and what it becomes |
//! | `commit` | commit | number of the append from 0 |
//! | `rows` | commit | lines of the append before this one; left out when 1 |
//! | `durable` | commit | everything before this offset was synced when the line was written; left out when that is where the append begins |
//! | `check` | commit | XXH3-64(rows, tails, at): the three numbers below, 8 bytes each, least significant first |
//!
//! - rows: XXH3-64 over kind, stream, index and body of the append's rows; no payload, so that erasing keeps it
//! - tails: sum modulo 2^64 over all (kind, stream) of XXH3-64(kind, row count, stream), this append included
//! - at: offset of the append's first line
//!
//! Spaces before the line feed are allowed in a row without payload, which may be an erased one, and after a commit
//! (`shared`).

mod parse;
mod render;
pub mod text;

pub use parse::{Parsed, parse, parse_place};
pub use render::{commit, erase, place, row};

use secure_log::store::{Row, RowKind};
use secure_log::types::StreamId;
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

/// The first line, with its line feed: whose file this is.
pub const HEADER: &[u8] = b"{\"kind\":\"log\",\"format\":\"secure-log-file/1\"}\n";
/// No line is longer. A row's has at most 6.3 MiB (a payload of 1 MiB whose every byte is escaped as six,
/// and its body); a commit may be padded over what a torn append left, which is at most 4 MiB of such rows.
pub const MAX_LINE: usize = 32 << 20;
const SALT: usize = 16;

/// What an erase intent orders: it holds all that is needed to carry it out, and again after a crash in
/// the middle of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intent {
    /// Offset of the row's line.
    pub at: u64,
    /// Bytes of that line, its line feed included.
    pub length: u64,
    /// The row without its payload.
    pub row: Row,
}

/// The line that closes an append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Commit {
    /// From 0, without gaps.
    pub n: u64,
    /// Lines before this one.
    pub rows: u64,
    /// Synced up to here when this was written; `None`: up to the append's first line.
    pub durable: Option<u64>,
    /// [`Covered::check`].
    pub check: u64,
}

/// What `check` of a commit covers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Covered {
    /// [`Check`] of the lines.
    pub rows: u64,
    /// [`tail_sum`] added up over all (kind, stream), this append included.
    pub tails: u64,
    /// Offset of the append's first line.
    pub at: u64,
}

impl Covered {
    /// The sum that the commit line states.
    pub fn check(&self) -> u64 {
        let mut all = [0u8; 24];
        for (room, number) in all.as_chunks_mut::<8>().0.iter_mut().zip([self.rows, self.tails, self.at]) {
            *room = number.to_le_bytes();
        }
        xxh3_64(&all)
    }
}

/// Sums up the lines of an append.
#[derive(Default)]
pub struct Check(Xxh3);

impl Check {
    /// A row; its payload is not covered.
    pub fn row(&mut self, row: &Row) {
        self.0.update(&[row.kind as u8, row.stream_id.as_str().len() as u8]);
        self.0.update(row.stream_id.as_str().as_bytes());
        self.0.update(&row.index.to_le_bytes());
        self.0.update(&(row.body.len() as u64).to_le_bytes());
        self.0.update(&row.body);
    }

    /// An erase intent.
    pub fn erase(&mut self, intent: &Intent) {
        self.0.update(&[0xff]);
        self.0.update(&intent.at.to_le_bytes());
        self.0.update(&intent.length.to_le_bytes());
        self.row(&intent.row);
    }

    /// The sum so far.
    pub fn finish(&self) -> u64 {
        self.0.digest()
    }
}

/// What (kind, stream) with `count` rows adds to the tails of a commit; nothing when it has no rows.
pub fn tail_sum(kind: RowKind, stream: &StreamId, count: u64) -> u64 {
    if count == 0 {
        return 0;
    }
    let mut place = [0u8; 9 + StreamId::MAX_LEN];
    let text = stream.as_str().as_bytes();
    place[0] = kind as u8;
    place[1..9].copy_from_slice(&count.to_le_bytes());
    place[9..9 + text.len()].copy_from_slice(text);
    xxh3_64(&place[..9 + text.len()])
}

#[cfg(test)]
mod tests;
