//! The life of a stream's key: attesting the first, handing over to the next, taking one back.
//!
//! Each is an entry signed for its place in its stream. What may stand there is decided by [`crate::keys`], here
//! before anything is signed and for everyone else when the entry is read.

use super::append::{Ready, check_text};
use super::draft::Draft;
use super::sign::{check_key, verified_then};
use super::{AppendResult, Environment, Log, rolled_back, stored_checkpoint};
use crate::encode::{attest_message, revoke_message, rotate_message};
use crate::error::{FindingKind, LogError};
use crate::log::stream::tampered;
use crate::note::VerifierKey;
use crate::signer::{PublicKey, Signer, SignerError, sign_checked};
use crate::store::{RowKind, Store, Want};
use crate::types::{Detail, Digest, MAX_ATTESTATION, StreamId};

/// Where a key entry is to stand: its seqno and its link.
struct Place<'a> {
    origin: &'a str,
    seqno: u64,
    prev: Digest,
}

impl<S: Store, E: Environment> Log<S, E> {
    /// Logs the attestation of the stream's first key, signed by that key: once, before any rotation. Re-reads the
    /// stream. Durable on return.
    ///
    /// # Errors
    /// `Invalid` for more than 32 KiB or a second attestation, `Untrusted` when `key` is not the stream's first,
    /// `StreamNotFound`, `Signer`, `Tampered`, `Rollback`, `Conflict`, those of the store.
    pub fn attest_key(
        &mut self,
        key: &impl Signer,
        id: &StreamId,
        attestation: &[u8],
    ) -> Result<AppendResult, LogError> {
        check_attestation(attestation)?;
        let public = PublicKey::of_signer(key)?;
        self.key_entry(id, &public, |log, vkey| {
            let last = log.guard(|store| store.last(RowKind::Checkpoint, id))?;
            if let (Some(row), Some(stream)) = (last, log.streams.get(id)) {
                verified_then(id, &stream.origin, &stream.tip.keys, vkey, &row)?;
            }
            let mut detail = Detail::KeyAttested {
                vkey: vkey.to_string(),
                attestation: attestation.to_owned(),
                signature: Vec::new(),
            };
            log.sign_detail(id, &mut detail, |place, detail| {
                if let Detail::KeyAttested { vkey, signature, .. } = detail {
                    let message = attest_message(place.origin, place.seqno, &place.prev, vkey, attestation);
                    *signature = sign_checked(key, &public, &message)?;
                }
                Ok(())
            })?;
            Ok(detail)
        })
    }

    /// Hands the stream over from `old` to `new`, both of which sign. Checkpoints of a size up to the seqno of the
    /// result are the old key's, larger ones the new key's. Every sealed segment must be signed before. Re-reads the
    /// stream. Durable on return; after it the old key signs nothing of this stream any more.
    ///
    /// Close the segment and sign it with `new` right after. Until then no checkpoint covers the rotation: a store
    /// that takes it away shows a log in which `old`, perhaps a leaked key, signs on. A revocation, too, counts for
    /// others only from its checkpoint on.
    ///
    /// # Errors
    /// `Invalid` when a segment is sealed and not signed (it is named), when `new` had its turn before, for an
    /// attestation of more than 32 KiB; `Untrusted` when `old` is not the current key; `StreamNotFound`, `Signer`,
    /// `Tampered`, `Rollback`, `Conflict`, those of the store.
    pub fn rotate_key(
        &mut self,
        id: &StreamId,
        old: &impl Signer,
        new: &impl Signer,
        attestation: Option<&[u8]>,
    ) -> Result<AppendResult, LogError> {
        check_attestation(attestation.unwrap_or_default())?;
        let (old_public, new_public) = (PublicKey::of_signer(old)?, PublicKey::of_signer(new)?);
        self.key_entry(id, &old_public, |log, old_vkey| {
            log.all_signed(id, old_vkey)?;
            let mut detail = Detail::KeyRotated {
                old_vkey: old_vkey.to_string(),
                new_vkey: VerifierKey::for_log(old_vkey.name(), new_public.clone())?.to_string(),
                attestation: attestation.map(<[u8]>::to_vec),
                sig_old: Vec::new(),
                sig_new: Vec::new(),
            };
            log.sign_detail(id, &mut detail, |place, detail| {
                if let Detail::KeyRotated { old_vkey, new_vkey, sig_old, sig_new, .. } = detail {
                    let message =
                        rotate_message(place.origin, place.seqno, &place.prev, old_vkey, new_vkey, attestation);
                    *sig_old = sign_checked(old, &old_public, &message)?;
                    *sig_new = sign_checked(new, &new_public, &message)?;
                }
                Ok(())
            })?;
            Ok(detail)
        })
    }

    /// Takes back the predecessor `vkey`: its checkpoints of a size greater than `from_seqno` count only if they are
    /// witnessed. Signed by `current`. Its rotation stays valid. Again only with a smaller `from_seqno`. Re-reads the
    /// stream. Durable on return.
    ///
    /// # Errors
    /// `Invalid` when `vkey` is none of the 256 predecessors, `from_seqno` no earlier seqno, the reason longer than
    /// 1 KiB; `Untrusted` when `current` is not the current key; `StreamNotFound`, `Signer`, `Tampered`, `Rollback`, `Conflict`,
    /// those of the store.
    pub fn revoke_key(
        &mut self,
        id: &StreamId,
        current: &impl Signer,
        vkey: &str,
        from_seqno: u64,
        reason: &str,
    ) -> Result<AppendResult, LogError> {
        check_text("the reason", reason)?;
        let public = PublicKey::of_signer(current)?;
        self.key_entry(id, &public, |log, _| {
            let mut detail = Detail::KeyRevoked {
                vkey: vkey.to_owned(),
                from_seqno,
                reason: reason.to_owned(),
                signature: Vec::new(),
            };
            log.sign_detail(id, &mut detail, |place, detail| {
                if let Detail::KeyRevoked { signature, .. } = detail {
                    let message = revoke_message(place.origin, place.seqno, &place.prev, vkey, from_seqno);
                    *signature = sign_checked(current, &public, &message)?;
                }
                Ok(())
            })?;
            Ok(detail)
        })
    }

    /// Appends what `make` signed with `key`, the current key, over the whole history of keys; again when another
    /// writer won, whose entries are then taken in without reading all from the start.
    fn key_entry(
        &mut self,
        id: &StreamId,
        key: &PublicKey,
        make: impl Fn(&mut Self, &VerifierKey) -> Result<Detail, LogError>,
    ) -> Result<AppendResult, LogError> {
        let origin = self.fresh(id)?.origin.clone();
        let vkey = VerifierKey::for_log(&origin, key.clone())?;
        self.whole_history(id, &origin)?;
        self.retry(|log| {
            let Some(stream) = log.streams.get(id) else { return Err(LogError::StreamNotFound) };
            check_key(id, &stream.tip.keys, &vkey, stream.tip.size() + 1)?;
            let detail = match make(log, &vkey) {
                Err(LogError::Conflict) => {
                    log.fresh(id)?;
                    return Ok(None);
                }
                detail => detail?,
            };
            let moment = log.moment();
            let Some(stream) = log.streams.get(id) else { return Err(LogError::StreamNotFound) };
            let mut draft = Draft::new(stream, moment, 1);
            let (seqno, entry_hash) = draft.push(detail.into_event(), None, None)?;
            let ready = Ready::from(draft);
            // A crash before the append loses the signatures: they fit this place alone, and are made again.
            Ok(log.write(id, ready, Want::Synced)?.map(|()| AppendResult { seqno, entry_hash }))
        })
    }

    /// Lets `sign` fill in the signatures, once the entry is found to be one that may stand there.
    fn sign_detail(
        &self,
        id: &StreamId,
        detail: &mut Detail,
        sign: impl FnOnce(&Place, &mut Detail) -> Result<(), SignerError>,
    ) -> Result<(), LogError> {
        let Some(stream) = self.streams.get(id) else { return Err(LogError::StreamNotFound) };
        let place = Place { origin: &stream.origin, seqno: stream.tip.size(), prev: stream.tip.last_hash };
        stream.tip.keys.check(place.origin, place.seqno, detail)?;
        Ok(sign(&place, detail)?)
    }

    /// Re-hashes the stream from entry 0 on, so that every key event is seen, and finds it to have the remembered
    /// root and to lead to the state that this instance knows: a statement for another history is never signed.
    fn whole_history(&mut self, id: &StreamId, origin: &str) -> Result<(), LogError> {
        let head = self.remembered(origin)?;
        let stream = self.fresh(id)?;
        let (end, last_hash) = (stream.tip.size(), stream.tip.last_hash);
        if let Some(head) = head.as_ref().filter(|head| head.size > end) {
            return Err(rolled_back(id, (end, head.size - 1), "the store is behind the remembered head"));
        }
        let mut tip = self.rehash(id, origin, None, Some(head.as_ref().map_or(end, |head| head.size)))?;
        self.agree(id, &tip, head.as_ref())?;
        self.extend(id, origin, &mut tip, end)?;
        if tip.last_hash != last_hash {
            return Err(tampered(id, end - 1, FindingKind::Forked, "the entries now read are not those known"));
        }
        if let Some(stream) = self.streams.get_mut(id) {
            stream.certify(tip);
        }
        Ok(())
    }

    /// Every sealed segment has its checkpoint, and the last of them is the one recomputed here. `Conflict`: another
    /// writer sealed and signed one meanwhile.
    fn all_signed(&mut self, id: &StreamId, vkey: &VerifierKey) -> Result<(), LogError> {
        let last = self.guard(|store| store.last(RowKind::Checkpoint, id))?;
        let Some(stream) = self.streams.get(id) else { return Err(LogError::StreamNotFound) };
        let tip = &stream.tip;
        let signed = last.as_ref().map_or(0, |row| row.index.saturating_add(1));
        if signed < tip.segments {
            return Err(LogError::Invalid(format!("segment {signed} must be signed before the key is rotated")));
        }
        let Some(row) = last else { return Ok(()) };
        if signed > tip.segments {
            let size = stored_checkpoint(id, &row.body)?.1.size;
            if size > tip.size() && self.stores(id, size)? {
                return Err(LogError::Conflict);
            }
        }
        let Some(stream) = self.streams.get(id) else { return Err(LogError::StreamNotFound) };
        let tip = &stream.tip;
        let verified = verified_then(id, &stream.origin, &tip.keys, vkey, &row)?;
        match signed == tip.segments && Some(verified.checkpoint().hash()) == tip.checkpoint_hash {
            true => Ok(()),
            false => {
                let why = "the last checkpoint is not that of the entries";
                Err(tampered(id, tip.sealed_size.max(1) - 1, FindingKind::RootMismatch, why))
            }
        }
    }
}

fn check_attestation(attestation: &[u8]) -> Result<(), LogError> {
    match attestation.len() > MAX_ATTESTATION {
        true => {
            let why = format!("the attestation has {} bytes, at most {MAX_ATTESTATION}", attestation.len());
            Err(LogError::Invalid(why))
        }
        false => Ok(()),
    }
}
