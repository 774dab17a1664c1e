//! Rows of one kind read forward, a page at a time, beside the entries.

use std::collections::VecDeque;

use crate::error::{FindingKind, LogError};
use crate::log::stream::{PAGE_ROWS, finding};
use crate::store::{Row, RowKind, Store};
use crate::types::StreamId;

/// A cursor over the rows of one (kind, stream). Rows come in order of index; one that is skipped shows in
/// the index of the next, which the caller compares.
pub(super) struct Rows {
    kind: RowKind,
    stream: StreamId,
    next: u64,
    page: VecDeque<Row>,
    ended: bool,
}

impl Rows {
    pub fn new(kind: RowKind, stream: StreamId) -> Rows {
        Rows { kind, stream, next: 0, page: VecDeque::new(), ended: false }
    }

    /// The next row, without taking it.
    pub fn peek<S: Store>(&mut self, store: &mut S) -> Result<Option<&Row>, LogError> {
        if self.page.is_empty() && !self.ended {
            let page = store.scan(self.kind, &self.stream, self.next, PAGE_ROWS, false)?;
            self.ended = page.is_empty();
            self.page = page.into();
        }
        let Some(row) = self.page.front() else { return Ok(None) };
        if row.kind != self.kind || row.stream_id != self.stream || row.index < self.next {
            let why = format!("the store answered {} {} of {}", row.kind.as_str(), row.index, row.stream_id);
            return Err(LogError::Tampered(finding(&self.stream, (0, 0), FindingKind::NodeWrong, why)));
        }
        Ok(Some(row))
    }

    /// Asks the store again for what comes next, though it had nothing more before.
    pub fn resume(&mut self) {
        self.ended = false;
    }

    /// Goes on at `index`.
    pub fn skip_to(&mut self, index: u64) {
        self.page.clear();
        (self.next, self.ended) = (index, false);
    }

    /// Takes the next row.
    pub fn next<S: Store>(&mut self, store: &mut S) -> Result<Option<Row>, LogError> {
        self.peek(store)?;
        let row = self.page.pop_front();
        if let Some(row) = &row {
            self.next = row.index.saturating_add(1);
        }
        Ok(row)
    }
}
