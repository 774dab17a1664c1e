//! Real keys for the unit tests of this crate, the same in every run.

#![allow(clippy::unwrap_used)]

use std::sync::OnceLock;

use chacha20::ChaCha20Rng;
use chacha20::rand_core::SeedableRng as _;
use ed25519_dalek::Signer as _;
use p256::pkcs8::EncodePublicKey as _;
use rsa::signature::{RandomizedSigner as _, SignatureEncoding as _};
use rsa::{RsaPrivateKey, pss};
use sha2::Sha256;

use super::{Algorithm, PublicKey, Signer, SignerError};

/// A key of one algorithm, derived from a number; only tests may do that.
pub(crate) enum TestKey {
    Ed25519(ed25519_dalek::SigningKey),
    EcdsaP256(p256::ecdsa::SigningKey),
    RsaPssSha256(&'static pss::SigningKey<Sha256>),
}

impl TestKey {
    /// `seed` is 1 to 255; for RSA, whose keys take seconds to make, only 1 and 2.
    pub(crate) fn new(algorithm: Algorithm, seed: u8) -> TestKey {
        static RSA: [OnceLock<pss::SigningKey<Sha256>>; 2] = [OnceLock::new(), OnceLock::new()];
        match algorithm {
            Algorithm::Ed25519 => TestKey::Ed25519(ed25519_dalek::SigningKey::from_bytes(&[seed; 32])),
            Algorithm::EcdsaP256 => TestKey::EcdsaP256(p256::ecdsa::SigningKey::from_slice(&[seed; 32]).unwrap()),
            Algorithm::RsaPssSha256 => TestKey::RsaPssSha256(RSA[usize::from(seed) - 1].get_or_init(|| {
                let mut rng = ChaCha20Rng::from_seed([seed; 32]);
                pss::SigningKey::new(RsaPrivateKey::new(&mut rng, 3072).unwrap())
            })),
        }
    }

    pub(crate) fn public(&self) -> PublicKey {
        PublicKey::of_signer(self).unwrap()
    }
}

impl Signer for TestKey {
    fn algorithm(&self) -> Algorithm {
        match self {
            TestKey::Ed25519(_) => Algorithm::Ed25519,
            TestKey::EcdsaP256(_) => Algorithm::EcdsaP256,
            TestKey::RsaPssSha256(_) => Algorithm::RsaPssSha256,
        }
    }

    fn public_key(&self) -> Vec<u8> {
        match self {
            TestKey::Ed25519(key) => key.verifying_key().as_bytes().to_vec(),
            TestKey::EcdsaP256(key) => key.verifying_key().to_public_key_der().unwrap().into_vec(),
            TestKey::RsaPssSha256(key) => {
                let key: &RsaPrivateKey = key.as_ref();
                key.to_public_key().to_public_key_der().unwrap().into_vec()
            }
        }
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignerError> {
        Ok(match self {
            TestKey::Ed25519(key) => key.sign(message).to_bytes().to_vec(),
            TestKey::EcdsaP256(key) => {
                let signature: p256::ecdsa::Signature = key.sign(message);
                signature.to_bytes().to_vec()
            }
            TestKey::RsaPssSha256(key) => key.sign_with_rng(&mut ChaCha20Rng::from_seed([7; 32]), message).to_vec(),
        })
    }
}
