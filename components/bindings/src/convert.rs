//! The parse step: values of `wit/` become values of the domain once, here, and back. Nothing else converts.
//!
//! Domain to WIT cannot fail and is `From`. WIT to domain is `TryFrom` (or a function that takes what the
//! value alone does not say) and fails with [`Invalid`], which names the field. Vectors are moved, never copied.

mod answer;
mod log;

use secure_log::error::Invalid;
use secure_log::signer::SignerError;
use secure_log::store::{Row, RowKind, StoreError, Want};
use secure_log::types::{Digest, StreamId};

use crate::types;

pub use log::{bytes, each, trust};

/// Enums that have the same cases on both sides, both ways.
macro_rules! same_cases {
    ($($name:ident = $domain:ty { $($case:ident)+ })+) => {$(
        impl From<$domain> for types::$name {
            fn from(value: $domain) -> Self {
                match value { $(<$domain>::$case => types::$name::$case,)+ }
            }
        }
        impl From<types::$name> for $domain {
            fn from(value: types::$name) -> Self {
                match value { $(types::$name::$case => <$domain>::$case,)+ }
            }
        }
    )+};
}
pub(crate) use same_cases;

same_cases! {
    RowKind = RowKind { Entry Node1 Node2 Node3 Node4 Node5 Node6 Node7 Segment Checkpoint Cosignature Key }
    Want = Want { Synced Written }
}

impl From<StoreError> for types::StoreError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict => types::StoreError::Conflict,
            StoreError::NotInitialised => types::StoreError::NotInitialised,
            StoreError::Invalid(why) => types::StoreError::Invalid(why),
            StoreError::NoSpace => types::StoreError::NoSpace,
            StoreError::Io(why) => types::StoreError::Io(why),
            StoreError::Corrupt(why) => types::StoreError::Corrupt(why),
            StoreError::Unavailable(why) => types::StoreError::Unavailable(why),
            StoreError::Denied(why) => types::StoreError::Denied(why),
        }
    }
}

impl From<types::StoreError> for StoreError {
    fn from(error: types::StoreError) -> Self {
        match error {
            types::StoreError::Conflict => StoreError::Conflict,
            types::StoreError::NotInitialised => StoreError::NotInitialised,
            types::StoreError::Invalid(why) => StoreError::Invalid(why),
            types::StoreError::NoSpace => StoreError::NoSpace,
            types::StoreError::Io(why) => StoreError::Io(why),
            types::StoreError::Corrupt(why) => StoreError::Corrupt(why),
            types::StoreError::Unavailable(why) => StoreError::Unavailable(why),
            types::StoreError::Denied(why) => StoreError::Denied(why),
        }
    }
}

impl From<SignerError> for types::SignerError {
    fn from(error: SignerError) -> Self {
        match error {
            SignerError::KeyNotFound(what) => types::SignerError::KeyNotFound(what),
            SignerError::UnsupportedAlgorithm(what) => types::SignerError::UnsupportedAlgorithm(what),
            SignerError::AccessDenied(what) => types::SignerError::AccessDenied(what),
            SignerError::Backend(what) => types::SignerError::Backend(what),
            SignerError::WrongSignature(what) => types::SignerError::WrongSignature(what),
        }
    }
}

/// Refuses a caller's argument of a store function.
impl From<Invalid> for types::StoreError {
    fn from(error: Invalid) -> Self {
        types::StoreError::Invalid(error.0)
    }
}

/// Refuses a caller's argument of a log function.
impl From<Invalid> for types::LogError {
    fn from(error: Invalid) -> Self {
        types::LogError::Invalid(error.0)
    }
}

/// What a store answered is not a value of its type: `corrupt`, for nobody wrote it through the contract.
pub(crate) fn store_error(what: &str) -> impl Fn(Invalid) -> StoreError + '_ {
    move |invalid| StoreError::Corrupt(format!("{what} {invalid}"))
}

impl From<Row> for types::Row {
    fn from(row: Row) -> Self {
        types::Row {
            kind: row.kind.into(),
            stream_id: row.stream_id.as_str().to_owned(),
            index: row.index,
            body: row.body,
            payload: row.payload,
        }
    }
}

/// The rows of an append. Neighbours are usually of one stream, whose id is then parsed once.
///
/// # Errors
/// `Invalid` for a stream id outside the grammar.
pub fn rows(rows: Vec<types::Row>) -> Result<Vec<Row>, Invalid> {
    let mut parsed: Vec<Row> = Vec::with_capacity(rows.len());
    for row in rows {
        let stream_id = StreamId::parse_like(&row.stream_id, parsed.last().map(|row| &row.stream_id))?;
        parsed.push(Row { kind: row.kind.into(), stream_id, index: row.index, body: row.body, payload: row.payload });
    }
    Ok(parsed)
}

/// A hash; `what` names the field in the error.
///
/// # Errors
/// `Invalid` unless it has 32 bytes.
pub fn digest(what: &str, bytes: &[u8]) -> Result<Digest, Invalid> {
    Digest::try_from(bytes).map_err(|error| Invalid(format!("{what}: {error}")))
}

/// Salts, session ids, boot ids.
fn sixteen(what: &str, bytes: &[u8]) -> Result<[u8; 16], Invalid> {
    bytes.try_into().map_err(|_| Invalid(format!("{what} has 16 bytes, not {}", bytes.len())))
}

#[cfg(test)]
mod tests;
