//! `log`: appends, reads, segments, proofs.

use secure_log::log::{verify_consistency_proof, verify_inclusion_proof};
use secure_log::types::{NewEvent, StreamId};
use secure_log_bindings::convert::{digest, each};
use secure_log_bindings::export::log::log::Guest;
use secure_log_bindings::types::{
    AppendResult, BatchResult, ConsistencyProof, Entry, Event, Head, InclusionProof, LogError, SegmentId, SegmentInfo,
    Severity, StreamInfo, Tier, Want,
};

use crate::{Component, TheLog, open, with_log};

/// The log and the stream a call is about.
fn with_stream<R>(
    stream_id: &str,
    call: impl FnOnce(&mut TheLog, &StreamId) -> Result<R, LogError>,
) -> Result<R, LogError> {
    with_log(|log| call(log, &StreamId::try_from(stream_id)?))
}

impl Guest for Component {
    fn open(config: String) -> Result<(), LogError> {
        open(&config)
    }

    fn create_stream(stream_id: String, tier: Tier, description: Option<String>) -> Result<(), LogError> {
        with_stream(&stream_id, |log, stream| Ok(log.create_stream(stream, tier.into(), description.as_deref())?))
    }

    fn append(
        stream_id: String,
        event_type: String,
        severity: Severity,
        producer: String,
        payload: Option<Vec<u8>>,
    ) -> Result<AppendResult, LogError> {
        let event = Event {
            event_type,
            severity,
            producer,
            payload,
            payload_encoding: None,
            salt: None,
            idempotency_key: None,
            author: None,
        };
        with_stream(&stream_id, |log, stream| Ok(log.append(stream, event.try_into()?)?.into()))
    }

    fn append_batch(stream_id: String, events: Vec<Event>, want: Want) -> Result<BatchResult, LogError> {
        with_stream(&stream_id, |log, stream| {
            let events = events.into_iter().map(NewEvent::try_from).collect::<Result<Vec<_>, _>>()?;
            Ok(log.append_batch(stream, &events, want.into())?.into())
        })
    }

    fn sync(stream_id: String) -> Result<(), LogError> {
        with_stream(&stream_id, |log, stream| Ok(log.sync(stream)?))
    }

    fn read(stream_id: String, seqno: u64) -> Result<Entry, LogError> {
        with_stream(&stream_id, |log, stream| Ok(log.read(stream, seqno)?.into()))
    }

    fn read_since(stream_id: String, start: u64, limit: u32) -> Result<Vec<Entry>, LogError> {
        with_stream(&stream_id, |log, stream| Ok(each(log.read_since(stream, start, limit)?)))
    }

    fn head(stream_id: String) -> Result<Head, LogError> {
        with_stream(&stream_id, |log, stream| Ok(log.head(stream)?.into()))
    }

    fn list_streams(after: Option<String>, limit: u32) -> Result<Vec<StreamInfo>, LogError> {
        with_log(|log| {
            let after = after.as_deref().map(StreamId::try_from).transpose()?;
            Ok(each(log.list_streams(after.as_ref(), limit)?))
        })
    }

    fn close_stream(stream_id: String, reason: String) -> Result<(), LogError> {
        with_stream(&stream_id, |log, stream| Ok(log.close_stream(stream, &reason)?))
    }

    fn erase_payload(stream_id: String, first: u64, last: u64, reason: String) -> Result<(), LogError> {
        with_stream(&stream_id, |log, stream| Ok(log.erase_payload(stream, first, last, &reason)?))
    }

    fn close_segment(stream_id: String) -> Result<SegmentInfo, LogError> {
        with_stream(&stream_id, |log, stream| Ok(log.close_segment(stream)?.into()))
    }

    fn read_segment(id: SegmentId) -> Result<SegmentInfo, LogError> {
        with_stream(&id.stream_id, |log, stream| Ok(log.read_segment(stream, id.number)?.into()))
    }

    fn list_segments(stream_id: String, start: u64, limit: u32) -> Result<Vec<SegmentInfo>, LogError> {
        with_stream(&stream_id, |log, stream| Ok(each(log.list_segments(stream, start, limit)?)))
    }

    fn verify_chain(stream_id: String, first: u64, last: u64) -> Result<(), LogError> {
        with_stream(&stream_id, |log, stream| Ok(log.verify_chain(stream, first, last)?))
    }

    fn build_inclusion_proof(
        stream_id: String,
        seqno: u64,
        tree_size: Option<u64>,
    ) -> Result<InclusionProof, LogError> {
        with_stream(&stream_id, |log, stream| Ok(log.build_inclusion_proof(stream, seqno, tree_size)?.into()))
    }

    fn build_consistency_proof(stream_id: String, old_size: u64, new_size: u64) -> Result<ConsistencyProof, LogError> {
        with_stream(&stream_id, |log, stream| Ok(log.build_consistency_proof(stream, old_size, new_size)?.into()))
    }

    fn verify_inclusion_proof(
        entry_body: Vec<u8>,
        proof: InclusionProof,
        expected_root: Vec<u8>,
    ) -> Result<bool, LogError> {
        let root = digest("expected-root", &expected_root)?;
        Ok(verify_inclusion_proof(&entry_body, &proof.try_into()?, &root)?)
    }

    fn verify_consistency_proof(
        proof: ConsistencyProof,
        old_root: Vec<u8>,
        new_root: Vec<u8>,
    ) -> Result<bool, LogError> {
        let (old, new) = (digest("old-root", &old_root)?, digest("new-root", &new_root)?);
        Ok(verify_consistency_proof(&proof.try_into()?, &old, &new))
    }
}
