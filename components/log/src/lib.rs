//! The domain of secure-log: a tamper-evident audit log.
//!
//! Not here: files, sockets, clocks, randomness, WASI, WIT. What the log needs of the world comes in
//! through [`store::Store`] and [`signer::Keystore`].

pub mod encode;
pub mod error;
pub mod signer;
pub mod store;
pub mod types;
