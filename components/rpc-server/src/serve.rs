//! The endpoint as a `wasi:http` guest: environment, files and streams around [`crate::gate`].

use std::cell::RefCell;

use secure_log_bindings::import::ImportedStore;
use secure_log_rpc::MAX_BODY;
use secure_log_rpc::body::{BodyError, Deadline, read, write};
use wasip2::http::types::{Fields, IncomingRequest, Method, OutgoingBody, OutgoingResponse, ResponseOutparam};

use crate::access::Access;
use crate::gate::{Head, Reply, reply};
use crate::storage::Storage;

/// For the body of a request to arrive, and for that of a response to be taken, in seconds each.
const BODY_SECONDS: u64 = 20;
/// The file of token hashes, at most, in bytes: 1,000 lines with room for comments.
const MAX_TOKENS_FILE: u64 = 256 * 1024;

thread_local! {
    /// An instance serves one request at a time; hosts that keep instances keep this store open.
    static STORAGE: RefCell<Storage<ImportedStore>> =
        RefCell::new(Storage::new(ImportedStore, std::env::var("SECURE_LOG_STORE_CONFIG").ok()));
}

/// Answers one request.
pub fn handle(request: &IncomingRequest, out: ResponseOutparam) {
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
    let access = access();
    match &access {
        Access::Demo => eprintln!("secure-log-rpc-server: demo, no token is configured; only this machine is answered"),
        Access::Closed(why) => eprintln!("secure-log-rpc-server: everything is refused: {why}"),
        Access::Tokens(_) => {}
    }
    let answer = STORAGE.with_borrow_mut(|storage| reply(&head, &access, || body(request), storage));
    send(answer, out);
}

/// Read at each request, so that a withdrawn token stops working at once.
fn access() -> Access {
    let tokens = std::env::var("SECURE_LOG_RPC_TOKENS").ok().map(|path| {
        use std::io::Read;
        let mut text = String::new();
        let file = std::fs::File::open(path).map_err(|error| error.kind().to_string())?;
        file.take(MAX_TOKENS_FILE).read_to_string(&mut text).map_err(|error| error.kind().to_string())?;
        if text.len() as u64 == MAX_TOKENS_FILE { Err("it is too long".to_owned()) } else { Ok(text) }
    });
    Access::new(tokens, std::env::var("SECURE_LOG_RPC_DEMO").ok().as_deref())
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

fn body(request: &IncomingRequest) -> Result<Vec<u8>, BodyError> {
    let incoming = request.consume().map_err(|()| BodyError::Broken)?;
    let stream = incoming.stream().map_err(|()| BodyError::Broken)?;
    read(&stream, MAX_BODY, Deadline::in_seconds(BODY_SECONDS))
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
