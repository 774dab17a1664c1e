//! `encoder`: canonical bytes, pure.

use secure_log::encode;
use secure_log::error::LogError as Refusal;
use secure_log::log::ReadEntry;
use secure_log::merkle::leaf_hash;
use secure_log::note::Checkpoint;
use secure_log_bindings::convert::digest;
use secure_log_bindings::export::log::encoder::Guest;
use secure_log_bindings::types::{Entry, LogError};

use crate::Component;

impl Guest for Component {
    fn encode_entry(entry: Entry) -> Result<Vec<u8>, LogError> {
        Ok(encode::encode_entry(&entry.try_into()?)?)
    }

    fn decode_entry(bytes: Vec<u8>) -> Result<Entry, LogError> {
        let entry = encode::decode_entry(&bytes).map_err(Refusal::from)?;
        Ok(ReadEntry { entry, hash: leaf_hash(&bytes), payload: None, salt: None }.into())
    }

    fn encode_checkpoint(origin: String, size: u64, root: Vec<u8>) -> Result<Vec<u8>, LogError> {
        let checkpoint = Checkpoint { origin, size, root: digest("root", &root)? };
        let text = checkpoint.to_text();
        match Checkpoint::parse(&text) {
            Ok(parsed) if parsed == checkpoint => Ok(text.into_bytes()),
            Ok(_) => Err(LogError::Invalid("the origin or the size is not that of a checkpoint".into())),
            Err(error) => Err(LogError::Invalid(error.to_string())),
        }
    }

    fn name() -> String {
        "cbor".to_owned()
    }
}
