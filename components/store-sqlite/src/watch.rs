//! Reading a file that this instance may neither change nor lock with files of its own, while others may write to it.
//!
//! Where reader and writer use the operating system's locks, those keep a reader from a half-written database. The
//! locks of instances under WASI ([`crate::lease`]) are files, which a reader that writes nothing does not make. What
//! it can do is look at the marks that a commit in a rollback journal leaves, before it reads and after:
//!
//! | step of the writer | mark |
//! |---|---|
//! | the old pages are written to the journal, synced | the journal is not empty: SQLite refuses to read |
//! | pages of the database are written | time and size of the file |
//! | page 1 among them, once a commit | the change counter in the header |
//! | the journal is truncated | time and size of the journal |
//!
//! Equal marks: what was read is one state, committed. Other marks: it is forgotten and read again, a smaller page each
//! time, so that it fits between two commits. Nothing is cached from one reading to the next: a write-ahead log does
//! not move the change counter.
//!
//! What is left: a transaction that is too large for SQLite's cache, fails and is rolled back, all of it within one
//! tick of the file system's clock (some milliseconds) after the last commit and within one reading, leaves the same
//! marks. What was read of it would not be what its hashes say: a verdict of damage from a log that is being written
//! is asked for again.
//!
//! What a crash left is not repaired and not guessed: a journal that is to be rolled back, or a write-ahead log that is
//! not empty, is `Denied` and says so. A write-ahead log that is empty or gone holds nothing: the database is whole
//! without it and is read, on a read-only medium too (`vfs` hides the log and the mark of its mode from SQLite).

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use rusqlite::Connection;
use secure_log::store::StoreError;

use crate::error::{from_sqlite, is_busy, is_unfinished};
use crate::vfs::{Database, HEADER};

/// Reading is tried again for this long.
const PATIENCE: Duration = Duration::from_secs(15);

/// The files of one database, watched.
#[derive(Debug)]
pub struct Watch {
    database: PathBuf,
    /// Whether this connection takes part in the system's locks.
    system: bool,
    /// A journal of this age is no running commit's.
    abandoned: Duration,
}

#[derive(Debug, PartialEq, Eq)]
struct Marks {
    header: [u8; HEADER],
    database: Option<(u64, SystemTime)>,
    journal: Option<(u64, SystemTime)>,
    wal: Option<(u64, SystemTime)>,
    /// Whether there ever was a writer whose locks the system does not know.
    leases: bool,
}

impl Watch {
    /// Of an open database. `system`: it is locked with the system's locks while it is read.
    pub fn new(database: &Database, system: bool, abandoned: Duration) -> Watch {
        Watch { database: database.path().unwrap_or_default().into(), system, abandoned }
    }

    /// What `read` finds in one committed state. It is told how often it was called before.
    ///
    /// # Errors
    /// `Denied` for what a crash left, `Unavailable` if writers left no time, else those of `read`.
    pub fn read<T>(
        &self,
        database: &Database,
        mut read: impl FnMut(&Connection, u32) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let begin = Instant::now();
        let mut before = self.marks(database)?;
        let mut attempt = 0;
        loop {
            database.forget_pages().map_err(from_sqlite)?;
            let found = read(database, attempt);
            let after = self.marks(database)?;
            let out_of_patience = begin.elapsed() > PATIENCE;
            match found {
                Err(error) if is_busy(&error) => return Err(from_sqlite(error)),
                _ if after.wal.is_some_and(|(size, _)| size > 0) => return Err(needs_recovery("write-ahead log")),
                Err(error) if is_unfinished(&error) => {
                    let old = |(_, changed): (u64, SystemTime)| changed.elapsed().is_ok_and(|age| age > self.abandoned);
                    if out_of_patience || after.journal.is_some_and(old) {
                        return Err(needs_recovery("journal"));
                    }
                }
                found if before == after || self.system && !after.leases => return found.map_err(from_sqlite),
                _ if out_of_patience => {
                    return Err(StoreError::Unavailable("writers left no time to read between two commits".into()));
                }
                _ => {}
            }
            std::thread::sleep(Duration::from_micros(100 << attempt.min(4)));
            before = self.marks(database)?;
            attempt += 1;
        }
    }

    fn marks(&self, database: &Database) -> Result<Marks, StoreError> {
        Ok(Marks {
            header: database.header().map_err(from_sqlite)?,
            database: self.mark("")?,
            journal: self.mark("-journal")?,
            wal: self.mark("-wal")?,
            leases: self.mark("-lease")?.is_some(),
        })
    }

    /// Size and time of a file; `None` if there is none.
    fn mark(&self, suffix: &str) -> Result<Option<(u64, SystemTime)>, StoreError> {
        let mut path = self.database.as_os_str().to_owned();
        path.push(suffix);
        match fs::metadata(Path::new(&path)).and_then(|found| Ok((found.len(), found.modified()?))) {
            Ok(mark) => Ok(Some(mark)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StoreError::Io(format!("{}: {error}", Path::new(&path).display()))),
        }
    }
}

fn needs_recovery(what: &str) -> StoreError {
    StoreError::Denied(format!(
        "the {what} holds a transaction that is not in the database yet. If nobody is writing it needs recovery: \
         open it once for writing, on a copy; the {what} belongs to the copy"
    ))
}
