//! Where rows are kept: the seam every store provider implements, and the one in memory.
//!
//! A store is *not trusted*: the log checks every answer against hashes. What a store must give is
//! durability and the compare in [`Store::append`]. It knows nothing of hashes, trees or signatures.

mod memory;

use std::fmt;

pub use memory::{MemStore, check_batch};

use crate::encode::decode_entry_like;
use crate::types::{Entry, StreamId};

/// Events in one batch, at most.
pub const MAX_BATCH_EVENTS: usize = 8192;
/// Encoded rows (bodies and payloads) in one `append`, at most, in bytes.
pub const MAX_BATCH_BYTES: usize = 4 * 1024 * 1024;
/// Rows in one `append`, at most: every event may complete a node row of each height, and a batch may
/// bring entry 0 and a seal of its own.
pub const MAX_BATCH_ROWS: usize = MAX_BATCH_EVENTS + MAX_BATCH_EVENTS / 128 + 16;
/// A page of `scan`: about this many bytes (bodies and payloads), at least one row.
pub const PAGE_BYTES: usize = 1024 * 1024;

/// Kind of a row (format.md section 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum RowKind {
    /// Body: canonical entry; payload: `salt || payload`, absent if none or erased.
    Entry,
    /// Body: hash of 256 leaves.
    Node1,
    /// Body: hash of 256^2 leaves.
    Node2,
    /// 256^3.
    Node3,
    /// 256^4.
    Node4,
    /// 256^5.
    Node5,
    /// 256^6.
    Node6,
    /// 256^7.
    Node7,
    /// Body: CBOR seal seqno.
    Segment,
    /// Body: signed note of segment `index`, first signature.
    Checkpoint,
    /// Body: CBOR `[segment, signature line]`.
    Cosignature,
    /// Body: CBOR `[epoch, wrap-alg, kek-id, hash]`; payload: the wrapped key, absent once destroyed.
    Key,
}

impl RowKind {
    /// All, in order.
    pub const ALL: [RowKind; 12] = [
        RowKind::Entry,
        RowKind::Node1,
        RowKind::Node2,
        RowKind::Node3,
        RowKind::Node4,
        RowKind::Node5,
        RowKind::Node6,
        RowKind::Node7,
        RowKind::Segment,
        RowKind::Checkpoint,
        RowKind::Cosignature,
        RowKind::Key,
    ];

    /// The name in stored lines, tables and interfaces.
    pub fn as_str(self) -> &'static str {
        match self {
            RowKind::Entry => "entry",
            RowKind::Node1 => "node1",
            RowKind::Node2 => "node2",
            RowKind::Node3 => "node3",
            RowKind::Node4 => "node4",
            RowKind::Node5 => "node5",
            RowKind::Node6 => "node6",
            RowKind::Node7 => "node7",
            RowKind::Segment => "segment",
            RowKind::Checkpoint => "checkpoint",
            RowKind::Cosignature => "cosignature",
            RowKind::Key => "key",
        }
    }

    /// The kind of that name.
    pub fn from_name(name: &str) -> Option<RowKind> {
        RowKind::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// The row kind that holds the subtree hashes of `256^height` leaves, height 1 to 7.
    pub fn node(height: u8) -> Option<RowKind> {
        if (1..=7).contains(&height) { Some(RowKind::ALL[usize::from(height)]) } else { None }
    }
}

/// What a store keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// With stream and index its place.
    pub kind: RowKind,
    /// Its stream.
    pub stream_id: StreamId,
    /// Dense from 0 within (kind, stream).
    pub index: u64,
    /// Never changed once appended; at most [`crate::types::MAX_ENTRY`] bytes.
    pub body: Vec<u8>,
    /// Can only be erased; at most [`crate::types::MAX_PAYLOAD`] + 16 bytes.
    pub payload: Option<Vec<u8>>,
}

impl Row {
    /// Bytes this row counts against [`MAX_BATCH_BYTES`] and [`PAGE_BYTES`].
    pub fn bytes(&self) -> usize {
        self.body.len() + self.payload.as_ref().map_or(0, Vec::len)
    }

    /// The entry whose fields a store may show to people: the body is canonical and of the row's own place. Absent for
    /// other rows: a store keeps them all the same, bodies are not its to judge.
    pub fn entry(&self) -> Option<Entry> {
        if self.kind != RowKind::Entry {
            return None;
        }
        let entry = decode_entry_like(&self.body, Some(&self.stream_id)).ok()?;
        (entry.stream_id == self.stream_id && entry.seqno == self.index).then_some(entry)
    }
}

/// The promise asked of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Want {
    /// Durable when the call returns, with everything written before.
    Synced,
    /// In the store's hands: durable at the next synced append.
    Written,
}

/// Why a store failed. Text is for people; decisions are made on the case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreError {
    /// A row's index is not the next of its (kind, stream). Nothing was written.
    Conflict,
    /// `init` did not succeed before.
    NotInitialised,
    /// The caller's argument. Nothing was written.
    Invalid(String),
    /// The medium is full.
    NoSpace,
    /// The medium failed; every call fails until `init` is called again.
    Io(String),
    /// What is stored cannot be what was written. Nothing is repaired.
    Corrupt(String),
    /// A remote store cannot be reached, or its answer was lost.
    Unavailable(String),
    /// Credentials or permissions.
    Denied(String),
}

impl StoreError {
    /// What a store that was opened read-only answers to every writing call.
    pub fn read_only() -> StoreError {
        StoreError::Denied("opened read-only".into())
    }

    /// What a read-only open answers where nothing is stored: it creates nothing.
    pub fn no_log_at(place: impl fmt::Display) -> StoreError {
        StoreError::Invalid(format!("there is no log at {place}"))
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StoreError::Conflict => f.write_str("conflict"),
            StoreError::NotInitialised => f.write_str("not initialised"),
            StoreError::Invalid(why) => write!(f, "invalid: {why}"),
            StoreError::NoSpace => f.write_str("no space"),
            StoreError::Io(why) => write!(f, "i/o: {why}"),
            StoreError::Corrupt(why) => write!(f, "corrupt: {why}"),
            StoreError::Unavailable(why) => write!(f, "unavailable: {why}"),
            StoreError::Denied(why) => write!(f, "denied: {why}"),
        }
    }
}

impl std::error::Error for StoreError {}

/// Keeps rows. Implementations pass [`crate::contract`] (feature `contract`).
///
/// # Durability
/// `append` with [`Want::Synced`] and `erase` return after the data (and, on creation, the directory) is
/// durable. An error other than `Conflict`, `Invalid` and `NotInitialised` may still have committed: the
/// caller reads the row back.
pub trait Store {
    /// Opens. What `config` means is the provider's; empty is `Invalid`. Calling it again closes and reopens; when it
    /// fails, the store is not initialised, whatever was open before.
    fn init(&mut self, config: &str) -> Result<(), StoreError>;

    /// All rows or none. Each row's index must be the next of its (kind, stream), counted through the
    /// slice, else `Conflict`. An empty slice with `Synced` makes all earlier rows durable.
    /// A store that found its storage damaged refuses every append, an empty one as well, with `Corrupt`.
    /// Opened read-only: rows are `Denied`; an empty slice is answered as ever, and nothing is written or synced.
    /// More than [`MAX_BATCH_ROWS`] rows or [`MAX_BATCH_BYTES`] + one row's worth of bytes is `Invalid`.
    fn append(&mut self, rows: &[Row], want: Want) -> Result<(), StoreError>;

    /// The row at this place, if there is one.
    fn get(&mut self, kind: RowKind, stream: &StreamId, index: u64) -> Result<Option<Row>, StoreError>;

    /// The row with the greatest index.
    fn last(&mut self, kind: RowKind, stream: &StreamId) -> Result<Option<Row>, StoreError>;

    /// Rows from `start` in order of index: at most `limit` and about [`PAGE_BYTES`], at least one if
    /// there is one and `limit` is not 0; fewer than there are is no sign of the end ([`full_page`]). Without
    /// `with_payload` every payload is absent in the answer.
    fn scan(
        &mut self,
        kind: RowKind,
        stream: &StreamId,
        start: u64,
        limit: u32,
        with_payload: bool,
    ) -> Result<Vec<Row>, StoreError>;

    /// Ids of streams that have an entry row, in byte order, greater than `after`, at most `limit`.
    fn streams(&mut self, after: Option<&StreamId>, limit: u32) -> Result<Vec<StreamId>, StoreError>;

    /// Drops the payload of a row, durably, idempotent; the body stays. No such row: `Invalid`. Opened read-only:
    /// `Denied`.
    fn erase(&mut self, kind: RowKind, stream: &StreamId, index: u64) -> Result<(), StoreError>;
}

/// A page of `scan`, which is [`Store::scan`] from a row on and of so many rows at most, that is not cut short because a store likes to answer with less at once: more than half of
/// [`PAGE_BYTES`], unless the stream ends or the next row does not fit. Store calls: as many as that takes, one more at
/// the end.
///
/// # Errors
/// Those of the store, if they come before any row: later ones come to whoever asks for the rest.
pub fn full_page(
    start: u64,
    limit: u32,
    mut scan: impl FnMut(u64, u32) -> Result<Vec<Row>, StoreError>,
) -> Result<Vec<Row>, StoreError> {
    let mut page = scan(start, limit)?;
    let mut bytes = page.iter().map(Row::bytes).sum::<usize>();
    while !page.is_empty() && page.len() < limit as usize && bytes <= PAGE_BYTES / 2 {
        let (next, left) = (start.saturating_add(page.len() as u64), limit - page.len() as u32);
        let more = scan(next, left).unwrap_or_default();
        if more.is_empty() {
            break;
        }
        for row in more {
            bytes += row.bytes();
            if bytes > PAGE_BYTES {
                return Ok(page);
            }
            page.push(row);
        }
    }
    Ok(page)
}

#[cfg(all(test, feature = "contract"))]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::contract::rows::{plain_run, stream};

    /// A page of all rows of a store that answers with two at once, and not at all from row `fails` on; and the calls.
    fn page(store: &mut MemStore, fails: u64, start: u64, limit: u32) -> (Result<Vec<Row>, StoreError>, usize) {
        let mut calls = 0;
        let page = full_page(start, limit, |start, limit| {
            calls += 1;
            match start >= fails {
                true => Err(StoreError::Io("broken".into())),
                false => store.scan(RowKind::Entry, &stream("a"), start, limit.min(2), true),
            }
        });
        (page, calls)
    }

    #[test]
    fn a_page_is_filled_with_as_many_answers_as_it_takes_and_keeps_what_came_before_an_error() {
        let all = plain_run("a", 0, 9);
        let mut store = MemStore::new();
        store.init("memory").unwrap();
        store.append(&all, Want::Synced).unwrap();
        let mut page = |fails, start, limit| page(&mut store, fails, start, limit);
        assert_eq!(page(99, 0, 9), (Ok(all.clone()), 5));
        assert_eq!(page(99, 0, 10), (Ok(all.clone()), 6));
        assert_eq!(page(99, 3, 3), (Ok(all[3..6].to_vec()), 2));
        assert_eq!(page(99, 9, 3), (Ok(Vec::new()), 1));
        assert_eq!(page(99, 0, 0), (Ok(Vec::new()), 1));
        assert_eq!(page(4, 1, 9), (Ok(all[1..5].to_vec()), 3));
        assert_eq!(page(1, 1, 9), (Err(StoreError::Io("broken".into())), 1));
    }

    #[test]
    fn a_page_has_half_of_what_it_may_have_unless_the_next_row_does_not_fit() {
        let large = |index| Row { payload: Some(vec![7; 150_000]), ..plain_run("a", index, 1).remove(0) };
        let rows: Vec<Row> = (0..20).map(large).collect();
        let mut store = MemStore::new();
        store.init("memory").unwrap();
        store.append(&rows, Want::Synced).unwrap();
        let (four, calls) = page(&mut store, 99, 0, 20);
        assert_eq!((four.as_deref(), calls), (Ok(&rows[..4]), 2));
        assert!(four.unwrap().iter().map(Row::bytes).sum::<usize>() > PAGE_BYTES / 2);
        let huge = Row { payload: Some(vec![7; 1_000_000]), ..plain_run("a", 20, 1).remove(0) };
        store.append(&[huge], Want::Synced).unwrap();
        assert_eq!(page(&mut store, 99, 18, 20).0, Ok(rows[18..].to_vec()));
    }
}
