//! What convicts a log: two checkpoints that it signed and that no one log can have. Pure text; judging it needs
//! the log's public key and nothing else.
//!
//! ```text
//! secure-log/evidence/v1\n
//! \n
//! <signed note, first\n>
//! \n
//! <signed note, second\n>
//! ```
//!
//! A note is three lines, an empty line and its signature lines, so five blocks between empty lines, always. The
//! first is what the witness had cosigned, or refused, before; the second is what came later.

use std::borrow::Borrow;
use std::fmt;

use crate::error::Invalid;
use crate::note::{Checkpoint, MAX_NOTE, Note, NoteError, VerifiedCheckpoint, VerifierKey};
use crate::types::Digest;

const HEADER: &str = "secure-log/evidence/v1";
/// Longest file in bytes.
const MAX_EVIDENCE: usize = HEADER.len() + 3 + 2 * MAX_NOTE;

/// Two signed checkpoints of one origin; nothing about them is verified yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    notes: [Note; 2],
    checkpoints: [Checkpoint; 2],
}

/// What two checkpoints say about the log that signed them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Guilty: two trees of one size. Nothing the log could show would explain it.
    Forked {
        /// Of both.
        size: u64,
        /// Of the first and of the second.
        roots: [Digest; 2],
    },
    /// Not decided by these two alone: the log owes a consistency proof from the smaller to the larger size, and
    /// whoever has its entries can compute both roots.
    Owing {
        /// Of the smaller.
        old: u64,
        /// Of the larger.
        new: u64,
    },
    /// Nothing: both say the same.
    Same,
}

impl Evidence {
    /// Puts two notes together.
    ///
    /// # Errors
    /// A text that is no checkpoint, two origins.
    pub fn new(first: Note, second: Note) -> Result<Evidence, NoteError> {
        let checkpoints = [Checkpoint::parse(first.text())?, Checkpoint::parse(second.text())?];
        match checkpoints[0].origin == checkpoints[1].origin {
            true => Ok(Evidence { notes: [first, second], checkpoints }),
            false => Err(NoteError::WrongOrigin(checkpoints[1].origin.clone())),
        }
    }

    /// Parses exactly what [`Evidence`] writes.
    ///
    /// # Errors
    /// Another first line, not five blocks, a malformed note or checkpoint, two origins.
    pub fn parse(text: &str) -> Result<Evidence, Invalid> {
        let bad = |why: String| Invalid(format!("evidence: {why}"));
        if text.len() > MAX_EVIDENCE {
            return Err(bad(format!("{} bytes, at most {MAX_EVIDENCE}", text.len())));
        }
        let mut blocks = text.split("\n\n");
        let (Some(HEADER), Some(a), Some(a_lines), Some(b), Some(b_lines), None) =
            (blocks.next(), blocks.next(), blocks.next(), blocks.next(), blocks.next(), blocks.next())
        else {
            return Err(bad(format!("must be {HEADER} and two signed notes, an empty line before each")));
        };
        let note = |text: String| Note::parse(&text).map_err(|error| bad(error.to_string()));
        let (first, second) = (note(format!("{a}\n\n{a_lines}\n"))?, note(format!("{b}\n\n{b_lines}"))?);
        Evidence::new(first, second).map_err(|error| bad(error.to_string()))
    }

    /// Both, in order.
    pub fn notes(&self) -> &[Note; 2] {
        &self.notes
    }

    /// What they say, in the same order; unverified.
    pub(super) fn checkpoints(&self) -> &[Checkpoint; 2] {
        &self.checkpoints
    }

    /// One size, two roots; unverified.
    pub(super) fn is_fork(&self) -> bool {
        let [a, b] = &self.checkpoints;
        a.size == b.size && a.root != b.root
    }
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [first, second] = &self.notes;
        write!(f, "{HEADER}\n\n{first}\n{second}")
    }
}

/// Judges the log whose keys these are: only those named like the origin count, and each note needs one of them.
///
/// # Errors
/// Those of [`VerifiedCheckpoint::open`]: without two good signatures there is nothing to judge.
pub fn convict<K: Borrow<VerifierKey>>(evidence: &Evidence, log_keys: &[K]) -> Result<Verdict, NoteError> {
    let [a, b] = &evidence.checkpoints;
    for note in &evidence.notes {
        VerifiedCheckpoint::open(note, &a.origin, log_keys)?;
    }
    Ok(match a.size == b.size {
        true if a.root == b.root => Verdict::Same,
        true => Verdict::Forked { size: a.size, roots: [a.root, b.root] },
        false => Verdict::Owing { old: a.size.min(b.size), new: a.size.max(b.size) },
    })
}
