//! Signed statements: each checkpoint under the key of its size, and whose cosignatures it bears.

use std::borrow::Cow;

use super::{Pass, Scope, SignerRange, Signers};
use crate::encode::{decode_cosignature, encode_uint};
use crate::error::{FindingKind, LogError};
use crate::log::stream::finding;
use crate::note::{Checkpoint, Note, NoteError, SignatureLine, VerifiedCheckpoint};
use crate::store::{Row, RowKind, Store};
use crate::types::Seal;

/// Ranges in `signers`, at most, the first key's among them: vkeys are up to 4 KiB, and rotations are unlimited.
const MAX_SIGNERS: usize = 64;

impl<S: Store> Pass<'_, S> {
    /// A segment ends: its row, and its checkpoint if it was signed.
    pub(super) fn seal(&mut self, seal: &Seal) -> Result<(), LogError> {
        let row = self.segments.next(self.store)?;
        if row.is_none_or(|row| row.index != seal.segment || row.body != encode_uint(seal.last_seqno)) {
            self.cache_wrong(format!("the row of segment {} is not the number of its seal", seal.segment));
        }
        let range = (seal.first_seqno, seal.last_seqno);
        match self.checkpoints.next(self.store)? {
            None => Ok(()),
            Some(row) if row.index != seal.segment => {
                let why = format!("of segment {}, though segment {} has one", seal.segment, row.index);
                Err(LogError::Tampered(finding(self.id, range, FindingKind::CheckpointMissing, why)))
            }
            Some(row) => self.checkpoint(seal.segment, &row),
        }
    }

    /// The checkpoint of the last seal, if it was signed only after the pass went by; the ones that it follows, signed
    /// as late, are not counted. Asked for where it matters, so that the pass can go on with later ones.
    pub(super) fn late_checkpoint(&mut self) -> Result<(), LogError> {
        if self.verified_size == self.tip.sealed_size {
            self.checkpoints.resume();
            return Ok(());
        }
        let segment = self.tip.segments.saturating_sub(1);
        if let Some(row) = self.store.get(RowKind::Checkpoint, self.id, segment)? {
            self.checkpoint(segment, &row)?;
            self.checkpoints.skip_to(segment + 1);
        }
        Ok(())
    }

    /// A row that must be the checkpoint of the last seal, that of `segment`.
    fn checkpoint(&mut self, segment: u64, row: &Row) -> Result<(), LogError> {
        let size = self.tip.sealed_size;
        let fault = |kind, why: String| Err(LogError::Tampered(finding(self.id, (0, size - 1), kind, why)));
        let note = match std::str::from_utf8(&row.body).map_err(|error| error.to_string()) {
            Ok(text) => Note::parse(text).map_err(|error| error.to_string()),
            Err(why) => Err(why),
        };
        let note = match note {
            Ok(note) => note,
            Err(why) => return fault(FindingKind::CheckpointForged, why),
        };
        let Some(key) = self.tip.keys.authorised(size)?.map(Cow::into_owned) else {
            return fault(FindingKind::WrongKey, "no key".into());
        };
        let verified = match VerifiedCheckpoint::open(&note, self.origin, &[&key]) {
            Ok(verified) => verified,
            Err(error @ NoteError::NoKnownKey) => {
                return fault(FindingKind::WrongKey, format!("{error}: at {size} entries it is {key}"));
            }
            Err(error) => return fault(FindingKind::CheckpointForged, error.to_string()),
        };
        let checkpoint = verified.checkpoint();
        if checkpoint.size != size {
            let kind = match checkpoint.size {
                // The checkpoint of an earlier segment, in the place of this one's.
                signed if signed <= self.verified_size => FindingKind::CheckpointForged,
                signed if signed > size => FindingKind::EntryMissing,
                _ => FindingKind::EntryInserted,
            };
            return fault(kind, format!("segment {segment} was signed at {} entries", checkpoint.size));
        }
        if Some(checkpoint.hash()) != self.tip.checkpoint_hash {
            return fault(FindingKind::RootMismatch, format!("the entries are not those that were signed at {size}"));
        }
        self.verified_size = size;
        let witnessed = self.scope == Scope::Everything && self.cosigned(segment, &verified)?;
        let vkey = key.to_string();
        if witnessed {
            self.report.witnessed = Some((0, size - 1));
        } else if let Some(at) = self.revoked.iter().position(|key| key.vkey == vkey && size > key.from_seqno) {
            self.discounted[at] += 1;
            return Ok(());
        }
        self.count(vkey, size);
        Ok(())
    }

    /// A checkpoint of `size` that counts.
    fn count(&mut self, vkey: String, size: u64) {
        let first_seqno = std::mem::replace(&mut self.signed_size, size);
        self.report.checkpoints += 1;
        let signers = &mut self.report.signers;
        match signers.last_mut().filter(|signer| signer.vkey == vkey) {
            Some(signer) => {
                signer.last_seqno = size - 1;
                signer.checkpoints += 1;
            }
            None => {
                if signers.len() >= MAX_SIGNERS {
                    signers.remove(1);
                    self.signers_left_out += 1;
                }
                let rotated_in = self.tip.keys.since();
                signers.push(SignerRange { vkey, first_seqno, last_seqno: size - 1, checkpoints: 1, rotated_in });
            }
        }
    }

    /// Counts the cosignatures of a verified checkpoint; whether they are enough for the policy.
    ///
    /// Segments of cosignature rows never decrease, so the next greater one ends those of this segment, unless no
    /// such segment was ever signed: then the row stands for nothing and honest ones may follow. A store that says
    /// more checkpoints exist can hide cosignatures that way, as it can by not giving them; it can not invent any.
    fn cosigned(&mut self, segment: u64, verified: &VerifiedCheckpoint) -> Result<bool, LogError> {
        let Signers::Policy(policy) = &self.trust.signers else { return Ok(false) };
        let mut cosigners: Vec<usize> = Vec::new();
        while let Some(row) = self.cosignatures.peek(self.store)? {
            let index = row.index;
            let (of, line) = match decode_cosignature(&row.body) {
                Ok((of, line)) => (of, SignatureLine::parse(&line)),
                Err(_) => (segment, Err(NoteError::NoKnownKey)),
            };
            if of > segment {
                if of <= self.last_signed_segment(segment)? {
                    break;
                }
                self.cosignatures.next(self.store)?;
                self.note(format!(
                    "cosignature row {index} names segment {of}, which was never signed, and is left out"
                ));
                continue;
            }
            self.cosignatures.next(self.store)?;
            if of < segment {
                self.note(format!("cosignature row {index} of segment {of} comes after its turn and is left out"));
                continue;
            }
            match line.and_then(|line| verified.cosignatures(&[line], policy.witnesses())) {
                Ok(by) => cosigners.extend(by.into_iter().map(|(witness, _)| witness)),
                Err(_) => self.note(format!("cosignature row {index} does not verify and is left out")),
            }
        }
        cosigners.sort_unstable();
        cosigners.dedup();
        self.report.cosignatures += cosigners.len() as u64;
        Ok(policy.needs_witnesses() && policy.quorum_met(&cosigners))
    }

    /// The last segment with a checkpoint, as the store says; at least `segment`. Asked once, and only when
    /// cosignature rows of a later segment are waiting.
    fn last_signed_segment(&mut self, segment: u64) -> Result<u64, LogError> {
        let last = match self.last_signed {
            Some(last) => last,
            None => self.store.last(RowKind::Checkpoint, self.id)?.map_or(0, |row| row.index),
        };
        self.last_signed = Some(last);
        Ok(last.max(segment))
    }

    /// A checkpoint behind all seals.
    pub(super) fn leftover_checkpoint(&self, row: &Row) -> LogError {
        let size = self.tip.size();
        let covered = std::str::from_utf8(&row.body).ok().and_then(|text| Note::parse(text).ok());
        let covered = covered.and_then(|note| Checkpoint::parse(note.text()).ok());
        let (range, kind, why) = match covered.map(|checkpoint| checkpoint.size).filter(|covered| *covered > size) {
            Some(covered) => {
                let why = format!("a checkpoint of segment {} covers {covered} entries", row.index);
                ((size, covered - 1), FindingKind::Truncated, why)
            }
            None => {
                let why = format!("a checkpoint of segment {} that was never sealed", row.index);
                ((size.max(1) - 1, size.max(1) - 1), FindingKind::CheckpointForged, why)
            }
        };
        LogError::Tampered(finding(self.id, range, kind, why))
    }

    /// Cosignature rows that no checkpoint took.
    pub(super) fn leftover_cosignatures(&mut self) -> Result<(), LogError> {
        if self.scope != Scope::Everything || matches!(self.trust.signers, Signers::Keystore { .. }) {
            return Ok(());
        }
        if let Some(row) = self.cosignatures.next(self.store)? {
            let note =
                format!("cosignature rows from {} on are of no checkpoint that was read and are left out", row.index);
            self.note(note);
        }
        Ok(())
    }
}
