//! The log: the only writer. Opens, appends, reads, seals, signs, proves, erases.
//!
//! Not here: the verdict on a whole stream (`verify`), canonical bytes (`encode`), hashing (`merkle`).
//! The submodules each hold one part of [`Log`]: `stream` the state kept in memory, `draft` how rows of an
//! append are made, `append`, `read`, `seal` (segments), `sign` (checkpoints), `rotate` (the life of keys), `erase`,
//! `proof`, `verdict`.
//!
//! Cost of an append or batch in the steady state: one store call (synced: one sync), two hashes a payload
//! byte once each (commitment, and the entry that holds it), about two node hashes an entry.

mod append;
mod draft;
mod erase;
mod proof;
mod read;
mod rotate;
mod seal;
mod sign;
pub(crate) mod stream;
mod values;
mod verdict;

use std::collections::BTreeMap;

use crate::error::{Finding, FindingKind, LogError};
use crate::merkle;
use crate::note::{Checkpoint, Note};
use crate::store::{RowKind, Store, StoreError};
use crate::types::{LogName, StreamId};
pub use proof::{verify_consistency_proof, verify_inclusion_proof};
pub(crate) use read::{Ranges, absent};
use stream::{StoredTiles, Stream, creation, stores, tampered};
pub use values::{
    AppendResult, BatchResult, Config, ConsistencyProof, Environment, Head, Heads, InclusionProof, ReadEntry,
    RememberedHead, SegmentInfo, SignedSegment, StreamInfo,
};

/// Streams whose state is kept in memory at once (about 1 KiB each, 100 KiB with idempotency keys).
const MAX_STREAMS: usize = 1024;
/// Times an append is tried again after another writer won.
const MAX_CONFLICTS: u32 = 16;

/// A log over a store.
pub struct Log<S, E> {
    store: S,
    env: E,
    heads: Option<Box<dyn Heads>>,
    config: Config,
    state: State,
    /// Name of the log: configured, or read from entry 0 of its first stream.
    name: Option<LogName>,
    session_id: [u8; 16],
    streams: BTreeMap<StreamId, Stream>,
}

/// Where the instance is between `open` calls.
enum State {
    Closed,
    Open {
        config: String,
    },
    /// A write failed with this error: the store must be opened again with the same config.
    Poisoned {
        config: String,
        error: StoreError,
    },
}

impl<S: Store, E: Environment> Log<S, E> {
    /// A log that is not open yet.
    pub fn new(store: S, env: E, heads: Option<Box<dyn Heads>>, config: Config) -> Log<S, E> {
        let name = config.name.clone();
        Log { store, env, heads, config, state: State::Closed, name, session_id: [0; 16], streams: BTreeMap::new() }
    }

    /// Ends this instance and gives the store back, whatever state it is in.
    pub fn into_store(self) -> S {
        self.store
    }

    /// Opens the store with `store_config`. Once, first; again only after a failed write, with the same value.
    /// Streams are read and checked (tail, remembered head) when they are first used.
    ///
    /// # Errors
    /// `AlreadyOpen`, `Invalid` for an empty config, those of the store.
    pub fn open(&mut self, store_config: &str) -> Result<(), LogError> {
        match &self.state {
            State::Open { .. } => return Err(LogError::AlreadyOpen),
            State::Poisoned { config, .. } if config != store_config => return Err(LogError::AlreadyOpen),
            _ if store_config.is_empty() => return Err(LogError::Invalid("the store's config is empty".into())),
            _ => {}
        }
        self.streams.clear();
        self.store.init(store_config)?;
        let mut session_id = [0; 16];
        self.env.random(&mut session_id).map_err(LogError::Unsupported)?;
        self.session_id = session_id;
        if self.config.name.is_none() {
            self.name = None;
            self.find_name()?;
        }
        self.state = State::Open { config: store_config.to_owned() };
        Ok(())
    }

    /// The state of a stream, as fresh as the store's answer. One store call, more if others wrote.
    ///
    /// # Errors
    /// `StreamNotFound`, `Tampered`, `Rollback`, those of the store.
    pub fn head(&mut self, stream: &StreamId) -> Result<Head, LogError> {
        let stream = self.fresh(stream)?;
        let tip = &stream.tip;
        Ok(Head {
            size: tip.size(),
            last_entry_hash: tip.last_hash,
            root: tip.frontier.root(),
            durable_through: stream.durable_through,
        })
    }

    /// Streams in byte order of their ids, after `after`, at most `limit` (capped at 1,000).
    ///
    /// # Errors
    /// As [`Log::head`]: a stream that cannot be read is an error, never left out.
    pub fn list_streams(&mut self, after: Option<&StreamId>, limit: u32) -> Result<Vec<StreamInfo>, LogError> {
        self.ready()?;
        let ids = self.guard(|store| store.streams(after, limit.min(1000)))?;
        let mut found: Vec<StreamInfo> = Vec::new();
        for id in ids.into_iter().take(limit.min(1000) as usize) {
            let previous = found.last().map(|info| &info.stream_id).or(after);
            if previous.is_some_and(|previous| id <= *previous) {
                let why = format!("the store lists stream {id} out of order");
                return Err(LogError::Store(StoreError::Corrupt(why)));
            }
            let stream = self.fresh(&id)?;
            found.push(StreamInfo {
                stream_id: stream.id.clone(),
                origin: stream.origin.clone(),
                tier: stream.tier,
                description: stream.description.clone(),
                size: stream.tip.size(),
                closed: stream.tip.closed,
                segments: stream.tip.segments,
            });
        }
        Ok(found)
    }

    fn ready(&self) -> Result<(), LogError> {
        match &self.state {
            State::Closed => Err(LogError::NotOpen),
            State::Poisoned { error, .. } => Err(LogError::Store(error.clone())),
            State::Open { .. } => Ok(()),
        }
    }

    /// Calls the store. A failure of the medium poisons the log until `open`; after a lost answer nothing
    /// that was known of any stream counts any more.
    fn guard<T>(&mut self, call: impl FnOnce(&mut S) -> Result<T, StoreError>) -> Result<T, LogError> {
        call(&mut self.store).map_err(|error| self.note_failure(error))
    }

    fn note_failure(&mut self, error: StoreError) -> LogError {
        match (&error, &self.state) {
            (StoreError::Io(_) | StoreError::NoSpace | StoreError::NotInitialised, State::Open { config }) => {
                self.state = State::Poisoned { config: config.clone(), error: error.clone() };
                self.streams.clear();
            }
            (StoreError::Unavailable(_), _) => self.streams.clear(),
            _ => {}
        }
        LogError::Store(error)
    }

    /// Passes an error on, and draws the conclusion of [`Log::guard`] if it is the store's.
    fn failed(&mut self, error: LogError) -> LogError {
        match error {
            LogError::Store(error) => self.note_failure(error),
            error => error,
        }
    }

    /// The stream as this instance knows it, read from the store at its first use.
    fn known(&mut self, id: &StreamId) -> Result<Option<&mut Stream>, LogError> {
        self.ready()?;
        if !self.streams.contains_key(id) {
            self.find_name()?;
            let Some(name) = &self.name else { return Ok(None) };
            let origin = name.origin(id);
            let loaded = self.retry(|log| match log.load(id, &origin) {
                Err(LogError::Conflict) => Ok(None),
                loaded => loaded.map(Some),
            });
            let Some(mut stream) = loaded? else { return Ok(None) };
            self.finish_erasures(id, std::mem::take(&mut stream.erasures))?;
            self.keep(stream);
        }
        Ok(self.streams.get_mut(id))
    }

    /// Reads a stream, and finds it to agree with the remembered head. The head is read first: whoever remembers one
    /// has stored its entries before. `Conflict`: another writer sealed or signed meanwhile.
    fn load(&mut self, id: &StreamId, origin: &str) -> Result<Option<Stream>, LogError> {
        let head = self.remembered(origin)?;
        let loaded = Stream::load(&mut self.store, id, origin).map_err(|error| self.failed(error))?;
        match (&loaded, head) {
            (Some(stream), head) => self.check_head(stream, head)?,
            (None, Some(head)) => {
                return Err(rolled_back(id, (0, head.size.saturating_sub(1)), "the stream is gone"));
            }
            (None, None) => {}
        }
        Ok(loaded)
    }

    /// The stream, with what other writers appended since.
    fn fresh(&mut self, id: &StreamId) -> Result<&mut Stream, LogError> {
        let cached = self.streams.contains_key(id);
        if self.known(id)?.is_none() {
            return Err(LogError::StreamNotFound);
        }
        if cached && let Some(stream) = self.streams.get_mut(id) {
            let advanced = stream.advance(&mut self.store);
            if let Err(error) = advanced {
                // A store that contradicts what is known here does not get this instance to forget it.
                if !matches!(error, LogError::Tampered(_) | LogError::Rollback(_)) {
                    self.streams.remove(id);
                }
                return Err(self.failed(error));
            }
            let erasures = self.streams.get_mut(id).map(|stream| std::mem::take(&mut stream.erasures));
            self.finish_erasures(id, erasures.unwrap_or_default())?;
        }
        self.streams.get_mut(id).ok_or(LogError::StreamNotFound)
    }

    /// [`stores`], of this log's store.
    fn stores(&mut self, id: &StreamId, size: u64) -> Result<bool, LogError> {
        stores(&mut self.store, id, size).map_err(|error| self.failed(error))
    }

    fn keep(&mut self, stream: Stream) {
        if self.streams.len() >= MAX_STREAMS {
            self.streams.pop_first();
        }
        self.streams.insert(stream.id.clone(), stream);
    }

    /// An unnamed log has the name that its first stream was created with.
    fn find_name(&mut self) -> Result<(), LogError> {
        if self.name.is_some() {
            return Ok(());
        }
        let first = self.guard(|store| store.streams(None, 1))?.into_iter().next();
        let Some(id) = first else { return Ok(()) };
        let created = creation(&mut self.store, &id).map_err(|error| self.failed(error))?;
        if let Some((origin, ..)) = created {
            let name = LogName::of_origin(&origin, &id);
            self.name = Some(name.map_err(|why| tampered(&id, 0, FindingKind::OriginWrong, why.0))?);
        }
        Ok(())
    }

    fn remembered(&mut self, origin: &str) -> Result<Option<RememberedHead>, LogError> {
        match &mut self.heads {
            None => Ok(None),
            Some(heads) => heads.latest(origin).map_err(head_error),
        }
    }

    /// A stream that was just read must not be behind the remembered head, nor contradict it; one that has
    /// checkpoints must have a head unless the operator adopts it. `Conflict`: one came to be meanwhile.
    fn check_head(&mut self, stream: &Stream, head: Option<RememberedHead>) -> Result<(), LogError> {
        if self.heads.is_none() {
            return Ok(());
        }
        let size = stream.tip.size();
        if let Some(head) = head {
            if head.size > size {
                return Err(rolled_back(&stream.id, (size, head.size - 1), "the store is behind the remembered head"));
            }
            let tiles = &mut StoredTiles { store: &mut self.store, stream: &stream.id };
            let root = merkle::root(head.size, tiles).map_err(|error| self.failed(error))?;
            if root != head.root {
                let why = "the store has another root than the remembered head";
                return Err(rolled_back(&stream.id, (0, head.size.saturating_sub(1)), why));
            }
            return Ok(());
        }
        let Some(row) = self.guard(|store| store.last(RowKind::Checkpoint, &stream.id))? else { return Ok(()) };
        let checkpoint = stored_checkpoint(&stream.id, &row.body)?.1;
        let newer = checkpoint.size > size && self.stores(&stream.id, checkpoint.size)?;
        if newer || self.remembered(&stream.origin)?.is_some() {
            return Err(LogError::Conflict);
        }
        if !self.config.adopt_heads {
            let why = "signed before, but no head is remembered; SECURE_LOG_HEAD_ADOPT=1 accepts it as it is";
            return Err(rolled_back(&stream.id, (0, checkpoint.size.saturating_sub(1)), why));
        }
        let tiles = &mut StoredTiles { store: &mut self.store, stream: &stream.id };
        let root = merkle::root(checkpoint.size.min(size), tiles).map_err(|error| self.failed(error))?;
        if checkpoint.size > size || root != checkpoint.root {
            let why = "the entries do not have the root of the last checkpoint";
            return Err(tampered(&stream.id, size - 1, FindingKind::RootMismatch, why));
        }
        let head = RememberedHead { size: checkpoint.size, root, vkey: "adopted".into() };
        match self.heads.as_mut().map(|heads| heads.record(&stream.origin, None, &head)) {
            // Another writer adopted or signed it in between: what it remembered is compared.
            Some(Err(StoreError::Conflict)) => Err(LogError::Conflict),
            Some(Err(error)) => Err(head_error(error)),
            Some(Ok(())) | None => Ok(()),
        }
    }
}

/// Text and checkpoint of a stored note, unverified.
fn stored_checkpoint(stream: &StreamId, body: &[u8]) -> Result<(Note, Checkpoint), LogError> {
    let forged = |why: String| tampered(stream, 0, FindingKind::CheckpointForged, why);
    let text = std::str::from_utf8(body).map_err(|_| forged("a checkpoint row is not text".into()))?;
    let note = Note::parse(text).map_err(|error| forged(error.to_string()))?;
    let checkpoint = Checkpoint::parse(note.text()).map_err(|error| forged(error.to_string()))?;
    Ok((note, checkpoint))
}

fn rolled_back(stream: &StreamId, range: (u64, u64), why: &str) -> LogError {
    LogError::Rollback(Finding {
        stream_id: stream.clone(),
        first_seqno: range.0,
        last_seqno: range.1,
        kind: FindingKind::RolledBack,
        detail: why.into(),
    })
}

fn head_error(error: StoreError) -> LogError {
    LogError::Store(match error {
        StoreError::Io(why) => StoreError::Io(format!("remembered head: {why}")),
        StoreError::Corrupt(why) => StoreError::Corrupt(format!("remembered head: {why}")),
        StoreError::Denied(why) => StoreError::Denied(format!("remembered head: {why}")),
        other => other,
    })
}
