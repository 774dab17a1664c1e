//! `append --sign-as`: events signed by their producer before the log sees them.

use std::time::{SystemTime, UNIX_EPOCH};

use secure_log::author;
use secure_log::note::VerifierKey;
use secure_log::payload::SALT_LEN;
use secure_log::signer::Signer;
use secure_log::types::NewEvent;
use secure_log_bindings::types::{BatchResult, Event, LogError, Want};

use crate::failure::Failure;
use crate::seal::created;
use crate::service::Service;

/// Times that a batch is signed and appended, at most: another writer with the same key can come first each time.
const TRIES: u32 = 3;

/// A producer with its key.
pub struct Producer {
    identity: String,
    signer: Box<dyn Signer>,
    /// Of the stream that is written to; absent before the first batch.
    origin: Option<String>,
    /// The number of the last event. Numbers are microseconds since 1970 UTC, or one more than the last, so that
    /// nothing has to be remembered between two commands. The log takes a number of a key only if it is greater than
    /// the last: behind another writer with this key, or a clock that was set back, it refuses.
    last: u64,
}

impl Producer {
    /// The key `identity` of the keystore. Changes nothing.
    pub fn new(identity: &str, log: &mut impl Service) -> Result<Producer, Failure> {
        let signer = log.signer(identity).map_err(Failure::from).map_err(named(identity))?;
        Ok(Producer { identity: identity.to_owned(), signer, origin: None, last: 0 })
    }

    /// Appends the events, each with a salt of its own and the producer's signature; the stream is created if there is
    /// none, as a signature names its origin. Where another writer with this key came between signature and entry they
    /// are signed again, with numbers after that one's.
    pub fn append(&mut self, events: &[Event], stream: &str, log: &mut impl Service) -> Result<BatchResult, Failure> {
        let origin = self.origin(stream, log)?;
        let mut tries = 1;
        loop {
            let signed = events.iter().map(|event| self.sign(event, &origin)).collect::<Result<Vec<_>, _>>()?;
            match log.append_batch(stream, &signed, Want::Synced) {
                Err(LogError::Untrusted(_)) if tries < TRIES => tries += 1,
                answer => return Ok(answer?),
            }
        }
    }

    fn origin(&mut self, stream: &str, log: &mut impl Service) -> Result<String, Failure> {
        if let Some(origin) = &self.origin {
            return Ok(origin.clone());
        }
        created(stream, log)?;
        let vkey = log.verifier_key(&self.identity, stream).map_err(Failure::from).map_err(named(&self.identity))?;
        let vkey: VerifierKey = vkey.parse()?;
        Ok(self.origin.insert(vkey.name().to_owned()).clone())
    }

    fn sign(&mut self, event: &Event, origin: &str) -> Result<Event, Failure> {
        let mut event = event.clone();
        let mut salt = [0; SALT_LEN];
        getrandom::fill(&mut salt).map_err(|error| Failure::CannotTell(format!("randomness: {error}")))?;
        event.salt = Some(salt.to_vec());
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.last = u64::try_from(now.as_micros()).unwrap_or_default().max(self.last.saturating_add(1));
        let unsigned = NewEvent::try_from(event.clone()).map_err(|error| Failure::usage(error.0))?;
        event.author = author::sign(unsigned, origin, self.last, &*self.signer)?.author.map(Into::into);
        Ok(event)
    }
}

fn named(identity: &str) -> impl Fn(Failure) -> Failure {
    move |failure| failure.after(&format!("producer's key {identity}: "))
}
