//! Values that cannot be invalid: bytes become a `Digest`, a `StreamId`, a `Name` once, at the edge,
//! and nothing inside checks a length again.
//!
//! Not here: canonical bytes (`encode`), hashing (`merkle`, `payload`), rows of a store (`store`).

use std::fmt;

use smol_str::SmolStr;

use crate::error::Invalid;

/// The largest integer of the format: 2^63-1, so that every implementation can hold it signed.
pub const MAX_INT: u64 = i64::MAX as u64;
/// Names (event type, producer, payload encoding): 1 to this many bytes of UTF-8.
pub const MAX_NAME: usize = 256;
/// Free text in entries: descriptions and reasons.
pub const MAX_TEXT: usize = 1024;
/// A canonical entry: the cap of a tlog-tiles bundle element (its length is a u16).
pub const MAX_ENTRY: usize = 65_535;
/// A canonical author array.
pub const MAX_AUTHOR: usize = 2048;
/// A key attestation inside a system entry.
pub const MAX_ATTESTATION: usize = 32 * 1024;
/// A payload; larger content is logged by its digest.
pub const MAX_PAYLOAD: usize = 1024 * 1024;
/// Idempotency keys: 1 to this many bytes.
pub const MAX_IDEMPOTENCY_KEY: usize = 64;
/// A repeated idempotency key is recognised among this many entries back.
pub const IDEMPOTENCY_WINDOW: u64 = 1024;
/// Prefix of the event types that only the log itself writes.
pub const RESERVED_PREFIX: &str = "secure-log.";
/// The encoding recorded when the producer named none.
pub const DEFAULT_ENCODING: &str = "application/octet-stream";
/// Producer of every system entry.
pub const SYSTEM_PRODUCER: &str = "secure-log";

/// A SHA-256 hash, 32 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// What stands where no hash exists yet: the `prev-entry-hash` of entry 0.
    pub const ZERO: Digest = Digest([0; 32]);

    /// The hash in lower-case hexadecimal.
    pub fn to_hex(&self) -> String {
        hex(&self.0)
    }
}

impl TryFrom<&[u8]> for Digest {
    type Error = Invalid;
    fn try_from(bytes: &[u8]) -> Result<Self, Invalid> {
        let array = bytes.try_into().map_err(|_| Invalid(format!("a hash has 32 bytes, not {}", bytes.len())))?;
        Ok(Digest(array))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_hex())
    }
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        text.push(DIGITS[usize::from(byte >> 4)] as char);
        text.push(DIGITS[usize::from(byte & 15)] as char);
    }
    text
}

/// The bytes of lower-case hexadecimal; `None` for any other text, the empty one included.
pub fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: &u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let whole = !text.is_empty() && text.len().is_multiple_of(2);
    let pair = |pair: &[u8]| Some(digit(pair.first()?)? << 4 | digit(pair.get(1)?)?);
    text.as_bytes().chunks(2).map(pair).collect::<Option<_>>().filter(|_| whole)
}

/// Id of a stream: 1 to 128 bytes of `A-Z a-z 0-9 . _ ~ - /`, no empty segment, no segment `.` or `..`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StreamId(SmolStr);

impl StreamId {
    /// Longest stream id in bytes.
    pub const MAX_LEN: usize = 128;

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The id `text`; a copy of `like` when it is the same, as it is from row to row: nothing is parsed then.
    ///
    /// # Errors
    /// As parsing.
    pub fn parse_like(text: &str, like: Option<&StreamId>) -> Result<StreamId, Invalid> {
        match like {
            Some(like) if like.as_str() == text => Ok(like.clone()),
            _ => StreamId::try_from(text),
        }
    }
}

impl TryFrom<&str> for StreamId {
    type Error = Invalid;
    fn try_from(text: &str) -> Result<Self, Invalid> {
        let bad = |why: &str| Err(Invalid(format!("stream id {}: {why}", quote(text))));
        if text.is_empty() || text.len() > Self::MAX_LEN {
            return bad("must be 1 to 128 bytes");
        }
        if !text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._~-/".contains(&b)) {
            return bad("only A-Z a-z 0-9 . _ ~ - / are allowed");
        }
        if text.split('/').any(|part| matches!(part, "" | "." | "..")) {
            return bad("no segment may be empty, . or ..");
        }
        Ok(StreamId(text.into()))
    }
}

impl fmt::Debug for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Name of a log: a lower-case DNS name with a dot, at most 126 bytes, no `/`; the first part of every origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogName(String);

impl LogName {
    /// Origin <= 255 bytes, as note key names in the field are capped: 126 + `/` + 128.
    pub const MAX_LEN: usize = 126;

    /// The name of a log that nobody named: `local-<32 random hex>.invalid`.
    pub fn local(random: [u8; 16]) -> LogName {
        LogName(format!("local-{}.invalid", hex(&random)))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The origin of one stream of this log: `<log name>/<stream id>`.
    pub fn origin(&self, stream: &StreamId) -> String {
        format!("{}/{}", self.0, stream)
    }

    /// The log whose origin for `stream` this is: the other way of [`LogName::origin`].
    ///
    /// # Errors
    /// `Invalid` when it does not end with this stream, or what stands before is no log name.
    pub fn of_origin(origin: &str, stream: &StreamId) -> Result<LogName, Invalid> {
        let name = origin.strip_suffix(stream.as_str()).and_then(|name| name.strip_suffix('/'));
        name.ok_or_else(|| Invalid(format!("origin {} is not of stream {stream}", quote(origin))))?.try_into()
    }
}

impl TryFrom<&str> for LogName {
    type Error = Invalid;
    fn try_from(text: &str) -> Result<Self, Invalid> {
        let bad = |why: &str| Err(Invalid(format!("log name {}: {why}", quote(text))));
        if text.len() > Self::MAX_LEN {
            return bad("more than 126 bytes");
        }
        let label = |part: &str| {
            !part.is_empty()
                && part.len() <= 63
                && !part.starts_with('-')
                && !part.ends_with('-')
                && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        };
        if !text.contains('.') || !text.split('.').all(label) {
            return bad("must be a lower-case DNS name with a dot");
        }
        Ok(LogName(text.to_owned()))
    }
}

/// An event type, a producer or a payload encoding: 1 to 256 bytes of UTF-8.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Name(SmolStr);

impl Name {
    /// Parses; `what` names the field in the error.
    pub fn parse(what: &str, text: impl AsRef<str>) -> Result<Name, Invalid> {
        let text = text.as_ref();
        if text.is_empty() || text.len() > MAX_NAME {
            return Err(Invalid(format!("{what} must be 1 to {MAX_NAME} bytes, not {}", text.len())));
        }
        // Longer than what fits inline, and in nearly every entry.
        Ok(if text == DEFAULT_ENCODING { Name::default_encoding() } else { Name(text.into()) })
    }

    /// [`DEFAULT_ENCODING`].
    pub fn default_encoding() -> Name {
        Name(SmolStr::new_static(DEFAULT_ENCODING))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// RFC 5424 severity, in its order: 0 is the most urgent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Severity {
    /// System is unusable.
    Emergency,
    /// Action must be taken immediately.
    Alert,
    /// Critical conditions. This and worse is always written synced.
    Critical,
    /// Error conditions.
    Error,
    /// Warning conditions.
    Warning,
    /// Normal but significant; the severity of every system entry.
    Notice,
    /// Informational.
    Informational,
    /// Debug-level.
    Debug,
}

impl Severity {
    /// All, in order.
    pub const ALL: [Severity; 8] = [
        Severity::Emergency,
        Severity::Alert,
        Severity::Critical,
        Severity::Error,
        Severity::Warning,
        Severity::Notice,
        Severity::Informational,
        Severity::Debug,
    ];

    /// The RFC 5424 keyword in full, lower case.
    pub fn as_str(self) -> &'static str {
        match self {
            Severity::Emergency => "emergency",
            Severity::Alert => "alert",
            Severity::Critical => "critical",
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Notice => "notice",
            Severity::Informational => "informational",
            Severity::Debug => "debug",
        }
    }
}

impl TryFrom<u64> for Severity {
    type Error = Invalid;
    fn try_from(number: u64) -> Result<Self, Invalid> {
        let found = usize::try_from(number).ok().and_then(|n| Severity::ALL.get(n));
        found.copied().ok_or_else(|| Invalid(format!("severity must be 0 to 7, not {number}")))
    }
}

/// How payloads of a stream are stored; fixed by entry 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Tier {
    /// In clear.
    Public,
    /// Encrypted; `unsupported` until the envelope exists.
    Protected,
    /// Encrypted, with event type and producer replaced by tags; `unsupported` until then.
    HighlyRestricted,
}

impl Tier {
    /// The name in entries and interfaces.
    pub fn as_str(self) -> &'static str {
        match self {
            Tier::Public => "public",
            Tier::Protected => "protected",
            Tier::HighlyRestricted => "highly-restricted",
        }
    }
}

impl TryFrom<&str> for Tier {
    type Error = Invalid;
    fn try_from(text: &str) -> Result<Self, Invalid> {
        [Tier::Public, Tier::Protected, Tier::HighlyRestricted]
            .into_iter()
            .find(|tier| tier.as_str() == text)
            .ok_or_else(|| Invalid(format!("unknown tier {}", quote(text))))
    }
}

/// A producer's own signature over its event (format.md section 2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Author {
    /// `ed25519`, `ecdsa-p256` or `rsa-pss-sha256`.
    pub algorithm: String,
    /// 32 raw bytes for ed25519, SPKI DER otherwise.
    pub public_key: Vec<u8>,
    /// Strictly increases per key and stream.
    pub author_seq: u64,
    /// In the note encoding of the algorithm.
    pub signature: Vec<u8>,
}

/// What a producer hands to the log; the parsed form of the WIT record `event`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewEvent {
    /// Not reserved: checked by `Log::append_batch`.
    pub event_type: Name,
    /// As the producer ranks it.
    pub severity: Severity,
    /// Who says so.
    pub producer: Name,
    /// At most [`MAX_PAYLOAD`] bytes.
    pub payload: Option<Vec<u8>>,
    /// Default: `application/octet-stream`.
    pub encoding: Option<Name>,
    /// Given by producers that sign; else random.
    pub salt: Option<[u8; 16]>,
    /// 1 to [`MAX_IDEMPOTENCY_KEY`] bytes.
    pub idempotency_key: Option<Vec<u8>>,
    /// Checked on append.
    pub author: Option<Author>,
}

/// The commitment that stands in the entry for the payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PayloadRef {
    /// Media type or encoding.
    pub encoding: Name,
    /// Payload bytes, salt not counted.
    pub length: u64,
    /// `SHA-256(0x02 || salt || payload)`.
    pub commitment: Digest,
}

/// The event part of an entry: what a producer's signature covers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// What happened.
    pub event_type: Name,
    /// RFC 5424.
    pub severity: Severity,
    /// Who says so.
    pub producer: Name,
    /// Absent: no payload was logged.
    pub payload: Option<PayloadRef>,
    /// Present exactly in system entries.
    pub detail: Option<Detail>,
    /// 1 to [`MAX_IDEMPOTENCY_KEY`] bytes.
    pub idempotency_key: Option<Vec<u8>>,
}

/// One entry, as its canonical bytes say (format.md section 2). The format version is 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its stream.
    pub stream_id: StreamId,
    /// Position in the stream, from 0.
    pub seqno: u64,
    /// Entry hash of `seqno - 1`; [`Digest::ZERO`] for entry 0.
    pub prev_entry_hash: Digest,
    /// Microseconds since 1970 UTC; never decreases in a stream.
    pub timestamp: u64,
    /// The raw clock reading when `timestamp` was clamped.
    pub clock: Option<u64>,
    /// Random, of the core instance that wrote the entry.
    pub session_id: [u8; 16],
    /// From the host; zero if it gave none.
    pub boot_id: [u8; 16],
    /// What was logged.
    pub event: Event,
    /// Who signed it, if the producer did.
    pub author: Option<Author>,
}

/// What a system entry says (format.md section 2, system details).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Detail {
    /// Entry 0 of every stream.
    StreamCreated {
        /// `<log name>/<stream id>`.
        origin: String,
        /// Fixed for ever.
        tier: Tier,
        /// At most [`MAX_TEXT`] bytes.
        description: Option<String>,
    },
    /// A segment ends with this entry.
    SegmentSealed(Seal),
    /// Nothing but erasures, key events and seals follows.
    StreamClosed {
        /// At most [`MAX_TEXT`] bytes.
        reason: String,
    },
    /// The payloads of these entries are gone by order.
    Erased {
        /// Seqnos, both ends included; ascending, disjoint, not empty.
        ranges: Vec<(u64, u64)>,
        /// At most [`MAX_TEXT`] bytes.
        reason: String,
    },
    /// The attestation of the genesis key.
    KeyAttested {
        /// vkey text.
        vkey: String,
        /// At most [`MAX_ATTESTATION`] bytes.
        attestation: Vec<u8>,
        /// By the key itself.
        signature: Vec<u8>,
    },
    /// Checkpoints of size > this entry's seqno are signed by the new key.
    KeyRotated {
        /// vkey text.
        old_vkey: String,
        /// vkey text.
        new_vkey: String,
        /// At most [`MAX_ATTESTATION`] bytes.
        attestation: Option<Vec<u8>>,
        /// By the old key.
        sig_old: Vec<u8>,
        /// By the new key: it possesses what it names.
        sig_new: Vec<u8>,
    },
    /// A predecessor key is discounted.
    KeyRevoked {
        /// vkey text.
        vkey: String,
        /// Its checkpoints of a size greater than this no longer count.
        from_seqno: u64,
        /// At most [`MAX_TEXT`] bytes.
        reason: String,
        /// By the current key.
        signature: Vec<u8>,
    },
    /// A new data key (encrypted tiers).
    KeyEpoch {
        /// From 0.
        epoch: u64,
        /// `SHA-256(0x03 || wrapped key)`.
        key_commitment: Digest,
    },
    /// The data key of an epoch was destroyed.
    KeyDestroyed {
        /// Which.
        epoch: u64,
    },
}

/// The statement of a `segment-sealed` entry (format.md section 5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seal {
    /// Number of the segment, from 0.
    pub segment: u64,
    /// First seqno of the segment.
    pub first_seqno: u64,
    /// Seqno of the seal itself.
    pub last_seqno: u64,
    /// Checkpoint hash of segment - 1; absent only for segment 0.
    pub prev_checkpoint_hash: Option<Digest>,
    /// Hash of the policy in force, if the log records one.
    pub policy_hash: Option<Digest>,
    /// Digest of the component graph that sealed, if the host gave one.
    pub graph_digest: Option<Digest>,
}

impl Detail {
    /// The reserved event type of this detail.
    pub fn event_type(&self) -> &'static str {
        match self {
            Detail::StreamCreated { .. } => "secure-log.stream-created",
            Detail::SegmentSealed(_) => "secure-log.segment-sealed",
            Detail::StreamClosed { .. } => "secure-log.stream-closed",
            Detail::Erased { .. } => "secure-log.erased",
            Detail::KeyAttested { .. } => "secure-log.key-attested",
            Detail::KeyRotated { .. } => "secure-log.key-rotated",
            Detail::KeyRevoked { .. } => "secure-log.key-revoked",
            Detail::KeyEpoch { .. } => "secure-log.key-epoch",
            Detail::KeyDestroyed { .. } => "secure-log.key-destroyed",
        }
    }

    /// The event of a system entry: no payload, no author, producer [`SYSTEM_PRODUCER`], severity notice.
    pub fn into_event(self) -> Event {
        Event {
            event_type: Name(SmolStr::new_static(self.event_type())),
            severity: Severity::Notice,
            producer: Name(SmolStr::new_static(SYSTEM_PRODUCER)),
            payload: None,
            detail: Some(self),
            idempotency_key: None,
        }
    }
}

/// Quotes text from outside for an error, at most 64 characters. Letters of every script stay as they are; what is not
/// seen, or changes how the rest is seen (control characters, directions, blanks but the space), is escaped.
pub fn quote(text: &str) -> String {
    let mut rest = text.chars();
    let shown: String = rest.by_ref().take(64).collect();
    let more = if rest.next().is_some() { "…" } else { "" };
    format!("\"{}{more}\"", shown.escape_debug())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn people_can_read_what_is_quoted_and_nothing_in_it_is_hidden() {
        for (text, quoted) in [
            ("Müller", r#""Müller""#),
            ("u\u{308}ber 日本語", "\"u\u{308}ber 日本語\""),
            ("a\"b\\c", r#""a\"b\\c""#),
            ("\u{1b}[2J\r\n\0", r#""\u{1b}[2J\r\n\0""#),
            ("a\u{202e}b\u{200b}c\u{a0}\u{feff}\u{2028}", r#""a\u{202e}b\u{200b}c\u{a0}\u{feff}\u{2028}""#),
        ] {
            assert_eq!(quote(text), quoted);
        }
        assert_eq!(quote(&"ä".repeat(64)), format!("\"{}\"", "ä".repeat(64)));
        assert_eq!(quote(&"ä".repeat(65)), format!("\"{}…\"", "ä".repeat(64)));
    }

    #[test]
    fn stream_ids_that_could_be_paths_or_lies_are_refused() {
        for evil in [
            "",
            "/",
            "a/",
            "/a",
            "a//b",
            ".",
            "..",
            "a/../b",
            "./a",
            "a/.",
            "a b",
            "a\0",
            "a\n",
            "ä",
            "a%2eb",
            "a\\b",
            "a\u{202e}b",
            "a:b",
            "~/..",
            "a?b",
            "a#b",
        ] {
            assert!(StreamId::try_from(evil).is_err(), "{evil:?}");
        }
        assert!(StreamId::try_from("x".repeat(129).as_str()).is_err());
        for good in ["a", "...", "A-z_0.9~/b", &"x".repeat(128)] {
            assert_eq!(StreamId::try_from(good).map(|id| id.to_string()), Ok(good.to_owned()));
        }
    }

    #[test]
    fn log_names_are_lower_case_dns_names_with_a_dot() {
        for evil in
            ["", "a", "A.b", "a..b", ".a", "a.", "-a.b", "a-.b", "a/b.c", "a_b.c", &format!("{}.b", "a".repeat(64))]
        {
            assert!(LogName::try_from(evil).is_err(), "{evil:?}");
        }
        assert!(LogName::try_from("log.example.org").is_ok());
        assert!(LogName::try_from(LogName::local([7; 16]).as_str()).is_ok());
    }

    #[test]
    fn an_origin_names_one_log_and_one_stream() {
        let (log, stream) = (LogName::try_from("log.example.org").unwrap(), StreamId::try_from("a/b").unwrap());
        assert_eq!(LogName::of_origin(&log.origin(&stream), &stream), Ok(log));
        for evil in ["", "/a/b", "a/b", "log.example.org/b", "log.example.orga/b", "x/log.example.org/a/b"] {
            assert!(LogName::of_origin(evil, &stream).is_err(), "{evil:?}");
        }
    }
}
