//! Keys by number, and what those say who pinned the first one of a log. For tests that use `world` as well.
#![allow(dead_code)]

use secure_log::policy::Policy;
use secure_log::signer::Algorithm::Ed25519;
use secure_log::store::Want;
use secure_log::verify::{Report, Signers, Trust};

use super::support::{FixedKey, ORIGIN};
use super::world::{Shared, TestLog, events, log, stream};

pub fn key(seed: u8) -> FixedKey {
    FixedKey::seeded(Ed25519, seed)
}

pub fn vkey(key: &FixedKey) -> String {
    key.vkey(ORIGIN).to_string()
}

pub fn policy(text: &str) -> Trust {
    Trust { signers: Signers::Policy(Policy::parse(text).unwrap()), authors: Vec::new(), require_author: false }
}

/// Trust in this first key, and in nothing else.
pub fn pinned(first: &FixedKey) -> Trust {
    policy(&format!("log {}\nquorum none\n", first.vkey(ORIGIN)))
}

pub fn whole(store: &Shared, first: &FixedKey) -> Report {
    let report = log(store).verify(&stream(), &pinned(first)).unwrap();
    assert_eq!(report.finding, None, "{report:#?}");
    report
}

/// Some events, a seal, its signature.
pub fn signed_segment(log: &mut TestLog, key: &FixedKey) -> u64 {
    log.append_batch(&stream(), &events(2), Want::Synced).unwrap();
    let sealed = log.close_segment(&stream()).unwrap();
    log.sign_segment(key, &stream(), sealed.number).unwrap();
    sealed.last_seqno + 1
}
