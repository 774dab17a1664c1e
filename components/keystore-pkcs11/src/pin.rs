//! The PIN: where it comes from. It is in memory only while a login needs it, and wiped then; see the table in `lib`.

use std::fmt;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use secure_log::signer::SignerError;
use zeroize::Zeroizing;

/// Longest PIN in bytes. PKCS #11 sets no limit; no token is known to take more than 255.
const MAX_PIN: usize = 255;

/// How the user of the token is known to it.
#[derive(Clone)]
pub enum Pin {
    /// The token asks by itself, or needs no login.
    TokenAsks,
    /// The first line of this file, read when a login is due.
    File(PathBuf),
    /// These bytes, wiped when the keystore goes.
    Bytes(Zeroizing<Vec<u8>>),
}

/// Not the PIN.
impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Pin::TokenAsks => f.write_str("TokenAsks"),
            Pin::File(path) => f.debug_tuple("File").field(path).finish(),
            Pin::Bytes(_) => f.write_str("Bytes"),
        }
    }
}

impl Pin {
    /// For one login. `None`: the token asks.
    pub(crate) fn get(&self) -> Result<Option<Zeroizing<Vec<u8>>>, SignerError> {
        let (pin, place) = match self {
            Pin::TokenAsks => return Ok(None),
            Pin::Bytes(pin) => (pin.clone(), "SECURE_LOG_PKCS11_PIN".to_owned()),
            Pin::File(path) => (read(path)?, path.display().to_string()),
        };
        let end = pin.iter().rposition(|byte| !b"\r\n".contains(byte)).map_or(0, |last| last + 1);
        match end {
            0 => Err(SignerError::AccessDenied(format!("{place}: the PIN is empty"))),
            _ if end > MAX_PIN => {
                Err(SignerError::AccessDenied(format!("{place}: a PIN of more than {MAX_PIN} bytes")))
            }
            _ => {
                let mut pin = pin;
                pin.truncate(end);
                Ok(Some(pin))
            }
        }
    }
}

fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, SignerError> {
    let failed = |error: std::io::Error| SignerError::AccessDenied(format!("PIN file {}: {error}", path.display()));
    // One allocation, so that no copy stays behind in freed memory; room for a PIN, a line end and one byte too many.
    let mut pin = Zeroizing::new(vec![0; MAX_PIN + 3]);
    let mut file = File::open(path).map_err(failed)?;
    let mut length = 0;
    while length < pin.len() {
        match file.read(&mut pin[length..]).map_err(failed)? {
            0 => break,
            more => length += more,
        }
    }
    pin.truncate(length);
    Ok(pin)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn line_ends_after_a_pin_do_not_count_and_what_is_too_long_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pin");
        for (text, pin) in [
            ("1234", Some("1234")),
            ("1234\n", Some("1234")),
            ("1234\r\n", Some("1234")),
            (" 12 34 \n\n", Some(" 12 34 ")),
            ("", None),
            ("\n", None),
            (&"7".repeat(MAX_PIN), Some(&*"7".repeat(MAX_PIN))),
            (&"7".repeat(MAX_PIN + 1), None),
            (&"7".repeat(MAX_PIN + 100), None),
        ] {
            std::fs::write(&path, text).unwrap();
            for source in [Pin::File(path.clone()), Pin::Bytes(Zeroizing::new(text.as_bytes().to_vec()))] {
                let got = source.get().ok().flatten();
                assert_eq!(got.as_deref().map(Vec::as_slice), pin.map(str::as_bytes), "{text:?}");
            }
        }
        assert!(matches!(Pin::File(folder.path().join("none")).get(), Err(SignerError::AccessDenied(_))));
        assert_eq!(Pin::TokenAsks.get(), Ok(None));
    }
}
