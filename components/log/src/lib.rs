//! The domain of secure-log: a tamper-evident audit log.
//!
//! Not here: files, sockets, clocks, randomness, WASI, WIT. What the log needs of the world comes in
//! through [`store::Store`] and [`signer::Keystore`].

#[cfg(feature = "contract")]
pub mod contract;
pub mod encode;
pub mod error;
pub mod log;
pub mod merkle;
pub mod note;
pub mod payload;
pub mod policy;
pub mod signer;
pub mod store;
pub mod types;
pub mod verify;
