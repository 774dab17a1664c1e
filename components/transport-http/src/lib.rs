//! Transport provider over `wasi:http`: one call is one POST to `SECURE_LOG_RPC_URL`, with the bearer token
//! `SECURE_LOG_RPC_TOKEN` if there is one.
//!
//! Not here: what a call means, and whether it may be repeated (`secure-log-rpc`, client half). Where a request
//! may go decides `endpoint`, what an answer says about it `verdict`; `exchange` moves the bytes.
//!
//! The token is sent to the endpoint and to nobody else: redirects are not followed, no error repeats it, and
//! an answer that does is dropped.

pub mod endpoint;
pub mod exchange;
pub mod verdict;

use secure_log_rpc::{Transport, TransportError, request};
use zeroize::Zeroizing;

use endpoint::Endpoint;

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
        let (status, answer) = exchange::post(&session.endpoint, token, body.as_bytes())?;
        verdict::of_answer(status, answer, session.last_id, token)
    }
}

fn configured() -> Result<Session, TransportError> {
    let invalid = |variable: &str, why: &str| TransportError::Invalid(format!("{variable} {why}"));
    let url = match std::env::var("SECURE_LOG_RPC_URL") {
        Ok(url) if !url.is_empty() => url,
        _ => return Err(invalid("SECURE_LOG_RPC_URL", "is not set")),
    };
    let endpoint = Endpoint::parse(&url).map_err(|why| invalid("SECURE_LOG_RPC_URL", why))?;
    let token = std::env::var("SECURE_LOG_RPC_TOKEN").ok().filter(|token| !token.is_empty()).map(Zeroizing::new);
    if token.as_ref().is_some_and(|token| token.len() > MAX_TOKEN || !token.bytes().all(|b| b.is_ascii_graphic())) {
        return Err(invalid("SECURE_LOG_RPC_TOKEN", "is longer than 4096 bytes or not of visible ASCII characters"));
    }
    // Ids of two instances differ, so that an answer to one is none to the other; below 2^53 for any JSON reader.
    let last_id = wasip2::random::random::get_random_u64() >> 12;
    Ok(Session { endpoint, token, last_id })
}

secure_log_bindings::export_transport!(HttpTransport);
