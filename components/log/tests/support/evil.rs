//! A store that lies, in one way each, from a moment on that the test chooses.
//!
//! It keeps its rows in a [`MemStore`]; a lie is in what it answers, or in what it does with what it is given. A steady
//! lie is told at every chance, a flickering one at about every other, so that two answers to one question differ.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use secure_log::encode::{encode_cosignature, encode_uint};
use secure_log::merkle::leaf_hash;
use secure_log::note::{Checkpoint, Note, note_line};
use secure_log::signer::Algorithm;
use secure_log::store::{MemStore, Row, RowKind, Store, StoreError, Want};
use secure_log::types::{Digest, MAX_ENTRY, StreamId};

use crate::support::{FixedKey, LOG_NAME};

macro_rules! lies {
    ($($lie:ident = $name:literal,)*) => {
        /// One way of lying.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Lie { $(#[doc = $name] $lie,)* }
        impl Lie {
            pub const ALL: &[(Lie, &str)] = &[$((Lie::$lie, $name),)*];
        }
    };
}

lies! {
    OmitsRow = "a page leaves out a row in its middle",
    EmptyPages = "every page is empty",
    ShortPages = "every page has one row",
    RepeatsRow = "a page has a row twice",
    SwapsRows = "a page has two rows in each other's place",
    IgnoresStart = "a page begins at row 0 whatever was asked",
    HugePages = "a page has ten times as many rows as the limit",
    FirstRowForEver = "every page is row 0, again and again",
    WrongKind = "rows say they are of another kind",
    WrongIndex = "rows say they stand one further",
    GreatestIndex = "rows say they stand at 2^64-1",
    OthersRows = "rows of the other stream, as they are",
    OthersRelabelled = "rows of the other stream under this stream's name",
    NeighbourRelabelled = "the row before, under the index asked for",
    BodyFlipped = "a bit of a body is flipped",
    BodyCut = "a body ends too early",
    BodyEmpty = "bodies are empty",
    BodyHuge = "bodies of a MiB",
    PayloadOfNeighbour = "payloads are those of the entry before",
    PayloadCut = "payloads end too early",
    PayloadWithheld = "payloads are not given",
    PayloadInvented = "payloads where none were logged",
    RowsWithheld = "get finds nothing",
    LastWithheld = "last finds nothing",
    LastBefore = "last is the row before the last",
    LastFirst = "last is row 0",
    LastEver = "last is further at every question",
    StaleAnswers = "every answer is that of the moment the lie began",
    StaleEntries = "entries are those of the moment the lie began, all else is new",
    AcceptsAndDrops = "an append is answered and not done",
    AcceptsInPart = "an append stores all rows but the last",
    StoresAltered = "an append stores one flipped bit",
    StoresSwapped = "an append stores two rows in each other's place",
    ConflictAlways = "an append is always a conflict",
    ConflictAfterCommit = "an append is done and answered as a conflict",
    LostAnswer = "an append is done and its answer lost",
    NeverReached = "an append is not done and its answer lost",
    FailsAfterCommit = "an append is done and answered as failed",
    FailsAndGoesOn = "an append fails, and the next calls work as if nothing was",
    SaysCorrupt = "every read is answered as corrupt",
    SaysDenied = "every read is denied",
    ForgetsInit = "calls are answered as before init",
    StreamsWithheld = "no streams are listed",
    StreamsRepeated = "streams are listed twice",
    StreamsUnsorted = "streams are listed backwards",
    StreamsInvented = "a stream is listed that never was",
    StreamsEndless = "the first stream is listed a hundred thousand times",
    SegmentsWrong = "segment rows name an earlier entry",
    SegmentsWithheld = "there are no segment rows",
    CheckpointOfAnother = "a checkpoint is that of segment 0",
    CheckpointForged = "checkpoints are by a key of the store's own",
    CheckpointsWithheld = "there are no checkpoints",
    NodesWrong = "node rows are other hashes",
    NodesWithheld = "there are no node rows",
    CosignaturesWrong = "cosignature rows are noise of segment 0",
    CosignaturesAhead = "cosignature rows are of a segment to come",
    ErasesNothing = "an erasure is answered and not done",
    ErasesNeighbour = "an erasure is of the entry after",
    ErasesMore = "an erasure is of every entry",
}

impl Lie {
    /// Whether what the store keeps is what it was given, so that one who looks with his own eyes finds all whole.
    pub fn keeps_truth(self) -> bool {
        use Lie::*;
        !matches!(self, AcceptsAndDrops | AcceptsInPart | StoresAltered | StoresSwapped | ErasesNeighbour | ErasesMore)
    }
}

/// As many handles as clones.
#[derive(Clone, Default)]
pub struct Evil(pub Rc<RefCell<State>>);

#[derive(Default)]
pub struct State {
    pub rows: MemStore,
    /// As it was when the lie began.
    then: MemStore,
    lie: Option<Lie>,
    flickers: bool,
    random: u64,
    /// Calls, and rows answered, of a page no more than were asked for.
    pub calls: u64,
    pub given: u64,
    /// Bodies of entries by their hash: what the log itself wrote, and what it was ever told.
    pub written: HashMap<Digest, Vec<u8>>,
    pub told: HashMap<Digest, Vec<u8>>,
}

impl Evil {
    /// From now on.
    pub fn lie(&self, lie: Lie, flickers: bool, seed: u64) {
        let state = &mut *self.0.borrow_mut();
        (state.then, state.lie, state.flickers, state.random) = (state.rows.clone(), Some(lie), flickers, seed | 1);
    }
}

impl State {
    fn random(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random
    }

    /// The lie, if it is to be told now.
    fn now(&mut self) -> Option<Lie> {
        self.calls += 1;
        let lie = self.lie?;
        (!self.flickers || self.random() & 0x10 == 0).then_some(lie)
    }

    /// What keeps a call from being answered at all.
    fn refusal(lie: Option<Lie>) -> Result<(), StoreError> {
        match lie {
            Some(Lie::SaysCorrupt) => Err(StoreError::Corrupt("row 3 is damaged".into())),
            Some(Lie::SaysDenied) => Err(StoreError::Denied("token".into())),
            Some(Lie::ForgetsInit) => Err(StoreError::NotInitialised),
            _ => Ok(()),
        }
    }

    fn from_then(lie: Option<Lie>, kind: RowKind) -> bool {
        lie == Some(Lie::StaleAnswers) || lie == Some(Lie::StaleEntries) && kind == RowKind::Entry
    }

    fn withheld(lie: Option<Lie>, kind: RowKind) -> bool {
        match lie {
            Some(Lie::SegmentsWithheld) => kind == RowKind::Segment,
            Some(Lie::CheckpointsWithheld) => kind == RowKind::Checkpoint,
            Some(Lie::NodesWithheld) => kind == RowKind::Node1,
            _ => false,
        }
    }

    fn give(&mut self, lie: Option<Lie>, row: Row, with_payload: bool) -> Row {
        let row = self.twist(lie, row, with_payload);
        self.given += 1;
        if row.kind == RowKind::Entry && row.body.len() <= MAX_ENTRY {
            self.told.insert(leaf_hash(&row.body), row.body.clone());
        }
        row
    }

    /// The row as the lie has it.
    fn twist(&mut self, lie: Option<Lie>, mut row: Row, with_payload: bool) -> Row {
        let Some(lie) = lie else { return row };
        let (kind, index, entry) = (row.kind, row.index, row.kind == RowKind::Entry);
        let other = StreamId::try_from(if row.stream_id.as_str() == OTHER { crate::support::STREAM } else { OTHER });
        let other = other.unwrap();
        let at = |rows: &mut MemStore, stream: &StreamId, index: u64| rows.get(kind, stream, index).ok().flatten();
        let before = at(&mut self.rows, &row.stream_id, index.saturating_sub(1));
        match lie {
            Lie::WrongKind => row.kind = if entry { RowKind::Node1 } else { RowKind::Entry },
            Lie::WrongIndex => row.index += 1,
            Lie::GreatestIndex => row.index = u64::MAX,
            Lie::OthersRows => row = at(&mut self.rows, &other, index).unwrap_or(row),
            Lie::OthersRelabelled => {
                row = Row { stream_id: row.stream_id.clone(), ..at(&mut self.rows, &other, index).unwrap_or(row) }
            }
            Lie::NeighbourRelabelled => row = Row { index, ..before.unwrap_or(row) },
            Lie::BodyFlipped if !row.body.is_empty() => {
                let at = self.random() as usize % row.body.len();
                row.body[at] ^= 1 << (at % 8);
            }
            Lie::BodyCut => row.body.truncate(row.body.len() - 1),
            Lie::BodyEmpty => row.body.clear(),
            Lie::BodyHuge => row.body.resize(1 << 20, 0),
            Lie::PayloadOfNeighbour if entry && with_payload => row.payload = before.and_then(|row| row.payload),
            Lie::PayloadCut => row.payload = row.payload.map(|payload| payload[..payload.len() - 1].to_vec()),
            Lie::PayloadWithheld => row.payload = None,
            Lie::PayloadInvented if with_payload => row.payload = Some(vec![7; 20]),
            Lie::SegmentsWrong if kind == RowKind::Segment => row.body = encode_uint(1),
            Lie::CheckpointOfAnother if kind == RowKind::Checkpoint => {
                row.body = at(&mut self.rows, &row.stream_id, 0).unwrap().body;
            }
            Lie::CheckpointForged if kind == RowKind::Checkpoint => row.body = forged(&row),
            Lie::NodesWrong if kind == RowKind::Node1 => row.body = vec![7; 32],
            Lie::CosignaturesWrong if kind == RowKind::Cosignature => {
                row.body = encode_cosignature(0, "\u{2014} x AAAA")
            }
            Lie::CosignaturesAhead if kind == RowKind::Cosignature => {
                row.body = encode_cosignature(1 << 40, "\u{2014} nobody AAAAAAAA");
            }
            _ => {}
        }
        row
    }
}

/// The stream beside the usual one.
pub const OTHER: &str = "other";

/// The text of this checkpoint under a key that nobody pinned.
fn forged(row: &Row) -> Vec<u8> {
    let note = Note::parse(std::str::from_utf8(&row.body).unwrap()).unwrap();
    let key = FixedKey::seeded(Algorithm::Ed25519, 66);
    let origin = format!("{LOG_NAME}/{}", row.stream_id);
    let checkpoint = Checkpoint { root: Digest([6; 32]), ..Checkpoint::parse(note.text()).unwrap() }.to_text();
    let line = note_line(&key.vkey(&origin), &key.sign_note(checkpoint.as_bytes()));
    Note::new(&checkpoint, vec![line]).unwrap().to_string().into_bytes()
}

impl Store for Evil {
    fn init(&mut self, config: &str) -> Result<(), StoreError> {
        self.0.borrow_mut().rows.init(config)
    }

    fn append(&mut self, rows: &[Row], want: Want) -> Result<(), StoreError> {
        let state = &mut *self.0.borrow_mut();
        let lie = state.now();
        State::refusal(lie)?;
        for row in rows.iter().filter(|row| row.kind == RowKind::Entry) {
            state.written.insert(leaf_hash(&row.body), row.body.clone());
        }
        let mut rows = rows.to_vec();
        match lie {
            Some(Lie::AcceptsAndDrops) => return Ok(()),
            Some(Lie::AcceptsInPart) => drop(rows.pop()),
            Some(Lie::StoresAltered) => {
                let at = state.random() as usize;
                if let Some(body) = rows.iter_mut().map(|row| &mut row.body).find(|body| !body.is_empty()) {
                    let place = at % body.len();
                    body[place] ^= 1;
                }
            }
            Some(Lie::StoresSwapped) if rows.len() > 1 => {
                let body = std::mem::take(&mut rows[0].body);
                rows[0].body = std::mem::replace(&mut rows[1].body, body);
            }
            Some(Lie::ConflictAlways) => return Err(StoreError::Conflict),
            Some(Lie::NeverReached) => return Err(StoreError::Unavailable("timeout".into())),
            Some(Lie::FailsAndGoesOn) => return Err(StoreError::Io("disk".into())),
            _ => {}
        }
        state.rows.append(&rows, want)?;
        match lie {
            Some(Lie::ConflictAfterCommit) => Err(StoreError::Conflict),
            Some(Lie::LostAnswer) => Err(StoreError::Unavailable("timeout".into())),
            Some(Lie::FailsAfterCommit) => Err(StoreError::NoSpace),
            _ => Ok(()),
        }
    }

    fn get(&mut self, kind: RowKind, stream: &StreamId, index: u64) -> Result<Option<Row>, StoreError> {
        let state = &mut *self.0.borrow_mut();
        let lie = state.now();
        State::refusal(lie)?;
        let rows = if State::from_then(lie, kind) { &mut state.then } else { &mut state.rows };
        let row = rows.get(kind, stream, index)?;
        if lie == Some(Lie::RowsWithheld) || State::withheld(lie, kind) {
            return Ok(None);
        }
        Ok(row.map(|row| state.give(lie, row, true)))
    }

    fn last(&mut self, kind: RowKind, stream: &StreamId) -> Result<Option<Row>, StoreError> {
        let state = &mut *self.0.borrow_mut();
        let lie = state.now();
        State::refusal(lie)?;
        let rows = if State::from_then(lie, kind) { &mut state.then } else { &mut state.rows };
        let Some(mut row) = rows.last(kind, stream)? else { return Ok(None) };
        match lie {
            Some(Lie::LastWithheld) => return Ok(None),
            Some(Lie::LastBefore) => row = rows.get(kind, stream, row.index.saturating_sub(1))?.unwrap_or(row),
            Some(Lie::LastFirst) => row = rows.get(kind, stream, 0)?.unwrap_or(row),
            Some(Lie::LastEver) => row.index += state.calls,
            _ if State::withheld(lie, kind) => return Ok(None),
            _ => {}
        }
        Ok(Some(state.give(lie, row, true)))
    }

    fn scan(
        &mut self,
        kind: RowKind,
        stream: &StreamId,
        start: u64,
        limit: u32,
        with_payload: bool,
    ) -> Result<Vec<Row>, StoreError> {
        let state = &mut *self.0.borrow_mut();
        let lie = state.now();
        State::refusal(lie)?;
        let rows = if State::from_then(lie, kind) { &mut state.then } else { &mut state.rows };
        let start = if matches!(lie, Some(Lie::IgnoresStart | Lie::FirstRowForEver)) { 0 } else { start };
        let mut page = rows.scan(kind, stream, start, limit, with_payload)?;
        let middle = page.len() / 2;
        match lie {
            Some(Lie::OmitsRow) if !page.is_empty() => drop(page.remove(middle)),
            Some(Lie::EmptyPages) => page.clear(),
            Some(Lie::ShortPages | Lie::FirstRowForEver) => page.truncate(1),
            Some(Lie::RepeatsRow) if !page.is_empty() => page.insert(middle, page[middle].clone()),
            Some(Lie::SwapsRows) if page.len() > 1 => page.swap(middle, middle - 1),
            Some(Lie::BodyHuge) => page.truncate(2),
            _ if State::withheld(lie, kind) => page.clear(),
            _ => {}
        }
        let mut page: Vec<Row> = page.into_iter().map(|row| state.give(lie, row, with_payload)).collect();
        if let (Some(Lie::HugePages), Some(row)) = (lie, page.last().cloned()) {
            page.resize(limit.min(4096) as usize * 10, row);
        }
        Ok(page)
    }

    fn streams(&mut self, after: Option<&StreamId>, limit: u32) -> Result<Vec<StreamId>, StoreError> {
        let state = &mut *self.0.borrow_mut();
        let lie = state.now();
        State::refusal(lie)?;
        let rows = if lie == Some(Lie::StaleAnswers) { &mut state.then } else { &mut state.rows };
        let mut ids = rows.streams(after, limit)?;
        match lie {
            Some(Lie::StreamsWithheld) => ids.clear(),
            Some(Lie::StreamsRepeated) => ids = ids.iter().flat_map(|id| [id.clone(), id.clone()]).collect(),
            Some(Lie::StreamsUnsorted) => ids.reverse(),
            Some(Lie::StreamsInvented) => ids.push("zz-never-was".try_into().unwrap()),
            Some(Lie::StreamsEndless) => ids = ids.first().map_or(Vec::new(), |id| vec![id.clone(); 100_000]),
            _ => {}
        }
        Ok(ids)
    }

    fn erase(&mut self, kind: RowKind, stream: &StreamId, index: u64) -> Result<(), StoreError> {
        let state = &mut *self.0.borrow_mut();
        let lie = state.now();
        State::refusal(lie)?;
        match lie {
            Some(Lie::ErasesNothing) => Ok(()),
            Some(Lie::ErasesNeighbour) => state.rows.erase(kind, stream, index + 1).or(Ok(())),
            Some(Lie::ErasesMore) => {
                let mut next = 0;
                while state.rows.erase(kind, stream, next).is_ok() {
                    next += 1;
                }
                Ok(())
            }
            _ => state.rows.erase(kind, stream, index),
        }
    }
}
