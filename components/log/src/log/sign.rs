//! Checkpoints: signing them in order, reading them back, keeping cosignatures.

use super::{Environment, Log, RememberedHead, SignedSegment, head_error, rolled_back, stored_checkpoint};
use crate::encode::{decode_cosignature, decode_uint, encode_cosignature};
use crate::error::{FindingKind, LogError};
use crate::keys::KeyHistory;
use crate::log::stream::{Tip, finding, seal_of, tampered};
use crate::note::{Checkpoint, MAX_LINES, Note, NoteError, SignatureLine, VerifiedCheckpoint, VerifierKey, note_line};
use crate::signer::{PublicKey, Signer, sign_checked};
use crate::store::{Row, RowKind, Store, StoreError, Want, full_page};
use crate::types::{Digest, Seal, StreamId};

/// The segment whose turn it is to be signed.
#[derive(Clone, Copy)]
struct Due<'a> {
    id: &'a StreamId,
    origin: &'a str,
    /// Who is to sign.
    vkey: &'a VerifierKey,
    /// The checkpoint row before.
    last: Option<&'a Row>,
    seal: &'a Seal,
}

impl Due<'_> {
    /// Entries under the checkpoint.
    fn size(&self) -> u64 {
        self.seal.last_seqno + 1
    }
}

impl<S: Store, E: Environment> Log<S, E> {
    /// Signs segment `number` with `key`, which must be the key that the stream's own rotations authorise at that
    /// size. In order: segment k needs k-1 signed. Re-hashes every entry since the last signed checkpoint. Durable
    /// on return; signing again returns what is stored.
    ///
    /// A crash between the remembered head and the checkpoint row leaves a head beyond the last checkpoint:
    /// the next call signs the same root again.
    ///
    /// # Errors
    /// `SegmentNotFound`, `Invalid` out of order, `Untrusted` when another key is authorised, `Tampered`,
    /// `Rollback`, `Signer`, those of the store.
    pub fn sign_segment(&mut self, key: &impl Signer, id: &StreamId, number: u64) -> Result<SignedSegment, LogError> {
        let stream = self.fresh(id)?;
        let (origin, segments) = (stream.origin.clone(), stream.tip.segments);
        if number >= segments {
            return Err(LogError::SegmentNotFound);
        }
        let public = PublicKey::of_signer(key)?;
        let vkey = VerifierKey::for_log(&origin, public.clone())?;
        let last = self.guard(|store| store.last(RowKind::Checkpoint, id))?;
        let signed = last.as_ref().map_or(0, |row| row.index.saturating_add(1));
        if number < signed {
            return self.signed_before(id, &origin, &vkey, number);
        }
        if number > signed {
            return Err(LogError::Invalid(format!("segment {number} is signed after segment {signed}, not before")));
        }
        let Some(seal) = seal_of(&mut self.store, id, number).map_err(|error| self.failed(error))? else {
            return Err(tampered(id, 0, FindingKind::NodeWrong, format!("the row of segment {number} is missing")));
        };
        let due = Due { id, origin: &origin, vkey: &vkey, last: last.as_ref(), seal: &seal };
        // A crash here loses nothing: entries are made durable before anything vouches for them.
        self.guard(|store| store.append(&[], Want::Synced))?;
        let root = self.root_to_remember(&due)?;
        let checkpoint = Checkpoint { origin: origin.clone(), size: due.size(), root };
        let text = checkpoint.to_text();
        let signature = sign_checked(key, &public, text.as_bytes())?;
        let note = Note::new(&text, vec![note_line(&vkey, &signature)]).map_err(note_error)?.to_string();
        let body = note.clone().into_bytes();
        let row = Row { kind: RowKind::Checkpoint, stream_id: id.clone(), index: number, body, payload: None };
        match self.store.append(&[row], Want::Synced) {
            Ok(()) => Ok(SignedSegment {
                checkpoint_hash: checkpoint.hash(),
                algorithm: public.algorithm().as_str(),
                signature,
                note,
            }),
            Err(StoreError::Conflict) => self.signed_before(id, &origin, &vkey, number),
            Err(error) => Err(self.note_failure(error)),
        }
    }

    /// vkey text of `key`, named with the stream's origin, for people to pin.
    ///
    /// # Errors
    /// `StreamNotFound`, `Signer`.
    pub fn verifier_key(&mut self, key: &impl Signer, id: &StreamId) -> Result<String, LogError> {
        let Some(stream) = self.known(id)? else { return Err(LogError::StreamNotFound) };
        Ok(VerifierKey::for_log(&stream.origin, PublicKey::of_signer(key)?)?.to_string())
    }

    /// The signed note of the segment that ends at `size` (absent: the newest), with the cosignature lines
    /// kept for it. Nothing of it is verified here. O(log segments) store calls.
    ///
    /// # Errors
    /// `SegmentNotFound` when no checkpoint has that size, `StreamNotFound`, those of the store.
    pub fn read_checkpoint(&mut self, id: &StreamId, size: Option<u64>) -> Result<String, LogError> {
        let segments = self.fresh(id)?.tip.segments;
        let row = match size {
            None => self.guard(|store| store.last(RowKind::Checkpoint, id))?,
            Some(size) => {
                let number = self.partition(id, RowKind::Segment, segments, |row| {
                    decode_uint(&row.body).is_ok_and(|seqno| seqno < size.saturating_sub(1))
                })?;
                self.guard(|store| store.get(RowKind::Checkpoint, id, number))?
            }
        };
        let row = row.ok_or(LogError::SegmentNotFound)?;
        let (note, checkpoint) = stored_checkpoint(id, &row.body)?;
        if size.is_some_and(|size| size != checkpoint.size) {
            return Err(LogError::SegmentNotFound);
        }
        let mut lines = note.signatures().to_vec();
        let own = lines.len();
        for line in self.cosignatures(id, row.index)? {
            match lines.iter().position(|other| same_key(other, &line)) {
                // The later row: it was only kept because the one before it does not verify.
                Some(at) if at >= own => lines[at] = line,
                None if lines.len() < MAX_LINES => lines.push(line),
                _ => {}
            }
        }
        Ok(Note::new(note.text(), lines).map_err(note_error)?.to_string())
    }

    /// Keeps of `lines` those that verify under one of `vkeys` for the note of segment `number` and are not
    /// kept already; says how many. Durable on return. Segments of kept lines never decrease.
    ///
    /// # Errors
    /// `SegmentNotFound` (not signed), `Invalid` for text that is no vkey or line, or for a segment before
    /// one that has cosignatures, `Conflict`, those of the store.
    pub fn add_cosignature(
        &mut self,
        id: &StreamId,
        number: u64,
        lines: &[String],
        vkeys: &[String],
    ) -> Result<u32, LogError> {
        let segments = self.fresh(id)?.tip.segments;
        if lines.len() > MAX_LINES || vkeys.len() > MAX_LINES {
            return Err(LogError::Invalid(format!("more than {MAX_LINES} lines or keys")));
        }
        let parsed: Vec<VerifierKey> = vkeys.iter().map(|vkey| vkey.parse()).collect::<Result<_, _>>()?;
        let Some(row) = self.guard(|store| store.get(RowKind::Checkpoint, id, number))? else {
            return Err(LogError::SegmentNotFound);
        };
        let (note, _) = stored_checkpoint(id, &row.body)?;
        self.retry(|log| {
            let last = log.guard(|store| store.last(RowKind::Cosignature, id))?;
            let mut next = 0;
            if let Some(last) = last {
                // A row that is none, or of a segment that is not sealed, is left out of every note.
                let segment = decode_cosignature(&last.body).map_or(0, |(segment, _)| segment);
                if segment > number && segment < segments {
                    return Err(LogError::Invalid(format!("segment {segment} has cosignatures already: too late")));
                }
                next = last.index.saturating_add(1);
            }
            let verifies = |line: &SignatureLine| {
                parsed.iter().any(|vkey| {
                    let names = vkey.name() == line.name() && vkey.key_id() == line.key_id();
                    names && vkey.verify(note.text(), line.signature())
                })
            };
            // A row of the store that does not verify keeps nobody's place.
            let mut kept = log.cosignatures(id, number)?;
            kept.retain(verifies);
            kept.extend_from_slice(note.signatures());
            let mut rows = Vec::new();
            for line in lines {
                let line = SignatureLine::parse(line.strip_suffix('\n').unwrap_or(line)).map_err(note_error)?;
                if !verifies(&line) || kept.iter().any(|other| same_key(other, &line)) {
                    continue;
                }
                let body = encode_cosignature(number, &line.to_string());
                rows.push(Row { kind: RowKind::Cosignature, stream_id: id.clone(), index: next, body, payload: None });
                next += 1;
                kept.push(line);
            }
            match log.store.append(&rows, Want::Synced) {
                Ok(()) => Ok(Some(rows.len() as u32)),
                Err(StoreError::Conflict) => Ok(None),
                Err(error) => Err(log.note_failure(error)),
            }
        })
    }

    /// The stored signature of a segment, if it is this key's.
    fn signed_before(
        &mut self,
        id: &StreamId,
        origin: &str,
        vkey: &VerifierKey,
        number: u64,
    ) -> Result<SignedSegment, LogError> {
        let Some(row) = self.guard(|store| store.get(RowKind::Checkpoint, id, number))? else {
            return Err(tampered(id, 0, FindingKind::CheckpointMissing, format!("of segment {number}")));
        };
        let checkpoint = verified(id, origin, vkey, &row)?;
        let (note, _) = stored_checkpoint(id, &row.body)?;
        let line = note.signatures().iter().find(|line| line.key_id() == vkey.key_id() && line.name() == origin);
        Ok(SignedSegment {
            checkpoint_hash: checkpoint.checkpoint().hash(),
            algorithm: vkey.key().public_key().algorithm().as_str(),
            signature: line.map(|line| line.signature().to_vec()).unwrap_or_default(),
            note: note.to_string(),
        })
    }

    /// [`Log::root_to_sign`], under a remembered head when it returns: the one that it was compared with, or a new one
    /// after that. A crash behind it leaves a head ahead of the last checkpoint row, and signing resumes.
    fn root_to_remember(&mut self, due: &Due) -> Result<Digest, LogError> {
        let size = due.size();
        self.retry(|log| {
            let compared = log.remembered(due.origin)?;
            log.fresh(due.id)?;
            let root = log.root_to_sign(due, compared.as_ref())?;
            let Some(heads) = &mut log.heads else { return Ok(Some(root)) };
            if compared.as_ref().is_some_and(|head| head.size > size) {
                return Ok(Some(root));
            }
            let head = RememberedHead { size, root, vkey: due.vkey.to_string() };
            match heads.record(due.origin, compared.as_ref(), &head) {
                Ok(()) => Ok(Some(root)),
                // Another writer remembered one in between: nothing is signed that was not compared with it.
                Err(StoreError::Conflict) => Ok(None),
                Err(error) => Err(head_error(error)),
            }
        })
    }

    /// The root at the seal that is due, re-hashed from the last checkpoint on, which verifies under the
    /// key authorised at its size, and found to agree with the remembered `head` and to lead to the state that this
    /// instance knows; its key is the one authorised there. Nothing else is ever signed: what the store says of
    /// itself, node rows above all, is only a hint.
    fn root_to_sign(&mut self, due: &Due, head: Option<&RememberedHead>) -> Result<Digest, LogError> {
        let (Due { id, origin, vkey, last, seal }, size) = (*due, due.size());
        let base = last.map(|row| stored_checkpoint(id, &row.body)).transpose()?.map(|(_, checkpoint)| checkpoint);
        let base = base.as_ref();
        let Some(stream) = self.streams.get(id) else { return Err(LogError::StreamNotFound) };
        let (end, last_hash) = (stream.tip.size(), stream.tip.last_hash);
        let known = stream.certified.then(|| stream.tip.frontier.root());
        let from = base.map_or(0, |base| base.size);
        let head = head.filter(|head| head.size >= from);
        if let Some(head) = head.filter(|head| head.size > end) {
            return Err(rolled_back(id, (end, head.size - 1), "the store is behind the remembered head"));
        }
        let before = head.filter(|head| head.size <= size).map(|head| head.size);
        let mut tip = self.rehash(id, origin, base, Some(before.unwrap_or(size)))?;
        self.agree(id, &tip, head)?;
        self.extend(id, origin, &mut tip, size)?;
        if tip.sealed_size != size || tip.segments != seal.segment + 1 {
            let why = format!("the row of segment {} names an entry that is not its seal", seal.segment);
            return Err(tampered(id, size - 1, FindingKind::NodeWrong, why));
        }
        let root = tip.frontier.root();
        if let Some(head) = head.filter(|head| head.size > size) {
            self.extend(id, origin, &mut tip, head.size)?;
            self.agree(id, &tip, Some(head))?;
        }
        self.extend(id, origin, &mut tip, end)?;
        if tip.last_hash != last_hash || known.is_some_and(|known| known != tip.frontier.root()) {
            let why = "the entries now read are not those this instance knows";
            return Err(LogError::Tampered(finding(id, (0, end - 1), FindingKind::Forked, why)));
        }
        // Only now: a rotation after `size` tells whose it was, also when the store hides the checkpoints before.
        check_key(id, &tip.keys, vkey, size)?;
        if let Some(row) = last {
            verified_then(id, origin, &tip.keys, vkey, row)?;
        }
        if let Some(stream) = self.streams.get_mut(id) {
            stream.certify(tip);
        }
        Ok(root)
    }

    /// The re-hashed entries must have the remembered root at the remembered size.
    pub(super) fn agree(&self, id: &StreamId, tip: &Tip, head: Option<&RememberedHead>) -> Result<(), LogError> {
        match head {
            Some(head) if head.size == tip.size() && head.root != tip.frontier.root() => Err(rolled_back(
                id,
                (0, head.size.max(1) - 1),
                "the entries have another root than the remembered head",
            )),
            _ => Ok(()),
        }
    }

    /// The cosignature lines kept for a segment; rows that are no lines are left out.
    fn cosignatures(&mut self, id: &StreamId, number: u64) -> Result<Vec<SignatureLine>, LogError> {
        let Some(last) = self.guard(|store| store.last(RowKind::Cosignature, id))? else { return Ok(Vec::new()) };
        let first = self.partition(id, RowKind::Cosignature, last.index.saturating_add(1), |row| {
            decode_cosignature(&row.body).is_ok_and(|(segment, _)| segment < number)
        })?;
        let page = self.guard(|store| {
            full_page(first, MAX_LINES as u32, |start, limit| store.scan(RowKind::Cosignature, id, start, limit, false))
        })?;
        let decoded = page.iter().filter_map(|row| decode_cosignature(&row.body).ok());
        let lines = decoded.filter(|(segment, _)| *segment == number);
        Ok(lines.filter_map(|(_, line)| SignatureLine::parse(&line).ok()).collect())
    }

    /// The first index below `count` whose row is not `before`, by halving. The rows are only a guide: what
    /// is found is checked by the caller.
    fn partition(
        &mut self,
        id: &StreamId,
        kind: RowKind,
        count: u64,
        before: impl Fn(&Row) -> bool,
    ) -> Result<u64, LogError> {
        let (mut low, mut high) = (0, count);
        while low < high {
            let middle = low + (high - low) / 2;
            match self.guard(|store| store.get(kind, id, middle))? {
                Some(row) if before(&row) => low = middle + 1,
                _ => high = middle,
            }
        }
        Ok(low)
    }
}

/// `vkey` is the key that may sign at `size`, as far as the entries seen by `keys` tell it.
///
/// # Errors
/// `Untrusted` for another.
pub(super) fn check_key(id: &StreamId, keys: &KeyHistory, vkey: &VerifierKey, size: u64) -> Result<(), LogError> {
    match keys.authorised(size)?.as_deref() {
        Some(known) if known != vkey => {
            Err(LogError::Untrusted(format!("stream {id} at size {size} is {known}'s to sign, not {vkey}'s")))
        }
        _ => Ok(()),
    }
}

/// The stored checkpoint, verified under the key that was authorised at its size; where no entry seen by `keys`
/// tells it, under `vkey`: then no rotation lies between that checkpoint and the signature by `vkey`.
pub(super) fn verified_then(
    id: &StreamId,
    origin: &str,
    keys: &KeyHistory,
    vkey: &VerifierKey,
    row: &Row,
) -> Result<VerifiedCheckpoint, LogError> {
    let size = stored_checkpoint(id, &row.body)?.1.size;
    match keys.authorised(size)?.as_deref() {
        Some(then) => verified(id, origin, then, row),
        None => verified(id, origin, vkey, row),
    }
}

/// The stored checkpoint, verified under this key.
fn verified(id: &StreamId, origin: &str, vkey: &VerifierKey, row: &Row) -> Result<VerifiedCheckpoint, LogError> {
    let (note, checkpoint) = stored_checkpoint(id, &row.body)?;
    let range = (0, checkpoint.size.saturating_sub(1));
    VerifiedCheckpoint::open(&note, origin, &[vkey]).map_err(|error| match error {
        NoteError::NoKnownKey => {
            LogError::Untrusted(format!("segment {} was signed by another key than {vkey}", row.index))
        }
        error => LogError::Tampered(finding(id, range, FindingKind::CheckpointForged, error.to_string())),
    })
}

fn same_key(a: &SignatureLine, b: &SignatureLine) -> bool {
    a.name() == b.name() && a.key_id() == b.key_id()
}

fn note_error(error: NoteError) -> LogError {
    LogError::Invalid(error.to_string())
}
