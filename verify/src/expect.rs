//! Names of errors and findings, and the two questions asked of every answer: did it work, did it fail as it must.

use anyhow::{Result, bail};

use crate::host::wit::{Finding, FindingKind, LogError, SignerError, StoreError};

/// The name of a finding's kind, as `wit/` writes it.
pub fn kind(kind: FindingKind) -> &'static str {
    match kind {
        FindingKind::EntryAltered => "entry-altered",
        FindingKind::EntryMissing => "entry-missing",
        FindingKind::EntryInserted => "entry-inserted",
        FindingKind::ChainBroken => "chain-broken",
        FindingKind::RootMismatch => "root-mismatch",
        FindingKind::CheckpointMissing => "checkpoint-missing",
        FindingKind::CheckpointForged => "checkpoint-forged",
        FindingKind::Truncated => "truncated",
        FindingKind::Forked => "forked",
        FindingKind::WrongKey => "wrong-key",
        FindingKind::PayloadAltered => "payload-altered",
        FindingKind::PayloadMissing => "payload-missing",
        FindingKind::Torn => "torn",
        FindingKind::NodeWrong => "node-wrong",
        FindingKind::TimeDecreased => "time-decreased",
        FindingKind::RolledBack => "rolled-back",
        FindingKind::AuthorWrong => "author-wrong",
        FindingKind::OriginWrong => "origin-wrong",
    }
}

/// A finding in one line.
pub fn finding(finding: &Finding) -> String {
    format!("{} at {}..{}: {}", kind(finding.kind), finding.first_seqno, finding.last_seqno, finding.detail)
}

/// The case of an error: `invalid`, `store(corrupt)`, `tampered(chain-broken)`.
pub fn case(error: &LogError) -> String {
    let plain = match error {
        LogError::NotOpen => "not-open",
        LogError::AlreadyOpen => "already-open",
        LogError::Invalid(_) => "invalid",
        LogError::EntryNotFound => "entry-not-found",
        LogError::StreamNotFound => "stream-not-found",
        LogError::SegmentNotFound => "segment-not-found",
        LogError::EmptySegment => "empty-segment",
        LogError::StreamClosed => "stream-closed",
        LogError::Conflict => "conflict",
        LogError::Untrusted(_) => "untrusted",
        LogError::Unsupported(_) => "unsupported",
        LogError::Tampered(finding) => return format!("tampered({})", kind(finding.kind)),
        LogError::Rollback(finding) => return format!("rollback({})", kind(finding.kind)),
        LogError::Signer(error) => return format!("signer({})", signer_case(error)),
        LogError::Store(error) => return format!("store({})", store_case(error)),
    };
    plain.to_owned()
}

fn store_case(error: &StoreError) -> &'static str {
    match error {
        StoreError::Conflict => "conflict",
        StoreError::NotInitialised => "not-initialised",
        StoreError::Invalid(_) => "invalid",
        StoreError::NoSpace => "no-space",
        StoreError::Io(_) => "io",
        StoreError::Corrupt(_) => "corrupt",
        StoreError::Unavailable(_) => "unavailable",
        StoreError::Denied(_) => "denied",
    }
}

fn signer_case(error: &SignerError) -> &'static str {
    match error {
        SignerError::KeyNotFound(_) => "key-not-found",
        SignerError::UnsupportedAlgorithm(_) => "unsupported-algorithm",
        SignerError::AccessDenied(_) => "access-denied",
        SignerError::Backend(_) => "backend",
        SignerError::WrongSignature(_) => "wrong-signature",
    }
}

/// What an error says for people: its case and its text.
pub fn words(error: &LogError) -> String {
    let text = match error {
        LogError::Invalid(text) | LogError::Untrusted(text) | LogError::Unsupported(text) => text.as_str(),
        LogError::Tampered(found) | LogError::Rollback(found) => &finding(found),
        LogError::Store(
            StoreError::Invalid(text)
            | StoreError::Io(text)
            | StoreError::Corrupt(text)
            | StoreError::Unavailable(text)
            | StoreError::Denied(text),
        ) => text,
        LogError::Signer(
            SignerError::KeyNotFound(text)
            | SignerError::UnsupportedAlgorithm(text)
            | SignerError::AccessDenied(text)
            | SignerError::Backend(text)
            | SignerError::WrongSignature(text),
        ) => text,
        _ => "",
    };
    format!("{} {text}", case(error)).trim_end().to_owned()
}

/// The two questions.
pub trait Expect<T> {
    /// The value; an error of the log becomes a failed check.
    ///
    /// # Errors
    /// The log's error, in words.
    fn works(self) -> Result<T>;

    /// The error must be of this case; `|` separates several that will do.
    ///
    /// # Errors
    /// It worked, or failed otherwise.
    fn fails(self, cases: &str) -> Result<String>;
}

impl<T> Expect<T> for std::result::Result<T, LogError> {
    fn works(self) -> Result<T> {
        self.map_err(|error| anyhow::anyhow!("{}", words(&error)))
    }

    fn fails(self, cases: &str) -> Result<String> {
        match self {
            Ok(_) => bail!("it worked, but must fail with {cases}"),
            Err(error) if cases.split('|').any(|wanted| wanted == case(&error)) => Ok(words(&error)),
            Err(error) => bail!("it failed with {}, but must fail with {cases}", words(&error)),
        }
    }
}
