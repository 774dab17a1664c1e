//! Who signs, with what, and how anyone verifies it: the seam every keystore implements.
//!
//! A keystore hands out keys by label and signs; verification never asks it. Two encodings of a
//! signature meet here: the one a keystore answers with ([`Signer::sign`]) and the one that stands in
//! notes and entries ([`PublicKey::verify`]); [`PublicKey::note_signature`] leads from one to the other.

mod pin;
mod public_key;
#[cfg(test)]
pub(crate) mod testing;

use std::fmt;

use crate::attestation::Attestation;

pub use pin::MAX_PIN;
pub(crate) use pin::RSASSA_PSS;
pub use public_key::{MAX_ENCODED, MAX_RSA_BITS, MIN_RSA_BITS, MIN_RSA_EXPONENT, PublicKey};

/// Signature algorithms (format.md section 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// RFC 8032; verified strictly.
    Ed25519,
    /// ECDSA on P-256 over SHA-256, low-S only.
    EcdsaP256,
    /// RSASSA-PSS, SHA-256, MGF1-SHA-256, 32-byte salt, 3072 bits or more.
    RsaPssSha256,
}

impl Algorithm {
    /// All.
    pub const ALL: [Algorithm; 3] = [Algorithm::Ed25519, Algorithm::EcdsaP256, Algorithm::RsaPssSha256];

    /// The name in interfaces and configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Algorithm::Ed25519 => "ed25519",
            Algorithm::EcdsaP256 => "ecdsa-p256",
            Algorithm::RsaPssSha256 => "rsa-pss-sha256",
        }
    }

    /// The algorithm of that name.
    pub fn from_name(name: &str) -> Option<Algorithm> {
        Algorithm::ALL.into_iter().find(|algorithm| algorithm.as_str() == name)
    }
}

/// Why a keystore failed. Never holds a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignerError {
    /// No key of this label.
    KeyNotFound(String),
    /// A key or request of an algorithm the keystore does not have.
    UnsupportedAlgorithm(String),
    /// Permissions, PIN.
    AccessDenied(String),
    /// Anything else.
    Backend(String),
    /// The keystore's answer does not verify under its own public key.
    WrongSignature(String),
}

impl fmt::Display for SignerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SignerError::KeyNotFound(what) => write!(f, "key not found: {what}"),
            SignerError::UnsupportedAlgorithm(what) => write!(f, "unsupported algorithm: {what}"),
            SignerError::AccessDenied(what) => write!(f, "access denied: {what}"),
            SignerError::Backend(what) => write!(f, "backend: {what}"),
            SignerError::WrongSignature(what) => write!(f, "wrong signature: {what}"),
        }
    }
}

impl std::error::Error for SignerError {}

/// A private key one may sign with, but not read.
pub trait Signer {
    /// Of the key.
    fn algorithm(&self) -> Algorithm;
    /// ed25519: 32 raw bytes; others: SPKI DER.
    fn public_key(&self) -> Vec<u8>;
    /// ed25519: 64 bytes; ecdsa-p256: 64 bytes `r || s` over SHA-256; rsa: as is. The encoding of PKCS#11.
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignerError>;
}

/// Hands out keys by label.
pub trait Keystore {
    /// What it hands out.
    type Key: Signer;
    /// The key of this label; a private key is never derived from a label.
    fn get_key(&mut self, label: &str) -> Result<Self::Key, SignerError>;

    /// What the keystore can show about that key besides its signatures, read now from where the key lives. `None`:
    /// it has no such evidence for any key, as one in software.
    ///
    /// # Errors
    /// As of [`Keystore::get_key`].
    fn attest(&mut self, label: &str) -> Result<Option<Attestation>, SignerError> {
        let _ = label;
        Ok(None)
    }
}

/// Signs, brings the answer into note encoding and verifies it under `key`: a signature that leaves this
/// function is good, whatever the keystore is.
///
/// # Errors
/// Those of the keystore; `Backend` for an answer of the wrong form; `WrongSignature` when it does not verify.
pub fn sign_checked(signer: &(impl Signer + ?Sized), key: &PublicKey, message: &[u8]) -> Result<Vec<u8>, SignerError> {
    let signature = key.note_signature(&signer.sign(message)?)?;
    match key.verify(message, &signature) {
        true => Ok(signature),
        false => Err(SignerError::WrongSignature(format!("it does not verify under {key:?}"))),
    }
}
