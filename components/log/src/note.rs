//! Signed notes (c2sp.org/signed-note): a text, a blank line, and one signature line per key.
//!
//! ```text
//! log.example.org/audit                                  \
//! 42                                                      | the text: a checkpoint (note/checkpoint.rs)
//! CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=           /
//!
//! — log.example.org/audit base64(key id (4) || signature)   key names and ids: note/vkey.rs
//! ```
//!
//! Written in the strict intersection of what public verifiers accept, read by the strictest rules of any:
//! canonical base64, one line per (name, key id), LF only, a final newline. Nothing here signs; a
//! keystore does, through [`crate::signer::sign_checked`].

mod checkpoint;
#[cfg(test)]
mod tests;
mod vkey;

use std::borrow::Borrow;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

pub use checkpoint::{Checkpoint, VerifiedCheckpoint};
pub(crate) use checkpoint::{base64_digest, decimal};
pub(crate) use vkey::ml_dsa_44;
pub use vkey::{MAX_KEY_NAME, RSA_TYPE, VerifierKey, VerifierKeyKind, cosignature_message};

use crate::types::{hex, quote};

/// Longest note in bytes. A verifier must take 16 signatures of nearly 5 kB (signed-note, Format): in
/// base64 16 * 6,700 = 107,200 bytes, and the text.
pub const MAX_NOTE: usize = 128 * 1024;
/// Signature lines in a note, at most; the limit of Go's `sumdb/note`.
pub const MAX_LINES: usize = 100;

/// What every signature line begins with: em dash, space.
const LINE_START: &str = "— ";

/// Why a note is not accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoteError {
    /// Not a note, or a text that is not a checkpoint.
    Malformed(String),
    /// A line names a known key and its signature is not that key's.
    BadSignature(String),
    /// No line is by a known key.
    NoKnownKey,
    /// Two different known keys share a name and a key id: which of them a line means cannot be told.
    AmbiguousKey(String),
    /// A checkpoint of another log.
    WrongOrigin(String),
}

impl fmt::Display for NoteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NoteError::Malformed(why) => write!(f, "malformed note: {why}"),
            NoteError::BadSignature(who) => write!(f, "the signature line of {who} does not verify"),
            NoteError::NoKnownKey => f.write_str("no signature line is by a known key"),
            NoteError::AmbiguousKey(who) => write!(f, "two different known keys are named {who}"),
            NoteError::WrongOrigin(origin) => write!(f, "the checkpoint is of origin {}", quote(origin)),
        }
    }
}

impl std::error::Error for NoteError {}

/// One signature on a note; whose, is known only once it verified.
#[derive(Clone, PartialEq, Eq)]
pub struct SignatureLine {
    name: String,
    key_id: [u8; 4],
    signature: Vec<u8>,
}

impl SignatureLine {
    /// Parses `— <name> <base64(key id || signature)>`, without the newline.
    ///
    /// # Errors
    /// `Malformed`: another prefix, a name that is none, base64 that is not canonical, no signature bytes.
    pub fn parse(line: &str) -> Result<SignatureLine, NoteError> {
        let bad = |why: &str| NoteError::Malformed(format!("signature line {}: {why}", quote(line)));
        if line.len() > MAX_NOTE {
            return Err(bad("longer than a whole note may be"));
        }
        let rest = line.strip_prefix(LINE_START).ok_or_else(|| bad("must begin with an em dash and a space"))?;
        let (name, encoded) = rest.split_once(' ').ok_or_else(|| bad("must have a name and a signature"))?;
        vkey::check_name(name).map_err(|why| bad(&why.0))?;
        let bytes = BASE64.decode(encoded).map_err(|_| bad("not canonical base64"))?;
        match bytes.split_first_chunk::<4>() {
            Some((key_id, signature)) if !signature.is_empty() => {
                Ok(SignatureLine { name: name.to_owned(), key_id: *key_id, signature: signature.to_vec() })
            }
            _ => Err(bad("fewer than 5 bytes of key id and signature")),
        }
    }

    /// Key name; for a log the origin.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Key id, which with the name says which key.
    pub fn key_id(&self) -> [u8; 4] {
        self.key_id
    }

    /// The note encoding of the signature; for a cosignature its time stands in front.
    pub fn signature(&self) -> &[u8] {
        &self.signature
    }

    /// `name+keyid`, for people.
    fn who(&self) -> String {
        format!("{}+{}", self.name, hex(&self.key_id))
    }

    /// Index of the known key this line names, if there is one.
    fn key_among<K: Borrow<VerifierKey>>(&self, keys: &[K]) -> Result<Option<usize>, NoteError> {
        let named = |key: &K| key.borrow().name() == self.name && key.borrow().key_id() == self.key_id;
        let Some(first) = keys.iter().position(named) else { return Ok(None) };
        let same = |key: &K| keys.get(first).is_some_and(|known| known.borrow() == key.borrow());
        match keys.iter().filter(|key| named(key)).all(same) {
            true => Ok(Some(first)),
            false => Err(NoteError::AmbiguousKey(self.who())),
        }
    }
}

/// The line that says: the key of `vkey` made `signature` (note encoding) over the text.
pub fn note_line(vkey: &VerifierKey, signature: &[u8]) -> SignatureLine {
    SignatureLine { name: vkey.name().to_owned(), key_id: vkey.key_id(), signature: signature.to_vec() }
}

/// A text and its signature lines, well-formed; nothing about it is verified yet.
#[derive(Clone, PartialEq, Eq)]
pub struct Note {
    text: String,
    signatures: Vec<SignatureLine>,
}

impl Note {
    /// A note of these parts; `text` ends with its newline.
    ///
    /// # Errors
    /// As [`Note::parse`]: what was written could not be read back.
    pub fn new(text: &str, signatures: Vec<SignatureLine>) -> Result<Note, NoteError> {
        let note = Note { text: text.to_owned(), signatures };
        match Note::parse(&note.to_string())? == note {
            true => Ok(note),
            false => Err(NoteError::Malformed("the text contains what reads as a signature".into())),
        }
    }

    /// Parses a whole note. The text ends at the last empty line.
    ///
    /// # Errors
    /// `Malformed`: more than [`MAX_NOTE`] bytes or [`MAX_LINES`] lines, a control character other than LF,
    /// no blank line, no final newline, a bad line, two lines of one (name, key id).
    pub fn parse(note: &str) -> Result<Note, NoteError> {
        let bad = |why: String| Err(NoteError::Malformed(why));
        if note.len() > MAX_NOTE {
            return bad(format!("{} bytes, at most {MAX_NOTE}", note.len()));
        }
        if let Some(control) = note.bytes().find(|b| *b < 0x20 && *b != b'\n') {
            return bad(format!("control character {control:#04x}"));
        }
        let Some((text, lines)) = note.rsplit_once("\n\n") else {
            return bad("no empty line before the signatures".into());
        };
        let Some(lines) = lines.strip_suffix('\n') else {
            return bad("no signature lines, or no newline at the end".into());
        };
        if lines.split('\n').count() > MAX_LINES {
            return bad(format!("more than {MAX_LINES} signature lines"));
        }
        let mut signatures: Vec<SignatureLine> = Vec::new();
        for line in lines.split('\n') {
            let line = SignatureLine::parse(line)?;
            if signatures.iter().any(|other| other.name == line.name && other.key_id == line.key_id) {
                return bad(format!("two signature lines of {}", line.who()));
            }
            signatures.push(line);
        }
        Ok(Note { text: format!("{text}\n"), signatures })
    }

    /// What is signed, with its final newline.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// In order, at least one.
    pub fn signatures(&self) -> &[SignatureLine] {
        &self.signatures
    }

    /// Which of `keys` signed, as indices into it, in the order of the lines. Lines of other keys are ignored.
    ///
    /// # Errors
    /// `BadSignature` for a failing line of a known key, whatever other lines say; `NoKnownKey` when nothing
    /// verified; `AmbiguousKey`.
    pub fn verify<K: Borrow<VerifierKey>>(&self, keys: &[K]) -> Result<Vec<usize>, NoteError> {
        let mut verified = Vec::new();
        for line in &self.signatures {
            let Some(index) = line.key_among(keys)? else { continue };
            match keys.get(index).is_some_and(|key| key.borrow().verify(&self.text, &line.signature)) {
                true => verified.push(index),
                false => return Err(NoteError::BadSignature(line.who())),
            }
        }
        match verified.is_empty() {
            true => Err(NoteError::NoKnownKey),
            false => Ok(verified),
        }
    }
}

impl fmt::Display for SignatureLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{LINE_START}{} {}", self.name, BASE64.encode([&self.key_id[..], &self.signature].concat()))
    }
}

impl fmt::Debug for SignatureLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.signatures.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

impl fmt::Debug for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
