//! What the served components (`wasi:http` guests) share: heads and replies as values, bodies bounded in bytes and
//! time, and a store that opens itself.
//!
//! Not here: any decision about a request. Each endpoint makes its own, purely, and hands it to [`serve::answer`].

pub mod message;
pub mod serve;
mod storage;

pub use secure_log_rpc::body::BodyError;
pub use storage::Storage;

/// The text of a configuration file of at most `cap` bytes.
///
/// # Errors
/// Says why for people, without the path.
pub fn text_file(path: &str, cap: u64) -> Result<String, String> {
    use std::io::Read as _;
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(|error| error.kind().to_string())?;
    file.take(cap + 1).read_to_string(&mut text).map_err(|error| error.kind().to_string())?;
    if text.len() as u64 > cap { Err("it is too long".to_owned()) } else { Ok(text) }
}
