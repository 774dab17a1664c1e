//! The store in memory: the smallest thing that keeps the contract. For tests and for logs that die
//! with their process; `Synced` promises nothing beyond that.

use std::collections::BTreeMap;

use super::{MAX_BATCH_BYTES, MAX_BATCH_ROWS, PAGE_BYTES, Row, RowKind, Store, StoreError, Want};
use crate::types::{MAX_ENTRY, MAX_PAYLOAD, StreamId};

/// Rows in a map of vectors. `init` takes any non-empty config and keeps what was appended before.
#[derive(Clone, Debug, Default)]
pub struct MemStore {
    open: bool,
    rows: BTreeMap<(StreamId, RowKind), Vec<Row>>,
}

impl MemStore {
    /// An empty store, not yet initialised.
    pub fn new() -> MemStore {
        MemStore::default()
    }

    /// The stored rows of one kind, to look at and, in tests, to change behind the log's back.
    pub fn rows_mut(&mut self, kind: RowKind, stream: &StreamId) -> &mut Vec<Row> {
        self.rows.entry((stream.clone(), kind)).or_default()
    }

    fn kept(&self, kind: RowKind, stream: &StreamId) -> Result<&[Row], StoreError> {
        if !self.open {
            return Err(StoreError::NotInitialised);
        }
        Ok(self.rows.get(&(stream.clone(), kind)).map_or(&[], Vec::as_slice))
    }
}

/// The limits every store checks before it writes anything.
///
/// # Errors
/// `Invalid`, naming the row.
pub fn check_batch(rows: &[Row]) -> Result<(), StoreError> {
    if rows.len() > MAX_BATCH_ROWS {
        return Err(StoreError::Invalid(format!("{} rows in one append, at most {MAX_BATCH_ROWS}", rows.len())));
    }
    for row in rows {
        let payload = row.payload.as_ref().map_or(0, Vec::len);
        if row.body.len() > MAX_ENTRY || payload > MAX_PAYLOAD + 64 {
            return Err(StoreError::Invalid(format!(
                "{} row {} of {}: body {} bytes (at most {MAX_ENTRY}), payload {payload} bytes",
                row.kind.as_str(),
                row.index,
                row.stream_id,
                row.body.len()
            )));
        }
    }
    let bytes: usize = rows.iter().map(Row::bytes).sum();
    if bytes > MAX_BATCH_BYTES + MAX_ENTRY {
        return Err(StoreError::Invalid(format!("{bytes} bytes in one append, at most {MAX_BATCH_BYTES}")));
    }
    Ok(())
}

impl Store for MemStore {
    fn init(&mut self, config: &str) -> Result<(), StoreError> {
        self.open = !config.is_empty();
        if !self.open {
            return Err(StoreError::Invalid("config is empty".into()));
        }
        Ok(())
    }

    fn append(&mut self, rows: &[Row], _want: Want) -> Result<(), StoreError> {
        if !self.open {
            return Err(StoreError::NotInitialised);
        }
        check_batch(rows)?;
        let mut next: BTreeMap<(&StreamId, RowKind), u64> = BTreeMap::new();
        for row in rows {
            let stored = self.rows.get(&(row.stream_id.clone(), row.kind)).map_or(0, Vec::len) as u64;
            let expected = next.entry((&row.stream_id, row.kind)).or_insert(stored);
            if row.index != *expected {
                return Err(StoreError::Conflict);
            }
            *expected += 1;
        }
        for row in rows {
            self.rows.entry((row.stream_id.clone(), row.kind)).or_default().push(row.clone());
        }
        Ok(())
    }

    fn get(&mut self, kind: RowKind, stream: &StreamId, index: u64) -> Result<Option<Row>, StoreError> {
        let rows = self.kept(kind, stream)?;
        Ok(usize::try_from(index).ok().and_then(|index| rows.get(index)).cloned())
    }

    fn last(&mut self, kind: RowKind, stream: &StreamId) -> Result<Option<Row>, StoreError> {
        Ok(self.kept(kind, stream)?.last().cloned())
    }

    fn scan(
        &mut self,
        kind: RowKind,
        stream: &StreamId,
        start: u64,
        limit: u32,
        with_payload: bool,
    ) -> Result<Vec<Row>, StoreError> {
        let rows = self.kept(kind, stream)?;
        let start = usize::try_from(start).unwrap_or(usize::MAX).min(rows.len());
        let mut page = Vec::new();
        let mut bytes = 0;
        for row in rows[start..].iter().take(limit as usize) {
            let row = if with_payload { row.clone() } else { Row { payload: None, ..row.clone() } };
            bytes += row.bytes();
            if bytes > PAGE_BYTES && !page.is_empty() {
                break;
            }
            page.push(row);
        }
        Ok(page)
    }

    fn streams(&mut self, after: Option<&StreamId>, limit: u32) -> Result<Vec<StreamId>, StoreError> {
        if !self.open {
            return Err(StoreError::NotInitialised);
        }
        let with_entries = self.rows.iter().filter(|((_, kind), rows)| *kind == RowKind::Entry && !rows.is_empty());
        let ids = with_entries.map(|((stream, _), _)| stream).filter(|id| after.is_none_or(|after| *id > after));
        Ok(ids.take(limit as usize).cloned().collect())
    }

    fn erase(&mut self, kind: RowKind, stream: &StreamId, index: u64) -> Result<(), StoreError> {
        if !self.open {
            return Err(StoreError::NotInitialised);
        }
        let rows = self.rows.get_mut(&(stream.clone(), kind));
        match rows.and_then(|rows| rows.get_mut(usize::try_from(index).ok()?)) {
            Some(row) => row.payload = None,
            None => return Err(StoreError::Invalid(format!("no {} row {index} in {stream} to erase", kind.as_str()))),
        }
        Ok(())
    }
}
