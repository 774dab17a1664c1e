//! Every test of the domain through its public face, but those of guest.rs, which run in a guest too. One program: what
//! they share is compiled and linked once, and the long ones run side by side. A file that is not named here is found by scripts/import-rules.sh.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod attacks;
mod attestation;
mod costs;
mod evil_store;
mod histories;
mod keys;
mod keys_forged;
mod log;
mod meanwhile;
mod oracles;
mod records;
mod submit;
mod vectors;
mod verdict;
mod witness;
mod witness_oracles;

#[path = "support/cosigned.rs"]
mod cosigned;
#[path = "support/entries.rs"]
mod entries;
#[path = "support/evil.rs"]
mod evil;
#[path = "support/forge.rs"]
mod forge;
#[path = "support/oracle.rs"]
mod oracle;
#[path = "support/page.rs"]
mod page;
#[path = "support/pinned.rs"]
mod pinned;
#[path = "support/records.rs"]
mod record_samples;
#[path = "support/story.rs"]
mod story;
mod support;
#[path = "support/witnessed.rs"]
mod witnessed;
#[path = "support/world.rs"]
mod world;
