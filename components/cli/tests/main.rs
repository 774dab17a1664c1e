//! The command line in an invented place, and the script before it. One program: what its tests share is compiled and linked
//! once. A file that is not named here is found by scripts/import-rules.sh.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod commands;
mod keys;
mod proofs;
mod records;
mod tiles;
mod witness;
#[cfg(unix)]
mod wrapper;

mod desk;
#[path = "../../log/tests/support/oracle.rs"]
mod oracle;
#[path = "../../log/tests/support/mod.rs"]
mod support;
#[path = "../../log/tests/support/world.rs"]
mod world;
