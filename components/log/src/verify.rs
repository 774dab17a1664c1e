//! The verdict on a stream: one forward pass over what is stored, in pages, in constant memory.
//!
//! Entry bytes, chain, tree, every checkpoint, keys by policy, cosignatures, remembered head, in this order.
//! Nothing is taken from the party that is verified: the origin comes from the caller's configuration, the
//! keys from its trust. Faults are findings in the report; an error means that no verdict was reached.
//!
//! Cost: one store call a page of entries, checkpoints, cosignatures, segment and node rows; every stored
//! byte of entries and payloads is hashed once, and about one node hash an entry. Memory: one page of each,
//! a frontier, and the ranges of absent payloads (one item a separate range).

mod report;
mod rows;

use std::collections::BTreeMap;

use crate::error::{Finding, FindingKind, LogError};
use crate::log::RememberedHead;
use crate::log::stream::{PAGE_ROWS, Placed, Tip, finding, place, tampered};
use crate::log::{Ranges, absent, check_author};
use crate::merkle;
use crate::note::{Note, NoteError, SignatureLine, VerifiedCheckpoint, VerifierKey};
use crate::payload;
use crate::store::{Row, RowKind, Store, StoreError, Want};
use crate::types::{Detail, Digest, Entry, Seal, StreamId};
pub use report::{Range, Report, SignerRange, Signers, Trust};
use rows::Rows;

/// The end of the stream as the verifying instance knows it already.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    /// Entries.
    pub size: u64,
    /// Hash of the last.
    pub hash: Digest,
}

/// How much of the verdict is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// All of it.
    Everything,
    /// Without cosignatures and remembered head.
    Checkpoints,
    /// Up to this segment's checkpoint.
    Segment(u64),
}

/// Notes in a report, at most: a store can not make it grow without bound.
const MAX_NOTES: usize = 100;

/// Verifies a stream in a store. `origin` is what entry 0 and every checkpoint must say.
///
/// # Errors
/// `StreamNotFound`, `Untrusted` when `trust` names no key for this origin, `Unsupported` for a format this
/// version does not know, those of the store other than `Corrupt`.
pub fn stream<S: Store>(
    store: &mut S,
    id: &StreamId,
    origin: &str,
    trust: &Trust,
    head: Option<&RememberedHead>,
    known: Option<Known>,
    scope: Scope,
) -> Result<Report, LogError> {
    let mut pass = Pass::new(store, id, origin, trust, head, known, scope)?;
    match pass.run() {
        Ok(()) => {}
        Err(LogError::Tampered(found) | LogError::Rollback(found)) => pass.report.finding = Some(found),
        Err(LogError::Store(StoreError::Corrupt(why))) => {
            let seqno = pass.tip.size();
            pass.report.finding = Some(finding(id, (seqno, seqno), FindingKind::EntryAltered, why));
        }
        Err(error) => return Err(error),
    }
    Ok(pass.into_report())
}

struct Pass<'a, S> {
    store: &'a mut S,
    id: &'a StreamId,
    origin: &'a str,
    trust: &'a Trust,
    head: Option<&'a RememberedHead>,
    known: Option<Known>,
    scope: Scope,
    log_keys: Vec<VerifierKey>,
    tip: Tip,
    checkpoints: Rows,
    cosignatures: Rows,
    segments: Rows,
    nodes: [Rows; 7],
    /// Absent payloads that no `erased` entry has named yet.
    missing: Ranges,
    absent: u64,
    authors: BTreeMap<Vec<u8>, u64>,
    /// A wrong node or segment row: told only when the entries themselves are in order.
    cache_fault: Option<Finding>,
    signed_size: u64,
    report: Report,
}

impl<'a, S: Store> Pass<'a, S> {
    fn new(
        store: &'a mut S,
        id: &'a StreamId,
        origin: &'a str,
        trust: &'a Trust,
        head: Option<&'a RememberedHead>,
        known: Option<Known>,
        scope: Scope,
    ) -> Result<Pass<'a, S>, LogError> {
        let (log_keys, trust_basis) = match &trust.signers {
            Signers::Policy(policy) => {
                let keys: Vec<VerifierKey> = policy.log_keys(origin).into_iter().cloned().collect();
                if keys.is_empty() {
                    return Err(LogError::Untrusted(format!("the policy has no log line for {origin}")));
                }
                let basis = format!("policy: {} log key(s), {} witness(es)", keys.len(), policy.witnesses().len());
                (keys, basis)
            }
            Signers::Keystore { identity, key } => {
                let key = VerifierKey::for_log(origin, key.clone())?;
                (vec![key], format!("keystore: the composed keystore's own key {identity:?}; nobody pinned it"))
            }
        };
        let rows = |kind| Rows::new(kind, id.clone());
        Ok(Pass {
            store,
            id,
            origin,
            trust,
            head: if scope == Scope::Everything { head } else { None },
            known,
            scope,
            log_keys,
            tip: Tip::empty(),
            checkpoints: rows(RowKind::Checkpoint),
            cosignatures: rows(RowKind::Cosignature),
            segments: rows(RowKind::Segment),
            nodes: [
                RowKind::Node1,
                RowKind::Node2,
                RowKind::Node3,
                RowKind::Node4,
                RowKind::Node5,
                RowKind::Node6,
                RowKind::Node7,
            ]
            .map(rows),
            missing: Ranges::default(),
            absent: 0,
            authors: BTreeMap::new(),
            cache_fault: None,
            signed_size: 0,
            report: Report {
                stream_id: id.clone(),
                origin: origin.to_owned(),
                trust_basis,
                entries: 0,
                segments: 0,
                checkpoints: 0,
                cosignatures: 0,
                erased: 0,
                root: merkle::empty_root(),
                witnessed: None,
                signed: None,
                sealed: None,
                open_tail: None,
                signers: Vec::new(),
                head_checked: false,
                notes: Vec::new(),
                finding: None,
            },
        })
    }

    fn run(&mut self) -> Result<(), LogError> {
        let mut limit = PAGE_ROWS;
        loop {
            let next = self.tip.size();
            let page = match self.store.scan(RowKind::Entry, self.id, next, limit, true) {
                // One by one from here on, so that the finding names the entry and not its page.
                Err(StoreError::Corrupt(_)) if limit > 1 => {
                    limit = 1;
                    continue;
                }
                page => page?,
            };
            if page.is_empty() {
                break;
            }
            for (row, seqno) in page.into_iter().take(PAGE_ROWS as usize).zip(next..) {
                self.entry(place(row, self.id, seqno)?)?;
                if let Scope::Segment(number) = self.scope
                    && self.tip.segments > number
                {
                    return Ok(());
                }
            }
        }
        self.end()
    }

    fn entry(&mut self, placed: Placed) -> Result<(), LogError> {
        let seqno = placed.entry.seqno;
        let mut nodes: Vec<(u8, u64, Digest)> = Vec::new();
        self.tip
            .push(self.origin, &placed.entry, placed.hash, |height, index, hash| nodes.push((height, index, hash)))
            .map_err(|(kind, why)| {
                let first = if kind == FindingKind::ChainBroken { seqno.saturating_sub(1) } else { seqno };
                LogError::Tampered(finding(self.id, (first, seqno), kind, why))
            })?;
        self.payload(&placed)?;
        self.author(&placed.entry)?;
        for (height, index, hash) in nodes {
            self.node(height, index, hash)?;
        }
        self.compare_heads(placed.hash)?;
        match &placed.entry.event.detail {
            Some(Detail::SegmentSealed(seal)) => self.seal(seal),
            Some(Detail::Erased { ranges, .. }) => {
                ranges.iter().for_each(|range| self.missing.remove(*range));
                Ok(())
            }
            Some(
                Detail::KeyAttested { .. }
                | Detail::KeyRotated { .. }
                | Detail::KeyRevoked { .. }
                | Detail::KeyEpoch { .. }
                | Detail::KeyDestroyed { .. },
            ) => {
                let event_type = placed.entry.event.event_type.as_str();
                Err(LogError::Unsupported(format!("{} entry {seqno}: {event_type} entries", self.id)))
            }
            _ => Ok(()),
        }
    }

    fn payload(&mut self, placed: &Placed) -> Result<(), LogError> {
        let altered = |why| Err(tampered(self.id, placed.entry.seqno, FindingKind::PayloadAltered, why));
        match (&placed.entry.event.payload, &placed.payload) {
            (None, Some(_)) => altered("a payload where none was logged"),
            (Some(reference), Some(stored)) if payload::open(reference, stored).is_none() => {
                altered("the payload does not open its commitment")
            }
            _ => {
                if absent(placed) {
                    self.missing.add(placed.entry.seqno);
                    self.absent += 1;
                }
                Ok(())
            }
        }
    }

    fn author(&mut self, entry: &Entry) -> Result<(), LogError> {
        let wrong = |why: String| Err(tampered(self.id, entry.seqno, FindingKind::AuthorWrong, why));
        let Some(author) = &entry.author else {
            return match self.trust.require_author && entry.event.detail.is_none() {
                true => wrong("the trust demands a producer's signature".into()),
                false => Ok(()),
            };
        };
        let accepted = |vkey: &VerifierKey| {
            vkey.key().public_key().algorithm().as_str() == author.algorithm
                && vkey.key().public_key().encoded() == author.public_key
        };
        if !self.trust.authors.is_empty() && !self.trust.authors.iter().any(accepted) {
            return wrong("signed by a producer that is not among the accepted".into());
        }
        let before = self.authors.get(&author.public_key).copied();
        match check_author(self.origin, author, &entry.event, before) {
            Ok(()) => {
                self.authors.insert(author.public_key.clone(), author.author_seq);
                Ok(())
            }
            Err(error) => wrong(error.to_string()),
        }
    }

    fn node(&mut self, height: u8, index: u64, hash: Digest) -> Result<(), LogError> {
        let Some(rows) = self.nodes.get_mut(usize::from(height).wrapping_sub(1)) else { return Ok(()) };
        let found = rows.next(self.store)?;
        if found.is_none_or(|row| row.index != index || row.body != hash.0) {
            self.cache_wrong(format!("node{height} row {index} is not the hash of its leaves"));
        }
        Ok(())
    }

    /// The fault of a cached row, kept until the entries have been judged; the first one counts.
    fn cache_wrong(&mut self, why: String) {
        let seqno = self.tip.size().saturating_sub(1);
        self.cache_fault.get_or_insert_with(|| finding(self.id, (seqno, seqno), FindingKind::NodeWrong, why));
    }

    fn compare_heads(&mut self, hash: Digest) -> Result<(), LogError> {
        let size = self.tip.size();
        if self.known.is_some_and(|known| known.size == size && known.hash != hash) {
            let why = "this instance knows another entry here";
            return Err(tampered(self.id, size - 1, FindingKind::Forked, why));
        }
        if let Some(head) = self.head.filter(|head| head.size == size) {
            if head.root != self.tip.frontier.root() {
                let why = "the remembered head has another root";
                return Err(LogError::Rollback(finding(self.id, (0, size - 1), FindingKind::RolledBack, why)));
            }
            self.report.head_checked = true;
        }
        Ok(())
    }

    fn seal(&mut self, seal: &Seal) -> Result<(), LogError> {
        let row = self.segments.next(self.store)?;
        if row.is_none_or(|row| row.index != seal.segment || row.body != crate::encode::encode_uint(seal.last_seqno)) {
            self.cache_wrong(format!("the row of segment {} is not the number of its seal", seal.segment));
        }
        let range = (seal.first_seqno, seal.last_seqno);
        match self.checkpoints.next(self.store)? {
            None => Ok(()),
            Some(row) if row.index != seal.segment => {
                let why = format!("of segment {}, though segment {} has one", seal.segment, row.index);
                Err(LogError::Tampered(finding(self.id, range, FindingKind::CheckpointMissing, why)))
            }
            Some(row) => self.checkpoint(seal, &row),
        }
    }

    fn checkpoint(&mut self, seal: &Seal, row: &Row) -> Result<(), LogError> {
        let size = self.tip.size();
        let fault = |kind, why: String| Err(LogError::Tampered(finding(self.id, (0, size - 1), kind, why)));
        let note = match std::str::from_utf8(&row.body).map_err(|error| error.to_string()) {
            Ok(text) => Note::parse(text).map_err(|error| error.to_string()),
            Err(why) => Err(why),
        };
        let note = match note {
            Ok(note) => note,
            Err(why) => return fault(FindingKind::CheckpointForged, why),
        };
        let verified = match VerifiedCheckpoint::open(&note, self.origin, &self.log_keys) {
            Ok(verified) => verified,
            Err(error @ NoteError::NoKnownKey) => return fault(FindingKind::WrongKey, error.to_string()),
            Err(error) => return fault(FindingKind::CheckpointForged, error.to_string()),
        };
        let checkpoint = verified.checkpoint();
        if checkpoint.size != size {
            let kind = match checkpoint.size {
                // The checkpoint of an earlier segment, in the place of this one's.
                signed if signed <= self.signed_size => FindingKind::CheckpointForged,
                signed if signed > size => FindingKind::EntryMissing,
                _ => FindingKind::EntryInserted,
            };
            return fault(kind, format!("segment {} was signed at {} entries", seal.segment, checkpoint.size));
        }
        if checkpoint.root != self.tip.frontier.root() {
            return fault(FindingKind::RootMismatch, format!("the entries are not those that were signed at {size}"));
        }
        self.report.checkpoints += 1;
        let first = self.signed_size;
        self.signed_size = size;
        for key in verified.signed_by().iter().filter_map(|index| self.log_keys.get(*index)) {
            let vkey = key.to_string();
            match self.report.signers.iter_mut().find(|signer| signer.vkey == vkey && signer.last_seqno + 1 == first) {
                Some(signer) => {
                    signer.last_seqno = size - 1;
                    signer.checkpoints += 1;
                }
                None => {
                    let range = SignerRange { vkey, first_seqno: first, last_seqno: size - 1, checkpoints: 1 };
                    self.report.signers.push(range);
                }
            }
        }
        if self.scope == Scope::Everything { self.cosigned(seal.segment, &verified) } else { Ok(()) }
    }

    fn cosigned(&mut self, segment: u64, verified: &VerifiedCheckpoint) -> Result<(), LogError> {
        let Signers::Policy(policy) = &self.trust.signers else { return Ok(()) };
        let mut cosigners: Vec<usize> = Vec::new();
        while let Some(row) = self.cosignatures.peek(self.store)? {
            let (of, line) = match crate::encode::decode_cosignature(&row.body) {
                Ok((of, line)) => (of, SignatureLine::parse(&line)),
                Err(_) => (segment, Err(NoteError::NoKnownKey)),
            };
            if of > segment {
                break;
            }
            let index = row.index;
            self.cosignatures.next(self.store)?;
            let witnesses = policy.witnesses();
            let checked = line.and_then(|line| verified.cosignatures(&[line], witnesses));
            match checked {
                Ok(by) if of == segment => cosigners.extend(by.into_iter().map(|(witness, _)| witness)),
                _ if self.report.notes.len() < MAX_NOTES => {
                    let note = format!("cosignature row {index} does not verify and is left out");
                    self.report.notes.push(note);
                }
                _ => {}
            }
        }
        cosigners.sort_unstable();
        cosigners.dedup();
        self.report.cosignatures += cosigners.len() as u64;
        if policy.quorum_met(&cosigners) && policy.needs_witnesses() {
            self.report.witnessed = Some((0, self.tip.size() - 1));
        }
        Ok(())
    }

    /// What can only be judged when all entries were seen.
    fn end(&mut self) -> Result<(), LogError> {
        let size = self.tip.size();
        let fault = |range, kind, why: String| Err(LogError::Tampered(finding(self.id, range, kind, why)));
        let last = self.store.last(RowKind::Entry, self.id)?.map_or(0, |row| row.index.saturating_add(1));
        if size == 0 && last == 0 && self.head.is_none() {
            return Err(LogError::StreamNotFound);
        }
        if last > size {
            return fault((size, last - 1), FindingKind::EntryMissing, "the store does not give these entries".into());
        }
        if let Some(head) = self.head.filter(|head| head.size > size) {
            let why = "the store is behind the remembered head";
            let range = (size, head.size - 1);
            return Err(LogError::Rollback(finding(self.id, range, FindingKind::RolledBack, why)));
        }
        if let Some(known) = self.known.filter(|known| known.size > size) {
            let why = "the store gave these entries before";
            return fault((size, known.size - 1), FindingKind::Truncated, why.into());
        }
        if let Some(row) = self.checkpoints.next(self.store)? {
            let covered = std::str::from_utf8(&row.body).ok().and_then(|text| Note::parse(text).ok());
            let covered = covered.and_then(|note| crate::note::Checkpoint::parse(note.text()).ok());
            let covered = covered.map_or(size, |checkpoint| checkpoint.size);
            return match covered > size {
                true => {
                    let why = format!("a checkpoint of segment {} covers {covered} entries", row.index);
                    fault((size, covered - 1), FindingKind::Truncated, why)
                }
                false => {
                    let why = format!("a checkpoint of segment {} that was never sealed", row.index);
                    fault((size.max(1) - 1, size.max(1) - 1), FindingKind::CheckpointForged, why)
                }
            };
        }
        if let Some(range) = self.missing.first() {
            return fault(range, FindingKind::PayloadMissing, "no erased entry names these payloads".into());
        }
        let mut extra = self.segments.next(self.store)?;
        for rows in &mut self.nodes {
            if extra.is_none() {
                extra = rows.next(self.store)?;
            }
        }
        if let Some(row) = extra {
            self.cache_wrong(format!("{} row {} stands for nothing", row.kind.as_str(), row.index));
        }
        if let Some(fault) = self.cache_fault.take() {
            return Err(LogError::Tampered(fault));
        }
        // A store that found itself damaged refuses every write, this empty one as well: all entries are in
        // order, and still something stands in the storage that was not logged.
        match self.store.append(&[], Want::Synced) {
            Err(StoreError::Corrupt(why)) => fault((size - 1, size - 1), FindingKind::EntryInserted, why),
            _ => Ok(()),
        }
    }

    fn into_report(mut self) -> Report {
        let (size, sealed) = (self.tip.size(), self.tip.sealed_size);
        let range = |first: u64, end: u64| (first < end).then(|| (first, end - 1));
        let report = &mut self.report;
        report.entries = size;
        report.segments = self.tip.segments;
        report.root = self.tip.frontier.root();
        report.erased = if self.missing.is_empty() { self.absent } else { 0 };
        report.signed = range(0, self.signed_size);
        report.sealed = range(self.signed_size, sealed);
        report.open_tail = range(sealed.max(self.signed_size), size);
        if self.scope == Scope::Everything && self.head.is_none() {
            report.notes.push("no head is remembered: a return to an older state would not be found here".into());
        }
        self.report
    }
}
