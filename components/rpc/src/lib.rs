//! The JSON-RPC 2.0 contract of a remote store, both halves: [`RemoteStore`] asks, [`dispatch`] answers.
//! One call of [`secure_log::store::Store`] is one exchange.
//!
//! Not here: sockets, HTTP, tokens, URLs. `transport-http` and `rpc-server` carry the texts; with the feature
//! `wasi` the module `body` holds the one thing both need, moving a body through `wasi:http`.
//!
//! Neither half trusts the other. The server half takes nothing on faith but the shape it checks, and a client
//! can do no more than a store's caller can. The client half takes the server for a store that may lie: what it
//! can check against the question it checks here, what only hashes can show the log checks above.
//!
//! # Shape
//! ```text
//! request  = {"jsonrpc":"2.0","id":<id>,"method":"<store function>","params":[..]}
//! response = {"jsonrpc":"2.0","id":<id>,"result":<value>}
//!          | {"jsonrpc":"2.0","id":<id>,"error":{"code":<int>,"message":"<text>","data":<data>}}
//! row      = {"kind":"entry","stream-id":"a/b","index":7,"body":"<base64>","payload":"<base64>"|null}
//! data     = {"case":"conflict"} | {"case":"invalid","text":"<why>"} and so on, one case per store error
//! ```
//! | method | params | result |
//! |---|---|---|
//! | `init` | `["secure-log-rpc/1"]` | `"secure-log-rpc/1"` |
//! | `append` | `[[row, ..], "synced"` or `"written"]` | `null` |
//! | `get` | `[kind, stream-id, index]` | row or `null` |
//! | `last` | `[kind, stream-id]` | row or `null` |
//! | `scan` | `[kind, stream-id, start, limit, with-payload]` | `[row, ..]` |
//! | `streams` | `[after` or `null, limit]` | `[stream-id, ..]` |
//! | `erase` | `[kind, stream-id, index]` | `null` |
//!
//! Every object is closed: an unknown, repeated or missing member is refused, and so is an array in its place.
//! Base64 is the standard alphabet with canonical padding (RFC 4648 section 4). Codes of store errors are
//! -32001 to -32008 (`error`); -32700, -32600, -32601, -32602 are those of JSON-RPC and say that nothing was done.

mod attempt;
#[cfg(feature = "wasi")]
pub mod body;
mod client;
mod envelope;
mod error;
pub mod http;
mod server;
mod wire;

pub use client::RemoteStore;
pub use envelope::{answers, request};
pub use server::{Answer, dispatch};
pub use wire::plain;

/// What both halves speak; the only argument `init` carries over the wire. The client's own config never
/// leaves it, and the server never opens what a client names.
pub const PROTOCOL: &str = "secure-log-rpc/1";

/// A request or response body, at most, in bytes. A full batch fits: 4 MiB + one row of bytes grow by 4/3 to
/// 5.4 MiB, and 8,272 rows of at most 256 bytes around them make 2.0 MiB.
pub const MAX_BODY: usize = 8 * 1024 * 1024;

/// Rows or stream ids in one answer, at most; a greater `limit` is cut to it. Rows may be tiny, so a page
/// bounded by its bytes alone could outgrow [`MAX_BODY`].
pub const MAX_PAGE_ROWS: u32 = 8192;

/// Why a call got no answer. The cases say what is known about the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TransportError {
    /// The request was not sent: repeating it is safe.
    NotSent(String),
    /// It may have been carried out; the answer was lost.
    Lost(String),
    /// The endpoint refused the credentials.
    Denied(String),
    /// Misconfigured, or an endpoint that is none: says which variable.
    Invalid(String),
}

/// Carries one call. The carrier writes the envelope ([`request`]), so it also checks that the answer bears
/// the id it wrote ([`answers`]); everything else in the answer is the caller's to check.
pub trait Transport {
    /// Sends `params`, a JSON array, to `method` and returns the whole JSON-RPC response, at most [`MAX_BODY`].
    ///
    /// # Errors
    /// [`TransportError`]; in doubt `Lost`.
    fn rpc(&mut self, method: &str, params: &str) -> Result<String, TransportError>;
}
