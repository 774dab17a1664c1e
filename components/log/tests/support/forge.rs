//! A stream written by hand: every row right but for what the test puts into it, whatever the log would refuse.

#![allow(dead_code)]

use secure_log::encode::{encode_entry, encode_uint};
use secure_log::merkle::leaf_hash;
use secure_log::note::{Checkpoint, Note, note_line};
use secure_log::store::{Row, RowKind, Store as _, Want};
use secure_log::types::{Detail, Digest, Entry, Seal, Tier};

use crate::support::{FixedKey, ORIGIN, Rows};
use crate::world::{Shared, stream};

pub struct Forge {
    rows: Vec<Row>,
    tree: Rows,
    /// Seqno of each seal, and the hash of the last checkpoint.
    seals: Vec<u64>,
    checkpoint: Option<Digest>,
}

impl Forge {
    /// A stream of one entry.
    pub fn new() -> Forge {
        let mut forge = Forge { rows: Vec::new(), tree: Rows::new(), seals: Vec::new(), checkpoint: None };
        let created = Detail::StreamCreated { origin: ORIGIN.into(), tier: Tier::Public, description: None };
        forge.push_at(|_, _| created);
        forge
    }

    /// Adds the system entry that `make` writes for its seqno and link.
    pub fn push_at(&mut self, make: impl FnOnce(u64, Digest) -> Detail) -> u64 {
        let seqno = self.tree.frontier.size();
        let prev = self.tree.heights[0].last().copied().unwrap_or(Digest::ZERO);
        let entry = Entry {
            stream_id: stream(),
            seqno,
            prev_entry_hash: prev,
            timestamp: 1_767_225_600_000_000 + seqno,
            clock: None,
            session_id: [1; 16],
            boot_id: [0; 16],
            event: make(seqno, prev).into_event(),
            author: None,
        };
        let body = encode_entry(&entry).unwrap();
        self.row(RowKind::Entry, seqno, body.clone());
        let before = self.tree.heights.iter().map(Vec::len).collect::<Vec<_>>();
        self.tree.push(leaf_hash(&body));
        for (height, known) in before.into_iter().enumerate().skip(1) {
            for index in known..self.tree.heights[height].len() {
                let hash = self.tree.heights[height][index].0.to_vec();
                self.row(RowKind::node(height as u8).unwrap(), index as u64, hash);
            }
        }
        seqno
    }

    /// Seals, unsigned; the seqno of the seal.
    pub fn seal(&mut self) -> u64 {
        let seal = Seal {
            segment: self.seals.len() as u64,
            first_seqno: self.seals.last().map_or(0, |seal| seal + 1),
            last_seqno: self.tree.frontier.size(),
            prev_checkpoint_hash: self.checkpoint,
            policy_hash: None,
            graph_digest: None,
        };
        let segment = seal.segment;
        let seqno = self.push_at(|_, _| Detail::SegmentSealed(seal));
        self.row(RowKind::Segment, segment, encode_uint(seqno));
        self.seals.push(seqno);
        self.checkpoint = Some(self.last_checkpoint().hash());
        seqno
    }

    /// Seals, and signs with this key; the seqno of the seal.
    pub fn seal_signed(&mut self, key: &FixedKey) -> u64 {
        let seqno = self.seal();
        let text = self.last_checkpoint().to_text();
        let line = note_line(&key.vkey(ORIGIN), &key.sign_note(text.as_bytes()));
        let note = Note::new(&text, vec![line]).unwrap().to_string();
        self.row(RowKind::Checkpoint, self.seals.len() as u64 - 1, note.into_bytes());
        seqno
    }

    fn last_checkpoint(&self) -> Checkpoint {
        let frontier = &self.tree.frontier;
        Checkpoint { origin: ORIGIN.into(), size: frontier.size(), root: frontier.root() }
    }

    fn row(&mut self, kind: RowKind, index: u64, body: Vec<u8>) {
        self.rows.push(Row { kind, stream_id: stream(), index, body, payload: None });
    }

    /// A storage that holds the rows so far.
    pub fn store(&self) -> Shared {
        let mut store = Shared::default();
        store.init("memory").unwrap();
        store.append(&self.rows, Want::Synced).unwrap();
        store
    }
}
