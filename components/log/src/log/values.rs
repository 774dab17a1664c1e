//! What the log takes from its platform and what it answers: plain values and two small traits.

use crate::author::Demand;
use crate::store::StoreError;
use crate::types::{Digest, Entry, LogName, StreamId, Tier};

/// What the log needs of the platform besides a store: time, randomness, waiting.
pub trait Environment {
    /// Microseconds since 1970-01-01T00:00:00Z. May go back: the log clamps.
    fn now(&mut self) -> u64;
    /// Fills `bytes` from a cryptographic source.
    ///
    /// # Errors
    /// In words, when there is none.
    fn random(&mut self, bytes: &mut [u8]) -> Result<(), String>;
    /// Waits before retry `attempt` (from 1 to 16) of a lost race: short, growing, with jitter.
    fn pause(&mut self, attempt: u32);
}

/// The highest state of a stream that this party has vouched for (wit/FORMAT.md section 11).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RememberedHead {
    /// Entries.
    pub size: u64,
    /// Root over them.
    pub root: Digest,
    /// vkey text of the key that was about to sign it.
    pub vkey: String,
}

/// Remembers heads apart from the store, so that a store that goes back is found out.
pub trait Heads {
    /// The head remembered last for this origin.
    ///
    /// # Errors
    /// `Io`, `Corrupt`, `Denied`: a head that cannot be read is never "no head".
    fn latest(&mut self, origin: &str) -> Result<Option<RememberedHead>, StoreError>;

    /// Remembers `head` after `compared`, the one it was found to agree with; durable on return. Of two writers that
    /// compared with the same head only one goes on from there. Does nothing when size and root are already the
    /// last remembered.
    ///
    /// # Errors
    /// `Conflict` when another head than `compared` is the last remembered: compare with that. Else as above, `NoSpace`.
    fn record(
        &mut self,
        origin: &str,
        compared: Option<&RememberedHead>,
        head: &RememberedHead,
    ) -> Result<(), StoreError>;
}

/// How a log is configured, apart from its store.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// Name of the log; absent: a random local one, fixed when the first stream is created.
    pub name: Option<LogName>,
    /// Recorded in every entry; zero if the host gave none.
    pub boot_id: [u8; 16],
    /// Accept a stream that has checkpoints but no remembered head, once, and remember it.
    pub adopt_heads: bool,
    /// Producers whose signatures streams demand; by default none.
    pub authors: Demand,
}

/// An entry whose bytes, hash and payload were checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadEntry {
    /// As decoded.
    pub entry: Entry,
    /// `SHA-256(0x00 || canonical bytes)`.
    pub hash: Digest,
    /// The payload, checked against its commitment; absent: none, or erased.
    pub payload: Option<Vec<u8>>,
    /// Its salt; absent exactly when `payload` is.
    pub salt: Option<[u8; 16]>,
}

/// Where an event landed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AppendResult {
    /// Its entry.
    pub seqno: u64,
    /// Of that entry.
    pub entry_hash: Digest,
}

/// Where the events of a batch landed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchResult {
    /// One per event, in order.
    pub results: Vec<AppendResult>,
    /// The stream is durable through this seqno; absent: not known.
    pub durable_through: Option<u64>,
}

/// The state of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Entries.
    pub size: u64,
    /// Of the last entry.
    pub last_entry_hash: Digest,
    /// RFC 6962 root over all entries.
    pub root: Digest,
    /// Durable through this seqno, as far as this instance knows.
    pub durable_through: Option<u64>,
}

/// What entry 0 fixed, and how far the stream is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamInfo {
    /// Its id.
    pub stream_id: StreamId,
    /// `<log name>/<stream id>`.
    pub origin: String,
    /// Fixed by entry 0.
    pub tier: Tier,
    /// Fixed by entry 0.
    pub description: Option<String>,
    /// Entries.
    pub size: u64,
    /// No producer may append any more.
    pub closed: bool,
    /// Sealed segments.
    pub segments: u64,
}

/// A sealed segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentInfo {
    /// Its stream.
    pub stream_id: StreamId,
    /// From 0.
    pub number: u64,
    /// First seqno.
    pub first_seqno: u64,
    /// Seqno of the seal.
    pub last_seqno: u64,
    /// Of the tree of size `last_seqno + 1`.
    pub root: Digest,
    /// SHA-256 of the checkpoint text.
    pub checkpoint_hash: Digest,
    /// Of the segment before; absent for segment 0.
    pub prev_checkpoint_hash: Option<Digest>,
    /// A checkpoint row exists; says nothing about whose.
    pub signed: bool,
}

/// What `sign_segment` made or found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedSegment {
    /// SHA-256 of the checkpoint text.
    pub checkpoint_hash: Digest,
    /// Name of the key's algorithm.
    pub algorithm: &'static str,
    /// In the note encoding.
    pub signature: Vec<u8>,
    /// The signed note.
    pub note: String,
}

/// Inclusion of an entry in a tree (RFC 9162 section 2.1.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InclusionProof {
    /// The stream whose tree it is.
    pub stream_id: StreamId,
    /// Leaf index.
    pub seqno: u64,
    /// The leaf.
    pub entry_hash: Digest,
    /// Leaves of the tree.
    pub tree_size: u64,
    /// What the path leads to; the verifier brings its own.
    pub root: Digest,
    /// From the leaf up.
    pub path: Vec<Digest>,
}

/// Consistency of two trees (RFC 9162 section 2.1.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsistencyProof {
    /// The stream whose trees they are.
    pub stream_id: StreamId,
    /// Leaves of the older.
    pub old_size: u64,
    /// Leaves of the newer.
    pub new_size: u64,
    /// The verifier brings its own.
    pub old_root: Digest,
    /// The verifier brings its own.
    pub new_root: Digest,
    /// From the split up.
    pub path: Vec<Digest>,
}
