//! Two doors to `wasi:http` with one set of rules. The transport: one call is one POST to `SECURE_LOG_RPC_URL`, with
//! the bearer token `SECURE_LOG_RPC_TOKEN` if there is one. The exchange: one POST to a URL of the caller's, without it.
//!
//! Not here: what a call means, and whether it may be repeated (`secure-log-rpc`, client half; `secure-log`,
//! witness). Where a request may go decides `endpoint`, what an answer says about it `verdict`; `post` moves the bytes.
//!
//! The token is sent to the endpoint and to nobody else: redirects are not followed, no error repeats it, and
//! an answer that does is dropped.

pub mod endpoint;
pub mod post;
pub mod verdict;

use secure_log::witness::{Exchange, ExchangeError, Response};
use secure_log_rpc::http::CONTENT_TYPE;
use secure_log_rpc::{MAX_BODY, Transport, TransportError, request};
use zeroize::Zeroizing;

use endpoint::{Endpoint, USERINFO};
use post::{Request, post};

/// Longest token in bytes.
const MAX_TOKEN: usize = 4096;

/// Reads its configuration at the first call and keeps it.
#[derive(Default)]
pub struct HttpTransport {
    session: Option<Session>,
}

struct Session {
    endpoint: Endpoint,
    token: Option<Zeroizing<String>>,
    last_id: u64,
}

impl Transport for HttpTransport {
    fn rpc(&mut self, method: &str, params: &str) -> Result<String, TransportError> {
        let session = match &mut self.session {
            Some(session) => session,
            none => none.insert(configured()?),
        };
        session.last_id += 1;
        let body = request(session.last_id, method, params);
        let token = session.token.as_ref().map(|token| token.as_str());
        let (accept, body) = (CONTENT_TYPE, body.as_bytes());
        let request = Request { content_type: CONTENT_TYPE, accept, token, body, limit: MAX_BODY };
        let answer = post(&session.endpoint, &request).map_err(|error| match error {
            TransportError::Invalid(why) => TransportError::Invalid(format!("SECURE_LOG_RPC_URL: {why}")),
            error => error,
        })?;
        verdict::of_answer(answer.status, answer.body, session.last_id, token)
    }
}

/// One POST to whatever URL the caller names, within the rules of [`endpoint`].
#[derive(Clone, Copy, Debug, Default)]
pub struct HttpExchange;

impl Exchange for HttpExchange {
    fn post(&mut self, url: &str, content_type: &str, body: &[u8], limit: u32) -> Result<Response, ExchangeError> {
        let endpoint = Endpoint::parse(url).map_err(|why| ExchangeError::Invalid(format!("the URL {why}")))?;
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let request = Request { content_type, accept: "*/*", token: None, body, limit };
        post(&endpoint, &request).map_err(|error| match error {
            TransportError::NotSent(why) => ExchangeError::NotSent(why),
            TransportError::Invalid(why) => ExchangeError::Invalid(why),
            TransportError::Lost(why) | TransportError::Denied(why) => ExchangeError::Lost(why),
        })
    }
}

fn configured() -> Result<Session, TransportError> {
    let invalid = |variable: &str, why: &str| TransportError::Invalid(format!("{variable} {why}"));
    let url = match std::env::var("SECURE_LOG_RPC_URL") {
        Ok(url) if !url.is_empty() => url,
        _ => return Err(invalid("SECURE_LOG_RPC_URL", "is not set")),
    };
    let endpoint = Endpoint::parse(&url).map_err(|why| match why {
        USERINFO => {
            invalid("SECURE_LOG_RPC_URL", "holds a user name or password; the token goes into SECURE_LOG_RPC_TOKEN")
        }
        why => invalid("SECURE_LOG_RPC_URL", why),
    })?;
    let token = std::env::var("SECURE_LOG_RPC_TOKEN").ok().filter(|token| !token.is_empty()).map(Zeroizing::new);
    if token.as_ref().is_some_and(|token| token.len() > MAX_TOKEN || !token.bytes().all(|b| b.is_ascii_graphic())) {
        return Err(invalid("SECURE_LOG_RPC_TOKEN", "is longer than 4096 bytes or not of visible ASCII characters"));
    }
    // Ids of two instances differ, so that an answer to one is none to the other; below 2^53 for any JSON reader.
    let last_id = wasip2::random::random::get_random_u64() >> 12;
    Ok(Session { endpoint, token, last_id })
}

secure_log_bindings::export_transport!(HttpTransport);
secure_log_bindings::export_exchange!(HttpExchange);
