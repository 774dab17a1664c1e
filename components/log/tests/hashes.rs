//! Hashes of many messages at once are the hashes of each: natively by the same library, in wasm by vectors of our
//! own.

use chacha20::ChaCha20Rng;
use chacha20::rand_core::{Rng as _, SeedableRng as _};
use secure_log::merkle::{leaf_hash, leaf_hashes};
use secure_log::payload::{commitment, commitments};
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
fn lengths_around_the_longest_that_is_hashed_beside_others_have_their_hashes() {
    let lengths = [4094, 4095, 4096, 4097, 4098, 0, 4097, 1, 4096];
    check(&lengths.map(|length| vec![7; length]));
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
