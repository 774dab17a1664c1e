//! What a verifier is told to trust, and what it answers.

use crate::error::Finding;
use crate::note::VerifierKey;
use crate::policy::Policy;
use crate::signer::PublicKey;
use crate::types::{Digest, StreamId};

/// Who is trusted to sign. See `signers` in wit/log.wit.
#[derive(Clone, Debug)]
pub enum Signers {
    /// C2SP tlog-policy text, parsed; only the log lines whose key is named as the stream's origin count. They pin
    /// the stream's *first* key: its successors follow from the stream's own rotations. Of several such lines the
    /// first pins it; the others are for who checks proof files.
    Policy(Policy),
    /// The composed keystore's own key, taken as the stream's first: proves that this keystore signed, not whose it
    /// is.
    Keystore {
        /// Its label.
        identity: String,
        /// Its public key.
        key: PublicKey,
    },
}

/// What a verifier accepts.
#[derive(Clone, Debug)]
pub struct Trust {
    /// Of checkpoints.
    pub signers: Signers,
    /// Producers whose signatures are accepted, as vkeys; empty: any.
    pub authors: Vec<VerifierKey>,
    /// Every producer's event must bear an author signature.
    pub require_author: bool,
}

/// A key and the entries its checkpoints cover.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignerRange {
    /// Its text.
    pub vkey: String,
    /// First seqno covered.
    pub first_seqno: u64,
    /// Last seqno covered.
    pub last_seqno: u64,
    /// How many.
    pub checkpoints: u64,
    /// Seqno of the rotation that made it the log's key; absent for the first key.
    pub rotated_in: Option<u64>,
}

/// A key that the log took back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevokedKey {
    /// Its text.
    pub vkey: String,
    /// Its checkpoints of a size greater than this count only if they are witnessed.
    pub from_seqno: u64,
    /// Of the entry that says so.
    pub seqno: u64,
    /// Its checkpoints that verify and do not count for that.
    pub discounted: u64,
}

/// Seqnos first to last, both included.
pub type Range = (u64, u64);

/// What a verification found. See `report` in wit/log.wit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Of the stream.
    pub stream_id: StreamId,
    /// Of the stream, by configuration.
    pub origin: String,
    /// How the keys were chosen, in words.
    pub trust_basis: String,
    /// Read and checked.
    pub entries: u64,
    /// Seals among them.
    pub segments: u64,
    /// Verified under the key authorised at their size, and counted: those that a revocation takes back are not.
    pub checkpoints: u64,
    /// Verified under the policy's witness keys.
    pub cosignatures: u64,
    /// Payloads absent under an `erased` entry.
    pub erased: u64,
    /// Over `entries`, recomputed.
    pub root: Digest,
    /// Covered by a checkpoint that satisfies the policy's quorum.
    pub witnessed: Option<Range>,
    /// Covered by a verified checkpoint that counts.
    pub signed: Option<Range>,
    /// Sealed, not covered by a verified checkpoint.
    pub sealed: Option<Range>,
    /// After the last seal.
    pub open_tail: Option<Range>,
    /// In order of what they cover, one range a key; of more than 64 the first and the last 63, and a note says so.
    pub signers: Vec<SignerRange>,
    /// Rotations in the stream.
    pub rotations: u64,
    /// The key that signs the next checkpoint: the one pinned as the first, or where the rotations read lead from it.
    /// Always told.
    pub current_key: Option<String>,
    /// In the order of their revocation.
    pub revoked: Vec<RevokedKey>,
    /// The remembered head was compared.
    pub head_checked: bool,
    /// Not faults, but for an auditor to read.
    pub notes: Vec<String>,
    /// The first fault; absent: the ranges above are proven.
    pub finding: Option<Finding>,
}
