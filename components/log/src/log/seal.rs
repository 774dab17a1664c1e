//! Segments: sealing them, closing a stream, telling what was sealed.

use super::append::{Ready, check_text};
use super::draft::Draft;
use super::stream::{StoredTiles, Tip, each_entry, finding, place, seal_of, tampered};
use super::{Environment, Log, SegmentInfo, stored_checkpoint};
use crate::error::{FindingKind, LogError};
use crate::keys::KeyHistory;
use crate::merkle::{self, Frontier};
use crate::note::Checkpoint;
use crate::store::{RowKind, Store, Want};
use crate::types::{Detail, Digest, Seal, StreamId};

impl<S: Store, E: Environment> Log<S, E> {
    /// Seals everything since the last seal. One store call, synced; the first seal or signature of an
    /// instance re-hashes the entries since the remembered head (all, if there is none).
    ///
    /// # Errors
    /// `EmptySegment`, `StreamNotFound`, `Tampered`, `Conflict`, those of the store.
    pub fn close_segment(&mut self, id: &StreamId) -> Result<SegmentInfo, LogError> {
        self.fresh(id)?;
        self.retry(|log| {
            log.certify(id)?;
            let moment = log.moment();
            let Some(stream) = log.streams.get(id) else { return Err(LogError::StreamNotFound) };
            if stream.tip.sealed_size == stream.tip.size() {
                return Err(LogError::EmptySegment);
            }
            let mut draft = Draft::new(stream, moment, 1);
            let seal = draft.seal()?;
            let info = segment_info(id, &stream.origin, &seal, draft.tip.frontier.root(), false);
            let ready = Ready::from(draft);
            Ok(log.write(id, ready, Want::Synced)?.map(|()| info))
        })
    }

    /// Appends the close entry and the seal in one batch. Afterwards only erasures, key events and seals.
    ///
    /// # Errors
    /// `StreamClosed` when it is closed already, `Invalid`, and as [`Log::close_segment`].
    pub fn close_stream(&mut self, id: &StreamId, reason: &str) -> Result<(), LogError> {
        self.ready()?;
        check_text("the reason", reason)?;
        self.fresh(id)?;
        self.retry(|log| {
            log.certify(id)?;
            let moment = log.moment();
            let Some(stream) = log.streams.get(id) else { return Err(LogError::StreamNotFound) };
            if stream.tip.closed {
                return Err(LogError::StreamClosed);
            }
            let mut draft = Draft::new(stream, moment, 2);
            draft.push(Detail::StreamClosed { reason: reason.to_owned() }.into_event(), None, None)?;
            draft.seal()?;
            let ready = Ready::from(draft);
            log.write(id, ready, Want::Synced)
        })
    }

    /// One segment. Its root comes from node rows and is compared with what the log says elsewhere: the
    /// next seal, the checkpoint row, or this instance's own state. O(log n) store calls.
    ///
    /// # Errors
    /// `SegmentNotFound`, `StreamNotFound`, `Tampered`, those of the store.
    pub fn read_segment(&mut self, id: &StreamId, number: u64) -> Result<SegmentInfo, LogError> {
        let segments = match self.known(id)? {
            None => return Err(LogError::StreamNotFound),
            Some(stream) if number < stream.tip.segments => stream.tip.segments,
            Some(_) => self.fresh(id)?.tip.segments,
        };
        if number >= segments {
            return Err(LogError::SegmentNotFound);
        }
        let Some(stream) = self.streams.get(id) else { return Err(LogError::StreamNotFound) };
        let (origin, own) = (stream.origin.clone(), stream.tip.checkpoint_hash);
        let Some(seal) = seal_of(&mut self.store, id, number).map_err(|error| self.failed(error))? else {
            return Err(tampered(id, 0, FindingKind::NodeWrong, format!("the row of segment {number} is missing")));
        };
        let tiles = &mut StoredTiles { store: &mut self.store, stream: id };
        let root = merkle::root(seal.last_seqno + 1, tiles).map_err(|error| self.failed(error))?;
        let row = self.guard(|store| store.get(RowKind::Checkpoint, id, number))?;
        let info = segment_info(id, &origin, &seal, root, row.is_some());
        let signed = row.map(|row| stored_checkpoint(id, &row.body)).transpose()?.map(|(_, text)| text.hash());
        let said = match number + 1 == segments {
            true => own,
            false => seal_of(&mut self.store, id, number + 1)
                .map_err(|error| self.failed(error))?
                .and_then(|next| next.prev_checkpoint_hash),
        };
        if [signed, said].into_iter().flatten().any(|hash| hash != info.checkpoint_hash) {
            let why = "the root from the node rows is not the one that was sealed or signed";
            return Err(tampered(id, seal.last_seqno, FindingKind::RootMismatch, why));
        }
        Ok(info)
    }

    /// Segments from number `start`, at most `limit` (capped at 1,000). Cost: as many times `read_segment`.
    ///
    /// # Errors
    /// As [`Log::read_segment`]; a `start` beyond the last segment is an empty list.
    pub fn list_segments(&mut self, id: &StreamId, start: u64, limit: u32) -> Result<Vec<SegmentInfo>, LogError> {
        let segments = self.fresh(id)?.tip.segments;
        let end = segments.min(start.saturating_add(u64::from(limit.min(1000))));
        (start..end).map(|number| self.read_segment(id, number)).collect()
    }

    /// Makes the tip rest on re-hashed entries only: unsigned node rows must not enter a seal for ever.
    /// Starts at the remembered head's root, else at 0: a checkpoint row is not verified here. Linear in the
    /// entries since. Once per instance, unless it signed before.
    pub(super) fn certify(&mut self, id: &StreamId) -> Result<(), LogError> {
        let Some(stream) = self.streams.get(id) else { return Err(LogError::StreamNotFound) };
        if stream.certified {
            return Ok(());
        }
        let origin = stream.origin.clone();
        let head = self.remembered(&origin)?;
        self.fresh(id)?;
        let base = head.map(|head| Checkpoint { origin: origin.clone(), size: head.size, root: head.root });
        let tip = self.rehash(id, &origin, base.as_ref(), None)?;
        let Some(stream) = self.streams.get_mut(id) else { return Err(LogError::StreamNotFound) };
        stream.certify(tip);
        Ok(())
    }

    /// The tip after `until` entries (absent: all this instance knows), every entry after `base` re-hashed
    /// and checked. `base` must be the checkpoint of a seal; its root is what the entries below it stand on.
    pub(super) fn rehash(
        &mut self,
        id: &StreamId,
        origin: &str,
        base: Option<&Checkpoint>,
        until: Option<u64>,
    ) -> Result<Tip, LogError> {
        let Some(stream) = self.streams.get(id) else { return Err(LogError::StreamNotFound) };
        let (size, last_hash) = (stream.tip.size(), stream.tip.last_hash);
        let until = until.unwrap_or(size);
        let mut tip = match base {
            None => Tip::empty(),
            Some(base) if base.origin != origin || base.size > until || base.size == 0 => {
                let why =
                    format!("the last checkpoint covers {} entries of {}, here are {until}", base.size, base.origin);
                return Err(LogError::Tampered(finding(id, (0, until), FindingKind::CheckpointForged, why)));
            }
            Some(base) => self.tip_at(id, origin, base)?,
        };
        self.extend(id, origin, &mut tip, until)?;
        if until == size && tip.last_hash != last_hash {
            return Err(tampered(id, size - 1, FindingKind::Forked, "the store answered twice, differently"));
        }
        Ok(tip)
    }

    /// Pushes the entries from the end of `tip` to `until`.
    pub(super) fn extend(&mut self, id: &StreamId, origin: &str, tip: &mut Tip, until: u64) -> Result<(), LogError> {
        let range = (tip.size(), until);
        let walked = each_entry(&mut self.store, id, range, false, |placed| {
            let seqno = placed.entry.seqno;
            tip.push(origin, &placed.entry, placed.hash, |_, _, _| {})
                .map_err(|(kind, why)| tampered(id, seqno, kind, why))
        });
        walked.map_err(|error| self.failed(error))
    }

    /// The tip at a checkpoint: from node rows if they have its root, else from the entries themselves.
    fn tip_at(&mut self, id: &StreamId, origin: &str, base: &Checkpoint) -> Result<Tip, LogError> {
        let last = base.size - 1;
        let row = self.guard(|store| store.get(RowKind::Entry, id, last))?;
        let Some(row) = row else {
            return Err(tampered(id, last, FindingKind::Truncated, "a checkpoint covers this entry"));
        };
        let sealed = place(row, id, last)?;
        let Some(Detail::SegmentSealed(seal)) = &sealed.entry.event.detail else {
            return Err(tampered(id, last, FindingKind::CheckpointForged, "a checkpoint ends here, but no segment"));
        };
        // Up to the entry before, so that the seal itself is bound to the root and not only to its place.
        let loaded = Frontier::load(last, &mut StoredTiles { store: &mut self.store, stream: id });
        let loaded = loaded.map(|mut frontier| {
            frontier.push(sealed.hash, |_, _, _| {});
            frontier
        });
        match loaded {
            Ok(frontier) if frontier.root() == base.root => Ok(Tip {
                frontier,
                last_hash: sealed.hash,
                last_time: sealed.entry.timestamp,
                segments: seal.segment + 1,
                sealed_size: base.size,
                checkpoint_hash: Some(base.hash()),
                closed: false,
                keys: KeyHistory::partial(),
            }),
            Err(LogError::Store(error)) => Err(self.note_failure(error)),
            _ => {
                let mut tip = Tip::empty();
                self.extend(id, origin, &mut tip, base.size)?;
                if tip.frontier.root() != base.root {
                    let why = "the entries do not have the root of the checkpoint";
                    return Err(LogError::Tampered(finding(id, (0, last), FindingKind::RootMismatch, why)));
                }
                Ok(tip)
            }
        }
    }
}

fn segment_info(id: &StreamId, origin: &str, seal: &Seal, root: Digest, signed: bool) -> SegmentInfo {
    SegmentInfo {
        stream_id: id.clone(),
        number: seal.segment,
        first_seqno: seal.first_seqno,
        last_seqno: seal.last_seqno,
        root,
        checkpoint_hash: Checkpoint { origin: origin.to_owned(), size: seal.last_seqno + 1, root }.hash(),
        prev_checkpoint_hash: seal.prev_checkpoint_hash,
        signed,
    }
}
