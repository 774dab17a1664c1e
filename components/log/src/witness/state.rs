//! What a witness keeps of a log, in the rows of any store (FORMAT.md, witness).
//!
//! | stream | row `checkpoint` i |
//! |---|---|
//! | `<origin hash>` | the i-th cosigned checkpoint: a note with the log's lines and then the witness's own |
//! | `<origin hash>/fork` | evidence that convicts the log |
//! | `<origin hash>/doubt/<size>` | i = 0: evidence that leaves it owing a proof to this size |
//! | `<origin hash>/doubts` | the size of the i-th doubt |
//!
//! A doubt needs no more than a checkpoint that the log signed and anybody can read, and a bad proof. So there is one
//! for a size, of a size above the last cosigned one: whoever replays what a log published makes at most one row for
//! each checkpoint the log signed, no cap of theirs is ever full, and each checkpoint is compared by one look-up.
//!
//! Invariants:
//! 1. Sizes and times never decrease along `<origin hash>`, and each row's tree continues the one before.
//! 2. A row counts only with the witness's own cosignature: a store that makes up rows makes an error.
//!    What a store can do unseen is to forget: whoever restores an older one must retire the key.
//! 3. A doubt and its line in the list are one append.

use sha2::{Digest as _, Sha256};

use crate::error::Invalid;
use crate::note::{Checkpoint, Note, SignatureLine, VerifierKey};
use crate::store::{Row, RowKind, Store, StoreError, Want};
use crate::types::{StreamId, hex, quote};

use super::Evidence;
use super::request::{parse_size_body, size_body};

/// Forks kept of one log, at most: only its key can make one, and one convicts. Also the doubts that are listed.
const MAX_ROWS: usize = 64;
/// Doubts that a listing looks at, the newest: strangers can make many that were explained since.
const MAX_LOOKED_AT: u64 = 256;

/// `hex(SHA-256(origin))`: by which name a witness's readers ask for a log (tlog-witness, monitor retrieval).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginHash(String);

impl OriginHash {
    /// Of an origin.
    pub fn of(origin: &str) -> OriginHash {
        OriginHash(hex(&Sha256::digest(origin)))
    }

    /// From its text.
    ///
    /// # Errors
    /// Not 64 digits of lower-case hexadecimal.
    pub fn parse(text: &str) -> Result<OriginHash, Invalid> {
        match text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            true => Ok(OriginHash(text.to_owned())),
            false => Err(Invalid(format!("{} is no SHA-256 in lower-case hexadecimal", quote(text)))),
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Which rows of a log.
#[derive(Clone, Copy)]
enum Part {
    Cosigned,
    /// Evidence whose verdict is [`super::Verdict::Forked`].
    Fork,
    /// Sizes of the checkpoints that [`Part::Doubt`] is about.
    Doubts,
    /// Evidence whose verdict is [`super::Verdict::Owing`], to this size.
    Doubt(u64),
}

/// A checkpoint that this witness cosigned.
pub(super) struct Cosigned {
    pub index: u64,
    pub note: Note,
    pub checkpoint: Checkpoint,
    /// The witness's own.
    pub line: SignatureLine,
    /// Of that line, in seconds.
    pub time: u64,
}

/// Where the rows of one log are.
pub(super) struct Place<'a, S> {
    pub store: &'a mut S,
    pub hash: &'a OriginHash,
    pub witness: &'a VerifierKey,
}

impl<S: Store> Place<'_, S> {
    /// The last cosigned checkpoint.
    pub fn latest(&mut self) -> Result<Option<Cosigned>, StoreError> {
        let row = self.store.last(RowKind::Checkpoint, &self.stream(Part::Cosigned)?)?;
        row.map(|row| self.cosigned(row)).transpose()
    }

    /// The cosigned checkpoint of that size, if the log ever showed one. O(log rows) store calls.
    pub fn of_size(&mut self, size: u64, latest: &Cosigned) -> Result<Option<Cosigned>, StoreError> {
        let (mut low, mut high) = (0, latest.index);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.at(middle)?.checkpoint.size < size { low = middle + 1 } else { high = middle }
        }
        let found = self.at(low)?;
        Ok((found.checkpoint.size == size).then_some(found))
    }

    /// Makes `note`, which has the witness's line, the last one. Durable on return.
    ///
    /// # Errors
    /// `Conflict` when another request was faster: what was decided no longer holds.
    pub fn advance(&mut self, after: Option<&Cosigned>, note: &Note) -> Result<(), StoreError> {
        let index = after.map_or(0, |last| last.index.saturating_add(1));
        let row = self.row(Part::Cosigned, index, note.to_string())?;
        self.store.append(&[row], Want::Synced)
    }

    /// What convicts the log, in order.
    pub fn forks(&mut self) -> Result<Vec<Evidence>, StoreError> {
        let rows = self.rows(Part::Fork, 0, MAX_ROWS)?;
        rows.iter().map(evidence).collect()
    }

    /// Keeps what convicts the log, once for each second checkpoint, as long as there is room.
    pub fn keep_fork(&mut self, evidence: &Evidence) -> Result<(), StoreError> {
        for _ in 0..=MAX_ROWS {
            let kept = self.forks()?;
            let [_, accused] = evidence.checkpoints();
            if kept.len() >= MAX_ROWS || kept.iter().any(|other| other.checkpoints().contains(accused)) {
                return Ok(());
            }
            let row = self.row(Part::Fork, kept.len() as u64, evidence.to_string())?;
            match self.store.append(&[row], Want::Synced) {
                // Another request kept something: the next look sees it.
                Err(StoreError::Conflict) => {}
                outcome => return outcome,
            }
        }
        Err(StoreError::Conflict)
    }

    /// What leaves the log owing a proof to `size`.
    pub fn doubt(&mut self, size: u64) -> Result<Option<Evidence>, StoreError> {
        let Some(row) = self.store.get(RowKind::Checkpoint, &self.stream(Part::Doubt(size))?, 0)? else {
            return Ok(None);
        };
        let doubt = evidence(&row)?;
        match doubt.checkpoints()[1].size == size {
            true => Ok(Some(doubt)),
            false => Err(corrupt(&row, "it is about another size")),
        }
    }

    /// Keeps a doubt, unless there is one about this size, which is then returned.
    pub fn keep_doubt(&mut self, evidence: &Evidence) -> Result<Option<Evidence>, StoreError> {
        let size = evidence.checkpoints()[1].size;
        for _ in 0..=MAX_ROWS {
            if let Some(earlier) = self.doubt(size)? {
                return Ok(Some(earlier));
            }
            let count = self.doubts_kept()?;
            let rows = [
                self.row(Part::Doubts, count, size_body(size))?,
                self.row(Part::Doubt(size), 0, evidence.to_string())?,
            ];
            match self.store.append(&rows, Want::Synced) {
                Err(StoreError::Conflict) => {}
                outcome => return outcome.map(|()| None),
            }
        }
        Err(StoreError::Conflict)
    }

    /// Of the newest doubts those that what was cosigned since does not explain, in order.
    pub fn doubts(&mut self) -> Result<Vec<Evidence>, StoreError> {
        let latest = self.latest()?;
        let first = self.doubts_kept()?.saturating_sub(MAX_LOOKED_AT);
        let mut open = Vec::new();
        for row in self.rows(Part::Doubts, first, MAX_LOOKED_AT as usize)? {
            let size = parse_size_body(&row.body).ok_or_else(|| corrupt(&row, "no size"))?;
            let doubt = self.doubt(size)?.ok_or_else(|| corrupt(&row, "the doubt it names is missing"))?;
            let cosigned = latest.as_ref().map(|latest| self.of_size(size, latest)).transpose()?.flatten();
            if cosigned.is_none_or(|cosigned| cosigned.checkpoint != doubt.checkpoints()[1]) {
                open.push(doubt);
            }
            if open.len() == MAX_ROWS {
                break;
            }
        }
        Ok(open)
    }

    fn doubts_kept(&mut self) -> Result<u64, StoreError> {
        let last = self.store.last(RowKind::Checkpoint, &self.stream(Part::Doubts)?)?;
        Ok(last.map_or(0, |row| row.index.saturating_add(1)))
    }

    /// At most `limit` rows from `start`.
    fn rows(&mut self, part: Part, start: u64, limit: usize) -> Result<Vec<Row>, StoreError> {
        let stream = self.stream(part)?;
        let mut rows: Vec<Row> = Vec::new();
        while rows.len() < limit {
            let left = limit - rows.len();
            let next = start.saturating_add(rows.len() as u64);
            let page = self.store.scan(RowKind::Checkpoint, &stream, next, left as u32, false)?;
            if page.is_empty() {
                break;
            }
            rows.extend(page.into_iter().take(left));
        }
        Ok(rows)
    }

    fn stream(&self, part: Part) -> Result<StreamId, StoreError> {
        let hash = self.hash.as_str();
        let id = match part {
            Part::Cosigned => hash.to_owned(),
            Part::Fork => format!("{hash}/fork"),
            Part::Doubts => format!("{hash}/doubts"),
            Part::Doubt(size) => format!("{hash}/doubt/{size}"),
        };
        StreamId::try_from(id.as_str()).map_err(|error| StoreError::Invalid(error.0))
    }

    fn row(&self, part: Part, index: u64, body: String) -> Result<Row, StoreError> {
        let stream_id = self.stream(part)?;
        Ok(Row { kind: RowKind::Checkpoint, stream_id, index, body: body.into_bytes(), payload: None })
    }

    fn at(&mut self, index: u64) -> Result<Cosigned, StoreError> {
        match self.store.get(RowKind::Checkpoint, &self.stream(Part::Cosigned)?, index)? {
            Some(row) if row.index == index => self.cosigned(row),
            _ => Err(StoreError::Corrupt(format!("row {index} of {} is missing", self.hash.as_str()))),
        }
    }

    fn cosigned(&self, row: Row) -> Result<Cosigned, StoreError> {
        let bad = |why: &str| corrupt(&row, why);
        let note = Note::parse(text(&row)?).map_err(|error| bad(&error.to_string()))?;
        let checkpoint = Checkpoint::parse(note.text()).map_err(|error| bad(&error.to_string()))?;
        if OriginHash::of(&checkpoint.origin) != *self.hash {
            return Err(bad("it is of another origin"));
        }
        let own = note
            .signatures()
            .iter()
            .filter(|line| line.name() == self.witness.name() && line.key_id() == self.witness.key_id());
        let timed = |line: &SignatureLine| {
            let time = self.witness.cosignature_time(note.text(), line.signature())?;
            Some((line.clone(), time))
        };
        let (line, time) = own
            .filter_map(timed)
            .next()
            .ok_or_else(|| bad("no cosignature by this witness's key; another key needs another store"))?;
        Ok(Cosigned { index: row.index, note, checkpoint, line, time })
    }
}

fn evidence(row: &Row) -> Result<Evidence, StoreError> {
    Evidence::parse(text(row)?).map_err(|error| corrupt(row, &error.0))
}

fn text(row: &Row) -> Result<&str, StoreError> {
    std::str::from_utf8(&row.body).map_err(|_| corrupt(row, "not UTF-8"))
}

fn corrupt(row: &Row, why: &str) -> StoreError {
    StoreError::Corrupt(format!("checkpoint row {} of {}: {why}", row.index, row.stream_id))
}
