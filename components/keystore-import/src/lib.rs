//! The keystore a component was composed with, as a [`Keystore`] of the domain: what signs imports it through here.
//!
//! The import stands here and not in `secure-log-bindings`, because it has a resource that keystores, which use
//! that crate too, export: it would stay in their components.

use secure_log::signer::{Algorithm, Keystore, Signer, SignerError};
use secure_log::types::quote;

mod wit {
    #![allow(missing_docs)]
    wit_bindgen::generate!({
        path: "../../wit",
        inline: "package secure-log:keystore-import; world keystore-consumer { import keys:keystore/signer; }",
        world: "secure-log:keystore-import/keystore-consumer",
        generate_all,
    });
}

use wit::keys::keystore::signer;

/// The imported keystore.
pub struct ImportedKeystore;

/// A key of it, of an algorithm this version knows.
pub struct ImportedKey {
    handle: signer::Key,
    algorithm: Algorithm,
}

impl Keystore for ImportedKeystore {
    type Key = ImportedKey;

    fn get_key(&mut self, label: &str) -> Result<ImportedKey, SignerError> {
        let handle = signer::get_key(label)?;
        let name = handle.algorithm();
        match Algorithm::from_name(&name) {
            Some(algorithm) => Ok(ImportedKey { handle, algorithm }),
            None => Err(SignerError::UnsupportedAlgorithm(quote(&name))),
        }
    }
}

impl Signer for ImportedKey {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    fn public_key(&self) -> Vec<u8> {
        self.handle.public_key()
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignerError> {
        Ok(self.handle.sign(message)?)
    }
}

impl From<signer::Error> for SignerError {
    fn from(error: signer::Error) -> Self {
        match error {
            signer::Error::KeyNotFound(what) => SignerError::KeyNotFound(what),
            signer::Error::UnsupportedAlgorithm(what) => SignerError::UnsupportedAlgorithm(what),
            signer::Error::AccessDenied(what) => SignerError::AccessDenied(what),
            signer::Error::Backend(what) => SignerError::Backend(what),
        }
    }
}
