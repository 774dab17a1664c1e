//! `append --sign-as`: events signed by their producer before the log sees them.

use std::time::{SystemTime, UNIX_EPOCH};

use secure_log::author;
use secure_log::note::VerifierKey;
use secure_log::payload::SALT_LEN;
use secure_log::signer::Signer;
use secure_log::types::NewEvent;
use secure_log_bindings::types::{Event, LogError};

use crate::failure::Failure;
use crate::service::Service;

/// A producer with its key.
pub struct Producer {
    signer: Box<dyn Signer>,
    origin: String,
    /// The number of the last event. Numbers are microseconds since 1970 UTC, or one more than the last, so that
    /// nothing has to be remembered between two commands: only a clock that was set back makes the log refuse.
    last: u64,
}

impl Producer {
    /// The key `identity` of the keystore, for `stream`, which is created (tier public) if there is none: a
    /// signature names its origin.
    pub fn new(identity: &str, stream: &str, log: &mut impl Service) -> Result<Producer, Failure> {
        let named = |failure: Failure| failure.after(&format!("producer's key {identity}: "));
        match log.head(stream) {
            Err(LogError::StreamNotFound) => log.create_stream(stream).map_err(Failure::about(stream))?,
            found => drop(found.map_err(Failure::about(stream))?),
        }
        let signer = log.signer(identity).map_err(Failure::from).map_err(named)?;
        let vkey = log.verifier_key(identity, stream).map_err(Failure::from).map_err(named)?;
        let vkey: VerifierKey = vkey.parse()?;
        Ok(Producer { signer, origin: vkey.name().to_owned(), last: 0 })
    }

    /// The event with a salt of its own and the producer's signature.
    pub fn sign(&mut self, mut event: Event) -> Result<Event, Failure> {
        let mut salt = [0; SALT_LEN];
        getrandom::fill(&mut salt).map_err(|error| Failure::CannotTell(format!("randomness: {error}")))?;
        event.salt = Some(salt.to_vec());
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.last = u64::try_from(now.as_micros()).unwrap_or_default().max(self.last.saturating_add(1));
        let signed = author::sign(NewEvent::try_from(event.clone())?, &self.origin, self.last, &*self.signer)?;
        event.author = signed.author.map(Into::into);
        Ok(event)
    }
}
