//! The endpoint as a `wasi:http` guest: environment and files around [`crate::gate`].

use std::cell::RefCell;

use secure_log_bindings::import::ImportedStore;
use secure_log_endpoint::{Storage, serve, text_file};
use secure_log_rpc::MAX_BODY;
use wasip2::http::types::{IncomingRequest, ResponseOutparam};

use crate::access::Access;
use crate::gate::reply;

/// The file of token hashes, at most, in bytes: 1,000 lines with room for comments.
const MAX_TOKENS_FILE: u64 = 256 * 1024;

thread_local! {
    /// An instance serves one request at a time; hosts that keep instances keep this store open.
    static STORAGE: RefCell<Storage<ImportedStore>> =
        RefCell::new(Storage::new(ImportedStore, std::env::var("SECURE_LOG_STORE_CONFIG").ok()));
}

/// Answers one request.
pub fn handle(request: &IncomingRequest, out: ResponseOutparam) {
    let access = access();
    match &access {
        Access::Demo => eprintln!("secure-log-rpc-server: demo, no token is configured; only this machine is answered"),
        Access::Closed(why) => eprintln!("secure-log-rpc-server: everything is refused: {why}"),
        Access::Tokens(_) => {}
    }
    serve::answer(request, out, MAX_BODY, |head, body| {
        STORAGE.with_borrow_mut(|storage| reply(head, &access, body, storage))
    });
}

/// Read at each request, so that a withdrawn token stops working at once.
fn access() -> Access {
    let tokens = std::env::var("SECURE_LOG_RPC_TOKENS").ok().map(|path| text_file(&path, MAX_TOKENS_FILE));
    Access::new(tokens, std::env::var("SECURE_LOG_RPC_DEMO").ok().as_deref())
}
