//! How a command ends when it does not end well: what it says, and the exit status.

use std::fmt;
use std::io::{self, ErrorKind};

use secure_log::error::{Invalid, LogError};
use secure_log::note::NoteError;
use secure_log::proof_file::ProofError;
use secure_log::signer::SignerError;
use secure_log::store::StoreError;
use secure_log_bindings::types;

/// Exit status: something stored or given is not what it must be.
pub const FINDING: u8 = 1;
/// Exit status: an argument, a file or a name that is none. Nothing was changed.
pub const USAGE: u8 = 2;
/// Exit status: the store, the keystore or the disk failed, so nothing is known.
pub const CANNOT_TELL: u8 = 3;

/// Why a command failed; decides the exit status. The text names the input.
#[derive(Debug)]
pub enum Failure {
    /// [`FINDING`].
    Finding(String),
    /// [`USAGE`].
    Usage(String),
    /// [`CANNOT_TELL`].
    CannotTell(String),
    /// Whoever read the output has enough: no failure at all.
    Closed,
}

impl Failure {
    /// A finding, in words.
    pub fn finding(text: impl Into<String>) -> Failure {
        Failure::Finding(text.into())
    }

    /// A misuse, in words.
    pub fn usage(text: impl Into<String>) -> Failure {
        Failure::Usage(text.into())
    }

    /// An operation on a file or stream that failed.
    pub fn io(what: &str, error: &io::Error) -> Failure {
        Failure::CannotTell(format!("{what}: {}", why(error)))
    }

    /// What the log answers, after what it was asked about.
    pub fn about(what: &str) -> impl Fn(types::LogError) -> Failure {
        move |error| Failure::from(error).after(&format!("{what}: "))
    }

    /// The same, after these words.
    pub fn after(self, words: &str) -> Failure {
        match self {
            Failure::Finding(text) => Failure::Finding(format!("{words}{text}")),
            Failure::Usage(text) => Failure::Usage(format!("{words}{text}")),
            Failure::CannotTell(text) => Failure::CannotTell(format!("{words}{text}")),
            Failure::Closed => Failure::Closed,
        }
    }

    /// The same, after something was changed: a misuse would say that nothing was.
    pub fn changed(self) -> Failure {
        match self {
            Failure::Usage(text) => Failure::CannotTell(text),
            other => other,
        }
    }

    /// The exit status.
    pub fn status(&self) -> u8 {
        match self {
            Failure::Finding(_) => FINDING,
            Failure::Usage(_) => USAGE,
            Failure::CannotTell(_) => CANNOT_TELL,
            Failure::Closed => 0,
        }
    }

    /// The name in JSON.
    pub fn kind(&self) -> &'static str {
        match self {
            Failure::Finding(_) => "finding",
            Failure::Usage(_) => "usage",
            Failure::CannotTell(_) => "cannot-tell",
            Failure::Closed => "closed",
        }
    }
}

/// Why a file or stream failed, without the numbers of a system that the reader does not sit at.
pub fn why(error: &io::Error) -> String {
    let text = error.to_string();
    match error.kind() {
        ErrorKind::NotFound => "not found in the folders that the host gave".into(),
        ErrorKind::StorageFull => "no space left".into(),
        _ if text.contains("pre-opened") => "not in a folder that the host gave".into(),
        _ => match text.rsplit_once(" (os error ") {
            Some((words, _)) => words.to_owned(),
            None => text,
        },
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Finding(text) | Failure::Usage(text) | Failure::CannotTell(text) => f.write_str(text),
            Failure::Closed => f.write_str("the reader closed the output"),
        }
    }
}

impl From<types::LogError> for Failure {
    fn from(error: types::LogError) -> Failure {
        let error = match LogError::try_from(error) {
            Ok(error) => error,
            Err(error) => return Failure::CannotTell(format!("the log answers with {error}")),
        };
        let text = error.to_string();
        match error {
            LogError::Tampered(_)
            | LogError::Rollback(_)
            | LogError::Untrusted(_)
            | LogError::Store(StoreError::Corrupt(_)) => Failure::Finding(text),
            LogError::Invalid(_)
            | LogError::EntryNotFound
            | LogError::StreamNotFound
            | LogError::SegmentNotFound
            | LogError::EmptySegment
            | LogError::StreamClosed
            | LogError::Store(StoreError::Invalid(_))
            | LogError::Signer(SignerError::KeyNotFound(_)) => Failure::Usage(text),
            LogError::NotOpen
            | LogError::AlreadyOpen
            | LogError::Conflict
            | LogError::Signer(_)
            | LogError::Store(_)
            | LogError::Unsupported(_) => Failure::CannotTell(text),
        }
    }
}

/// What a log or a file gives that is no value of its type.
impl From<Invalid> for Failure {
    fn from(error: Invalid) -> Failure {
        Failure::Finding(error.0)
    }
}

impl From<LogError> for Failure {
    fn from(error: LogError) -> Failure {
        Failure::from(types::LogError::from(error))
    }
}

impl From<SignerError> for Failure {
    fn from(error: SignerError) -> Failure {
        Failure::from(LogError::Signer(error))
    }
}

impl From<NoteError> for Failure {
    fn from(error: NoteError) -> Failure {
        Failure::Finding(error.to_string())
    }
}

/// A log that the policy does not speak of is not judged.
impl From<ProofError> for Failure {
    fn from(error: ProofError) -> Failure {
        match error {
            ProofError::UnknownLog(_) => Failure::CannotTell(error.to_string()),
            _ => Failure::Finding(error.to_string()),
        }
    }
}
