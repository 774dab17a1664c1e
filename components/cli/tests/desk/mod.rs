//! The command line natively: the same commands over a log in memory, with streams that the test reads.

#![allow(dead_code)]

use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::rc::Rc;

use secure_log::record::Attestation;
use secure_log::signer::{Algorithm, PublicKey, Signer, SignerError};
use secure_log::store::StoreError;
use secure_log::types::{NewEvent, StreamId, Tier};
use secure_log::witness::{Exchange, ExchangeError, Response};
use secure_log_bindings::convert::{self, each};
use secure_log_bindings::types::{
    AppendResult, BatchResult, ConsistencyProof, Entry, Event, Head, InclusionProof, LogError, Report, SegmentId,
    SegmentInfo, StreamInfo, Trust, Want,
};
use secure_log_cli::{Answer, Console, Service, run};
use serde_json::Value;

use crate::support::FixedKey;
use crate::world::{Shared, TestLog, log};

/// What a desk reaches: the whole URL and the body of a request to its answer.
pub type Network = Rc<dyn Fn(&str, &[u8]) -> Result<Response, ExchangeError>>;

type Refusal = secure_log::error::LogError;

/// A log behind the commands, its keystore with one key, and what goes wrong next.
pub struct Desk {
    pub store: Shared,
    pub log: TestLog,
    /// The keystore's key `audit`.
    pub key: FixedKey,
    /// The keystore's key `next`.
    pub next: FixedKey,
    /// What the keystore shows about its keys.
    pub evidence: Option<Attestation>,
    /// What others are reached by.
    pub network: Network,
    /// Entries in an answer, at most.
    pub page: u32,
    /// What the log was opened with last.
    pub opened: String,
    /// Where `--store` says that the log is, and whether anything is there.
    pub place: &'static str,
    pub nothing_there: bool,
    /// Pages that are still given before the log fails.
    pub pages_left: u32,
    /// A timer elsewhere seals just before the next seal of this desk.
    pub timer: bool,
}

/// What a command said.
pub struct Said {
    pub status: u8,
    pub out: String,
    pub err: String,
}

impl Desk {
    pub fn new() -> Desk {
        Desk::over(&Shared::default())
    }

    pub fn over(store: &Shared) -> Desk {
        let key = FixedKey::log(Algorithm::Ed25519);
        let next = FixedKey::log(Algorithm::EcdsaP256);
        let network: Network = Rc::new(|_, _| Err(ExchangeError::NotSent("nobody listens".into())));
        Desk {
            store: store.clone(),
            log: log(store),
            key,
            next,
            evidence: None,
            network,
            page: u32::MAX,
            opened: String::new(),
            place: ":memory:",
            nothing_there: false,
            pages_left: u32::MAX,
            timer: false,
        }
    }

    /// A log of the first so many of three events, sealed and signed, and the policy that pins its key.
    pub fn signed(folder: &Path, events: usize) -> (Desk, String) {
        let mut desk = Desk::new();
        let policy = folder.join("policy").display().to_string();
        fs::write(&policy, desk.good("keygen --as-policy")).unwrap();
        for text in &["one", "two", "three"][..events] {
            desk.good(&format!("append {text}"));
        }
        desk.settle();
        (desk, policy)
    }

    /// Seals and signs.
    pub fn settle(&mut self) {
        ["seal", "sign"].iter().for_each(|line| drop(self.good(line)));
    }

    /// Appends this text, seals and signs.
    pub fn grow(&mut self, text: &str) {
        self.good(&format!("append {text}"));
        self.settle();
    }

    /// Runs a command line; words are separated by a space.
    pub fn run(&mut self, line: &str) -> Said {
        self.feed(line, b"")
    }

    /// The same, with this on stdin.
    pub fn feed(&mut self, line: &str, input: &[u8]) -> Said {
        self.words(line.split(' '), input)
    }

    /// The same, words as they are.
    pub fn words<'w>(&mut self, words: impl IntoIterator<Item = &'w str>, mut input: &[u8]) -> Said {
        let common = ["secure-log", "--store", self.place, "--stream", crate::support::STREAM, "--key", "audit"];
        let words = common.into_iter().chain(words).map(OsString::from);
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let status = run(words, self, &mut Console::new(&mut input, &mut out, &mut err, false));
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Said { status, out: text(out), err: text(err) }
    }

    /// Runs a command line that must do.
    pub fn good(&mut self, line: &str) -> String {
        let said = self.run(line);
        assert_eq!(said.status, 0, "{line}: {}{}", said.out, said.err);
        said.out
    }
}

/// One line of `--json`.
pub fn parsed(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
}

/// The key of this label, of the two that the keystore has.
fn labelled<'k>(audit: &'k FixedKey, next: &'k FixedKey, label: &str) -> Result<&'k FixedKey, Refusal> {
    match label {
        "audit" => Ok(audit),
        "next" => Ok(next),
        other => Err(SignerError::KeyNotFound(other.into()).into()),
    }
}

fn id(stream: &str) -> Result<StreamId, LogError> {
    Ok(StreamId::try_from(stream)?)
}

impl Service for Desk {
    fn signer(&mut self, identity: &str) -> Result<Box<dyn Signer>, SignerError> {
        match Algorithm::from_name(identity) {
            Some(algorithm) => Ok(Box::new(FixedKey::log(algorithm))),
            None if identity == "audit" => Ok(Box::new(FixedKey::log(self.key.algorithm()))),
            None if identity == "next" => Ok(Box::new(FixedKey::log(self.next.algorithm()))),
            None => Err(SignerError::KeyNotFound(identity.into())),
        }
    }
    fn attest(&mut self, identity: &str) -> Result<Option<Attestation>, SignerError> {
        match identity {
            "audit" | "next" => Ok(self.evidence.clone()),
            other => Err(SignerError::KeyNotFound(other.into())),
        }
    }
    /// The log of a desk is open; opened read-only, one that is not there is not made, as the stores have it.
    fn open(&mut self, config: &str) -> Answer<()> {
        self.opened = config.to_owned();
        match config.strip_suffix("?readonly").filter(|_| self.nothing_there) {
            Some(path) => Err(Refusal::Store(StoreError::Invalid(format!("there is no log at {path}"))).into()),
            None => Ok(()),
        }
    }
    fn create_stream(&mut self, stream: &str) -> Answer<()> {
        Ok(self.log.create_stream(&id(stream)?, Tier::Public, None)?)
    }
    fn append_batch(&mut self, stream: &str, events: &[Event], want: Want) -> Answer<BatchResult> {
        let events = events.iter().cloned().map(NewEvent::try_from).collect::<Result<Vec<_>, _>>()?;
        Ok(self.log.append_batch(&id(stream)?, &events, want.into())?.into())
    }
    fn read(&mut self, stream: &str, seqno: u64) -> Answer<Entry> {
        Ok(self.log.read(&id(stream)?, seqno)?.into())
    }
    fn read_since(&mut self, stream: &str, start: u64, limit: u32) -> Answer<Vec<Entry>> {
        let Some(left) = self.pages_left.checked_sub(1) else {
            return Err(Refusal::Store(StoreError::Io("pulled out".into())).into());
        };
        self.pages_left = left;
        Ok(each(self.log.read_since(&id(stream)?, start, limit.min(self.page))?))
    }
    fn head(&mut self, stream: &str) -> Answer<Head> {
        Ok(self.log.head(&id(stream)?)?.into())
    }
    fn list_streams(&mut self, after: Option<&str>, limit: u32) -> Answer<Vec<StreamInfo>> {
        Ok(each(self.log.list_streams(after.map(id).transpose()?.as_ref(), limit)?))
    }
    fn close_segment(&mut self, stream: &str) -> Answer<SegmentInfo> {
        if std::mem::take(&mut self.timer) {
            self.log.close_segment(&id(stream)?)?;
        }
        Ok(self.log.close_segment(&id(stream)?)?.into())
    }
    fn list_segments(&mut self, stream: &str, start: u64, limit: u32) -> Answer<Vec<SegmentInfo>> {
        Ok(each(self.log.list_segments(&id(stream)?, start, limit)?))
    }
    fn build_inclusion_proof(&mut self, stream: &str, seqno: u64, size: u64) -> Answer<InclusionProof> {
        Ok(self.log.build_inclusion_proof(&id(stream)?, seqno, Some(size))?.into())
    }
    fn build_consistency_proof(&mut self, stream: &str, old: u64, new: u64) -> Answer<ConsistencyProof> {
        Ok(self.log.build_consistency_proof(&id(stream)?, old, new)?.into())
    }
    fn sign_segment(&mut self, identity: &str, segment: SegmentId) -> Answer<String> {
        let key = labelled(&self.key, &self.next, identity)?;
        Ok(self.log.sign_segment(key, &id(&segment.stream_id)?, segment.number)?.note)
    }
    fn read_checkpoint(&mut self, stream: &str, size: Option<u64>) -> Answer<String> {
        Ok(self.log.read_checkpoint(&id(stream)?, size)?)
    }
    fn verify(&mut self, stream: &str, trust: Trust) -> Answer<Report> {
        let public = |label: &str| Ok(PublicKey::of_signer(labelled(&self.key, &self.next, label)?)?);
        let trust = convert::trust(trust, public)?;
        Ok(self.log.verify(&id(stream)?, &trust)?.into())
    }
    fn verifier_key(&mut self, identity: &str, stream: &str) -> Answer<String> {
        Ok(self.log.verifier_key(labelled(&self.key, &self.next, identity)?, &id(stream)?)?)
    }
    fn attest_key(&mut self, identity: &str, stream: &str, attestation: Vec<u8>) -> Answer<AppendResult> {
        let key = labelled(&self.key, &self.next, identity)?;
        Ok(self.log.attest_key(key, &id(stream)?, &attestation)?.into())
    }
    fn rotate_key(&mut self, stream: &str, old: &str, new: &str, attestation: Option<Vec<u8>>) -> Answer<AppendResult> {
        let [old, new] = [labelled(&self.key, &self.next, old)?, labelled(&self.key, &self.next, new)?];
        Ok(self.log.rotate_key(&id(stream)?, old, new, attestation.as_deref())?.into())
    }
    fn revoke_key(
        &mut self,
        stream: &str,
        identity: &str,
        vkey: &str,
        from: u64,
        reason: &str,
    ) -> Answer<AppendResult> {
        let key = labelled(&self.key, &self.next, identity)?;
        Ok(self.log.revoke_key(&id(stream)?, key, vkey, from, reason)?.into())
    }
    fn add_cosignature(&mut self, segment: SegmentId, lines: &[String], vkeys: &[String]) -> Answer<u32> {
        Ok(self.log.add_cosignature(&id(&segment.stream_id)?, segment.number, lines, vkeys)?)
    }
    fn exchange(&mut self) -> Box<dyn Exchange> {
        Box::new(Wire(self.network.clone()))
    }
}

struct Wire(Network);

impl Exchange for Wire {
    fn post(&mut self, url: &str, _: &str, body: &[u8], _: u32) -> Result<Response, ExchangeError> {
        (self.0)(url, body)
    }
}
