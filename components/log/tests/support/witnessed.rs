//! A log in memory, its forks, a witness of it, and our client before that witness.

#![allow(dead_code)]

use secure_log::error::Invalid;
use secure_log::merkle::{consistency_path, leaf_hash, root};
use secure_log::note::{Checkpoint, Note, SignatureLine, VerifierKey, note_line};
use secure_log::policy::KnownLogs;
use secure_log::signer::Algorithm;
use secure_log::store::{MemStore, Store};
use secure_log::types::Digest;
use secure_log::witness::{
    AddCheckpoint, OriginHash, Refusal, Response, Submission, SubmitError, Unanswered, Witness, submit,
};

use crate::support::{FixedKey, ORIGIN, Rows, WITNESS};

pub const NOW: u64 = 1_767_225_660;

/// A log of one stream in memory, with a key; clones with other entries are its forks.
#[derive(Clone)]
pub struct Tree(pub Vec<String>);

impl Tree {
    pub fn of(size: usize) -> Tree {
        Tree((0..size).map(|i| format!("entry {i}")).collect())
    }
    /// The same up to `common`, another history from there to `size`.
    pub fn forked(&self, common: usize, size: usize) -> Tree {
        let mut entries = self.0[..common].to_vec();
        entries.extend((common..size).map(|i| format!("other {i}")));
        Tree(entries)
    }
    pub fn rows(&self) -> Rows {
        let mut rows = Rows::new();
        self.0.iter().for_each(|entry| rows.push(leaf_hash(entry.as_bytes())));
        rows
    }
    pub fn root(&self, size: u64) -> Digest {
        root(size, &mut self.rows()).unwrap()
    }
    pub fn note_by(&self, key: &FixedKey, size: u64) -> Note {
        let text = Checkpoint { origin: ORIGIN.into(), size, root: self.root(size) }.to_text();
        let line = note_line(&key.vkey(ORIGIN), &key.sign_note(text.as_bytes()));
        Note::new(&text, vec![line]).unwrap()
    }
    pub fn note(&self, size: u64) -> Note {
        self.note_by(&FixedKey::log(Algorithm::Ed25519), size)
    }
    pub fn proof(&self, old: u64, new: u64) -> Vec<Digest> {
        consistency_path(old, new, &mut self.rows()).unwrap()
    }
    pub fn request(&self, old_size: u64, size: u64) -> Vec<u8> {
        body(&AddCheckpoint { old_size, proof: self.proof(old_size, size), note: self.note(size) })
    }
}

pub fn body(request: &AddCheckpoint) -> Vec<u8> {
    request.to_string().into_bytes()
}

pub fn log_key() -> VerifierKey {
    FixedKey::log(Algorithm::Ed25519).vkey(ORIGIN)
}

pub fn witness() -> Witness<FixedKey> {
    let logs = KnownLogs::parse(&format!("log {}\nquorum none\n", log_key())).unwrap();
    Witness::new(WITNESS, FixedKey::witness(), logs).unwrap()
}

pub fn store() -> MemStore {
    let mut store = MemStore::new();
    store.init("memory").unwrap();
    store
}

pub fn ask(store: &mut impl Store, request: &[u8]) -> Result<Note, Refusal> {
    let line = witness().add_checkpoint(store, || NOW, request)?;
    let asked = AddCheckpoint::parse(request).unwrap();
    assert!(witness().vkey().verify(asked.note.text(), line.signature()), "a line that does not verify was released");
    Ok(Note::new(asked.note.text(), vec![line]).unwrap())
}

pub fn status(store: &mut impl Store, request: &[u8]) -> u16 {
    ask(store, request).map_or_else(|refusal| refusal.status(), |_| 200)
}

pub fn hash() -> OriginHash {
    OriginHash::of(ORIGIN)
}

/// The witness as [`submit()`] sees it through any transport.
pub fn exchange(store: &mut impl Store, request: &[u8]) -> Response {
    let text = |kind: &str| Some(kind.to_owned());
    match witness().add_checkpoint(store, || NOW, request) {
        Ok(line) => Response { status: 200, content_type: text("text/plain"), body: format!("{line}\n").into() },
        Err(refusal) => {
            let kind = if refusal.status() == 409 { "text/x.tlog.size" } else { "text/plain" };
            Response { status: refusal.status(), content_type: text(kind), body: refusal.body().into() }
        }
    }
}

pub fn submission(tree: &Tree, size: u64, known: u64) -> Submission {
    Submission::new(&tree.note(size).to_string(), vec![witness().vkey().clone()], known).unwrap()
}

pub type Outcome = Result<usize, Unanswered>;

/// Submits; how many requests that took, and what came of it.
pub fn carry(tree: &Tree, size: u64, known: u64, mut answer: impl FnMut(&[u8]) -> Response) -> (usize, Outcome) {
    let mut asked = 0;
    let lines = submit(
        submission(tree, size, known),
        |old, new| Ok::<_, Invalid>(tree.proof(old, new)),
        |request| {
            asked += 1;
            Ok(answer(request))
        },
    );
    let outcome = lines.map(|lines| {
        let good = |line: &SignatureLine| witness().vkey().verify(tree.note(size).text(), line.signature());
        assert!(lines.iter().all(good));
        lines.len()
    });
    let outcome = outcome.map_err(|error| match error {
        SubmitError::Witness(why) => why,
        SubmitError::Caller(error) => panic!("{error}"),
    });
    (asked, outcome)
}
