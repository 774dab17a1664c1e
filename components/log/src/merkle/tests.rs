#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::HashMap;
use std::convert::Infallible;
use std::ops::Range;

use ct_merkle::mem_backed_tree::MemoryBackedTree;
use ct_merkle::{ConsistencyProof, InclusionProof, RootHash};

use super::*;

/// Leaf hashes and node rows as a store would hold them; notes every tile asked for.
struct Rows {
    heights: Vec<Vec<Digest>>,
    reads: Vec<(u8, u64, u16)>,
}

impl Rows {
    fn of(leaves: &[Digest]) -> Rows {
        let mut heights = vec![Vec::new(); 8];
        let mut frontier = Frontier::new();
        for leaf in leaves {
            heights[0].push(*leaf);
            frontier.push(*leaf, |height, index, hash| {
                let rows = &mut heights[usize::from(height)];
                assert_eq!(index, rows.len() as u64, "rows of height {height} are dense");
                rows.push(hash);
            });
        }
        Rows { heights, reads: Vec::new() }
    }

    /// The tiles read since the last call; none twice, at most two of a height.
    fn take_reads(&mut self) -> usize {
        let reads = std::mem::take(&mut self.reads);
        for (place, (height, index, _)) in reads.iter().enumerate() {
            assert!(!reads[..place].iter().any(|(h, i, _)| (h, i) == (height, index)), "a tile was read twice");
            assert!(reads.iter().filter(|(h, _, _)| h == height).count() <= 2, "three tiles of height {height}");
        }
        reads.len()
    }
}

impl Tiles for Rows {
    type Error = Infallible;
    fn tile(&mut self, height: u8, index: u64, width: u16) -> Result<Vec<Digest>, Infallible> {
        assert!((1..=256).contains(&width));
        self.reads.push((height, index, width));
        let start = index as usize * 256;
        Ok(self.heights[usize::from(height)][start..start + usize::from(width)].to_vec())
    }
}

/// Every leaf is the same, so a tree of any size has one hash per level.
struct Uniform([Digest; 64]);

impl Uniform {
    fn new() -> Uniform {
        let mut levels = [leaf_hash(b"same"); 64];
        for level in 1..64 {
            levels[level] = node_hash(&levels[level - 1], &levels[level - 1]);
        }
        Uniform(levels)
    }

    /// RFC 9162 section 2.1.1, word for word.
    fn mth(&self, size: u64) -> Digest {
        if size.is_power_of_two() {
            return self.0[size.trailing_zeros() as usize];
        }
        let k = split(size);
        node_hash(&self.mth(k), &self.mth(size - k))
    }
}

impl Tiles for Uniform {
    type Error = Infallible;
    fn tile(&mut self, height: u8, _: u64, width: u16) -> Result<Vec<Digest>, Infallible> {
        Ok(vec![self.0[usize::from(height) * 8]; usize::from(width)])
    }
}

/// The largest power of two smaller than `size`.
fn split(size: u64) -> u64 {
    1 << (63 - (size - 1).leading_zeros())
}

fn leaves(count: usize) -> Vec<Digest> {
    (0..count).map(|i| leaf_hash(i.to_string().as_bytes())).collect()
}

/// The definitions of RFC 9162 section 2.1, word for word, over the ranges of one list of leaves.
struct Rfc {
    leaves: Vec<Digest>,
    known: HashMap<Range<usize>, Digest>,
}

impl Rfc {
    fn of(count: usize) -> Rfc {
        Rfc { leaves: leaves(count), known: HashMap::new() }
    }

    /// Section 2.1.1.
    fn mth(&mut self, range: Range<usize>) -> Digest {
        if let Some(known) = self.known.get(&range) {
            return *known;
        }
        let hash = match range.len() {
            0 => empty_root(),
            1 => self.leaves[range.start],
            length => {
                let middle = range.start + split(length as u64) as usize;
                node_hash(&self.mth(range.start..middle), &self.mth(middle..range.end))
            }
        };
        self.known.insert(range, hash);
        hash
    }

    /// Section 2.1.3.1; `m` counts from the range's start.
    fn path(&mut self, m: usize, range: Range<usize>) -> Vec<Digest> {
        if range.len() <= 1 {
            return Vec::new();
        }
        let k = split(range.len() as u64) as usize;
        let (left, right) = (range.start..range.start + k, range.start + k..range.end);
        let (mut path, sibling) =
            if m < k { (self.path(m, left), self.mth(right)) } else { (self.path(m - k, right), self.mth(left)) };
        path.push(sibling);
        path
    }

    /// Section 2.1.4.1.
    fn subproof(&mut self, m: usize, range: Range<usize>, whole: bool) -> Vec<Digest> {
        if m == range.len() {
            return if whole { Vec::new() } else { vec![self.mth(range)] };
        }
        let k = split(range.len() as u64) as usize;
        let (left, right) = (range.start..range.start + k, range.start + k..range.end);
        let (mut path, sibling) = if m <= k {
            (self.subproof(m, left, whole), self.mth(right))
        } else {
            (self.subproof(m - k, right, false), self.mth(left))
        };
        path.push(sibling);
        path
    }
}

/// On which side the siblings of leaf `m` of `size` stand, from the leaf upwards; true: left.
fn sides(m: usize, size: usize) -> Vec<bool> {
    if size == 1 {
        return Vec::new();
    }
    let k = split(size as u64) as usize;
    let mut sides = if m < k { sides(m, k) } else { sides(m - k, size - k) };
    sides.push(m >= k);
    sides
}

fn flip(digest: &Digest, byte: usize) -> Digest {
    let mut changed = *digest;
    changed.0[byte] ^= 1 << (byte % 8);
    changed
}

/// Paths one digest too long or too short, at either end.
fn wrong_lengths(path: &[Digest]) -> Vec<Vec<Digest>> {
    let extra = path.last().copied().unwrap_or(Digest::ZERO);
    let mut wrong = vec![[path, &[extra]].concat(), [&[extra], path].concat()];
    if !path.is_empty() {
        wrong.extend([path[1..].to_vec(), path[..path.len() - 1].to_vec(), Vec::new()]);
    }
    wrong.retain(|wrong| wrong != path);
    wrong
}

#[test]
fn hashes_are_those_of_rfc_6962() {
    let hex = |digest: Digest| digest.to_hex();
    // printf '' | sha256sum; printf '\0' | sha256sum; printf '\1' and 64 zero bytes.
    assert_eq!(hex(empty_root()), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert_eq!(hex(leaf_hash(b"")), "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d");
    let joined = [&[1][..], &Digest::ZERO.0, &[7; 32]].concat();
    assert_eq!(node_hash(&Digest::ZERO, &Digest([7; 32])).0, <[u8; 32]>::from(Sha256::digest(joined)));
}

#[test]
fn every_leaf_of_every_small_tree_has_the_proof_of_the_rfc_and_no_single_mutation_passes() {
    let mut rfc = Rfc::of(258);
    let all = rfc.leaves.clone();
    for size in 0..=257usize {
        let tree = &all[..size];
        let mut rows = Rows::of(tree);
        let expected = rfc.mth(0..size);
        assert_eq!(root(size as u64, &mut rows).unwrap(), expected, "size {size}");
        assert!(inclusion_path(size as u64, size as u64, &mut rows).unwrap().is_empty());
        assert!(!verify_inclusion(&all[0], size as u64, size as u64, &[], &expected));
        let (smaller, larger) = (rfc.mth(0..size.saturating_sub(1)), rfc.mth(0..size + 1));
        rows.take_reads();
        for (seqno, leaf) in tree.iter().enumerate() {
            let (n, i) = (size as u64, seqno as u64);
            let found = inclusion_path(i, n, &mut rows).unwrap();
            assert!(rows.take_reads() <= 3);
            assert_eq!(found, rfc.path(seqno, 0..size), "leaf {seqno} of {size}");
            let verify = |leaf: &Digest, i, n, path: &[Digest], root: &Digest| verify_inclusion(leaf, i, n, path, root);
            assert!(verify(leaf, i, n, &found, &expected));

            assert!(!verify(&flip(leaf, seqno % 32), i, n, &found, &expected));
            assert!(!verify(leaf, i, n, &found, &flip(&expected, seqno % 32)));
            assert!(!verify(leaf, i + 1, n, &found, &expected));
            assert!(!verify(leaf, i.wrapping_sub(1), n, &found, &expected));
            assert!(!verify(leaf, i, n + 1, &found, &larger));
            assert!(!verify(leaf, i, n - 1, &found, &smaller));
            // The path binds the size only as far as the leaf's neighbours differ: the root must be that of the size.
            for other in [size - 1, size + 1] {
                let same_shape = seqno < other && sides(seqno, other) == sides(seqno, size);
                assert_eq!(
                    verify(leaf, i, other as u64, &found, &expected),
                    same_shape,
                    "{seqno} of {size} as of {other}"
                );
            }
            for wrong in wrong_lengths(&found) {
                assert!(!verify(leaf, i, n, &wrong, &expected));
            }
            for place in 0..found.len() {
                let bytes = if size <= 32 { 0..32 } else { seqno % 32..seqno % 32 + 1 };
                for byte in bytes {
                    let mut wrong = found.clone();
                    wrong[place] = flip(&wrong[place], byte);
                    assert!(!verify(leaf, i, n, &wrong, &expected));
                }
                if place > 0 && size <= 64 {
                    let mut wrong = found.clone();
                    wrong.swap(place, place - 1);
                    assert!(!verify(leaf, i, n, &wrong, &expected));
                }
            }
        }
    }
}

#[test]
fn every_pair_of_small_trees_has_the_proof_of_the_rfc_and_no_single_mutation_passes() {
    let mut rfc = Rfc::of(132);
    let roots: Vec<Digest> = (0..=131).map(|size| rfc.mth(0..size)).collect();
    for new in 0..=130usize {
        let mut rows = Rows::of(&rfc.leaves[..new]);
        for old in 0..=new {
            let (m, n) = (old as u64, new as u64);
            let (old_root, new_root) = (&roots[old], &roots[new]);
            let found = consistency_path(m, n, &mut rows).unwrap();
            assert!(rows.take_reads() <= 2);
            let by_the_rfc = if old == 0 { Vec::new() } else { rfc.subproof(old, 0..new, true) };
            assert_eq!(found, by_the_rfc, "{old} to {new}");
            assert!(verify_consistency(m, n, &found, old_root, new_root));

            assert!(!verify_consistency(m, n, &found, &flip(old_root, new % 32), new_root));
            if old > 0 {
                assert!(!verify_consistency(m, n, &found, old_root, &flip(new_root, old % 32)));
                assert!(!verify_consistency(m, n + 1, &found, old_root, &roots[new + 1]));
                assert!(!verify_consistency(m - 1, n, &found, &roots[old - 1], new_root) || old == 1 && new == 1);
            }
            assert!(
                !verify_consistency(m + 1, n, &found, &roots[old + 1], new_root) || old + 1 == new && found.is_empty()
            );
            if old < new {
                assert!(!verify_consistency(n, m, &found, new_root, old_root));
            }
            for wrong in wrong_lengths(&found) {
                assert!(!verify_consistency(m, n, &wrong, old_root, new_root));
            }
            for place in 0..found.len() {
                let bytes = if new <= 32 { 0..32 } else { old % 32..old % 32 + 1 };
                for byte in bytes {
                    let mut wrong = found.clone();
                    wrong[place] = flip(&wrong[place], byte);
                    assert!(!verify_consistency(m, n, &wrong, old_root, new_root));
                }
            }
        }
    }
}

/// A frontier pushed, a frontier loaded and the recursion of the RFC agree, and a proof reads a handful of tiles.
#[test]
fn node_rows_appear_on_their_boundaries_and_carry_roots_and_proofs_across_them() {
    let mut rfc = Rfc::of(65_538);
    let all = rfc.leaves.clone();
    for size in [255, 256, 257, 511, 512, 513, 65_535, 65_536, 65_537usize] {
        let tree = &all[..size];
        let mut rows = Rows::of(tree);
        for (height, width) in [(1, 256), (2, 65_536)] {
            let complete: Vec<_> = (0..size / width).map(|i| rfc.mth(i * width..(i + 1) * width)).collect();
            assert_eq!(rows.heights[height], complete, "size {size}");
        }
        assert!(rows.heights[3].is_empty());
        let mut loaded = Frontier::load(size as u64, &mut rows).unwrap();
        assert!(rows.take_reads() <= 3);
        assert_eq!(loaded.root(), rfc.mth(0..size));
        assert_eq!(loaded.size(), size as u64);
        let mut pushed = Frontier::new();
        tree.iter().for_each(|leaf| pushed.push(*leaf, |_, _, _| ()));
        assert_eq!(loaded, pushed);
        loaded.push(all[size], |_, _, _| ());
        assert_eq!(loaded.root(), rfc.mth(0..size + 1));
        for seqno in [0, 1, 254, 255, 256, 257, 65_534, 65_535, 65_536].into_iter().filter(|i| *i < size) {
            let found = inclusion_path(seqno as u64, size as u64, &mut rows).unwrap();
            assert!(rows.take_reads() <= 5);
            assert_eq!(found, rfc.path(seqno, 0..size));
        }
        for old in [1, 2, 255, 256, 257, 512, 65_535, 65_536].into_iter().filter(|old| *old < size) {
            let found = consistency_path(old as u64, size as u64, &mut rows).unwrap();
            assert!(rows.take_reads() <= 5);
            assert_eq!(found, rfc.subproof(old, 0..size, true));
        }
    }
}

#[test]
fn proofs_hold_up_to_the_largest_size_without_overflow() {
    let mut uniform = Uniform::new();
    let leaf = leaf_hash(b"same");
    let max = i64::MAX as u64;
    let sizes = [1 << 40, (1 << 56) - 1, 1 << 56, (1 << 56) + 1, (1 << 62) + 12_345, 1 << 62, max - 1, max];
    for size in sizes {
        let expected = uniform.mth(size);
        assert_eq!(root(size, &mut uniform).unwrap(), expected, "size {size}");
        let frontier = Frontier::load(size, &mut uniform).unwrap();
        let hashes = ((size / GROUP).count_ones() as usize, (size % GROUP) as usize);
        assert_eq!((frontier.size(), (frontier.stack.len(), frontier.leaves.len())), (size, hashes));
        for seqno in [0, 1, 255, 256, size / 3, size / 2, size - 2, size - 1] {
            let found = inclusion_path(seqno, size, &mut uniform).unwrap();
            assert!(found.len() <= 63);
            assert!(verify_inclusion(&leaf, seqno, size, &found, &expected), "{seqno} of {size}");
        }
        for old in [1, 255, 1 << 39, (1 << 39) + 1, size - 1] {
            let found = consistency_path(old, size, &mut uniform).unwrap();
            assert!(verify_consistency(old, size, &found, &uniform.mth(old), &expected), "{old} to {size}");
        }
    }
    let mut frontier = Frontier::load(max - 1, &mut uniform).unwrap();
    let mut completed = 0;
    frontier.push(leaf, |_, _, _| completed += 1);
    assert_eq!((frontier.root(), completed), (uniform.mth(max), 0));
    let mut frontier = Frontier::load((1 << 56) - 1, &mut uniform).unwrap();
    let mut completed = Vec::new();
    frontier.push(leaf, |height, index, hash| completed.push((height, index, hash)));
    let rows: Vec<_> = (1..=7u8).map(|h| (h, (1u64 << (56 - 8 * h)) - 1, uniform.0[usize::from(h) * 8])).collect();
    assert_eq!(completed, rows);
}

#[test]
fn a_source_that_answers_short_gets_a_proof_that_verifies_nowhere() {
    struct Short(Rows);
    impl Tiles for Short {
        type Error = Infallible;
        fn tile(&mut self, height: u8, index: u64, width: u16) -> Result<Vec<Digest>, Infallible> {
            let mut hashes = self.0.tile(height, index, width)?;
            hashes.truncate(usize::from(width) / 2);
            Ok(hashes)
        }
    }
    let all = leaves(700);
    let expected = Rfc::of(700).mth(0..700);
    let mut short = Short(Rows::of(&all));
    assert_ne!(root(700, &mut short).unwrap(), expected);
    let found = inclusion_path(300, 700, &mut short).unwrap();
    assert!(!verify_inclusion(&all[300], 300, 700, &found, &expected));
}

/// Against `ct-merkle`, which shares no code with this module: the same roots and proofs, made by either
/// and accepted by the other.
#[test]
fn another_implementation_computes_the_same_trees() {
    type Output = sha2::digest::Output<Sha256>;
    let output = |digest: &Digest| Output::from(digest.0);
    let mut theirs = MemoryBackedTree::<Sha256, String>::new();
    let mut rfc = Rfc::of(3000);
    let all = rfc.leaves.clone();
    let mut random = 0x9e37_79b9_7f4a_7c15u64;
    let mut next = |bound: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        (random % bound as u64) as usize
    };
    for size in 1..=3000usize {
        theirs.push((size - 1).to_string());
        if size > 64 && next(40) != 0 {
            continue;
        }
        let mut rows = Rows::of(&all[..size]);
        let (n, ours) = (size as u64, root(size as u64, &mut rows).unwrap());
        assert_eq!(theirs.root().as_bytes()[..], ours.0, "size {size}");
        let seqno = next(size);
        let found = inclusion_path(seqno as u64, n, &mut rows).unwrap();
        let bytes: Vec<u8> = found.iter().flat_map(|digest| digest.0).collect();
        assert_eq!(theirs.prove_inclusion(seqno).as_bytes(), bytes, "{seqno} of {size}");
        let digests: Vec<Output> = found.iter().map(output).collect();
        let proof = InclusionProof::<Sha256>::from_digests(&digests);
        let their_root = RootHash::<Sha256>::new(output(&ours), n);
        assert!(their_root.verify_inclusion(&seqno.to_string(), seqno as u64, &proof).is_ok());
        let old = 1 + next(size);
        let found = consistency_path(old as u64, n, &mut rows).unwrap();
        let bytes: Vec<u8> = found.iter().flat_map(|digest| digest.0).collect();
        assert_eq!(theirs.prove_consistency(size - old).as_bytes(), bytes, "{old} to {size}");
        let digests: Vec<Output> = found.iter().map(output).collect();
        let proof = ConsistencyProof::<Sha256>::from_digests(&digests);
        let old_root = RootHash::<Sha256>::new(output(&rfc.mth(0..old)), old as u64);
        assert!(their_root.verify_consistency(&old_root, &proof).is_ok());
    }
    let mut uniform = Uniform::new();
    for shift in 1..62 {
        let size = (1u64 << shift) + next(1 << 30) as u64 % (1 << shift);
        let seqno = (size - 1).min(size / 5 * next(6) as u64);
        let their_root = RootHash::<Sha256>::new(output(&root(size, &mut uniform).unwrap()), size);
        let digests: Vec<Output> = inclusion_path(seqno, size, &mut uniform).unwrap().iter().map(output).collect();
        let proof = InclusionProof::<Sha256>::from_digests(&digests);
        assert!(their_root.verify_inclusion(&"same", seqno, &proof).is_ok(), "{seqno} of {size}");
    }
}
