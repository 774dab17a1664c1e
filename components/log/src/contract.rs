//! The suites every store and every keystore must pass: test code that third parties run against their
//! own providers, so a broken promise panics and says which.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub mod rows;
pub mod signer;
pub mod store;
