//! Checkpoints (c2sp.org/tlog-checkpoint): the text a log signs for one size of its tree.
//!
//! ```text
//! <origin>\n<size, decimal>\n<base64(root)>\n
//! ```
//!
//! Extension lines are neither written nor accepted: nothing audits them.

use std::borrow::Borrow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use sha2::{Digest as _, Sha256};

use super::{Note, NoteError, SignatureLine, VerifierKey, VerifierKeyKind, vkey};
use crate::types::{Digest, MAX_INT, quote};

/// Longest text: a key name as origin, 19 digits, 44 characters of base64, three newlines.
const MAX_TEXT: usize = vkey::MAX_KEY_NAME + 19 + 44 + 3;

/// What a tree of one stream is at one size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// `<log name>/<stream id>`.
    pub origin: String,
    /// Entries covered, seqnos 0 to `size - 1`.
    pub size: u64,
    /// RFC 6962 root over them.
    pub root: Digest,
}

impl Checkpoint {
    /// The three lines, each with its newline: exactly what is signed.
    pub fn to_text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, BASE64.encode(self.root.0))
    }

    /// Parses exactly what [`Checkpoint::to_text`] writes.
    ///
    /// # Errors
    /// `Malformed`: not three lines, an origin that is no key name, leading zeros, a size above 2^63-1, base64
    /// that is not canonical or not of 32 bytes.
    pub fn parse(text: &str) -> Result<Checkpoint, NoteError> {
        let bad = |why: String| NoteError::Malformed(format!("checkpoint {}: {why}", quote(text)));
        if text.len() > MAX_TEXT {
            return Err(bad(format!("{} bytes, at most {MAX_TEXT}", text.len())));
        }
        let mut lines = text.split('\n');
        let (Some(origin), Some(size), Some(root), Some(""), None) =
            (lines.next(), lines.next(), lines.next(), lines.next(), lines.next())
        else {
            return Err(bad("must be three lines: origin, size, root".into()));
        };
        vkey::check_name(origin).map_err(|error| bad(format!("origin: {error}")))?;
        let size =
            decimal(size).ok_or_else(|| bad("the size must be decimal, 0 to 2^63-1, without leading zeros".into()))?;
        let root = base64_digest(root).ok_or_else(|| bad("the root must be canonical base64 of 32 bytes".into()))?;
        Ok(Checkpoint { origin: origin.to_owned(), size, root })
    }

    /// `checkpoint-hash = SHA-256(text)`, which the next seal carries, whether anyone signed or not.
    pub fn hash(&self) -> Digest {
        Digest(Sha256::digest(self.to_text()).into())
    }
}

/// A checkpoint that a trusted log key signed. Only [`VerifiedCheckpoint::open`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedCheckpoint {
    checkpoint: Checkpoint,
    signed_by: Vec<usize>,
}

impl VerifiedCheckpoint {
    /// The checkpoint of `note`, signed by at least one of `log_keys` for the log of this origin. Keys of
    /// another name, and witnesses' keys, are as good as absent.
    ///
    /// # Errors
    /// Those of [`Note::verify`]; `Malformed` for a text that is no checkpoint; `WrongOrigin`.
    pub fn open<K: Borrow<VerifierKey>>(
        note: &Note,
        origin: &str,
        log_keys: &[K],
    ) -> Result<VerifiedCheckpoint, NoteError> {
        let checkpoint = Checkpoint::parse(note.text())?;
        if checkpoint.origin != origin {
            return Err(NoteError::WrongOrigin(checkpoint.origin));
        }
        let of_this_log =
            |key: &VerifierKey| key.name() == origin && matches!(key.key(), VerifierKeyKind::Signature(_));
        let (indices, keys) = only(log_keys, of_this_log);
        let verified = note.verify(&keys)?;
        let signed_by = verified.into_iter().filter_map(|index| indices.get(index).copied()).collect();
        Ok(VerifiedCheckpoint { checkpoint, signed_by })
    }

    /// What was signed.
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// Which of the `log_keys` given to [`VerifiedCheckpoint::open`] signed: indices, at least one.
    pub fn signed_by(&self) -> &[usize] {
        &self.signed_by
    }

    /// Which of `witnesses` cosigned, by which time (seconds since 1970 UTC), in the order of the lines. Lines
    /// of others, and keys that are no witnesses', are ignored; none at all is no error, a policy decides.
    ///
    /// # Errors
    /// `BadSignature` for a failing line of a known witness; `AmbiguousKey`.
    pub fn cosignatures<K: Borrow<VerifierKey>>(
        &self,
        lines: &[SignatureLine],
        witnesses: &[K],
    ) -> Result<Vec<(usize, u64)>, NoteError> {
        let text = self.checkpoint.to_text();
        let (indices, keys) = only(witnesses, |key| matches!(key.key(), VerifierKeyKind::CosignatureV1(_)));
        let mut cosigned = Vec::new();
        for line in lines {
            let Some(found) = line.key_among(&keys)? else { continue };
            let time = keys.get(found).and_then(|key| key.cosignature_time(&text, line.signature()));
            let time = time.ok_or_else(|| NoteError::BadSignature(line.who()))?;
            cosigned.extend(indices.get(found).map(|index| (*index, time)));
        }
        Ok(cosigned)
    }
}

/// A size as checkpoints write it: decimal, 0 to 2^63-1, without leading zeros.
pub(crate) fn decimal(text: &str) -> Option<u64> {
    text.parse().ok().filter(|value: &u64| *value <= MAX_INT && value.to_string() == text)
}

/// A hash as checkpoints write it: canonical base64 of 32 bytes.
pub(crate) fn base64_digest(text: &str) -> Option<Digest> {
    Digest::try_from(BASE64.decode(text).ok()?.as_slice()).ok()
}

/// The keys that may speak, and where each stands in `keys`.
fn only<K: Borrow<VerifierKey>>(
    keys: &[K],
    may_speak: impl Fn(&VerifierKey) -> bool,
) -> (Vec<usize>, Vec<&VerifierKey>) {
    keys.iter().map(Borrow::borrow).enumerate().filter(|(_, key)| may_speak(key)).unzip()
}
