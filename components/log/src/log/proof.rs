//! Inclusion and consistency proofs: built from node rows, checked before they leave.

use super::stream::{StoredTiles, place, tampered};
use super::{ConsistencyProof, Environment, InclusionProof, Log};
use crate::encode::decode_entry;
use crate::error::{FindingKind, LogError};
use crate::merkle;
use crate::store::{RowKind, Store};
use crate::types::{Digest, StreamId};

impl<S: Store, E: Environment> Log<S, E> {
    /// Proof that entry `seqno` is in the tree of `tree_size` entries (absent: that of the last seal).
    /// One store call for the entry and at most two a height of the 256-ary tree.
    ///
    /// # Errors
    /// `EntryNotFound`, `SegmentNotFound` (nothing sealed and no size given), `Invalid`, `Tampered` when
    /// node rows and entries contradict each other, those of the store.
    pub fn build_inclusion_proof(
        &mut self,
        id: &StreamId,
        seqno: u64,
        tree_size: Option<u64>,
    ) -> Result<InclusionProof, LogError> {
        let (size, _) = self.reach(id, tree_size.map_or(seqno, |size| size.saturating_sub(1).max(seqno)))?;
        if seqno >= size {
            return Err(LogError::EntryNotFound);
        }
        let sealed = self.streams.get(id).map_or(0, |stream| stream.tip.sealed_size);
        let tree_size = match tree_size {
            Some(tree_size) if tree_size > size => {
                return Err(LogError::Invalid(format!("tree size {tree_size}: the stream has {size} entries")));
            }
            Some(tree_size) => tree_size,
            None if sealed == 0 => return Err(LogError::SegmentNotFound),
            None => sealed,
        };
        if seqno >= tree_size {
            return Err(LogError::Invalid(format!("entry {seqno} is not in the tree of {tree_size} entries")));
        }
        let Some(row) = self.guard(|store| store.get(RowKind::Entry, id, seqno))? else {
            return Err(tampered(id, seqno, FindingKind::EntryMissing, "the store does not give this entry"));
        };
        let entry_hash = place(row, id, seqno)?.hash;
        let tiles = &mut StoredTiles { store: &mut self.store, stream: id };
        let made = merkle::inclusion_path(seqno, tree_size, tiles)
            .and_then(|path| Ok((path, merkle::root(tree_size, tiles)?)));
        let (path, root) = made.map_err(|error| self.failed(error))?;
        if !merkle::verify_inclusion(&entry_hash, seqno, tree_size, &path, &root) {
            return Err(tampered(id, seqno, FindingKind::NodeWrong, "entry and node rows contradict each other"));
        }
        self.check_own_root(id, tree_size, &root)?;
        Ok(InclusionProof { stream_id: id.clone(), seqno, entry_hash, tree_size, root, path })
    }

    /// Proof that the tree of `old_size` entries is a prefix of that of `new_size`.
    /// At most six store calls a height of the 256-ary tree.
    ///
    /// # Errors
    /// `Invalid` unless `old_size` <= `new_size` <= the stream's size, `Tampered`, those of the store.
    pub fn build_consistency_proof(
        &mut self,
        id: &StreamId,
        old_size: u64,
        new_size: u64,
    ) -> Result<ConsistencyProof, LogError> {
        let (size, _) = self.reach(id, new_size.saturating_sub(1))?;
        if old_size > new_size || new_size > size {
            let why = format!("sizes {old_size} to {new_size}: the stream has {size} entries");
            return Err(LogError::Invalid(why));
        }
        let tiles = &mut StoredTiles { store: &mut self.store, stream: id };
        let made = merkle::consistency_path(old_size, new_size, tiles)
            .and_then(|path| Ok((path, merkle::root(old_size, tiles)?, merkle::root(new_size, tiles)?)));
        let (path, old_root, new_root) = made.map_err(|error| self.failed(error))?;
        if !merkle::verify_consistency(old_size, new_size, &path, &old_root, &new_root) {
            let why = "node rows contradict each other";
            return Err(tampered(id, new_size.saturating_sub(1), FindingKind::NodeWrong, why));
        }
        self.check_own_root(id, new_size, &new_root)?;
        Ok(ConsistencyProof { stream_id: id.clone(), old_size, new_size, old_root, new_root, path })
    }

    /// At the size this instance vouches for, the node rows must give its own root.
    fn check_own_root(&self, id: &StreamId, size: u64, root: &Digest) -> Result<(), LogError> {
        match self.streams.get(id) {
            Some(stream) if stream.tip.size() == size && stream.tip.frontier.root() != *root => {
                Err(tampered(id, size - 1, FindingKind::NodeWrong, "the node rows do not give the root of the entries"))
            }
            _ => Ok(()),
        }
    }
}

/// Pure: does `proof` show that the entry with these canonical bytes is in the tree with `expected_root`?
/// The root comes from a checkpoint, never from the proof.
///
/// # Errors
/// `Invalid` when `entry_body` is no canonical entry, `Unsupported`.
pub fn verify_inclusion_proof(
    entry_body: &[u8],
    proof: &InclusionProof,
    expected_root: &Digest,
) -> Result<bool, LogError> {
    let entry = decode_entry(entry_body)?;
    let hash = merkle::leaf_hash(entry_body);
    Ok(entry.stream_id == proof.stream_id
        && entry.seqno == proof.seqno
        && hash == proof.entry_hash
        && proof.root == *expected_root
        && merkle::verify_inclusion(&hash, proof.seqno, proof.tree_size, &proof.path, expected_root))
}

/// Pure: does `proof` show that the tree with `old_root` is a prefix of the one with `new_root`? Both roots
/// come from checkpoints.
pub fn verify_consistency_proof(proof: &ConsistencyProof, old_root: &Digest, new_root: &Digest) -> bool {
    proof.old_root == *old_root
        && proof.new_root == *new_root
        && merkle::verify_consistency(proof.old_size, proof.new_size, &proof.path, old_root, new_root)
}
