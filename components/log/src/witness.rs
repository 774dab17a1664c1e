//! A witness (c2sp.org/tlog-witness): cosigns what it saw of other logs, and never two histories of one. Both
//! halves, without HTTP: [`Witness`] decides about a request, [`submit()`] asks another's.
//!
//! Not here: transport, clock, files. A witness is as independent as the machine, the key and the people it runs
//! on; nothing here makes it so.
//!
//! # What a cosignature says
//! That at its time this was the largest tree of the log that this witness had seen, and that every tree it
//! cosigned before is a prefix of it. Hence the order: clock, state, proof, signature, and the row is durable before
//! the line leaves. Two requests at once race through the store's compare alone: the loser decides again. No time
//! leaves that is not in a row: a checkpoint that comes again gets the line it had, and after an hour a new row.
//!
//! The clock is trusted: a reading ahead of the truth stops the witness until the truth has caught up.
//!
//! # Answers (tlog-witness v1.1, checked in this order)
//! | status | when | body |
//! |---|---|---|
//! | 400 | no `add-checkpoint` body; not a checkpoint of three lines; old size above the checkpoint's | why |
//! | 404 | no configured log has this origin | why |
//! | 403 | no configured key of the origin signed, or a line of one fails | why |
//! | 409 | the old size is not that of the last cosigned checkpoint | that size, `text/x.tlog.size` |
//! | 422 | the proof does not lead from there to here: also one size with another root (409 in v1.0) | why |
//! | 503 | the store, the keystore or the clock fail; too many requests at once for this log | why |
//! | 200 | cosigned | one line |

mod evidence;
mod exchange;
mod request;
mod state;
mod submit;

use std::cmp::Ordering;
use std::fmt;

use crate::error::Invalid;
use crate::merkle;
use crate::note::{
    Checkpoint, Note, NoteError, SignatureLine, VerifiedCheckpoint, VerifierKey, cosignature_message, note_line,
};
use crate::policy::KnownLogs;
use crate::signer::{PublicKey, Signer, SignerError, sign_checked};
use crate::store::{Store, StoreError};
use crate::types::quote;

pub use evidence::{Evidence, Verdict, convict};
pub use exchange::{Exchange, ExchangeError};
pub use request::{ADD_CHECKPOINT, AddCheckpoint, MAX_PROOF, MAX_REQUEST, SIZE_TYPE};
pub use state::OriginHash;
use state::{Cosigned, Place};
pub use submit::{Next, Response, Submission, SubmitError, Unanswered, submit};

/// Lines of the log kept with a checkpoint, at most. The longest (RSA of 16,384 bits) has 3,000 bytes, so a note
/// with the witness's line stays below 26,000 and two of them fit in a row of 65,535.
const MAX_LOG_LINES: usize = 8;
/// Seconds for which a checkpoint that comes again gets the line it had: short enough for who asks how current the
/// largest tree is, and a stranger who repeats a public checkpoint makes at most 24 rows a day.
const FRESH: u64 = 3_600;
/// 9999-12-31T23:59:59Z in seconds since 1970 UTC, the last time that RFC 3339 can write. A clock beyond it is broken,
/// and no time after one that was cosigned may be earlier.
const LAST_TIME: u64 = 253_402_300_799;
/// Times a request is decided again after another one was faster.
const MAX_ATTEMPTS: usize = 16;

/// Why a checkpoint was not cosigned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The request itself.
    Malformed(String),
    /// No log of this origin is configured.
    UnknownOrigin(String),
    /// Not signed by a configured key of its origin, or a line of one fails.
    Untrusted(NoteError),
    /// The old size is not that of the last cosigned checkpoint, which is this.
    OldSize(u64),
    /// It does not continue what was cosigned.
    Inconsistent(String),
    /// Others were faster, again and again.
    Busy,
    /// The clock reads earlier than this witness's last cosignature, by so many seconds.
    Clock(u64),
    /// The clock reads this, in seconds since 1970, which is after the year 9999.
    Future(u64),
    /// The keystore; nothing was cosigned.
    Signer(SignerError),
    /// The store; the checkpoint may have become the last cosigned one, without a line.
    Store(StoreError),
}

impl Refusal {
    /// HTTP status.
    pub fn status(&self) -> u16 {
        match self {
            Refusal::Malformed(_) => 400,
            Refusal::Untrusted(_) => 403,
            Refusal::UnknownOrigin(_) => 404,
            Refusal::OldSize(_) => 409,
            Refusal::Inconsistent(_) => 422,
            Refusal::Busy | Refusal::Clock(_) | Refusal::Future(_) | Refusal::Signer(_) | Refusal::Store(_) => 503,
        }
    }

    /// Body of the answer, ended by a newline. What fails inside is told to the operator, not here.
    pub fn body(&self) -> String {
        match self {
            Refusal::OldSize(size) => request::size_body(*size),
            Refusal::Signer(_) => "the keystore does not sign\n".into(),
            Refusal::Store(_) => "the store fails\n".into(),
            told => format!("{told}\n"),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Malformed(why) | Refusal::Inconsistent(why) => f.write_str(why),
            Refusal::UnknownOrigin(origin) => write!(f, "no log of origin {} is known here", quote(origin)),
            Refusal::Untrusted(error) => error.fmt(f),
            Refusal::OldSize(size) => write!(f, "the last cosigned checkpoint has size {size}"),
            Refusal::Busy => f.write_str("too many requests at once for this log"),
            Refusal::Clock(behind) => write!(f, "the clock is {behind} s behind the last cosignature"),
            Refusal::Future(time) => {
                write!(f, "the clock reads {time} s, after the year 9999: cosigned, it would rule out every later time")
            }
            Refusal::Signer(error) => write!(f, "keystore: {error}"),
            Refusal::Store(error) => write!(f, "store: {error}"),
        }
    }
}

impl std::error::Error for Refusal {}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Refusal::Store(error)
    }
}

/// A witness: its key, and the logs it knows. Its state is in the store that each call is given.
pub struct Witness<K> {
    signer: K,
    key: PublicKey,
    vkey: VerifierKey,
    logs: KnownLogs,
}

impl<K: Signer> Witness<K> {
    /// The witness of this name.
    ///
    /// # Errors
    /// `Backend`: a name that is no key name, a key that is not ed25519, or one that signs for a configured log:
    /// a log does not vouch for itself.
    pub fn new(name: &str, signer: K, logs: KnownLogs) -> Result<Witness<K>, SignerError> {
        let backend = |error: Invalid| SignerError::Backend(error.0);
        let key = PublicKey::of_signer(&signer)?;
        let vkey = VerifierKey::for_witness(name, key.clone()).map_err(backend)?;
        if let Some(log) = logs.iter().find(|log| *log.key().public_key() == key) {
            return Err(backend(Invalid(format!("the witness's own key signs for log {}", log.name()))));
        }
        Ok(Witness { signer, key, vkey, logs })
    }

    /// What others pin.
    pub fn vkey(&self) -> &VerifierKey {
        &self.vkey
    }

    /// Cosigns the checkpoint in `body`, or says why not. `clock` tells seconds since 1970 UTC. What is cosigned is
    /// durable before this returns; evidence of a fork is kept whatever the answer.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn add_checkpoint(
        &self,
        store: &mut impl Store,
        mut clock: impl FnMut() -> u64,
        body: &[u8],
    ) -> Result<SignatureLine, Refusal> {
        let request = AddCheckpoint::parse(body).map_err(|error| Refusal::Malformed(error.0))?;
        let (note, checkpoint) = self.signed_by_its_log(&request)?;
        if request.old_size > checkpoint.size {
            let why = format!("old size {} is above the checkpoint's {}", request.old_size, checkpoint.size);
            return Err(Refusal::Malformed(why));
        }
        let hash = OriginHash::of(&checkpoint.origin);
        let mut place = Place { store, hash: &hash, witness: &self.vkey };
        let mut behind = None;
        for _ in 0..MAX_ATTEMPTS {
            // Before the state: at this time nothing larger than what is read next had been seen.
            let time = clock();
            let latest = place.latest()?;
            self.judge(&mut place, &request, &note, &checkpoint, latest.as_ref())?;
            if time > LAST_TIME {
                return Err(Refusal::Future(time));
            }
            let last_time = latest.as_ref().map_or(1, |latest| latest.time);
            behind = (time < last_time).then(|| last_time - time);
            if behind.is_some() {
                continue;
            }
            if let Some(same) = latest.as_ref().filter(|latest| latest.checkpoint == checkpoint)
                && time - same.time < FRESH
            {
                return Ok(same.line.clone());
            }
            let line = self.cosign(time, note.text())?;
            let mut lines = note.signatures().to_vec();
            lines.push(line.clone());
            let cosigned = Note::new(note.text(), lines).map_err(|error| Refusal::Malformed(error.to_string()))?;
            match place.advance(latest.as_ref(), &cosigned) {
                Ok(()) => {}
                Err(StoreError::Conflict) => continue,
                Err(error) => return Err(error.into()),
            }
            // A crash from here on loses a line, not the promise: the log asks again, gets it, and is compared then.
            compare_with_doubt(&mut place, &cosigned, checkpoint.size)?;
            return Ok(line);
        }
        Err(behind.map_or(Refusal::Busy, Refusal::Clock))
    }

    /// The last cosigned checkpoint with the lines of log and witness (tlog-witness, monitor retrieval); `None`: none.
    ///
    /// # Errors
    /// Those of the store; `Corrupt` when what it gives was not cosigned here.
    pub fn checkpoint(&self, store: &mut impl Store, hash: &OriginHash) -> Result<Option<Note>, StoreError> {
        let mut place = Place { store, hash, witness: &self.vkey };
        Ok(place.latest()?.map(|latest| latest.note))
    }

    /// Evidence against a log, oldest first: what convicts it, then what leaves it owing a proof. Of the latter the
    /// newest 256 are looked at, and those that were explained since left out.
    ///
    /// # Errors
    /// Those of the store.
    pub fn evidence(&self, store: &mut impl Store, hash: &OriginHash) -> Result<Vec<Evidence>, StoreError> {
        let mut place = Place { store, hash, witness: &self.vkey };
        let mut all = place.forks()?;
        all.extend(place.doubts()?);
        Ok(all)
    }

    /// The note without lines of strangers, and what it says.
    fn signed_by_its_log(&self, request: &AddCheckpoint) -> Result<(Note, Checkpoint), Refusal> {
        let malformed = |error: NoteError| Refusal::Malformed(error.to_string());
        let checkpoint = Checkpoint::parse(request.note.text()).map_err(malformed)?;
        let keys = self.logs.keys_of(&checkpoint.origin);
        if keys.is_empty() {
            return Err(Refusal::UnknownOrigin(checkpoint.origin));
        }
        VerifiedCheckpoint::open(&request.note, &checkpoint.origin, &keys).map_err(Refusal::Untrusted)?;
        // Every line of a known key verified, or the note would not have opened.
        let known =
            |line: &&SignatureLine| keys.iter().any(|key| key.name() == line.name() && key.key_id() == line.key_id());
        let lines = request.note.signatures().iter().filter(known).take(MAX_LOG_LINES).cloned().collect();
        Ok((Note::new(request.note.text(), lines).map_err(malformed)?, checkpoint))
    }

    /// Whether the checkpoint continues `latest`. Two trees of one size are kept as evidence, whatever else is wrong
    /// with the request; a larger one without a proof is kept as a doubt. A bounded number of look-ups for each.
    fn judge(
        &self,
        place: &mut Place<'_, impl Store>,
        request: &AddCheckpoint,
        note: &Note,
        checkpoint: &Checkpoint,
        latest: Option<&Cosigned>,
    ) -> Result<(), Refusal> {
        let size = checkpoint.size;
        if let Some(latest) = latest {
            match size.cmp(&latest.checkpoint.size) {
                Ordering::Equal => accuse(place, &latest.note, note)?,
                Ordering::Less => {
                    if let Some(known) = place.of_size(size, latest)? {
                        accuse(place, &known.note, note)?;
                    }
                }
                Ordering::Greater => {}
            }
        }
        compare_with_doubt(place, note, size)?;
        let (old, old_root) = match latest {
            Some(latest) => (latest.checkpoint.size, latest.checkpoint.root),
            None => (0, merkle::empty_root()),
        };
        if request.old_size != old {
            return Err(Refusal::OldSize(old));
        }
        if merkle::verify_consistency(old, size, &request.proof, &old_root, &checkpoint.root) {
            return Ok(());
        }
        if let Some(latest) = latest.filter(|latest| latest.checkpoint.size < size) {
            if let Some(earlier) = place.keep_doubt(&pair(&latest.note, note)?)? {
                accuse(place, &earlier.notes()[1], note)?;
            }
            // Another request may have had this size cosigned, and looked for a doubt, before this one was kept.
            if let Some(now) = place.latest()?
                && let Some(known) = place.of_size(size, &now)?
            {
                accuse(place, &known.note, note)?;
            }
        }
        Err(Refusal::Inconsistent(match old == size {
            true if old_root == checkpoint.root => "a proof from a size to itself is empty".into(),
            true => format!("the tree of size {size} has another root"),
            false => format!("the proof does not lead from size {old} to this root of size {size}"),
        }))
    }

    /// The line that says: seen at `time`, in seconds (tlog-cosignature, cosignature/v1).
    fn cosign(&self, time: u64, text: &str) -> Result<SignatureLine, Refusal> {
        let signature = sign_checked(&self.signer, &self.key, &cosignature_message(time, text));
        let signature = signature.map_err(Refusal::Signer)?;
        Ok(note_line(&self.vkey, &[&time.to_be_bytes()[..], &signature].concat()))
    }
}

/// A checkpoint refused earlier may turn out to be the other half of a fork.
fn compare_with_doubt(place: &mut Place<'_, impl Store>, note: &Note, size: u64) -> Result<(), Refusal> {
    match place.doubt(size)? {
        Some(doubt) => accuse(place, &doubt.notes()[1], note),
        None => Ok(()),
    }
}

/// Keeps the two, which have one size, unless they say the same.
fn accuse(place: &mut Place<'_, impl Store>, first: &Note, second: &Note) -> Result<(), Refusal> {
    let evidence = pair(first, second)?;
    match evidence.is_fork() {
        true => Ok(place.keep_fork(&evidence)?),
        false => Ok(()),
    }
}

fn pair(first: &Note, second: &Note) -> Result<Evidence, Refusal> {
    let corrupt = |error: NoteError| Refusal::Store(StoreError::Corrupt(error.to_string()));
    Evidence::new(first.clone(), second.clone()).map_err(corrupt)
}
