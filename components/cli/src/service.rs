//! The log as the commands see it: the functions of `wit/log.wit` that they use, by the same names.

use secure_log::record::Attestation;
use secure_log::signer::{Keystore as _, Signer, SignerError};
use secure_log::witness::Exchange;
use secure_log_bindings::import::exchange::ImportedExchange;
use secure_log_bindings::import::log::{checkpoint, log};
use secure_log_bindings::types::{
    AppendResult, BatchResult, ConsistencyProof, Entry, Event, Head, InclusionProof, LogError, Report, SegmentId,
    SegmentInfo, StreamInfo, Tier, Trust, Want,
};
use secure_log_keystore_import::ImportedKeystore;

/// What the log answers.
pub type Answer<T> = Result<T, LogError>;

/// A log. Its answers are not trusted where a command makes evidence of them: that is checked again.
#[allow(missing_docs, reason = "documented in wit/log.wit")]
pub trait Service {
    fn open(&mut self, config: &str) -> Answer<()>;
    fn create_stream(&mut self, stream: &str) -> Answer<()>;
    fn append_batch(&mut self, stream: &str, events: &[Event], want: Want) -> Answer<BatchResult>;
    fn read(&mut self, stream: &str, seqno: u64) -> Answer<Entry>;
    fn read_since(&mut self, stream: &str, start: u64, limit: u32) -> Answer<Vec<Entry>>;
    fn head(&mut self, stream: &str) -> Answer<Head>;
    fn list_streams(&mut self, after: Option<&str>, limit: u32) -> Answer<Vec<StreamInfo>>;
    fn close_segment(&mut self, stream: &str) -> Answer<SegmentInfo>;
    fn list_segments(&mut self, stream: &str, start: u64, limit: u32) -> Answer<Vec<SegmentInfo>>;
    fn build_inclusion_proof(&mut self, stream: &str, seqno: u64, size: u64) -> Answer<InclusionProof>;
    fn build_consistency_proof(&mut self, stream: &str, old: u64, new: u64) -> Answer<ConsistencyProof>;
    /// The signed note.
    fn sign_segment(&mut self, identity: &str, segment: SegmentId) -> Answer<String>;
    fn read_checkpoint(&mut self, stream: &str, size: Option<u64>) -> Answer<String>;
    fn verify(&mut self, stream: &str, trust: Trust) -> Answer<Report>;
    fn verifier_key(&mut self, identity: &str, stream: &str) -> Answer<String>;
    /// A key of the keystore that the log signs with. Needs no open log.
    fn signer(&mut self, identity: &str) -> Result<Box<dyn Signer>, SignerError>;
    /// What that keystore can show about the key; `None`: it has no such evidence. Needs no open log.
    fn attest(&mut self, identity: &str) -> Result<Option<Attestation>, SignerError>;
    fn attest_key(&mut self, identity: &str, stream: &str, attestation: Vec<u8>) -> Answer<AppendResult>;
    fn rotate_key(&mut self, stream: &str, old: &str, new: &str, attestation: Option<Vec<u8>>) -> Answer<AppendResult>;
    fn revoke_key(&mut self, stream: &str, identity: &str, vkey: &str, from: u64, reason: &str)
    -> Answer<AppendResult>;
    fn add_cosignature(&mut self, segment: SegmentId, lines: &[String], vkeys: &[String]) -> Answer<u32>;
    /// The way to others; most artifacts have none, which it says when used.
    fn exchange(&mut self) -> Box<dyn Exchange>;
}

/// The log this component was composed with.
pub struct Imported;

impl Service for Imported {
    fn open(&mut self, config: &str) -> Answer<()> {
        log::open(config)
    }
    fn create_stream(&mut self, stream: &str) -> Answer<()> {
        log::create_stream(stream, Tier::Public, None)
    }
    fn append_batch(&mut self, stream: &str, events: &[Event], want: Want) -> Answer<BatchResult> {
        log::append_batch(stream, events, want)
    }
    fn read(&mut self, stream: &str, seqno: u64) -> Answer<Entry> {
        log::read(stream, seqno)
    }
    fn read_since(&mut self, stream: &str, start: u64, limit: u32) -> Answer<Vec<Entry>> {
        log::read_since(stream, start, limit)
    }
    fn head(&mut self, stream: &str) -> Answer<Head> {
        log::head(stream)
    }
    fn list_streams(&mut self, after: Option<&str>, limit: u32) -> Answer<Vec<StreamInfo>> {
        log::list_streams(after, limit)
    }
    fn close_segment(&mut self, stream: &str) -> Answer<SegmentInfo> {
        log::close_segment(stream)
    }
    fn list_segments(&mut self, stream: &str, start: u64, limit: u32) -> Answer<Vec<SegmentInfo>> {
        log::list_segments(stream, start, limit)
    }
    fn build_inclusion_proof(&mut self, stream: &str, seqno: u64, size: u64) -> Answer<InclusionProof> {
        log::build_inclusion_proof(stream, seqno, Some(size))
    }
    fn build_consistency_proof(&mut self, stream: &str, old: u64, new: u64) -> Answer<ConsistencyProof> {
        log::build_consistency_proof(stream, old, new)
    }
    fn sign_segment(&mut self, identity: &str, segment: SegmentId) -> Answer<String> {
        Ok(checkpoint::sign_segment(identity, &segment)?.note)
    }
    fn read_checkpoint(&mut self, stream: &str, size: Option<u64>) -> Answer<String> {
        checkpoint::read_checkpoint(stream, size)
    }
    fn verify(&mut self, stream: &str, trust: Trust) -> Answer<Report> {
        checkpoint::verify(stream, &trust)
    }
    fn verifier_key(&mut self, identity: &str, stream: &str) -> Answer<String> {
        checkpoint::verifier_key(identity, stream)
    }
    fn signer(&mut self, identity: &str) -> Result<Box<dyn Signer>, SignerError> {
        Ok(Box::new(ImportedKeystore.get_key(identity)?))
    }
    fn attest(&mut self, identity: &str) -> Result<Option<Attestation>, SignerError> {
        ImportedKeystore.attest(identity)
    }
    fn attest_key(&mut self, identity: &str, stream: &str, attestation: Vec<u8>) -> Answer<AppendResult> {
        checkpoint::attest_key(identity, stream, &attestation)
    }
    fn rotate_key(&mut self, stream: &str, old: &str, new: &str, attestation: Option<Vec<u8>>) -> Answer<AppendResult> {
        checkpoint::rotate_key(stream, old, new, attestation.as_deref())
    }
    fn revoke_key(
        &mut self,
        stream: &str,
        identity: &str,
        vkey: &str,
        from: u64,
        reason: &str,
    ) -> Answer<AppendResult> {
        checkpoint::revoke_key(stream, identity, vkey, from, reason)
    }
    fn add_cosignature(&mut self, segment: SegmentId, lines: &[String], vkeys: &[String]) -> Answer<u32> {
        checkpoint::add_cosignature(&segment, lines, vkeys)
    }
    fn exchange(&mut self) -> Box<dyn Exchange> {
        Box::new(ImportedExchange)
    }
}
