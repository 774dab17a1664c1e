//! SQLite's result codes as the store's errors.

use rusqlite::{Error, ffi};
use secure_log::store::StoreError;

/// What a failure of SQLite means to the caller.
///
/// | SQLite | store | |
/// |---|---|---|
/// | `BUSY`, `LOCKED` | `unavailable` | another held the lock for all of the waiting time; nothing was written |
/// | `FULL` | `no-space` | |
/// | `READONLY`, `PERM`, `AUTH` | `denied` | |
/// | `CORRUPT`, `NOTADB`, `FORMAT`, `TOOBIG`, `CONSTRAINT`, `MISMATCH` | `corrupt` | bytes or tables are not what the store wrote |
/// | everything else | `io` | |
pub fn from_sqlite(error: Error) -> StoreError {
    let text = error.to_string();
    match error {
        Error::SqliteFailure(failure, _) => match failure.extended_code & 0xff {
            ffi::SQLITE_BUSY | ffi::SQLITE_LOCKED => {
                StoreError::Unavailable(format!("another writer holds the database, nothing was written ({text})"))
            }
            ffi::SQLITE_FULL => StoreError::NoSpace,
            ffi::SQLITE_READONLY | ffi::SQLITE_PERM | ffi::SQLITE_AUTH => StoreError::Denied(text),
            ffi::SQLITE_CORRUPT
            | ffi::SQLITE_NOTADB
            | ffi::SQLITE_FORMAT
            | ffi::SQLITE_TOOBIG
            | ffi::SQLITE_CONSTRAINT
            | ffi::SQLITE_MISMATCH => StoreError::Corrupt(text),
            // A missing table or column: somebody changed the schema.
            ffi::SQLITE_ERROR => StoreError::Corrupt(text),
            _ => StoreError::Io(format!("{text} (SQLite code {})", failure.extended_code)),
        },
        Error::FromSqlConversionFailure(..)
        | Error::IntegralValueOutOfRange(..)
        | Error::InvalidColumnType(..)
        | Error::QueryReturnedNoRows => StoreError::Corrupt(text),
        Error::NulError(_) | Error::InvalidPath(_) => StoreError::Invalid(text),
        _ => StoreError::Io(text),
    }
}

/// Whether another holds the lock that was waited for.
pub fn is_busy(error: &Error) -> bool {
    matches!(error, Error::SqliteFailure(failure, _) if failure.extended_code & 0xff == ffi::SQLITE_BUSY)
}

/// Whether a reader that may not write found a journal that is to be rolled back first.
pub fn is_unfinished(error: &Error) -> bool {
    matches!(error, Error::SqliteFailure(failure, _) if failure.extended_code == ffi::SQLITE_READONLY_ROLLBACK)
}

/// Whether SQLite could not open a file at all.
pub fn is_cannot_open(error: &Error) -> bool {
    matches!(error, Error::SqliteFailure(failure, _) if failure.extended_code & 0xff == ffi::SQLITE_CANTOPEN)
}
