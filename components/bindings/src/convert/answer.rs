//! What a user of the log gets back when it fails: errors and findings of `wit/`, as values of the domain.

use secure_log::error::{Finding, Invalid, LogError};
use secure_log::signer::SignerError;
use secure_log::types::StreamId;

use crate::types;

impl TryFrom<types::LogError> for LogError {
    type Error = Invalid;
    fn try_from(error: types::LogError) -> Result<Self, Invalid> {
        Ok(match error {
            types::LogError::NotOpen => LogError::NotOpen,
            types::LogError::AlreadyOpen => LogError::AlreadyOpen,
            types::LogError::Invalid(why) => LogError::Invalid(why),
            types::LogError::EntryNotFound => LogError::EntryNotFound,
            types::LogError::StreamNotFound => LogError::StreamNotFound,
            types::LogError::SegmentNotFound => LogError::SegmentNotFound,
            types::LogError::EmptySegment => LogError::EmptySegment,
            types::LogError::StreamClosed => LogError::StreamClosed,
            types::LogError::Conflict => LogError::Conflict,
            types::LogError::Tampered(finding) => LogError::Tampered(finding.try_into()?),
            types::LogError::Rollback(finding) => LogError::Rollback(finding.try_into()?),
            types::LogError::Untrusted(why) => LogError::Untrusted(why),
            types::LogError::Signer(error) => LogError::Signer(error.into()),
            types::LogError::Store(error) => LogError::Store(error.into()),
            types::LogError::Unsupported(what) => LogError::Unsupported(what),
        })
    }
}

impl TryFrom<types::Finding> for Finding {
    type Error = Invalid;
    fn try_from(finding: types::Finding) -> Result<Self, Invalid> {
        Ok(Finding {
            stream_id: StreamId::try_from(finding.stream_id.as_str())?,
            first_seqno: finding.first_seqno,
            last_seqno: finding.last_seqno,
            kind: finding.kind.into(),
            detail: finding.detail,
        })
    }
}

impl From<types::SignerError> for SignerError {
    fn from(error: types::SignerError) -> Self {
        match error {
            types::SignerError::KeyNotFound(what) => SignerError::KeyNotFound(what),
            types::SignerError::UnsupportedAlgorithm(what) => SignerError::UnsupportedAlgorithm(what),
            types::SignerError::AccessDenied(what) => SignerError::AccessDenied(what),
            types::SignerError::Backend(what) => SignerError::Backend(what),
            types::SignerError::WrongSignature(what) => SignerError::WrongSignature(what),
        }
    }
}
