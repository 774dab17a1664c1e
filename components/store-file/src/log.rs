//! What is known of the file: how many rows each (kind, stream) has, where the newest of them stand, and
//! where the next append goes. Not here: reading and writing.
//!
//! Invariants, which [`Log::apply`] keeps:
//! 1. `end` is the offset behind the last commit line, `commits` that commit's number plus one.
//! 2. A chain's row `i` stands at `recent[i - saved]` if `i >= saved`, else the sidecar index has it.
//! 3. `last` is what `check` of the last commit line covers, unless there is damage.

use std::collections::{BTreeMap, HashMap};

use secure_log::store::{Row, RowKind};
use secure_log::types::StreamId;

use crate::line::{Check, Commit, Covered, HEADER, Intent, tail_sum};

/// The rows of one (kind, stream).
#[derive(Debug)]
pub struct Chain {
    /// Of all its rows.
    pub kind: RowKind,
    /// Of all its rows.
    pub stream_id: StreamId,
    /// Rows; the next index.
    pub count: u64,
    /// Rows whose offsets the sidecar index holds.
    pub saved: u64,
    /// Offsets of the others; 0: damaged.
    pub recent: Vec<u64>,
}

/// State of the file as far as it has been read.
#[derive(Debug)]
pub struct Log {
    /// Behind the last commit line.
    pub end: u64,
    /// Commits so far.
    pub commits: u64,
    /// Everything before this offset is known to be durable.
    pub durable: u64,
    /// What the last commit's `check` covers: the sidecar index is held to it.
    pub last: Covered,
    /// In order of their first row, so that every instance numbers them alike.
    pub chains: Vec<Chain>,
    by_place: BTreeMap<(StreamId, RowKind), usize>,
    /// Length of all `recent` together.
    pub unsaved: usize,
    /// The intent that is the last append: it may not be carried out yet.
    pub intent: Option<Intent>,
    /// Why nothing may be written any more.
    pub damage: Option<String>,
}

/// An append while it is read or made: rows, or one intent.
#[derive(Default)]
pub struct Block {
    lines: u64,
    runs: Vec<Run>,
    intent: Option<Intent>,
    /// Over all lines so far.
    pub check: Check,
}

/// Neighbours of one chain, and where their lines stand.
struct Run {
    kind: RowKind,
    stream_id: StreamId,
    first: u64,
    offsets: Vec<u64>,
}

impl Run {
    fn end(&self) -> u64 {
        self.first.saturating_add(self.offsets.len() as u64)
    }

    fn goes_on_with(&self, row: &Row) -> bool {
        self.kind == row.kind && self.stream_id == row.stream_id && self.end() == row.index
    }
}

impl Default for Log {
    /// A file of nothing but its first line.
    fn default() -> Log {
        Log {
            end: HEADER.len() as u64,
            commits: 0,
            durable: HEADER.len() as u64,
            last: Covered::default(),
            chains: Vec::new(),
            by_place: BTreeMap::new(),
            unsaved: 0,
            intent: None,
            damage: None,
        }
    }
}

impl Block {
    /// Lines so far.
    pub fn lines(&self) -> u64 {
        self.lines
    }

    /// Whether it has rows or one intent. No writer makes anything else, of which there could be more to keep.
    pub fn is_of_one_sort(&self) -> bool {
        self.intent.is_none() || self.lines == 1
    }

    /// Adds a row whose line stands at `offset`.
    pub fn row(&mut self, row: &Row, offset: u64) {
        self.lines += 1;
        self.check.row(row);
        match self.runs.last_mut() {
            Some(run) if run.goes_on_with(row) => run.offsets.push(offset),
            _ => {
                let stream_id = row.stream_id.clone();
                self.runs.push(Run { kind: row.kind, stream_id, first: row.index, offsets: vec![offset] });
            }
        }
    }

    /// Adds an intent.
    pub fn erase(&mut self, intent: Intent) {
        self.lines += 1;
        self.check.erase(&intent);
        self.intent = Some(intent);
    }
}

impl Log {
    /// The chain of (kind, stream), if it has rows.
    pub fn chain(&self, kind: RowKind, stream: &StreamId) -> Option<(usize, &Chain)> {
        let number = *self.by_place.get(&(stream.clone(), kind))?;
        Some((number, &self.chains[number]))
    }

    /// Rows of (kind, stream).
    pub fn count(&self, kind: RowKind, stream: &StreamId) -> u64 {
        self.chain(kind, stream).map_or(0, |(_, chain)| chain.count)
    }

    /// Streams with entries, in byte order, after `after`.
    pub fn streams(&self, after: Option<&StreamId>, limit: usize) -> Vec<StreamId> {
        use std::ops::Bound;
        // The key kind is the greatest, so this steps over every chain of `after`.
        let start = after.map_or(Bound::Unbounded, |after| Bound::Excluded((after.clone(), RowKind::Key)));
        let all = self.by_place.range((start, Bound::Unbounded));
        let with_entries = all.filter(|((_, kind), number)| *kind == RowKind::Entry && self.chains[**number].count > 0);
        with_entries.map(|((stream, _), _)| stream.clone()).take(limit).collect()
    }

    /// The number of (kind, stream), which gets one if it has none.
    pub fn number(&mut self, kind: RowKind, stream: &StreamId) -> usize {
        let next = self.chains.len();
        let number = *self.by_place.entry((stream.clone(), kind)).or_insert(next);
        if number == next {
            self.chains.push(Chain { kind, stream_id: stream.clone(), count: 0, saved: 0, recent: Vec::new() });
        }
        number
    }

    /// The commit line that closes `block` as the next append, and what its `check` covers.
    pub fn closing(&self, block: &Block) -> Option<(Commit, Covered)> {
        let covered = Covered { rows: block.check.finish(), tails: self.tails_with(block)?, at: self.end };
        let durable = Some(self.durable).filter(|durable| *durable < self.end);
        let commit = Commit { n: self.commits, rows: block.lines(), durable, check: covered.check() };
        Some((commit, covered))
    }

    /// The tails after `block`; `None` if its rows are not the next of their chains.
    fn tails_with(&self, block: &Block) -> Option<u64> {
        let mut next: HashMap<(RowKind, &StreamId), u64> = HashMap::new();
        for run in &block.runs {
            let place = next.entry((run.kind, &run.stream_id));
            let expected = place.or_insert_with(|| self.count(run.kind, &run.stream_id));
            if run.first != *expected {
                return None;
            }
            *expected = run.end();
        }
        let change = next.iter().fold(0u64, |sum, ((kind, stream), count)| {
            let before = tail_sum(*kind, stream, self.count(*kind, stream));
            sum.wrapping_add(tail_sum(*kind, stream, *count)).wrapping_sub(before)
        });
        Some(self.last.tails.wrapping_add(change))
    }

    /// Takes over an append whose commit line is checked and ends at `end`.
    pub fn apply(&mut self, block: Block, commit: &Commit, covered: Covered, end: u64) {
        for run in block.runs {
            let number = self.number(run.kind, &run.stream_id);
            let chain = &mut self.chains[number];
            chain.count = run.end();
            chain.recent.extend(&run.offsets);
            self.unsaved += run.offsets.len();
        }
        self.last = covered;
        self.passed(block.intent, commit, end);
    }

    /// Takes over what is readable of a damaged append whose commit line is good. Rows that are missing
    /// get offset 0; their number, over all rows, is bounded by the bytes in which they could have stood.
    pub fn salvage(&mut self, block: Block, commit: &Commit, end: u64) {
        const SHORTEST_LINE: u64 = 64;
        let intent = if block.is_of_one_sort() { block.intent } else { None };
        let mut room = end.saturating_sub(self.end) / SHORTEST_LINE;
        for run in block.runs {
            let before = self.count(run.kind, &run.stream_id);
            let new = usize::try_from(before.saturating_sub(run.first)).ok().and_then(|known| run.offsets.get(known..));
            let Some(new) = new.filter(|new| !new.is_empty()) else { continue };
            let missing = run.first.saturating_sub(before);
            if missing > room {
                continue;
            }
            room -= missing;
            let number = self.number(run.kind, &run.stream_id);
            let chain = &mut self.chains[number];
            chain.recent.extend((0..missing).map(|_| 0));
            chain.recent.extend(new);
            chain.count = run.end();
            self.unsaved += missing as usize + new.len();
        }
        self.passed(intent, commit, end);
    }

    fn passed(&mut self, intent: Option<Intent>, commit: &Commit, end: u64) {
        self.intent = intent;
        // No append begins before the end of the one before.
        self.durable = self.durable.max(commit.durable.unwrap_or(self.end).min(end));
        self.end = end;
        self.commits = commit.n.saturating_add(1);
    }
}
