//! A store that lies never gets a wrong signature, never makes the log panic, and never makes it work without end; and
//! each of its lies is either named or harmless.
//!
//! Every lie of `support/evil.rs` begins at a random moment of random histories. An honest twin is asked the same at
//! the same time: up to its first answer that differs, a lie was harmless; that answer must be an error or a finding, or
//! be one of the few differences that nobody can tell from an honest store. `evil_store.outcomes` is the whole table,
//! compared exactly; `BLESS=1` rewrites it, and the diff is what to read (half of the lies are told now and then, drawn
//! anew at every store call: one call more or less in the log draws other outcomes of these). After that answer the log
//! goes on over the lying store, and signs what it can get signed.
//!
//! What every signature is held against, at the moment it is made ([`Trial::check_signatures`]):
//! 1. it is over a checkpoint whose root is that of entries which link to one another from entry 0 on;
//! 2. it agrees with every earlier one: one root a size, the smaller history a prefix of the larger;
//! 3. it covers every entry below its size whose append was acknowledged since this instance last lost its memory
//!    (was opened, or was left without an answer);
//! 4. if it never did since the lie began, the log itself wrote every one of these entries.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::path::Path;
use std::rc::Rc;

use crate::evil::{Evil, Lie, OTHER};
use crate::support::{FixedKey, LOG_NAME, STREAM, WITNESS};
use crate::world::{MemHeads, config, event};
use chacha20::ChaCha20Rng;
use chacha20::rand_core::{Rng as _, SeedableRng as _};
use secure_log::encode::decode_entry;
use secure_log::error::LogError;
use secure_log::log::{Environment, Log};
use secure_log::merkle::Frontier;
use secure_log::note::{Checkpoint, VerifierKey, cosignature_message, note_line};
use secure_log::policy::Policy;
use secure_log::signer::{Algorithm, Signer, SignerError};
use secure_log::store::{MemStore, RowKind, Store, Want};
use secure_log::types::{Digest, NewEvent, StreamId};
use secure_log::verify::{Signers, Trust};

/// Histories of each lie, and calls of each.
const SEEDS: u64 = 12;
const STEPS: usize = 40;
/// Entries of the first stream when the random part begins; in every fourth history so many that a node row exists, though a
/// quarter of them repeat a key
const FIRST: [usize; 4] = [400, 3, 6, 9];

/// Store calls of one call of the log, at most: some for each row there is, for a store may give them one by one and an
/// append is tried 16 times, and some for the call itself.
fn most_calls(rows: u64) -> u64 {
    600 + 12 * rows
}

/// Clock and randomness that depend on the step alone, so that twins write the same entries however often they try.
#[derive(Clone, Default)]
struct Steps(Rc<Cell<u64>>);

impl Environment for Steps {
    fn now(&mut self) -> u64 {
        1_767_225_600_000_000 + self.0.get()
    }
    fn random(&mut self, bytes: &mut [u8]) -> Result<(), String> {
        for (place, byte) in bytes.iter_mut().enumerate() {
            *byte =
                (self.0.get().wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(place as u32) >> 7) as u8 ^ place as u8;
        }
        Ok(())
    }
    fn pause(&mut self, _attempt: u32) {}
}

/// Remembers everything it was made to sign.
struct Recording {
    key: FixedKey,
    signed: Rc<RefCell<Vec<Vec<u8>>>>,
}

impl Signer for Recording {
    fn algorithm(&self) -> Algorithm {
        self.key.algorithm()
    }
    fn public_key(&self) -> Vec<u8> {
        self.key.public_key()
    }
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignerError> {
        self.signed.borrow_mut().push(message.to_vec());
        self.key.sign(message)
    }
}

#[derive(Clone, Debug)]
enum Op {
    Append(StreamId, Vec<NewEvent>, Want),
    Sync(StreamId),
    Head(StreamId),
    List,
    Read(StreamId, u64),
    ReadSince(StreamId, u64, u32),
    VerifyChain(StreamId, u64, u64),
    Seal(StreamId),
    Sign(StreamId, u64),
    ReadSegment(StreamId, u64),
    ListSegments(StreamId),
    ReadCheckpoint(StreamId, Option<u64>),
    Cosign(StreamId, u64),
    Include(StreamId, u64),
    Consist(StreamId, u64, u64),
    Erase(StreamId, u64, u64),
    Verify(StreamId),
    Reopen,
}

impl Op {
    fn name(&self) -> String {
        let text = format!("{self:?}");
        text.split('(').next().unwrap().to_owned()
    }
}

/// What the honest twin has, by stream.
#[derive(Clone, Default)]
struct Model {
    size: u64,
    /// Size at each seal.
    seals: Vec<u64>,
    signed: u64,
}

/// One log over one store.
struct Bench<S> {
    store: S,
    heads: MemHeads,
    clock: Steps,
    log: Log<S, Steps>,
    key: Recording,
    /// What `append` said was done.
    acknowledged: Vec<(StreamId, u64, Digest)>,
}

impl<S: Store + Clone> Bench<S> {
    fn new(store: S) -> Bench<S> {
        let (heads, clock) = (MemHeads::default(), Steps::default());
        let log = Log::new(store.clone(), clock.clone(), Some(Box::new(heads.clone())), config());
        let key = Recording { key: FixedKey::log(Algorithm::Ed25519), signed: Rc::default() };
        let mut bench = Bench { store, heads, clock, log, key, acknowledged: Vec::new() };
        bench.log.open(":memory:").unwrap();
        bench
    }

    fn reopen(&mut self) -> Result<(), LogError> {
        let heads = Some(Box::new(self.heads.clone()) as _);
        self.log = Log::new(self.store.clone(), self.clock.clone(), heads, config());
        self.log.open(":memory:")
    }

    fn run(&mut self, step: usize, op: &Op) -> Result<String, LogError> {
        self.clock.0.set(step as u64);
        let log = &mut self.log;
        match op {
            Op::Append(id, events, want) => {
                let batch = log.append_batch(id, events, *want)?;
                self.acknowledged
                    .extend(batch.results.iter().map(|result| (id.clone(), result.seqno, result.entry_hash)));
                Ok(format!("{:?}", batch.results))
            }
            Op::Sync(id) => told(log.sync(id)),
            Op::Head(id) => told(log.head(id).map(|head| (head.size, head.last_entry_hash, head.root))),
            Op::List => told(log.list_streams(None, 100)),
            Op::Read(id, seqno) => told(log.read(id, *seqno)),
            Op::ReadSince(id, start, limit) => {
                let mut read = log.read_since(id, *start, *limit)?;
                // A page may be shorter than asked for: the caller goes on.
                while let Some(last) = read.last().filter(|_| read.len() < *limit as usize) {
                    let next = log.read_since(id, last.entry.seqno + 1, *limit - read.len() as u32)?;
                    if next.is_empty() {
                        break;
                    }
                    read.extend(next);
                }
                Ok(format!("{read:?}"))
            }
            Op::VerifyChain(id, first, last) => told(log.verify_chain(id, *first, *last)),
            Op::Seal(id) => told(log.close_segment(id)),
            Op::Sign(id, number) => told(log.sign_segment(&self.key, id, *number)),
            Op::ReadSegment(id, number) => told(log.read_segment(id, *number)),
            Op::ListSegments(id) => told(log.list_segments(id, 0, 100)),
            Op::ReadCheckpoint(id, size) => told(log.read_checkpoint(id, *size)),
            Op::Cosign(id, number) => {
                let line = cosignature(log, id)?;
                told(log.add_cosignature(id, *number, &[line], &[witness().to_string()]))
            }
            Op::Include(id, seqno) => told(log.build_inclusion_proof(id, *seqno, None)),
            Op::Consist(id, old, new) => told(log.build_consistency_proof(id, *old, *new)),
            Op::Erase(id, first, last) => told(log.erase_payload(id, *first, *last, "request")),
            Op::Verify(id) => {
                let report = log.verify(id, &trust(id))?;
                match &report.finding {
                    Some(finding) => Err(LogError::Tampered(finding.clone())),
                    None => Ok(format!("{report:?}")),
                }
            }
            Op::Reopen => told(self.reopen()),
        }
    }
}

fn told<T: Debug>(result: Result<T, LogError>) -> Result<String, LogError> {
    result.map(|value| format!("{value:?}"))
}

fn witness() -> VerifierKey {
    VerifierKey::for_witness(WITNESS, FixedKey::witness().public()).unwrap()
}

/// A witness's line for the newest checkpoint.
fn cosignature<S: Store>(log: &mut Log<S, Steps>, id: &StreamId) -> Result<String, LogError> {
    let text: String = log.read_checkpoint(id, None)?.split_inclusive('\n').take(3).collect();
    let signature = FixedKey::witness().sign_note(&cosignature_message(9, &text));
    Ok(note_line(&witness(), &[&9u64.to_be_bytes()[..], &signature].concat()).to_string())
}

fn origin(id: &StreamId) -> String {
    format!("{LOG_NAME}/{id}")
}

/// The log's key and a witness, pinned.
fn trust(id: &StreamId) -> Trust {
    let log = FixedKey::log(Algorithm::Ed25519).vkey(&origin(id));
    let policy = format!("log {log}\nwitness w {}\nquorum w\n", witness());
    Trust { signers: Signers::Policy(Policy::parse(&policy).unwrap()), authors: Vec::new(), require_author: false }
}

/// The case of an error, for the table.
fn name(error: &LogError) -> String {
    match error {
        LogError::Tampered(finding) | LogError::Rollback(finding) => finding.kind.as_str().to_owned(),
        LogError::Store(error) => format!("store: {}", error.to_string().split(':').next().unwrap()),
        LogError::Invalid(_) => "invalid".to_owned(),
        LogError::Untrusted(_) => "untrusted".to_owned(),
        LogError::Unsupported(_) => "unsupported".to_owned(),
        other => other.to_string(),
    }
}

/// What the signatures made so far say of one stream.
#[derive(Default)]
struct Sworn {
    /// Hashes of the longest signed history.
    chain: Vec<Digest>,
    roots: BTreeMap<u64, Digest>,
}

/// The lying log and what must hold for it.
struct Trial {
    evil: Bench<Evil>,
    sworn: BTreeMap<String, Sworn>,
    checked: usize,
    /// The instance lost its memory since the lie began.
    forgot: bool,
    what: String,
}

impl Trial {
    fn run(&mut self, step: usize, op: &Op) -> Result<String, LogError> {
        let rows = {
            let state = &mut *self.evil.store.0.borrow_mut();
            (state.calls, state.given) = (0, 0);
            let kinds = RowKind::ALL.into_iter();
            kinds.flat_map(|kind| streams().map(|id| state.rows.rows_mut(kind, &id).len() as u64)).sum::<u64>()
        };
        if matches!(op, Op::Reopen) {
            self.forget();
        }
        let answer = self.evil.run(step, op);
        self.check_signatures();
        let (calls, given) = {
            let state = self.evil.store.0.borrow();
            (state.calls, state.given)
        };
        assert!(calls <= most_calls(rows), "{}: {op:?}: {calls} store calls over {rows} rows", self.what);
        assert!(given <= 20 * most_calls(rows), "{}: {op:?}: {given} rows over {rows}", self.what);
        if let Err(LogError::Store(_)) = answer {
            self.forget();
            // After a failed write only this helps; after anything else it says that the log is open.
            let _ = self.evil.log.open(":memory:");
        }
        answer
    }

    fn forget(&mut self) {
        self.forgot = true;
        self.evil.acknowledged.clear();
    }

    /// Judges what was signed since the last time.
    fn check_signatures(&mut self) {
        let messages: Vec<Vec<u8>> = self.evil.key.signed.borrow()[self.checked..].to_vec();
        self.checked += messages.len();
        for message in messages {
            let checkpoint = Checkpoint::parse(std::str::from_utf8(&message).unwrap()).unwrap();
            let chain = self.chain_of(&checkpoint);
            let id = checkpoint.origin.strip_prefix(&format!("{LOG_NAME}/")).unwrap();
            for (stream, seqno, hash) in &self.evil.acknowledged {
                if stream.as_str() == id && *seqno < checkpoint.size {
                    assert_eq!(chain[*seqno as usize], *hash, "{}: entry {seqno} was acknowledged", self.what);
                }
            }
            let sworn = self.sworn.entry(checkpoint.origin.clone()).or_default();
            let before = sworn.roots.insert(checkpoint.size, checkpoint.root);
            assert!(before.is_none_or(|root| root == checkpoint.root), "{}: two roots at one size", self.what);
            let common = chain.len().min(sworn.chain.len());
            assert!(chain[..common] == sworn.chain[..common], "{}: a second history was signed", self.what);
            if chain.len() > sworn.chain.len() {
                sworn.chain = chain;
            }
        }
    }

    /// The hashes of the entries that this checkpoint is over.
    fn chain_of(&self, checkpoint: &Checkpoint) -> Vec<Digest> {
        let state = self.evil.store.0.borrow();
        let bodies = |hash: &Digest| match state.written.get(hash) {
            None if self.forgot => state.told.get(hash),
            body => body,
        };
        let last = state.written.keys().chain(state.told.keys()).filter(|hash| {
            let entry = bodies(hash).and_then(|body| decode_entry(body).ok());
            entry.is_some_and(|entry| {
                entry.seqno + 1 == checkpoint.size && checkpoint.origin == origin(&entry.stream_id)
            })
        });
        for last in last {
            let (mut chain, mut next) = (Vec::new(), *last);
            while let Some(entry) = bodies(&next).and_then(|body| decode_entry(body).ok()) {
                chain.push(next);
                next = entry.prev_entry_hash;
            }
            chain.reverse();
            let mut frontier = Frontier::new();
            chain.iter().for_each(|hash| frontier.push(*hash, |_, _, _| {}));
            if chain.len() as u64 == checkpoint.size && frontier.root() == checkpoint.root {
                return chain;
            }
        }
        panic!("{}: signed over no history that the log wrote: {checkpoint:?}", self.what);
    }
}

fn streams() -> [StreamId; 2] {
    [STREAM, OTHER].map(|id| StreamId::try_from(id).unwrap())
}

/// Draws calls that an honest log would answer, most of them well.
struct Asker {
    rng: ChaCha20Rng,
    models: BTreeMap<StreamId, Model>,
    events: u64,
}

impl Asker {
    fn below(&mut self, bound: u64) -> u64 {
        self.rng.next_u64() % bound.max(1)
    }

    fn append(&mut self, id: StreamId, count: usize) -> Op {
        let mut events = Vec::new();
        for _ in 0..count {
            self.events += 1;
            let key = (self.below(4) == 0).then(|| self.below(6).to_be_bytes().to_vec());
            let payload = key.as_ref().map_or_else(|| format!("event {}", self.events), |key| format!("keyed {key:?}"));
            events.push(NewEvent { idempotency_key: key, ..event(&payload) });
        }
        let want = if self.below(2) == 0 { Want::Synced } else { Want::Written };
        Op::Append(id, events, want)
    }

    fn next(&mut self) -> Op {
        let id = streams()[usize::from(self.below(4) == 0)].clone();
        let model = self.models.entry(id.clone()).or_default().clone();
        let seqno = self.below(model.size);
        let later = seqno + self.below(model.size - seqno);
        let segment = self.below(model.seals.len() as u64);
        match self.below(26) {
            0..5 => {
                let count = self.below(5) as usize + 1;
                self.append(id, count)
            }
            5 => Op::Sync(id),
            6 => Op::Head(id),
            7 => Op::List,
            8 => Op::Read(id, seqno),
            9 => Op::ReadSince(id, seqno, 20),
            10 => Op::VerifyChain(id, seqno, later),
            11..13 => Op::Seal(id),
            13..16 => Op::Sign(id, model.signed),
            16 => Op::ReadSegment(id, segment),
            17 => Op::ListSegments(id),
            18 => {
                Op::ReadCheckpoint(id, model.seals.get(segment as usize).copied().filter(|_| seqno.is_multiple_of(2)))
            }
            19 if model.signed > 0 => Op::Cosign(id, model.signed - 1),
            20 => Op::Include(id, seqno),
            21 => Op::Consist(id, seqno, later),
            22 => Op::Erase(id, seqno, later.min(seqno + 5)),
            23 => Op::Reopen,
            _ => Op::Verify(id),
        }
    }

    /// Takes note of what the honest twin did.
    fn learn(&mut self, twin: &mut Bench<Honest>, op: &Op, worked: bool) {
        let id = match op {
            Op::Append(id, ..) | Op::Erase(id, ..) | Op::Seal(id) | Op::Sign(id, _) => id,
            _ => return,
        };
        let size = twin.log.head(id).map_or(0, |head| head.size);
        let model = self.models.entry(id.clone()).or_default();
        model.size = size;
        match op {
            Op::Seal(_) if worked => model.seals.push(size),
            Op::Sign(..) if worked => model.signed += 1,
            _ => {}
        }
    }
}

/// A store as it should be; as many handles as clones.
type Honest = Evil;

/// How the first answer that differs differs.
fn outcome(op: &Op, evil: &Result<String, LogError>, honest: &Result<String, LogError>) -> String {
    match (evil, honest) {
        (Err(error), _) => name(error),
        (Ok(_), Ok(_)) => format!("differs: {}", op.name()),
        (Ok(_), Err(error)) => format!("differs: {} is not {}", op.name(), name(error)),
    }
}

/// One history with one lie. The name of its outcome.
fn try_lie(lie: Lie, what: &str, seed: u64) -> String {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let mut asker = Asker { rng: ChaCha20Rng::from_seed(bytes), models: BTreeMap::new(), events: 0 };
    let mut twin = Bench::new(Honest::default());
    let mut trial = Trial {
        evil: Bench::new(Evil::default()),
        sworn: BTreeMap::new(),
        checked: 0,
        forgot: false,
        what: format!("{what}, seed {seed}"),
    };
    let [first, second] = streams();
    let mut ops = vec![
        asker.append(first.clone(), FIRST[seed as usize % FIRST.len()]),
        Op::Seal(first.clone()),
        Op::Sign(first.clone(), 0),
        asker.append(second, 5),
        asker.append(first, 3),
    ];
    ops.reverse();
    let begins = 5 + asker.below(STEPS as u64 / 2) as usize;
    let mut seen = None;
    for step in 0..STEPS {
        let op = ops.pop().unwrap_or_else(|| asker.next());
        if step == begins {
            let seed = asker.rng.next_u64();
            trial.evil.store.lie(lie, seed.is_multiple_of(2), seed);
        }
        let (evil, honest) = (trial.run(step, &op), twin.run(step, &op));
        asker.learn(&mut twin, &op, honest.is_ok());
        if evil != honest {
            assert!(step >= begins, "{}: {op:?}: twins differ before the lie: {evil:?} {honest:?}", trial.what);
            seen = Some(outcome(&op, &evil, &honest));
            break;
        }
    }
    // What was no error so far is told by a verdict, or by nothing.
    if seen.as_ref().is_none_or(|seen| seen.starts_with("differs")) {
        let verdicts = streams().map(Op::Verify).map(|op| (trial.run(STEPS, &op), twin.run(STEPS, &op), op));
        let told = verdicts.iter().find(|(evil, honest, _)| evil != honest);
        let told = told.map(|(evil, honest, op)| outcome(op, evil, honest));
        seen = match (seen, told) {
            (Some(seen), told) => Some(format!("{seen}, then {}", told.unwrap_or_else(|| "harmless".to_owned()))),
            (None, told) => told,
        };
    }
    aftermath(&mut trial, &mut asker);
    if lie.keeps_truth() {
        whole(&trial);
    }
    seen.unwrap_or_else(|| "harmless".to_owned())
}

/// Somebody who does not stop at an error: appends, seals and signs whatever can be.
fn aftermath(trial: &mut Trial, asker: &mut Asker) {
    for round in 0..3 {
        for id in streams() {
            let append = asker.append(id.clone(), 2);
            let step = 1000 + 100 * round;
            let _ = trial.run(step, &append);
            let _ = trial.run(step + 10, &Op::Seal(id.clone()));
            let signed = asker.models.get(&id).map_or(0, |model| model.signed);
            for number in signed.saturating_sub(1)..signed + 3 {
                let _ = trial.run(step + 20 + number as usize, &Op::Sign(id.clone(), number));
            }
            let _ = trial.run(step + 50, &Op::Verify(id.clone()));
            let _ = trial.run(step + 60, &Op::List);
        }
        let _ = trial.run(1000 + 100 * round + 70, &Op::Reopen);
    }
}

/// What the store kept gives an auditor no finding: no lie made the log write anything wrong.
fn whole(trial: &Trial) {
    let store: MemStore = trial.evil.store.0.borrow().rows.clone();
    let mut log = Log::new(store, Steps::default(), Some(Box::new(trial.evil.heads.clone())), config());
    log.open(":memory:").unwrap();
    for id in streams() {
        let report = log.verify(&id, &trust(&id)).unwrap();
        assert_eq!(report.finding, None, "{}", trial.what);
    }
}

/// A line for each lie: its outcomes over these histories.
fn outcomes(lies: &[(Lie, &str)], seeds: std::ops::Range<u64>) -> String {
    let line = |(lie, what): &(Lie, &str)| {
        let seen: BTreeSet<String> = seeds.clone().map(|seed| try_lie(*lie, what, seed)).collect();
        format!("{what}: {}\n", seen.into_iter().collect::<Vec<_>>().join("; "))
    };
    lies.iter().map(line).collect()
}

/// [`outcomes`] of all lies, two at a time.
fn table(seeds: std::ops::Range<u64>) -> String {
    let half = Lie::ALL.len().div_ceil(2);
    std::thread::scope(|scope| {
        let halves: Vec<_> = Lie::ALL.chunks(half).map(|lies| scope.spawn(|| outcomes(lies, seeds.clone()))).collect();
        halves.into_iter().map(|half| half.join().unwrap()).collect()
    })
}

#[test]
fn no_lie_gets_a_wrong_signature_a_panic_or_endless_work_and_each_is_named_or_harmless() {
    let table = table(0..SEEDS);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/evil_store.outcomes");
    if std::env::var_os("BLESS").is_some_and(|bless| bless == "1") {
        std::fs::write(&path, &table).unwrap();
    }
    let accepted = std::fs::read_to_string(&path).unwrap_or_default();
    for (accepted, seen) in accepted.lines().zip(table.lines()) {
        assert_eq!(accepted, seen, "what becomes of a lie changed");
    }
    assert_eq!(accepted.lines().count(), Lie::ALL.len());
}

#[test]
fn many_more_histories_get_no_wrong_signature_either() {
    if std::env::var_os("SECURE_LOG_SLOW").is_some() {
        table(SEEDS..SEEDS * 20);
    }
}
