//! The store: rows in one table, one transaction per call, the compare inside it.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, params};
use secure_log::store::{PAGE_BYTES, Row, RowKind, Store, StoreError, Want, check_batch};
use secure_log::types::StreamId;

use crate::config::{Config, Mode};
use crate::database::Database;
use crate::error::from_sqlite;
use crate::lease::LeaseTimes;
use crate::render::{Rendered, is_text, render};
use crate::watch::Watch;
use crate::{check, open};

/// A store in a SQLite database; `init` says where ([`crate::config`]).
///
/// # Durability
/// - *shared*: rollback journal, `synchronous=EXTRA`; `Written` is treated as `Synced`, because without a sync
///   between journal and database a crash could cost the whole database.
/// - *owner*: write-ahead log; `Synced` is `synchronous=FULL` and one sync, which covers everything written
///   to the log before; `Written` is `synchronous=NORMAL`: no sync, and after a crash a prefix of whole appends.
/// - in memory: none.
///
/// # Errors
/// As [`Store`]. The first `Io` or `NoSpace` is repeated by every later call until `init`; after `Corrupt`
/// reading goes on and writing is refused. `Unavailable`: the lock could not be had; nothing was written.
#[derive(Debug, Default)]
pub struct SqliteStore {
    open: Option<Open>,
    /// Lock as if the system had no locks, as WASI has none.
    as_under_wasi: bool,
    times: LeaseTimes,
}

/// What this instance has cost since `init`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Write transactions that were committed.
    pub commits: u64,
    /// Read transactions.
    pub reads: u64,
    /// Writes to files.
    pub writes: u64,
    /// Syncs of files and directories that SQLite asked for.
    pub syncs: u64,
}

#[derive(Debug)]
struct Open {
    database: Database,
    /// Absent in memory, and if nothing is written.
    mode: Option<Mode>,
    failed: Option<StoreError>,
    /// Owner mode: something was written and not yet synced.
    unsynced: bool,
    /// Opened read-only: how it is read.
    watch: Option<Watch>,
    /// Owner mode: what `synchronous` was last set to; FULL after opening.
    synced: bool,
    commits: u64,
    reads: u64,
}

impl SqliteStore {
    /// A store that locks as under WASI: with lease files alone, of these times. For tests of that path, and
    /// for file systems whose own locks do not work; the `sqlite3` program does not see these locks.
    pub fn as_under_wasi(times: LeaseTimes) -> SqliteStore {
        SqliteStore { open: None, as_under_wasi: true, times }
    }

    /// What this instance has cost since `init`.
    ///
    /// # Errors
    /// `NotInitialised`.
    pub fn stats(&self) -> Result<Stats, StoreError> {
        let open = self.open.as_ref().ok_or(StoreError::NotInitialised)?;
        let (writes, syncs) = open.database.counts();
        Ok(Stats { commits: open.commits, reads: open.reads, writes, syncs })
    }

    /// Reads the whole database and says what is wrong with it, a sentence each, at most about a hundred:
    /// SQLite's own `integrity_check`, gaps in the indexes, columns that are not what the bodies say, and
    /// tables, triggers and views that are not this version's. Nothing is repaired.
    ///
    /// # Errors
    /// As reading.
    pub fn integrity_check(&mut self) -> Result<Vec<String>, StoreError> {
        self.read(|database, _| check::problems(database))
    }

    /// `read` is told how often it was called before: an instance that only reads may have to read again.
    fn read<T>(&mut self, mut read: impl FnMut(&Connection, u32) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        let open = self.open.as_mut().ok_or(StoreError::NotInitialised)?;
        match &open.failed {
            None | Some(StoreError::Corrupt(_)) => {}
            Some(error) => return Err(error.clone()),
        }
        open.reads += 1;
        open.attempt(|open| match &mut open.watch {
            Some(watch) => watch.read(&mut open.database, read),
            None => read(&open.database, 0).map_err(from_sqlite),
        })
    }

    fn write(&mut self) -> Result<&mut Open, StoreError> {
        let open = self.open.as_mut().ok_or(StoreError::NotInitialised)?;
        if open.watch.is_some() {
            return Err(StoreError::read_only());
        }
        open.unless_failed()
    }
}

impl Open {
    fn unless_failed(&mut self) -> Result<&mut Open, StoreError> {
        match &self.failed {
            None => Ok(self),
            Some(error) => Err(error.clone()),
        }
    }

    /// Does one call's work; remembers a failure of the medium.
    fn attempt<T>(&mut self, work: impl FnOnce(&mut Open) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let begun = self.database.begin().map_err(|error| StoreError::Io(error.to_string()));
        let error = match begun.and_then(|()| work(self)) {
            Ok(done) => return Ok(done),
            Err(error) => self.database.lost().map_or(error, StoreError::Io),
        };
        if matches!(error, StoreError::Io(_) | StoreError::NoSpace | StoreError::Corrupt(_)) {
            self.failed = Some(error.clone());
        }
        Err(error)
    }

    /// All of `work` or nothing. A crash before COMMIT returns leaves all or nothing too.
    fn transaction<T>(&mut self, work: impl FnOnce(&Connection) -> Result<T, StoreError>) -> Result<T, StoreError> {
        self.execute("BEGIN IMMEDIATE")?;
        match work(&self.database).and_then(|done| self.execute("COMMIT").map(|()| done)) {
            Ok(done) => {
                self.commits += 1;
                Ok(done)
            }
            Err(error) => {
                // SQLite has rolled back by itself after most failures of the medium.
                if !self.database.is_autocommit()
                    && let Err(worse) = self.execute("ROLLBACK")
                {
                    return Err(StoreError::Io(format!("{error}; and rolling back: {worse}")));
                }
                Err(error)
            }
        }
    }

    fn execute(&self, sql: &str) -> Result<(), StoreError> {
        let mut statement = self.database.prepare_cached(sql).map_err(from_sqlite)?;
        statement.raw_execute().map(drop).map_err(from_sqlite)
    }

    /// Owner mode: how the next commit is written.
    fn set_synced(&mut self, synced: bool) -> Result<(), StoreError> {
        if self.mode == Some(Mode::Owner) && self.synced != synced {
            let level = if synced { "FULL" } else { "NORMAL" };
            self.database.execute_batch(&format!("PRAGMA synchronous = {level}")).map_err(from_sqlite)?;
            self.synced = synced;
        }
        Ok(())
    }

    fn append(&mut self, rows: &[Row], want: Want) -> Result<(), StoreError> {
        self.set_synced(want == Want::Synced)?;
        self.transaction(|database| {
            compare(database, rows)?;
            insert(database, rows).map_err(from_sqlite)
        })?;
        self.unsynced = want == Want::Written;
        Ok(())
    }

    /// Makes durable what was written: a commit that changes nothing, but is synced.
    fn sync(&mut self) -> Result<(), StoreError> {
        if self.mode != Some(Mode::Owner) || !self.unsynced {
            return Ok(());
        }
        self.set_synced(true)?;
        let version: i64 = self.database.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(from_sqlite)?;
        self.transaction(|database| {
            database.execute_batch(&format!("PRAGMA user_version = {version}")).map_err(from_sqlite)
        })?;
        self.unsynced = false;
        Ok(())
    }

    fn erase(&mut self, kind: RowKind, stream: &StreamId, index: u64) -> Result<(), StoreError> {
        const ERASE: &str = "UPDATE row SET payload = NULL WHERE kind = ?1 AND stream = ?2 AND idx = ?3";
        self.set_synced(true)?;
        self.transaction(|database| {
            let mut statement = database.prepare_cached(ERASE).map_err(from_sqlite)?;
            match statement.execute(params![kind.as_str(), stream.as_str(), key(index)]).map_err(from_sqlite)? {
                0 => Err(StoreError::Invalid(format!("no {} row {index} in {stream} to erase", kind.as_str()))),
                _ => Ok(()),
            }
        })?;
        self.unsynced = false;
        if self.mode == Some(Mode::Owner) {
            // The log still holds the page with the payload. A crash here leaves it; erasing again ends it.
            let busy: i64 = self
                .database
                .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))
                .map_err(from_sqlite)?;
            if busy != 0 {
                return Err(StoreError::Unavailable("the write-ahead log could not be truncated; erase again".into()));
            }
        }
        Ok(())
    }
}

impl Store for SqliteStore {
    fn init(&mut self, config: &str) -> Result<(), StoreError> {
        // Closed first: reopening with an owner's lock still held would fence ourselves.
        self.open = None;
        let config = Config::parse(config)?;
        let wasi = self.as_under_wasi || cfg!(target_os = "wasi");
        let (database, watch) = open::open(&config, wasi, self.times)?;
        let mode = match config {
            Config::Memory | Config::ReadOnly { .. } => None,
            Config::File { mode, .. } => Some(mode),
        };
        self.open =
            Some(Open { database, mode, failed: None, unsynced: false, watch, synced: true, commits: 0, reads: 0 });
        Ok(())
    }

    fn append(&mut self, rows: &[Row], want: Want) -> Result<(), StoreError> {
        if let (Some(open), []) = (&mut self.open, rows)
            && open.watch.is_some()
        {
            return open.unless_failed().map(drop);
        }
        let open = self.write()?;
        check_batch(rows)?;
        match (rows, want) {
            ([], Want::Written) => Ok(()),
            ([], Want::Synced) => open.attempt(Open::sync),
            _ => open.attempt(|open| open.append(rows, want)),
        }
    }

    fn get(&mut self, kind: RowKind, stream: &StreamId, index: u64) -> Result<Option<Row>, StoreError> {
        const GET: &str = "SELECT idx, body, payload FROM row WHERE kind = ?1 AND stream = ?2 AND idx = ?3";
        self.read(|database, _| {
            let mut statement = database.prepare_cached(GET)?;
            let place = params![kind.as_str(), stream.as_str(), key(index)];
            statement.query_row(place, |row| to_row(kind, stream, row)).optional()
        })
    }

    fn last(&mut self, kind: RowKind, stream: &StreamId) -> Result<Option<Row>, StoreError> {
        const LAST: &str =
            "SELECT idx, body, payload FROM row WHERE kind = ?1 AND stream = ?2 ORDER BY idx DESC LIMIT 1";
        self.read(|database, _| {
            let mut statement = database.prepare_cached(LAST)?;
            statement.query_row(params![kind.as_str(), stream.as_str()], |row| to_row(kind, stream, row)).optional()
        })
    }

    fn scan(
        &mut self,
        kind: RowKind,
        stream: &StreamId,
        start: u64,
        limit: u32,
        with_payload: bool,
    ) -> Result<Vec<Row>, StoreError> {
        const FULL: &str = "SELECT idx, body, payload FROM row \
            WHERE kind = ?1 AND stream = ?2 AND idx >= ?3 ORDER BY idx LIMIT ?4";
        const BARE: &str = "SELECT idx, body, NULL FROM row \
            WHERE kind = ?1 AND stream = ?2 AND idx >= ?3 ORDER BY idx LIMIT ?4";
        let Ok(start) = i64::try_from(start) else { return self.read(|_, _| Ok(Vec::new())) };
        self.read(|database, before| {
            let enough = PAGE_BYTES >> before.min(20);
            let mut statement = database.prepare_cached(if with_payload { FULL } else { BARE })?;
            let mut rows = statement.query(params![kind.as_str(), stream.as_str(), start, limit])?;
            let mut page = Vec::new();
            let mut bytes = 0;
            // At most one row beyond the page is read: its size is not known before.
            while bytes < enough
                && let Some(row) = rows.next()?
            {
                let row = to_row(kind, stream, row)?;
                bytes += row.bytes();
                if bytes > enough && !page.is_empty() {
                    break;
                }
                page.push(row);
            }
            Ok(page)
        })
    }

    fn streams(&mut self, after: Option<&StreamId>, limit: u32) -> Result<Vec<StreamId>, StoreError> {
        // One look into the index per stream: DISTINCT would walk all entries.
        const NEXT: &str = "SELECT stream FROM row WHERE kind = 'entry' AND stream > ?1 ORDER BY stream LIMIT 1";
        self.read(|database, _| {
            let mut last = after.map_or(String::new(), |after| after.as_str().to_owned());
            let mut statement = database.prepare_cached(NEXT)?;
            let mut streams = Vec::new();
            while streams.len() < limit as usize
                && let Some(next) = statement.query_row([&last], |row| row.get::<_, String>(0)).optional()?
            {
                let stream = StreamId::try_from(next.as_str()).map_err(|invalid| corrupt(0, invalid))?;
                last = next;
                streams.push(stream);
            }
            Ok(streams)
        })
    }

    fn erase(&mut self, kind: RowKind, stream: &StreamId, index: u64) -> Result<(), StoreError> {
        self.write()?.attempt(|open| open.erase(kind, stream, index))
    }
}

/// SQLite's integers are signed; no stored index is negative, so one too large is one that is not there.
fn key(index: u64) -> i64 {
    i64::try_from(index).unwrap_or(-1)
}

fn to_row(kind: RowKind, stream: &StreamId, row: &rusqlite::Row) -> rusqlite::Result<Row> {
    let index = u64::try_from(row.get::<_, i64>(0)?).map_err(|negative| corrupt(0, negative))?;
    Ok(Row { kind, stream_id: stream.clone(), index, body: row.get(1)?, payload: row.get(2)? })
}

fn corrupt(column: usize, why: impl std::error::Error + Send + Sync + 'static) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Null, Box::new(why))
}

/// Each row must be the next of its kind and stream, counted through the batch.
fn compare(database: &Connection, rows: &[Row]) -> Result<(), StoreError> {
    const NEXT: &str = "SELECT max(idx) + 1 FROM row WHERE kind = ?1 AND stream = ?2";
    let mut statement = database.prepare_cached(NEXT).map_err(from_sqlite)?;
    let mut next: BTreeMap<(&StreamId, RowKind), u64> = BTreeMap::new();
    for row in rows {
        let place = (&row.stream_id, row.kind);
        let expected = match next.get(&place) {
            Some(expected) => *expected,
            None => {
                let found: Option<i64> = statement
                    .query_row(params![row.kind.as_str(), row.stream_id.as_str()], |row| row.get(0))
                    .map_err(from_sqlite)?;
                found.and_then(|next| u64::try_from(next).ok()).unwrap_or(0)
            }
        };
        if row.index != expected {
            return Err(StoreError::Conflict);
        }
        next.insert(place, expected + 1);
    }
    Ok(())
}

fn insert(database: &Connection, rows: &[Row]) -> rusqlite::Result<()> {
    const INSERT: &str = "INSERT INTO row \
        (kind, stream, idx, body, micros, type, severity, producer, is_text, payload) \
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
    let mut statement = database.prepare_cached(INSERT)?;
    for row in rows {
        let rendered = render(row);
        let rendered = rendered.as_ref();
        statement.execute(params![
            row.kind.as_str(),
            row.stream_id.as_str(),
            key(row.index),
            row.body,
            rendered.map(|view: &Rendered| view.micros),
            rendered.map(|view| &view.event_type),
            rendered.map(|view| view.severity),
            rendered.map(|view| &view.producer),
            is_text(row),
            row.payload,
        ])?;
    }
    Ok(())
}
