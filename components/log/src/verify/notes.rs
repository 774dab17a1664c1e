//! The last notes of a report: on whose word it rests, what was not looked at, and how far anybody vouches for it.

use super::{Pass, Scope, Signers};
use crate::author::TRACKED;
use crate::store::Store;

impl<S: Store> Pass<'_, S> {
    /// What an auditor must read whatever else was told: never cut, for there are few.
    pub(super) fn closing_notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if let Signers::Keystore { identity, .. } = &self.trust.signers {
            notes.push(format!(
                "nobody pinned a key: that of the keystore's {identity:?} was taken for the log's first"
            ));
        }
        if self.scope == Scope::Everything && self.head.is_none() {
            notes.push("no head is remembered: a return to an older state would not be found here".into());
        }
        if self.trust.require_author && self.trust.authors.is_empty() {
            notes.push("a producer's signature was demanded, but of nobody in particular: any key was taken".into());
        }
        if let Some((first, count)) = self.erased.still_there {
            notes.push(format!(
                "{count} payload(s) that erased entries name are still stored, the first of entry {first}"
            ));
        }
        if self.erased.unread {
            notes.push("erased entries name so much that not all of it was looked for in the store".into());
        }
        if self.authors.is_incomplete() {
            notes.push(format!(
                "more than {TRACKED} producers' keys and none listed: signatures were checked, but a replay of an \
                 event by one of the later keys would not be found"
            ));
        }
        if self.signers_left_out > 0 {
            notes.push(format!("{} signers between the first and the last are not listed", self.signers_left_out));
        }
        if self.notes_left_out > 0 {
            notes.push(format!("{} more notes are left out", self.notes_left_out));
        }
        notes.extend(self.vouched());
        notes
    }

    /// A note when some entries have nobody who vouches for them, though no fault was found: no checkpoint
    /// counts, none has the quorum that the policy demands, or the last that does ends before the last entry.
    fn vouched(&self) -> Option<String> {
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
