//! Canonical bytes, both ways: CBOR (RFC 8949 section 4.2.1 core deterministic encoding), arrays only.
//!
//! The decoder accepts exactly what the encoder produces: it decodes, encodes again and compares, so
//! malleability has no place to hide. Limits are checked before anything is copied. Nothing here hashes.
//!
//! ```text
//! entry  = [1, stream-id, seqno, prev-entry-hash, timestamp, clock/null, session-id, boot-id, event, author/null]
//! event  = [event-type, severity, producer, payload/null, detail/null, idempotency-key/null]
//! payload = [encoding, length, commitment]      author = [algorithm, public-key, author-seq, signature]
//! ```

mod detail;

use std::fmt;

use detail::{check_system, is_system_type, read_detail, write_detail};
use minicbor::data::Type;
use minicbor::decode::Decoder;
use minicbor::encode::Encoder;

use crate::error::{Invalid, LogError};
use crate::types::{
    Author, Detail, Digest, Entry, Event, MAX_AUTHOR, MAX_ENTRY, MAX_IDEMPOTENCY_KEY, MAX_INT, MAX_PAYLOAD, Name,
    PayloadRef, RESERVED_PREFIX, Severity, StreamId, quote,
};

/// Format version of every entry.
pub const VERSION: u64 = 1;
/// Ranges in one `erased` entry, at most: 65,535 bytes of entry hold 3,000 pairs of 64-bit numbers.
pub const MAX_RANGES: usize = 3000;

/// Why bytes are not an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DecodeError {
    /// Not what the encoder produces.
    Malformed(String),
    /// A version or reserved event type this code does not know.
    Unsupported(String),
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DecodeError::Malformed(why) => write!(f, "malformed: {why}"),
            DecodeError::Unsupported(what) => write!(f, "unsupported: {what}"),
        }
    }
}

impl std::error::Error for DecodeError {}

impl From<DecodeError> for LogError {
    fn from(error: DecodeError) -> Self {
        match error {
            DecodeError::Malformed(why) => LogError::Invalid(why),
            DecodeError::Unsupported(what) => LogError::Unsupported(what),
        }
    }
}

impl From<Invalid> for DecodeError {
    fn from(error: Invalid) -> Self {
        DecodeError::Malformed(error.0)
    }
}

impl From<minicbor::decode::Error> for DecodeError {
    fn from(error: minicbor::decode::Error) -> Self {
        DecodeError::Malformed(format!("CBOR: {error}"))
    }
}

/// The canonical bytes of an entry.
///
/// # Errors
/// `Invalid` when a limit is exceeded or the parts contradict each other (a reserved type without its detail).
pub fn encode_entry(entry: &Entry) -> Result<Vec<u8>, Invalid> {
    check(entry)?;
    let bytes = canonical(|e| write_entry(e, entry));
    if bytes.len() > MAX_ENTRY {
        return Err(Invalid(format!("the entry has {} bytes, at most {MAX_ENTRY}", bytes.len())));
    }
    Ok(bytes)
}

/// The entry these bytes encode.
///
/// # Errors
/// `Malformed` unless [`encode_entry`] of the result gives back `bytes`; `Unsupported` for a version or a
/// `secure-log.` event type that is not known.
pub fn decode_entry(bytes: &[u8]) -> Result<Entry, DecodeError> {
    if bytes.len() > MAX_ENTRY {
        return Err(DecodeError::Malformed(format!("{} bytes, at most {MAX_ENTRY}", bytes.len())));
    }
    let entry = read_entry(&mut Decoder::new(bytes))?;
    check(&entry)?;
    same(bytes, |e| write_entry(e, &entry))?;
    Ok(entry)
}

/// The bytes of a system detail alone, as they stand inside the event.
pub fn encode_detail(detail: &Detail) -> Vec<u8> {
    canonical(|e| write_detail(e, detail))
}

/// The detail that belongs to a reserved event type.
///
/// # Errors
/// As [`decode_entry`].
pub fn decode_detail(event_type: &str, bytes: &[u8]) -> Result<Detail, DecodeError> {
    let detail = read_detail(&mut Decoder::new(bytes), event_type)?;
    same(bytes, |e| write_detail(e, &detail))?;
    Ok(detail)
}

/// What a producer signs: `"secure-log/author/v1\n" || CBOR [origin, author-seq, event]`.
pub fn author_message(origin: &str, author_seq: u64, event: &Event) -> Vec<u8> {
    let mut message = b"secure-log/author/v1\n".to_vec();
    message.extend(canonical(|e| {
        e.array(3)?.str(origin)?.u64(author_seq)?;
        write_event(e, event)
    }));
    message
}

/// The body of a segment row: CBOR of the seal's seqno.
pub fn encode_uint(value: u64) -> Vec<u8> {
    canonical(|e| e.u64(value).map(drop))
}

/// The number of a segment row.
///
/// # Errors
/// `Malformed`.
pub fn decode_uint(bytes: &[u8]) -> Result<u64, DecodeError> {
    let value = int(&mut Decoder::new(bytes))?;
    same(bytes, |e| e.u64(value).map(drop))?;
    Ok(value)
}

/// The body of a cosignature row: CBOR `[segment, line]`; the line without its newline.
pub fn encode_cosignature(segment: u64, line: &str) -> Vec<u8> {
    canonical(|e| e.array(2)?.u64(segment)?.str(line).map(drop))
}

/// Segment and line of a cosignature row.
///
/// # Errors
/// `Malformed`.
pub fn decode_cosignature(bytes: &[u8]) -> Result<(u64, String), DecodeError> {
    let mut d = Decoder::new(bytes);
    array(&mut d, 2)?;
    let (segment, line) = (int(&mut d)?, d.str()?);
    same(bytes, |e| e.array(2)?.u64(segment)?.str(line).map(drop))?;
    Ok((segment, line.to_owned()))
}

/// The bytes the first key signs with its attestation (wit/FORMAT.md section 9):
/// `"secure-log/attest/v1\n" || CBOR [origin, seqno, prev-entry-hash, vkey, attestation]`.
pub fn attest_message(origin: &str, seqno: u64, prev: &Digest, vkey: &str, attestation: &[u8]) -> Vec<u8> {
    let mut message = b"secure-log/attest/v1\n".to_vec();
    message.extend(canonical(|e| {
        e.array(5)?.str(origin)?.u64(seqno)?.bytes(&prev.0)?.str(vkey)?.bytes(attestation).map(drop)
    }));
    message
}

/// The bytes both keys sign in a rotation (format.md section 8):
/// `"secure-log/rotate/v1\n" || CBOR [origin, seqno, prev-entry-hash, old-vkey, new-vkey, attestation/null]`.
pub fn rotate_message(
    origin: &str,
    seqno: u64,
    prev: &Digest,
    old_vkey: &str,
    new_vkey: &str,
    attestation: Option<&[u8]>,
) -> Vec<u8> {
    let mut message = b"secure-log/rotate/v1\n".to_vec();
    message.extend(canonical(|e| {
        e.array(6)?.str(origin)?.u64(seqno)?.bytes(&prev.0)?.str(old_vkey)?.str(new_vkey)?;
        write_option(e, attestation, |e, bytes| e.bytes(bytes).map(drop))
    }));
    message
}

/// The bytes the current key signs in a revocation (format.md section 8):
/// `"secure-log/revoke/v1\n" || CBOR [origin, seqno, prev-entry-hash, vkey, from-seqno]`.
pub fn revoke_message(origin: &str, seqno: u64, prev: &Digest, vkey: &str, from_seqno: u64) -> Vec<u8> {
    let mut message = b"secure-log/revoke/v1\n".to_vec();
    message.extend(canonical(|e| {
        e.array(5)?.str(origin)?.u64(seqno)?.bytes(&prev.0)?.str(vkey)?.u64(from_seqno).map(drop)
    }));
    message
}

/// Where the encoder writes: out, or against the bytes that were decoded.
enum Sink<'a> {
    Out(&'a mut Vec<u8>),
    /// What has not been written yet of the bytes to compare with.
    Same(&'a [u8]),
}

/// The bytes are not those that were decoded.
#[derive(Debug)]
struct Differs;

impl minicbor::encode::Write for Sink<'_> {
    type Error = Differs;

    fn write_all(&mut self, bytes: &[u8]) -> Result<(), Differs> {
        match self {
            Sink::Out(out) => out.extend_from_slice(bytes),
            Sink::Same(rest) => *rest = rest.strip_prefix(bytes).ok_or(Differs)?,
        }
        Ok(())
    }
}

type Out<'a> = Encoder<Sink<'a>>;
type Done = Result<(), minicbor::encode::Error<Differs>>;

fn canonical(write: impl FnOnce(&mut Out) -> Done) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(256);
    let done = write(&mut Encoder::new(Sink::Out(&mut bytes)));
    // Writing to a vector cannot fail.
    debug_assert!(done.is_ok());
    bytes
}

/// Whether `write` writes exactly `bytes`: nothing else is accepted as the encoding of what was read.
fn same(bytes: &[u8], write: impl FnOnce(&mut Out) -> Done) -> Result<(), DecodeError> {
    let mut encoder = Encoder::new(Sink::Same(bytes));
    match (write(&mut encoder), encoder.into_writer()) {
        (Ok(()), Sink::Same([])) => Ok(()),
        _ => Err(DecodeError::Malformed("not the canonical encoding".into())),
    }
}

fn write_entry(e: &mut Out, entry: &Entry) -> Done {
    e.array(10)?.u64(VERSION)?.str(entry.stream_id.as_str())?.u64(entry.seqno)?.bytes(&entry.prev_entry_hash.0)?;
    e.u64(entry.timestamp)?;
    write_option(e, entry.clock, |e, clock| e.u64(clock).map(drop))?;
    e.bytes(&entry.session_id)?.bytes(&entry.boot_id)?;
    write_event(e, &entry.event)?;
    write_option(e, entry.author.as_ref(), write_author)
}

fn write_event(e: &mut Out, event: &Event) -> Done {
    e.array(6)?.str(event.event_type.as_str())?.u8(event.severity as u8)?.str(event.producer.as_str())?;
    write_option(e, event.payload.as_ref(), |e, payload| {
        e.array(3)?.str(payload.encoding.as_str())?.u64(payload.length)?.bytes(&payload.commitment.0).map(drop)
    })?;
    write_option(e, event.detail.as_ref(), write_detail)?;
    write_option(e, event.idempotency_key.as_ref(), |e, key| e.bytes(key).map(drop))
}

fn write_author(e: &mut Out, author: &Author) -> Done {
    e.array(4)?.str(&author.algorithm)?.bytes(&author.public_key)?.u64(author.author_seq)?;
    e.bytes(&author.signature).map(drop)
}

fn write_option<T>(e: &mut Out, value: Option<T>, write: impl FnOnce(&mut Out, T) -> Done) -> Done {
    match value {
        None => e.null().map(drop),
        Some(value) => write(e, value),
    }
}

fn write_digest(e: &mut Out, digest: Option<&Digest>) -> Done {
    write_option(e, digest, |e, digest| e.bytes(&digest.0).map(drop))
}

/// Limits and agreements between fields that the types do not express. Lengths of decoded parts are
/// bounded by the 65,535 bytes of the whole, so these checks come after decoding without harm.
fn check(entry: &Entry) -> Result<(), Invalid> {
    let event = &entry.event;
    for (what, value) in [("seqno", entry.seqno), ("timestamp", entry.timestamp), ("clock", entry.clock.unwrap_or(0))] {
        if value > MAX_INT {
            return Err(Invalid(format!("{what} {value} is greater than 2^63-1")));
        }
    }
    if let Some(key) = &event.idempotency_key
        && !(1..=MAX_IDEMPOTENCY_KEY).contains(&key.len())
    {
        return Err(Invalid(format!("an idempotency key has 1 to {MAX_IDEMPOTENCY_KEY} bytes, not {}", key.len())));
    }
    if let Some(payload) = &event.payload
        && payload.length > MAX_PAYLOAD as u64
    {
        return Err(Invalid(format!("the payload has {} bytes, at most {MAX_PAYLOAD}", payload.length)));
    }
    if let Some(author) = &entry.author {
        let size = author.algorithm.len() + author.public_key.len() + author.signature.len() + 32;
        if size > MAX_AUTHOR || author.author_seq > MAX_INT {
            return Err(Invalid(format!(
                "the author array is larger than {MAX_AUTHOR} bytes or its number is too large"
            )));
        }
    }
    match &event.detail {
        None if event.event_type.as_str().starts_with(RESERVED_PREFIX) => {
            Err(Invalid(format!("event type {} is reserved", quote(event.event_type.as_str()))))
        }
        None => Ok(()),
        Some(detail) => check_system(entry, detail),
    }
}

fn read_entry(d: &mut Decoder) -> Result<Entry, DecodeError> {
    array(d, 10)?;
    let version = int(d)?;
    if version != VERSION {
        return Err(DecodeError::Unsupported(format!("entry version {version}")));
    }
    Ok(Entry {
        stream_id: StreamId::try_from(d.str()?)?,
        seqno: int(d)?,
        prev_entry_hash: digest(d)?,
        timestamp: int(d)?,
        clock: option(d, int)?,
        session_id: fixed(d)?,
        boot_id: fixed(d)?,
        event: read_event(d)?,
        author: option(d, read_author)?,
    })
}

fn read_event(d: &mut Decoder) -> Result<Event, DecodeError> {
    array(d, 6)?;
    let event_type = Name::parse("event type", d.str()?)?;
    let severity = Severity::try_from(int(d)?)?;
    let producer = Name::parse("producer", d.str()?)?;
    let payload = option(d, |d| {
        array(d, 3)?;
        Ok(PayloadRef { encoding: Name::parse("payload encoding", d.str()?)?, length: int(d)?, commitment: digest(d)? })
    })?;
    let detail = option(d, |d| read_detail(d, event_type.as_str()))?;
    if detail.is_none() && event_type.as_str().starts_with(RESERVED_PREFIX) && !is_system_type(event_type.as_str()) {
        return Err(unknown_type(event_type.as_str()));
    }
    let idempotency_key = option(d, |d| Ok(d.bytes()?.to_vec()))?;
    Ok(Event { event_type, severity, producer, payload, detail, idempotency_key })
}

fn read_author(d: &mut Decoder) -> Result<Author, DecodeError> {
    array(d, 4)?;
    Ok(Author {
        algorithm: d.str()?.to_owned(),
        public_key: d.bytes()?.to_vec(),
        author_seq: int(d)?,
        signature: d.bytes()?.to_vec(),
    })
}

fn unknown_type(event_type: &str) -> DecodeError {
    DecodeError::Unsupported(format!("reserved event type {}", quote(event_type)))
}

fn array(d: &mut Decoder, length: u64) -> Result<(), DecodeError> {
    match d.array()? {
        Some(found) if found == length => Ok(()),
        found => Err(DecodeError::Malformed(format!("an array of {length} was expected, found {found:?}"))),
    }
}

fn int(d: &mut Decoder) -> Result<u64, DecodeError> {
    match d.u64()? {
        value if value <= MAX_INT => Ok(value),
        value => Err(DecodeError::Malformed(format!("{value} is greater than 2^63-1"))),
    }
}

fn fixed<const N: usize>(d: &mut Decoder) -> Result<[u8; N], DecodeError> {
    let bytes = d.bytes()?;
    bytes.try_into().map_err(|_| DecodeError::Malformed(format!("{N} bytes were expected, found {}", bytes.len())))
}

fn digest(d: &mut Decoder) -> Result<Digest, DecodeError> {
    fixed(d).map(Digest)
}

fn option<'b, T>(
    d: &mut Decoder<'b>,
    read: impl FnOnce(&mut Decoder<'b>) -> Result<T, DecodeError>,
) -> Result<Option<T>, DecodeError> {
    if d.datatype()? == Type::Null {
        d.null()?;
        return Ok(None);
    }
    read(d).map(Some)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use super::*;

    fn entry() -> Entry {
        Entry {
            stream_id: StreamId::try_from("s").unwrap(),
            seqno: 1,
            prev_entry_hash: Digest([7; 32]),
            timestamp: 1,
            clock: None,
            session_id: [0; 16],
            boot_id: [0; 16],
            event: Detail::StreamClosed { reason: "x".into() }.into_event(),
            author: None,
        }
    }

    #[test]
    fn an_unknown_reserved_type_is_unsupported_with_and_without_detail() {
        let bytes = encode_entry(&entry()).unwrap();
        let at = bytes.windows(24).position(|window| window == b"secure-log.stream-closed").unwrap();
        let mut unknown = bytes.clone();
        unknown[at + 23] = b'x';
        assert!(matches!(decode_entry(&unknown), Err(DecodeError::Unsupported(_))));
        let detail = unknown.windows(3).position(|window| window == [0x81, 0x61, b'x']).unwrap();
        unknown.splice(detail..detail + 3, [0xf6]);
        assert!(matches!(decode_entry(&unknown), Err(DecodeError::Unsupported(_))));
    }

    #[test]
    fn every_flipped_or_added_byte_is_refused_or_another_entry() {
        let bytes = encode_entry(&entry()).unwrap();
        for position in 0..bytes.len() {
            for value in 0..=255 {
                let mut changed = bytes.clone();
                changed[position] = value;
                if let Ok(decoded) = decode_entry(&changed) {
                    assert_eq!(encode_entry(&decoded).unwrap(), changed);
                }
                let mut longer = bytes.clone();
                longer.insert(position, value);
                if let Ok(decoded) = decode_entry(&longer) {
                    assert_eq!(encode_entry(&decoded).unwrap(), longer);
                }
            }
        }
    }
}
