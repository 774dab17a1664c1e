//! System details, both ways, and what they must agree on with their entry.

use minicbor::decode::Decoder;

use super::{DecodeError, Done, MAX_RANGES, Out, array, digest, int, option, unknown_type, write_digest, write_option};
use crate::error::Invalid;
use crate::types::{
    Detail, Entry, MAX_ATTESTATION, MAX_INT, MAX_TEXT, RESERVED_PREFIX, SYSTEM_PRODUCER, Seal, Severity, Tier,
};

pub(super) fn write_detail(e: &mut Out, detail: &Detail) -> Done {
    match detail {
        Detail::StreamCreated { origin, tier, description } => {
            e.array(3)?.str(origin)?.str(tier.as_str())?;
            write_option(e, description.as_ref(), |e, text| e.str(text).map(drop))
        }
        Detail::SegmentSealed(seal) => {
            e.array(6)?.u64(seal.segment)?.u64(seal.first_seqno)?.u64(seal.last_seqno)?;
            write_digest(e, seal.prev_checkpoint_hash.as_ref())?;
            write_digest(e, seal.policy_hash.as_ref())?;
            write_digest(e, seal.graph_digest.as_ref())
        }
        Detail::StreamClosed { reason } => e.array(1)?.str(reason).map(drop),
        Detail::Erased { ranges, reason } => {
            e.array(2)?.array(ranges.len() as u64)?;
            for (first, last) in ranges {
                e.array(2)?.u64(*first)?.u64(*last)?;
            }
            e.str(reason).map(drop)
        }
        Detail::KeyAttested { vkey, attestation, signature } => {
            e.array(3)?.str(vkey)?.bytes(attestation)?.bytes(signature).map(drop)
        }
        Detail::KeyRotated { old_vkey, new_vkey, attestation, sig_old, sig_new } => {
            e.array(5)?.str(old_vkey)?.str(new_vkey)?;
            write_option(e, attestation.as_ref(), |e, bytes| e.bytes(bytes).map(drop))?;
            e.bytes(sig_old)?.bytes(sig_new).map(drop)
        }
        Detail::KeyRevoked { vkey, from_seqno, reason, signature } => {
            e.array(4)?.str(vkey)?.u64(*from_seqno)?.str(reason)?.bytes(signature).map(drop)
        }
        Detail::KeyEpoch { epoch, key_commitment } => e.array(2)?.u64(*epoch)?.bytes(&key_commitment.0).map(drop),
        Detail::KeyDestroyed { epoch } => e.array(1)?.u64(*epoch).map(drop),
    }
}

pub(super) fn check_system(entry: &Entry, detail: &Detail) -> Result<(), Invalid> {
    let event = &entry.event;
    if event.event_type.as_str() != detail.event_type()
        || event.producer.as_str() != SYSTEM_PRODUCER
        || event.severity != Severity::Notice
        || event.payload.is_some()
        || event.idempotency_key.is_some()
        || entry.author.is_some()
    {
        return Err(Invalid(
            "a system entry has its own type, producer and severity, and nothing of a producer's".into(),
        ));
    }
    let text = |what: &str, text: &str| match text.len() > MAX_TEXT {
        true => Err(Invalid(format!("{what} has {} bytes, at most {MAX_TEXT}", text.len()))),
        false => Ok(()),
    };
    let attested = |bytes: &[u8]| match bytes.len() > MAX_ATTESTATION {
        true => Err(Invalid(format!("attestation has {} bytes, at most {MAX_ATTESTATION}", bytes.len()))),
        false => Ok(()),
    };
    match detail {
        Detail::StreamCreated { description, .. } => text("description", description.as_deref().unwrap_or(""))?,
        Detail::SegmentSealed(seal) => {
            if seal.last_seqno != entry.seqno || seal.first_seqno > seal.last_seqno || seal.segment > seal.last_seqno {
                return Err(Invalid("the seal does not name its own seqno as the last of its segment".into()));
            }
            if (seal.segment == 0) != seal.prev_checkpoint_hash.is_none()
                || (seal.segment == 0) != (seal.first_seqno == 0)
            {
                return Err(Invalid("exactly segment 0 has no checkpoint before it".into()));
            }
        }
        Detail::StreamClosed { reason } => text("reason", reason)?,
        Detail::Erased { ranges, reason } => {
            text("reason", reason)?;
            let mut next = Some(0);
            for &(first, last) in ranges {
                match next {
                    Some(bound) if first >= bound && first <= last && last < entry.seqno => next = last.checked_add(1),
                    _ => {
                        return Err(Invalid("erased ranges must be ascending, disjoint and of earlier entries".into()));
                    }
                }
            }
            if ranges.is_empty() || ranges.len() > MAX_RANGES {
                return Err(Invalid(format!("1 to {MAX_RANGES} erased ranges, not {}", ranges.len())));
            }
        }
        Detail::KeyAttested { attestation, .. } => attested(attestation)?,
        Detail::KeyRotated { attestation, .. } => attested(attestation.as_deref().unwrap_or(&[]))?,
        Detail::KeyRevoked { reason, from_seqno, .. } => {
            text("reason", reason)?;
            if *from_seqno > MAX_INT {
                return Err(Invalid("from-seqno is greater than 2^63-1".into()));
            }
        }
        Detail::KeyEpoch { epoch, .. } | Detail::KeyDestroyed { epoch } => {
            if *epoch > MAX_INT {
                return Err(Invalid("epoch is greater than 2^63-1".into()));
            }
        }
    }
    Ok(())
}

pub(super) fn read_detail(d: &mut Decoder, event_type: &str) -> Result<Detail, DecodeError> {
    let text = |d: &mut Decoder| Ok::<_, DecodeError>(d.str()?.to_owned());
    let bytes = |d: &mut Decoder| Ok::<_, DecodeError>(d.bytes()?.to_vec());
    Ok(match event_type {
        "secure-log.stream-created" => {
            array(d, 3)?;
            Detail::StreamCreated { origin: text(d)?, tier: Tier::try_from(d.str()?)?, description: option(d, text)? }
        }
        "secure-log.segment-sealed" => {
            array(d, 6)?;
            Detail::SegmentSealed(Seal {
                segment: int(d)?,
                first_seqno: int(d)?,
                last_seqno: int(d)?,
                prev_checkpoint_hash: option(d, digest)?,
                policy_hash: option(d, digest)?,
                graph_digest: option(d, digest)?,
            })
        }
        "secure-log.stream-closed" => {
            array(d, 1)?;
            Detail::StreamClosed { reason: text(d)? }
        }
        "secure-log.erased" => {
            array(d, 2)?;
            let count = d.array()?.filter(|count| *count <= MAX_RANGES as u64);
            let count = count.ok_or_else(|| DecodeError::Malformed("too many erased ranges".into()))?;
            let mut ranges = Vec::new();
            for _ in 0..count {
                array(d, 2)?;
                ranges.push((int(d)?, int(d)?));
            }
            Detail::Erased { ranges, reason: text(d)? }
        }
        "secure-log.key-attested" => {
            array(d, 3)?;
            Detail::KeyAttested { vkey: text(d)?, attestation: bytes(d)?, signature: bytes(d)? }
        }
        "secure-log.key-rotated" => {
            array(d, 5)?;
            Detail::KeyRotated {
                old_vkey: text(d)?,
                new_vkey: text(d)?,
                attestation: option(d, bytes)?,
                sig_old: bytes(d)?,
                sig_new: bytes(d)?,
            }
        }
        "secure-log.key-revoked" => {
            array(d, 4)?;
            Detail::KeyRevoked { vkey: text(d)?, from_seqno: int(d)?, reason: text(d)?, signature: bytes(d)? }
        }
        "secure-log.key-epoch" => {
            array(d, 2)?;
            Detail::KeyEpoch { epoch: int(d)?, key_commitment: digest(d)? }
        }
        "secure-log.key-destroyed" => {
            array(d, 1)?;
            Detail::KeyDestroyed { epoch: int(d)? }
        }
        other if other.starts_with(RESERVED_PREFIX) => {
            return Err(unknown_type(other));
        }
        _ => return Err(DecodeError::Malformed("only system entries have a detail".into())),
    })
}

pub(super) fn is_system_type(event_type: &str) -> bool {
    matches!(
        event_type,
        "secure-log.stream-created"
            | "secure-log.segment-sealed"
            | "secure-log.stream-closed"
            | "secure-log.erased"
            | "secure-log.key-attested"
            | "secure-log.key-rotated"
            | "secure-log.key-revoked"
            | "secure-log.key-epoch"
            | "secure-log.key-destroyed"
    )
}
