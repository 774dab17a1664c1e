//! Entries, times and bytes as people and programs read them; and an entry's canonical bytes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use secure_log::encode::encode_entry;
use secure_log::merkle::leaf_hash;
use secure_log::types::{Detail, Digest, Entry, Event, hex};
use secure_log_bindings::types;
use serde_json::{Map, Value, json};

use crate::failure::Failure;

/// An entry as the log gave it, its canonical bytes made here and its payload.
pub struct Shown {
    /// Decoded.
    pub entry: Entry,
    /// What is hashed.
    pub body: Vec<u8>,
    /// Of `body`.
    pub hash: Digest,
    /// Absent: none was logged, or it was erased, or nobody gave it.
    pub payload: Option<Vec<u8>>,
    /// Of the payload.
    pub salt: Option<Vec<u8>>,
    /// It is a log that gave no payload: then it was erased.
    pub from_log: bool,
}

impl Shown {
    /// Encodes the entry and hashes it; what the log says its hash is must be that.
    pub fn new(mut entry: types::Entry) -> Result<Shown, Failure> {
        let (payload, salt) = (entry.payload.take(), entry.salt.take());
        let (seqno, claimed) = (entry.seqno, std::mem::take(&mut entry.entry_hash));
        let wrong = |why: String| Failure::finding(format!("entry {seqno} as the log gives it: {why}"));
        let entry = Entry::try_from(entry).map_err(|error| wrong(error.to_string()))?;
        let body = encode_entry(&entry).map_err(|error| wrong(error.0))?;
        let hash = leaf_hash(&body);
        match hash.0 == claimed.as_slice() {
            true => Ok(Shown { entry, body, hash, payload, salt, from_log: true }),
            false => Err(wrong("its bytes do not have the hash it comes with".into())),
        }
    }

    /// `salt || payload`, as it is stored and committed to.
    pub fn stored(&self) -> Option<Vec<u8>> {
        Some([self.salt.as_deref()?, self.payload.as_deref()?].concat())
    }

    /// One line.
    pub fn line(&self) -> String {
        let Entry { seqno, timestamp, event, .. } = &self.entry;
        let severity = event.severity.as_str();
        let (kind, producer) = (plain(event.event_type.as_str()), plain(event.producer.as_str()));
        format!("{seqno} {} {severity} {kind} {producer} {}", time(*timestamp), self.says()).trim_end().to_owned()
    }

    fn says(&self) -> String {
        match (&self.entry.event, &self.payload) {
            (Event { detail: Some(detail), .. }, _) => describe(detail),
            (Event { payload: Some(reference), .. }, Some(payload)) => match std::str::from_utf8(payload) {
                Ok(text) => plain(text),
                Err(_) => format!("({} bytes of {})", payload.len(), plain(reference.encoding.as_str())),
            },
            (Event { payload: Some(_), .. }, None) if self.from_log => "(erased)".into(),
            (Event { payload: Some(_), .. }, None) => "(its payload was not given)".into(),
            (Event { payload: None, .. }, _) => String::new(),
        }
    }

    /// One object. `payload` is text if the payload is UTF-8, else it stands in `payload-base64`.
    pub fn value(&self) -> Value {
        let Entry { stream_id, seqno, timestamp, event, author, .. } = &self.entry;
        let mut object = Map::new();
        let mut put = |name: &str, value: Value| object.insert(name.to_owned(), value);
        put("stream", json!(stream_id.as_str()));
        put("seqno", json!(seqno));
        put("time", json!(time(*timestamp)));
        put("type", json!(event.event_type.as_str()));
        put("severity", json!(event.severity.as_str()));
        put("producer", json!(event.producer.as_str()));
        if let Some(reference) = &event.payload {
            put("encoding", json!(reference.encoding.as_str()));
            put("length", json!(reference.length));
            put("commitment", json!(reference.commitment.to_hex()));
            match self.payload.as_deref().map(|payload| (std::str::from_utf8(payload), payload)) {
                Some((Ok(text), _)) => put("payload", json!(text)),
                Some((Err(_), bytes)) => put("payload-base64", json!(BASE64.encode(bytes))),
                None => put("erased", json!(self.from_log.then_some(true))),
            };
        }
        if let Some(detail) = &event.detail {
            put("detail", json!(describe(detail)));
        }
        if let Some(key) = &event.idempotency_key {
            put("idempotency-key", json!(hex(key)));
        }
        if let Some(author) = author {
            put("author", json!({ "algorithm": author.algorithm, "seq": author.author_seq }));
        }
        put("hash", json!(self.hash.to_hex()));
        Value::Object(object)
    }
}

/// What a system entry says, in words.
fn describe(detail: &Detail) -> String {
    match detail {
        Detail::StreamCreated { origin, tier, description } => {
            let description = description.as_deref().map(|text| format!(": {}", plain(text))).unwrap_or_default();
            format!("{} ({}){description}", plain(origin), tier.as_str())
        }
        Detail::SegmentSealed(seal) => {
            format!("segment {}, entries {} to {}", seal.segment, seal.first_seqno, seal.last_seqno)
        }
        Detail::StreamClosed { reason } => plain(reason),
        Detail::Erased { ranges, reason } => {
            let ranges: Vec<String> = ranges.iter().map(|(first, last)| format!("{first} to {last}")).collect();
            format!("payloads {}: {}", ranges.join(", "), plain(reason))
        }
        Detail::KeyAttested { vkey, .. } => plain(vkey),
        Detail::KeyRotated { old_vkey, new_vkey, .. } => format!("{} to {}", plain(old_vkey), plain(new_vkey)),
        Detail::KeyRevoked { vkey, from_seqno, reason, .. } => {
            format!("{} from {from_seqno}: {}", plain(vkey), plain(reason))
        }
        Detail::KeyEpoch { epoch, .. } | Detail::KeyDestroyed { epoch } => format!("epoch {epoch}"),
    }
}

/// Text from a log for a terminal: what could move the cursor or start a line is escaped, and what escapes, so that
/// two texts never look the same.
pub fn plain(text: &str) -> String {
    let hidden = |c: char| {
        c.is_control()
            || c == '\\'
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if hidden(c) { shown.extend(c.escape_default()) } else { shown.push(c) }
    }
    shown
}

/// Microseconds since 1970 as RFC 3339 in UTC; a time beyond the year 9999 as the number it is.
pub fn time(micros: u64) -> String {
    secure_log::record::render_time(micros).unwrap_or_else(|| micros.to_string())
}

/// Seconds since 1970, likewise.
pub fn seconds(seconds: u64) -> String {
    let known = i64::try_from(seconds).ok().and_then(|seconds| jiff::Timestamp::from_second(seconds).ok());
    known.map_or_else(|| seconds.to_string(), |time| time.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rfc_3339_in_utc() {
        assert_eq!(time(0), "1970-01-01T00:00:00.000000Z");
        assert_eq!(time(1_767_225_600_000_001), "2026-01-01T00:00:00.000001Z");
        assert_eq!(time(253_370_764_800_000_000), "9999-01-01T00:00:00.000000Z");
        assert_eq!(time(u64::MAX), u64::MAX.to_string());
        assert_eq!(seconds(1_767_225_660), "2026-01-01T00:01:00Z");
    }

    #[test]
    fn a_logged_text_can_not_play_with_the_terminal() {
        assert_eq!(plain("grüße\n\x1b[2J\u{202e}x\\"), "grüße\\n\\u{1b}[2J\\u{202e}x\\\\");
        assert_ne!(plain("\n"), plain("\\n"));
    }
}
