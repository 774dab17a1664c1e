//! One POST over `wasi:http`.

use secure_log_rpc::body::{BodyError, Deadline, read, write};
use secure_log_rpc::http::CONTENT_TYPE;
use secure_log_rpc::{MAX_BODY, TransportError};
use wasip2::http::outgoing_handler::handle;
use wasip2::http::types::{Fields, IncomingResponse, Method, OutgoingBody, OutgoingRequest, RequestOptions, Scheme};
use zeroize::Zeroize;

use crate::endpoint::Endpoint;
use crate::verdict::{MAX_REASON, of_error};

const SECOND: u64 = 1_000_000_000;
/// A machine that is up accepts within a round trip or two.
const CONNECT: u64 = 5 * SECOND;
/// The server may wait for another writer before it answers; below the 30 s after which a store's lock may be
/// taken over, so that a request never outlives its lock.
const FIRST_BYTE: u64 = 25 * SECOND;
const BETWEEN_BYTES: u64 = 10 * SECOND;
/// All of it, in seconds.
const TOTAL_SECONDS: u64 = 40;

/// Posts `body` and returns status and body of the answer, whatever the status; a body that is no result and
/// longer than a reason is left out. Redirects are not followed.
///
/// # Errors
/// `NotSent` only if no connection came about; `Lost` from then on unless the endpoint answered.
pub fn post(endpoint: &Endpoint, token: Option<&str>, body: &[u8]) -> Result<(u16, Vec<u8>), TransportError> {
    let deadline = Deadline::in_seconds(TOTAL_SECONDS);
    let request = head(endpoint, token, body.len())?;
    let outgoing = request.body().map_err(|()| unfit())?;
    // The request leaves before its body is written: the host takes 4,096 bytes at most before that.
    let answer = handle(request, Some(timeouts())).map_err(|error| of_error(&error))?;
    let written = send(outgoing, body, deadline);
    if written == Err(BodyError::Late) {
        return Err(TransportError::Lost("the endpoint did not take the request in time".into()));
    }
    // A server may answer before it has read everything, and a connection that failed says why here.
    if deadline.wait(&answer.subscribe()).is_err() {
        return Err(TransportError::Lost("the endpoint did not answer in time".into()));
    }
    let lost = || TransportError::Lost("no answer from the endpoint".into());
    let response = answer.get().and_then(Result::ok).ok_or_else(lost)?.map_err(|error| of_error(&error))?;
    receive(response, deadline)
}

fn unfit() -> TransportError {
    TransportError::Invalid("SECURE_LOG_RPC_URL: the host takes no such request".into())
}

fn head(endpoint: &Endpoint, token: Option<&str>, length: usize) -> Result<OutgoingRequest, TransportError> {
    let mut headers = vec![
        ("content-type".to_owned(), CONTENT_TYPE.as_bytes().to_vec()),
        ("accept".to_owned(), CONTENT_TYPE.as_bytes().to_vec()),
        ("content-length".to_owned(), length.to_string().into_bytes()),
    ];
    if let Some(token) = token {
        headers.push(("authorization".to_owned(), format!("Bearer {token}").into_bytes()));
    }
    let fields = Fields::from_list(&headers);
    headers.iter_mut().for_each(|(_, value)| value.zeroize());
    let request = OutgoingRequest::new(fields.map_err(|_| unfit())?);
    let scheme = if endpoint.https { Scheme::Https } else { Scheme::Http };
    request.set_method(&Method::Post).map_err(|()| unfit())?;
    request.set_scheme(Some(&scheme)).map_err(|()| unfit())?;
    request.set_authority(Some(&endpoint.authority)).map_err(|()| unfit())?;
    request.set_path_with_query(Some(&endpoint.path_and_query)).map_err(|()| unfit())?;
    Ok(request)
}

/// A host that knows no such option keeps its own, and the total still holds.
fn timeouts() -> RequestOptions {
    let options = RequestOptions::new();
    let _ = options.set_connect_timeout(Some(CONNECT));
    let _ = options.set_first_byte_timeout(Some(FIRST_BYTE));
    let _ = options.set_between_bytes_timeout(Some(BETWEEN_BYTES));
    options
}

fn send(outgoing: OutgoingBody, body: &[u8], deadline: Deadline) -> Result<(), BodyError> {
    let stream = outgoing.write().map_err(|()| BodyError::Broken)?;
    let written = write(&stream, body, deadline);
    drop(stream);
    written?;
    OutgoingBody::finish(outgoing, None).map_err(|_| BodyError::Broken)
}

fn receive(response: IncomingResponse, deadline: Deadline) -> Result<(u16, Vec<u8>), TransportError> {
    let lost = |why: &str| Err(TransportError::Lost(why.into()));
    let status = response.status();
    let ok = (200..=299).contains(&status);
    let cap = if ok { MAX_BODY } else { MAX_REASON };
    let incoming = response.consume().ok();
    let body = match incoming.as_ref().and_then(|incoming| incoming.stream().ok()) {
        Some(stream) => read(&stream, cap, deadline),
        None => Err(BodyError::Broken),
    };
    match body {
        Ok(body) => Ok((status, body)),
        Err(_) if !ok => Ok((status, Vec::new())),
        Err(BodyError::TooLong) => lost("the answer is longer than 8 MiB"),
        Err(BodyError::Late) => lost("the answer did not arrive in time"),
        Err(BodyError::Broken) => lost("the answer broke off"),
    }
}
