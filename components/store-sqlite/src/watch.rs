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
//! A write-ahead log (owner mode) that is not empty belongs to the database: SQLite reads it into an index in memory,
//! committed transactions only. That index is as old as the connection, so it is opened again when the marks are
//! others. A log that is empty or gone holds nothing, and the database is read without it (`vfs` hides it). Both work on
//! a read-only medium.
//!
//! A journal that is to be rolled back can only be so by writing: it is `Denied`, and left as it is.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use rusqlite::Connection;
use secure_log::store::StoreError;

use crate::database::Database;
use crate::error::{from_sqlite, is_busy, is_unfinished};
use crate::open::{PATIENCE, SETTINGS, configure};
use crate::vfs::{HEADER, Reading};

/// Bytes of the header of a write-ahead log; its salts change when the log begins anew
/// (sqlite.org/fileformat2.html section 4.1).
const LOG_HEADER: usize = 32;

/// The files of one database, watched.
#[derive(Debug)]
pub struct Watch {
    /// As SQLite resolved it.
    path: PathBuf,
    /// Whether a connection takes part in the system's locks.
    system: bool,
    /// A journal of this age is no running commit's.
    abandoned: Duration,
    /// When a write-ahead log was indexed.
    indexed: Option<Marks>,
    /// The connection has not touched the file yet.
    new: bool,
}

#[derive(Debug, PartialEq, Eq)]
struct Marks {
    header: [u8; HEADER],
    database: Option<(u64, SystemTime)>,
    journal: Option<(u64, SystemTime)>,
    log: Option<(u64, SystemTime)>,
    log_header: [u8; LOG_HEADER],
    /// Whether there ever was a writer whose locks the system does not know.
    leases: bool,
}

impl Marks {
    fn reading(&self) -> Reading {
        if self.log.is_some_and(|(size, _)| size > 0) { Reading::WithLog } else { Reading::Alone }
    }
}

impl Watch {
    /// Opens the database at `path`, which exists. `system`: to lock it with the system's locks while it is read.
    pub fn open(path: &Path, system: bool, abandoned: Duration) -> Result<(Watch, Database), StoreError> {
        let mut watch = Watch { path: path.to_owned(), system, abandoned, indexed: None, new: true };
        let database = watch.connect(Reading::Alone)?;
        let resolved = database.path().ok_or_else(|| StoreError::Invalid("its full path is not UTF-8".into()))?;
        watch.path = resolved.into();
        Ok((watch, database))
    }

    fn connect(&mut self, reading: Reading) -> Result<Database, StoreError> {
        let mut database = Database::open_read_only(&self.path, self.system, reading).map_err(from_sqlite)?;
        configure(database.connection_mut(), PATIENCE)?;
        self.new = true;
        Ok(database)
    }

    /// What `read` finds in one committed state. It is told how often it was called before.
    ///
    /// # Errors
    /// `Denied` for a journal that a crash left, `Unavailable` if writers left no time, else those of `read`.
    pub fn read<T>(
        &mut self,
        database: &mut Database,
        mut read: impl FnMut(&Connection, u32) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let begin = Instant::now();
        for attempt in 0.. {
            let mut before = self.marks(database)?;
            let reading = before.reading();
            if database.reading() != Some(reading)
                || reading == Reading::WithLog && self.indexed.as_ref() != Some(&before)
            {
                *database = self.connect(reading)?;
                before = self.marks(database)?;
            }
            let found = self.ready(database, reading).and_then(|()| read(database, attempt));
            let after = self.marks(database)?;
            let still = before == after || self.system && !after.leases;
            let out_of_patience = begin.elapsed() > PATIENCE;
            match found {
                Err(error) if is_busy(&error) => return Err(from_sqlite(error)),
                Err(error) if is_unfinished(&error) => {
                    let old = |(_, changed): (u64, SystemTime)| changed.elapsed().is_ok_and(|age| age > self.abandoned);
                    if out_of_patience || after.journal.is_some_and(old) {
                        return Err(needs_recovery());
                    }
                }
                found if still && before.reading() == reading => {
                    self.indexed = Some(before);
                    return found.map_err(from_sqlite);
                }
                _ if out_of_patience => break,
                _ => {}
            }
            self.indexed = None;
            std::thread::sleep(Duration::from_micros(100 << attempt.min(4)));
        }
        Err(StoreError::Unavailable("writers left no time to read between two commits".into()))
    }

    fn ready(&mut self, database: &Database, reading: Reading) -> rusqlite::Result<()> {
        if self.new {
            if reading == Reading::WithLog {
                database.execute_batch("PRAGMA locking_mode = EXCLUSIVE")?;
            }
            database.execute_batch(SETTINGS)?;
            self.new = false;
        }
        database.forget_pages()
    }

    fn marks(&self, database: &Database) -> Result<Marks, StoreError> {
        let failed = |error: io::Error| StoreError::Io(format!("files of {}: {error}", self.path.display()));
        Ok(Marks {
            header: database.header().map_err(from_sqlite)?,
            database: self.mark("").map_err(failed)?,
            journal: self.mark("-journal").map_err(failed)?,
            log: self.mark("-wal").map_err(failed)?,
            log_header: self.log_header().map_err(failed)?,
            leases: self.mark("-lease").map_err(failed)?.is_some(),
        })
    }

    /// Size and time of a file; `None` if there is none.
    fn mark(&self, suffix: &str) -> io::Result<Option<(u64, SystemTime)>> {
        match fs::metadata(self.beside(suffix)).and_then(|found| Ok((found.len(), found.modified()?))) {
            Ok(mark) => Ok(Some(mark)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Zeros where there is none.
    fn log_header(&self) -> io::Result<[u8; LOG_HEADER]> {
        let mut header = Vec::with_capacity(LOG_HEADER);
        match File::open(self.beside("-wal")) {
            Ok(log) => log.take(LOG_HEADER as u64).read_to_end(&mut header)?,
            Err(error) if error.kind() == ErrorKind::NotFound => 0,
            Err(error) => return Err(error),
        };
        header.resize(LOG_HEADER, 0);
        Ok(header.try_into().unwrap_or_default())
    }

    fn beside(&self, suffix: &str) -> PathBuf {
        let mut path = self.path.as_os_str().to_owned();
        path.push(suffix);
        path.into()
    }
}

fn needs_recovery() -> StoreError {
    StoreError::Denied(
        "the journal holds a transaction that was not finished. If nobody is writing it needs recovery: open it once \
         for writing, on a copy; the journal belongs to the copy"
            .into(),
    )
}
