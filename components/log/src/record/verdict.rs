//! Whether a record is what the owner of a pinned key signed.

use std::fmt;

use super::{Record, digest};
use crate::signer::PublicKey;

/// Which keys count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trust {
    /// These, known from elsewhere; one of them must have signed.
    Pinned(Vec<PublicKey>),
    /// The one that the record itself names. Weak, and never a default: whoever forges a record names a key of their
    /// own, so this shows that nobody changed the record since someone signed it, and not who.
    KeyInRecord,
}

impl Trust {
    /// The name that verdicts repeat.
    pub fn as_str(&self) -> &'static str {
        match self {
            Trust::Pinned(_) => "pinned-key",
            Trust::KeyInRecord => "key-in-record",
        }
    }
}

/// Why a record is not valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Not the text of a record.
    Malformed(String),
    /// It names a key that is not pinned. Whether it is at least whole under the key that it names.
    WrongKey {
        /// The key that it names.
        named: Box<PublicKey>,
        /// It verifies under that key: someone else's record, not a damaged one.
        whole: bool,
    },
    /// What it says is not what was signed.
    Modified(String),
    /// Everything is as it was signed, but the attestation that it was signed with is gone.
    AttestationRemoved,
}

impl Fault {
    /// The name in reports.
    pub fn as_str(&self) -> &'static str {
        match self {
            Fault::Malformed(_) => "malformed",
            Fault::WrongKey { .. } => "wrong-key",
            Fault::Modified(_) => "modified",
            Fault::AttestationRemoved => "attestation-removed",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Malformed(why) => f.write_str(why),
            Fault::WrongKey { named, whole } => {
                let how = if *whole { "is signed by" } else { "names, but is not whole under," };
                let (algorithm, fingerprint) = (named.algorithm().as_str(), named.fingerprint().to_hex());
                write!(f, "it {how} a key that is not pinned: {algorithm}, SHA-256 of its SPKI {fingerprint}")
            }
            Fault::Modified(why) => f.write_str(why),
            Fault::AttestationRemoved => f.write_str("it was signed with a hardware attestation, which is gone"),
        }
    }
}

/// A record that is valid under the trust it was judged by. Only [`judge`] makes one.
#[derive(Clone, Debug, PartialEq)]
pub struct VerifiedRecord(Record);

impl VerifiedRecord {
    /// The record.
    pub fn record(&self) -> &Record {
        &self.0
    }
}

/// Judges the text of a record.
///
/// # Errors
/// The first of: malformed, wrong key, modified, attestation removed.
pub fn judge(text: &str, trust: &Trust) -> Result<VerifiedRecord, Fault> {
    let record = Record::parse(text).map_err(|error| Fault::Malformed(error.0))?;
    let whole = record.is_whole();
    match trust {
        Trust::Pinned(keys) if !keys.contains(&record.key) => {
            Err(Fault::WrongKey { named: Box::new(record.key), whole: whole.is_ok() })
        }
        _ => whole.map(|()| VerifiedRecord(record)),
    }
}

impl Record {
    /// Whether it is what the owner of the key that it names signed.
    fn is_whole(&self) -> Result<(), Fault> {
        let modified = |why: &str| Err(Fault::Modified(why.to_owned()));
        if digest(self.payload.canonical()) != self.trace_hash {
            return modified("trace_hash is not the hash of the payload");
        }
        if let Some(attestation) = &self.attestation
            && self.attestation_hash != Some(attestation.hash())
        {
            return modified("attestation_hash is not the hash of hardware_attestation");
        }
        if !self.key.verify(self.message().as_bytes(), &self.signature) {
            return modified("the signature is not that of public_key over what the record says");
        }
        match (&self.attestation, self.attestation_hash) {
            (None, Some(_)) => Err(Fault::AttestationRemoved),
            _ => Ok(()),
        }
    }
}
