//! Lines back to what they render. Strict: a line is accepted only if rendering the result gives the same
//! bytes.

use std::borrow::Cow;

use secure_log::encode::{decode_detail, encode_entry};
use secure_log::store::{Row, RowKind};
use secure_log::types::{Author, DEFAULT_ENCODING, Digest, Entry, Event, Name, PayloadRef, Severity, StreamId};
use xxhash_rust::xxh3::xxh3_64;

use super::text::{Cursor, Why};
use super::{Commit, Intent, SALT};

/// What a line says.
#[derive(Debug)]
pub enum Parsed {
    /// A row, as it was appended.
    Row(Row),
    /// An erase intent.
    Erase(Intent),
    /// The end of an append.
    Commit(Commit),
}

/// `,"sum":"ABCDEFGHIJA"}`
const SUM_LEN: usize = 21;

/// Parses a line without its line feed. `known` saves an allocation when the stream is the expected one.
/// Without `with_payload` the payload is checked by the line's sum only, and left out.
pub fn parse(line: &[u8], known: Option<&StreamId>, with_payload: bool) -> Result<Parsed, Why> {
    let (padding, summed) = summed(line)?;
    let mut line_of = Cursor::new(summed);
    let cursor = &mut line_of;
    let (parsed, may_pad) = if cursor.eat("{\"commit\":") {
        (Parsed::Commit(commit(cursor)?), true)
    } else {
        cursor.need("{\"kind\":\"")?;
        if cursor.eat("erase\",\"at\":") {
            (Parsed::Erase(intent(cursor)?), false)
        } else {
            let (row, may_pad) = row(cursor, known, with_payload)?;
            (Parsed::Row(row), may_pad)
        }
    };
    cursor.end()?;
    if !padding.is_empty() && (!may_pad || padding.iter().any(|&b| b != b' ')) {
        return Err("padding");
    }
    Ok(parsed)
}

/// The offset that a line of [`place`](super::place) states.
pub fn parse_place(line: &[u8]) -> Result<u64, Why> {
    let (padding, summed) = summed(line)?;
    let mut cursor = Cursor::new(summed);
    cursor.need("{\"at\":")?;
    let at = cursor.uint()?;
    cursor.end()?;
    if padding.is_empty() { Ok(at) } else { Err("padding") }
}

/// What follows the line and what its sum covers, which fits.
fn summed(line: &[u8]) -> Result<(&[u8], &[u8]), Why> {
    let (text, padding) = line.split_at(line.trim_ascii_end().len());
    let (summed, tail) = text.split_at(text.len().checked_sub(SUM_LEN).ok_or("too short")?);
    let mut end = Cursor::new(tail);
    end.need(",\"sum\":")?;
    if end.sum()? != xxh3_64(summed) {
        return Err("the checksum does not fit");
    }
    end.need("}")?;
    Ok((padding, summed))
}

fn commit(c: &mut Cursor) -> Result<Commit, Why> {
    let n = c.uint()?;
    let rows = if c.eat(",\"rows\":") { c.uint().and_then(|n| if n == 1 { Err("rows") } else { Ok(n) })? } else { 1 };
    let durable = if c.eat(",\"durable\":") { Some(c.uint()?) } else { None };
    c.need(",\"check\":")?;
    Ok(Commit { n, rows, durable, check: c.sum()? })
}

fn intent(c: &mut Cursor) -> Result<Intent, Why> {
    let at = c.uint()?;
    c.need(",\"length\":")?;
    let length = c.uint()?;
    c.need(",\"row\":")?;
    // A row holds no intent, so this goes one level deep.
    let (inner, summed) = summed(c.take_rest())?;
    if !inner.is_empty() {
        return Err("padding");
    }
    let mut inside = Cursor::new(summed);
    inside.need("{\"kind\":\"")?;
    match row(&mut inside, None, true)? {
        (row, true) if row.payload.is_none() => {
            inside.end()?;
            Ok(Intent { at, length, row })
        }
        _ => Err("an intent without its row"),
    }
}

/// The name of a kind and `","stream":`; the opening quote of the name is already read.
fn kind(c: &mut Cursor) -> Result<RowKind, Why> {
    let found = RowKind::ALL.iter().copied().find(|kind| c.eat(kind.as_str())).ok_or("kind")?;
    c.need("\",\"stream\":")?;
    Ok(found)
}

fn stream(c: &mut Cursor, known: Option<&StreamId>) -> Result<StreamId, Why> {
    StreamId::parse_like(&c.string()?, known).map_err(|_| "stream id")
}

/// The row and whether spaces may follow its line.
fn row(c: &mut Cursor, known: Option<&StreamId>, with_payload: bool) -> Result<(Row, bool), Why> {
    let kind = kind(c)?;
    let stream_id = stream(c, known)?;
    if kind == RowKind::Entry && c.eat(",\"seqno\":") {
        return entry(c, stream_id, with_payload);
    }
    c.need(",\"index\":")?;
    let index = c.uint()?;
    let as_text = kind == RowKind::Checkpoint && c.eat(",\"text\":");
    let body = if as_text {
        c.string()?.into_owned().into_bytes()
    } else {
        c.need(",\"body\":")?;
        c.base64()?
    };
    if kind == RowKind::Checkpoint && !as_text && std::str::from_utf8(&body).is_ok() {
        return Err("a body that has a plainer form");
    }
    let payload = if c.eat(",\"payload64\":") { Some(c.base64()?) } else { None };
    let may_pad = payload.is_none();
    let row = Row { kind, stream_id, index, body, payload: payload.filter(|_| with_payload) };
    if row.entry().is_some() {
        return Err("a body that has a plainer form");
    }
    Ok((row, may_pad))
}

fn entry(c: &mut Cursor, stream_id: StreamId, with_payload: bool) -> Result<(Row, bool), Why> {
    let seqno = c.uint()?;
    c.need(",\"time\":")?;
    let timestamp = c.time()?;
    c.need(",\"type\":")?;
    let event_type = name(c)?;
    c.need(",\"severity\":\"")?;
    let severity = Severity::ALL.iter().copied().find(|severity| c.eat(severity.as_str())).ok_or("severity")?;
    c.need("\",\"producer\":")?;
    let producer = name(c)?;
    let shown = payload(c, with_payload)?;
    c.need(",\"prev\":")?;
    let prev_entry_hash = Digest(c.fixed()?);
    let clock = if c.eat(",\"clock\":") { Some(c.uint()?) } else { None };
    c.need(",\"session\":")?;
    let session_id = c.fixed()?;
    let boot_id = match c.eat(",\"boot\":") {
        true => Some(c.fixed()?).filter(|id| *id != [0; 16]).ok_or("boot")?,
        false => [0; 16],
    };
    let said = payload_ref(c)?;
    let salt = if c.eat(",\"salt\":") { Some(c.fixed::<SALT>()?) } else { None };
    let logged = said.map(|said| said.with_length(salt.and(shown.length()))).transpose()?;
    let may_pad = matches!(shown, Shown::Absent);
    let payload = shown.with_salt(salt)?.filter(|_| with_payload);
    let detail = if c.eat(",\"detail\":") {
        Some(decode_detail(event_type.as_str(), &c.base64()?).map_err(|_| "detail")?)
    } else {
        None
    };
    let idempotency_key = if c.eat(",\"key\":") { Some(c.base64()?) } else { None };
    let author = if c.eat(",\"author\":{\"algorithm\":") { Some(author(c)?) } else { None };
    let event = Event { event_type, severity, producer, payload: logged, detail, idempotency_key };
    let entry = Entry { stream_id, seqno, prev_entry_hash, timestamp, clock, session_id, boot_id, event, author };
    // What the decoder would refuse would not have been rendered like this.
    let body = encode_entry(&entry).map_err(|_| "not an entry")?;
    let row = Row { kind: RowKind::Entry, stream_id: entry.stream_id, index: seqno, body, payload };
    Ok((row, may_pad))
}

fn name(c: &mut Cursor) -> Result<Name, Why> {
    Name::parse("name", c.string()?).map_err(|_| "name")
}

fn author(c: &mut Cursor) -> Result<Author, Why> {
    let algorithm = c.string()?.into_owned();
    c.need(",\"public-key\":")?;
    let public_key = c.base64()?;
    c.need(",\"seq\":")?;
    let author_seq = c.uint()?;
    c.need(",\"signature\":")?;
    let signature = c.base64()?;
    c.need("}")?;
    Ok(Author { algorithm, public_key, author_seq, signature })
}

/// What a line says of the payload that was logged.
struct Said {
    encoding: Option<Name>,
    length: Option<u64>,
    commitment: Digest,
}

fn payload_ref(c: &mut Cursor) -> Result<Option<Said>, Why> {
    let encoding = if c.eat(",\"encoding\":") { Some(name(c)?) } else { None };
    if encoding.as_ref().is_some_and(|encoding| encoding.as_str() == DEFAULT_ENCODING) {
        return Err("encoding");
    }
    let length = if c.eat(",\"length\":") { Some(c.uint()?) } else { None };
    if !c.eat(",\"commitment\":") {
        return if encoding.is_none() && length.is_none() { Ok(None) } else { Err("commitment") };
    }
    Ok(Some(Said { encoding, length, commitment: Digest(c.fixed()?) }))
}

impl Said {
    /// `shown`: bytes of the payload behind its salt, if the line shows them. That length is not said again.
    fn with_length(self, shown: Option<u64>) -> Result<PayloadRef, Why> {
        let length = match (self.length, shown) {
            (Some(said), shown) if Some(said) != shown => said,
            (None, Some(shown)) => shown,
            _ => return Err("length"),
        };
        let encoding = self.encoding.unwrap_or_else(Name::default_encoding);
        Ok(PayloadRef { encoding, length, commitment: self.commitment })
    }
}

/// The payload as the line shows it, before its salt is known.
enum Shown<'a> {
    Absent,
    Text(Cow<'a, str>),
    Bytes(Vec<u8>),
    /// Not asked for: its bytes.
    Skipped(usize),
}

fn payload<'a>(c: &mut Cursor<'a>, with_payload: bool) -> Result<Shown<'a>, Why> {
    if c.eat(",\"payload\":null") {
        return Ok(Shown::Absent);
    }
    if c.eat(",\"payload\":") {
        let text = c.string()?;
        return Ok(if with_payload { Shown::Text(text) } else { Shown::Skipped(text.len()) });
    }
    c.need(",\"payload64\":")?;
    if with_payload { Ok(Shown::Bytes(c.base64()?)) } else { c.skip_base64().map(Shown::Skipped) }
}

impl Shown<'_> {
    fn length(&self) -> Option<u64> {
        let length = match self {
            Shown::Absent => return None,
            Shown::Text(text) => text.len(),
            Shown::Bytes(bytes) => bytes.len(),
            Shown::Skipped(length) => *length,
        };
        Some(length as u64)
    }

    fn with_salt(self, salt: Option<[u8; SALT]>) -> Result<Option<Vec<u8>>, Why> {
        match (self, salt) {
            (Shown::Absent, None) => Ok(None),
            (Shown::Skipped(_), _) => Ok(None),
            (Shown::Text(text), Some(salt)) => Ok(Some([&salt, text.as_bytes()].concat())),
            (Shown::Bytes(bytes), Some(salt)) if std::str::from_utf8(&bytes).is_err() => {
                Ok(Some([&salt[..], &bytes].concat()))
            }
            (Shown::Bytes(bytes), None) if bytes.len() < SALT => Ok(Some(bytes)),
            _ => Err("salt"),
        }
    }
}
