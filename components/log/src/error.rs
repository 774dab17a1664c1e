//! Errors say who is to blame; their text is for people and never carries a decision.

use std::fmt;

use crate::signer::SignerError;
use crate::store::StoreError;
use crate::types::StreamId;

/// A value from outside that is not what its type demands. Says which and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid(pub String);

/// Why a call of the log failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogError {
    /// `open` was not called, or did not succeed.
    NotOpen,
    /// `open` was called before.
    AlreadyOpen,
    /// The caller's argument; nothing was changed.
    Invalid(String),
    /// No entry of this seqno.
    EntryNotFound,
    /// No stream of this id.
    StreamNotFound,
    /// No segment of this number.
    SegmentNotFound,
    /// Nothing was appended since the last seal.
    EmptySegment,
    /// The stream was closed for ever.
    StreamClosed,
    /// Another writer won again and again; retry.
    Conflict,
    /// What is stored is not what was logged.
    Tampered(Finding),
    /// The store is behind the remembered head, or contradicts it.
    Rollback(Finding),
    /// A signature or key that the policy does not accept.
    Untrusted(String),
    /// The keystore.
    Signer(SignerError),
    /// The store.
    Store(StoreError),
    /// A format, type or tier this version does not know.
    Unsupported(String),
}

/// Kind of a fault in what is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FindingKind {
    /// Bytes of an entry are not canonical or not those that were logged.
    EntryAltered,
    /// A seqno that must exist does not.
    EntryMissing,
    /// An entry stands where none may.
    EntryInserted,
    /// `prev-entry-hash` is not the hash of the entry before.
    ChainBroken,
    /// A root recomputed from the entries differs from a checkpoint or seal.
    RootMismatch,
    /// A checkpoint that must exist does not.
    CheckpointMissing,
    /// A checkpoint whose text, size or signature is wrong.
    CheckpointForged,
    /// The stream ends before what a checkpoint or head covers.
    Truncated,
    /// Two histories: another root at a size already vouched for.
    Forked,
    /// A checkpoint, rotation, revocation or attestation by a key that policy and rotations do not authorise there.
    WrongKey,
    /// A payload that does not open its commitment.
    PayloadAltered,
    /// A payload is absent and no `erased` entry names it.
    PayloadMissing,
    /// The end of the store was cut in the middle of a write.
    Torn,
    /// A cached node, segment or cosignature row is wrong; entries are not concerned.
    NodeWrong,
    /// A timestamp smaller than its predecessor's.
    TimeDecreased,
    /// The store is behind the remembered head, or has another root at its size.
    RolledBack,
    /// A producer's signature is missing where demanded, foreign, replayed or wrong.
    AuthorWrong,
    /// Entry 0 is not that of this log and stream.
    OriginWrong,
}

impl FindingKind {
    /// The name in reports and interfaces.
    pub fn as_str(self) -> &'static str {
        match self {
            FindingKind::EntryAltered => "entry-altered",
            FindingKind::EntryMissing => "entry-missing",
            FindingKind::EntryInserted => "entry-inserted",
            FindingKind::ChainBroken => "chain-broken",
            FindingKind::RootMismatch => "root-mismatch",
            FindingKind::CheckpointMissing => "checkpoint-missing",
            FindingKind::CheckpointForged => "checkpoint-forged",
            FindingKind::Truncated => "truncated",
            FindingKind::Forked => "forked",
            FindingKind::WrongKey => "wrong-key",
            FindingKind::PayloadAltered => "payload-altered",
            FindingKind::PayloadMissing => "payload-missing",
            FindingKind::Torn => "torn",
            FindingKind::NodeWrong => "node-wrong",
            FindingKind::TimeDecreased => "time-decreased",
            FindingKind::RolledBack => "rolled-back",
            FindingKind::AuthorWrong => "author-wrong",
            FindingKind::OriginWrong => "origin-wrong",
        }
    }
}

/// What is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The stream concerned.
    pub stream_id: StreamId,
    /// First seqno concerned.
    pub first_seqno: u64,
    /// Last seqno concerned, included.
    pub last_seqno: u64,
    /// Decisions are made on this.
    pub kind: FindingKind,
    /// For people.
    pub detail: String,
}

impl From<Invalid> for LogError {
    fn from(error: Invalid) -> Self {
        LogError::Invalid(error.0)
    }
}

impl From<StoreError> for LogError {
    fn from(error: StoreError) -> Self {
        LogError::Store(error)
    }
}

impl From<SignerError> for LogError {
    fn from(error: SignerError) -> Self {
        LogError::Signer(error)
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in {} at {}", self.kind.as_str(), self.stream_id, self.first_seqno)?;
        if self.last_seqno != self.first_seqno {
            write!(f, " to {}", self.last_seqno)?;
        }
        write!(f, ": {}", self.detail)
    }
}

impl fmt::Display for LogError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LogError::NotOpen => f.write_str("the log is not open"),
            LogError::AlreadyOpen => f.write_str("the log is already open"),
            LogError::Invalid(why) => write!(f, "invalid: {why}"),
            LogError::EntryNotFound => f.write_str("no such entry"),
            LogError::StreamNotFound => f.write_str("no such stream"),
            LogError::SegmentNotFound => f.write_str("no such segment"),
            LogError::EmptySegment => f.write_str("nothing was appended since the last seal"),
            LogError::StreamClosed => f.write_str("the stream is closed"),
            LogError::Conflict => f.write_str("another writer won; retry"),
            LogError::Tampered(finding) => write!(f, "tampered: {finding}"),
            LogError::Rollback(finding) => write!(f, "rollback: {finding}"),
            LogError::Untrusted(why) => write!(f, "untrusted: {why}"),
            LogError::Signer(error) => write!(f, "keystore: {error}"),
            LogError::Store(error) => write!(f, "store: {error}"),
            LogError::Unsupported(what) => write!(f, "unsupported: {what}"),
        }
    }
}

impl std::error::Error for Invalid {}
impl std::error::Error for LogError {}
