//! The domain of secure-log: a tamper-evident audit log.
//!
//! Not here: files, sockets, clocks, randomness, WASI, WIT. What the log needs of the world comes in
//! through [`store::Store`], [`signer::Keystore`], [`log::Environment`] and [`log::Heads`].
//!
//! Where to begin: [`log::Log`] writes, [`author`] signs for producers, [`verify::stream`] judges, [`witness`]
//! cosigns, [`merkle`], [`note`] and [`encode`] hold
//! the formats that `wit/FORMAT.md` describes byte by byte. Someone who writes a store runs [`contract`]
//! (feature `contract`).
#![doc = include_str!("../ARCHITECTURE.md")]

pub mod attestation;
pub mod author;
#[cfg(feature = "contract")]
pub mod contract;
pub mod encode;
pub mod error;
pub mod keys;
pub mod log;
pub mod merkle;
pub mod note;
pub mod payload;
pub mod policy;
pub mod proof_file;
pub mod record;
mod sha256;
pub mod signer;
pub mod store;
pub mod tiles;
pub mod types;
pub mod verify;
pub mod witness;
