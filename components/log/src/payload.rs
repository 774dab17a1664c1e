//! The commitment to a payload, and the bytes a store keeps for it.
//!
//! ```text
//! stored     = salt (16 bytes) || payload
//! commitment = SHA-256(0x02 || stored)              { printf '\002'; cat salt payload; } | sha256sum
//! ```
//! The entry holds the commitment only, so a payload can be erased and every hash stays; the salt keeps
//! a short payload from being guessed afterwards. Later the AEAD envelope of the encrypted tiers lives here.

use sha2::{Digest as _, Sha256};

use crate::error::Invalid;
use crate::types::{Digest, MAX_PAYLOAD, Name, PayloadRef};

/// Bytes of salt before every stored payload.
pub const SALT_LEN: usize = 16;

/// What a store keeps for this payload: `salt || payload`.
pub fn stored(salt: &[u8; SALT_LEN], payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(SALT_LEN + payload.len());
    bytes.extend_from_slice(salt);
    bytes.extend_from_slice(payload);
    bytes
}

/// `SHA-256(0x02 || stored)`.
pub fn commitment(stored: &[u8]) -> Digest {
    Digest(Sha256::new().chain_update([2]).chain_update(stored).finalize().into())
}

/// The reference that stands in the entry for these stored bytes.
///
/// # Errors
/// `Invalid` when the payload is larger than [`MAX_PAYLOAD`].
pub fn reference(encoding: Option<Name>, stored: &[u8]) -> Result<PayloadRef, Invalid> {
    let length = stored.len().saturating_sub(SALT_LEN);
    if length > MAX_PAYLOAD {
        return Err(Invalid(format!("the payload has {length} bytes, at most {MAX_PAYLOAD}: log its digest instead")));
    }
    let encoding = encoding.unwrap_or_else(Name::default_encoding);
    Ok(PayloadRef { encoding, length: length as u64, commitment: commitment(stored) })
}

/// Salt and payload of stored bytes, if they are what `reference` commits to.
pub fn open<'a>(reference: &PayloadRef, stored: &'a [u8]) -> Option<(&'a [u8; SALT_LEN], &'a [u8])> {
    let (salt, payload) = stored.split_first_chunk()?;
    let opens = payload.len() as u64 == reference.length && commitment(stored) == reference.commitment;
    opens.then_some((salt, payload))
}
