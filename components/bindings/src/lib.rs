//! The generated bindings of `wit/` and the only bridge between them and the domain's traits.
//!
//! Not here: decisions. A call is parsed ([`convert`]), handed to an ordinary Rust value, and its answer is
//! turned back. What is not a value of its type stops here with `invalid`, before any provider sees it.
//!
//! # A provider is its type and one line
//! ```ignore
//! #[derive(Default)]
//! pub struct FileStore { .. }
//! impl secure_log::store::Store for FileStore { .. }
//! secure_log_bindings::export_store!(FileStore);
//! ```
//! The macros expand to nothing except on wasm, where they make one value per component instance (on the
//! first call, by `Default`) and the exports that lead to it. So two providers link into one native test, and a
//! provider needs neither wit-bindgen nor `unsafe` of its own.
//!
//! | macro | for a type that is | exports |
//! |---|---|---|
//! | [`export_store!`] | [`secure_log::store::Store`] | `secure-log:log/store` |
//! | [`export_keystore!`] | [`secure_log::signer::Keystore`] | `keys:keystore/signer`, `keys:keystore/attestation` |
//! | `export_transport!` (feature `transport`) | `secure_log_rpc::Transport` | `secure-log:log/transport` |
//! | [`export_exchange!`] | [`secure_log::witness::Exchange`] | `secure-log:log/exchange` |
//! | [`export_log!`] | the three `Guest` traits of [`export::log`] | `encoder`, `log`, `checkpoint` |
//!
//! The other direction: [`import::ImportedStore`] is a `Store`, `import::ImportedTransport` a `Transport`,
//! [`import::exchange::ImportedExchange`] an `Exchange`, and
//! [`import::log`] the log of a composed core.
//! `keys:keystore/signer` is not imported here: an import of an interface that users of this crate export
//! with its resource would stay in their components. The core imports it itself.

// The canonical ABI is calls through raw pointers; all of it is generated, none written by hand.
#![allow(unsafe_code)]

pub mod convert;
pub mod export;
pub mod import;
pub mod types;
