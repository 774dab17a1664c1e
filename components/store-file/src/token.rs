//! Names that no other instance has.

use secure_log::store::StoreError;
use secure_log::types::hex;

/// Characters of a token.
pub const LEN: usize = 32;

/// 128 random bits in hexadecimal.
pub fn new() -> Result<String, StoreError> {
    let mut bytes = [0u8; LEN / 2];
    getrandom::fill(&mut bytes).map_err(|error| StoreError::Io(format!("randomness: {error}")))?;
    Ok(hex(&bytes))
}
