//! Where PINs come from: a file or an environment variable. They are wiped when done with, and never shown.

use std::io::Read as _;
use std::path::Path;
use std::{env, fs};

use zeroize::Zeroizing;

use crate::failure::Failure;

/// The longest PIN, in bytes, with its line end.
const MAX_PIN: usize = 257;

/// A PIN, wiped when dropped.
pub type Pin = Zeroizing<Vec<u8>>;

/// The PIN of `file`, else of the variable, if there is either. `what` is for messages.
pub fn given(file: Option<&Path>, variable: &str, what: &str) -> Result<Option<Pin>, Failure> {
    if let Some(path) = file {
        return read(path).map(Some).map_err(|why| Failure::Usage(format!("{what}: {}: {why}", path.display())));
    }
    match env::var(variable) {
        Ok(value) if !value.is_empty() => Ok(Some(Zeroizing::new(value.into_bytes()))),
        Ok(_) | Err(env::VarError::NotPresent) => Ok(None),
        Err(env::VarError::NotUnicode(_)) => Err(Failure::Usage(format!("{variable} is not UTF-8"))),
    }
}

/// The same, where there must be one.
pub fn needed(file: Option<&Path>, variable: &str, what: &str) -> Result<Pin, Failure> {
    given(file, variable, what)?
        .ok_or_else(|| Failure::Usage(format!("this command needs {what}: a file of it, or {variable}")))
}

fn read(path: &Path) -> Result<Pin, String> {
    // Of this capacity from the start: a buffer that grew would leave parts of the PIN behind.
    let mut pin = Zeroizing::new(Vec::with_capacity(MAX_PIN + 1));
    let file = fs::File::open(path).map_err(|error| error.to_string())?;
    file.take(MAX_PIN as u64 + 1).read_to_end(&mut pin).map_err(|error| error.to_string())?;
    if pin.len() > MAX_PIN {
        return Err("longer than any PIN".to_owned());
    }
    for end in [b'\n', b'\r'] {
        if pin.last() == Some(&end) {
            pin.pop();
        }
    }
    if pin.is_empty() { Err("holds no PIN".to_owned()) } else { Ok(pin) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn of(content: &[u8]) -> Result<Pin, String> {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("pin"), content).unwrap();
        read(&folder.path().join("pin"))
    }

    #[test]
    fn one_line_end_is_no_part_of_a_pin() {
        for (content, pin) in [("1234", "1234"), ("1234\n", "1234"), ("1234\r\n", "1234"), (" 12 34\n\n", " 12 34\n")] {
            assert_eq!(of(content.as_bytes()).unwrap().as_slice(), pin.as_bytes());
        }
    }

    #[test]
    fn a_file_that_is_no_pin_is_refused_without_its_content() {
        assert!(of(b"").is_err() && of(b"\n").is_err());
        assert!(!of(&[b'7'; 300]).unwrap_err().contains("77"));
    }
}
