//! The bytes of a head file. Only what `render` writes is accepted.

use secure_log::error::Invalid;
use secure_log::log::RememberedHead;
use secure_log::types::{Digest, MAX_INT, hex, quote, unhex};
use sha2::{Digest as _, Sha256};

const MAGIC: &str = "secure-log-head/v1";
/// Origins are at most 255 bytes, vkeys below 1,300 (an RSA key of 8,192 bits: 1,750), the rest below 300.
pub(super) const MAX_LEN: u64 = 4096;

/// The file for a head.
///
/// # Errors
/// `Invalid` for a size above 2^63-1, or an origin or vkey that is no line of text.
pub(super) fn render(origin: &str, head: &RememberedHead) -> Result<Vec<u8>, Invalid> {
    for (what, text) in [("origin", origin), ("vkey", &head.vkey)] {
        if text.is_empty() || text.chars().any(char::is_control) {
            return Err(Invalid(format!("{what} {} is not one line of text", quote(text))));
        }
    }
    if head.size > MAX_INT {
        return Err(Invalid(format!("a head of size {} is greater than 2^63-1", head.size)));
    }
    let lines = format!("{MAGIC}\n{origin}\n{}\n{}\n{}\n", head.size, head.root.to_hex(), head.vkey);
    let bytes = format!("{lines}{}\n", hex(&Sha256::digest(&lines))).into_bytes();
    if bytes.len() as u64 > MAX_LEN {
        return Err(Invalid(format!("a head file has at most {MAX_LEN} bytes, not {}", bytes.len())));
    }
    Ok(bytes)
}

/// The head these bytes hold.
///
/// # Errors
/// Says what is wrong, unless `render` of the result gives back `bytes`.
pub(super) fn parse(bytes: &[u8], origin: &str) -> Result<RememberedHead, &'static str> {
    let text = std::str::from_utf8(bytes).map_err(|_| "not text")?;
    let lines: Vec<&str> = text.split('\n').take(8).collect();
    let [MAGIC, named, size, root, vkey, _, ""] = lines[..] else { return Err("not the six lines of a head") };
    if named != origin {
        return Err("names another origin");
    }
    let size = size.parse().map_err(|_| "the size is no number")?;
    let root = unhex(root).and_then(|bytes| Digest::try_from(bytes.as_slice()).ok());
    let head = RememberedHead { size, root: root.ok_or("the root is not 64 hex digits")?, vkey: vkey.to_owned() };
    match render(origin, &head) {
        Ok(canonical) if canonical == bytes => Ok(head),
        _ => Err("its checksum does not fit"),
    }
}
