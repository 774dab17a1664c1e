//! Whom to believe: C2SP tlog-policy text (c2sp.org/tlog-policy), by its strictest reading.
//!
//! ```text
//! log <vkey> [<url>]
//! witness <name> <vkey> [<url>]
//! group <name> <k>|all|any <name>...
//! quorum <name>|none
//! # comment; empty lines and tabs are allowed
//! ```
//!
//! A checkpoint is good when the log of its origin signed it, with the listed key or one that the log's own entries
//! lead to from there (`keys`), and the quorum cosigned it. Not here:
//! reading it line by line (`parse`), checking those signatures (`note`), or asking anyone anything: URLs are kept for people.
//!
//! A witness may have an ML-DSA-44 key (tlog-cosignature, type 0x06), which nothing here verifies: it counts as one
//! that never cosigned, and a quorum that needs it is refused.
//!
//! A log whose streams share a key is as many logs as it has streams, each of its own origin. C2SP allows a key in one
//! `log` line only, so an auditor has a policy for each stream; [`KnownLogs`], a witness's list, has them all.
//!
//! Invariants:
//! 1. A name is defined once and used after its line, so `nodes` is in topological order and has no cycle.
//! 2. A name is a member of at most one group, so a witness counts once.
//! 3. A public key stands in one line, whatever its key name: no key vouches twice, and no log for itself. Only in
//!    [`KnownLogs`] it may stand in several `log` lines, of different origins.

mod parse;
#[cfg(test)]
mod tests;

use std::borrow::Borrow;

use crate::error::Invalid;
use crate::note::VerifierKey;
use crate::types::quote;
use parse::parse;

/// Longest policy in bytes: 64 logs with 16,384-bit RSA keys, 64 witnesses, 64 groups and some comment.
pub const MAX_POLICY: usize = 512 * 1024;
/// Logs, witnesses and groups, at most, each; the specification recommends 32 or more.
pub const MAX_OF_EACH: usize = 64;

/// A parsed policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    logs: Vec<Log>,
    witnesses: Vec<Witness>,
    unverifiable: Vec<Unverifiable>,
    nodes: Vec<Node>,
    /// Index into `nodes`; none asks for no cosignature.
    quorum: Option<usize>,
}

/// The logs that a witness knows: the `log` lines of tlog-policy text, in which one key may sign for several origins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownLogs(Vec<VerifierKey>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Log {
    key: VerifierKey,
    url: Option<String>,
}

/// A witness that may count towards the quorum. Borrows as its key, so that a list of them serves
/// [`crate::note::VerifiedCheckpoint::cosignatures`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Witness {
    /// Its name in this policy; means nothing elsewhere.
    pub name: String,
    /// Its cosignature/v1 key.
    pub key: VerifierKey,
    /// Where it takes checkpoints, for people and tools.
    pub url: Option<String>,
}

impl Borrow<VerifierKey> for Witness {
    fn borrow(&self) -> &VerifierKey {
        &self.key
    }
}

/// A witness whose cosignatures are not verified here.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Unverifiable {
    name: String,
    public_key: Vec<u8>,
}

/// What a name stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Node {
    /// Index into `witnesses`.
    Witness(usize),
    /// Never met.
    Unverifiable,
    /// At least `threshold` of the nodes at these earlier indices.
    Group { threshold: usize, members: Vec<usize> },
}

impl Policy {
    /// Parses the text; every line, the last included, ends with LF, so that a cut policy is no policy.
    ///
    /// # Errors
    /// Names the line: an unknown keyword, a name or key used twice, a name not yet defined, a key of the wrong
    /// kind (a log signs with ed25519, ECDSA or RSA-PSS, a witness with cosignature/v1 or ML-DSA-44), a threshold that
    /// is not 1 to the number of members, a control character, not exactly one quorum line, more than the limits above.
    /// A quorum that is not met even if every witness cosigned that can be verified here.
    pub fn parse(text: &str) -> Result<Policy, Invalid> {
        let policy = parse(text, false)?;
        let everybody: Vec<usize> = (0..policy.witnesses.len()).collect();
        match policy.quorum_met(&everybody) {
            true => Ok(policy),
            false => {
                let names: Vec<String> = policy.unverifiable().map(quote).collect();
                Err(Invalid(format!(
                    "policy: the quorum cannot be met without {}: ML-DSA-44 cosignatures are not verified here",
                    names.join(", ")
                )))
            }
        }
    }

    /// The keys of the log of this origin, in the order of their lines: only those whose key name is the origin. Who
    /// verifies the log takes the first as its first key; who checks a proof file or a checkpoint alone, any.
    pub fn log_keys(&self, origin: &str) -> Vec<&VerifierKey> {
        self.logs.iter().map(|log| &log.key).filter(|key| key.name() == origin).collect()
    }

    /// The keys of all logs, in the order of their lines.
    pub fn logs(&self) -> impl Iterator<Item = &VerifierKey> {
        self.logs.iter().map(|log| &log.key)
    }

    /// Where the log with this key can be reached, if the policy says so.
    pub fn log_url(&self, key: &VerifierKey) -> Option<&str> {
        self.logs.iter().find(|log| log.key == *key)?.url.as_deref()
    }

    /// All witnesses, in the order of their lines; [`Policy::quorum_met`] speaks of them by index.
    pub fn witnesses(&self) -> &[Witness] {
        &self.witnesses
    }

    /// Names of the witnesses whose cosignatures are not verified here, in the order of their lines: they are none of
    /// [`Policy::witnesses`].
    pub fn unverifiable(&self) -> impl Iterator<Item = &str> {
        self.unverifiable.iter().map(|witness| witness.name.as_str())
    }

    /// Whether any cosignature is asked for at all.
    pub fn needs_witnesses(&self) -> bool {
        self.quorum.is_some()
    }

    /// Whether these witnesses (indices into [`Policy::witnesses`], repeats are harmless) are enough.
    pub fn quorum_met(&self, cosigned: &[usize]) -> bool {
        let Some(quorum) = self.quorum else { return true };
        let mut met: Vec<bool> = Vec::with_capacity(self.nodes.len());
        for node in &self.nodes {
            met.push(match node {
                Node::Witness(index) => cosigned.contains(index),
                Node::Unverifiable => false,
                Node::Group { threshold, members } => {
                    members.iter().filter(|member| met.get(**member) == Some(&true)).count() >= *threshold
                }
            });
        }
        met.get(quorum) == Some(&true)
    }
}

impl KnownLogs {
    /// Parses what [`Policy::parse`] does, and besides several `log` lines of one key, each of another origin.
    /// Whether the quorum can be met does not matter.
    ///
    /// # Errors
    /// As [`Policy::parse`].
    pub fn parse(text: &str) -> Result<KnownLogs, Invalid> {
        let policy = parse(text, true)?;
        Ok(KnownLogs(policy.logs.into_iter().map(|log| log.key).collect()))
    }

    /// The keys of the log of this origin; none: it is not known.
    pub fn keys_of(&self, origin: &str) -> Vec<&VerifierKey> {
        self.iter().filter(|key| key.name() == origin).collect()
    }

    /// All of them, in the order of their lines.
    pub fn iter(&self) -> impl Iterator<Item = &VerifierKey> {
        self.0.iter()
    }
}
