//! Asking a witness for its cosignature. The caller carries the request (`POST <prefix>/add-checkpoint`) and gives
//! the lines to `add-cosignature`; nothing a witness answers is believed but a line that verifies.

use std::fmt;

use super::request::{AddCheckpoint, SIZE_TYPE, parse_size_body};
use crate::error::Invalid;
use crate::note::{Checkpoint, MAX_LINES, MAX_NOTE, Note, SignatureLine, VerifierKey, VerifierKeyKind};
use crate::types::{Digest, quote};

/// A checkpoint on its way to a witness: at most two requests.
#[derive(Clone, Debug)]
pub struct Submission {
    note: Note,
    checkpoint: Checkpoint,
    witnesses: Vec<VerifierKey>,
    old_size: u64,
    corrected: bool,
}

/// What a witness answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// HTTP status.
    pub status: u16,
    /// The header's value, if there was one.
    pub content_type: Option<String>,
    /// Whoever reads it needs no more than [`MAX_NOTE`] bytes.
    pub body: Vec<u8>,
}

/// What to do after an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Done: the lines that verify, at least one.
    Cosigned(Vec<SignatureLine>),
    /// Ask once more: the witness named another size to prove from.
    Again,
}

/// Why there is no cosignature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unanswered {
    /// The witness refused: its status, and the first line it gave for people.
    Refused(u16, String),
    /// It has cosigned a larger tree of this log, of this size: this log went back, or there are two of it.
    Ahead(u64),
    /// It has cosigned another tree of this very size: there are two logs under this key.
    Forked,
    /// It named one size and then, asked with a proof from there, another.
    Conflict(u64),
    /// It answered 200 without a line that verifies under a key of the caller's.
    NoCosignature,
    /// It answered what no witness answers.
    Protocol(String),
}

/// Why [`submit()`] failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SubmitError<E> {
    /// The caller's own proofs or transport.
    Caller(E),
    /// The witness.
    Witness(Unanswered),
}

impl Submission {
    /// `note` is a signed checkpoint; of `witnesses` the keys of the witness that is asked. `known_size` is that of the
    /// last checkpoint it is known to have cosigned, 0 if unknown: it will then say.
    ///
    /// # Errors
    /// Not a signed checkpoint, a key that is no witness's, no key, a known size above the checkpoint's.
    pub fn new(note: &str, witnesses: Vec<VerifierKey>, known_size: u64) -> Result<Submission, Invalid> {
        let note = Note::parse(note).map_err(|error| Invalid(error.to_string()))?;
        let checkpoint = Checkpoint::parse(note.text()).map_err(|error| Invalid(error.to_string()))?;
        if let Some(key) = witnesses.iter().find(|key| !matches!(key.key(), VerifierKeyKind::CosignatureV1(_))) {
            return Err(Invalid(format!("{key} is no cosignature/v1 key")));
        }
        if witnesses.is_empty() {
            return Err(Invalid("no witness key: no answer could be believed".into()));
        }
        if known_size > checkpoint.size {
            let size = checkpoint.size;
            return Err(Invalid(format!("a checkpoint of size {size} cannot continue one of size {known_size}")));
        }
        Ok(Submission { note, checkpoint, witnesses, old_size: known_size, corrected: false })
    }

    /// The body to send now. `proof(old, new)` gives the consistency proof between two sizes of this log; it is
    /// asked only where one is due.
    ///
    /// # Errors
    /// Those of `proof`.
    pub fn request<E>(&self, proof: impl FnOnce(u64, u64) -> Result<Vec<Digest>, E>) -> Result<Vec<u8>, E> {
        let (old_size, new_size) = (self.old_size, self.checkpoint.size);
        let proof = if old_size == 0 || old_size == new_size { Vec::new() } else { proof(old_size, new_size)? };
        Ok(AddCheckpoint { old_size, proof, note: self.note.clone() }.to_string().into_bytes())
    }

    /// Takes the answer to [`Submission::request`].
    ///
    /// # Errors
    /// [`Unanswered`]: asking again would not help, except for a status of 429 or 5xx, later.
    pub fn answer(&mut self, response: &Response) -> Result<Next, Unanswered> {
        match response.status {
            200 => self.cosigned(&response.body),
            409 => self.conflict(response),
            // Equal sizes, no proof: only the roots can differ.
            422 if self.old_size == self.checkpoint.size && self.old_size > 0 => Err(Unanswered::Forked),
            status => {
                let told = String::from_utf8_lossy(&response.body[..response.body.len().min(200)]).into_owned();
                Err(Unanswered::Refused(status, told.lines().next().unwrap_or_default().to_owned()))
            }
        }
    }

    fn cosigned(&self, body: &[u8]) -> Result<Next, Unanswered> {
        let protocol = |why: &str| Err(Unanswered::Protocol(format!("the cosignatures are {why}")));
        if body.len() > MAX_NOTE {
            return protocol("too long");
        }
        let Ok(text) = std::str::from_utf8(body) else { return protocol("not UTF-8") };
        let mut kept: Vec<SignatureLine> = Vec::new();
        for line in text.lines().take(MAX_LINES) {
            // What is no line, or nobody's whom the caller knows, is as good as absent.
            let Ok(line) = SignatureLine::parse(line) else { continue };
            let by = |key: &&VerifierKey| key.name() == line.name() && key.key_id() == line.key_id();
            let key = self.witnesses.iter().find(by);
            let time = key.and_then(|key| key.cosignature_time(self.note.text(), line.signature()));
            if time.is_some() && !kept.contains(&line) {
                kept.push(line);
            }
        }
        match kept.is_empty() {
            true => Err(Unanswered::NoCosignature),
            false => Ok(Next::Cosigned(kept)),
        }
    }

    fn conflict(&mut self, response: &Response) -> Result<Next, Unanswered> {
        let kind = response.content_type.as_deref().unwrap_or_default();
        // A media type is case-insensitive, and parameters may follow it (RFC 9110 section 8.3.1).
        let media_type = kind.split(';').next().unwrap_or_default().trim_matches([' ', '\t']);
        let size = match media_type.eq_ignore_ascii_case(SIZE_TYPE) {
            true => parse_size_body(&response.body),
            // Version 1.0 of the specification answers 409 without a size when the roots differ.
            false if self.old_size == self.checkpoint.size => return Err(Unanswered::Forked),
            false => None,
        };
        let Some(size) = size else {
            return Err(Unanswered::Protocol(format!("409 without a size, as {}", quote(kind))));
        };
        match size {
            size if size > self.checkpoint.size => Err(Unanswered::Ahead(size)),
            size if size == self.old_size && size == self.checkpoint.size => Err(Unanswered::Forked),
            size if size == self.old_size || self.corrected => Err(Unanswered::Conflict(size)),
            size => {
                (self.old_size, self.corrected) = (size, true);
                Ok(Next::Again)
            }
        }
    }
}

/// Carries a submission through: asks, and once more when the witness names another size. `exchange` sends a body to
/// the witness and returns its answer.
///
/// # Errors
/// [`SubmitError`].
pub fn submit<E>(
    mut submission: Submission,
    mut proof: impl FnMut(u64, u64) -> Result<Vec<Digest>, E>,
    mut exchange: impl FnMut(&[u8]) -> Result<Response, E>,
) -> Result<Vec<SignatureLine>, SubmitError<E>> {
    loop {
        let body = submission.request(&mut proof).map_err(SubmitError::Caller)?;
        let response = exchange(&body).map_err(SubmitError::Caller)?;
        match submission.answer(&response).map_err(SubmitError::Witness)? {
            Next::Cosigned(lines) => return Ok(lines),
            Next::Again => {}
        }
    }
}

impl fmt::Display for Unanswered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unanswered::Refused(status, why) => write!(f, "the witness refused with status {status}: {}", quote(why)),
            Unanswered::Ahead(size) => {
                write!(f, "the witness cosigned a larger tree, of size {size}: this log went back, or there are two")
            }
            Unanswered::Forked => {
                f.write_str("the witness cosigned another tree of this size: there are two logs under this key")
            }
            Unanswered::Conflict(size) => write!(f, "the witness asks again for a proof from size {size}"),
            Unanswered::NoCosignature => f.write_str("no line of the answer verifies under the witness's key"),
            Unanswered::Protocol(why) => write!(f, "this is no witness: {why}"),
        }
    }
}

impl<E: fmt::Display> fmt::Display for SubmitError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SubmitError::Caller(error) => error.fmt(f),
            SubmitError::Witness(why) => why.fmt(f),
        }
    }
}

impl std::error::Error for Unanswered {}
impl<E: fmt::Debug + fmt::Display> std::error::Error for SubmitError<E> {}
