//! Store errors on the wire: `code` and `data.case` name the case, `data.text` is its text, and a case that
//! has no text carries none. `message` is for people and read by nobody.

use secure_log::store::StoreError;
use serde::Deserialize;

use crate::wire::{Object, json_text, plain};

/// JSON-RPC 2.0 section 5.1: the body is not JSON.
pub(crate) const PARSE_ERROR: i64 = -32700;
/// The body is JSON, but no request of ours.
pub(crate) const INVALID_REQUEST: i64 = -32600;
/// No such function.
pub(crate) const METHOD_NOT_FOUND: i64 = -32601;
/// The arguments are not those of the function.
pub(crate) const INVALID_PARAMS: i64 = -32602;

/// The longest text a client takes from a server, in bytes; [`plain`] keeps ours far below.
const MAX_TEXT: usize = 4096;

/// The member `error` of a response.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WireError {
    code: i64,
    message: String,
    #[serde(default)]
    data: Option<Object<ErrorData>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ErrorData {
    case: String,
    #[serde(default)]
    text: Option<String>,
}

/// Code, case and text of a store error.
fn parts(error: &StoreError) -> (i64, &'static str, Option<&str>) {
    match error {
        StoreError::Conflict => (-32001, "conflict", None),
        StoreError::NotInitialised => (-32002, "not-initialised", None),
        StoreError::Invalid(why) => (-32003, "invalid", Some(why)),
        StoreError::NoSpace => (-32004, "no-space", None),
        StoreError::Io(why) => (-32005, "io", Some(why)),
        StoreError::Corrupt(why) => (-32006, "corrupt", Some(why)),
        StoreError::Unavailable(why) => (-32007, "unavailable", Some(why)),
        StoreError::Denied(why) => (-32008, "denied", Some(why)),
    }
}

/// The member `error` for a store error.
pub(crate) fn encode(error: &StoreError) -> String {
    let (code, case, text) = parts(error);
    let message = json_text(&plain(&error.to_string()));
    let text = text.map_or(String::new(), |text| format!(r#","text":{}"#, json_text(&plain(text))));
    format!(r#"{{"code":{code},"message":{message},"data":{{"case":"{case}"{text}}}}}"#)
}

/// The member `error` for a request that was not carried out.
pub(crate) fn encode_refusal(code: i64, why: &str) -> String {
    format!(r#"{{"code":{code},"message":{}}}"#, json_text(&plain(why)))
}

/// The store error a response carries; `None` if it is not one of the contract.
pub(crate) fn decode(error: WireError) -> Option<StoreError> {
    let Some(Object(data)) = error.data else {
        let why = (error.message.len() <= MAX_TEXT).then(|| format!("the endpoint says: {}", plain(&error.message)))?;
        return match error.code {
            INVALID_PARAMS => Some(StoreError::Invalid(why)),
            PARSE_ERROR | INVALID_REQUEST | METHOD_NOT_FOUND => Some(StoreError::Unavailable(why)),
            _ => None,
        };
    };
    let text = match &data.text {
        Some(text) if text.len() > MAX_TEXT => return None,
        Some(text) => plain(text),
        None => String::new(),
    };
    let found = match data.case.as_str() {
        "conflict" => StoreError::Conflict,
        "not-initialised" => StoreError::NotInitialised,
        "invalid" => StoreError::Invalid(text),
        "no-space" => StoreError::NoSpace,
        "io" => StoreError::Io(text),
        "corrupt" => StoreError::Corrupt(text),
        "unavailable" => StoreError::Unavailable(text),
        "denied" => StoreError::Denied(text),
        _ => return None,
    };
    let (code, _, has_text) = parts(&found);
    (code == error.code && has_text.is_some() == data.text.is_some()).then_some(found)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_store_error_crosses_the_wire_as_itself() {
        let text = || "row 3: \"quoted\" and \\".to_owned();
        for error in [
            StoreError::Conflict,
            StoreError::NotInitialised,
            StoreError::Invalid(text()),
            StoreError::NoSpace,
            StoreError::Io(text()),
            StoreError::Corrupt(String::new()),
            StoreError::Unavailable(text()),
            StoreError::Denied(text()),
        ] {
            let Object(wire) = serde_json::from_str::<Object<WireError>>(&encode(&error)).unwrap();
            assert_eq!(decode(wire), Some(error));
        }
    }

    #[test]
    fn code_case_and_text_must_agree() {
        for lie in [
            r#"{"code":-32001,"message":"","data":{"case":"invalid","text":"x"}}"#,
            r#"{"code":-32001,"message":"","data":{"case":"conflict","text":"x"}}"#,
            r#"{"code":-32003,"message":"","data":{"case":"invalid"}}"#,
            r#"{"code":-32003,"message":"","data":{"case":"Invalid","text":"x"}}"#,
            r#"{"code":-32001,"message":"conflict"}"#,
            r#"{"code":0,"message":""}"#,
        ] {
            let Object(wire) = serde_json::from_str::<Object<WireError>>(lie).unwrap();
            assert_eq!(decode(wire), None, "{lie}");
        }
    }
}
