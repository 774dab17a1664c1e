//! What must hold where the log runs: `scripts/guest-tests.sh` compiles this program for wasm and runs it in a guest.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

// Without them the guest would only compare the library with itself.
const _: () = assert!(cfg!(any(not(target_arch = "wasm32"), target_feature = "simd128")), "no vectors in this guest");

mod hashes;
mod wycheproof;
