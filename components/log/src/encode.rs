//! Canonical bytes, both ways: CBOR (RFC 8949 section 4.2.1 core deterministic encoding), arrays only.
//!
//! The decoder accepts exactly what the encoder produces, so malleability has no place to hide: `cbor` reads one form
//! of every value, nothing that is read is dropped, and wherever debug assertions are on every decoded value is encoded
//! again and compared. Limits are checked before anything is copied. Nothing here hashes.
//!
//! ```text
//! entry  = [1, stream-id, seqno, prev-entry-hash, timestamp, clock/null, session-id, boot-id, event, author/null]
//! event  = [event-type, severity, producer, payload/null, detail/null, idempotency-key/null]
//! payload = [encoding, length, commitment]      author = [algorithm, public-key, author-seq, signature]
//! ```

mod cbor;
mod detail;

use std::fmt;

use cbor::{Reader, Writer};
use detail::{check_system, is_system_type, read_detail, write_detail};

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

/// The canonical bytes of an entry.
///
/// # Errors
/// `Invalid` when a limit is exceeded or the parts contradict each other (a reserved type without its detail).
pub fn encode_entry(entry: &Entry) -> Result<Vec<u8>, Invalid> {
    check(entry)?;
    let bytes = canonical(|w| write_entry(w, entry));
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
    decode_entry_like(bytes, None)
}

/// The same for an entry that is expected to be of this stream; whether it is, is the caller's to check.
///
/// # Errors
/// As [`decode_entry`].
pub fn decode_entry_like(bytes: &[u8], stream: Option<&StreamId>) -> Result<Entry, DecodeError> {
    if bytes.len() > MAX_ENTRY {
        return Err(DecodeError::Malformed(format!("{} bytes, at most {MAX_ENTRY}", bytes.len())));
    }
    let entry = strict(bytes, |r| read_entry(r, stream), write_entry)?;
    check(&entry)?;
    Ok(entry)
}

/// The bytes of a system detail alone, as they stand inside the event.
pub fn encode_detail(detail: &Detail) -> Vec<u8> {
    canonical(|w| write_detail(w, detail))
}

/// The detail that belongs to a reserved event type.
///
/// # Errors
/// As [`decode_entry`].
pub fn decode_detail(event_type: &str, bytes: &[u8]) -> Result<Detail, DecodeError> {
    strict(bytes, |r| read_detail(r, event_type), write_detail)
}

/// What a producer signs: `"secure-log/author/v1\n" || CBOR [origin, author-seq, event]`.
pub fn author_message(origin: &str, author_seq: u64, event: &Event) -> Vec<u8> {
    let mut message = b"secure-log/author/v1\n".to_vec();
    message.extend(canonical(|w| {
        w.array(3).text(origin).uint(author_seq);
        write_event(w, event);
    }));
    message
}

/// The body of a segment row: CBOR of the seal's seqno.
pub fn encode_uint(value: u64) -> Vec<u8> {
    canonical(|w| {
        w.uint(value);
    })
}

/// The number of a segment row.
///
/// # Errors
/// `Malformed`.
pub fn decode_uint(bytes: &[u8]) -> Result<u64, DecodeError> {
    strict(bytes, int, |w, value| {
        w.uint(*value);
    })
}

/// The body of a cosignature row: CBOR `[segment, line]`; the line without its newline.
pub fn encode_cosignature(segment: u64, line: &str) -> Vec<u8> {
    canonical(|w| {
        w.array(2).uint(segment).text(line);
    })
}

/// Segment and line of a cosignature row.
///
/// # Errors
/// `Malformed`.
pub fn decode_cosignature(bytes: &[u8]) -> Result<(u64, String), DecodeError> {
    let read = |r: &mut Reader| {
        array(r, 2)?;
        Ok((int(r)?, r.text()?.to_owned()))
    };
    strict(bytes, read, |w, (segment, line)| {
        w.array(2).uint(*segment).text(line);
    })
}

/// The bytes the first key signs with its attestation (wit/FORMAT.md section 9):
/// `"secure-log/attest/v1\n" || CBOR [origin, seqno, prev-entry-hash, vkey, attestation]`.
pub fn attest_message(origin: &str, seqno: u64, prev: &Digest, vkey: &str, attestation: &[u8]) -> Vec<u8> {
    let mut message = b"secure-log/attest/v1\n".to_vec();
    message.extend(canonical(|w| {
        w.array(5).text(origin).uint(seqno).bytes(&prev.0).text(vkey).bytes(attestation);
    }));
    message
}

/// The bytes both keys sign in a rotation (wit/FORMAT.md section 9):
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
    message.extend(canonical(|w| {
        w.array(6).text(origin).uint(seqno).bytes(&prev.0).text(old_vkey).text(new_vkey);
        w.option(attestation, |w, bytes| {
            w.bytes(bytes);
        });
    }));
    message
}

/// The bytes the current key signs in a revocation (wit/FORMAT.md section 9):
/// `"secure-log/revoke/v1\n" || CBOR [origin, seqno, prev-entry-hash, vkey, from-seqno]`.
pub fn revoke_message(origin: &str, seqno: u64, prev: &Digest, vkey: &str, from_seqno: u64) -> Vec<u8> {
    let mut message = b"secure-log/revoke/v1\n".to_vec();
    message.extend(canonical(|w| {
        w.array(5).text(origin).uint(seqno).bytes(&prev.0).text(vkey).uint(from_seqno);
    }));
    message
}

fn canonical(write: impl FnOnce(&mut Writer)) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(256);
    write(&mut Writer(&mut bytes));
    bytes
}

/// What `read` makes of all of `bytes`; `write` must make the same bytes of it.
fn strict<T>(
    bytes: &[u8],
    read: impl FnOnce(&mut Reader) -> Result<T, DecodeError>,
    write: impl FnOnce(&mut Writer, &T),
) -> Result<T, DecodeError> {
    let mut reader = Reader::new(bytes);
    let value = read(&mut reader)?;
    reader.end()?;
    debug_assert_eq!(canonical(|w| write(w, &value)), bytes);
    Ok(value)
}

fn write_entry(w: &mut Writer, entry: &Entry) {
    w.array(10).uint(VERSION).text(entry.stream_id.as_str()).uint(entry.seqno).bytes(&entry.prev_entry_hash.0);
    w.uint(entry.timestamp).option(entry.clock, |w, clock| {
        w.uint(clock);
    });
    w.bytes(&entry.session_id).bytes(&entry.boot_id);
    write_event(w, &entry.event);
    w.option(entry.author.as_ref(), write_author);
}

fn write_author(w: &mut Writer, author: &Author) {
    w.array(4).text(&author.algorithm).bytes(&author.public_key).uint(author.author_seq).bytes(&author.signature);
}

fn write_event(w: &mut Writer, event: &Event) {
    w.array(6).text(event.event_type.as_str()).uint(event.severity as u64).text(event.producer.as_str());
    w.option(event.payload.as_ref(), |w, payload| {
        w.array(3).text(payload.encoding.as_str()).uint(payload.length).bytes(&payload.commitment.0);
    });
    w.option(event.detail.as_ref(), write_detail);
    w.option(event.idempotency_key.as_ref(), |w, key| {
        w.bytes(key);
    });
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
    if let Some(author) = &entry.author
        && (canonical(|w| write_author(w, author)).len() > MAX_AUTHOR || author.author_seq > MAX_INT)
    {
        return Err(Invalid(format!("the author array is larger than {MAX_AUTHOR} bytes or its number is too large")));
    }
    match &event.detail {
        None if event.event_type.as_str().starts_with(RESERVED_PREFIX) => {
            Err(Invalid(format!("event type {} is reserved", quote(event.event_type.as_str()))))
        }
        None => Ok(()),
        Some(detail) => check_system(entry, detail),
    }
}

fn read_entry(r: &mut Reader, stream: Option<&StreamId>) -> Result<Entry, DecodeError> {
    array(r, 10)?;
    let version = int(r)?;
    if version != VERSION {
        return Err(DecodeError::Unsupported(format!("entry version {version}")));
    }
    Ok(Entry {
        stream_id: StreamId::parse_like(r.text()?, stream)?,
        seqno: int(r)?,
        prev_entry_hash: digest(r)?,
        timestamp: int(r)?,
        clock: r.option(int)?,
        session_id: fixed(r)?,
        boot_id: fixed(r)?,
        event: read_event(r)?,
        author: r.option(read_author)?,
    })
}

fn read_event(r: &mut Reader) -> Result<Event, DecodeError> {
    array(r, 6)?;
    let event_type = Name::parse("event type", r.text()?)?;
    let severity = Severity::try_from(int(r)?)?;
    let producer = Name::parse("producer", r.text()?)?;
    let payload = r.option(|r| {
        array(r, 3)?;
        Ok(PayloadRef {
            encoding: Name::parse("payload encoding", r.text()?)?,
            length: int(r)?,
            commitment: digest(r)?,
        })
    })?;
    let detail = r.option(|r| read_detail(r, event_type.as_str()))?;
    if detail.is_none() && event_type.as_str().starts_with(RESERVED_PREFIX) && !is_system_type(event_type.as_str()) {
        return Err(unknown_type(event_type.as_str()));
    }
    let idempotency_key = r.option(|r| Ok(r.bytes()?.to_vec()))?;
    Ok(Event { event_type, severity, producer, payload, detail, idempotency_key })
}

fn read_author(r: &mut Reader) -> Result<Author, DecodeError> {
    array(r, 4)?;
    Ok(Author {
        algorithm: r.text()?.to_owned(),
        public_key: r.bytes()?.to_vec(),
        author_seq: int(r)?,
        signature: r.bytes()?.to_vec(),
    })
}

fn unknown_type(event_type: &str) -> DecodeError {
    DecodeError::Unsupported(format!("reserved event type {}", quote(event_type)))
}

fn array(r: &mut Reader, length: u64) -> Result<(), DecodeError> {
    match r.array()? {
        found if found == length => Ok(()),
        found => Err(DecodeError::Malformed(format!("an array of {length} was expected, found {found}"))),
    }
}

fn int(r: &mut Reader) -> Result<u64, DecodeError> {
    match r.uint()? {
        value if value <= MAX_INT => Ok(value),
        value => Err(DecodeError::Malformed(format!("{value} is greater than 2^63-1"))),
    }
}

fn fixed<const N: usize>(r: &mut Reader) -> Result<[u8; N], DecodeError> {
    let bytes = r.bytes()?;
    bytes.try_into().map_err(|_| DecodeError::Malformed(format!("{N} bytes were expected, found {}", bytes.len())))
}

fn digest(r: &mut Reader) -> Result<Digest, DecodeError> {
    fixed(r).map(Digest)
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

    #[cfg(feature = "contract")]
    #[test]
    fn a_flipped_bit_of_any_shape_of_entry_is_refused_or_another_entry() {
        for row in crate::contract::rows::entries("s") {
            decode_entry(&row.body).unwrap();
            for position in 0..row.body.len().min(1200) {
                for bit in 0..8 {
                    let mut changed = row.body.clone();
                    changed[position] ^= 1 << bit;
                    if let Ok(decoded) = decode_entry(&changed) {
                        assert_eq!(encode_entry(&decoded).unwrap(), changed);
                    }
                }
                assert!(decode_entry(&row.body[..position]).is_err());
            }
        }
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
