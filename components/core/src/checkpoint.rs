//! `checkpoint`: signed statements about a stream, and the verdict on them.

use secure_log::error::LogError as Refusal;
use secure_log::signer::{Keystore, PublicKey};
use secure_log::types::StreamId;
use secure_log_bindings::convert;
use secure_log_bindings::export::log::checkpoint::{Guest, SignedSegment};
use secure_log_bindings::types::{LogError, Report, SegmentId, Trust};
use secure_log_keystore_import::{ImportedKey, ImportedKeystore};

use crate::{Component, with_log};

impl Guest for Component {
    fn sign_segment(identity: String, id: SegmentId) -> Result<SignedSegment, LogError> {
        with_log(|log| {
            let stream = StreamId::try_from(id.stream_id.as_str())?;
            Ok(log.sign_segment(&key(&identity)?, &stream, id.number)?.into())
        })
    }

    fn verify_segment_signature(id: SegmentId, trust: Trust) -> Result<(), LogError> {
        with_log(|log| {
            let stream = StreamId::try_from(id.stream_id.as_str())?;
            Ok(log.verify_segment_signature(&stream, id.number, &parsed(trust)?)?)
        })
    }

    fn verify_checkpoint_chain(stream_id: String, trust: Trust) -> Result<Report, LogError> {
        with_log(|log| {
            let stream = StreamId::try_from(stream_id.as_str())?;
            Ok(log.verify_checkpoint_chain(&stream, &parsed(trust)?)?.into())
        })
    }

    fn verify(stream_id: String, trust: Trust) -> Result<Report, LogError> {
        with_log(|log| {
            let stream = StreamId::try_from(stream_id.as_str())?;
            Ok(log.verify(&stream, &parsed(trust)?)?.into())
        })
    }

    fn read_checkpoint(stream_id: String, size: Option<u64>) -> Result<String, LogError> {
        with_log(|log| Ok(log.read_checkpoint(&StreamId::try_from(stream_id.as_str())?, size)?))
    }

    fn verifier_key(identity: String, stream_id: String) -> Result<String, LogError> {
        with_log(|log| {
            let stream = StreamId::try_from(stream_id.as_str())?;
            Ok(log.verifier_key(&key(&identity)?, &stream)?)
        })
    }

    fn add_cosignature(id: SegmentId, lines: Vec<String>, vkeys: Vec<String>) -> Result<u32, LogError> {
        with_log(|log| {
            let stream = StreamId::try_from(id.stream_id.as_str())?;
            Ok(log.add_cosignature(&stream, id.number, &lines, &vkeys)?)
        })
    }
}

fn key(identity: &str) -> Result<ImportedKey, Refusal> {
    Ok(ImportedKeystore.get_key(identity)?)
}

fn parsed(trust: Trust) -> Result<secure_log::verify::Trust, Refusal> {
    convert::trust(trust, |identity| Ok(PublicKey::of_signer(&key(identity)?)?))
}
