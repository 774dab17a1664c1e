//! Hashes of many messages at once are the hashes of each: natively by the same library, in wasm by vectors of our
//! own.

use chacha20::ChaCha20Rng;
use chacha20::rand_core::{Rng as _, SeedableRng as _};
use secure_log::merkle::{Frontier, leaf_hash, leaf_hashes};
use secure_log::payload::{commitment, commitments};
use secure_log::types::Digest;
use sha2::{Digest as _, Sha256};

fn check(messages: &[Vec<u8>]) {
    let slices: Vec<&[u8]> = messages.iter().map(Vec::as_slice).collect();
    let hash = |prefix: u8, message: &[u8]| Sha256::digest([&[prefix], message].concat());
    let (leaves, opened) = (leaf_hashes(&slices), commitments(&slices.iter().copied().map(Some).collect::<Vec<_>>()));
    assert_eq!((leaves.len(), opened.len()), (slices.len(), slices.len()));
    for ((message, leaf), payload) in slices.into_iter().zip(leaves).zip(opened.into_iter().map(Option::unwrap)) {
        assert_eq!(leaf.0[..], hash(0, message)[..], "{} bytes", message.len());
        assert_eq!(payload.0[..], hash(2, message)[..], "{} bytes", message.len());
        assert_eq!((leaf_hash(message), commitment(message)), (leaf, payload));
    }
}

#[test]
fn every_length_has_its_hash_beside_every_number_of_neighbours() {
    let mut random = ChaCha20Rng::seed_from_u64(1);
    let mut bytes = vec![0; 400];
    random.fill_bytes(&mut bytes);
    for length in 0..=bytes.len() {
        for count in 0..=6 {
            check(&vec![bytes[..length].to_vec(); count]);
        }
    }
}

#[test]
fn a_long_message_among_short_ones_has_its_hash() {
    for long in [63, 64, 118, 119, 120, 500, 70_000] {
        for short in 1..8 {
            for place in 0..=short {
                let mut messages = vec![vec![7; 20]; short];
                messages.insert(place, vec![8; long]);
                check(&messages);
            }
        }
    }
}

#[test]
fn messages_of_any_lengths_do_not_mix() {
    let mut random = ChaCha20Rng::seed_from_u64(2);
    for round in 0..200 {
        let count = random.next_u32() as usize % 40;
        let messages: Vec<Vec<u8>> = (0..count)
            .map(|_| {
                let most = [1, 64, 130, 1000, 5000, 70_000][(round + random.next_u32() as usize) % 6];
                let mut message = vec![0; random.next_u32() as usize % most];
                random.fill_bytes(&mut message);
                message
            })
            .collect();
        check(&messages);
    }
}

#[test]
fn what_is_absent_has_no_commitment_and_shifts_no_other() {
    let stored: Vec<Vec<u8>> = (0..9).map(|n| vec![n; 16 + usize::from(n)]).collect();
    for present in 0..1 << stored.len() {
        let some: Vec<Option<&[u8]>> =
            stored.iter().enumerate().map(|(n, bytes)| (present >> n & 1 == 1).then_some(bytes.as_slice())).collect();
        let expected: Vec<_> = some.iter().map(|stored| stored.map(commitment)).collect();
        assert_eq!(commitments(&some), expected);
    }
}

/// RFC 9162 section 2.1.1, as it is written there.
fn mth(leaves: &[Digest]) -> [u8; 32] {
    match leaves {
        [] => Sha256::digest([]).into(),
        [leaf] => leaf.0,
        _ => {
            let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
            Sha256::digest([&[1][..], &mth(left), &mth(right)].concat()).into()
        }
    }
}

#[test]
fn a_tree_that_grows_leaf_by_leaf_has_the_root_of_the_rfc_at_every_size() {
    let leaves: Vec<Digest> = (0..600u32).map(|n| leaf_hash(&n.to_be_bytes())).collect();
    let (mut tree, mut nodes) = (Frontier::new(), 0);
    for (size, leaf) in leaves.iter().enumerate() {
        assert_eq!(tree.root().0, mth(&leaves[..size]), "size {size}");
        tree.push(*leaf, |height, index, hash| {
            assert_eq!((height, index, hash.0), (1, nodes, mth(&leaves[index as usize * 256..][..256])));
            nodes += 1;
        });
        assert_eq!(nodes, (size as u64 + 1) / 256);
    }
}
