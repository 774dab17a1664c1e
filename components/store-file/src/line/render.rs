//! Rows, intents and commits to lines.

use secure_log::encode::encode_detail;
use secure_log::store::{Row, RowKind};
use secure_log::types::{DEFAULT_ENCODING, Entry};
use xxhash_rust::xxh3::xxh3_64;

use super::text::{write_base64, write_string, write_sum, write_time, write_uint};
use super::{Commit, Intent, SALT};

/// Appends the line of a row to `out`.
pub fn row(out: &mut Vec<u8>, row: &Row) {
    let start = out.len();
    literal(out, "{\"kind\":\"");
    literal(out, row.kind.as_str());
    literal(out, "\",\"stream\":\"");
    literal(out, row.stream_id.as_str());
    match row.entry() {
        Some(decoded) => entry(out, row, &decoded),
        None => opaque(out, row),
    }
    finish(out, start);
}

/// Appends the line of an erase intent to `out`.
pub fn erase(out: &mut Vec<u8>, intent: &Intent) {
    let start = out.len();
    literal(out, "{\"kind\":\"erase\",\"at\":");
    write_uint(out, intent.at);
    literal(out, ",\"length\":");
    write_uint(out, intent.length);
    literal(out, ",\"row\":");
    row(out, &intent.row);
    out.pop();
    finish(out, start);
}

/// Appends the line of a commit to `out`.
pub fn commit(out: &mut Vec<u8>, commit: &Commit) {
    let start = out.len();
    literal(out, "{\"commit\":");
    write_uint(out, commit.n);
    if commit.rows != 1 {
        literal(out, ",\"rows\":");
        write_uint(out, commit.rows);
    }
    if let Some(durable) = commit.durable {
        literal(out, ",\"durable\":");
        write_uint(out, durable);
    }
    literal(out, ",\"check\":");
    write_sum(out, commit.check);
    finish(out, start);
}

/// Appends the line that says where the append behind it belongs to `out`.
pub fn place(out: &mut Vec<u8>, at: u64) {
    let start = out.len();
    literal(out, "{\"at\":");
    write_uint(out, at);
    finish(out, start);
}

fn literal(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(text.as_bytes());
}

fn finish(out: &mut Vec<u8>, start: usize) {
    let sum = xxh3_64(&out[start..]);
    literal(out, ",\"sum\":");
    write_sum(out, sum);
    literal(out, "}\n");
}

fn opaque(out: &mut Vec<u8>, row: &Row) {
    literal(out, "\",\"index\":");
    write_uint(out, row.index);
    match std::str::from_utf8(&row.body) {
        Ok(text) if row.kind == RowKind::Checkpoint => {
            literal(out, ",\"text\":");
            write_string(out, text);
        }
        _ => {
            literal(out, ",\"body\":");
            write_base64(out, &row.body);
        }
    }
    if let Some(payload) = &row.payload {
        literal(out, ",\"payload64\":");
        write_base64(out, payload);
    }
}

fn entry(out: &mut Vec<u8>, row: &Row, entry: &Entry) {
    let event = &entry.event;
    literal(out, "\",\"seqno\":");
    write_uint(out, entry.seqno);
    literal(out, ",\"time\":");
    write_time(out, entry.timestamp);
    literal(out, ",\"type\":");
    write_string(out, event.event_type.as_str());
    literal(out, ",\"severity\":\"");
    literal(out, event.severity.as_str());
    literal(out, "\",\"producer\":");
    write_string(out, event.producer.as_str());
    payload(out, row.payload.as_deref());
    literal(out, ",\"prev\":");
    write_base64(out, &entry.prev_entry_hash.0);
    if let Some(clock) = entry.clock {
        literal(out, ",\"clock\":");
        write_uint(out, clock);
    }
    literal(out, ",\"session\":");
    write_base64(out, &entry.session_id);
    if entry.boot_id != [0; 16] {
        literal(out, ",\"boot\":");
        write_base64(out, &entry.boot_id);
    }
    if let Some(logged) = &event.payload {
        if logged.encoding.as_str() != DEFAULT_ENCODING {
            literal(out, ",\"encoding\":");
            write_string(out, logged.encoding.as_str());
        }
        if row.payload.as_deref().and_then(shown_length) != Some(logged.length) {
            literal(out, ",\"length\":");
            write_uint(out, logged.length);
        }
        literal(out, ",\"commitment\":");
        write_base64(out, &logged.commitment.0);
    }
    if let Some(salt) = row.payload.as_deref().and_then(|payload| payload.get(..SALT)) {
        literal(out, ",\"salt\":");
        write_base64(out, salt);
    }
    if let Some(detail) = &event.detail {
        literal(out, ",\"detail\":");
        write_base64(out, &encode_detail(detail));
    }
    if let Some(key) = &event.idempotency_key {
        literal(out, ",\"key\":");
        write_base64(out, key);
    }
    if let Some(author) = &entry.author {
        literal(out, ",\"author\":{\"algorithm\":");
        write_string(out, &author.algorithm);
        literal(out, ",\"public-key\":");
        write_base64(out, &author.public_key);
        literal(out, ",\"seq\":");
        write_uint(out, author.author_seq);
        literal(out, ",\"signature\":");
        write_base64(out, &author.signature);
        literal(out, "}");
    }
}

/// Bytes of a stored payload behind its salt, if it has one.
fn shown_length(stored: &[u8]) -> Option<u64> {
    stored.len().checked_sub(SALT).map(|length| length as u64)
}

fn payload(out: &mut Vec<u8>, stored: Option<&[u8]>) {
    let Some(stored) = stored else { return literal(out, ",\"payload\":null") };
    match stored.get(SALT..).map(std::str::from_utf8) {
        Some(Ok(text)) => {
            literal(out, ",\"payload\":");
            write_string(out, text);
        }
        Some(Err(_)) => {
            literal(out, ",\"payload64\":");
            write_base64(out, &stored[SALT..]);
        }
        None => {
            literal(out, ",\"payload64\":");
            write_base64(out, stored);
        }
    }
}
