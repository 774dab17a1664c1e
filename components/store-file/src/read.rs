//! Answers from the file: an offset from the index, the line that stands there, and the check that it is
//! the row that was asked for.

use secure_log::store::{PAGE_BYTES, Row, RowKind, StoreError};
use secure_log::types::StreamId;

use crate::file::LogFile;
use crate::index::Index;
use crate::line::{Parsed, parse};
use crate::log::Log;
use crate::window::{Found, Window};

/// Read at once for a row that stands alone.
const ONE: usize = 4 << 10;
/// Read at once for rows that stand together.
const MANY: usize = 64 << 10;
/// Bytes of entries in one answer that has [`ROWS`] of them: they go through three hands before the next are read (read
/// here, copied, hashed), which costs a fifth less while they are in the processor's cache.
const ENOUGH: usize = 128 << 10;
/// Rows that are asked for together: the leaves of a tile.
const ROWS: usize = 256;
/// Offsets fetched at once.
const OFFSETS: usize = 1024;

/// What came of reading.
pub enum Answer<T> {
    /// The rows.
    Is(T),
    /// The index leads nowhere, or the file is damaged; says where.
    Lost(String),
}

/// Offset and line length of a row, and the row.
pub struct Stored {
    /// As it was appended.
    pub row: Row,
    /// Of its line.
    pub at: u64,
    /// Of its line, with the line feed.
    pub length: u64,
}

/// The file and what is known of it.
pub struct Reader<'a> {
    /// The log.
    pub file: &'a mut LogFile,
    /// Its state.
    pub log: &'a Log,
    /// Where its rows are.
    pub index: &'a mut Index,
    /// Forgotten by the caller between calls.
    pub window: &'a mut Window,
}

impl Reader<'_> {
    /// Row `index` of (kind, stream), which exists.
    pub fn one(&mut self, kind: RowKind, stream: &StreamId, index: u64) -> Result<Answer<Stored>, StoreError> {
        let lost = || Ok(Answer::Lost(place(kind, stream, index)));
        let Some((number, chain)) = self.log.chain(kind, stream) else { return lost() };
        let Some(&at) = self.index.offsets(number, chain, index, 1).first() else { return lost() };
        match self.at(at, kind, stream, index, true, ONE)? {
            Some((row, length)) => Ok(Answer::Is(Stored { row, at, length })),
            None => lost(),
        }
    }

    /// Rows from `start`, at most `limit` and [`PAGE_BYTES`], of entries about [`ENOUGH`]; at least one if there is one.
    pub fn page(
        &mut self,
        kind: RowKind,
        stream: &StreamId,
        start: u64,
        limit: usize,
        with_payload: bool,
    ) -> Result<Answer<Vec<Row>>, StoreError> {
        let mut page: Vec<Row> = Vec::new();
        let Some((number, chain)) = self.log.chain(kind, stream) else { return Ok(Answer::Is(page)) };
        let (mut bytes, mut index) = (0, start);
        'all: while page.len() < limit && index < chain.count {
            let offsets = self.index.offsets(number, chain, index, OFFSETS.min(limit - page.len()));
            for (n, &at) in offsets.iter().enumerate() {
                // Other rows than entries stand as far apart as the entries between them are long.
                let near = kind == RowKind::Entry
                    || offsets.get(n + 1).is_some_and(|next| next.wrapping_sub(at) < MANY as u64);
                let ahead = if near { MANY } else { ONE };
                let Some((row, _)) = self.at(at, kind, stream, index, with_payload, ahead)? else {
                    return Ok(Answer::Lost(place(kind, stream, index)));
                };
                let enough = if kind == RowKind::Entry && page.len() >= ROWS { ENOUGH } else { PAGE_BYTES };
                if bytes + row.bytes() > enough && !page.is_empty() {
                    break 'all;
                }
                bytes += row.bytes();
                page.push(row);
                index += 1;
            }
        }
        Ok(Answer::Is(page))
    }

    /// The row whose line stands at `at`, if it is the one of this place.
    fn at(
        &mut self,
        at: u64,
        kind: RowKind,
        stream: &StreamId,
        index: u64,
        with_payload: bool,
        ahead: usize,
    ) -> Result<Option<(Row, u64)>, StoreError> {
        if at == 0 || at >= self.log.end {
            return Ok(None);
        }
        let Found::Line(line) = self.window.line_at(self.file, at, ahead)? else { return Ok(None) };
        self.file.stats.lines_parsed += 1;
        match parse(line, Some(stream), with_payload) {
            Ok(Parsed::Row(row)) if row.kind == kind && row.index == index && row.stream_id == *stream => {
                Ok(Some((row, line.len() as u64 + 1)))
            }
            _ => Ok(None),
        }
    }
}

fn place(kind: RowKind, stream: &StreamId, index: u64) -> String {
    format!("{} row {index} of {stream} is not where it was written", kind.as_str())
}
