//! The verdict on a stream: one forward pass over what is stored, in pages, in constant memory.
//!
//! Entry bytes, chain, tree, every checkpoint, keys by policy, cosignatures, remembered head, in this order.
//! Nothing is taken from the party that is verified: the origin comes from the caller's configuration, the
//! keys from its trust. Faults are findings in the report; an error means that no verdict was reached.
//!
//! `checkpoints` judges the signed statements, `attested` what tokens said about the keys, `producers` payloads and author
//! signatures, `end` what is left when all was read; `report` is the answer, `notes` what it says besides.
//!
//! Others may write meanwhile. Rows of an append are stored at once, so whatever stands behind the entries that were
//! read is a fault only while the store says that no entries follow; else the pass goes on with these. Each such
//! round takes in at least one entry or ends with a finding.
//!
//! Cost: one store call a page of entries, checkpoints, cosignatures, segment and node rows; every stored
//! byte of entries and payloads is hashed once, and about one node hash an entry. Rows whose payload an `erased`
//! entry names are looked at once more. A stream that takes back checkpoints of a revoked key is passed over twice,
//! for the revocation stands behind them: the first pass finds it, the second counts without them, up to the same entry.
//!
//! Memory: one page of each, a frontier, the bounded history of keys, and the ranges of absent payloads (one item
//! a separate range).

mod attested;
mod checkpoints;
mod end;
mod notes;
mod producers;
mod report;
mod rows;

use crate::author::LastSeqs;
use crate::encode::decode_entry;
use crate::error::{Finding, FindingKind, LogError};
use crate::keys::{KeyHistory, Revoked};
use crate::log::stream::{PAGE_ROWS, Placed, Tip, finding, place_each, tampered};
use crate::log::{Ranges, RememberedHead};
use crate::merkle;
use crate::note::VerifierKey;
use crate::payload;
use crate::store::{RowKind, Store, StoreError};
use crate::types::{Detail, Digest, StreamId, quote};
pub use report::{Range, Report, RevokedKey, SignerRange, Signers, Trust};
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
    /// Without cosignatures and remembered head: of a revoked key then nothing counts as witnessed.
    Checkpoints,
    /// Up to this segment's checkpoint: of revocations after it nothing is known.
    Segment(u64),
}

/// Notes about single rows in a report: a store can not make it grow without bound.
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
    pass.judge()?;
    let revoked = pass.tip.keys.revoked().to_vec();
    let takes_back = |revoked: &Revoked| revoked.from_seqno < revoked.until;
    if pass.report.finding.is_some() || !revoked.iter().any(takes_back) {
        return Ok(pass.into_report());
    }
    // The hash of its last entry binds this pass to what the first one saw, revocations included.
    let end = Known { size: pass.tip.size(), hash: pass.tip.last_hash };
    let mut pass = Pass::new(store, id, origin, trust, head, Some(end), scope)?;
    pass.until = Some(end.size);
    pass.discounted = vec![0; revoked.len()];
    pass.revoked = revoked;
    pass.judge()?;
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
    /// Where a second pass ends: what came after the first one is not of this verdict.
    until: Option<u64>,
    /// Entries, as the store said last.
    told: u64,
    tip: Tip,
    checkpoints: Rows,
    cosignatures: Rows,
    segments: Rows,
    nodes: [Rows; 7],
    /// Absent payloads that no `erased` entry has named yet.
    missing: Ranges,
    absent: u64,
    erased: producers::Erased,
    authors: LastSeqs,
    /// A wrong node or segment row: told only when the entries themselves are in order.
    cache_fault: Option<Finding>,
    /// Revocations that the pass before this one found, and how many checkpoints each took back.
    revoked: Vec<Revoked>,
    discounted: Vec<u64>,
    /// Entries under the last verified checkpoint, and under the last that counts.
    verified_size: u64,
    signed_size: u64,
    /// Last segment with a checkpoint, by the store's word; asked when it matters.
    last_signed: Option<u64>,
    signers_left_out: u64,
    notes_left_out: u64,
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
        let (first_key, trust_basis) = match &trust.signers {
            Signers::Policy(policy) => {
                let witnesses = policy.witnesses().len();
                match policy.log_keys(origin)[..] {
                    [] => return Err(LogError::Untrusted(format!("the policy has no log line for {origin}"))),
                    [first] => (first.clone(), format!("policy: the log's first key, {witnesses} witness(es)")),
                    [first, ..] => (
                        first.clone(),
                        format!("policy: the first of its keys as the log's first key, {witnesses} witness(es)"),
                    ),
                }
            }
            Signers::Keystore { identity, key } => {
                let key = VerifierKey::for_log(origin, key.clone())?;
                (key, format!("keystore: the composed keystore's own key {identity:?}; nobody pinned it"))
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
            until: None,
            told: 0,
            tip: Tip { keys: KeyHistory::pinned(first_key), ..Tip::empty() },
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
            erased: producers::Erased::default(),
            authors: LastSeqs::default(),
            cache_fault: None,
            revoked: Vec::new(),
            discounted: Vec::new(),
            verified_size: 0,
            signed_size: 0,
            last_signed: None,
            signers_left_out: 0,
            notes_left_out: 0,
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
                rotations: 0,
                current_key: None,
                revoked: Vec::new(),
                head_checked: false,
                notes: Vec::new(),
                finding: None,
            },
        })
    }

    /// Runs, and turns what is the log's fault into the finding of the report.
    fn judge(&mut self) -> Result<(), LogError> {
        match self.run() {
            Ok(()) => {}
            Err(LogError::Tampered(found) | LogError::Rollback(found)) => self.report.finding = Some(found),
            Err(LogError::Store(StoreError::Corrupt(why))) => {
                let seqno = self.tip.size();
                self.report.finding = Some(finding(self.id, (seqno, seqno), FindingKind::EntryAltered, why));
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn run(&mut self) -> Result<(), LogError> {
        let mut limit = PAGE_ROWS;
        loop {
            let next = self.tip.size();
            let mut page = match self.store.scan(RowKind::Entry, self.id, next, limit, true) {
                // One by one from here on, so that the finding names the entry and not its page.
                Err(StoreError::Corrupt(_)) if limit > 1 => {
                    limit = 1;
                    continue;
                }
                page => page?,
            };
            if page.is_empty() {
                if self.told > next {
                    let range = (next, self.told - 1);
                    let why = "the store does not give these entries";
                    return Err(LogError::Tampered(finding(self.id, range, FindingKind::EntryMissing, why)));
                }
                if self.grew()? {
                    continue;
                }
                self.long_enough()?;
                if self.leftovers()? {
                    continue;
                }
                return self.end();
            }
            page.truncate(PAGE_ROWS as usize);
            let commitments = payload::commitments(&page.iter().map(|row| row.payload.as_deref()).collect::<Vec<_>>());
            for ((placed, commitment), seqno) in place_each(page, self.id, next).zip(commitments).zip(next..) {
                let placed = match placed {
                    Err(LogError::Unsupported(what)) => return Err(self.altered_or_unsupported(seqno, what)),
                    placed => placed?,
                };
                self.entry(placed, commitment)?;
                if let Scope::Segment(number) = self.scope
                    && self.tip.segments > number
                {
                    return Ok(());
                }
                if self.until == Some(self.tip.size()) {
                    return self.end();
                }
            }
        }
    }

    /// An entry of a later version is beyond this one, unless the next entry says that another stood here.
    fn altered_or_unsupported(&mut self, seqno: u64, what: String) -> LogError {
        let mut body = |seqno| self.store.get(RowKind::Entry, self.id, seqno).ok().flatten().map(|row| row.body);
        let (here, next) = (body(seqno), body(seqno + 1).and_then(|body| decode_entry(&body).ok()));
        match (here, next) {
            (Some(here), Some(next)) if next.prev_entry_hash != merkle::leaf_hash(&here) => {
                tampered(self.id, seqno, FindingKind::EntryAltered, what)
            }
            _ => LogError::Unsupported(what),
        }
    }

    fn entry(&mut self, placed: Placed, commitment: Option<Digest>) -> Result<(), LogError> {
        let seqno = placed.entry.seqno;
        if let Some(Detail::KeyRotated { .. }) = &placed.entry.event.detail {
            self.late_checkpoint()?;
        }
        let mut nodes: Vec<(u8, u64, Digest)> = Vec::new();
        self.tip
            .push(self.origin, &placed.entry, placed.hash, |height, index, hash| nodes.push((height, index, hash)))
            .map_err(|(kind, why)| {
                let first = if kind == FindingKind::ChainBroken { seqno.saturating_sub(1) } else { seqno };
                LogError::Tampered(finding(self.id, (first, seqno), kind, why))
            })?;
        self.payload(&placed, commitment)?;
        self.author(&placed.entry)?;
        self.attested(&placed.entry);
        for (height, index, hash) in nodes {
            self.node(height, index, hash)?;
        }
        self.compare_heads(placed.hash)?;
        match &placed.entry.event.detail {
            Some(Detail::SegmentSealed(seal)) => self.seal(seal),
            Some(Detail::Erased { ranges, .. }) => self.erased(ranges),
            Some(Detail::KeyRotated { new_vkey, .. }) if self.is_witness(new_vkey) => {
                let why = format!("{} is a witness of this policy: no log vouches for itself", quote(new_vkey));
                Err(tampered(self.id, seqno, FindingKind::WrongKey, why))
            }
            Some(Detail::KeyRotated { .. }) if self.verified_size != self.tip.sealed_size => {
                let range = (self.verified_size, self.tip.sealed_size.max(1) - 1);
                let why = format!("the key was rotated by entry {seqno} before these sealed entries were signed");
                Err(LogError::Tampered(finding(self.id, range, FindingKind::CheckpointMissing, why)))
            }
            _ => Ok(()),
        }
    }

    /// Whether the policy names the key of this vkey as a witness, under whatever name.
    fn is_witness(&self, vkey: &str) -> bool {
        let Signers::Policy(policy) = &self.trust.signers else { return false };
        let Ok(key) = vkey.parse::<VerifierKey>() else { return false };
        policy.witnesses().iter().any(|witness| witness.key.key().public_key() == key.key().public_key())
    }

    fn node(&mut self, height: u8, index: u64, hash: Digest) -> Result<(), LogError> {
        let Some(rows) = self.nodes.get_mut(usize::from(height).wrapping_sub(1)) else { return Ok(()) };
        let found = rows.next(self.store)?;
        if found.is_none_or(|row| row.index != index || row.body != hash.0) {
            self.cache_wrong(format!("node{height} row {index} is not the hash of its leaves"));
        }
        Ok(())
    }

    fn note(&mut self, text: String) {
        match self.report.notes.len() < MAX_NOTES {
            true => self.report.notes.push(text),
            false => self.notes_left_out += 1,
        }
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
        report.rotations = self.tip.keys.rotations();
        report.current_key = self.tip.keys.current().map(VerifierKey::to_string);
        report.revoked = self
            .tip
            .keys
            .revoked()
            .iter()
            .map(|key| RevokedKey {
                vkey: key.vkey.clone(),
                from_seqno: key.from_seqno,
                seqno: key.seqno,
                discounted: self.revoked.iter().position(|known| known == key).map_or(0, |at| self.discounted[at]),
            })
            .collect();
        let notes = self.closing_notes();
        self.report.notes.extend(notes);
        self.report
    }
}
