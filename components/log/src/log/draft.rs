//! Rows of one append in the making: entries, the node rows they complete, segment rows.
//!
//! A draft works on a copy of the tip, so that a conflict or an error leaves the stream as it was.

use super::stream::{Stream, Tip};
use crate::encode::{encode_entry, encode_uint};
use crate::error::{Finding, LogError};
use crate::merkle;
use crate::store::{MAX_BATCH_BYTES, Row, RowKind};
use crate::types::{Author, Detail, Digest, Entry, Event, Seal};

/// What every entry of one append has in common.
#[derive(Clone, Copy)]
pub(super) struct Moment {
    /// The clock's reading, microseconds since 1970 UTC.
    pub now: u64,
    pub session_id: [u8; 16],
    pub boot_id: [u8; 16],
}

pub(super) struct Draft<'a> {
    stream: &'a Stream,
    moment: Moment,
    pub tip: Tip,
    pub rows: Vec<Row>,
    /// The entries with an idempotency key or an author, in their order.
    pub noted: Vec<Entry>,
    bytes: usize,
}

impl<'a> Draft<'a> {
    pub fn new(stream: &'a Stream, moment: Moment, events: usize) -> Draft<'a> {
        let rows = Vec::with_capacity(events + 4);
        Draft { stream, moment, tip: stream.tip.clone(), rows, noted: Vec::new(), bytes: 0 }
    }

    /// Adds the next entry. `stored`: what the store keeps as its payload.
    ///
    /// # Errors
    /// `Invalid` when the entry or the batch is too large.
    pub fn push(
        &mut self,
        event: Event,
        author: Option<Author>,
        stored: Option<Vec<u8>>,
    ) -> Result<(u64, Digest), LogError> {
        let (now, last) = (self.moment.now.min(crate::types::MAX_INT), self.tip.last_time);
        let entry = Entry {
            stream_id: self.stream.id.clone(),
            seqno: self.tip.size(),
            prev_entry_hash: self.tip.last_hash,
            timestamp: now.max(last),
            clock: (now < last).then_some(now),
            session_id: self.moment.session_id,
            boot_id: self.moment.boot_id,
            event,
            author,
        };
        let body = encode_entry(&entry)?;
        let hash = merkle::leaf_hash(&body);
        self.bytes += body.len() + stored.as_ref().map_or(0, Vec::len);
        check_bytes(self.bytes)?;
        let row = |kind, index, body| Row { kind, stream_id: self.stream.id.clone(), index, body, payload: None };
        let (first, seqno) = (self.rows.len(), entry.seqno);
        self.rows.push(Row { payload: stored, ..row(RowKind::Entry, seqno, body) });
        let rows = &mut self.rows;
        let pushed = self.tip.push(&self.stream.origin, &entry, hash, |height, index, node| {
            rows.extend(RowKind::node(height).map(|kind| row(kind, index, node.0.to_vec())));
        });
        if let Err((kind, detail)) = pushed {
            self.rows.truncate(first);
            let stream_id = self.stream.id.clone();
            return Err(LogError::Tampered(Finding { stream_id, first_seqno: seqno, last_seqno: seqno, kind, detail }));
        }
        if entry.event.idempotency_key.is_some() || entry.author.is_some() {
            self.noted.push(entry);
        }
        Ok((seqno, hash))
    }

    /// Adds entry 0.
    pub fn create(&mut self) -> Result<(), LogError> {
        let Stream { origin, tier, description, .. } = self.stream;
        let created = Detail::StreamCreated { origin: origin.clone(), tier: *tier, description: description.clone() };
        self.push(created.into_event(), None, None).map(drop)
    }

    /// Adds the seal of the open segment and its segment row.
    pub fn seal(&mut self) -> Result<Seal, LogError> {
        let seal = Seal {
            segment: self.tip.segments,
            first_seqno: self.tip.sealed_size,
            last_seqno: self.tip.size(),
            prev_checkpoint_hash: self.tip.checkpoint_hash,
            policy_hash: None,
            graph_digest: None,
        };
        self.push(Detail::SegmentSealed(seal.clone()).into_event(), None, None)?;
        self.rows.push(Row {
            kind: RowKind::Segment,
            stream_id: self.stream.id.clone(),
            index: seal.segment,
            body: encode_uint(seal.last_seqno),
            payload: None,
        });
        Ok(seal)
    }
}

/// # Errors
/// `Invalid` when an append has more than [`MAX_BATCH_BYTES`].
pub(super) fn check_bytes(bytes: usize) -> Result<(), LogError> {
    match bytes > MAX_BATCH_BYTES {
        true => Err(LogError::Invalid(format!("the batch has more than {MAX_BATCH_BYTES} bytes of encoded rows"))),
        false => Ok(()),
    }
}
