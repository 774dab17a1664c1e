//! A keystore in software: PKCS#8 PEM files of a directory, one PEM text, or keys that live in memory for a test.
//!
//! Not here: attestation, PINs, hardware. Whoever reads the directory has the keys; a token or HSM does
//! better (`keystore-pkcs11`). Nothing is ever derived from a label, and no key exists unless asked for.
//!
//! | variable | meaning |
//! |---|---|
//! | `SECURE_LOG_KEYSTORE_DIR` | directory of `<label>.pem`: PKCS#8, unencrypted, v1 or v2; the file says the algorithm |
//! | `SECURE_LOG_KEYSTORE_PEM` | the text of one such file: its key has the label `pem`. An environment is less private than a file: it is inherited, and may show in listings of processes and in crash reports |
//! | `SECURE_LOG_KEYSTORE_CREATE` | `1`: a key that is missing is created |
//! | `SECURE_LOG_KEYSTORE_ALG` | algorithm of created keys: `ed25519` (default), `ecdsa-p256`, `rsa-pss-sha256` (3072 bits) |
//! | `SECURE_LOG_KEYSTORE_EPHEMERAL` | `1`: keys are made at their first use and live in memory only |
//!
//! Exactly one of `DIR`, `PEM` and `EPHEMERAL` is given. A label is 1 to 64 of `A-Z a-z 0-9 . _ -`, the first not a dot, so
//! that it is never a path; any other label names no key.
//!
//! # Files
//! Made by hand: `umask 077; openssl genpkey -algorithm ed25519 -out audit.pem`, or
//! `-algorithm EC -pkeyopt ec_paramgen_curve:P-256`, or `-algorithm RSA -pkeyopt rsa_keygen_bits:3072`.
//! Natively a file that its group or others may read or write is refused, and created files have mode 0600. WASI
//! 0.2 has no permissions (`wasi:filesystem` neither shows nor sets a mode): there the mode of a created file is
//! that of the host process (`umask 077` before `wasmtime run`), and keeping others out of the directory is the
//! host's part.
//!
//! # What signing costs
//! `cargo run --release -p secure-log-keystore-software --example cost`, and the same for wasm; see the figures
//! and their machine there.

mod config;
mod files;
mod key;

use std::collections::BTreeMap;

use secure_log::signer::{Keystore, SignerError};
use secure_log::types::quote;

pub use config::{Config, PEM_LABEL, Place};
pub use key::SoftwareKey;

/// Hands out the keys that its [`Config`] allows.
pub struct SoftwareKeystore {
    /// A configuration that is wrong is told at every use: a component has no earlier moment to speak.
    config: Result<Config, SignerError>,
    memory: BTreeMap<String, SoftwareKey>,
}

impl SoftwareKeystore {
    /// A keystore of this configuration.
    pub fn new(config: Config) -> SoftwareKeystore {
        SoftwareKeystore { config: Ok(config), memory: BTreeMap::new() }
    }
}

/// Configured by the environment; see the table above.
impl Default for SoftwareKeystore {
    fn default() -> Self {
        SoftwareKeystore { config: Config::from_env(|name| std::env::var_os(name)), memory: BTreeMap::new() }
    }
}

impl Keystore for SoftwareKeystore {
    type Key = SoftwareKey;

    fn get_key(&mut self, label: &str) -> Result<SoftwareKey, SignerError> {
        let config = self.config.as_ref().map_err(Clone::clone)?;
        check_label(label)?;
        match &config.place {
            Place::Directory(dir) => files::get_or_create(dir, label, config.create.then_some(config.algorithm)),
            Place::Pem(_) if label != PEM_LABEL => Err(SignerError::KeyNotFound(format!(
                "{}: the key of SECURE_LOG_KEYSTORE_PEM has the label {PEM_LABEL}",
                quote(label)
            ))),
            Place::Pem(text) => SoftwareKey::from_pem("SECURE_LOG_KEYSTORE_PEM", text),
            Place::Memory => {
                if let Some(key) = self.memory.get(label) {
                    return Ok(key.clone());
                }
                let key = SoftwareKey::generate(config.algorithm)?;
                self.memory.insert(label.to_owned(), key.clone());
                Ok(key)
            }
        }
    }
}

fn check_label(label: &str) -> Result<(), SignerError> {
    let good = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    match (1..=64).contains(&label.len()) && label.bytes().all(good) && !label.starts_with('.') {
        true => Ok(()),
        false => Err(SignerError::KeyNotFound(format!(
            "{} is no label: 1 to 64 of A-Z a-z 0-9 . _ -, the first not a dot",
            quote(label)
        ))),
    }
}

secure_log_bindings::export_keystore!(SoftwareKeystore);
