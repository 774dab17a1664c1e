//! `rotate-key`, `revoke-key`, `attest-key`: the life of a stream's key, as entries of the stream.

use secure_log::record::Attestation;
use secure_log::types::MAX_ATTESTATION;
use secure_log_bindings::types::{AppendResult, LogError};
use serde_json::json;

use crate::args::{Attest, Common, RevokeKey, RotateKey, file};
use crate::console::Console;
use crate::failure::Failure;
use crate::seal::unsigned;
use crate::service::Service;

/// Hands the stream over from `--key` to another key; both sign.
pub fn rotate(
    common: &Common,
    what: &RotateKey,
    log: &mut impl Service,
    console: &mut Console<'_>,
) -> Result<(), Failure> {
    let (stream, old, new) = (common.stream()?, common.key()?, what.to.as_str());
    let attestation = attestation(&what.attestation, new, log)?;
    let named =
        |error: LogError| Failure::from(error).after(&format!("rotation of {stream} from key {old} to {new}: "));
    let AppendResult { seqno, .. } = log.rotate_key(stream, old, new, attestation).map_err(named)?;
    // The entry is durable: what fails from here on does not undo it.
    let done = |failure: Failure| failure.changed().after(&format!("entry {seqno} of {stream} is the rotation, but "));
    let vkey = log.verifier_key(new, stream).map_err(Failure::from).map_err(done)?;
    let sealed = match what.no_seal {
        true => None,
        false => Some(settle(stream, new, log).map_err(done)?),
    };
    let text = || {
        let sealed = match sealed {
            Some((segment, size)) => format!("{new} sealed and signed it: segment {segment}, {size} entries"),
            None => format!(
                "it is not sealed: until {new} has signed it, whoever holds the store can take it away, and {old} signs on"
            ),
        };
        format!(
            "entry {seqno} of {stream}: key {new} signs from here on, {vkey}\n{sealed}\npolicies stay: they pin the first key"
        )
    };
    let value = || {
        json!({
            "stream": stream, "seqno": seqno, "old-key": old, "key": new, "vkey": vkey,
            "segment": sealed.map(|(segment, _)| segment), "size": sealed.map(|(_, size)| size),
        })
    };
    console.say(text, value)
}

/// Seals, and signs with the new key: number of the segment and entries under it. Before that nobody but the store
/// knows that there was a rotation: a store that takes it away shows a log in which the old key signs on.
fn settle(stream: &str, key: &str, log: &mut impl Service) -> Result<(u64, u64), Failure> {
    // A timer may have sealed between rotation and here, and more may have been appended since. All before the
    // rotation is signed, so the first segment that is not holds it; if there is none, the new key signs elsewhere too.
    match log.close_segment(stream) {
        Ok(_) | Err(LogError::EmptySegment) => {}
        Err(error) => return Err(error.into()),
    }
    let number = unsigned(stream, log)?;
    let infos = log.list_segments(stream, number.saturating_sub(1), 2)?;
    let info = infos.iter().find(|info| !info.signed).or(infos.last());
    let info = info.ok_or_else(|| Failure::finding("the log gives no segment that holds it"))?;
    log.sign_segment(key, info.id.clone())?;
    Ok((info.id.number, info.last_seqno.saturating_add(1)))
}

/// Takes back a key before the current one, which is `--key` and signs.
pub fn revoke(
    common: &Common,
    what: &RevokeKey,
    log: &mut impl Service,
    console: &mut Console<'_>,
) -> Result<(), Failure> {
    let (stream, key) = (common.stream()?, common.key()?);
    let RevokeKey { vkey, from, reason } = what;
    let named = |error: LogError| Failure::from(error).after(&format!("revocation of {vkey} in {stream}, key {key}: "));
    let AppendResult { seqno, .. } = log.revoke_key(stream, key, vkey, *from, reason).map_err(named)?;
    let text = || {
        format!(
            "entry {seqno} of {stream}: checkpoints of more than {from} entries by {vkey} count only if they are witnessed"
        )
    };
    let value = || json!({ "stream": stream, "seqno": seqno, "key": key, "revoked": vkey, "from-seqno": from, "reason": reason });
    console.say(text, value)
}

/// Logs the attestation of the first key, which is `--key` and signs.
pub fn attest(
    common: &Common,
    what: &Attest,
    log: &mut impl Service,
    console: &mut Console<'_>,
) -> Result<(), Failure> {
    let (stream, key) = (common.stream()?, common.key()?);
    let Some(attestation) = attestation(what, key, log)? else {
        return Err(Failure::usage(
            "which attestation? --attest reads it from the keystore, --attestation FILE from a file",
        ));
    };
    let length = attestation.len();
    let named = |error: LogError| Failure::from(error).after(&format!("attestation of key {key} in {stream}: "));
    let AppendResult { seqno, .. } = log.attest_key(key, stream, attestation).map_err(named)?;
    let text = || format!("entry {seqno} of {stream}: {length} bytes of attestation for key {key}");
    console.say(text, || json!({ "stream": stream, "seqno": seqno, "key": key, "length": length }))
}

/// What is to be kept about the key of this label, as it will stand in the entry.
fn attestation(what: &Attest, label: &str, log: &mut impl Service) -> Result<Option<Vec<u8>>, Failure> {
    match (&what.attestation, what.attest) {
        (Some(path), _) => file(path, MAX_ATTESTATION).map(Some),
        (None, true) => Ok(Some(from_keystore(label, log)?.canonical().as_bytes().to_vec())),
        (None, false) => Ok(None),
    }
}

/// What the keystore shows about the key of this label.
pub fn from_keystore(label: &str, log: &mut impl Service) -> Result<Attestation, Failure> {
    let named = |failure: Failure| failure.after(&format!("attestation of key {label}: "));
    match log.attest(label).map_err(Failure::from).map_err(named)? {
        Some(attestation) => Ok(attestation),
        None => Err(Failure::usage(format!("--attest: this keystore has no evidence about key {label}; a token has"))),
    }
}
