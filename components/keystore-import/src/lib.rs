//! The keystore a component was composed with, as a [`Keystore`] of the domain: what signs imports it through here.
//!
//! The import stands here and not in `secure-log-bindings`, because it has a resource that keystores, which use
//! that crate too, export: it would stay in their components.

use secure_log::record::{Attestation, Evidence, KeyAttributes};
use secure_log::signer::{Algorithm, Keystore, Signer, SignerError};
use secure_log::types::quote;

mod wit {
    #![allow(missing_docs)]
    wit_bindgen::generate!({
        path: "../../wit",
        inline: "package secure-log:keystore-import; world keystore-consumer { import keys:keystore/signer; import keys:keystore/attestation; }",
        world: "secure-log:keystore-import/keystore-consumer",
        generate_all,
    });
}

use wit::keys::keystore::{attestation, signer};

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

    /// Only a component that calls it imports `keys:keystore/attestation`.
    fn attest(&mut self, label: &str) -> Result<Option<Attestation>, SignerError> {
        let Some(evidence) = attestation::attest(label)? else { return Ok(None) };
        let attestation::KeyAttributes { sensitive, extractable, never_extractable, local } = evidence.key_attributes;
        let evidence = Evidence {
            certificates: evidence.certificates,
            token_info: evidence.token_info,
            key_attributes: KeyAttributes { sensitive, extractable, never_extractable, local },
            retrieved_at: evidence.retrieved_at,
        };
        Attestation::new(&evidence).map(Some).map_err(|error| SignerError::Backend(error.0))
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
