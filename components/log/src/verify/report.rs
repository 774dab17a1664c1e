//! What a verifier is told to trust, and what it answers.

use crate::error::Finding;
use crate::note::VerifierKey;
use crate::policy::Policy;
use crate::signer::PublicKey;
use crate::types::{Digest, StreamId};

/// Who is trusted to sign. See `signers` in wit/log.wit.
#[derive(Clone, Debug)]
pub enum Signers {
    /// C2SP tlog-policy text, parsed; only the log lines whose key is named as the stream's origin count.
    Policy(Policy),
    /// The composed keystore's own key: proves that this keystore signed, not whose it is.
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
    /// Verified under trusted keys.
    pub checkpoints: u64,
    /// Verified under the policy's witness keys.
    pub cosignatures: u64,
    /// Payloads absent under an `erased` entry.
    pub erased: u64,
    /// Over `entries`, recomputed.
    pub root: Digest,
    /// Covered by a checkpoint that satisfies the policy's quorum.
    pub witnessed: Option<Range>,
    /// Covered by a verified checkpoint.
    pub signed: Option<Range>,
    /// Sealed, not covered by a verified checkpoint.
    pub sealed: Option<Range>,
    /// After the last seal.
    pub open_tail: Option<Range>,
    /// In order of what they cover.
    pub signers: Vec<SignerRange>,
    /// The remembered head was compared.
    pub head_checked: bool,
    /// Not faults, but for an auditor to read.
    pub notes: Vec<String>,
    /// The first fault; absent: the ranges above are proven.
    pub finding: Option<Finding>,
}
