//! Opening a database file in the mode it was configured for.

use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use rusqlite::config::DbConfig;
use rusqlite::limits::Limit;
use secure_log::store::StoreError;

use crate::config::{Config, Mode};
use crate::database::Database;
use crate::error::{from_sqlite, is_cannot_open};
use crate::lease::{Kept, LeaseTimes};
use crate::schema;
use crate::vfs::Locks;
use crate::watch::Watch;

/// Settings that look at the file, so they come after its mode. The page cache of 2 MiB holds the inner nodes
/// of a table of any size and is little enough to be forgotten.
pub const SETTINGS: &str = "PRAGMA cache_size = -2048; PRAGMA temp_store = MEMORY; PRAGMA mmap_size = 0; \
    PRAGMA secure_delete = ON; PRAGMA cell_size_check = ON;";
/// Longest row: a payload of 1 MiB, a body of 64 KiB, names; a file that claims more is corrupt.
const MAX_ROW: i32 = 2 * 1024 * 1024;
/// Statements kept prepared; the store has fewer.
const STATEMENTS: usize = 24;
/// Waiting for a lock ends after this, with lease files this long after a killed holder's could be taken over.
pub const PATIENCE: Duration = Duration::from_secs(15);

/// Opens or creates what `config` names, with the newest schema. `wasi`: lock as if there were no system locks.
///
/// # Errors
/// `Invalid` for a path that can not be a database, `Denied`, `Corrupt`, `Unavailable`, `Io`.
pub fn open(config: &Config, wasi: bool, times: LeaseTimes) -> Result<(Database, Option<Watch>), StoreError> {
    let (path, mode, lease) = match config {
        Config::Memory => {
            let mut database = Database::in_memory().map_err(from_sqlite)?;
            configure(database.connection_mut(), PATIENCE)?;
            pragma(&database, SETTINGS)?;
            schema::open(&database)?;
            return Ok((database, None));
        }
        Config::ReadOnly { path } => {
            return open_read_only(path, wasi, times).map(|(watch, database)| (database, Some(watch)));
        }
        Config::File { path, mode, lease } => (path, *mode, *lease),
    };
    let kept = if mode == Mode::Owner { Kept::ByOwner } else { Kept::PerTransaction };
    let locks = Locks { system: !wasi, lease: (lease || wasi).then_some((kept, times)) };
    let patience = locks.lease.map_or(PATIENCE, |(_, times)| times.takeover + PATIENCE);
    let mut database = Database::open(path, locks).map_err(|error| explain(path, from_sqlite(error)))?;
    let prepared = prepare(&mut database, mode, patience).and_then(|()| schema::open(&database));
    match prepared {
        Ok(()) => Ok((database, None)),
        Err(error) => Err(explain(path, database.lost().map_or(error, StoreError::Io))),
    }
}

/// Opens what is there; nothing is created, nothing migrated.
fn open_read_only(path: &Path, wasi: bool, times: LeaseTimes) -> Result<(Watch, Database), StoreError> {
    if path.try_exists().is_ok_and(|exists| !exists) {
        return Err(StoreError::no_log_at(path.display()));
    }
    let opened = || {
        let (mut watch, mut database) = Watch::open(path, !wasi, times.takeover)?;
        let facts = watch.read(&mut database, |connection, _| schema::facts(connection))?;
        Ok((schema::has_rows(&facts)?, watch, database))
    };
    match opened() {
        Ok((true, watch, database)) => Ok((watch, database)),
        Ok((false, ..)) => Err(StoreError::no_log_at(path.display())),
        Err(error) => Err(explain(path, error)),
    }
}

fn prepare(database: &mut Database, mode: Mode, patience: Duration) -> Result<(), StoreError> {
    configure(database.connection_mut(), patience)?;
    if database.is_readonly("main").map_err(from_sqlite)? {
        return Err(StoreError::Denied("the database file is read-only".into()));
    }
    match mode {
        Mode::Owner => {
            exclusively(database, "WAL")?;
            // A commit is one sync, of the log.
            pragma(database, "PRAGMA synchronous = FULL")?;
        }
        Mode::Shared => {
            // The first look at the file. A write-ahead log that an owner left can, without shared memory,
            // only be opened exclusively: that is done once, and the log is gone.
            match journal_mode(database, "TRUNCATE") {
                Ok(mode) => expect_mode("TRUNCATE", &mode)?,
                Err(error) if is_cannot_open(&error) => {
                    exclusively(database, "TRUNCATE")?;
                    // The lock is given back with the next read.
                    pragma(database, "PRAGMA locking_mode = NORMAL; SELECT count(*) FROM sqlite_schema;")?;
                }
                Err(error) => return Err(from_sqlite(error)),
            }
            // EXTRA: the end of the journal is durable too before a commit is answered.
            pragma(database, "PRAGMA synchronous = EXTRA")?;
        }
    }
    pragma(database, SETTINGS)
}

/// Settings of every connection, before it touches the file.
pub fn configure(connection: &mut Connection, limit: Duration) -> Result<(), StoreError> {
    let set = |connection: &Connection| -> rusqlite::Result<()> {
        for (option, value) in [
            (DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true),
            (DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false),
            (DbConfig::SQLITE_DBCONFIG_DQS_DML, false),
            (DbConfig::SQLITE_DBCONFIG_DQS_DDL, false),
        ] {
            connection.set_db_config(option, value)?;
        }
        connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, MAX_ROW)?;
        connection.set_limit(Limit::SQLITE_LIMIT_ATTACHED, 0)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        Ok(())
    };
    set(connection).map_err(from_sqlite)?;
    let mut patience = Patience { limit, since: Instant::now() };
    connection.busy_handler(Some(move |round| patience.wait(round))).map_err(from_sqlite)
}

/// Waits for a lock: from 0.2 to 10 ms, with jitter so that many who wait do not wake together.
struct Patience {
    limit: Duration,
    since: Instant,
}

impl Patience {
    fn wait(&mut self, round: i32) -> bool {
        if round == 0 {
            self.since = Instant::now();
        } else if self.since.elapsed() > self.limit {
            return false;
        }
        let longest = 200u64 << round.clamp(0, 5);
        let random = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), round);
        std::thread::sleep(Duration::from_micros(100 + random % (longest * 3 / 2)));
        true
    }
}

/// Takes the file for this connection alone and sets its journal.
fn exclusively(database: &Connection, journal: &str) -> Result<(), StoreError> {
    pragma(database, "PRAGMA locking_mode = EXCLUSIVE")?;
    expect_mode(journal, &journal_mode(database, journal).map_err(from_sqlite)?)
}

/// SQLite answers with the mode it has, which need not be the one that was asked for.
fn journal_mode(database: &Connection, wanted: &str) -> rusqlite::Result<String> {
    database.query_row(&format!("PRAGMA journal_mode = {wanted}"), [], |row| row.get(0))
}

fn expect_mode(wanted: &str, is: &str) -> Result<(), StoreError> {
    match is.eq_ignore_ascii_case(wanted) {
        true => Ok(()),
        false => Err(StoreError::Unavailable(format!("journal mode {wanted} was asked for, SQLite stays with {is}"))),
    }
}

fn pragma(database: &Connection, sql: &str) -> Result<(), StoreError> {
    database.execute_batch(sql).map_err(from_sqlite)
}

/// Names the path, and says what about it is wrong where SQLite says only that it can not be opened.
fn explain(path: &Path, error: StoreError) -> StoreError {
    let name = path.display();
    match error {
        StoreError::Io(_) if path.is_dir() => StoreError::Invalid(format!("{name} is a directory")),
        StoreError::Io(_) if path.parent().is_some_and(|parent| !parent.as_os_str().is_empty() && !parent.is_dir()) => {
            StoreError::Invalid(format!("{name}: its directory does not exist"))
        }
        StoreError::Io(why) => StoreError::Io(format!("{name}: {why}")),
        StoreError::Invalid(why) => StoreError::Invalid(format!("{name}: {why}")),
        StoreError::Corrupt(why) => StoreError::Corrupt(format!("{name}: {why}")),
        StoreError::Denied(why) => StoreError::Denied(format!("{name}: {why}")),
        StoreError::Unavailable(why) => StoreError::Unavailable(format!("{name}: {why}")),
        other => other,
    }
}
