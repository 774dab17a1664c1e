//! SHA-256 (FIPS 180-4) of many short messages at once: the entries of a page, the payloads of a batch, the nodes over 32
//! leaves.
//!
//! Wasm has no instructions for SHA-256, but vectors of four words: there four messages are hashed side by side, at
//! twice the rate of one after the other. Elsewhere, and for whatever does not come in numbers, `sha2` hashes,
//! which uses the instructions of the processor. Both are the same function (`tests/hashes.rs`, natively and in wasm).
//!
//! Not here: what a prefix means (`merkle`, `payload`).

use sha2::{Digest as _, Sha256};

use crate::types::Digest;

#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
pub(crate) use lanes::each;

/// `SHA-256(prefix || message)` of each message, in their order.
#[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
pub(crate) fn each(prefix: u8, messages: &[&[u8]]) -> Vec<Digest> {
    messages.iter().map(|message| one(prefix, message)).collect()
}

/// `SHA-256(prefix || message)`.
pub(crate) fn one(prefix: u8, message: &[u8]) -> Digest {
    Digest(Sha256::new().chain_update([prefix]).chain_update(message).finalize().into())
}

#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
mod lanes {
    use std::arch::wasm32::{
        u8x16_shuffle, u32x4_add, u32x4_extract_lane, u32x4_shl, u32x4_shr, u32x4_shuffle, u32x4_splat, u64x2,
        u64x2_shuffle, v128, v128_and, v128_or, v128_xor,
    };

    use super::{Digest, one};

    const BLOCK: usize = 64;
    const LANES: usize = 4;
    /// A step of all lanes takes as long as this many blocks one after the other.
    const STEP: usize = 2;

    /// The first 32 bits of the fractional parts of the square roots of the first 8 primes.
    const START: [u32; 8] =
        [0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19];
    /// The first 32 bits of the fractional parts of the cube roots of the first 64 primes.
    const ROUND: [u32; 64] = [
        0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98,
        0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786,
        0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8,
        0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13,
        0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819,
        0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a,
        0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7,
        0xc67178f2,
    ];

    /// Word `i` of each lane's state stands in vector `i`.
    type State = [v128; 8];

    /// `SHA-256(prefix || message)` of each message, in their order: those of about the same length go side by side.
    pub fn each(prefix: u8, messages: &[&[u8]]) -> Vec<Digest> {
        let mut hashes = vec![Digest::ZERO; messages.len()];
        let mut order: Vec<usize> = (0..messages.len()).collect();
        order.sort_by_key(|&place| blocks(messages[place]));
        for places in order.chunks(LANES) {
            let lengths: [usize; LANES] =
                std::array::from_fn(|lane| places.get(lane).map_or(0, |&at| blocks(messages[at])));
            let longest = lengths.into_iter().max().unwrap_or(0);
            if lengths.iter().sum::<usize>() <= STEP * longest {
                places.iter().for_each(|&place| hashes[place] = one(prefix, messages[place]));
                continue;
            }
            let lanes: [&[u8]; LANES] =
                std::array::from_fn(|lane| places.get(lane).map_or(&[][..], |&at| messages[at]));
            let mut state: State = START.map(|word| u32x4_splat(word));
            let mut rooms = [[0; BLOCK]; LANES];
            for n in 1..=longest {
                let mut rooms = rooms.iter_mut();
                let blocks =
                    lanes.map(|message| rooms.next().map_or(&[0; BLOCK], |room| block(prefix, message, n - 1, room)));
                compress(&mut state, blocks);
                if lengths.contains(&n) {
                    let words = state.map(each_lane);
                    for (lane, &place) in places.iter().enumerate().filter(|(lane, _)| lengths[*lane] == n) {
                        for (bytes, words) in hashes[place].0.as_chunks_mut().0.iter_mut().zip(&words) {
                            *bytes = words[lane].to_be_bytes();
                        }
                    }
                }
            }
        }
        hashes
    }

    /// Blocks of a message with its prefix, the bit 1 and its length (section 5.1.1).
    fn blocks(message: &[u8]) -> usize {
        (1 + message.len() + 9).div_ceil(BLOCK)
    }

    /// Block `n` of a message: where it stands there or, at the ends of the message, made in `room`; anything behind it.
    #[inline(always)]
    fn block<'a>(prefix: u8, message: &'a [u8], n: usize, room: &'a mut [u8; BLOCK]) -> &'a [u8; BLOCK] {
        let (length, at) = (1 + message.len(), usize::from(n == 0));
        let rest = message.get((n * BLOCK + at).saturating_sub(1)..).unwrap_or(&[]);
        // Copies of known length are a few instructions, others a call to the host.
        match (at, rest.first_chunk(), rest.first_chunk::<{ BLOCK - 1 }>()) {
            (0, Some(whole), _) => return whole,
            (1, _, Some(first)) => {
                room[0] = prefix;
                room[1..].copy_from_slice(first);
                return room;
            }
            _ => *room = [0; BLOCK],
        }
        room[..at].fill(prefix);
        let end = at + rest.len().min(BLOCK - at);
        room[at..end].copy_from_slice(&rest[..end - at]);
        if n * BLOCK + end == length && end < BLOCK {
            room[end] = 0x80;
        }
        if n + 1 == blocks(message) {
            room[BLOCK - 8..].copy_from_slice(&(length as u64 * 8).to_be_bytes());
        }
        room
    }

    fn each_lane(words: v128) -> [u32; LANES] {
        [
            u32x4_extract_lane::<0>(words),
            u32x4_extract_lane::<1>(words),
            u32x4_extract_lane::<2>(words),
            u32x4_extract_lane::<3>(words),
        ]
    }

    /// Section 6.2.2, four messages at once: lane `l` works on `blocks[l]`. Inlined into its caller it is half as fast.
    #[inline(never)]
    fn compress(state: &mut State, blocks: [&[u8; BLOCK]; 4]) {
        let mut schedule = words(blocks);
        let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = *state;
        let mut differed = v128_xor(b, c);
        for (round, constants) in ROUND.as_chunks::<16>().0.iter().enumerate() {
            for t in 0..16 {
                if round > 0 {
                    let (before15, before2) = (schedule[(t + 1) % 16], schedule[(t + 14) % 16]);
                    let s0 = xor(rotated::<7, 25>(before15), rotated::<18, 14>(before15), u32x4_shr(before15, 3));
                    let s1 = xor(rotated::<17, 15>(before2), rotated::<19, 13>(before2), u32x4_shr(before2, 10));
                    schedule[t] = sum(sum(schedule[t], s0), sum(schedule[(t + 9) % 16], s1));
                }
                let s1 = xor(rotated::<6, 26>(e), rotated::<11, 21>(e), rotated::<25, 7>(e));
                let choice = v128_xor(g, v128_and(e, v128_xor(f, g)));
                let input = sum(u32x4_splat(constants[t]), schedule[t]);
                let first = sum(sum(sum(h, s1), choice), input);
                let s0 = xor(rotated::<2, 30>(a), rotated::<13, 19>(a), rotated::<22, 10>(a));
                // What differs between a and b is decided by c, and where b and c agree, b is the majority anyway.
                let differ = v128_xor(a, b);
                let majority = v128_xor(b, v128_and(differ, differed));
                differed = differ;
                (h, g, f, e) = (g, f, e, sum(d, first));
                (d, c, b, a) = (c, b, a, sum(first, sum(s0, majority)));
            }
        }
        for (words, added) in state.iter_mut().zip([a, b, c, d, e, f, g, h]) {
            *words = sum(*words, added);
        }
    }

    /// Word `t` of the result holds the big-endian word `t` of each block: rows of four words, turned.
    #[inline(always)]
    fn words(blocks: [&[u8; BLOCK]; 4]) -> [v128; 16] {
        let mut words = [u32x4_splat(0); 16];
        for (quarter, words) in words.as_chunks_mut::<4>().0.iter_mut().enumerate() {
            let [r0, r1, r2, r3] = blocks.map(|block| {
                let halves = block.as_chunks().0;
                let row = u64x2(u64::from_le_bytes(halves[2 * quarter]), u64::from_le_bytes(halves[2 * quarter + 1]));
                u8x16_shuffle::<3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12>(row, row)
            });
            let (low01, high01) = (u32x4_shuffle::<0, 4, 1, 5>(r0, r1), u32x4_shuffle::<2, 6, 3, 7>(r0, r1));
            let (low23, high23) = (u32x4_shuffle::<0, 4, 1, 5>(r2, r3), u32x4_shuffle::<2, 6, 3, 7>(r2, r3));
            *words = [
                u64x2_shuffle::<0, 2>(low01, low23),
                u64x2_shuffle::<1, 3>(low01, low23),
                u64x2_shuffle::<0, 2>(high01, high23),
                u64x2_shuffle::<1, 3>(high01, high23),
            ];
        }
        words
    }

    #[inline(always)]
    fn sum(a: v128, b: v128) -> v128 {
        u32x4_add(a, b)
    }

    #[inline(always)]
    fn xor(a: v128, b: v128, c: v128) -> v128 {
        v128_xor(v128_xor(a, b), c)
    }

    /// Each word to the right by `RIGHT` bits; `LEFT` is 32 less that.
    #[inline(always)]
    fn rotated<const RIGHT: u32, const LEFT: u32>(a: v128) -> v128 {
        const { assert!(RIGHT + LEFT == 32) };
        v128_or(u32x4_shr(a, RIGHT), u32x4_shl(a, LEFT))
    }
}
