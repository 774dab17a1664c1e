//! What a witness keeps of a log, in the rows of any store (FORMAT.md, witness).
//!
//! | stream | row `checkpoint` i |
//! |---|---|
//! | `<origin hash>` | the i-th cosigned checkpoint: a note with the log's lines and then the witness's own |
//! | `<origin hash>/fork` | evidence that convicts the log |
//! | `<origin hash>/doubt` | evidence that leaves it owing a proof |
//!
//! Invariants:
//! 1. Sizes never decrease along `<origin hash>`, and each row's tree continues the one before.
//! 2. A row counts only with the witness's own cosignature: a store that makes up rows makes an error.
//!    What a store can do unseen is to forget: whoever restores an older one must retire the key.

use sha2::{Digest as _, Sha256};

use crate::error::Invalid;
use crate::note::{Checkpoint, Note, VerifierKey};
use crate::store::{Row, RowKind, Store, StoreError, Want};
use crate::types::{StreamId, hex, quote};

use super::Evidence;

/// Evidence rows of one stream, at most: whoever has a log's key could fill the medium, and one convicts.
const MAX_ROWS: usize = 64;

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
pub(super) enum Part {
    Cosigned,
    /// Evidence whose verdict is [`super::Verdict::Forked`].
    Fork,
    /// Evidence whose verdict is [`super::Verdict::Owing`].
    Doubt,
}

/// A checkpoint that this witness cosigned.
pub(super) struct Cosigned {
    pub index: u64,
    pub note: Note,
    pub checkpoint: Checkpoint,
    /// Of the cosignature, in seconds.
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
        self.append(Part::Cosigned, after.map_or(0, |last| last.index.saturating_add(1)), note.to_string())
    }

    /// All evidence of a part, in order.
    pub fn evidence(&mut self, part: Part) -> Result<Vec<Evidence>, StoreError> {
        let stream = self.stream(part)?;
        let mut kept: Vec<Evidence> = Vec::new();
        while kept.len() < MAX_ROWS {
            let left = (MAX_ROWS - kept.len()) as u32;
            let page = self.store.scan(RowKind::Checkpoint, &stream, kept.len() as u64, left, false)?;
            if page.is_empty() {
                break;
            }
            for row in page.iter().take(left as usize) {
                let corrupt =
                    |why: String| StoreError::Corrupt(format!("checkpoint row {} of {stream}: {why}", row.index));
                let text = std::str::from_utf8(&row.body).map_err(|error| corrupt(error.to_string()))?;
                kept.push(Evidence::parse(text).map_err(|error| corrupt(error.0))?);
            }
        }
        Ok(kept)
    }

    /// Keeps evidence, once for each second checkpoint, as long as there is room.
    pub fn keep(&mut self, part: Part, evidence: &Evidence) -> Result<(), StoreError> {
        for _ in 0..=MAX_ROWS {
            let kept = self.evidence(part)?;
            let [_, accused] = evidence.checkpoints();
            if kept.len() >= MAX_ROWS || kept.iter().any(|other| other.checkpoints()[1] == *accused) {
                return Ok(());
            }
            match self.append(part, kept.len() as u64, evidence.to_string()) {
                // Another request kept something: the next look sees it.
                Err(StoreError::Conflict) => {}
                outcome => return outcome,
            }
        }
        Err(StoreError::Conflict)
    }

    fn stream(&self, part: Part) -> Result<StreamId, StoreError> {
        let hash = self.hash.as_str();
        let id = match part {
            Part::Cosigned => hash.to_owned(),
            Part::Fork => format!("{hash}/fork"),
            Part::Doubt => format!("{hash}/doubt"),
        };
        StreamId::try_from(id.as_str()).map_err(|error| StoreError::Invalid(error.0))
    }

    fn append(&mut self, part: Part, index: u64, body: String) -> Result<(), StoreError> {
        let stream_id = self.stream(part)?;
        let row = Row { kind: RowKind::Checkpoint, stream_id, index, body: body.into_bytes(), payload: None };
        self.store.append(&[row], Want::Synced)
    }

    fn at(&mut self, index: u64) -> Result<Cosigned, StoreError> {
        match self.store.get(RowKind::Checkpoint, &self.stream(Part::Cosigned)?, index)? {
            Some(row) if row.index == index => self.cosigned(row),
            _ => Err(StoreError::Corrupt(format!("row {index} of {} is missing", self.hash.as_str()))),
        }
    }

    fn cosigned(&self, row: Row) -> Result<Cosigned, StoreError> {
        let corrupt = |why: &str| {
            let place = format!("checkpoint row {} of {}", row.index, self.hash.as_str());
            StoreError::Corrupt(format!("{place}: {why}"))
        };
        let text = std::str::from_utf8(&row.body).map_err(|_| corrupt("not UTF-8"))?;
        let note = Note::parse(text).map_err(|error| corrupt(&error.to_string()))?;
        let checkpoint = Checkpoint::parse(note.text()).map_err(|error| corrupt(&error.to_string()))?;
        if OriginHash::of(&checkpoint.origin) != *self.hash {
            return Err(corrupt("it is of another origin"));
        }
        let own = note
            .signatures()
            .iter()
            .filter(|line| line.name() == self.witness.name() && line.key_id() == self.witness.key_id());
        let time = own.filter_map(|line| self.witness.cosignature_time(note.text(), line.signature())).next();
        let time =
            time.ok_or_else(|| corrupt("no cosignature by this witness's key; another key needs another store"))?;
        Ok(Cosigned { index: row.index, note, checkpoint, time })
    }
}
