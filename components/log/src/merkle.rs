//! The tree over a stream's entries: RFC 6962 / RFC 9162 hashes, roots and proofs, and the 256-ary node
//! rows that make them cheap.
//!
//! Not here: where hashes are stored ([`Tiles`] is asked for them and is not trusted), what a root means
//! (`note`, `verify`). Everything is iterative and correct up to 2^63-1 leaves.
//!
//! ```text
//! leaf  = SHA-256(0x00 || entry)            node = SHA-256(0x01 || left || right)
//! MTH({}) = SHA-256("")                     MTH({d}) = leaf(d)
//! MTH(D[n]) = node(MTH(D[0:k]), MTH(D[k:n])), k the largest power of two smaller than n
//! ```
//!
//! A *level* counts binary steps above the leaves, a *height* steps of 256: row i of height h is the
//! complete subtree of level 8h at index i, that is of the leaves `[i*256^h, (i+1)*256^h)`.

use sha2::{Digest as _, Sha256};

use crate::sha256;
use crate::types::Digest;

/// What is hashed before an entry.
const LEAF: u8 = 0;
/// What is hashed before two subtrees.
const NODE: u8 = 1;
/// Levels under which a [`Frontier`] waits for neighbours.
const GROUP_LEVEL: u32 = 5;
/// Leaves that are combined together: a power of two that divides [`TILE`].
const GROUP: u64 = 1 << GROUP_LEVEL;
/// Levels between two heights: 256 = 2^8.
pub(crate) const LEVELS: u32 = 8;
/// Hashes in a full tile.
pub(crate) const TILE: u64 = 1 << LEVELS;
/// Greatest height with rows of its own: 256^7 = 2^56 leaves, and 2^63-1 leaves hold 127 such subtrees.
pub(crate) const MAX_HEIGHT: u32 = 7;

/// The hash of an entry, link of the chain and leaf of the tree: `SHA-256(0x00 || entry)` (RFC 9162 section 2.1.1).
pub fn leaf_hash(entry: &[u8]) -> Digest {
    sha256::one(LEAF, entry)
}

/// [`leaf_hash`] of each, in their order; of a page of entries twice as fast in wasm.
pub fn leaf_hashes(entries: &[&[u8]]) -> Vec<Digest> {
    sha256::each(LEAF, entries)
}

/// The hash of two subtrees: `SHA-256(0x01 || left || right)` (RFC 9162 section 2.1.1).
pub fn node_hash(left: &Digest, right: &Digest) -> Digest {
    sha256::one(NODE, &joined(left, right))
}

/// The root of the tree without leaves: `SHA-256("")`.
pub fn empty_root() -> Digest {
    Digest(Sha256::digest([]).into())
}

/// A source of hashes. Not trusted: a wrong hash makes a wrong root or proof, which verifies nowhere.
pub trait Tiles {
    /// Why a tile cannot be had; an answer shorter than asked is such an error, and the implementer's to return.
    type Error;

    /// The `width` (1 to 256) hashes from `index * 256` on at `height`: 0 for leaf hashes, 1 to 7 for
    /// the bodies of the rows `node1` to `node7`. Only hashes of complete subtrees within the size that
    /// the caller named are asked for.
    fn tile(&mut self, height: u8, index: u64, width: u16) -> Result<Vec<Digest>, Self::Error>;
}

/// The right edge of a tree: what is needed to append to it and to compute its root.
///
/// `stack` holds the roots of the complete subtrees that all whole groups of 32 leaves decompose into, largest first:
/// one for each bit set in `size / 32`, at most 58. The leaves behind them, at most 31, wait in `leaves` until their
/// group is whole: side by side, nodes cost less than half in wasm.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Frontier {
    size: u64,
    stack: Vec<Digest>,
    leaves: Vec<Digest>,
}

impl Frontier {
    /// Of the empty tree.
    pub fn new() -> Frontier {
        Frontier::default()
    }

    /// Leaves in the tree.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The tree's root; [`empty_root`] without leaves. At most 88 node hashes, 62 levels and 26 below a group.
    pub fn root(&self) -> Digest {
        let mut rest = self.leaves.as_slice();
        let groups = std::iter::from_fn(|| {
            let (before, smallest) = rest.split_at_checked(rest.len() & rest.len().checked_sub(1)?)?;
            rest = before;
            Some(combined(smallest.to_vec()))
        });
        fold_edge(groups.chain(self.stack.iter().rev().copied()))
    }

    /// Appends a leaf. `on_node(height, index, hash)` is called for each node row that this leaf
    /// completes, from height 1 up to at most 7: rows to be stored in the same append as the entry.
    pub fn push(&mut self, leaf: Digest, mut on_node: impl FnMut(u8, u64, Digest)) {
        let index = self.size;
        self.leaves.push(leaf);
        self.size += 1;
        if !self.size.is_multiple_of(GROUP) {
            return;
        }
        let mut hash = combined(self.leaves.clone());
        self.leaves.clear();
        let mut level = GROUP_LEVEL;
        while index >> level & 1 == 1 {
            let Some(left) = self.stack.pop() else { break };
            hash = node_hash(&left, &hash);
            level += 1;
            if level.is_multiple_of(LEVELS) && level / LEVELS <= MAX_HEIGHT {
                on_node((level / LEVELS) as u8, index >> level, hash);
            }
        }
        self.stack.push(hash);
    }

    /// The frontier of the first `size` leaves, at most one tile read per height.
    ///
    /// # Errors
    /// Those of `tiles`. The result is as true as the hashes it was made of: compare its root.
    pub fn load<T: Tiles>(size: u64, tiles: &mut T) -> Result<Frontier, T::Error> {
        let mut reader = Reader::new(size, tiles);
        let whole = size - size % GROUP;
        let leaves = (whole..size).map(|leaf| reader.subtree(0, leaf)).collect::<Result<_, _>>()?;
        let mut stack = reader.edge(0, whole)?;
        stack.reverse();
        Ok(Frontier { size, stack, leaves })
    }
}

/// The root of the first `size` leaves, at most one tile read per height.
///
/// # Errors
/// Those of `tiles`.
pub fn root<T: Tiles>(size: u64, tiles: &mut T) -> Result<Digest, T::Error> {
    Ok(Frontier::load(size, tiles)?.root())
}

/// The inclusion proof of leaf `seqno` in the tree of the first `size` leaves (RFC 9162 section 2.1.3.1),
/// from the leaf upwards; at most two tile reads per height. Empty unless `seqno < size`: only
/// [`verify_inclusion`] decides.
///
/// # Errors
/// Those of `tiles`.
pub fn inclusion_path<T: Tiles>(seqno: u64, size: u64, tiles: &mut T) -> Result<Vec<Digest>, T::Error> {
    if seqno >= size {
        return Ok(Vec::new());
    }
    Reader::new(size, tiles).path(0, seqno)
}

/// The proof that the tree of the first `old` leaves is a prefix of that of the first `new` (RFC 9162
/// section 2.1.4.1); at most two tile reads per height. Empty unless `0 < old < new`.
///
/// It is the greatest complete subtree that ends at `old` (left out when that is the whole old tree, whose
/// root the verifier has) and then the inclusion proof of that subtree in the new tree.
///
/// # Errors
/// Those of `tiles`.
pub fn consistency_path<T: Tiles>(old: u64, new: u64, tiles: &mut T) -> Result<Vec<Digest>, T::Error> {
    if old == 0 || old >= new {
        return Ok(Vec::new());
    }
    let level = old.trailing_zeros();
    let index = (old - 1) >> level;
    let mut reader = Reader::new(new, tiles);
    let mut path = Vec::new();
    if index > 0 {
        path.push(reader.subtree(level, index)?);
    }
    path.extend(reader.path(level, index)?);
    Ok(path)
}

/// Whether `path` proves that `leaf` is leaf `seqno` of the tree of `size` leaves and root `root`
/// (RFC 9162 section 2.1.3.2). The path has exactly the length that index and size demand.
///
/// `size` and `root` belong together: take both from one checkpoint. With a root of another size, a proof
/// can hold for every size in which the leaf has the same neighbours.
pub fn verify_inclusion(leaf: &Digest, seqno: u64, size: u64, path: &[Digest], root: &Digest) -> bool {
    if seqno >= size {
        return false;
    }
    let (mut index, mut last) = (seqno, size - 1);
    let mut hash = *leaf;
    for sibling in path {
        if last == 0 {
            return false;
        }
        if index & 1 == 1 || index == last {
            hash = node_hash(sibling, &hash);
            skip_promoted(&mut index, &mut last);
        } else {
            hash = node_hash(&hash, sibling);
        }
        index >>= 1;
        last >>= 1;
    }
    last == 0 && hash == *root
}

/// Whether `path` proves that the tree `(old, old_root)` is a prefix of the tree `(new, new_root)`
/// (RFC 9162 section 2.1.4.2). Each size and its root come from one checkpoint.
///
/// The cases outside of the RFC, both with an empty path: equal sizes need equal roots, and every tree
/// continues the empty one, whose root is [`empty_root`]. `old > new` is false.
pub fn verify_consistency(old: u64, new: u64, path: &[Digest], old_root: &Digest, new_root: &Digest) -> bool {
    if old == 0 && *old_root != empty_root() {
        return false;
    }
    if old == new {
        return path.is_empty() && old_root == new_root;
    }
    if old == 0 {
        return path.is_empty();
    }
    if old > new {
        return false;
    }
    let level = old.trailing_zeros();
    let (mut index, mut last) = ((old - 1) >> level, (new - 1) >> level);
    let (start, rest) = match path.split_first() {
        _ if index == 0 => (old_root, path),
        Some(split) => split,
        None => return false,
    };
    let (mut old_hash, mut new_hash) = (*start, *start);
    for sibling in rest {
        if last == 0 {
            return false;
        }
        if index & 1 == 1 || index == last {
            old_hash = node_hash(sibling, &old_hash);
            new_hash = node_hash(sibling, &new_hash);
            skip_promoted(&mut index, &mut last);
        } else {
            new_hash = node_hash(&new_hash, sibling);
        }
        index >>= 1;
        last >>= 1;
    }
    last == 0 && old_hash == *old_root && new_hash == *new_root
}

/// Climbs the levels on which the last node has no sibling and is promoted as it is.
fn skip_promoted(index: &mut u64, last: &mut u64) {
    while *index & 1 == 0 && *index != 0 {
        *index >>= 1;
        *last >>= 1;
    }
}

/// The root of these subtrees, neighbours of one level whose number is a power of two; zeros without any.
fn combined(mut row: Vec<Digest>) -> Digest {
    while row.len() > 1 {
        let pairs: Vec<[u8; 64]> = row.as_chunks().0.iter().map(|[left, right]| joined(left, right)).collect();
        row = sha256::each(NODE, &pairs.iter().map(<[u8; 64]>::as_slice).collect::<Vec<_>>());
    }
    row.first().copied().unwrap_or(Digest::ZERO)
}

fn joined(left: &Digest, right: &Digest) -> [u8; 64] {
    let mut both = [0; 64];
    both[..32].copy_from_slice(&left.0);
    both[32..].copy_from_slice(&right.0);
    both
}

/// Folds subtree roots, smallest (rightmost) first, into the root of the tree they make up.
fn fold_edge(smallest_first: impl Iterator<Item = Digest>) -> Digest {
    smallest_first.reduce(|right, left| node_hash(&left, &right)).unwrap_or_else(empty_root)
}

/// A tile once read: height, index, hashes.
type Cached = (u32, u64, Vec<Digest>);

/// Reads subtree hashes of a tree of `size` leaves; a tile is read once, whole.
///
/// At each height a proof touches the tile of its own path and the tile of the right edge, so `cache`
/// holds at most 16 tiles of 256 hashes (128 KiB).
struct Reader<'a, T> {
    size: u64,
    tiles: &'a mut T,
    cache: Vec<Cached>,
}

impl<'a, T: Tiles> Reader<'a, T> {
    fn new(size: u64, tiles: &'a mut T) -> Self {
        Reader { size, tiles, cache: Vec::new() }
    }

    /// Siblings on the way from the node `(level, index)` up to the root.
    fn path(&mut self, mut level: u32, mut index: u64) -> Result<Vec<Digest>, T::Error> {
        let mut path = Vec::new();
        let mut last = (self.size - 1) >> level;
        while last > 0 {
            if index & 1 == 1 {
                path.push(self.subtree(level, index - 1)?);
            } else if index + 1 < last {
                path.push(self.subtree(level, index + 1)?);
            } else if index + 1 == last {
                path.push(fold_edge(self.edge(last << level, self.size)?.into_iter()));
            }
            level += 1;
            index >>= 1;
            last >>= 1;
        }
        Ok(path)
    }

    /// Roots of the complete subtrees that make up the leaves from `start` to `end`, smallest (rightmost)
    /// first. `start` is a multiple of a power of two not smaller than the number of those leaves.
    fn edge(&mut self, start: u64, mut end: u64) -> Result<Vec<Digest>, T::Error> {
        let mut left = end - start;
        let mut roots = Vec::new();
        while left > 0 {
            let level = left.trailing_zeros();
            roots.push(self.subtree(level, (end - 1) >> level)?);
            left -= 1 << level;
            end -= 1 << level;
        }
        Ok(roots)
    }

    /// Hash of the complete subtree of 2^`level` leaves at `index`: at most 128 hashes of one tile, combined.
    fn subtree(&mut self, level: u32, index: u64) -> Result<Digest, T::Error> {
        let height = (level / LEVELS).min(MAX_HEIGHT);
        let above = level - height * LEVELS;
        let first = index << above;
        let tile = self.tile(height, first / TILE)?;
        let start = (first % TILE) as usize;
        Ok(combined(tile.get(start..start + (1 << above)).unwrap_or(&[]).to_vec()))
    }

    fn tile(&mut self, height: u32, index: u64) -> Result<&[Digest], T::Error> {
        let known = self.cache.iter().position(|(h, i, _)| (*h, *i) == (height, index));
        let place = match known {
            Some(place) => place,
            None => {
                let rows = self.size >> (height * LEVELS);
                let width = rows.saturating_sub(index * TILE).min(TILE) as u16;
                let hashes = self.tiles.tile(height as u8, index, width)?;
                self.cache.push((height, index, hashes));
                self.cache.len() - 1
            }
        };
        Ok(&self.cache[place].2)
    }
}

#[cfg(test)]
mod tests;
