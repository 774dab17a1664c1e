//! What tokens said about the log's keys: told in notes, one an attestation.
//!
//! Not here: its signatures (`keys`), by which it can not be changed or removed. What it shows or fails to show is no
//! finding: the log says what its key holder said, and whom to trust with making keys is the reader's decision.

use super::Pass;
use crate::attestation::Attestation;
use crate::note::VerifierKey;
use crate::store::Store;
use crate::types::{Detail, Entry, quote};

impl<S: Store> Pass<'_, S> {
    /// A key entry whose signatures were verified.
    pub(super) fn attested(&mut self, entry: &Entry) {
        let (vkey, attestation) = match &entry.event.detail {
            Some(Detail::KeyAttested { vkey, attestation, .. }) => (vkey, attestation),
            Some(Detail::KeyRotated { new_vkey, attestation: Some(attestation), .. }) => (new_vkey, attestation),
            _ => return,
        };
        let Ok(key) = vkey.parse::<VerifierKey>() else { return };
        let shown = match std::str::from_utf8(attestation).ok().and_then(|text| Attestation::parse(text).ok()) {
            Some(attestation) => attestation.certified(key.key().public_key()).to_string(),
            None => format!("opaque, {} bytes in no form known here", attestation.len()),
        };
        self.note(format!("entry {}: attestation of the key {}: {shown}", entry.seqno, quote(vkey)));
    }
}
