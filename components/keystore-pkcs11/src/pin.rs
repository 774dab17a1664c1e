//! The PIN: where it comes from. What one is says `secure_log_pkcs11::pin`. It is in memory only while a login needs it, and
//! wiped then; see the table in `lib`.

use std::fmt;
use std::path::PathBuf;

use secure_log::signer::SignerError;
use secure_log_pkcs11::pin;
use zeroize::Zeroizing;

use crate::config::PIN;

/// How the user of the token is known to it.
#[derive(Clone)]
pub enum Pin {
    /// The token asks by itself, or needs no login.
    TokenAsks,
    /// The line in this regular file, read when a login is due.
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
    pub(crate) fn get(&self) -> Result<Option<pin::Pin>, SignerError> {
        let (pin, place) = match self {
            Pin::TokenAsks => return Ok(None),
            Pin::Bytes(bytes) => (pin::from_bytes(bytes.clone()), PIN.to_owned()),
            Pin::File(path) => (pin::from_file(path), format!("PIN file {}", path.display())),
        };
        pin.map(Some).map_err(|why| SignerError::AccessDenied(format!("{place}: {why}")))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn line_ends_after_a_pin_do_not_count_and_what_is_too_long_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pin");
        for (text, expected) in [
            ("1234", Some("1234")),
            ("1234\n", Some("1234")),
            ("1234\r\n", Some("1234")),
            (" 12 34 \n\n", Some(" 12 34 ")),
            ("1234\n5678\n", None),
            ("12\x0034", None),
            ("", None),
            ("\n", None),
            (&"7".repeat(pin::MAX_PIN), Some(&*"7".repeat(pin::MAX_PIN))),
            (&"7".repeat(pin::MAX_PIN + 1), None),
            (&"7".repeat(pin::MAX_PIN + 100), None),
        ] {
            std::fs::write(&path, text).unwrap();
            for source in [Pin::File(path.clone()), Pin::Bytes(Zeroizing::new(text.as_bytes().to_vec()))] {
                let got = source.get().ok().flatten();
                assert_eq!(got.as_deref().map(Vec::as_slice), expected.map(str::as_bytes), "{text:?}");
            }
        }
        assert!(matches!(Pin::File(folder.path().join("none")).get(), Err(SignerError::AccessDenied(_))));
        assert_eq!(Pin::TokenAsks.get(), Ok(None));
    }
}
