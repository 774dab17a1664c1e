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
mod vkey;

use std::borrow::Borrow;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

pub use checkpoint::{Checkpoint, VerifiedCheckpoint};
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::signer::testing::TestKey;
    use crate::signer::{Algorithm, Signer as _, sign_checked};
    use crate::types::Digest;

    const TEXT: &str = "log.example.org/audit\n42\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";

    fn log_key(algorithm: Algorithm, seed: u8) -> (TestKey, VerifierKey) {
        let key = TestKey::new(algorithm, seed);
        let vkey = VerifierKey::for_log("log.example.org/audit", key.public()).unwrap();
        (key, vkey)
    }

    fn signed(key: &TestKey, vkey: &VerifierKey, text: &str) -> SignatureLine {
        note_line(vkey, &sign_checked(key, vkey.key().public_key(), text.as_bytes()).unwrap())
    }

    #[test]
    fn public_notes_and_keys_of_others_are_read_as_they_are() {
        for (vkey, note) in [
            (
                "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
                "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n\n\
                 — PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n",
            ),
            (
                "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
                "This is an example message.\n\n\
                 — example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n",
            ),
        ] {
            let key: VerifierKey = vkey.parse().unwrap();
            assert_eq!(key.to_string(), vkey);
            let parsed = Note::parse(note).unwrap();
            assert_eq!(parsed.to_string(), note);
            assert_eq!(parsed.verify(&[key]), Ok(vec![0]));
        }
        assert!("sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8".parse::<VerifierKey>().is_ok());
    }

    #[test]
    fn a_note_of_every_algorithm_verifies_and_survives_its_text() {
        let keys: Vec<_> = Algorithm::ALL.into_iter().map(|algorithm| log_key(algorithm, 1)).collect();
        let lines = keys.iter().map(|(key, vkey)| signed(key, vkey, TEXT)).collect();
        let note = Note::new(TEXT, lines).unwrap();
        let vkeys: Vec<_> = keys.iter().map(|(_, vkey)| vkey).collect();
        assert_eq!(note.verify(&vkeys), Ok(vec![0, 1, 2]));
        assert_eq!(Note::parse(&note.to_string()).unwrap(), note);
        for (index, vkey) in vkeys.iter().enumerate() {
            assert_eq!(note.verify(&[*vkey]), Ok(vec![0]), "lines of unknown keys are ignored");
            assert_eq!(note.signatures()[index].key_id(), vkey.key_id());
        }
    }

    #[test]
    fn a_failing_line_of_a_known_key_rejects_the_note_whatever_else_stands_in_it() {
        let (good, good_key) = log_key(Algorithm::Ed25519, 1);
        let (bad, bad_key) = log_key(Algorithm::Ed25519, 2);
        let stranger = log_key(Algorithm::Ed25519, 3).1;
        let lines = vec![signed(&good, &good_key, TEXT), note_line(&bad_key, &bad.sign(b"another text").unwrap())];
        let note = Note::new(TEXT, lines).unwrap();
        assert!(matches!(note.verify(&[&good_key, &bad_key]), Err(NoteError::BadSignature(_))));
        assert_eq!(note.verify(&[&good_key]), Ok(vec![0]));
        assert_eq!(note.verify(&[&stranger]), Err(NoteError::NoKnownKey));
        assert_eq!(note.verify::<VerifierKey>(&[]), Err(NoteError::NoKnownKey));
    }

    #[test]
    fn one_form_only_is_read() {
        let (key, vkey) = log_key(Algorithm::Ed25519, 1);
        let line = signed(&key, &vkey, TEXT).to_string();
        let good = format!("{TEXT}\n{line}\n");
        assert!(Note::parse(&good).is_ok());
        let (head, base64) = line.rsplit_once(' ').unwrap();
        for (bad, why) in [
            (String::new(), "empty"),
            (TEXT.to_owned(), "unsigned"),
            (format!("{TEXT}\n"), "no lines"),
            (format!("{TEXT}{line}\n"), "no blank line"),
            (good.trim_end().to_owned(), "no final newline"),
            (format!("{good}\n"), "blank line at the end"),
            (format!("{good}x\n"), "a line that is none"),
            (good.replace('\n', "\r\n"), "CRLF"),
            (good.replace("42", "4\t2"), "control character"),
            (good.replace("— ", "- "), "hyphen"),
            (good.replace("— ", "—"), "no space"),
            (good.replace("— ", "—  "), "two spaces"),
            (format!("{good}{line}\n"), "a line twice"),
            (format!("{TEXT}\n{head} {}\n", base64.trim_end_matches('=')), "no padding"),
            (format!("{TEXT}\n{head} {base64} \n"), "space at the end"),
            (format!("{TEXT}\n{head} AAAAAA==\n"), "key id without signature"),
            (format!("{TEXT}\n{head} AAAAAAB=\n"), "bits after the end"),
            (format!("{TEXT}\n{head}+x {base64}\n"), "plus in the name"),
            (format!("{TEXT}\n— a\u{2003}b {base64}\n"), "Unicode space in the name"),
            (format!("{TEXT}\n— {} {base64}\n", "n".repeat(256)), "a long name"),
            (format!("{}\n\n{line}\n", "x".repeat(MAX_NOTE)), "a long text"),
            (format!("{TEXT}\n{}", (0..=MAX_LINES).map(|n| format!("— n{n} {base64}\n")).collect::<String>()), "lines"),
        ] {
            assert!(matches!(Note::parse(&bad), Err(NoteError::Malformed(_))), "{why}");
        }
        let many: String = (0..MAX_LINES).map(|n| format!("— n{n} {base64}\n")).collect();
        assert_eq!(Note::parse(&format!("{TEXT}\n{many}")).unwrap().signatures().len(), MAX_LINES);
        assert!(Note::new("no newline", vec![signed(&key, &vkey, TEXT)]).is_err());
        assert!(Note::new(TEXT, vec![]).is_err());
    }

    #[test]
    fn only_a_log_key_of_the_origin_makes_a_verified_checkpoint() {
        let (key, vkey) = log_key(Algorithm::EcdsaP256, 1);
        let origin = "log.example.org/audit";
        let note = Note::new(TEXT, vec![signed(&key, &vkey, TEXT)]).unwrap();
        let stranger = log_key(Algorithm::Ed25519, 9).1;
        let verified = VerifiedCheckpoint::open(&note, origin, &[&stranger, &vkey]).unwrap();
        assert_eq!((verified.checkpoint().size, verified.signed_by()), (42, &[1][..]));
        assert_eq!(
            VerifiedCheckpoint::open(&note, "log.example.org/other", &[&vkey]),
            Err(NoteError::WrongOrigin(origin.into()))
        );
        let other_name = VerifierKey::for_log("log.example.org/other", key.public()).unwrap();
        let note = Note::new(TEXT, vec![signed(&key, &other_name, TEXT)]).unwrap();
        assert_eq!(note.verify(&[&other_name]), Ok(vec![0]));
        assert_eq!(VerifiedCheckpoint::open(&note, origin, &[&other_name]), Err(NoteError::NoKnownKey));
    }

    #[test]
    fn a_cosignature_says_who_and_when_and_counts_for_nothing_else() {
        let (key, vkey) = log_key(Algorithm::Ed25519, 1);
        let witness = TestKey::new(Algorithm::Ed25519, 5);
        let witness_key = VerifierKey::for_witness("witness.example.org/w1", witness.public()).unwrap();
        let cosign = |time: u64, signed_time: u64, text: &str| {
            let signature = witness.sign(&cosignature_message(signed_time, text)).unwrap();
            note_line(&witness_key, &[&time.to_be_bytes()[..], &signature].concat())
        };
        let log_line = signed(&key, &vkey, TEXT);
        let good = cosign(1_679_315_147, 1_679_315_147, TEXT);
        let note = Note::new(TEXT, vec![log_line, good.clone()]).unwrap();
        assert_eq!(note.verify(&[&vkey, &witness_key]), Ok(vec![0, 1]));
        let verified = VerifiedCheckpoint::open(&note, "log.example.org/audit", &[&vkey]).unwrap();
        assert_eq!(verified.cosignatures(note.signatures(), &[&vkey, &witness_key]), Ok(vec![(1, 1_679_315_147)]));
        assert_eq!(verified.cosignatures::<VerifierKey>(&[good], &[]), Ok(vec![]));
        let plain = note_line(&witness_key, &witness.sign(TEXT.as_bytes()).unwrap());
        for bad in [cosign(2, 1, TEXT), cosign(1, 1, "other\n"), cosign(1 << 63, 1 << 63, TEXT), plain] {
            assert!(matches!(verified.cosignatures(&[bad], &[&witness_key]), Err(NoteError::BadSignature(_))));
        }
        let as_log = VerifierKey::for_log("witness.example.org/w1", witness.public()).unwrap();
        assert_ne!(as_log.key_id(), witness_key.key_id(), "the type is part of the key id");
        assert!(VerifierKey::for_witness("w", TestKey::new(Algorithm::EcdsaP256, 1).public()).is_err());
    }

    #[test]
    fn a_checkpoint_text_has_one_form() {
        let checkpoint = Checkpoint::parse(TEXT).unwrap();
        assert_eq!(checkpoint.to_text(), TEXT);
        let empty = Checkpoint { origin: "a.b/c".into(), size: 0, root: Digest::ZERO };
        assert_eq!(Checkpoint::parse(&empty.to_text()), Ok(empty));
        for (from, to) in [
            ("\n42\n", "\n042\n"),
            ("\n42\n", "\n+42\n"),
            ("\n42\n", "\n\n"),
            ("\n42\n", "\n-1\n"),
            ("\n42\n", "\n42 \n"),
            ("\n42\n", "\n9223372036854775808\n"),
            ("\n42\n", "\n99999999999999999999\n"),
            ("q2I=\n", "q2I=\nextension\n"),
            ("q2I=\n", "q2I=\n\n"),
            ("q2I=\n", "q2I="),
            ("q2I=\n", "q2I\n"),
            ("q2I=\n", "q2J=\n"),
            ("CsUY", ""),
            ("log.example.org/audit", ""),
            ("audit", "au dit"),
            ("audit", "au+dit"),
        ] {
            let bad = TEXT.replace(from, to);
            assert!(matches!(Checkpoint::parse(&bad), Err(NoteError::Malformed(_))), "{bad:?}");
        }
    }

    #[test]
    fn a_vkey_has_one_form_and_its_key_id_is_computed() {
        for algorithm in Algorithm::ALL {
            let vkey = log_key(algorithm, 1).1;
            let text = vkey.to_string();
            assert_eq!(text.parse::<VerifierKey>().unwrap(), vkey);
            let (name, id, key) = {
                let mut parts = text.splitn(3, '+');
                (parts.next().unwrap(), parts.next().unwrap(), parts.next().unwrap())
            };
            for bad in [
                format!("{name}+{}+{key}", id.to_uppercase()),
                format!("{name}+00000000+{key}"),
                format!("{name}+0{id}+{key}"),
                format!("{name}+{id}+{key}="),
                format!("{name}+{id}+{key} "),
                format!("{name}+{id}"),
                format!("{name} +{id}+{key}"),
                format!("+{id}+{key}"),
                format!("{name}+{id}+"),
                format!("{name}+{id}+/w=="),
                format!("{name}+{id}+BgAA"),
                format!("{}+{id}+{key}", "n".repeat(256)),
                format!("{name}+{id}+{}", "A".repeat(8000)),
            ] {
                assert!(bad.parse::<VerifierKey>().is_err(), "{bad}");
            }
        }
        let (_, ecdsa) = log_key(Algorithm::EcdsaP256, 1);
        let renamed = VerifierKey::for_log("other.example.org/x", ecdsa.key().public_key().clone()).unwrap();
        assert_eq!(renamed.key_id(), ecdsa.key_id(), "an ECDSA key id is of the key alone");
    }
}
