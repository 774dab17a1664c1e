//! Fixed keys and the JSON forms that the frozen vectors and the oracles share.

#![allow(dead_code)]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use chacha20::ChaCha20Rng;
use chacha20::rand_core::SeedableRng as _;
use ed25519_dalek::Signer as _;
use p256::pkcs8::{DecodePrivateKey as _, EncodePublicKey as _};
use rsa::signature::{RandomizedSigner as _, SignatureEncoding as _};
use rsa::{RsaPrivateKey, pss};
use secure_log::merkle::{Frontier, Tiles};
use secure_log::note::VerifierKey;
use secure_log::signer::{Algorithm, PublicKey, Signer, SignerError, sign_checked};
use secure_log::types::Digest;
use sha2::Sha256;

/// Log name and stream of every vector.
pub const LOG_NAME: &str = "log.example.org";
pub const STREAM: &str = "payments";
pub const ORIGIN: &str = "log.example.org/payments";
pub const WITNESS: &str = "witness.example.net/w1";

/// A key of `tests/keys`. RSA salts come from a fixed seed, so every signature is the same in every run.
pub enum FixedKey {
    Ed25519(ed25519_dalek::SigningKey),
    EcdsaP256(p256::ecdsa::SigningKey),
    RsaPssSha256(Box<pss::SigningKey<Sha256>>),
}

impl FixedKey {
    pub fn log(algorithm: Algorithm) -> FixedKey {
        match algorithm {
            Algorithm::Ed25519 => ed25519(include_str!("../keys/ed25519.pem")),
            Algorithm::EcdsaP256 => p256(include_str!("../keys/ecdsa-p256.pem")),
            Algorithm::RsaPssSha256 => {
                let key = RsaPrivateKey::from_pkcs8_der(&der(include_str!("../keys/rsa-pss-sha256.pem"))).unwrap();
                FixedKey::RsaPssSha256(Box::new(pss::SigningKey::new(key)))
            }
        }
    }

    /// One of 255 keys of an algorithm that makes them fast; of RSA there is the one.
    pub fn seeded(algorithm: Algorithm, seed: u8) -> FixedKey {
        match algorithm {
            Algorithm::Ed25519 => FixedKey::Ed25519(ed25519_dalek::SigningKey::from_bytes(&[seed; 32])),
            Algorithm::EcdsaP256 => FixedKey::EcdsaP256(p256::ecdsa::SigningKey::from_slice(&[seed; 32]).unwrap()),
            Algorithm::RsaPssSha256 => FixedKey::log(algorithm),
        }
    }

    pub fn witness() -> FixedKey {
        ed25519(include_str!("../keys/witness.pem"))
    }

    pub fn author() -> FixedKey {
        p256(include_str!("../keys/author.pem"))
    }

    pub fn public(&self) -> PublicKey {
        PublicKey::of_signer(self).unwrap()
    }

    /// The verifier key of a log with this key.
    pub fn vkey(&self, origin: &str) -> VerifierKey {
        VerifierKey::for_log(origin, self.public()).unwrap()
    }

    /// A signature in note encoding.
    pub fn sign_note(&self, message: &[u8]) -> Vec<u8> {
        sign_checked(self, &self.public(), message).unwrap()
    }
}

impl Signer for FixedKey {
    fn algorithm(&self) -> Algorithm {
        match self {
            FixedKey::Ed25519(_) => Algorithm::Ed25519,
            FixedKey::EcdsaP256(_) => Algorithm::EcdsaP256,
            FixedKey::RsaPssSha256(_) => Algorithm::RsaPssSha256,
        }
    }

    fn public_key(&self) -> Vec<u8> {
        match self {
            FixedKey::Ed25519(key) => key.verifying_key().as_bytes().to_vec(),
            FixedKey::EcdsaP256(key) => key.verifying_key().to_public_key_der().unwrap().into_vec(),
            FixedKey::RsaPssSha256(key) => {
                let key: &RsaPrivateKey = (**key).as_ref();
                key.to_public_key().to_public_key_der().unwrap().into_vec()
            }
        }
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignerError> {
        Ok(match self {
            FixedKey::Ed25519(key) => key.sign(message).to_bytes().to_vec(),
            FixedKey::EcdsaP256(key) => {
                let signature: p256::ecdsa::Signature = key.sign(message);
                signature.to_bytes().to_vec()
            }
            FixedKey::RsaPssSha256(key) => key.sign_with_rng(&mut ChaCha20Rng::from_seed([7; 32]), message).to_vec(),
        })
    }
}

fn der(pem: &str) -> Vec<u8> {
    let body: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    BASE64.decode(body).unwrap()
}

fn ed25519(pem: &str) -> FixedKey {
    let der = der(pem);
    FixedKey::Ed25519(ed25519_dalek::SigningKey::from_bytes(der[der.len() - 32..].try_into().unwrap()))
}

fn p256(pem: &str) -> FixedKey {
    FixedKey::EcdsaP256(p256::ecdsa::SigningKey::from_pkcs8_der(&der(pem)).unwrap())
}

/// Leaf hashes and node rows of a tree in memory.
pub struct Rows {
    pub heights: Vec<Vec<Digest>>,
    pub frontier: Frontier,
}

impl Rows {
    pub fn new() -> Rows {
        Rows { heights: vec![Vec::new(); 8], frontier: Frontier::new() }
    }

    pub fn push(&mut self, leaf: Digest) {
        let Rows { heights, frontier } = self;
        heights[0].push(leaf);
        frontier.push(leaf, |height, _, hash| heights[usize::from(height)].push(hash));
    }
}

impl Tiles for Rows {
    type Error = std::convert::Infallible;
    fn tile(&mut self, height: u8, index: u64, width: u16) -> Result<Vec<Digest>, Self::Error> {
        let start = index as usize * 256;
        Ok(self.heights[usize::from(height)][start..start + usize::from(width)].to_vec())
    }
}
