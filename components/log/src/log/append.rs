//! Appending: streams and the events of producers.

use std::collections::{HashMap, HashSet};

use super::draft::{Draft, Moment, check_bytes};
use super::stream::{Recent, Stream, Tip, each_entry, note_entry, place, tampered};
use super::{AppendResult, BatchResult, Environment, Log, MAX_CONFLICTS};
use crate::author::{self, LastSeqs};
use crate::error::{FindingKind, LogError};
use crate::payload::{self, SALT_LEN};
use crate::store::{MAX_BATCH_EVENTS, Row, RowKind, Store, StoreError, Want};
use crate::types::{
    DEFAULT_ENCODING, Entry, IDEMPOTENCY_WINDOW, LogName, MAX_IDEMPOTENCY_KEY, MAX_TEXT, NewEvent, RESERVED_PREFIX,
    Severity, StreamId, Tier, quote,
};

/// A draft cut loose from its stream, ready to be stored.
pub(super) struct Ready {
    tip: Tip,
    rows: Vec<Row>,
    noted: Vec<Entry>,
}

impl From<Draft<'_>> for Ready {
    fn from(draft: Draft) -> Ready {
        Ready { tip: draft.tip, rows: draft.rows, noted: draft.noted }
    }
}

/// What becomes of one event of a batch.
enum Outcome {
    /// Its idempotency key was seen before: the entry of then.
    Repeated(AppendResult),
    /// Same, but first seen in this batch: the position of the event there.
    RepeatsEvent(usize),
    New,
}

impl<S: Store, E: Environment> Log<S, E> {
    /// Creates a stream: entry 0. The same arguments again: no-op. Durable on return.
    ///
    /// # Errors
    /// `Invalid` for a long description or other arguments than those of entry 0, `Unsupported` for a tier
    /// other than public, `Conflict`, those of the store.
    pub fn create_stream(&mut self, id: &StreamId, tier: Tier, description: Option<&str>) -> Result<(), LogError> {
        self.ready()?;
        check_text("the description", description.unwrap_or(""))?;
        only_public(tier)?;
        self.retry(|log| {
            if let Some(stream) = log.known(id)? {
                let same = stream.tier == tier && stream.description.as_deref() == description;
                let why = || LogError::Invalid(format!("stream {id} exists with another tier or description"));
                return if same { Ok(Some(())) } else { Err(why()) };
            }
            let stream = log.new_stream(id, description)?;
            let mut draft = Draft::new(&stream, log.moment(), 1);
            draft.create()?;
            let ready = Ready::from(draft);
            log.write_new(stream, ready, Want::Synced)
        })
    }

    /// One event, durable on return. See [`Log::append_batch`].
    ///
    /// # Errors
    /// As [`Log::append_batch`].
    pub fn append(&mut self, id: &StreamId, event: NewEvent) -> Result<AppendResult, LogError> {
        let batch = self.append_batch(id, std::slice::from_ref(&event), Want::Synced)?;
        batch.results.first().copied().ok_or(LogError::Conflict)
    }

    /// All events or none, in order, with one store call. An unknown stream is created (tier public) in
    /// the same call. With an event of severity critical or worse the batch is synced whatever `want` says.
    ///
    /// # Errors
    /// `Invalid` (the caller's events; nothing was changed), `StreamClosed`, `Conflict` after 16 lost races,
    /// `Untrusted` for an author signature that does not verify or is not one that the stream demands
    /// ([`super::Config::authors`]; it names the producer), those of the store. After `Io` and
    /// `Unavailable` the batch may have been stored: idempotency keys make a repeat safe.
    pub fn append_batch(&mut self, id: &StreamId, events: &[NewEvent], want: Want) -> Result<BatchResult, LogError> {
        self.ready()?;
        check_events(events)?;
        events.iter().try_for_each(|event| self.config.authors.check(id, event))?;
        let urgent = events.iter().any(|event| event.severity <= Severity::Critical);
        let want = if urgent { Want::Synced } else { want };
        let mut salts = vec![0; SALT_LEN * events.len()];
        self.env.random(&mut salts).map_err(LogError::Unsupported)?;
        self.retry(|log| {
            if events.is_empty() && log.known(id)?.is_none() {
                return Err(LogError::StreamNotFound);
            }
            let created = match log.known(id)? {
                Some(stream) if stream.tip.closed => return Err(LogError::StreamClosed),
                Some(stream) => {
                    only_public(stream.tier)?;
                    None
                }
                None => Some(log.new_stream(id, None)?),
            };
            let outcomes = log.outcomes(id, events)?;
            let author_seqs = log.author_seqs(id, events)?;
            let moment = log.moment();
            let Some(stream) = created.as_ref().or_else(|| log.streams.get(id)) else { return Ok(None) };
            let mut draft = Draft::new(stream, moment, events.len());
            if created.is_some() {
                draft.create()?;
            }
            let results = draft_events(&mut draft, stream, events, &outcomes, &salts, author_seqs)?;
            let ready = Ready::from(draft);
            let stored = match created {
                Some(stream) => log.write_new(stream, ready, want)?,
                None => log.write(id, ready, want)?,
            };
            let durable_through = log.streams.get(id).and_then(|stream| stream.durable_through);
            Ok(stored.map(|()| BatchResult { results, durable_through }))
        })
    }

    /// Makes everything written to the stream durable. One store call.
    ///
    /// # Errors
    /// `StreamNotFound`, those of the store.
    pub fn sync(&mut self, id: &StreamId) -> Result<(), LogError> {
        if self.known(id)?.is_none() {
            return Err(LogError::StreamNotFound);
        }
        self.guard(|store| store.append(&[], Want::Synced))?;
        if let Some(stream) = self.streams.get_mut(id) {
            stream.durable_through = stream.tip.size().checked_sub(1);
        }
        Ok(())
    }

    /// Tries until an attempt is stored; `None` from an attempt means that another writer won.
    pub(super) fn retry<R>(
        &mut self,
        mut attempt: impl FnMut(&mut Self) -> Result<Option<R>, LogError>,
    ) -> Result<R, LogError> {
        for number in 1..=MAX_CONFLICTS {
            if let Some(result) = attempt(self)? {
                return Ok(result);
            }
            self.env.pause(number);
        }
        Err(LogError::Conflict)
    }

    pub(super) fn moment(&mut self) -> Moment {
        Moment { now: self.env.now(), session_id: self.session_id, boot_id: self.config.boot_id }
    }

    /// Stores a draft of a known stream. `None`: another writer won, and what it wrote was taken in.
    pub(super) fn write(&mut self, id: &StreamId, ready: Ready, want: Want) -> Result<Option<()>, LogError> {
        match self.store.append(&ready.rows, want) {
            Ok(()) => {
                if let Some(stream) = self.streams.get_mut(id) {
                    take_in(stream, ready, want);
                }
                Ok(Some(()))
            }
            Err(StoreError::Conflict) => self.fresh(id).map(|_| None),
            Err(error) => Err(self.note_failure(error)),
        }
    }

    fn write_new(&mut self, mut stream: Stream, ready: Ready, want: Want) -> Result<Option<()>, LogError> {
        match self.store.append(&ready.rows, want) {
            Ok(()) => {
                self.name = LogName::of_origin(&stream.origin, &stream.id).ok();
                take_in(&mut stream, ready, want);
                self.keep(stream);
                Ok(Some(()))
            }
            Err(StoreError::Conflict) => Ok(None),
            Err(error) => Err(self.note_failure(error)),
        }
    }

    fn new_stream(&mut self, id: &StreamId, description: Option<&str>) -> Result<Stream, LogError> {
        let name = match &self.name {
            Some(name) => name.clone(),
            None => {
                let mut random = [0; 16];
                self.env.random(&mut random).map_err(LogError::Unsupported)?;
                LogName::local(random)
            }
        };
        Ok(Stream::new(id.clone(), name.origin(id), Tier::Public, description.map(str::to_owned)))
    }

    fn outcomes(&mut self, id: &StreamId, events: &[NewEvent]) -> Result<Vec<Outcome>, LogError> {
        let mut first_use: HashMap<&[u8], usize> = HashMap::new();
        let mut outcomes = Vec::with_capacity(events.len());
        for (position, event) in events.iter().enumerate() {
            let Some(key) = &event.idempotency_key else {
                outcomes.push(Outcome::New);
                continue;
            };
            if let Some(&earlier) = first_use.get(key.as_slice()) {
                if events[earlier] != *event {
                    return Err(other_event(key));
                }
                outcomes.push(Outcome::RepeatsEvent(earlier));
                continue;
            }
            first_use.insert(key, position);
            outcomes.push(match self.repeated(id, event, key)? {
                Some(result) => Outcome::Repeated(result),
                None => Outcome::New,
            });
        }
        Ok(outcomes)
    }

    /// The entry that this key led to before, if the window holds one; it must be the same event.
    fn repeated(&mut self, id: &StreamId, event: &NewEvent, key: &[u8]) -> Result<Option<AppendResult>, LogError> {
        let Some(stream) = self.streams.get_mut(id) else { return Ok(None) };
        if stream.recent.is_none() {
            let size = stream.tip.size();
            let mut recent = Recent::default();
            let range = (size.saturating_sub(IDEMPOTENCY_WINDOW), size);
            let read = each_entry(&mut self.store, id, range, false, |placed| {
                recent.push(placed.entry.seqno, placed.entry.event.idempotency_key.as_ref());
                Ok(())
            });
            if let Err(error) = read {
                return Err(self.failed(error));
            }
            stream.recent = Some(recent);
        }
        let size = stream.tip.size();
        let Some(seqno) = stream.recent.as_ref().and_then(|recent| recent.find(key, size)) else { return Ok(None) };
        let Some(row) = self.guard(|store| store.get(RowKind::Entry, id, seqno))? else {
            return Err(tampered(id, seqno, FindingKind::EntryMissing, "the store does not give this entry"));
        };
        let placed = place(row, id, seqno)?;
        if !same_event(event, &placed.entry, placed.payload.as_deref()) {
            return Err(other_event(key));
        }
        Ok(Some(AppendResult { seqno, entry_hash: placed.hash }))
    }

    /// The last number of each key that signs one of `events`. The first signed event after `open` reads the stream
    /// once: `author-seq` must increase over all of it; so does, later, an event of a key beyond those that are kept.
    fn author_seqs<'a>(&mut self, id: &StreamId, events: &'a [NewEvent]) -> Result<HashMap<&'a [u8], u64>, LogError> {
        let mut found: HashMap<&[u8], u64> = HashMap::new();
        let keys: Vec<&[u8]> = events
            .iter()
            .filter_map(|event| event.author.as_ref())
            .map(|author| author.public_key.as_slice())
            .collect();
        let Some(stream) = self.streams.get_mut(id).filter(|_| !keys.is_empty()) else { return Ok(found) };
        let kept = stream.authors.as_ref();
        let missing = |key: &&[u8]| kept.is_none_or(|kept| kept.is_incomplete() && kept.get(key).is_none());
        let asked: HashSet<&[u8]> = keys.iter().copied().filter(missing).collect();
        if !asked.is_empty() {
            let mut seqs = LastSeqs::default();
            let read = each_entry(&mut self.store, id, (0, stream.tip.size()), false, |placed| {
                if let Some(author) = &placed.entry.author {
                    seqs.note(author, asked.contains(author.public_key.as_slice()));
                }
                Ok(())
            });
            if let Err(error) = read {
                return Err(self.failed(error));
            }
            stream.authors = Some(seqs);
        }
        if let Some(kept) = &stream.authors {
            found.extend(keys.into_iter().filter_map(|key| Some((key, kept.get(key)?))));
        }
        Ok(found)
    }
}

fn take_in(stream: &mut Stream, ready: Ready, want: Want) {
    for entry in &ready.noted {
        note_entry(&mut stream.recent, &mut stream.authors, entry);
    }
    stream.tip = ready.tip;
    if let (Some(recent), Some(last)) = (&mut stream.recent, stream.tip.size().checked_sub(1)) {
        recent.push(last, None);
    }
    if want == Want::Synced {
        stream.durable_through = stream.tip.size().checked_sub(1);
    }
}

/// A tier is never stored in clear, whatever entry 0 of a stored stream says.
fn only_public(tier: Tier) -> Result<(), LogError> {
    match tier {
        Tier::Public => Ok(()),
        tier => Err(LogError::Unsupported(format!("tier {}: payloads cannot be encrypted yet", tier.as_str()))),
    }
}

/// `author_seqs`: the last number in the stream of each key that signs one of `events`.
fn draft_events<'a>(
    draft: &mut Draft,
    stream: &Stream,
    events: &'a [NewEvent],
    outcomes: &[Outcome],
    salts: &[u8],
    mut author_seqs: HashMap<&'a [u8], u64>,
) -> Result<Vec<AppendResult>, LogError> {
    let mut results: Vec<AppendResult> = Vec::with_capacity(events.len());
    let stored = stored(events, outcomes, salts)?;
    let commitments = payload::commitments(&stored.iter().map(Option::as_deref).collect::<Vec<_>>());
    let stored = stored.into_iter().zip(commitments);
    for ((new, outcome), (stored, commitment)) in events.iter().zip(outcomes).zip(stored) {
        let result = match outcome {
            Outcome::Repeated(result) => *result,
            Outcome::RepeatsEvent(earlier) => results[*earlier],
            Outcome::New => {
                let reference = |(stored, hash)| payload::reference_to(new.encoding.clone(), stored, hash);
                let event = author::logged(new, stored.as_deref().zip(commitment).map(reference).transpose()?);
                if let Some(author) = &new.author {
                    let before = author_seqs.insert(&author.public_key, author.author_seq);
                    author::check(&stream.origin, author, &event, before)?;
                }
                let (seqno, entry_hash) = draft.push(event, new.author.clone(), stored)?;
                AppendResult { seqno, entry_hash }
            }
        };
        results.push(result);
    }
    Ok(results)
}

/// What the store keeps of each event that is new; no copy is made of more than one append may have.
fn stored(events: &[NewEvent], outcomes: &[Outcome], salts: &[u8]) -> Result<Vec<Option<Vec<u8>>>, LogError> {
    let is_new = |outcome: &Outcome| matches!(outcome, Outcome::New);
    let mut bytes = 0;
    for (new, _) in events.iter().zip(outcomes).filter(|(_, outcome)| is_new(outcome)) {
        let length = new.payload.as_ref().map_or(0, Vec::len);
        payload::check_length(length)?;
        bytes += length;
        check_bytes(bytes)?;
    }
    let salts = salts.as_chunks::<SALT_LEN>().0;
    let each = events.iter().zip(outcomes).zip(salts);
    Ok(each.map(|((new, outcome), salt)| if is_new(outcome) { author::stored(new, salt) } else { None }).collect())
}

fn check_events(events: &[NewEvent]) -> Result<(), LogError> {
    if events.len() > MAX_BATCH_EVENTS {
        return Err(LogError::Invalid(format!("{} events in one batch, at most {MAX_BATCH_EVENTS}", events.len())));
    }
    for event in events {
        if event.event_type.as_str().starts_with(RESERVED_PREFIX) {
            let why = format!("event type {} is reserved for the log itself", quote(event.event_type.as_str()));
            return Err(LogError::Invalid(why));
        }
        if event.payload.is_none() && (event.encoding.is_some() || event.salt.is_some()) {
            return Err(LogError::Invalid("an encoding or salt without a payload".into()));
        }
        let key = event.idempotency_key.as_ref().map(Vec::len);
        if key.is_some_and(|length| !(1..=MAX_IDEMPOTENCY_KEY).contains(&length)) {
            return Err(LogError::Invalid(format!("an idempotency key has 1 to {MAX_IDEMPOTENCY_KEY} bytes")));
        }
    }
    Ok(())
}

/// Free text of a caller that goes into an entry.
pub(super) fn check_text(what: &str, text: &str) -> Result<(), LogError> {
    if text.len() > MAX_TEXT {
        return Err(LogError::Invalid(format!("{what} has {} bytes, at most {MAX_TEXT}", text.len())));
    }
    Ok(())
}

fn other_event(key: &[u8]) -> LogError {
    let key = crate::types::hex(key);
    LogError::Invalid(format!("idempotency key {key} was used before with another event"))
}

/// Whether a repeated event is the one that was logged. An erased payload is compared by its length only:
/// its salt is gone with it.
fn same_event(new: &NewEvent, entry: &Entry, stored: Option<&[u8]>) -> bool {
    let event = &entry.event;
    let encoding = new.encoding.as_ref().map_or(DEFAULT_ENCODING, |encoding| encoding.as_str());
    let same_payload = match (&new.payload, &event.payload) {
        (None, None) => true,
        (Some(payload), Some(reference)) => {
            reference.encoding.as_str() == encoding
                && reference.length == payload.len() as u64
                && stored.is_none_or(|stored| stored.get(SALT_LEN..) == Some(payload.as_slice()))
        }
        _ => false,
    };
    same_payload
        && event.event_type == new.event_type
        && event.severity == new.severity
        && event.producer == new.producer
        && entry.author == new.author
}
