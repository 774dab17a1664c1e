//! The whole of one stream outside of any store: exported through a component, checked natively under a
//! pinned key ([`Ledger::check`]), or changed the way an attacker would who recomputes every hash that has
//! no key ([`Ledger::rechain`]).
//!
//! Nothing here trusts the exporting component: it gives bytes, this module hashes them itself.

use anyhow::{Context as _, Result, bail, ensure};
use secure_log::encode::{decode_entry, encode_entry, encode_uint};
use secure_log::merkle::{Frontier, leaf_hash};
use secure_log::note::{Checkpoint, Note, VerifiedCheckpoint, VerifierKey};
use secure_log::payload;
use secure_log::store::{Row, RowKind};
use secure_log::types::{Detail, Digest, Entry, StreamId};

use crate::expect::Expect as _;
use crate::host::Instance;

/// Entries a page when exporting.
const PAGE: u32 = 1000;

/// One entry and what the store keeps beside it.
#[derive(Clone, Debug)]
pub struct Line {
    /// As decoded from its canonical bytes.
    pub entry: Entry,
    /// `salt || payload`; absent: none or erased.
    pub stored: Option<Vec<u8>>,
}

/// One stream: its entries in order and the signed notes of its segments in order.
#[derive(Clone, Debug)]
pub struct Ledger {
    /// Whose entries these are.
    pub stream: StreamId,
    /// `<log name>/<stream id>`.
    pub origin: String,
    /// All of them.
    pub lines: Vec<Line>,
    /// One per signed segment, from segment 0.
    pub notes: Vec<String>,
}

/// What a native check has proven.
#[derive(Clone, Debug)]
pub struct Proven {
    /// Root over all entries.
    pub root: Digest,
    /// Entries covered by the last signed checkpoint.
    pub signed: u64,
    /// Root at every seal: tree size and root.
    pub seals: Vec<(u64, Digest)>,
}

impl Ledger {
    /// Exports a stream: entries by pages, their canonical bytes from the component's encoder, notes by size.
    ///
    /// # Errors
    /// A call of the component fails, or its bytes are not canonical entries.
    pub fn export(log: &mut Instance, origin: &str, stream: &str) -> Result<Ledger> {
        let id = StreamId::try_from(stream)?;
        let mut ledger = Ledger { stream: id, origin: origin.to_owned(), lines: Vec::new(), notes: Vec::new() };
        let size = log.head(stream)?.works()?.size;
        while (ledger.lines.len() as u64) < size {
            let page = log.read_since(stream, ledger.lines.len() as u64, PAGE)?.works()?;
            ensure!(!page.is_empty(), "an empty page before the head");
            for read in page {
                let bytes = log.encode_entry(&read)?.works()?;
                let entry = decode_entry(&bytes).context("the exported bytes of an entry")?;
                let stored = match (read.salt, read.payload) {
                    (Some(salt), Some(payload)) => {
                        let salt = salt.as_slice().try_into().context("a salt has 16 bytes")?;
                        Some(payload::stored(&salt, &payload))
                    }
                    (None, None) => None,
                    _ => bail!("entry {}: salt and payload are present only together", read.seqno),
                };
                ensure!(
                    read.entry_hash == leaf_hash(&bytes).0,
                    "entry {}: another hash than its bytes have",
                    read.seqno
                );
                ledger.lines.push(Line { entry, stored });
            }
        }
        for info in segments(log, stream)? {
            if info.signed {
                ledger.notes.push(log.read_checkpoint(stream, Some(info.last_seqno + 1))?.works()?);
            }
        }
        Ok(ledger)
    }

    /// The second check: everything recomputed by the native library from the exported bytes, signatures under
    /// `pin` only. `erased` entries may miss their payload, no other.
    ///
    /// # Errors
    /// The first thing that does not hold.
    pub fn check(&self, pin: &VerifierKey) -> Result<Proven> {
        let mut tree = Frontier::new();
        let (mut last_hash, mut last_time) = (Digest::ZERO, 0);
        let mut seals: Vec<(u64, Digest)> = Vec::new();
        let mut missing = Vec::new();
        for (seqno, Line { entry, stored }) in (0..).zip(&self.lines) {
            ensure!(entry.seqno == seqno && entry.stream_id == self.stream, "entry {seqno} says it is another");
            ensure!(entry.prev_entry_hash == last_hash, "entry {seqno} does not follow its predecessor");
            ensure!(entry.timestamp >= last_time, "entry {seqno} is earlier than its predecessor");
            match (&entry.event.payload, stored) {
                (Some(reference), Some(stored)) => {
                    ensure!(payload::open(reference, stored).is_some(), "the payload of entry {seqno} is another");
                }
                (Some(_), None) => missing.push(seqno),
                (None, stored) => ensure!(stored.is_none(), "entry {seqno} has a payload that was not logged"),
            }
            last_time = entry.timestamp;
            last_hash = leaf_hash(&encode_entry(entry)?);
            tree.push(last_hash, |_, _, _| {});
            match &entry.event.detail {
                Some(Detail::StreamCreated { origin, .. }) => {
                    ensure!(seqno == 0 && *origin == self.origin, "entry {seqno} creates {origin}");
                }
                Some(Detail::SegmentSealed(seal)) => {
                    ensure!(seal.segment == seals.len() as u64, "seal {seqno} is of segment {}", seal.segment);
                    let before = seals.last().map(|(size, root)| self.checkpoint(*size, *root).hash());
                    ensure!(seal.prev_checkpoint_hash == before, "seal {seqno} names another checkpoint before it");
                    seals.push((tree.size(), tree.root()));
                }
                Some(Detail::Erased { ranges, .. }) => {
                    missing.retain(|at| !ranges.iter().any(|(first, last)| (first..=last).contains(&at)));
                }
                _ => {}
            }
        }
        ensure!(missing.is_empty(), "payloads of {missing:?} are missing without an erasure");
        let mut signed = 0;
        for (number, text) in self.notes.iter().enumerate() {
            let note = Note::parse(text)?;
            let checkpoint = VerifiedCheckpoint::open(&note, &self.origin, &[pin])?.checkpoint().clone();
            let (size, root) = *seals.get(number).context("a checkpoint without a seal")?;
            ensure!(checkpoint.size == size, "checkpoint {number} is of size {}, its seal of {size}", checkpoint.size);
            ensure!(checkpoint.root == root, "checkpoint {number} signs another root than the entries have");
            signed = size;
        }
        Ok(Proven { root: tree.root(), signed, seals })
    }

    /// Recomputes all that needs no key after a change: positions, links, seals and the checkpoint hashes they
    /// carry. The signed notes are left as they are: that is the point.
    ///
    /// # Errors
    /// A changed entry can not be encoded.
    pub fn rechain(&mut self) -> Result<()> {
        let mut tree = Frontier::new();
        let mut last_hash = Digest::ZERO;
        let (mut segments, mut first) = (0, 0);
        let mut checkpoint: Option<Digest> = None;
        for (seqno, index) in (0..).zip(0..self.lines.len()) {
            let entry = &mut self.lines[index].entry;
            entry.seqno = seqno;
            entry.prev_entry_hash = last_hash;
            let mut sealed = false;
            if let Some(Detail::SegmentSealed(seal)) = &mut entry.event.detail {
                seal.segment = segments;
                seal.first_seqno = first;
                seal.last_seqno = seqno;
                seal.prev_checkpoint_hash = checkpoint;
                (segments, first, sealed) = (segments + 1, seqno + 1, true);
            }
            last_hash = leaf_hash(&encode_entry(entry)?);
            tree.push(last_hash, |_, _, _| {});
            if sealed {
                checkpoint = Some(self.checkpoint(tree.size(), tree.root()).hash());
            }
        }
        Ok(())
    }

    /// The rows a store would hold: entries with the node and segment rows they complete, in order, then the
    /// checkpoints.
    ///
    /// # Errors
    /// An entry can not be encoded.
    pub fn rows(&self) -> Result<Vec<Row>> {
        let row = |kind, index, body| Row { kind, stream_id: self.stream.clone(), index, body, payload: None };
        let mut rows = Vec::new();
        let mut tree = Frontier::new();
        let mut segments = 0;
        for Line { entry, stored } in &self.lines {
            let body = encode_entry(entry)?;
            let mut nodes = Vec::new();
            tree.push(leaf_hash(&body), |height, index, hash| nodes.push((height, index, hash)));
            rows.push(Row { payload: stored.clone(), ..row(RowKind::Entry, entry.seqno, body) });
            for (height, index, hash) in nodes {
                rows.push(row(RowKind::node(height).context("a node row of height 1 to 7")?, index, hash.0.to_vec()));
            }
            if let Some(Detail::SegmentSealed(_)) = entry.event.detail {
                rows.push(row(RowKind::Segment, segments, encode_uint(entry.seqno)));
                segments += 1;
            }
        }
        for (index, note) in (0..).zip(&self.notes) {
            rows.push(row(RowKind::Checkpoint, index, note.clone().into_bytes()));
        }
        Ok(rows)
    }

    fn checkpoint(&self, size: u64, root: Digest) -> Checkpoint {
        Checkpoint { origin: self.origin.clone(), size, root }
    }
}

/// All segments of a stream.
///
/// # Errors
/// A call fails.
pub fn segments(log: &mut Instance, stream: &str) -> Result<Vec<crate::host::wit::SegmentInfo>> {
    let mut all = Vec::new();
    loop {
        let page = log.list_segments(stream, all.len() as u64, 1000)?.works()?;
        if page.is_empty() {
            return Ok(all);
        }
        all.extend(page);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use secure_log::types::{Event, Name, Seal, Severity, Tier};

    /// The public key of RFC 8032 section 7.1, test 1. It signs nothing here.
    const PIN: &str = "o.example/s+3573822b+AddamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1Ea";

    fn line(event: Event, stored: Option<Vec<u8>>) -> Line {
        let entry = Entry {
            stream_id: StreamId::try_from("s").unwrap(),
            seqno: 0,
            prev_entry_hash: Digest::ZERO,
            timestamp: 1_000_000,
            clock: None,
            session_id: [1; 16],
            boot_id: [0; 16],
            event,
            author: None,
        };
        Line { entry, stored }
    }

    fn system(detail: Detail) -> Line {
        line(detail.into_event(), None)
    }

    fn seal() -> Line {
        system(Detail::SegmentSealed(Seal {
            segment: 0,
            first_seqno: 0,
            last_seqno: 0,
            prev_checkpoint_hash: None,
            policy_hash: None,
            graph_digest: None,
        }))
    }

    /// Entry 0, two segments of three events each, a tail of one.
    fn ledger() -> Ledger {
        let origin = "o.example/s".to_owned();
        let created = Detail::StreamCreated { origin: origin.clone(), tier: Tier::Public, description: None };
        let logged = |text: &str| {
            let stored = payload::stored(&[3; 16], text.as_bytes());
            let event = Event {
                event_type: Name::parse("event type", "a").unwrap(),
                severity: Severity::Notice,
                producer: Name::parse("producer", "p").unwrap(),
                payload: Some(payload::reference(None, &stored).unwrap()),
                detail: None,
                idempotency_key: None,
            };
            line(event, Some(stored))
        };
        let mut lines = vec![system(created)];
        for text in ["0", "1", "2", "seal", "3", "4", "5", "seal", "6"] {
            lines.push(if text == "seal" { seal() } else { logged(text) });
        }
        let mut ledger = Ledger { stream: StreamId::try_from("s").unwrap(), origin, lines, notes: Vec::new() };
        ledger.rechain().unwrap();
        ledger
    }

    fn found(change: impl FnOnce(&mut Ledger)) -> String {
        let mut ledger = ledger();
        change(&mut ledger);
        ledger.check(&PIN.parse().unwrap()).unwrap_err().to_string()
    }

    #[test]
    fn a_rechained_ledger_passes_and_has_a_root_at_every_seal() {
        let proven = ledger().check(&PIN.parse().unwrap()).unwrap();
        assert_eq!(proven.seals.iter().map(|(size, _)| *size).collect::<Vec<_>>(), [5, 9]);
        assert_eq!(proven.signed, 0);
    }

    #[test]
    fn every_change_without_recomputing_is_found() {
        assert!(found(|l| l.lines[2].entry.seqno = 3).contains("another"));
        assert!(found(|l| l.lines[2].entry.event.severity = Severity::Debug).contains("entry 3 does not follow"));
        assert!(found(|l| l.lines[2].entry.timestamp = 1).contains("earlier"));
        assert!(found(|l| drop(l.lines.remove(2))).contains("entry 2 says it is another"));
        assert!(found(|l| l.lines.swap(2, 3)).contains("another"));
        assert!(found(|l| l.lines[2].stored = Some(vec![0; 17])).contains("the payload of entry 2"));
        assert!(found(|l| l.lines[2].stored = None).contains("missing"));
        assert!(found(|l| l.lines[4].stored = Some(vec![0; 17])).contains("not logged"));
        assert!(found(|l| l.origin = "other.example/s".into()).contains("creates"));
        assert!(found(|l| l.notes.push("no note".into())).contains("note"));
    }

    #[test]
    fn an_erased_payload_may_be_missing_and_no_other() {
        let mut ledger = ledger();
        ledger.lines[2].stored = None;
        let erased = Detail::Erased { ranges: vec![(2, 2)], reason: "r".into() };
        ledger.lines.push(system(erased));
        ledger.rechain().unwrap();
        ledger.check(&PIN.parse().unwrap()).unwrap();
        ledger.lines[3].stored = None;
        assert!(ledger.check(&PIN.parse().unwrap()).unwrap_err().to_string().contains("[3]"));
    }

    #[test]
    fn rows_are_dense_within_their_kind() {
        let rows = ledger().rows().unwrap();
        for kind in RowKind::ALL {
            let indices: Vec<u64> = rows.iter().filter(|row| row.kind == kind).map(|row| row.index).collect();
            assert!(indices.iter().copied().eq(0..indices.len() as u64), "{kind:?}");
        }
        assert_eq!(rows.iter().filter(|row| row.kind == RowKind::Segment).count(), 2);
    }
}
