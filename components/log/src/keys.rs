//! The life of a stream's log keys, as its own entries tell it: which key may sign at which size.
//!
//! ```text
//! first key ── key-rotated (seqno r) ──► second key ── ... ──► current key      (wit/FORMAT.md section 9)
//! checkpoints of size <= r: the key before the rotation; of a larger size: the key after it
//! ```
//! The one place that decides it: the log asks here before it signs, rotates or revokes, verification asks here
//! at every checkpoint. Not here: who pins the first key (`policy`), whether a checkpoint counts (`verify`).
//!
//! Invariants:
//! 1. Every key but the first was named by an entry that the key before it and itself have signed, at that place
//!    of that stream.
//! 2. An entry that is refused changes nothing.
//! 3. Memory does not grow with the log: the current key, [`KEPT`] predecessors, [`KEPT`] revocations.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::Arc;

use crate::encode::{attest_message, revoke_message, rotate_message};
use crate::error::Invalid;
use crate::note::{VerifierKey, VerifierKeyKind};
use crate::types::{Detail, Entry, quote};

/// Predecessors that can be revoked and may not come back, counted from the current key, and revoked keys of a
/// stream, at most. A key rotated every week stays in reach for five years; at 4 KiB for the longest vkey (RSA of
/// 16,384 bits) both lists have at most 2 MiB, with ed25519 keys 70 KiB.
pub const KEPT: usize = 256;

/// Which keys a stream has had, up to some entry. Cheap to clone.
#[derive(Clone, Debug)]
pub struct KeyHistory(Arc<Life>);

#[derive(Clone, Debug)]
struct Life {
    /// Absent: no entry and no checkpoint named one yet.
    current: Option<Box<VerifierKey>>,
    /// Nothing happened before what was seen: the history begins with entry 0.
    whole: bool,
    attested: bool,
    rotations: u64,
    /// Seqno of the rotation to the current key.
    since: Option<u64>,
    /// Newest last.
    past: VecDeque<Past>,
    /// End of the newest predecessor that is not kept any more.
    forgotten: Option<u64>,
    revoked: Vec<Revoked>,
}

/// A key that was rotated away.
#[derive(Clone, Debug)]
struct Past {
    vkey: String,
    /// Seqno of that rotation: its checkpoints have at most this size.
    until: u64,
}

/// A key that no longer counts from some seqno on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revoked {
    /// vkey text.
    pub vkey: String,
    /// Its checkpoints of a size greater than this count only if they are witnessed.
    pub from_seqno: u64,
    /// Seqno of the revocation.
    pub seqno: u64,
    /// Seqno of the rotation away from the key.
    pub until: u64,
}

impl KeyHistory {
    /// From entry 0 on, with this first key.
    pub fn pinned(first: VerifierKey) -> KeyHistory {
        KeyHistory::new(Some(Box::new(first)), true)
    }

    /// From entry 0 on, by someone who pins nothing because the key is his own: the first key named is the first.
    pub fn unpinned() -> KeyHistory {
        KeyHistory::new(None, true)
    }

    /// From some later entry on: what stands before it is not known.
    pub fn partial() -> KeyHistory {
        KeyHistory::new(None, false)
    }

    fn new(current: Option<Box<VerifierKey>>, whole: bool) -> KeyHistory {
        KeyHistory(Arc::new(Life {
            current,
            whole,
            attested: false,
            rotations: 0,
            since: None,
            past: VecDeque::new(),
            forgotten: None,
            revoked: Vec::new(),
        }))
    }

    /// Whether it begins with entry 0.
    pub fn is_whole(&self) -> bool {
        self.0.whole
    }

    /// The key of the next checkpoint, once a signed statement has told it.
    pub fn current(&self) -> Option<&VerifierKey> {
        self.0.current.as_deref()
    }

    /// Seqno of the rotation to the current key; absent for the first key.
    pub fn since(&self) -> Option<u64> {
        self.0.since
    }

    /// Rotations seen.
    pub fn rotations(&self) -> u64 {
        self.0.rotations
    }

    /// Revoked keys, in the order of their first revocation.
    pub fn revoked(&self) -> &[Revoked] {
        &self.0.revoked
    }

    /// The key that signs a checkpoint of `size`. `None`: nothing seen here tells it.
    ///
    /// # Errors
    /// `Invalid` when `size` is of a key more than [`KEPT`] rotations ago.
    pub fn authorised(&self, size: u64) -> Result<Option<Cow<'_, VerifierKey>>, Invalid> {
        let life = &*self.0;
        if life.forgotten.is_some_and(|until| size <= until) {
            return Err(Invalid(format!("size {size} is of a key more than {KEPT} rotations ago")));
        }
        if let Some(past) = life.past.iter().find(|past| size <= past.until) {
            return Ok(Some(Cow::Owned(past.vkey.parse()?)));
        }
        Ok(life.current.as_deref().map(Cow::Borrowed))
    }

    /// Whether a key entry may stand at `seqno`, its signatures aside.
    ///
    /// # Errors
    /// `Invalid`: a key that is not the current one, that comes back, that is no predecessor; an attestation that
    /// is not of the first key or the second one; a revocation that takes back less than the one before.
    pub fn check(&self, origin: &str, seqno: u64, detail: &Detail) -> Result<(), Invalid> {
        let life = &*self.0;
        match detail {
            Detail::KeyAttested { vkey, .. } => {
                if life.rotations > 0 || life.attested {
                    return Err(Invalid("only the first key is attested here, once, before any rotation".into()));
                }
                self.must_be_current("the attested key", &log_key(origin, vkey)?)
            }
            Detail::KeyRotated { old_vkey, new_vkey, .. } => {
                self.must_be_current("old-vkey", &log_key(origin, old_vkey)?)?;
                log_key(origin, new_vkey)?;
                if new_vkey == old_vkey || life.past.iter().any(|past| past.vkey == *new_vkey) {
                    return Err(Invalid(format!("{} was the log's key before", quote(new_vkey))));
                }
                Ok(())
            }
            Detail::KeyRevoked { vkey, from_seqno, .. } => {
                log_key(origin, vkey)?;
                if *from_seqno >= seqno {
                    return Err(Invalid(format!("from-seqno {from_seqno} is not of an entry before {seqno}")));
                }
                if life.whole && life.past.iter().all(|past| past.vkey != *vkey) {
                    return Err(Invalid(format!("{} is none of the {KEPT} keys before the current one", quote(vkey))));
                }
                match life.revoked.iter().find(|revoked| revoked.vkey == *vkey) {
                    Some(before) if *from_seqno >= before.from_seqno => {
                        Err(Invalid(format!("{} is revoked from seqno {} already", quote(vkey), before.from_seqno)))
                    }
                    None if life.revoked.len() >= KEPT => Err(Invalid(format!("{KEPT} keys are revoked already"))),
                    _ => Ok(()),
                }
            }
            _ => Ok(()),
        }
    }

    /// Takes the next entry; only key entries change anything. Each costs one or two signature checks.
    ///
    /// # Errors
    /// Those of [`KeyHistory::check`], and a signature that does not verify for this place of this stream.
    pub fn take(&mut self, origin: &str, entry: &Entry) -> Result<(), Invalid> {
        let (seqno, prev) = (entry.seqno, &entry.prev_entry_hash);
        let Some(detail) = &entry.event.detail else { return Ok(()) };
        self.check(origin, seqno, detail)?;
        match detail {
            Detail::KeyAttested { vkey, attestation, signature } => {
                let key = log_key(origin, vkey)?;
                let message = attest_message(origin, seqno, prev, vkey, attestation);
                must_verify("the attested key", &key, &message, signature)?;
                let life = Arc::make_mut(&mut self.0);
                life.current = Some(Box::new(key));
                life.attested = true;
            }
            Detail::KeyRotated { old_vkey, new_vkey, attestation, sig_old, sig_new } => {
                let (old, new) = (log_key(origin, old_vkey)?, log_key(origin, new_vkey)?);
                let message = rotate_message(origin, seqno, prev, old_vkey, new_vkey, attestation.as_deref());
                must_verify("the old key", &old, &message, sig_old)?;
                must_verify("the new key", &new, &message, sig_new)?;
                let life = Arc::make_mut(&mut self.0);
                life.past.push_back(Past { vkey: old_vkey.clone(), until: seqno });
                if life.past.len() > KEPT {
                    life.forgotten = life.past.pop_front().map(|past| past.until);
                }
                life.current = Some(Box::new(new));
                life.since = Some(seqno);
                life.rotations += 1;
            }
            Detail::KeyRevoked { vkey, from_seqno, signature, .. } => {
                // In a partial history that saw no rotation nobody can say who had to sign.
                let Some(current) = &self.0.current else { return Ok(()) };
                let message = revoke_message(origin, seqno, prev, vkey, *from_seqno);
                must_verify("the current key", current, &message, signature)?;
                let Some(until) = self.0.past.iter().find(|past| past.vkey == *vkey).map(|past| past.until) else {
                    return Ok(());
                };
                let revoked = Revoked { vkey: vkey.clone(), from_seqno: *from_seqno, seqno, until };
                let life = Arc::make_mut(&mut self.0);
                match life.revoked.iter_mut().find(|before| before.vkey == *vkey) {
                    Some(before) => *before = revoked,
                    None => life.revoked.push(revoked),
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn must_be_current(&self, what: &str, key: &VerifierKey) -> Result<(), Invalid> {
        match &self.0.current {
            None => Ok(()),
            Some(current) if **current == *key => Ok(()),
            Some(_) => Err(Invalid(format!("{what} {key} is not the key that is authorised here"))),
        }
    }
}

/// The vkey of a key that may sign for the log of this origin.
fn log_key(origin: &str, vkey: &str) -> Result<VerifierKey, Invalid> {
    let key: VerifierKey = vkey.parse()?;
    match key.key() {
        VerifierKeyKind::Signature(_) if key.name() == origin => Ok(key),
        VerifierKeyKind::Signature(_) => Err(Invalid(format!("{key} is a key of another log than {origin}"))),
        VerifierKeyKind::CosignatureV1(_) => Err(Invalid(format!("{key} is a witness's key, not a log's"))),
    }
}

fn must_verify(who: &str, key: &VerifierKey, message: &[u8], signature: &[u8]) -> Result<(), Invalid> {
    match key.key().public_key().verify(message, signature) {
        true => Ok(()),
        false => Err(Invalid(format!("{who} {key} did not sign this entry at this place"))),
    }
}

#[cfg(test)]
mod tests;
