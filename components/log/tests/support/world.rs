//! What the tests of the log run on: a clock and randomness that repeat, a store whose calls are counted
//! and whose rows can be changed behind the log's back, heads in memory.

#![allow(dead_code)]

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use secure_log::log::{Config, Environment, Heads, Log, RememberedHead};
use secure_log::policy::Policy;
use secure_log::signer::Algorithm;
use secure_log::store::{MemStore, Row, RowKind, Store, StoreError, Want};
use secure_log::types::{LogName, Name, NewEvent, Severity, StreamId};
use secure_log::verify::{Signers, Trust};

use crate::support::{FixedKey, LOG_NAME, ORIGIN, STREAM};

/// A clock that the test sets, and a counter for randomness.
#[derive(Clone, Default)]
pub struct World {
    pub now: Rc<RefCell<u64>>,
    pub random: Rc<RefCell<u64>>,
    pub pauses: Rc<RefCell<Vec<u32>>>,
}

impl Environment for World {
    fn now(&mut self) -> u64 {
        let mut now = self.now.borrow_mut();
        *now += 1;
        1_767_225_600_000_000 + *now
    }
    fn random(&mut self, bytes: &mut [u8]) -> Result<(), String> {
        for chunk in bytes.chunks_mut(8) {
            *self.random.borrow_mut() += 1;
            let number = self.random.borrow().wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes();
            chunk.copy_from_slice(&number[..chunk.len()]);
        }
        Ok(())
    }
    fn pause(&mut self, attempt: u32) {
        self.pauses.borrow_mut().push(attempt);
    }
}

/// Calls a store answered, and the rows in its answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub append: u64,
    pub get: u64,
    pub last: u64,
    pub scan: u64,
    pub erase: u64,
    pub streams: u64,
    pub rows_read: u64,
    pub synced: u64,
}

impl Counts {
    pub fn calls(&self) -> u64 {
        self.append + self.get + self.last + self.scan + self.erase + self.streams
    }
}

pub type Meanwhile = Option<Box<dyn FnOnce()>>;

/// One storage, as many handles as clones; what goes wrong next is the test's choice.
#[derive(Clone, Default)]
pub struct Shared {
    pub store: Rc<RefCell<MemStore>>,
    pub counts: Rc<RefCell<Counts>>,
    pub fail_append: Rc<RefCell<Option<(StoreError, bool)>>>,
    pub fail_erase: Rc<RefCell<Option<StoreError>>>,
    /// Appends another writer makes just before the next append of this one.
    pub race: Rc<RefCell<Vec<Vec<Row>>>>,
    /// What happens before the next scan of entries answers.
    pub before_scan: Rc<RefCell<Meanwhile>>,
    /// What happens before the call of that number from here on.
    pub meanwhile: Rc<RefCell<(u64, Meanwhile)>>,
    /// Whether a scan answers with one row, whatever is asked for.
    pub sparing: Rc<Cell<bool>>,
    /// What the storage is after the next append.
    pub then: Rc<RefCell<Option<MemStore>>>,
}

impl Shared {
    pub fn counts(&self) -> Counts {
        std::mem::take(&mut self.counts.borrow_mut())
    }

    pub fn rows<T>(&self, kind: RowKind, change: impl FnOnce(&mut Vec<Row>) -> T) -> T {
        change(self.store.borrow_mut().rows_mut(kind, &stream()))
    }

    pub fn deep_clone(&self) -> Shared {
        let copy = Shared::default();
        *copy.store.borrow_mut() = self.store.borrow().clone();
        copy
    }

    fn happens(&self) {
        let due = {
            let (left, meanwhile) = &mut *self.meanwhile.borrow_mut();
            let due = meanwhile.take_if(|_| *left == 0);
            *left = left.saturating_sub(1);
            due
        };
        due.into_iter().for_each(|happens| happens());
    }

    fn count(&self, add: impl FnOnce(&mut Counts)) {
        add(&mut self.counts.borrow_mut());
    }
}

impl Store for Shared {
    fn init(&mut self, config: &str) -> Result<(), StoreError> {
        self.store.borrow_mut().init(config)
    }
    fn append(&mut self, rows: &[Row], want: Want) -> Result<(), StoreError> {
        self.happens();
        self.count(|counts| {
            counts.append += 1;
            counts.synced += u64::from(want == Want::Synced);
        });
        if let Some(rows) = self.race.borrow_mut().pop() {
            self.store.borrow_mut().append(&rows, Want::Synced).unwrap();
        }
        match self.fail_append.borrow_mut().take() {
            Some((error, false)) => return Err(error),
            Some((error, true)) => {
                self.store.borrow_mut().append(rows, want)?;
                return Err(error);
            }
            None => {}
        }
        let done = self.store.borrow_mut().append(rows, want);
        if let Some(then) = self.then.borrow_mut().take() {
            *self.store.borrow_mut() = then;
        }
        done
    }
    fn get(&mut self, kind: RowKind, stream: &StreamId, index: u64) -> Result<Option<Row>, StoreError> {
        self.happens();
        let row = self.store.borrow_mut().get(kind, stream, index)?;
        self.count(|counts| {
            counts.get += 1;
            counts.rows_read += u64::from(row.is_some());
        });
        Ok(row)
    }
    fn last(&mut self, kind: RowKind, stream: &StreamId) -> Result<Option<Row>, StoreError> {
        self.happens();
        let row = self.store.borrow_mut().last(kind, stream)?;
        self.count(|counts| {
            counts.last += 1;
            counts.rows_read += u64::from(row.is_some());
        });
        Ok(row)
    }
    fn scan(
        &mut self,
        kind: RowKind,
        stream: &StreamId,
        start: u64,
        limit: u32,
        with_payload: bool,
    ) -> Result<Vec<Row>, StoreError> {
        self.happens();
        let meanwhile = self.before_scan.borrow_mut().take_if(|_| kind == RowKind::Entry);
        meanwhile.into_iter().for_each(|happens| happens());
        let limit = if self.sparing.get() { limit.min(1) } else { limit };
        let rows = self.store.borrow_mut().scan(kind, stream, start, limit, with_payload)?;
        self.count(|counts| {
            counts.scan += 1;
            counts.rows_read += rows.len() as u64;
        });
        Ok(rows)
    }
    fn streams(&mut self, after: Option<&StreamId>, limit: u32) -> Result<Vec<StreamId>, StoreError> {
        self.happens();
        self.count(|counts| counts.streams += 1);
        self.store.borrow_mut().streams(after, limit)
    }
    fn erase(&mut self, kind: RowKind, stream: &StreamId, index: u64) -> Result<(), StoreError> {
        self.count(|counts| counts.erase += 1);
        match self.fail_erase.borrow_mut().take() {
            Some(error) => Err(error),
            None => self.store.borrow_mut().erase(kind, stream, index),
        }
    }
}

/// Heads that outlive a log instance.
#[derive(Clone, Default)]
pub struct MemHeads(pub Rc<RefCell<BTreeMap<String, RememberedHead>>>);

impl Heads for MemHeads {
    fn latest(&mut self, origin: &str) -> Result<Option<RememberedHead>, StoreError> {
        Ok(self.0.borrow().get(origin).cloned())
    }
    fn record(
        &mut self,
        origin: &str,
        compared: Option<&RememberedHead>,
        head: &RememberedHead,
    ) -> Result<(), StoreError> {
        let mut heads = self.0.borrow_mut();
        match heads.get(origin) {
            Some(known) if (known.size, known.root) == (head.size, head.root) => Ok(()),
            known if known == compared => {
                heads.insert(origin.to_owned(), head.clone());
                Ok(())
            }
            _ => Err(StoreError::Conflict),
        }
    }
}

/// Runs `run` over a copy of `base` again and again, each time with `act`, what another writer does, before one more
/// of the store's calls, until all have had their turn; `run` gets its number.
pub fn at_every_call(
    (store, heads): &(Shared, MemHeads),
    act: fn(&Shared, &MemHeads),
    run: impl Fn(&Shared, &MemHeads, u64),
) {
    for call in 0.. {
        let (store, heads) = (store.deep_clone(), MemHeads(Rc::new(RefCell::new(heads.0.borrow().clone()))));
        let (theirs, their_heads) = (store.clone(), heads.clone());
        *store.meanwhile.borrow_mut() = (call, Some(Box::new(move || act(&theirs, &their_heads))));
        run(&store, &heads, call);
        if store.meanwhile.borrow_mut().1.take().is_some() {
            return;
        }
    }
}

pub type TestLog = Log<Shared, World>;

pub fn stream() -> StreamId {
    StreamId::try_from(STREAM).unwrap()
}

pub fn config() -> Config {
    Config { name: Some(LogName::try_from(LOG_NAME).unwrap()), ..Config::default() }
}

/// An open log of the usual name over this storage.
pub fn log(store: &Shared) -> TestLog {
    opened(store, None, config())
}

pub fn log_with_heads(store: &Shared, heads: &MemHeads) -> TestLog {
    opened(store, Some(heads), config())
}

pub fn opened(store: &Shared, heads: Option<&MemHeads>, config: Config) -> TestLog {
    let heads = heads.map(|heads| Box::new(heads.clone()) as Box<dyn Heads>);
    let mut log = Log::new(store.clone(), World::default(), heads, config);
    log.open(":memory:").unwrap();
    log
}

pub fn event(payload: &str) -> NewEvent {
    NewEvent {
        event_type: Name::parse("event type", "payment.captured").unwrap(),
        severity: Severity::Informational,
        producer: Name::parse("producer", "till-7").unwrap(),
        payload: Some(payload.as_bytes().to_vec()),
        encoding: Some(Name::parse("encoding", "text/plain").unwrap()),
        salt: None,
        idempotency_key: None,
        author: None,
    }
}

pub fn events(count: usize) -> Vec<NewEvent> {
    (0..count).map(|number| event(&format!("event {number}"))).collect()
}

/// Appends that many events in batches of at most 1,000.
pub fn fill(log: &mut TestLog, count: usize) {
    let mut left = count;
    while left > 0 {
        let batch = left.min(1000);
        log.append_batch(&stream(), &events(batch), Want::Written).unwrap();
        left -= batch;
    }
}

/// Trust in the fixed key of this algorithm, pinned by policy.
pub fn pinned(algorithm: Algorithm) -> Trust {
    let policy = format!("log {}\nquorum none\n", FixedKey::log(algorithm).vkey(ORIGIN));
    Trust { signers: Signers::Policy(Policy::parse(&policy).unwrap()), authors: Vec::new(), require_author: false }
}
