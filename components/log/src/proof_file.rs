//! Evidence in a file: that an entry is in the log, or that one checkpoint continues another. Checking it
//! needs the file, the entry's bytes and a policy: neither store nor keystore.
//!
//! ```text
//! c2sp.org/tlog-proof@v1                        secure-log/consistency-proof/v1
//! extra <base64>         optional, ignored      <base64(hash)>         RFC 9162 section 2.1.4.1
//! index <seqno>                                 ...
//! <base64(hash)>         from the leaf up
//! ...                                           <signed note of the older checkpoint>
//!
//! <signed note of the checkpoint>               <signed note of the newer checkpoint>
//! ```
//!
//! The first is c2sp.org/tlog-proof, the second has no public specification and follows it (wit/FORMAT.md,
//! proof files). Not here: making proofs (`log`), the tree (`merkle`), files.
//!
//! Which keys count: exactly those of the policy's log lines. A checkpoint signed after a key rotation is
//! accepted when the policy names the new key too; a proof file does not carry the rotations that lead there.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::encode::decode_entry;
use crate::merkle::{leaf_hash, verify_consistency, verify_inclusion};
use crate::note::{Checkpoint, MAX_NOTE, Note, NoteError, VerifiedCheckpoint, VerifierKey};
use crate::policy::Policy;
use crate::types::{Digest, Entry, LogName, MAX_INT, quote};

/// First line of an inclusion proof (c2sp.org/tlog-proof).
const INCLUSION: &str = "c2sp.org/tlog-proof@v1";
/// First line of a consistency proof.
const CONSISTENCY: &str = "secure-log/consistency-proof/v1";
/// Hashes of a path, at most: one for each level of a tree of 2^63 leaves, and one more for consistency.
const MAX_PATH: usize = 64;
/// A hash in base64, with its newline.
const HASH_LINE: usize = 45;
/// Longest `extra` line: what fits a note fits beside one.
const MAX_EXTRA: usize = MAX_NOTE;
/// Longest file: two notes, a path, the extra line, and the lines with first line and index.
pub const MAX_PROOF_FILE: usize = 2 * MAX_NOTE + MAX_PATH * HASH_LINE + MAX_EXTRA + 128;

/// Why evidence does not convince.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProofError {
    /// Not a file of this format.
    Malformed(String),
    /// The policy has no log line for the checkpoint's origin.
    UnknownLog(String),
    /// The checkpoint is none, or not signed as the policy demands.
    Checkpoint(NoteError),
    /// Signed, but not cosigned by the policy's quorum: the origin, and how many of its witnesses did.
    NotWitnessed(String, usize),
    /// The bytes beside the proof are no entry, or not the one it speaks of.
    WrongEntry(String),
    /// The hashes do not lead to the checkpoint's root.
    WrongPath,
}

impl fmt::Display for ProofError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ProofError::Malformed(why) => write!(f, "malformed proof: {why}"),
            ProofError::UnknownLog(origin) => write!(f, "the policy has no log line for {}", quote(origin)),
            ProofError::Checkpoint(error) => write!(f, "checkpoint: {error}"),
            ProofError::NotWitnessed(origin, count) => {
                write!(f, "the checkpoint of {} is cosigned by {count} witness(es): no quorum", quote(origin))
            }
            ProofError::WrongEntry(why) => write!(f, "entry: {why}"),
            ProofError::WrongPath => f.write_str("the hashes do not lead to the root of the checkpoint"),
        }
    }
}

impl std::error::Error for ProofError {}

impl From<NoteError> for ProofError {
    fn from(error: NoteError) -> Self {
        ProofError::Checkpoint(error)
    }
}

/// A checkpoint that a policy accepts: signed by a log key of its origin and cosigned by the quorum. Only
/// [`TrustedCheckpoint::open`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedCheckpoint {
    checkpoint: Checkpoint,
    signers: Vec<VerifierKey>,
    witnesses: Vec<(String, u64)>,
}

impl TrustedCheckpoint {
    /// Judges a note by a policy alone.
    ///
    /// # Errors
    /// `UnknownLog`, `Checkpoint` (a failing line of any key of the policy included), `NotWitnessed`.
    pub fn open(note: &Note, policy: &Policy) -> Result<TrustedCheckpoint, ProofError> {
        let origin = Checkpoint::parse(note.text())?.origin;
        let keys = policy.log_keys(&origin);
        if keys.is_empty() {
            return Err(ProofError::UnknownLog(origin));
        }
        let verified = VerifiedCheckpoint::open(note, &origin, &keys)?;
        let cosigned = verified.cosignatures(note.signatures(), policy.witnesses())?;
        let indices: Vec<usize> = cosigned.iter().map(|(index, _)| *index).collect();
        if !policy.quorum_met(&indices) {
            return Err(ProofError::NotWitnessed(origin, indices.len()));
        }
        let signers = verified.signed_by().iter().filter_map(|index| keys.get(*index)).map(|key| (*key).clone());
        let named =
            |(index, time): (usize, u64)| policy.witnesses().get(index).map(|witness| (witness.name.clone(), time));
        Ok(TrustedCheckpoint {
            checkpoint: verified.checkpoint().clone(),
            signers: signers.collect(),
            witnesses: cosigned.into_iter().filter_map(named).collect(),
        })
    }

    /// What was signed.
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// The policy's log keys that signed, at least one.
    pub fn signers(&self) -> &[VerifierKey] {
        &self.signers
    }

    /// The policy's witnesses that cosigned, by their name there, and when (seconds since 1970 UTC).
    pub fn witnesses(&self) -> &[(String, u64)] {
        &self.witnesses
    }
}

/// An entry proven to be in a log. Only [`InclusionFile::verify`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedEntry {
    entry: Entry,
    hash: Digest,
    checkpoint: TrustedCheckpoint,
}

impl VerifiedEntry {
    /// As decoded from the bytes that were proven.
    pub fn entry(&self) -> &Entry {
        &self.entry
    }

    /// Its entry hash, the leaf.
    pub fn hash(&self) -> Digest {
        self.hash
    }

    /// The checkpoint that covers it.
    pub fn checkpoint(&self) -> &TrustedCheckpoint {
        &self.checkpoint
    }
}

/// The content of a `.tlog-proof`; nothing about it is verified yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InclusionFile {
    /// Opaque and not authenticated: kept so that a file renders as it was read, never trusted.
    pub extra: Option<Vec<u8>>,
    /// Leaf index, which is the entry's seqno.
    pub index: u64,
    /// From the leaf's sibling up.
    pub path: Vec<Digest>,
    /// The signed, perhaps cosigned checkpoint.
    pub note: Note,
}

impl InclusionFile {
    /// Parses exactly what its `Display` writes.
    ///
    /// # Errors
    /// `Malformed`: more than [`MAX_PROOF_FILE`] bytes or 64 hashes, another first line, an index with leading zeros
    /// or above 2^63-1, base64 that is not canonical; `Checkpoint` for a note that is none.
    pub fn parse(text: &str) -> Result<InclusionFile, ProofError> {
        let (head, note) = split_head(text)?;
        let mut lines = head.split('\n');
        first_line(lines.next(), INCLUSION)?;
        let mut line = lines.next();
        let mut extra = None;
        if let Some(encoded) = line.and_then(|line| line.strip_prefix("extra ")) {
            extra = Some(BASE64.decode(encoded).map_err(|_| malformed("the extra line is not canonical base64"))?);
            line = lines.next();
        }
        let index = line.and_then(|line| line.strip_prefix("index ")).ok_or_else(|| malformed("no index line"))?;
        let number = index.parse().ok().filter(|value: &u64| *value <= MAX_INT && value.to_string() == index);
        let index = number.ok_or_else(|| malformed(&format!("the index {} is not decimal", quote(index))))?;
        Ok(InclusionFile { extra, index, path: path(lines)?, note: checkpoint_note(note)? })
    }

    /// Whether the entry with these canonical bytes is in the log that `policy` names, at this index.
    ///
    /// Checked in order: the checkpoint by the policy (origin, signature, quorum), the entry (canonical, of this
    /// index, of the origin's stream), the path from its hash to the checkpoint's root.
    ///
    /// # Errors
    /// The first of these that fails.
    pub fn verify(&self, entry: &[u8], policy: &Policy) -> Result<VerifiedEntry, ProofError> {
        let trusted = TrustedCheckpoint::open(&self.note, policy)?;
        let Checkpoint { origin, size, root } = trusted.checkpoint();
        let decoded = decode_entry(entry).map_err(|error| ProofError::WrongEntry(error.to_string()))?;
        LogName::of_origin(origin, &decoded.stream_id).map_err(|error| ProofError::WrongEntry(error.0))?;
        if decoded.seqno != self.index {
            return Err(ProofError::WrongEntry(format!("it is entry {}, not {}", decoded.seqno, self.index)));
        }
        let hash = leaf_hash(entry);
        match verify_inclusion(&hash, self.index, *size, &self.path, root) {
            true => Ok(VerifiedEntry { entry: decoded, hash, checkpoint: trusted }),
            false => Err(ProofError::WrongPath),
        }
    }
}

impl fmt::Display for InclusionFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{INCLUSION}")?;
        if let Some(extra) = &self.extra {
            writeln!(f, "extra {}", BASE64.encode(extra))?;
        }
        writeln!(f, "index {}", self.index)?;
        self.path.iter().try_for_each(|hash| writeln!(f, "{}", BASE64.encode(hash.0)))?;
        write!(f, "\n{}", self.note)
    }
}

/// The content of a consistency proof file; nothing about it is verified yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsistencyFile {
    /// RFC 9162 section 2.1.4.1; empty for equal sizes and after the empty tree.
    pub path: Vec<Digest>,
    /// The older signed checkpoint.
    pub old: Note,
    /// The newer one.
    pub new: Note,
}

/// Two checkpoints of one log of which the newer continues the older. Only [`ConsistencyFile::verify`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedConsistency {
    old: TrustedCheckpoint,
    new: TrustedCheckpoint,
}

impl VerifiedConsistency {
    /// The older, or equal.
    pub fn older(&self) -> &TrustedCheckpoint {
        &self.old
    }

    /// The newer.
    pub fn newer(&self) -> &TrustedCheckpoint {
        &self.new
    }
}

impl ConsistencyFile {
    /// Parses exactly what its `Display` writes.
    ///
    /// # Errors
    /// As [`InclusionFile::parse`].
    pub fn parse(text: &str) -> Result<ConsistencyFile, ProofError> {
        let (head, notes) = split_head(text)?;
        let mut lines = head.split('\n');
        first_line(lines.next(), CONSISTENCY)?;
        let path = path(lines)?;
        // A checkpoint's text has no empty line, so of the three between the notes' parts the second parts them.
        let mut gaps = notes.match_indices("\n\n").map(|(at, _)| at);
        let (Some(_), Some(between), Some(_), None) = (gaps.next(), gaps.next(), gaps.next(), gaps.next()) else {
            return Err(malformed("after the hashes must come two signed notes, each after an empty line"));
        };
        let (old, new) = notes.split_at_checked(between + 1).unwrap_or((notes, ""));
        let new = new.strip_prefix('\n').unwrap_or(new);
        Ok(ConsistencyFile { path, old: checkpoint_note(old)?, new: checkpoint_note(new)? })
    }

    /// Whether the newer checkpoint continues the older one, both accepted by `policy`.
    ///
    /// # Errors
    /// As [`TrustedCheckpoint::open`]; `Malformed` when they are of two logs; `WrongPath`.
    pub fn verify(&self, policy: &Policy) -> Result<VerifiedConsistency, ProofError> {
        let (old, new) = (TrustedCheckpoint::open(&self.old, policy)?, TrustedCheckpoint::open(&self.new, policy)?);
        let (before, after) = (old.checkpoint(), new.checkpoint());
        if before.origin != after.origin {
            return Err(malformed("the two checkpoints are of different logs"));
        }
        match verify_consistency(before.size, after.size, &self.path, &before.root, &after.root) {
            true => Ok(VerifiedConsistency { old, new }),
            false => Err(ProofError::WrongPath),
        }
    }
}

impl fmt::Display for ConsistencyFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{CONSISTENCY}")?;
        self.path.iter().try_for_each(|hash| writeln!(f, "{}", BASE64.encode(hash.0)))?;
        write!(f, "\n{}\n{}", self.old, self.new)
    }
}

/// What stands before the first empty line, and after it.
fn split_head(text: &str) -> Result<(&str, &str), ProofError> {
    if text.len() > MAX_PROOF_FILE {
        return Err(malformed(&format!("{} bytes, at most {MAX_PROOF_FILE}", text.len())));
    }
    text.split_once("\n\n").ok_or_else(|| malformed("no empty line before the checkpoint"))
}

fn first_line(line: Option<&str>, expected: &str) -> Result<(), ProofError> {
    match line {
        Some(line) if line == expected => Ok(()),
        line => Err(malformed(&format!("the first line is {}, not {expected}", quote(line.unwrap_or_default())))),
    }
}

/// A note whose text is a checkpoint.
fn checkpoint_note(text: &str) -> Result<Note, ProofError> {
    let note = Note::parse(text)?;
    Checkpoint::parse(note.text())?;
    Ok(note)
}

fn path<'a>(lines: impl Iterator<Item = &'a str>) -> Result<Vec<Digest>, ProofError> {
    let mut path = Vec::new();
    for line in lines {
        if path.len() == MAX_PATH {
            return Err(malformed(&format!("more than {MAX_PATH} hashes")));
        }
        let bytes = BASE64.decode(line).ok().and_then(|bytes| Digest::try_from(bytes.as_slice()).ok());
        path.push(bytes.ok_or_else(|| malformed(&format!("{} is not base64 of 32 bytes", quote(line))))?);
    }
    Ok(path)
}

fn malformed(why: &str) -> ProofError {
    ProofError::Malformed(why.to_owned())
}

#[cfg(test)]
mod tests;
