//! Honest histories of any shape give no finding, and the report says what happened in them.

use crate::support::{FixedKey, ORIGIN};
use crate::world::{MemHeads, Shared, TestLog, events, log, log_with_heads, stream};
use chacha20::ChaCha20Rng;
use chacha20::rand_core::{Rng as _, SeedableRng as _};
use secure_log::policy::Policy;
use secure_log::signer::Algorithm::{EcdsaP256, Ed25519, RsaPssSha256};
use secure_log::store::Want;
use secure_log::verify::{Signers, Trust};

struct Story {
    store: Shared,
    heads: MemHeads,
    log: TestLog,
    rng: ChaCha20Rng,
    keys: Vec<FixedKey>,
    /// Sealed, and signed, segments.
    sealed: u64,
    signed: u64,
    /// Seqno of each rotation.
    rotations: Vec<u64>,
    /// Predecessor and from-seqno.
    revoked: Vec<(usize, u64)>,
    attested: bool,
    /// RSA costs a hundred times what the others do: in many histories one in so many chances is taken.
    rsa_odds: u64,
}

impl Story {
    fn new(seed: u64) -> Story {
        let (store, heads) = (Shared::default(), MemHeads::default());
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        let log = log_with_heads(&store, &heads);
        let mut story = Story {
            store,
            heads,
            log,
            rng: ChaCha20Rng::from_seed(bytes),
            keys: Vec::new(),
            sealed: 0,
            signed: 0,
            rotations: Vec::new(),
            revoked: Vec::new(),
            attested: false,
            rsa_odds: if seed < 320 { 1 } else { 16 },
        };
        let first = story.new_key();
        story.keys.push(first);
        story.append();
        story
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.rng.next_u64() % bound
    }

    /// A key that had no turn yet; there is one RSA key, so it has one turn.
    fn new_key(&mut self) -> FixedKey {
        let seed = self.keys.len() as u8 + 1;
        let had_rsa = self.keys.iter().any(|key| matches!(key, FixedKey::RsaPssSha256(_)));
        match self.below(8) {
            0 if !had_rsa && (self.rsa_odds == 1 || self.below(self.rsa_odds) == 0) => FixedKey::log(RsaPssSha256),
            1..4 => FixedKey::seeded(EcdsaP256, seed),
            _ => FixedKey::seeded(Ed25519, seed),
        }
    }

    fn size(&mut self) -> u64 {
        self.log.head(&stream()).unwrap().size
    }

    fn append(&mut self) {
        let count = self.below(5) as usize + 1;
        self.log.append_batch(&stream(), &events(count), Want::Synced).unwrap();
    }

    fn sign_all(&mut self) {
        for segment in self.signed..self.sealed {
            self.log.sign_segment(self.keys.last().unwrap(), &stream(), segment).unwrap();
        }
        self.signed = self.sealed;
    }

    fn step(&mut self) {
        match self.below(12) {
            0..4 => self.append(),
            4..6 => self.sealed += u64::from(self.log.close_segment(&stream()).is_ok()),
            6 => self.sign_all(),
            7 => {
                let size = self.size();
                let first = self.below(size);
                let last = first + self.below(size - first);
                self.log.erase_payload(&stream(), first, last, "request").unwrap();
            }
            8 | 9 => {
                self.sign_all();
                let new = self.new_key();
                let attestation = (self.below(2) == 0).then_some(&b"quote"[..]);
                let rotated = self.log.rotate_key(&stream(), self.keys.last().unwrap(), &new, attestation).unwrap();
                self.rotations.push(rotated.seqno);
                self.keys.push(new);
            }
            10 if self.keys.len() > 1 => {
                let (past, size) = (self.keys.len() as u64 - 1, self.size());
                let (whom, from) = (self.below(past) as usize, self.below(size));
                let vkey = self.keys[whom].vkey(ORIGIN).to_string();
                let before = self.revoked.iter_mut().find(|revoked| revoked.0 == whom);
                let allowed = before.as_ref().is_none_or(|before| from < before.1);
                let done = self.log.revoke_key(&stream(), self.keys.last().unwrap(), &vkey, from, "lost");
                assert_eq!(done.is_ok(), allowed, "{done:?}");
                match before {
                    Some(before) if allowed => before.1 = from,
                    None => self.revoked.push((whom, from)),
                    _ => {}
                }
            }
            10 if !self.attested && self.rotations.is_empty() => {
                self.log.attest_key(&self.keys[0], &stream(), b"made in hardware").unwrap();
                self.attested = true;
            }
            _ => self.log = log_with_heads(&self.store, &self.heads),
        }
    }

    fn verdict(&mut self, what: &str) {
        let policy = format!("log {}\nquorum none\n", self.keys[0].vkey(ORIGIN));
        let signers = Signers::Policy(Policy::parse(&policy).unwrap());
        let trust = Trust { signers, authors: Vec::new(), require_author: false };
        for reader in [&mut self.log, &mut log(&self.store)] {
            let report = reader.verify(&stream(), &trust).unwrap();
            assert_eq!(report.finding, None, "{what}: {report:#?}");
            assert_eq!((report.rotations as usize, report.segments), (self.rotations.len(), self.sealed), "{what}");
            let revoked: Vec<_> = report.revoked.iter().map(|key| (key.vkey.clone(), key.from_seqno)).collect();
            let expected: Vec<_> =
                self.revoked.iter().map(|(n, from)| (self.keys[*n].vkey(ORIGIN).to_string(), *from)).collect();
            assert_eq!(revoked, expected, "{what}");
            let discounted: u64 = report.revoked.iter().map(|key| key.discounted).sum();
            assert_eq!(report.checkpoints + discounted, self.signed, "{what}");
            for (place, signer) in report.signers.iter().enumerate() {
                let number = self.keys.iter().position(|key| key.vkey(ORIGIN).to_string() == signer.vkey).unwrap();
                assert_eq!(signer.rotated_in, number.checked_sub(1).map(|before| self.rotations[before]), "{what}");
                let expected = if place == 0 { 0 } else { report.signers[place - 1].last_seqno + 1 };
                assert_eq!(signer.first_seqno, expected, "{what}: ranges follow one another");
            }
        }
    }
}

/// Rotations and revocations seen in the histories of these seeds, none of which gives a finding.
fn lives(seeds: std::ops::Range<u64>) -> (usize, usize) {
    let mut seen = (0, 0);
    for seed in seeds {
        let mut story = Story::new(seed);
        for _ in 0..story.below(40) {
            story.step();
        }
        story.verdict(&format!("seed {seed}"));
        story.append();
        story.sealed += u64::from(story.log.close_segment(&stream()).is_ok());
        story.sign_all();
        story.verdict(&format!("seed {seed}, signed"));
        seen = (seen.0 + story.rotations.len(), seen.1 + story.revoked.len());
    }
    seen
}

/// 320 histories, or 10,000 with `SECURE_LOG_SLOW`, on two threads.
#[test]
fn hundreds_or_thousands_of_random_lives_of_keys_give_no_finding() {
    let half = if std::env::var_os("SECURE_LOG_SLOW").is_some() { 5_000 } else { 160 };
    let other = std::thread::spawn(move || lives(half..2 * half));
    let (seen, other) = (lives(0..half), other.join().expect("no history panics"));
    let seen = (seen.0 + other.0, seen.1 + other.1);
    assert!(seen.0 > 500 && seen.1 > 100, "the histories hold too little: {seen:?}");
}
