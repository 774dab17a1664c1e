//! What a platform gives the log, from the standard library alone, so natively and under WASI alike: the
//! clock, randomness, waiting ([`SystemEnvironment`]) and remembered heads on files ([`FileHeads`]).
//!
//! Not here: stores and keys.

mod environment;
mod heads;

pub use environment::SystemEnvironment;
pub use heads::FileHeads;
