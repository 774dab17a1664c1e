//! Producers who sign their own events, so that nobody who runs the log can invent one: signing, checking, and
//! which streams a log takes signed events for only.
//!
//! ```text
//! message = "secure-log/author/v1\n" || CBOR [origin, author-seq, event]          (wit/FORMAT.md section 3)
//! ```
//! Not here: whom an auditor accepts ([`crate::verify::Trust`]), keys and randomness: a producer brings both.
//!
//! A producer needs the stream's origin, its key, a number that grows with each of its events, and 16 random bytes
//! for each payload:
//!
//! ```
//! use secure_log::author;
//! use secure_log::error::LogError;
//! use secure_log::signer::Signer;
//! use secure_log::types::{Name, NewEvent, Severity};
//!
//! fn captured(till: &impl Signer, number: u64, salt: [u8; 16]) -> Result<NewEvent, LogError> {
//!     let event = NewEvent {
//!         event_type: Name::parse("event type", "payment.captured")?,
//!         severity: Severity::Informational,
//!         producer: Name::parse("producer", "till-7")?,
//!         payload: Some(b"EUR 12.50".to_vec()),
//!         encoding: None,
//!         salt: Some(salt),
//!         idempotency_key: None,
//!         author: None,
//!     };
//!     author::sign(event, "log.example.org/payments", number, till)
//! }
//! ```

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};

use crate::encode::author_message;
use crate::error::{Invalid, LogError};
use crate::note::{VerifierKey, VerifierKeyKind};
use crate::payload::{self, SALT_LEN};
use crate::signer::{Algorithm, PublicKey, Signer, sign_checked};
use crate::types::{Author, Digest, Event, MAX_INT, NewEvent, PayloadRef, StreamId, quote};

/// Keys whose last numbers are kept in memory, besides listed ones: 4,096 of 40 bytes are 160 KiB and some.
pub const TRACKED: usize = 4096;
/// Longest list of demanded keys in bytes: as much as a policy may have.
pub const MAX_DEMAND: usize = crate::policy::MAX_POLICY;

/// Signs an event for the stream of this origin: the event with its `author`, ready to be appended as it is. Any
/// change of it afterwards, the salt included, makes the signature wrong. `author_seq` is greater than that of every
/// event this key signed for the stream before, at most 2^63-1.
///
/// # Errors
/// `Invalid` for a payload without salt (the signature covers the commitment, so the log can not choose it) or above
/// 1 MiB, for a number that is too large; `Signer`, also when the keystore's answer does not verify.
pub fn sign(
    event: NewEvent,
    origin: &str,
    author_seq: u64,
    signer: &(impl Signer + ?Sized),
) -> Result<NewEvent, LogError> {
    if author_seq > MAX_INT {
        return Err(LogError::Invalid(format!("author-seq {author_seq} is greater than 2^63-1")));
    }
    let salt = match (&event.payload, event.salt) {
        (Some(_), None) => return Err(LogError::Invalid("a signed payload needs its salt: 16 random bytes".into())),
        (_, salt) => salt.unwrap_or_default(),
    };
    let stored = stored(&event, &salt);
    let reference = stored.map(|stored| payload::reference(event.encoding.clone(), &stored)).transpose()?;
    let logged = logged(&event, reference);
    let key = PublicKey::of_signer(signer)?;
    let signature = sign_checked(signer, &key, &author_message(origin, author_seq, &logged))?;
    let (algorithm, public_key) = (key.algorithm().as_str().to_owned(), key.encoded().to_vec());
    Ok(NewEvent { author: Some(Author { algorithm, public_key, author_seq, signature }), ..event })
}

/// What the store keeps as the payload of this event. `salt` is for a payload that brings none.
pub(crate) fn stored(new: &NewEvent, salt: &[u8; SALT_LEN]) -> Option<Vec<u8>> {
    new.payload.as_ref().map(|bytes| payload::stored(new.salt.as_ref().unwrap_or(salt), bytes))
}

/// The event as it stands in its entry, with the reference to its payload.
pub(crate) fn logged(new: &NewEvent, payload: Option<PayloadRef>) -> Event {
    Event {
        event_type: new.event_type.clone(),
        severity: new.severity,
        producer: new.producer.clone(),
        payload,
        detail: None,
        idempotency_key: new.idempotency_key.clone(),
    }
}

/// Checks a producer's signature over its event; `before` is the last number its key used in the stream.
///
/// # Errors
/// `Untrusted`.
pub(crate) fn check(origin: &str, author: &Author, event: &Event, before: Option<u64>) -> Result<(), LogError> {
    let refuse = |why: String| Err(LogError::Untrusted(format!("author signature: {why}")));
    let Some(algorithm) = Algorithm::from_name(&author.algorithm) else {
        return refuse(format!("unknown algorithm {}", quote(&author.algorithm)));
    };
    let key = match PublicKey::parse(algorithm, &author.public_key) {
        Ok(key) => key,
        Err(why) => return refuse(why.0),
    };
    if before.is_some_and(|before| author.author_seq <= before) {
        return refuse(format!("author-seq {} is not greater than the last one of this key", author.author_seq));
    }
    match key.verify(&author_message(origin, author.author_seq, event), &author.signature) {
        true => Ok(()),
        false => refuse("it does not verify".into()),
    }
}

/// Whether this is the key that signed. The names of producers' vkeys are for people.
pub(crate) fn is_by(author: &Author, vkey: &VerifierKey) -> bool {
    let key = vkey.key().public_key();
    key.algorithm().as_str() == author.algorithm && key.encoded() == author.public_key
}

/// The last number of each producer's key in a stream, of [`TRACKED`] keys and any that are asked for.
#[derive(Default)]
pub(crate) struct LastSeqs {
    seqs: BTreeMap<Digest, u64>,
    incomplete: bool,
}

impl LastSeqs {
    fn key(public_key: &[u8]) -> Digest {
        Digest(Sha256::digest(public_key).into())
    }

    /// Of this key, as far as it is kept.
    pub fn get(&self, public_key: &[u8]) -> Option<u64> {
        self.seqs.get(&LastSeqs::key(public_key)).copied()
    }

    /// Takes note of an event; whatever there is, if it is `asked` for.
    pub fn note(&mut self, author: &Author, asked: bool) {
        let key = LastSeqs::key(&author.public_key);
        match asked || self.seqs.len() < TRACKED || self.seqs.contains_key(&key) {
            true => drop(self.seqs.insert(key, author.author_seq)),
            false => self.incomplete = true,
        }
    }

    /// Some keys are not kept.
    pub fn is_incomplete(&self) -> bool {
        self.incomplete
    }
}

/// Which producers a log takes events from, stream by stream. One line for each key:
///
/// ```text
/// <stream id> <vkey>      events of this stream must be signed by one of its keys
/// * <vkey>                the same for every stream that no line names
/// # comment; empty lines and tabs are allowed
/// ```
/// The default demands nothing. The name in a vkey is for people; the key counts.
#[derive(Clone, Debug, Default)]
pub struct Demand {
    streams: BTreeMap<StreamId, Vec<VerifierKey>>,
    others: Vec<VerifierKey>,
}

impl Demand {
    /// Parses the text; every line, the last included, ends with LF, so that a cut list is no list.
    ///
    /// # Errors
    /// Names the line: no stream id, no vkey, a witness's key, a key twice for one stream, a control character; a text
    /// that names no key at all.
    pub fn parse(text: &str) -> Result<Demand, Invalid> {
        if text.len() > MAX_DEMAND {
            return Err(Invalid(format!("authors: {} bytes, at most {MAX_DEMAND}", text.len())));
        }
        let mut demand = Demand::default();
        for (index, line) in text.split_terminator('\n').enumerate() {
            demand.line(line).map_err(|why| Invalid(format!("authors line {}: {}", index + 1, why.0)))?;
        }
        if !text.is_empty() && !text.ends_with('\n') {
            return Err(Invalid("authors: the last line does not end with a newline; it may have been cut".into()));
        }
        if demand.streams.is_empty() && demand.others.is_empty() {
            return Err(Invalid("authors: no key is named".into()));
        }
        Ok(demand)
    }

    fn line(&mut self, line: &str) -> Result<(), Invalid> {
        if let Some(control) = line.bytes().find(|b| (*b < 0x20 && *b != b'\t') || *b == 0x7f) {
            return Err(Invalid(format!("control character {control:#04x}")));
        }
        let mut items = line.split([' ', '\t']).filter(|item| !item.is_empty());
        let Some(stream) = items.next().filter(|stream| !stream.starts_with('#')) else { return Ok(()) };
        let (Some(vkey), None) = (items.next(), items.next()) else {
            return Err(Invalid("must be: <stream id> <vkey>, or * <vkey>".into()));
        };
        let key: VerifierKey = vkey.parse()?;
        if !matches!(key.key(), VerifierKeyKind::Signature(_)) {
            return Err(Invalid(
                "a producer needs a key of type ed25519, ECDSA or RSA-PSS; this is a witness's".into(),
            ));
        }
        let keys = match stream {
            "*" => &mut self.others,
            stream => self.streams.entry(StreamId::try_from(stream)?).or_default(),
        };
        if keys.iter().any(|known| known.key().public_key() == key.key().public_key()) {
            return Err(Invalid(format!("{key} is listed twice for {stream}")));
        }
        keys.push(key);
        Ok(())
    }

    /// The keys of which one must sign each event of this stream; none: nothing is demanded. An auditor who has the
    /// same text gives them as [`crate::verify::Trust::authors`].
    pub fn keys(&self, stream: &StreamId) -> &[VerifierKey] {
        self.streams.get(stream).unwrap_or(&self.others)
    }

    /// # Errors
    /// `Untrusted`, naming the producer, for an event that is not signed by a key this stream demands. The signature
    /// itself is not looked at here.
    pub(crate) fn check(&self, stream: &StreamId, event: &NewEvent) -> Result<(), LogError> {
        let keys = self.keys(stream);
        let refuse = |why: &str| {
            let producer = quote(event.producer.as_str());
            Err(LogError::Untrusted(format!("producer {producer}: {why} stream {stream} demands")))
        };
        match &event.author {
            _ if keys.is_empty() => Ok(()),
            None => refuse("the event does not bear the signature that"),
            Some(author) if keys.iter().any(|vkey| is_by(author, vkey)) => Ok(()),
            Some(_) => refuse("the event is signed by none of the keys that"),
        }
    }
}

#[cfg(test)]
mod tests;
