//! The log's own doors to `verify`: the pass is the same one that an auditor runs over a copy of the store.

use super::{Environment, Log};
use crate::error::{FindingKind, LogError};
use crate::store::Store;
use crate::types::StreamId;
use crate::verify::{self, Known, Report, Scope, Trust};

impl<S: Store, E: Environment> Log<S, E> {
    /// The verdict on a stream under `trust`, remembered head included. See [`verify::stream`].
    ///
    /// # Errors
    /// No verdict was reached: `StreamNotFound`, `Untrusted` (no key for this origin), those of the store.
    pub fn verify(&mut self, id: &StreamId, trust: &Trust) -> Result<Report, LogError> {
        self.verdict(id, trust, Scope::Everything)
    }

    /// As [`Log::verify`], without cosignatures and remembered head.
    ///
    /// # Errors
    /// As [`Log::verify`].
    pub fn verify_checkpoint_chain(&mut self, id: &StreamId, trust: &Trust) -> Result<Report, LogError> {
        self.verdict(id, trust, Scope::Checkpoints)
    }

    /// Recomputes the root of segment `number` from the entries and checks its note under `trust`. A revocation
    /// after that segment is not seen: [`Log::verify`] sees it.
    ///
    /// # Errors
    /// `SegmentNotFound`, `Untrusted` when it is not signed or by another key, `Tampered`, those of the store.
    pub fn verify_segment_signature(&mut self, id: &StreamId, number: u64, trust: &Trust) -> Result<(), LogError> {
        self.ready()?;
        if let Some(stream) = self.known(id)?
            && number >= stream.tip.segments
            && number >= self.fresh(id)?.tip.segments
        {
            return Err(LogError::SegmentNotFound);
        }
        let report = self.verdict(id, trust, Scope::Segment(number))?;
        match report.finding {
            Some(finding) if finding.kind == FindingKind::WrongKey => Err(LogError::Untrusted(finding.to_string())),
            Some(finding) => Err(LogError::Tampered(finding)),
            None if report.signed.is_some_and(|(_, last)| last + 1 == report.entries) => Ok(()),
            None => Err(LogError::Untrusted(format!("segment {number} is not signed by a key that counts"))),
        }
    }

    fn verdict(&mut self, id: &StreamId, trust: &Trust, scope: Scope) -> Result<Report, LogError> {
        self.ready()?;
        self.find_name()?;
        let Some(name) = &self.name else { return Err(LogError::StreamNotFound) };
        let origin = name.origin(id);
        let head = self.remembered(&origin)?;
        let known = self.streams.get(id).map(|stream| Known { size: stream.tip.size(), hash: stream.tip.last_hash });
        let report = verify::stream(&mut self.store, id, &origin, trust, head.as_ref(), known, scope);
        report.map_err(|error| self.failed(error))
    }
}
