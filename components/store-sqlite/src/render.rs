//! What people see of an entry beside its bytes: a view, computed from the body when the row is appended.

use secure_log::store::{Row, RowKind};

/// Bytes of salt before the payload of an entry (format.md section 3).
const SALT: usize = 16;

/// The columns of `row` that are there for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    /// Microseconds since 1970 UTC.
    pub micros: i64,
    /// Event type.
    pub event_type: String,
    /// RFC 5424 number.
    pub severity: u8,
    /// Who says so.
    pub producer: String,
}

/// The columns of a row; absent when it is not an entry, or its body not the canonical entry of its place.
pub fn render(row: &Row) -> Option<Rendered> {
    let entry = row.entry()?;
    Some(Rendered {
        micros: i64::try_from(entry.timestamp).ok()?,
        event_type: entry.event.event_type.as_str().to_owned(),
        severity: entry.event.severity as u8,
        producer: entry.event.producer.as_str().to_owned(),
    })
}

/// Whether SQL can show the payload as text; absent without a payload.
pub fn is_text(row: &Row) -> Option<bool> {
    let payload = row.payload.as_ref().filter(|_| row.kind == RowKind::Entry)?;
    Some(payload.get(SALT..).is_some_and(|text| !text.contains(&0) && std::str::from_utf8(text).is_ok()))
}
