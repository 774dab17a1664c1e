//! Erasing payloads: logged first, durable, then done; what a crash interrupted is finished at opening.

use super::append::{Ready, check_text};
use super::draft::Draft;
use super::{Environment, Log};
use crate::error::LogError;
use crate::store::{RowKind, Store, StoreError, Want};
use crate::types::{Detail, StreamId};

impl<S: Store, E: Environment> Log<S, E> {
    /// Erases the payloads of `first` to `last`: appends an `erased` entry, synced, then tells the store to
    /// drop each. Bodies, hashes and proofs stay. A crash after the entry: the next opening of the stream
    /// finishes. One store call for the entry, one a page to find the payloads, one for each of them.
    ///
    /// # Errors
    /// `Invalid`, `EntryNotFound` when `last` does not exist, `Conflict`, those of the store.
    pub fn erase_payload(&mut self, id: &StreamId, first: u64, last: u64, reason: &str) -> Result<(), LogError> {
        self.ready()?;
        check_text("the reason", reason)?;
        if first > last {
            return Err(LogError::Invalid(format!("first {first} is greater than last {last}")));
        }
        if last >= self.reach(id, last)?.0 {
            return Err(LogError::EntryNotFound);
        }
        self.retry(|log| {
            let moment = log.moment();
            let Some(stream) = log.streams.get(id) else { return Err(LogError::StreamNotFound) };
            let mut draft = Draft::new(stream, moment, 1);
            let detail = Detail::Erased { ranges: vec![(first, last)], reason: reason.to_owned() };
            draft.push(detail.into_event(), None, None)?;
            let ready = Ready::from(draft);
            log.write(id, ready, Want::Synced)
        })?;
        self.erase_range(id, first, last)
    }

    /// Does again what `erased` entries order that this instance read and did not write: their writer may have
    /// died over it, and erasing is idempotent. Where nothing may be written it is left to an instance that may:
    /// reading goes on, and the payloads are seen until then.
    pub(super) fn finish_erasures(&mut self, id: &StreamId, ranges: Vec<(u64, u64)>) -> Result<(), LogError> {
        match ranges.into_iter().try_for_each(|(first, last)| self.erase_range(id, first, last)) {
            Err(LogError::Store(StoreError::Denied(_))) => Ok(()),
            done => done,
        }
    }

    fn erase_range(&mut self, id: &StreamId, first: u64, last: u64) -> Result<(), LogError> {
        let mut next = first;
        while next <= last {
            let limit = u32::try_from(last - next).unwrap_or(u32::MAX).saturating_add(1).min(1024);
            let page = self.guard(|store| store.scan(RowKind::Entry, id, next, limit, true))?;
            let Some(end) = page.last().map(|row| row.index.saturating_add(1)) else { return Ok(()) };
            for row in page {
                if row.payload.is_some() && (next..=last).contains(&row.index) {
                    self.guard(|store| store.erase(RowKind::Entry, id, row.index))?;
                }
            }
            // A store that answers with rows from before would make this go round for ever.
            next = end.max(next + 1);
        }
        Ok(())
    }
}
