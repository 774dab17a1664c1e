//! What the log keeps in memory of a stream, and how it comes from a store that is not trusted.
//!
//! Invariants:
//! 1. `tip` is the state after `tip.size()` entries; every leaf in its frontier was hashed by this code or
//!    came from node rows, and in that case `certified` is false until the entries were re-hashed.
//! 2. Entries enter `tip` only through [`Tip::push`], which checks seqno, link and time.
//!
//! Memory is independent of the stream's length: a frontier, a few hashes, the window of idempotency keys.

use std::collections::{HashMap, VecDeque};

use crate::author::LastSeqs;
use crate::encode::{DecodeError, decode_entry_like, decode_uint};
use crate::error::{Finding, FindingKind, LogError};
use crate::keys::KeyHistory;
use crate::merkle::{self, Frontier, Tiles};
use crate::note::Checkpoint;
use crate::store::{Row, RowKind, Store};
use crate::types::{Detail, Digest, Entry, IDEMPOTENCY_WINDOW, Seal, StreamId, Tier};

/// Rows asked of a store at once when scanning; pages are bounded by bytes as well.
pub(crate) const PAGE_ROWS: u32 = 4096;
/// Entries re-read when a stream is opened: the right edge of the tree needs at most 255 of them.
const TAIL: u64 = 256;

/// A stream as this instance knows it.
pub(crate) struct Stream {
    pub id: StreamId,
    pub origin: String,
    pub tier: Tier,
    pub description: Option<String>,
    pub tip: Tip,
    /// Durable through this seqno, as far as known.
    pub durable_through: Option<u64>,
    /// Every leaf below the frontier was re-hashed, or lies under the last signed checkpoint's root.
    pub certified: bool,
    /// Idempotency keys of the window; absent until the first event with a key.
    pub recent: Option<Recent>,
    /// Last `author-seq` of producers' keys; absent until the first signed event.
    pub authors: Option<LastSeqs>,
    /// Ranges that `erased` entries of the tail name: their erasure may have been cut short.
    pub erasures: Vec<(u64, u64)>,
}

/// The end of a stream: all that the next entry depends on.
#[derive(Clone)]
pub(crate) struct Tip {
    pub frontier: Frontier,
    pub last_hash: Digest,
    pub last_time: u64,
    /// Sealed segments.
    pub segments: u64,
    /// Entries covered by the last seal.
    pub sealed_size: u64,
    /// Checkpoint hash of the last seal; absent: no seal, or not recomputed yet.
    pub checkpoint_hash: Option<Digest>,
    pub closed: bool,
    /// Who may sign; partial unless every entry from 0 on went through [`Tip::push`].
    pub keys: KeyHistory,
}

impl Tip {
    /// The end of a stream without entries, nobody's key pinned.
    pub fn empty() -> Tip {
        Tip {
            keys: KeyHistory::unpinned(),
            frontier: Frontier::new(),
            last_hash: Digest::ZERO,
            last_time: 0,
            segments: 0,
            sealed_size: 0,
            checkpoint_hash: None,
            closed: false,
        }
    }

    /// Entries.
    pub fn size(&self) -> u64 {
        self.frontier.size()
    }

    /// Takes the next entry: `hash` is its entry hash, `origin` the stream's. Nothing changes on a finding.
    pub fn push(
        &mut self,
        origin: &str,
        entry: &Entry,
        hash: Digest,
        on_node: impl FnMut(u8, u64, Digest),
    ) -> Result<(), (FindingKind, String)> {
        self.check(origin, entry)?;
        self.keys.take(origin, entry).map_err(|why| (FindingKind::WrongKey, why.0))?;
        self.frontier.push(hash, on_node);
        self.last_hash = hash;
        self.last_time = entry.timestamp;
        match &entry.event.detail {
            Some(Detail::SegmentSealed(seal)) => {
                self.segments = seal.segment + 1;
                self.sealed_size = self.size();
                self.checkpoint_hash = Some(
                    Checkpoint { origin: origin.to_owned(), size: self.size(), root: self.frontier.root() }.hash(),
                );
            }
            Some(Detail::StreamClosed { .. }) => self.closed = true,
            _ => {}
        }
        Ok(())
    }

    fn check(&self, origin: &str, entry: &Entry) -> Result<(), (FindingKind, String)> {
        let fault = |kind, why: String| Err((kind, why));
        let expected = self.size();
        if entry.seqno > expected {
            return fault(FindingKind::EntryMissing, format!("entry {} stands where {expected} belongs", entry.seqno));
        }
        if entry.seqno < expected {
            return fault(FindingKind::EntryInserted, format!("entry {} stands where {expected} belongs", entry.seqno));
        }
        if entry.prev_entry_hash != self.last_hash {
            return fault(FindingKind::ChainBroken, "prev-entry-hash is not the hash of the entry before".into());
        }
        if entry.timestamp < self.last_time {
            return fault(FindingKind::TimeDecreased, format!("{} after {}", entry.timestamp, self.last_time));
        }
        match &entry.event.detail {
            Some(Detail::StreamCreated { origin: found, .. }) if expected == 0 && found == origin => Ok(()),
            Some(Detail::StreamCreated { origin: found, .. }) if expected == 0 => {
                fault(FindingKind::OriginWrong, format!("the stream was created as {found}, not {origin}"))
            }
            Some(Detail::StreamCreated { .. }) => {
                fault(FindingKind::EntryInserted, "a stream is created only by entry 0".into())
            }
            _ if expected == 0 => fault(FindingKind::OriginWrong, "entry 0 does not create the stream".into()),
            Some(Detail::SegmentSealed(seal)) => self.check_seal(seal),
            // Encrypted tiers, which alone have data keys, are not written yet.
            Some(Detail::KeyEpoch { .. } | Detail::KeyDestroyed { .. }) => {
                fault(FindingKind::EntryInserted, "a data key in a stream whose payloads stand in clear".into())
            }
            Some(Detail::StreamClosed { .. }) | None if self.closed => {
                fault(FindingKind::EntryInserted, "an event after the stream was closed".into())
            }
            _ => Ok(()),
        }
    }

    fn check_seal(&self, seal: &Seal) -> Result<(), (FindingKind, String)> {
        if seal.segment != self.segments || seal.first_seqno != self.sealed_size {
            let expected = (self.segments, self.sealed_size);
            let why = format!("seal of segment {} from {}, expected {expected:?}", seal.segment, seal.first_seqno);
            return Err((FindingKind::EntryInserted, why));
        }
        // Without a certified frontier the hash of the checkpoint before is not known yet.
        if self.checkpoint_hash.is_some() && seal.prev_checkpoint_hash != self.checkpoint_hash {
            let why = "the seal does not carry the hash of the checkpoint before".into();
            return Err((FindingKind::RootMismatch, why));
        }
        Ok(())
    }
}

/// The idempotency keys among the last [`IDEMPOTENCY_WINDOW`] entries.
#[derive(Default)]
pub(crate) struct Recent {
    seqnos: HashMap<Vec<u8>, u64>,
    order: VecDeque<(u64, Vec<u8>)>,
}

impl Recent {
    /// Takes note of the entry `seqno` and forgets what fell out of the window.
    pub fn push(&mut self, seqno: u64, key: Option<&Vec<u8>>) {
        if let Some(key) = key {
            self.seqnos.insert(key.clone(), seqno);
            self.order.push_back((seqno, key.clone()));
        }
        while let Some((oldest, key)) = self.order.front() {
            if oldest + IDEMPOTENCY_WINDOW > seqno {
                break;
            }
            if self.seqnos.get(key) == Some(oldest) {
                self.seqnos.remove(key);
            }
            self.order.pop_front();
        }
    }

    /// Seqno of the entry with this key, if it is in the window before entry `next`.
    pub fn find(&self, key: &[u8], next: u64) -> Option<u64> {
        self.seqnos.get(key).copied().filter(|seqno| seqno + IDEMPOTENCY_WINDOW >= next)
    }
}

/// An entry row, decoded and bound to its place.
pub(crate) struct Placed {
    pub entry: Entry,
    pub hash: Digest,
    pub payload: Option<Vec<u8>>,
}

/// Decodes the row that a store gave for entry `index` of `stream`.
///
/// # Errors
/// `Tampered` when it is another row or no canonical entry of that place; `Unsupported`.
pub(crate) fn place(row: Row, stream: &StreamId, index: u64) -> Result<Placed, LogError> {
    let hash = merkle::leaf_hash(&row.body);
    place_hashed(row, hash, stream, index)
}

/// The same for the rows of a page from entry `start` on: their bodies are hashed together.
pub(crate) fn place_each(
    page: Vec<Row>,
    stream: &StreamId,
    start: u64,
) -> impl Iterator<Item = Result<Placed, LogError>> {
    let hashes = merkle::leaf_hashes(&page.iter().map(|row| row.body.as_slice()).collect::<Vec<_>>());
    page.into_iter().zip(hashes).zip(start..).map(move |((row, hash), index)| place_hashed(row, hash, stream, index))
}

fn place_hashed(row: Row, hash: Digest, stream: &StreamId, index: u64) -> Result<Placed, LogError> {
    let fault = |kind, why: String| Err(tampered(stream, index, kind, why));
    if row.kind != RowKind::Entry || row.stream_id != *stream || row.index != index {
        let kind = if row.index > index { FindingKind::EntryMissing } else { FindingKind::EntryInserted };
        return fault(
            kind,
            format!("the store answered with {} {} of {}", row.kind.as_str(), row.index, row.stream_id),
        );
    }
    let entry = match decode_entry_like(&row.body, Some(stream)) {
        Ok(entry) => entry,
        Err(DecodeError::Malformed(why)) => return fault(FindingKind::EntryAltered, why),
        Err(DecodeError::Unsupported(what)) => {
            return Err(LogError::Unsupported(format!("{stream} entry {index}: {what}")));
        }
    };
    if entry.stream_id != *stream {
        return fault(FindingKind::EntryInserted, format!("an entry of stream {}", entry.stream_id));
    }
    if entry.seqno != index {
        let kind = if entry.seqno > index { FindingKind::EntryMissing } else { FindingKind::EntryInserted };
        return fault(kind, format!("entry {} stands where {index} belongs", entry.seqno));
    }
    Ok(Placed { entry, hash, payload: row.payload })
}

/// A fault at one entry.
pub(crate) fn tampered(stream: &StreamId, seqno: u64, kind: FindingKind, detail: impl Into<String>) -> LogError {
    LogError::Tampered(finding(stream, (seqno, seqno), kind, detail))
}

/// The link between `seqno` and the entry before it does not hold.
pub(crate) fn broken(stream: &StreamId, seqno: u64) -> LogError {
    let why = "prev-entry-hash is not the hash of the entry before";
    LogError::Tampered(finding(stream, (seqno.saturating_sub(1), seqno), FindingKind::ChainBroken, why))
}

/// A finding over a range of entries.
pub(crate) fn finding(stream: &StreamId, range: (u64, u64), kind: FindingKind, detail: impl Into<String>) -> Finding {
    Finding { stream_id: stream.clone(), first_seqno: range.0, last_seqno: range.1, kind, detail: detail.into() }
}

/// Reads the entries of `[start, end)` in pages and hands each on, placed. Cost: one store call a page.
///
/// # Errors
/// Of the store, of [`place`], of `each`; `EntryMissing` when the store gives fewer.
pub(crate) fn each_entry<S: Store>(
    store: &mut S,
    stream: &StreamId,
    (start, end): (u64, u64),
    with_payload: bool,
    mut each: impl FnMut(Placed) -> Result<(), LogError>,
) -> Result<(), LogError> {
    let mut next = start;
    while next < end {
        let limit = u32::try_from(end - next).map_or(PAGE_ROWS, |left| left.min(PAGE_ROWS));
        let mut page = store.scan(RowKind::Entry, stream, next, limit, with_payload)?;
        page.truncate(limit as usize);
        if page.is_empty() {
            return Err(LogError::Tampered(finding(
                stream,
                (next, end - 1),
                FindingKind::EntryMissing,
                "the store does not give these entries",
            )));
        }
        for placed in place_each(page, stream, next) {
            each(placed?)?;
            next += 1;
        }
    }
    Ok(())
}

/// Whether the store says that it has this many entries by now.
pub(crate) fn stores<S: Store>(store: &mut S, stream: &StreamId, size: u64) -> Result<bool, LogError> {
    Ok(store.last(RowKind::Entry, stream)?.is_some_and(|last| last.index.saturating_add(1) >= size))
}

/// The tree of a stream as its store tells it. Untrusted: what comes out is compared or only proposed.
pub(crate) struct StoredTiles<'a, S> {
    pub store: &'a mut S,
    pub stream: &'a StreamId,
}

impl<S: Store> Tiles for StoredTiles<'_, S> {
    type Error = LogError;

    fn tile(&mut self, height: u8, index: u64, width: u16) -> Result<Vec<Digest>, LogError> {
        let (start, count) = (index * 256, u64::from(width));
        let mut hashes = Vec::with_capacity(usize::from(width));
        let Some(kind) = RowKind::node(height) else {
            each_entry(self.store, self.stream, (start, start + count), false, |placed| {
                hashes.push(placed.hash);
                Ok(())
            })?;
            return Ok(hashes);
        };
        let leaves = 1u64.checked_shl(8 * u32::from(height)).unwrap_or(u64::MAX);
        let wrong = |row: u64| {
            let range = (row.saturating_mul(leaves), (row + 1).saturating_mul(leaves) - 1);
            let why = format!("{} row {row} is missing or no hash", kind.as_str());
            LogError::Tampered(finding(self.stream, range, FindingKind::NodeWrong, why))
        };
        while hashes.len() < usize::from(width) {
            let next = start + hashes.len() as u64;
            let page = self.store.scan(kind, self.stream, next, (start + count - next) as u32, false)?;
            if page.is_empty() {
                return Err(wrong(next));
            }
            for row in page.into_iter().take(usize::from(width) - hashes.len()) {
                let expected = start + hashes.len() as u64;
                if row.kind != kind || row.stream_id != *self.stream || row.index != expected {
                    return Err(wrong(expected));
                }
                hashes.push(Digest::try_from(row.body.as_slice()).map_err(|_| wrong(expected))?);
            }
        }
        Ok(hashes)
    }
}

/// What entry 0 says: origin, tier, description.
pub(crate) fn creation<S: Store>(
    store: &mut S,
    stream: &StreamId,
) -> Result<Option<(String, Tier, Option<String>)>, LogError> {
    let Some(row) = store.get(RowKind::Entry, stream, 0)? else { return Ok(None) };
    let placed = place(row, stream, 0)?;
    match placed.entry.event.detail {
        Some(Detail::StreamCreated { origin, tier, description }) => Ok(Some((origin, tier, description))),
        _ => Err(tampered(stream, 0, FindingKind::OriginWrong, "entry 0 does not create the stream")),
    }
}

/// The seal of segment `number`, found through its segment row and checked against it.
pub(crate) fn seal_of<S: Store>(store: &mut S, stream: &StreamId, number: u64) -> Result<Option<Seal>, LogError> {
    let Some(row) = store.get(RowKind::Segment, stream, number)? else { return Ok(None) };
    seal_of_row(store, stream, number, &row).map(Some)
}

fn seal_of_row<S: Store>(store: &mut S, stream: &StreamId, number: u64, row: &Row) -> Result<Seal, LogError> {
    let wrong = |seqno, why: &str| Err(tampered(stream, seqno, FindingKind::NodeWrong, why));
    let seqno = match decode_uint(&row.body) {
        Ok(seqno) if row.kind == RowKind::Segment && row.index == number => seqno,
        _ => return wrong(0, "a segment row is not the number of its seal"),
    };
    let Some(entry) = store.get(RowKind::Entry, stream, seqno)? else {
        return Err(tampered(stream, seqno, FindingKind::EntryMissing, format!("segment {number} ends at this entry")));
    };
    match place(entry, stream, seqno)?.entry.event.detail {
        Some(Detail::SegmentSealed(seal)) if seal.segment == number => Ok(seal),
        _ => wrong(seqno, "a segment row points to an entry that is not its seal"),
    }
}

impl Stream {
    /// A stream that no store knows yet.
    pub fn new(id: StreamId, origin: String, tier: Tier, description: Option<String>) -> Stream {
        Stream {
            id,
            origin,
            tier,
            description,
            tip: Tip::empty(),
            durable_through: None,
            certified: true,
            recent: Some(Recent::default()),
            authors: Some(LastSeqs::default()),
            erasures: Vec::new(),
        }
    }

    /// Reads the state of a stream: entry 0, the last 256 entries (checked against one another), the right
    /// edge of the node rows, the last segment row and its seal. O(log n) rows. `None`: no such stream.
    ///
    /// `origin` is what entry 0 must say. `Conflict`: another writer sealed meanwhile.
    pub fn load<S: Store>(store: &mut S, id: &StreamId, origin: &str) -> Result<Option<Stream>, LogError> {
        let Some(last) = store.last(RowKind::Entry, id)? else { return Ok(None) };
        let last_index = last.index;
        let last = place(last, id, last_index)?;
        let size = last_index + 1;
        let Some((found, tier, description)) = creation(store, id)? else {
            return Err(tampered(id, 0, FindingKind::EntryMissing, "the stream has entries but no entry 0"));
        };
        if found != origin {
            let why = format!("the stream was created as {found}, not {origin}");
            return Err(tampered(id, 0, FindingKind::OriginWrong, why));
        }
        let (mut tail_hash, mut first_prev) = (None, None);
        let mut state = TailState::default();
        each_entry(store, id, (size.saturating_sub(TAIL), size), false, |placed| {
            let seqno = placed.entry.seqno;
            first_prev.get_or_insert(placed.entry.prev_entry_hash);
            if tail_hash.is_some_and(|hash| hash != placed.entry.prev_entry_hash) {
                return Err(broken(id, seqno));
            }
            tail_hash = Some(placed.hash);
            state.observe(&placed.entry);
            Ok(())
        })?;
        if tail_hash != Some(last.hash) {
            return Err(tampered(id, last_index, FindingKind::Forked, "the store answered twice, differently"));
        }
        let mut before = size.saturating_sub(TAIL);
        while state.closed.is_none() && before > 0 {
            let start = before.saturating_sub(TAIL);
            let (mut earlier, mut earlier_first, mut hash) = (TailState::default(), None, None);
            each_entry(store, id, (start, before), false, |placed| {
                let prev = placed.entry.prev_entry_hash;
                earlier_first.get_or_insert(prev);
                if hash.is_some_and(|hash| hash != prev) {
                    return Err(broken(id, placed.entry.seqno));
                }
                hash = Some(placed.hash);
                earlier.observe(&placed.entry);
                Ok(())
            })?;
            if hash != first_prev {
                return Err(broken(id, before));
            }
            first_prev = earlier_first;
            state.closed = earlier.closed;
            before = start;
        }
        let frontier = Frontier::load(size, &mut StoredTiles { store, stream: id })?;
        let seal = match store.last(RowKind::Segment, id)? {
            None => None,
            Some(row) => Some(seal_of_row(store, id, row.index, &row)?),
        };
        let sealed_size = seal.as_ref().map_or(0, |seal| seal.last_seqno + 1);
        if sealed_size > size && stores(store, id, sealed_size)? {
            return Err(LogError::Conflict);
        }
        if sealed_size > size || state.last_seal.is_some_and(|seqno| seqno + 1 != sealed_size) {
            return Err(tampered(id, last_index, FindingKind::NodeWrong, "the segment rows do not name the last seal"));
        }
        Ok(Some(Stream {
            id: id.clone(),
            origin: found,
            tier,
            description,
            tip: Tip {
                frontier,
                last_hash: last.hash,
                last_time: last.entry.timestamp,
                segments: seal.map_or(0, |seal| seal.segment + 1),
                sealed_size,
                checkpoint_hash: None,
                closed: state.closed.unwrap_or(false),
                keys: KeyHistory::partial(),
            },
            durable_through: None,
            certified: false,
            recent: None,
            authors: None,
            erasures: state.erasures,
        }))
    }

    /// Takes in what other writers appended since: each new entry is checked against the tip.
    /// Cost: one store call, and one a page of what is new.
    pub fn advance<S: Store>(&mut self, store: &mut S) -> Result<(), LogError> {
        let Some(last) = store.last(RowKind::Entry, &self.id)? else {
            return Err(self.lost(0));
        };
        if last.index < self.tip.size().saturating_sub(1) {
            return Err(self.lost(last.index + 1));
        }
        let range = (self.tip.size(), last.index.saturating_add(1));
        if range.0 == range.1 {
            let last_hash = self.tip.last_hash;
            if place(last, &self.id, range.1 - 1)?.hash != last_hash {
                return Err(tampered(
                    &self.id,
                    range.1 - 1,
                    FindingKind::Forked,
                    "the last entry is not the one known",
                ));
            }
            return Ok(());
        }
        let Stream { id, origin, tip, recent, authors, erasures, .. } = self;
        each_entry(store, id, range, false, |placed| {
            let seqno = placed.entry.seqno;
            tip.push(origin, &placed.entry, placed.hash, |_, _, _| {})
                .map_err(|(kind, why)| tampered(id, seqno, kind, why))?;
            note_entry(recent, authors, &placed.entry);
            if let Some(Detail::Erased { ranges, .. }) = &placed.entry.event.detail {
                erasures.extend(ranges);
            }
            Ok(())
        })
    }

    /// Puts a tip that rests on re-hashed entries in the place of the one that was read. A walk that began at
    /// a checkpoint saw neither a close nor the keys before it.
    pub fn certify(&mut self, tip: Tip) {
        let keys = if self.tip.keys.is_whole() { self.tip.keys.clone() } else { tip.keys };
        self.tip = Tip { closed: self.tip.closed || tip.closed, keys, ..tip };
        self.certified = true;
    }

    fn lost(&self, found: u64) -> LogError {
        LogError::Rollback(finding(
            &self.id,
            (found, self.tip.size().saturating_sub(1)),
            FindingKind::Truncated,
            "the store gave these entries before and does not give them now",
        ))
    }
}

/// Keeps the window of idempotency keys and the author numbers, as far as they are loaded.
pub(crate) fn note_entry(recent: &mut Option<Recent>, authors: &mut Option<LastSeqs>, entry: &Entry) {
    if let Some(recent) = recent {
        recent.push(entry.seqno, entry.event.idempotency_key.as_ref());
    }
    if let (Some(authors), Some(author)) = (authors, &entry.author) {
        authors.note(author, false);
    }
}

/// What the last entries of a stream say about its state.
#[derive(Default)]
struct TailState {
    /// Known once an entry was seen that is possible only before, or only at, the close.
    closed: Option<bool>,
    last_seal: Option<u64>,
    erasures: Vec<(u64, u64)>,
}

impl TailState {
    fn observe(&mut self, entry: &Entry) {
        match &entry.event.detail {
            Some(Detail::StreamClosed { .. }) => self.closed = Some(true),
            Some(Detail::SegmentSealed(_)) => self.last_seal = Some(entry.seqno),
            Some(Detail::Erased { ranges, .. }) => self.erasures.extend(ranges),
            None | Some(Detail::StreamCreated { .. }) => self.closed = Some(false),
            _ => {}
        }
    }
}
