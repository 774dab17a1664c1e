//! The server half: one request body in, one response body out, over any store.

use secure_log::store::{Row, Store, StoreError, full_page};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::envelope::{Id, Version, response};
use crate::error::{INVALID_PARAMS, INVALID_REQUEST, METHOD_NOT_FOUND, PARSE_ERROR, encode, encode_refusal};
use crate::wire::{Kind, Object, Rows, Stream, Text, Wanted, json_text, push_row, push_rows};
use crate::{MAX_BODY, MAX_PAGE_ROWS, PROTOCOL};

/// A response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// JSON, at most [`MAX_BODY`] bytes.
    pub body: Vec<u8>,
    /// The request was JSON-RPC of ours, whatever became of it. False: it could not be read, nothing was done.
    pub understood: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Request<'a> {
    #[serde(rename = "jsonrpc")]
    _version: Version,
    id: Id,
    #[serde(borrow)]
    method: Text<'a>,
    #[serde(borrow)]
    params: &'a RawValue,
}

/// Why a call has no result.
enum Failure {
    Store(StoreError),
    Method,
    Params(String),
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Failure::Store(error)
    }
}

/// Carries out one request on `store`, which is open or opens itself. Never panics, whatever `request` holds;
/// what is not a valid request leaves the store untouched. `init` opens nothing: it agrees on the protocol and
/// asks the store for a sign of life.
pub fn dispatch(store: &mut impl Store, request: &[u8]) -> Answer {
    let refuse =
        |code, why: &str| Answer { body: response(&Id::None, "error", &encode_refusal(code, why)), understood: false };
    if request.len() > MAX_BODY {
        return refuse(INVALID_REQUEST, "the request is longer than 8 MiB");
    }
    let Object(request) = match serde_json::from_slice::<Object<Request<'_>>>(request) {
        Ok(request) => request,
        Err(error) if error.is_data() => return refuse(INVALID_REQUEST, &error.to_string()),
        Err(error) => return refuse(PARSE_ERROR, &error.to_string()),
    };
    let body = match call(store, &request.method.0, request.params.get()) {
        Ok(result) => response(&request.id, "result", &result),
        Err(Failure::Store(error)) => response(&request.id, "error", &encode(&error)),
        Err(Failure::Method) => response(&request.id, "error", &encode_refusal(METHOD_NOT_FOUND, "no such method")),
        Err(Failure::Params(why)) => response(&request.id, "error", &encode_refusal(INVALID_PARAMS, &why)),
    };
    Answer { body, understood: true }
}

fn call(store: &mut impl Store, method: &str, params: &str) -> Result<String, Failure> {
    match method {
        "init" => {
            let (Text(asked),) = args(params)?;
            if asked != PROTOCOL {
                let why = format!("init takes the protocol, and this endpoint speaks {PROTOCOL} only");
                return Err(Failure::Params(why));
            }
            store.streams(None, 0)?;
            Ok(json_text(PROTOCOL))
        }
        "append" => {
            let (Rows(rows), Wanted(want)) = args(params)?;
            store.append(&rows, want)?;
            Ok("null".into())
        }
        "get" => {
            let (Kind(kind), Stream(stream), index) = args(params)?;
            Ok(one(store.get(kind, &stream, index)?))
        }
        "last" => {
            let (Kind(kind), Stream(stream)) = args(params)?;
            Ok(one(store.last(kind, &stream)?))
        }
        "scan" => {
            let (Kind(kind), Stream(stream), start, limit, with_payload) = args::<(_, _, _, u32, _)>(params)?;
            // Every answer costs the client a request.
            let rows = full_page(start, limit.min(MAX_PAGE_ROWS), |start, limit| {
                store.scan(kind, &stream, start, limit, with_payload)
            })?;
            let mut page = String::new();
            push_rows(&mut page, &rows);
            Ok(page)
        }
        "streams" => {
            let (after, limit) = args::<(Option<Stream>, u32)>(params)?;
            let ids = store.streams(after.map(|Stream(id)| id).as_ref(), limit.min(MAX_PAGE_ROWS))?;
            let quoted: Vec<String> = ids.iter().map(|id| json_text(id.as_str())).collect();
            Ok(format!("[{}]", quoted.join(",")))
        }
        "erase" => {
            let (Kind(kind), Stream(stream), index) = args(params)?;
            store.erase(kind, &stream, index)?;
            Ok("null".into())
        }
        _ => Err(Failure::Method),
    }
}

fn args<'a, T: Deserialize<'a>>(params: &'a str) -> Result<T, Failure> {
    serde_json::from_str(params).map_err(|error| Failure::Params(error.to_string()))
}

fn one(row: Option<Row>) -> String {
    let mut text = String::new();
    match row {
        Some(row) => push_row(&mut text, &row),
        None => text.push_str("null"),
    }
    text
}
