//! System details, both ways, and what they must agree on with their entry.

use super::cbor::{Reader, Writer};
use super::{DecodeError, MAX_RANGES, array, digest, int, unknown_type};
use crate::error::Invalid;
use crate::types::{
    Detail, Entry, MAX_ATTESTATION, MAX_INT, MAX_TEXT, RESERVED_PREFIX, SYSTEM_PRODUCER, Seal, Severity, Tier,
};

pub(super) fn write_detail(w: &mut Writer, detail: &Detail) {
    match detail {
        Detail::StreamCreated { origin, tier, description } => {
            let w = w.array(3).text(origin).text(tier.as_str());
            w.option(description.as_ref(), |w, text| {
                w.text(text);
            })
        }
        Detail::SegmentSealed(seal) => {
            w.array(6).uint(seal.segment).uint(seal.first_seqno).uint(seal.last_seqno);
            for hash in [seal.prev_checkpoint_hash, seal.policy_hash, seal.graph_digest] {
                w.option(hash, |w, hash| {
                    w.bytes(&hash.0);
                });
            }
            w
        }
        Detail::StreamClosed { reason } => w.array(1).text(reason),
        Detail::Erased { ranges, reason } => {
            w.array(2).array(ranges.len());
            for (first, last) in ranges {
                w.array(2).uint(*first).uint(*last);
            }
            w.text(reason)
        }
        Detail::KeyAttested { vkey, attestation, signature } => {
            w.array(3).text(vkey).bytes(attestation).bytes(signature)
        }
        Detail::KeyRotated { old_vkey, new_vkey, attestation, sig_old, sig_new } => {
            let w = w.array(5).text(old_vkey).text(new_vkey);
            w.option(attestation.as_ref(), |w, bytes| {
                w.bytes(bytes);
            })
            .bytes(sig_old)
            .bytes(sig_new)
        }
        Detail::KeyRevoked { vkey, from_seqno, reason, signature } => {
            w.array(4).text(vkey).uint(*from_seqno).text(reason).bytes(signature)
        }
        Detail::KeyEpoch { epoch, key_commitment } => w.array(2).uint(*epoch).bytes(&key_commitment.0),
        Detail::KeyDestroyed { epoch } => w.array(1).uint(*epoch),
    };
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

pub(super) fn read_detail(r: &mut Reader, event_type: &str) -> Result<Detail, DecodeError> {
    let text = |r: &mut Reader| Ok::<_, DecodeError>(r.text()?.to_owned());
    let bytes = |r: &mut Reader| Ok::<_, DecodeError>(r.bytes()?.to_vec());
    Ok(match event_type {
        "secure-log.stream-created" => {
            array(r, 3)?;
            Detail::StreamCreated { origin: text(r)?, tier: Tier::try_from(r.text()?)?, description: r.option(text)? }
        }
        "secure-log.segment-sealed" => {
            array(r, 6)?;
            Detail::SegmentSealed(Seal {
                segment: int(r)?,
                first_seqno: int(r)?,
                last_seqno: int(r)?,
                prev_checkpoint_hash: r.option(digest)?,
                policy_hash: r.option(digest)?,
                graph_digest: r.option(digest)?,
            })
        }
        "secure-log.stream-closed" => {
            array(r, 1)?;
            Detail::StreamClosed { reason: text(r)? }
        }
        "secure-log.erased" => {
            array(r, 2)?;
            let count = r.array()?;
            if count > MAX_RANGES as u64 {
                return Err(DecodeError::Malformed("too many erased ranges".into()));
            }
            let mut ranges = Vec::new();
            for _ in 0..count {
                array(r, 2)?;
                ranges.push((int(r)?, int(r)?));
            }
            Detail::Erased { ranges, reason: text(r)? }
        }
        "secure-log.key-attested" => {
            array(r, 3)?;
            Detail::KeyAttested { vkey: text(r)?, attestation: bytes(r)?, signature: bytes(r)? }
        }
        "secure-log.key-rotated" => {
            array(r, 5)?;
            Detail::KeyRotated {
                old_vkey: text(r)?,
                new_vkey: text(r)?,
                attestation: r.option(bytes)?,
                sig_old: bytes(r)?,
                sig_new: bytes(r)?,
            }
        }
        "secure-log.key-revoked" => {
            array(r, 4)?;
            Detail::KeyRevoked { vkey: text(r)?, from_seqno: int(r)?, reason: text(r)?, signature: bytes(r)? }
        }
        "secure-log.key-epoch" => {
            array(r, 2)?;
            Detail::KeyEpoch { epoch: int(r)?, key_commitment: digest(r)? }
        }
        "secure-log.key-destroyed" => {
            array(r, 1)?;
            Detail::KeyDestroyed { epoch: int(r)? }
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
