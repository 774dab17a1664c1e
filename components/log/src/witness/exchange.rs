//! The door through which a request leaves: whoever asks a witness needs one, nothing in this crate implements it.

use std::fmt;

use super::submit::Response;

/// Carries one request to somebody else's server. Its answers are not trusted.
pub trait Exchange {
    /// Posts `body`; of the answer at most `limit` bytes are taken.
    ///
    /// # Errors
    /// [`ExchangeError`]; in doubt `Lost`. A status other than 2xx is an answer.
    fn post(&mut self, url: &str, content_type: &str, body: &[u8], limit: u32) -> Result<Response, ExchangeError>;
}

/// Why there is no answer. The cases say what is known about the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExchangeError {
    /// It was not sent: repeating it is safe.
    NotSent(String),
    /// It may have been carried out; the answer was lost.
    Lost(String),
    /// It will never be sent: a URL that is not called, or no network here.
    Invalid(String),
}

impl fmt::Display for ExchangeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ExchangeError::NotSent(why) => write!(f, "not sent: {why}"),
            ExchangeError::Lost(why) => write!(f, "no answer: {why}"),
            ExchangeError::Invalid(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for ExchangeError {}
