//! What a PIN is, wherever it comes from: the one rule for files and variables.
//!
//! Line ends after it do not count (`\n`, `\r\n`, any number). What is left has 1 to [`MAX_PIN`] bytes, with no line
//! end and no NUL in it: a file of two lines is not taken for a PIN of two lines, because a token counts a wrong PIN.
//! All of this is decided before a token sees anything.

use std::ffi::OsString;
use std::fmt;
use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::path::Path;

use zeroize::Zeroizing;

/// Longest PIN in bytes. PKCS #11 sets no limit; no token is known to take more.
pub const MAX_PIN: usize = 255;
/// Longest file with a PIN, in bytes: the longest PIN, and line ends.
const MAX_FILE: usize = MAX_PIN + 64;

/// A PIN, wiped when dropped.
pub type Pin = Zeroizing<Vec<u8>>;

/// Why there is no PIN. Never tells a part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PinError {
    /// The file could not be read; as the system says it.
    Unreadable(String),
    /// A folder, a pipe, a device, a socket.
    NoFile,
    /// Nothing, or line ends only.
    Empty,
    /// More than [`MAX_PIN`] bytes.
    TooLong,
    /// A line end with something after it.
    Lines,
    /// A NUL.
    Nul,
}

impl fmt::Display for PinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PinError::Unreadable(why) => f.write_str(why),
            PinError::NoFile => f.write_str("not a regular file"),
            PinError::Empty => f.write_str("the PIN is empty"),
            PinError::TooLong => write!(f, "a PIN of more than {MAX_PIN} bytes"),
            PinError::Lines => f.write_str("more than one line: a PIN is one line, and nothing stands beside it"),
            PinError::Nul => f.write_str("a NUL in the PIN"),
        }
    }
}

impl std::error::Error for PinError {}

/// The PIN in a regular file, by its name or that of a link to it. One allocation holds it, so that none stays behind in
/// freed memory.
///
/// # Errors
/// The file can not be read, or holds none.
pub fn from_file(path: &Path) -> Result<Pin, PinError> {
    let failed = |error: std::io::Error| PinError::Unreadable(error.to_string());
    // Before it is opened: opening a pipe waits for its writer.
    if !std::fs::metadata(path).map_err(failed)?.is_file() {
        return Err(PinError::NoFile);
    }
    let mut file = File::open(path).map_err(failed)?;
    let mut content = Zeroizing::new(vec![0; MAX_FILE + 1]);
    let mut length = 0;
    while length < content.len() {
        match file.read(&mut content[length..]) {
            Ok(0) => break,
            Ok(more) => length += more,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(failed(error)),
        }
    }
    if length > MAX_FILE {
        return Err(PinError::TooLong);
    }
    content.truncate(length);
    from_bytes(content)
}

/// The PIN in the value of a variable, which is taken over and not copied.
///
/// # Errors
/// It is none.
pub fn from_variable(value: OsString) -> Result<Pin, PinError> {
    from_bytes(Zeroizing::new(value.into_encoded_bytes()))
}

/// The PIN that these bytes are.
///
/// # Errors
/// They are none.
pub fn from_bytes(mut bytes: Pin) -> Result<Pin, PinError> {
    let is_end = |byte: &u8| b"\r\n".contains(byte);
    let length = bytes.iter().rposition(|byte| !is_end(byte)).map_or(0, |last| last + 1);
    bytes.truncate(length);
    match length {
        0 => Err(PinError::Empty),
        _ if bytes.iter().any(is_end) => Err(PinError::Lines),
        _ if bytes.contains(&0) => Err(PinError::Nul),
        1..=MAX_PIN => Ok(bytes),
        _ => Err(PinError::TooLong),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn all_ways(content: &str) -> Result<Pin, PinError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pin");
        std::fs::write(&path, content).unwrap();
        let (file, variable) = (from_file(&path), from_variable(content.into()));
        assert_eq!(file, variable, "{content:?}");
        file
    }

    #[test]
    fn line_ends_after_a_pin_do_not_count_wherever_it_comes_from() {
        let longest = "7".repeat(MAX_PIN);
        for (content, pin) in [
            ("1234", "1234"),
            ("1234\n", "1234"),
            ("1234\r\n", "1234"),
            ("1234\n\r\n\n", "1234"),
            (" 12 34 \n", " 12 34 "),
            ("päss", "päss"),
            (&longest, &longest),
            (&format!("{longest}\r\n"), &longest),
        ] {
            assert_eq!(all_ways(content).unwrap().as_slice(), pin.as_bytes(), "{content:?}");
        }
    }

    #[test]
    fn what_is_no_pin_is_refused_and_why_is_said_without_it() {
        for (content, why) in [
            ("", PinError::Empty),
            ("\n\r\n", PinError::Empty),
            ("4711\n4712\n", PinError::Lines),
            ("\n4711", PinError::Lines),
            ("47\r11", PinError::Lines),
            ("4711\0", PinError::Nul),
            (&"7".repeat(MAX_PIN + 1), PinError::TooLong),
            (&"7".repeat(100_000), PinError::TooLong),
        ] {
            assert_eq!(all_ways(content), Err(why.clone()), "{content:?}");
            assert!(!why.to_string().contains("471") && !why.to_string().contains("77"), "{why}");
        }
        // What is behind the longest file is no reason to take what is before it.
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pin");
        std::fs::write(&path, format!("4711{}4712", "\n".repeat(MAX_FILE))).unwrap();
        assert_eq!(from_file(&path), Err(PinError::TooLong));
        assert!(matches!(from_file(&folder.path().join("none")), Err(PinError::Unreadable(_))));
    }
    #[cfg(unix)]
    #[test]
    fn what_is_no_regular_file_is_refused_and_a_pipe_is_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(from_file(folder.path()), Err(PinError::NoFile));
        assert_eq!(from_file(Path::new("/dev/zero")), Err(PinError::NoFile));
        let pipe = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let (told, answer) = std::sync::mpsc::channel();
        std::thread::spawn(move || told.send(from_file(&pipe)));
        assert_eq!(answer.recv_timeout(std::time::Duration::from_secs(20)), Ok(Err(PinError::NoFile)));

        let (file, link) = (folder.path().join("pin"), folder.path().join("link"));
        std::fs::write(&file, "4711\n").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        assert_eq!(from_file(&link).unwrap().as_slice(), b"4711");
    }
}
