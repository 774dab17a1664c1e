//! Events, entries, proofs, trust, reports: what crosses `encoder`, `log` and `checkpoint`.

use secure_log::encode::{VERSION, decode_detail, encode_detail};
use secure_log::error::{Finding, FindingKind, Invalid, LogError};
use secure_log::log as domain;
use secure_log::policy::Policy;
use secure_log::signer::PublicKey;
use secure_log::types::{
    Author, Digest, Entry, Event, MAX_IDEMPOTENCY_KEY, MAX_INT, MAX_PAYLOAD, Name, NewEvent, PayloadRef, Severity,
    StreamId, Tier,
};
use secure_log::verify;

use super::{digest, same_cases, sixteen};
use crate::export::log::checkpoint::SignedSegment;
use crate::types;

same_cases! {
    Severity = Severity { Emergency Alert Critical Error Warning Notice Informational Debug }
    Tier = Tier { Public Protected HighlyRestricted }
    FindingKind = FindingKind {
        EntryAltered EntryMissing EntryInserted ChainBroken RootMismatch CheckpointMissing CheckpointForged
        Truncated Forked WrongKey PayloadAltered PayloadMissing Torn NodeWrong TimeDecreased RolledBack
        AuthorWrong OriginWrong
    }
}

impl From<Finding> for types::Finding {
    fn from(finding: Finding) -> Self {
        types::Finding {
            stream_id: finding.stream_id.to_string(),
            first_seqno: finding.first_seqno,
            last_seqno: finding.last_seqno,
            kind: finding.kind.into(),
            detail: finding.detail,
        }
    }
}

impl From<LogError> for types::LogError {
    fn from(error: LogError) -> Self {
        match error {
            LogError::NotOpen => types::LogError::NotOpen,
            LogError::AlreadyOpen => types::LogError::AlreadyOpen,
            LogError::Invalid(why) => types::LogError::Invalid(why),
            LogError::EntryNotFound => types::LogError::EntryNotFound,
            LogError::StreamNotFound => types::LogError::StreamNotFound,
            LogError::SegmentNotFound => types::LogError::SegmentNotFound,
            LogError::EmptySegment => types::LogError::EmptySegment,
            LogError::StreamClosed => types::LogError::StreamClosed,
            LogError::Conflict => types::LogError::Conflict,
            LogError::Tampered(finding) => types::LogError::Tampered(finding.into()),
            LogError::Rollback(finding) => types::LogError::Rollback(finding.into()),
            LogError::Untrusted(why) => types::LogError::Untrusted(why),
            LogError::Signer(error) => types::LogError::Signer(error.into()),
            LogError::Store(error) => types::LogError::Store(error.into()),
            LogError::Unsupported(what) => types::LogError::Unsupported(what),
        }
    }
}

impl TryFrom<types::Event> for NewEvent {
    type Error = Invalid;

    /// Whether the type is reserved and the author's signature right is the log's to say.
    fn try_from(event: types::Event) -> Result<Self, Invalid> {
        if let Some(payload) = &event.payload
            && payload.len() > MAX_PAYLOAD
        {
            return Err(Invalid(format!("the payload has {} bytes, at most {MAX_PAYLOAD}", payload.len())));
        }
        Ok(NewEvent {
            event_type: Name::parse("event type", event.event_type)?,
            severity: event.severity.into(),
            producer: Name::parse("producer", event.producer)?,
            payload: event.payload,
            encoding: event.payload_encoding.map(|name| Name::parse("payload encoding", name)).transpose()?,
            salt: event.salt.map(|salt| sixteen("a salt", &salt)).transpose()?,
            idempotency_key: event.idempotency_key.map(idempotency_key).transpose()?,
            author: event.author.map(Author::try_from).transpose()?,
        })
    }
}

fn idempotency_key(key: Vec<u8>) -> Result<Vec<u8>, Invalid> {
    match key.len() {
        1..=MAX_IDEMPOTENCY_KEY => Ok(key),
        other => Err(Invalid(format!("an idempotency key has 1 to {MAX_IDEMPOTENCY_KEY} bytes, not {other}"))),
    }
}

impl TryFrom<types::Author> for Author {
    type Error = Invalid;
    fn try_from(author: types::Author) -> Result<Self, Invalid> {
        Ok(Author {
            algorithm: author.algorithm,
            public_key: author.public_key,
            author_seq: int("author-seq", author.author_seq)?,
            signature: author.signature,
        })
    }
}

impl From<Author> for types::Author {
    fn from(author: Author) -> Self {
        types::Author {
            algorithm: author.algorithm,
            public_key: author.public_key,
            author_seq: author.author_seq,
            signature: author.signature,
        }
    }
}

impl From<domain::ReadEntry> for types::Entry {
    fn from(read: domain::ReadEntry) -> Self {
        let domain::ReadEntry { entry, hash, payload, salt } = read;
        let Event { event_type, severity, producer, payload: reference, detail, idempotency_key } = entry.event;
        types::Entry {
            version: VERSION,
            stream_id: entry.stream_id.to_string(),
            seqno: entry.seqno,
            prev_entry_hash: bytes(entry.prev_entry_hash),
            timestamp: entry.timestamp,
            clock: entry.clock,
            session_id: entry.session_id.to_vec(),
            boot_id: entry.boot_id.to_vec(),
            event_type: event_type.as_str().to_owned(),
            severity: severity.into(),
            producer: producer.as_str().to_owned(),
            payload_ref: reference.map(|reference| types::PayloadRef {
                encoding: reference.encoding.as_str().to_owned(),
                length: reference.length,
                commitment: bytes(reference.commitment),
            }),
            detail: detail.as_ref().map(encode_detail),
            idempotency_key,
            author: entry.author.map(types::Author::from),
            payload,
            salt: salt.map(Vec::from),
            entry_hash: bytes(hash),
        }
    }
}

impl TryFrom<types::Entry> for Entry {
    type Error = LogError;

    /// Ignores `payload`, `salt` and `entry-hash`, which are no part of the canonical bytes. What parts must
    /// fit together is checked when they are encoded.
    fn try_from(entry: types::Entry) -> Result<Self, LogError> {
        if entry.version != VERSION {
            return Err(LogError::Unsupported(format!("entry version {}", entry.version)));
        }
        let detail = entry.detail.map(|detail| decode_detail(&entry.event_type, &detail)).transpose()?;
        Ok(Entry {
            stream_id: StreamId::try_from(entry.stream_id.as_str())?,
            seqno: int("seqno", entry.seqno)?,
            prev_entry_hash: digest("prev-entry-hash", &entry.prev_entry_hash)?,
            timestamp: int("timestamp", entry.timestamp)?,
            clock: entry.clock.map(|clock| int("clock", clock)).transpose()?,
            session_id: sixteen("a session id", &entry.session_id)?,
            boot_id: sixteen("a boot id", &entry.boot_id)?,
            event: Event {
                event_type: Name::parse("event type", entry.event_type)?,
                severity: entry.severity.into(),
                producer: Name::parse("producer", entry.producer)?,
                payload: entry.payload_ref.map(PayloadRef::try_from).transpose()?,
                detail,
                idempotency_key: entry.idempotency_key.map(idempotency_key).transpose()?,
            },
            author: entry.author.map(Author::try_from).transpose()?,
        })
    }
}

impl TryFrom<types::PayloadRef> for PayloadRef {
    type Error = Invalid;
    fn try_from(reference: types::PayloadRef) -> Result<Self, Invalid> {
        Ok(PayloadRef {
            encoding: Name::parse("payload encoding", reference.encoding)?,
            length: int("payload length", reference.length)?,
            commitment: digest("commitment", &reference.commitment)?,
        })
    }
}

impl From<domain::AppendResult> for types::AppendResult {
    fn from(result: domain::AppendResult) -> Self {
        types::AppendResult { seqno: result.seqno, entry_hash: bytes(result.entry_hash) }
    }
}

impl From<domain::BatchResult> for types::BatchResult {
    fn from(batch: domain::BatchResult) -> Self {
        types::BatchResult { results: each(batch.results), durable_through: batch.durable_through }
    }
}

impl From<domain::Head> for types::Head {
    fn from(head: domain::Head) -> Self {
        types::Head {
            size: head.size,
            last_entry_hash: bytes(head.last_entry_hash),
            root: bytes(head.root),
            durable_through: head.durable_through,
        }
    }
}

impl From<domain::StreamInfo> for types::StreamInfo {
    fn from(info: domain::StreamInfo) -> Self {
        types::StreamInfo {
            stream_id: info.stream_id.to_string(),
            origin: info.origin,
            tier: info.tier.into(),
            description: info.description,
            size: info.size,
            closed: info.closed,
            segments: info.segments,
        }
    }
}

impl From<domain::SegmentInfo> for types::SegmentInfo {
    fn from(info: domain::SegmentInfo) -> Self {
        types::SegmentInfo {
            id: types::SegmentId { stream_id: info.stream_id.to_string(), number: info.number },
            first_seqno: info.first_seqno,
            last_seqno: info.last_seqno,
            root: bytes(info.root),
            checkpoint_hash: bytes(info.checkpoint_hash),
            prev_checkpoint_hash: info.prev_checkpoint_hash.map(bytes),
            signed: info.signed,
        }
    }
}

impl From<domain::SignedSegment> for SignedSegment {
    fn from(signed: domain::SignedSegment) -> Self {
        SignedSegment {
            checkpoint_hash: bytes(signed.checkpoint_hash),
            algorithm: signed.algorithm.to_owned(),
            signature: signed.signature,
            note: signed.note,
        }
    }
}

impl From<domain::InclusionProof> for types::InclusionProof {
    fn from(proof: domain::InclusionProof) -> Self {
        types::InclusionProof {
            stream_id: proof.stream_id.to_string(),
            seqno: proof.seqno,
            entry_hash: bytes(proof.entry_hash),
            tree_size: proof.tree_size,
            root: bytes(proof.root),
            path: proof.path.into_iter().map(bytes).collect(),
        }
    }
}

impl TryFrom<types::InclusionProof> for domain::InclusionProof {
    type Error = Invalid;
    fn try_from(proof: types::InclusionProof) -> Result<Self, Invalid> {
        Ok(domain::InclusionProof {
            stream_id: StreamId::try_from(proof.stream_id.as_str())?,
            seqno: int("seqno", proof.seqno)?,
            entry_hash: digest("entry-hash", &proof.entry_hash)?,
            tree_size: int("tree-size", proof.tree_size)?,
            root: digest("root", &proof.root)?,
            path: path(&proof.path)?,
        })
    }
}

impl From<domain::ConsistencyProof> for types::ConsistencyProof {
    fn from(proof: domain::ConsistencyProof) -> Self {
        types::ConsistencyProof {
            stream_id: proof.stream_id.to_string(),
            old_size: proof.old_size,
            new_size: proof.new_size,
            old_root: bytes(proof.old_root),
            new_root: bytes(proof.new_root),
            path: proof.path.into_iter().map(bytes).collect(),
        }
    }
}

impl TryFrom<types::ConsistencyProof> for domain::ConsistencyProof {
    type Error = Invalid;
    fn try_from(proof: types::ConsistencyProof) -> Result<Self, Invalid> {
        Ok(domain::ConsistencyProof {
            stream_id: StreamId::try_from(proof.stream_id.as_str())?,
            old_size: int("old-size", proof.old_size)?,
            new_size: int("new-size", proof.new_size)?,
            old_root: digest("old-root", &proof.old_root)?,
            new_root: digest("new-root", &proof.new_root)?,
            path: path(&proof.path)?,
        })
    }
}

/// What a verifier accepts. `key_of` asks the keystore for the public key of an identity.
///
/// # Errors
/// `Invalid` for a policy or vkey that is none, and whatever `key_of` says.
pub fn trust(
    trust: types::Trust,
    key_of: impl FnOnce(&str) -> Result<PublicKey, LogError>,
) -> Result<verify::Trust, LogError> {
    let signers = match trust.signers {
        types::Signers::Policy(text) => verify::Signers::Policy(Policy::parse(&text)?),
        types::Signers::Keystore(identity) => {
            let key = key_of(&identity)?;
            verify::Signers::Keystore { identity, key }
        }
    };
    let authors = trust.authors.iter().map(|vkey| vkey.parse()).collect::<Result<_, Invalid>>()?;
    Ok(verify::Trust { signers, authors, require_author: trust.require_author })
}

impl From<verify::Report> for types::Report {
    fn from(report: verify::Report) -> Self {
        let range = |(first, last): verify::Range| types::SeqnoRange { first, last };
        types::Report {
            stream_id: report.stream_id.to_string(),
            origin: report.origin,
            trust_basis: report.trust_basis,
            entries: report.entries,
            segments: report.segments,
            checkpoints: report.checkpoints,
            cosignatures: report.cosignatures,
            erased: report.erased,
            root: bytes(report.root),
            witnessed: report.witnessed.map(range),
            signed: report.signed.map(range),
            sealed: report.sealed.map(range),
            open_tail: report.open_tail.map(range),
            signers: each(report.signers),
            rotations: report.rotations,
            current_key: report.current_key,
            revoked: each(report.revoked),
            head_checked: report.head_checked,
            notes: report.notes,
            finding: report.finding.map(types::Finding::from),
        }
    }
}

impl From<verify::SignerRange> for types::SignerRange {
    fn from(range: verify::SignerRange) -> Self {
        types::SignerRange {
            vkey: range.vkey,
            first_seqno: range.first_seqno,
            last_seqno: range.last_seqno,
            checkpoints: range.checkpoints,
            rotated_in: range.rotated_in,
        }
    }
}

impl From<verify::RevokedKey> for types::RevokedKey {
    fn from(key: verify::RevokedKey) -> Self {
        types::RevokedKey { vkey: key.vkey, from_seqno: key.from_seqno, seqno: key.seqno, discounted: key.discounted }
    }
}

/// The same list on the other side.
pub fn each<A, B: From<A>>(list: Vec<A>) -> Vec<B> {
    list.into_iter().map(B::from).collect()
}

/// The bytes of a hash.
pub fn bytes(digest: Digest) -> Vec<u8> {
    digest.0.to_vec()
}

/// Hashes of a proof. A tree of 2^63 leaves needs 64 at most; more are never read.
fn path(hashes: &[Vec<u8>]) -> Result<Vec<Digest>, Invalid> {
    if hashes.len() > MAX_PATH {
        return Err(Invalid(format!("the path has {} hashes, at most {MAX_PATH}", hashes.len())));
    }
    hashes.iter().map(|hash| digest("a hash of the path", hash)).collect()
}

/// RFC 9162: an inclusion path has one hash for each level, a consistency path one more.
const MAX_PATH: usize = 64;

fn int(what: &str, value: u64) -> Result<u64, Invalid> {
    if value <= MAX_INT { Ok(value) } else { Err(Invalid(format!("{what} {value} is greater than 2^63-1"))) }
}
