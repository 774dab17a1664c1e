//! One POST over `wasi:http`.

use secure_log::witness::Response;
use secure_log_rpc::TransportError;
use secure_log_rpc::body::{BodyError, Deadline, read, write};
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

/// What is posted, besides where.
pub struct Request<'a> {
    /// Media type of `body`.
    pub content_type: &'a str,
    /// Media types that are wanted in return.
    pub accept: &'a str,
    /// Bearer token.
    pub token: Option<&'a str>,
    /// As it is sent.
    pub body: &'a [u8],
    /// Bytes of a result, at most.
    pub limit: usize,
}

/// Posts and returns the answer, whatever its status; a body that is no result and longer than a reason is left
/// out. Redirects are not followed.
///
/// # Errors
/// `NotSent` only if no connection came about; `Lost` from then on unless the endpoint answered; `Invalid` if the
/// host does not send such a request, without a word about where the URL came from.
pub fn post(endpoint: &Endpoint, request: &Request<'_>) -> Result<Response, TransportError> {
    let deadline = Deadline::in_seconds(TOTAL_SECONDS);
    let Request { body, limit, .. } = *request;
    let request = head(endpoint, request)?;
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
    receive(response, limit, deadline)
}

fn unfit() -> TransportError {
    TransportError::Invalid("the host takes no such request".into())
}

fn head(endpoint: &Endpoint, request: &Request<'_>) -> Result<OutgoingRequest, TransportError> {
    let mut headers = vec![
        ("content-type".to_owned(), request.content_type.as_bytes().to_vec()),
        ("accept".to_owned(), request.accept.as_bytes().to_vec()),
        ("content-length".to_owned(), request.body.len().to_string().into_bytes()),
    ];
    if let Some(token) = request.token {
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

fn receive(response: IncomingResponse, limit: usize, deadline: Deadline) -> Result<Response, TransportError> {
    let lost = |why: String| Err(TransportError::Lost(why));
    let status = response.status();
    let ok = (200..=299).contains(&status);
    let cap = if ok { limit } else { MAX_REASON.min(limit) };
    let content_type = media_type(&response);
    let incoming = response.consume().ok();
    let body = match incoming.as_ref().and_then(|incoming| incoming.stream().ok()) {
        Some(stream) => read(&stream, cap, deadline),
        None => Err(BodyError::Broken),
    };
    match body {
        Ok(body) => Ok(Response { status, content_type, body }),
        Err(_) if !ok => Ok(Response { status, content_type, body: Vec::new() }),
        Err(BodyError::TooLong) => lost(format!("the answer is longer than {limit} bytes")),
        Err(BodyError::Late) => lost("the answer did not arrive in time".into()),
        Err(BodyError::Broken) => lost("the answer broke off".into()),
    }
}

/// The header's value, if there is one of visible ASCII.
fn media_type(response: &IncomingResponse) -> Option<String> {
    let value = response.headers().get("content-type").into_iter().next()?;
    String::from_utf8(value).ok().filter(|text| text.bytes().all(|byte| (b' '..=b'~').contains(&byte)))
}
