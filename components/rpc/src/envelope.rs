//! Requests and responses around the values of `wire`.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, Visitor};

use crate::wire::{Object, Text, json_text};

/// The whole request: `params` is a JSON array already.
pub fn request(id: u64, method: &str, params: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{params}}}"#)
}

/// The whole response; `outcome` is `result` or `error`, `value` JSON already.
pub(crate) fn response(id: &Id, outcome: &str, value: &str) -> Vec<u8> {
    let id = match id {
        Id::None => "null".to_owned(),
        Id::Number(number) => number.to_string(),
        Id::Text(text) => json_text(text),
    };
    format!(r#"{{"jsonrpc":"2.0","id":{id},"{outcome}":{value}}}"#).into_bytes()
}

/// Whether `response` bears `id`. Its first bytes decide when they are written as ours are: a response
/// that names its id twice is refused by whoever reads the rest.
pub fn answers(response: &str, id: u64) -> bool {
    #[derive(Deserialize)]
    struct OnlyId {
        id: u64,
        #[serde(rename = "result")]
        _result: Option<IgnoredAny>,
        #[serde(rename = "error")]
        _error: Option<IgnoredAny>,
    }
    let ours = format!(r#"{{"jsonrpc":"2.0","id":{id},"#);
    response.starts_with(&ours) || serde_json::from_str::<Object<OnlyId>>(response).is_ok_and(|Object(r)| r.id == id)
}

/// The id a client chose: a number or at most 64 bytes of text.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Id {
    /// Of a response to what could not be read as a request.
    None,
    Number(u64),
    Text(String),
}

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NumberOrText;
        impl Visitor<'_> for NumberOrText {
            type Value = Id;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an unsigned number or at most 64 bytes of text as id")
            }
            fn visit_u64<E: Error>(self, number: u64) -> Result<Id, E> {
                Ok(Id::Number(number))
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Id, E> {
                if text.len() > 64 {
                    return Err(E::custom("an id of more than 64 bytes"));
                }
                Ok(Id::Text(text.to_owned()))
            }
        }
        deserializer.deserialize_any(NumberOrText)
    }
}

/// The member `jsonrpc`: only 2.0.
pub(crate) struct Version;

impl<'de> Deserialize<'de> for Version {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Text(version) = Text::deserialize(deserializer)?;
        if version == "2.0" { Ok(Version) } else { Err(D::Error::custom("jsonrpc is not 2.0")) }
    }
}

/// For a member that may be missing, but whose `null` is a value of `T`.
pub(crate) fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_counts_only_for_its_own_request() {
        assert!(answers(r#"{"jsonrpc":"2.0","id":7,"result":null}"#, 7));
        assert!(answers(r#" { "result": [ {} ], "id": 7, "jsonrpc": "2.0" }"#, 7));
        for other in [
            r#"{"jsonrpc":"2.0","id":70,"result":null}"#,
            r#"{"jsonrpc":"2.0","id":"7","result":null}"#,
            r#"{"jsonrpc":"2.0","id":7.0,"result":null}"#,
            r#"{"jsonrpc":"2.0","id":null,"error":{}}"#,
            r#"{"jsonrpc":"2.0","result":null}"#,
            r#"{"id":7,"id":7}"#,
            r#"[7]"#,
            "",
        ] {
            assert!(!answers(other, 7), "{other}");
        }
    }
}
