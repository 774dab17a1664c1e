//! The commitment to a payload, and the bytes a store keeps for it.
//!
//! ```text
//! stored     = salt (16 bytes) || payload
//! commitment = SHA-256(0x02 || stored)              { printf '\002'; cat salt payload; } | sha256sum
//! ```
//! The entry holds the commitment only, so a payload can be erased and every hash stays; the salt keeps
//! a short payload from being guessed afterwards. Later the AEAD envelope of the encrypted tiers lives here.

use crate::error::Invalid;
use crate::sha256;
use crate::types::{Digest, MAX_PAYLOAD, Name, PayloadRef};

/// What is hashed before the stored bytes.
const PREFIX: u8 = 2;
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
    sha256::one(PREFIX, stored)
}

/// [`commitment`] of each that is there, in their order; of many twice as fast in wasm.
pub fn commitments(stored: &[Option<&[u8]>]) -> Vec<Option<Digest>> {
    let present: Vec<&[u8]> = stored.iter().copied().flatten().collect();
    let mut hashes = sha256::each(PREFIX, &present).into_iter();
    stored.iter().map(|stored| stored.and_then(|_| hashes.next())).collect()
}

/// The reference that stands in the entry for these stored bytes.
///
/// # Errors
/// `Invalid` when the payload is larger than [`MAX_PAYLOAD`].
pub fn reference(encoding: Option<Name>, stored: &[u8]) -> Result<PayloadRef, Invalid> {
    reference_to(encoding, stored, commitment(stored))
}

/// The same, for whoever has the [`commitment`] already.
pub(crate) fn reference_to(encoding: Option<Name>, stored: &[u8], commitment: Digest) -> Result<PayloadRef, Invalid> {
    let length = stored.len().saturating_sub(SALT_LEN);
    check_length(length)?;
    let encoding = encoding.unwrap_or_else(Name::default_encoding);
    Ok(PayloadRef { encoding, length: length as u64, commitment })
}

/// # Errors
/// `Invalid` when a payload of `length` bytes is larger than [`MAX_PAYLOAD`].
pub(crate) fn check_length(length: usize) -> Result<(), Invalid> {
    match length > MAX_PAYLOAD {
        true => Err(Invalid(format!("the payload has {length} bytes, at most {MAX_PAYLOAD}: log its digest instead"))),
        false => Ok(()),
    }
}

/// Salt and payload of stored bytes, if they are what `reference` commits to.
pub fn open<'a>(reference: &PayloadRef, stored: &'a [u8]) -> Option<(&'a [u8; SALT_LEN], &'a [u8])> {
    let (salt, payload) = stored.split_first_chunk()?;
    opens(reference, stored, commitment(stored)).then_some((salt, payload))
}

/// Whether `reference` commits to these bytes, whose [`commitment`] is this.
pub(crate) fn opens(reference: &PayloadRef, stored: &[u8], commitment: Digest) -> bool {
    let length = stored.len().checked_sub(SALT_LEN).map(|length| length as u64);
    length == Some(reference.length) && commitment == reference.commitment
}
