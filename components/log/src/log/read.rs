//! Reading entries back, each checked before it is handed on.

use super::stream::{Placed, broken, each_entry, finding, place, tampered};
use super::{Environment, Log, ReadEntry};
use crate::error::{FindingKind, LogError};
use crate::payload;
use crate::store::{RowKind, Store, full_page};
use crate::types::{Detail, Digest, StreamId};

/// Entries in one answer of `read_since`, at most, whatever was asked.
const MAX_READ: u32 = 10_000;

impl<S: Store, E: Environment> Log<S, E> {
    /// One entry: bytes, place, payload and the link of the next entry to it are checked. Two store calls.
    ///
    /// # Errors
    /// `EntryNotFound`, `StreamNotFound`, `Tampered`, those of the store.
    pub fn read(&mut self, id: &StreamId, seqno: u64) -> Result<ReadEntry, LogError> {
        let (size, _) = self.reach(id, seqno)?;
        if seqno >= size {
            return Err(LogError::EntryNotFound);
        }
        let Some(row) = self.guard(|store| store.get(RowKind::Entry, id, seqno))? else {
            return Err(tampered(id, seqno, FindingKind::EntryMissing, "the store does not give this entry"));
        };
        let read = checked(id, place(row, id, seqno)?)?;
        self.check_link(id, seqno, read.hash)?;
        Ok(read)
    }

    /// Entries from `start`, in order: at most `limit` (capped at 10,000) and about 1 MiB, at least one
    /// unless `start` is the end of the stream. One store call a page of the store's, one more at its end.
    ///
    /// # Errors
    /// `EntryNotFound` when `start` is beyond the end, `StreamNotFound`, `Tampered`, those of the store.
    pub fn read_since(&mut self, id: &StreamId, start: u64, limit: u32) -> Result<Vec<ReadEntry>, LogError> {
        let (size, _) = self.reach(id, start)?;
        if start > size {
            return Err(LogError::EntryNotFound);
        }
        let limit = limit.min(MAX_READ).min(u32::try_from(size - start).unwrap_or(u32::MAX));
        if limit == 0 {
            return Ok(Vec::new());
        }
        let rows = self.guard(|store| {
            full_page(start, limit, |start, limit| store.scan(RowKind::Entry, id, start, limit, true))
        })?;
        let mut page: Vec<ReadEntry> = Vec::with_capacity(rows.len());
        for (seqno, row) in (start..).zip(rows.into_iter().take(limit as usize)) {
            let read = checked(id, place(row, id, seqno)?)?;
            if page.last().is_some_and(|before| before.hash != read.entry.prev_entry_hash) {
                return Err(broken(id, seqno));
            }
            page.push(read);
        }
        let Some(last) = page.last() else {
            return Err(tampered(id, start, FindingKind::EntryMissing, "the store does not give this entry"));
        };
        let (seqno, hash) = (last.entry.seqno, last.hash);
        self.check_link(id, seqno, hash)?;
        Ok(page)
    }

    /// Re-reads `first` to `last` and checks bytes, hashes, links and payloads; the entry after `last`, if
    /// there is one, must link to it. A payload may be absent only if an `erased` entry names it.
    ///
    /// # Errors
    /// `Invalid`, `EntryNotFound` when `last` does not exist, `Tampered` with the first bad seqno.
    pub fn verify_chain(&mut self, id: &StreamId, first: u64, last: u64) -> Result<(), LogError> {
        if first > last {
            return Err(LogError::Invalid(format!("first {first} is greater than last {last}")));
        }
        let (size, _) = self.reach(id, last)?;
        if last >= size {
            return Err(LogError::EntryNotFound);
        }
        let mut missing = Ranges::default();
        let mut before: Option<Digest> = if first == 0 { Some(Digest::ZERO) } else { None };
        let start = first.saturating_sub(1);
        let walked = each_entry(&mut self.store, id, (start, last + 1), true, |placed| {
            let seqno = placed.entry.seqno;
            if before.is_some_and(|before| before != placed.entry.prev_entry_hash) {
                return Err(broken(id, seqno));
            }
            before = Some(placed.hash);
            if seqno >= first && absent(&placed) {
                missing.add(seqno);
            }
            checked(id, placed).map(drop)
        });
        walked.map_err(|error| self.failed(error))?;
        if let Some(hash) = before {
            self.check_link(id, last, hash)?;
        }
        if !missing.is_empty() {
            let walked = each_entry(&mut self.store, id, (first, size), false, |placed| {
                if let Some(Detail::Erased { ranges, .. }) = &placed.entry.event.detail {
                    ranges.iter().for_each(|range| missing.remove(*range));
                }
                Ok(())
            });
            walked.map_err(|error| self.failed(error))?;
        }
        match missing.first() {
            None => Ok(()),
            Some(range) => {
                let why = "no erased entry names these payloads";
                Err(LogError::Tampered(finding(id, range, FindingKind::PayloadMissing, why)))
            }
        }
    }

    /// Size and last hash, as fresh as needed to know whether `seqno` exists.
    pub(super) fn reach(&mut self, id: &StreamId, seqno: u64) -> Result<(u64, Digest), LogError> {
        let known = self.known(id)?.map(|stream| (stream.tip.size(), stream.tip.last_hash));
        match known {
            None => Err(LogError::StreamNotFound),
            Some((size, hash)) if seqno < size => Ok((size, hash)),
            Some(_) => self.fresh(id).map(|stream| (stream.tip.size(), stream.tip.last_hash)),
        }
    }

    /// The entry after `seqno` must link to `hash`; the last one must be the one this instance knows.
    fn check_link(&mut self, id: &StreamId, seqno: u64, hash: Digest) -> Result<(), LogError> {
        let (size, last_hash) = self.reach(id, seqno)?;
        if seqno + 1 == size {
            return if hash == last_hash { Ok(()) } else { Err(broken(id, seqno)) };
        }
        let page = self.guard(|store| store.scan(RowKind::Entry, id, seqno + 1, 1, false))?;
        let Some(next) = page.into_iter().next() else {
            return Err(tampered(id, seqno + 1, FindingKind::EntryMissing, "the store does not give this entry"));
        };
        match place(next, id, seqno + 1)?.entry.prev_entry_hash == hash {
            true => Ok(()),
            false => Err(broken(id, seqno + 1)),
        }
    }
}

/// A producer's payload that the store does not give.
pub(crate) fn absent(placed: &Placed) -> bool {
    placed.entry.event.payload.is_some() && placed.payload.is_none()
}

/// Checks the payload of an entry against its commitment.
///
/// # Errors
/// `Tampered` with `PayloadAltered`.
pub(crate) fn checked(id: &StreamId, placed: Placed) -> Result<ReadEntry, LogError> {
    let Placed { entry, hash, payload } = placed;
    let altered = |why: &str| tampered(id, entry.seqno, FindingKind::PayloadAltered, why);
    let (payload, salt) = match (&entry.event.payload, payload) {
        (_, None) => (None, None),
        (None, Some(_)) => return Err(altered("a payload where none was logged")),
        (Some(reference), Some(mut stored)) => match payload::open(reference, &stored) {
            None => return Err(altered("the payload does not open its commitment")),
            Some((salt, _)) => {
                let salt = *salt;
                stored.drain(..salt.len());
                (Some(stored), Some(salt))
            }
        },
    };
    Ok(ReadEntry { entry, hash, payload, salt })
}

/// A set of seqnos as disjoint ranges. Memory grows with the number of separate ranges, not of seqnos.
#[derive(Default)]
pub(crate) struct Ranges(std::collections::BTreeMap<u64, u64>);

impl Ranges {
    /// Adds a seqno greater than every one in the set.
    pub fn add(&mut self, seqno: u64) {
        match self.0.last_entry() {
            Some(mut entry) if *entry.get() + 1 == seqno => *entry.get_mut() = seqno,
            _ => drop(self.0.insert(seqno, seqno)),
        }
    }

    /// Removes `first` to `last`, both included.
    pub fn remove(&mut self, (first, last): (u64, u64)) {
        loop {
            let overlap = self.0.range(..=last).next_back().map(|(start, end)| (*start, *end));
            let Some((start, end)) = overlap.filter(|(_, end)| *end >= first) else { return };
            self.0.remove(&start);
            if start < first {
                self.0.insert(start, first - 1);
            }
            if end > last {
                self.0.insert(last + 1, end);
            }
        }
    }

    /// The lowest range.
    pub fn first(&self) -> Option<(u64, u64)> {
        self.0.first_key_value().map(|(start, end)| (*start, *end))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_hold_what_was_added_and_not_removed() {
        let mut ranges = Ranges::default();
        (0..10).chain(20..30).for_each(|seqno| ranges.add(seqno));
        ranges.remove((5, 22));
        assert_eq!(ranges.0.iter().map(|(a, b)| (*a, *b)).collect::<Vec<_>>(), [(0, 4), (23, 29)]);
        ranges.remove((25, 25));
        assert_eq!(ranges.0.iter().map(|(a, b)| (*a, *b)).collect::<Vec<_>>(), [(0, 4), (23, 24), (26, 29)]);
        ranges.remove((0, 100));
        assert!(ranges.is_empty());
    }
}
