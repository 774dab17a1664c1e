//! The end of a pass: whether it is one, in a log that others write to, and what may stand behind the last entry.

use super::Pass;
use super::rows::Rows;
use crate::error::{FindingKind, LogError};
use crate::log::stream::finding;
use crate::store::{RowKind, Store, StoreError, Want};

impl<S: Store> Pass<'_, S> {
    /// Whether the store has entries behind those read. Then what stands behind them may be theirs.
    pub(super) fn grew(&mut self) -> Result<bool, LogError> {
        self.told = self.store.last(RowKind::Entry, self.id)?.map_or(0, |row| row.index.saturating_add(1));
        if self.told <= self.tip.size() {
            return Ok(false);
        }
        self.segments.resume();
        self.nodes.iter_mut().for_each(Rows::resume);
        self.cosignatures.resume();
        self.last_signed = None;
        self.late_checkpoint()?;
        Ok(true)
    }

    /// All entries were seen: there are as many as there must be.
    pub(super) fn long_enough(&self) -> Result<(), LogError> {
        let size = self.tip.size();
        if size == 0 && self.head.is_none() {
            return Err(LogError::StreamNotFound);
        }
        if let Some(head) = self.head.filter(|head| head.size > size) {
            let why = "the store is behind the remembered head";
            let range = (size, head.size - 1);
            return Err(LogError::Rollback(finding(self.id, range, FindingKind::RolledBack, why)));
        }
        if let Some(known) = self.known.filter(|known| known.size > size) {
            let why = "the store gave these entries before";
            let range = (size, known.size - 1);
            // To the pass before this one it showed another history.
            let kind = if self.until.is_some() { FindingKind::Forked } else { FindingKind::Truncated };
            return Err(LogError::Tampered(finding(self.id, range, kind, why)));
        }
        Ok(())
    }

    /// Judges the rows that no entry accounts for; whether the log grew meanwhile, and they may be those of new ones.
    pub(super) fn leftovers(&mut self) -> Result<bool, LogError> {
        if let Some(row) = self.checkpoints.peek(self.store)?.cloned() {
            return match self.grew()? {
                true => Ok(true),
                false => Err(self.leftover_checkpoint(&row)),
            };
        }
        let mut extra = None;
        for rows in std::iter::once(&mut self.segments).chain(&mut self.nodes) {
            if let Some(row) = rows.peek(self.store)? {
                extra = Some(format!("{} row {} stands for nothing", row.kind.as_str(), row.index));
                break;
            }
        }
        let Some(why) = extra else { return Ok(false) };
        let grew = self.grew()?;
        if !grew {
            self.cache_wrong(why);
        }
        Ok(grew)
    }

    /// What can only be judged when all entries were seen.
    pub(super) fn end(&mut self) -> Result<(), LogError> {
        let fault = |range, kind, why: String| Err(LogError::Tampered(finding(self.id, range, kind, why)));
        if let Some(range) = self.missing.first() {
            return fault(range, FindingKind::PayloadMissing, "no erased entry names these payloads".into());
        }
        self.leftover_cosignatures()?;
        if let Some(fault) = self.cache_fault.take() {
            return Err(LogError::Tampered(fault));
        }
        // A store that found itself damaged refuses every write, this empty one as well: all entries are in
        // order, and still something stands in the storage that was not logged.
        match self.store.append(&[], Want::Synced) {
            Err(StoreError::Corrupt(why)) => {
                let last = self.tip.size().max(1) - 1;
                fault((last, last), FindingKind::EntryInserted, why)
            }
            _ => Ok(()),
        }
    }
}
