//! How far the trust that was given vouches for what was read.

use super::{Pass, Scope, Signers};
use crate::store::Store;

impl<S: Store> Pass<'_, S> {
    /// A note when some entries have nobody who vouches for them, though no fault was found: no checkpoint
    /// counts, none has the quorum that the policy demands, or the last that does ends before the last entry.
    pub(super) fn vouched_note(&self) -> Option<String> {
        let report = &self.report;
        if report.finding.is_some() || report.entries == 0 || matches!(self.scope, Scope::Segment(_)) {
            return None;
        }
        let needs_witnesses = match &self.trust.signers {
            Signers::Policy(policy) => self.scope == Scope::Everything && policy.needs_witnesses(),
            Signers::Keystore { .. } => false,
        };
        let entries = report.entries;
        let covered = if needs_witnesses { report.witnessed } else { report.signed };
        match (report.signed, covered) {
            (None, _) => Some(format!("no checkpoint counts: nobody vouches for any of the {entries} entries")),
            (Some(_), None) => Some(format!(
                "no checkpoint has the quorum that the policy demands: it vouches for none of the {entries} entries"
            )),
            (Some(_), Some((_, last))) if last.saturating_add(1) < entries => Some(format!(
                "vouched for through entry {last}: nobody vouches yet for the {} behind it",
                entries - 1 - last
            )),
            (Some(_), Some(_)) => None,
        }
    }
}
