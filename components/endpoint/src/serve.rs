//! Bytes between `wasi:http` and the values of [`crate::message`].

use secure_log_rpc::body::{Deadline, read, write};
use wasip2::http::types::{Fields, IncomingRequest, Method, OutgoingBody, OutgoingResponse, ResponseOutparam};

use crate::BodyError;
use crate::message::{Head, Reply};

/// For the body of a request to arrive, and for that of a response to be taken, in seconds each.
const BODY_SECONDS: u64 = 20;

/// Answers one request with what `decide` says. It gets a function that reads the body, at most `cap` bytes, once.
pub fn answer(
    request: &IncomingRequest,
    out: ResponseOutparam,
    cap: usize,
    decide: impl FnOnce(&Head<'_>, &dyn Fn() -> Result<Vec<u8>, BodyError>) -> Reply,
) {
    let method = request.method();
    let path = request.path_with_query();
    let authority = request.authority();
    let headers = request.headers().entries();
    let head = Head {
        method: method_name(&method),
        path: path.as_deref().unwrap_or(""),
        authority: authority.as_deref(),
        headers: &headers,
    };
    send(decide(&head, &|| body(request, cap)), out);
}

fn method_name(method: &Method) -> &str {
    match method {
        Method::Get => "GET",
        Method::Head => "HEAD",
        Method::Post => "POST",
        Method::Put => "PUT",
        Method::Delete => "DELETE",
        Method::Connect => "CONNECT",
        Method::Options => "OPTIONS",
        Method::Trace => "TRACE",
        Method::Patch => "PATCH",
        Method::Other(name) => name,
    }
}

fn body(request: &IncomingRequest, cap: usize) -> Result<Vec<u8>, BodyError> {
    let incoming = request.consume().map_err(|()| BodyError::Broken)?;
    let stream = incoming.stream().map_err(|()| BodyError::Broken)?;
    read(&stream, cap, Deadline::in_seconds(BODY_SECONDS))
}

/// A client that went away is nobody's error: it reads back what became of its request.
fn send(reply: Reply, out: ResponseOutparam) {
    let mut headers = vec![
        ("content-length".to_owned(), reply.body.len().to_string().into_bytes()),
        ("cache-control".to_owned(), b"no-store".to_vec()),
        ("x-content-type-options".to_owned(), b"nosniff".to_vec()),
    ];
    headers.extend(reply.headers.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())));
    let response = OutgoingResponse::new(Fields::from_list(&headers).unwrap_or_else(|_| Fields::new()));
    // 100 to 999 is always taken.
    let _ = response.set_status_code(reply.status);
    let Ok(outgoing) = response.body() else { return };
    ResponseOutparam::set(out, Ok(response));
    let Ok(stream) = outgoing.write() else { return };
    let written = write(&stream, &reply.body, Deadline::in_seconds(BODY_SECONDS));
    drop(stream);
    if written.is_ok() {
        let _ = OutgoingBody::finish(outgoing, None);
    }
}
