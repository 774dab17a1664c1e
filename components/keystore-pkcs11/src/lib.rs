//! A keystore whose keys live in a token: a smart card, a YubiKey, an HSM, SoftHSM; reached through PKCS #11.
//!
//! Not here: the token (`secure_log_pkcs11::Cryptoki` is the seam to it), making keys, what an attestation proves. A
//! private key never leaves its token and is never derived from a label.
//!
//! | variable | meaning |
//! |---|---|
//! | `SECURE_LOG_PKCS11_KEY_LABEL` | the key with this CKA_LABEL |
//! | `SECURE_LOG_PKCS11_KEY_ID` | the key with this CKA_ID, in hexadecimal |
//! | `SECURE_LOG_PKCS11_PIV_SLOT` | the key in this slot of a YubiKey: `9a`, `9c`, `9d`, `9e`, `82` to `95`, `f9` |
//! | `SECURE_LOG_PKCS11_TOKEN_LABEL` | the token with this label |
//! | `SECURE_LOG_PKCS11_SLOT` | the token in this slot, by its number, in decimal |
//! | `SECURE_LOG_PKCS11_PIN_FILE` | regular file (no pipe, no device) with the PIN of the user, in one line |
//! | `SECURE_LOG_PKCS11_PIN` | the PIN itself. An environment is less private than a file |
//! | `SECURE_LOG_PKCS11_PUBLIC_KEY_PEM` | public key (PEM, SPKI) that the key must have |
//! | `SECURE_LOG_PKCS11_FINAL_TRY` | `1`: the PIN is tried even if the token says that a wrong one locks it |
//!
//! At most one variable selects the key, at most one the token, at most one brings the PIN. One that is set and empty is
//! an error that names it.
//!
//! - **Key.** With a selector there is one key. Its identities are the selector's value (hexadecimal in either case) and
//!   [`IDENTITY`] (`pkcs11`); any other names no key. Without one the identity that is asked for is the CKA_LABEL.
//! - **Token.** With neither there must be exactly one token that is initialised.
//! - **PIN.** With neither only a token that asks by itself (`CKF_PROTECTED_AUTHENTICATION_PATH`) or needs no login will do.
//!   A PIN has 1 to 255 bytes; line ends after it do not count, one inside it, or a NUL, is refused before the token sees it.
//!   A PIN that was refused is remembered and not tried again in the life of the keystore, so that no loop locks a
//!   token; one that is locked, or has its last try left, is not tried at all. A file is read when a login is due and wiped
//!   after it. A PIN in the environment is kept as long as the keystore, then wiped; the environment itself cannot be.
//!   No error, log line or `Debug` has it.
//!
//! # What a key proves
//! The public key comes from the public-key object with the CKA_ID of the private key, else from CKA_PUBLIC_KEY_INFO or the
//! modulus of the private key, else from a certificate with that CKA_ID, else it is the pinned one. None of these shows
//! that the token's *private* key belongs to it, and a key that does not would be found only when the first
//! checkpoint fails, after everything else was decided with the wrong public key. So a key signs [`PROBE`] once, when it is
//! first asked for. That text can be no checkpoint, entry, record or author's event: each of them begins otherwise.
//!
//! # Sessions
//! One session, read-only, shared by all keys; the login is the token's. When the token was lost in between (removed,
//! session closed, logged out by someone) it is opened once again, the key is looked for once again and must have the
//! public key it had; a second loss is the error. Dropping keystore and keys ends with C_Finalize.

mod attest;
mod config;
mod connection;
mod import;
mod key;
mod pin;
mod piv;
mod public;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use secure_log::record::Attestation;
use secure_log::signer::{Keystore, PublicKey, SignerError};
use secure_log::types::quote;
use secure_log_pkcs11::Cryptoki;

pub use config::{Config, IDENTITY, KeySelector, TokenSelector};
pub use import::ImportedToken;
pub use key::{PROBE, Pkcs11Key};
pub use pin::Pin;
pub use piv::{PIV_SLOTS, PivSlot};

use connection::Connection;

/// Hands out the keys of a token that its [`Config`] allows.
pub struct Pkcs11Keystore<T: Cryptoki> {
    /// A configuration that is wrong is told at every use: a component has no earlier moment to speak.
    shared: Result<Arc<Shared<T>>, SignerError>,
    /// Keys that have signed the probe, by selector.
    proven: BTreeMap<KeySelector, PublicKey>,
}

/// What the keystore and its keys have in common.
struct Shared<T: Cryptoki> {
    config: Config,
    connection: Mutex<Connection<T>>,
}

impl<T: Cryptoki> Shared<T> {
    /// A panic in the middle leaves an open session at worst, which the next use finds.
    fn connection(&self) -> MutexGuard<'_, Connection<T>> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Cryptoki> Pkcs11Keystore<T> {
    /// A keystore over this library of tokens. Nothing is asked of it before the first key.
    pub fn new(token: T, config: Config) -> Pkcs11Keystore<T> {
        Pkcs11Keystore::of(token, Ok(config))
    }

    fn of(token: T, config: Result<Config, SignerError>) -> Pkcs11Keystore<T> {
        let shared =
            config.map(|config| Arc::new(Shared { config, connection: Mutex::new(Connection::closed(token)) }));
        Pkcs11Keystore { shared, proven: BTreeMap::new() }
    }
}

/// Configured by the environment, over the token that the component imports.
impl Default for Pkcs11Keystore<ImportedToken> {
    fn default() -> Self {
        Pkcs11Keystore::of(ImportedToken, Config::from_env(|name| std::env::var_os(name)))
    }
}

impl<T: Cryptoki> Keystore for Pkcs11Keystore<T> {
    type Key = Pkcs11Key<T>;

    fn get_key(&mut self, label: &str) -> Result<Pkcs11Key<T>, SignerError> {
        let shared = Arc::clone(self.shared.as_ref().map_err(Clone::clone)?);
        let selector = shared.config.selector(label)?;
        let key = Pkcs11Key::find(shared, selector.clone())?;
        if self.proven.get(&selector) != Some(key.public()) {
            key.prove()?;
            self.proven.insert(selector, key.public().clone());
        }
        Ok(key)
    }

    fn attest(&mut self, label: &str) -> Result<Option<Attestation>, SignerError> {
        let key = self.get_key(label)?;
        attest::attest(&key).map(Some).map_err(|error| match error {
            SignerError::Backend(why) => SignerError::Backend(format!("attestation of {}: {why}", quote(label))),
            other => other,
        })
    }
}

secure_log_bindings::export_keystore!(Pkcs11Keystore<ImportedToken>);
