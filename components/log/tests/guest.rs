//! What must hold where the log runs: `scripts/guest-tests.sh` compiles this program for wasm and runs it in a guest.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod hashes;
mod wycheproof;
