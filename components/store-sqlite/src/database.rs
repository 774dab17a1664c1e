//! An open database: SQLite's connection and the layer under it (`vfs`), which is asked nothing else by the store.
//! Not here: what is in the database, and how it is prepared for use (`open`).

use std::ops::Deref;
use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use crate::lease::Kept;
use crate::vfs::{self, HEADER, Layer, Locks, Reading, Registered};

/// An open connection and the layer under it. Fields are dropped in order: the connection first (`vfs`, invariant 1).
#[derive(Debug)]
pub struct Database {
    connection: Connection,
    /// Absent for a database in memory.
    layer: Option<Registered>,
}

impl Database {
    /// Opens or creates the file.
    pub fn open(path: &Path, locks: Locks) -> rusqlite::Result<Database> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        Database::with(path, locks, flags, None)
    }

    /// Opens a file that exists, to read it. Whatever SQLite does, no file is created, written, synced or removed,
    /// and no lock but a shared one is taken. `system`: with the operating system's locks.
    pub fn open_read_only(path: &Path, system: bool, reading: Reading) -> rusqlite::Result<Database> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        Database::with(path, Locks { system, lease: None }, flags, Some(reading))
    }

    /// As it was opened, if to be read only.
    pub fn reading(&self) -> Option<Reading> {
        self.layer()?.reading()
    }

    fn with(path: &Path, locks: Locks, flags: OpenFlags, reading: Option<Reading>) -> rusqlite::Result<Database> {
        let layer = Registered::new(locks, reading)?;
        let connection = Connection::open_with_flags_and_vfs(path, flags, layer.name())?;
        Ok(Database { connection, layer: Some(layer) })
    }

    /// The first bytes of the file as they are now, read past SQLite's cache; zeros behind its end.
    pub fn header(&self) -> rusqlite::Result<[u8; HEADER]> {
        vfs::header(&self.connection)
    }

    /// Empties SQLite's page cache. Nothing is being read.
    pub fn forget_pages(&self) -> rusqlite::Result<()> {
        vfs::forget_pages(&self.connection)
    }

    /// A database in memory.
    pub fn in_memory() -> rusqlite::Result<Database> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        Ok(Database { connection: Connection::open_in_memory_with_flags(flags)?, layer: None })
    }

    /// The connection, to set handlers on.
    pub fn connection_mut(&mut self) -> &mut Connection {
        &mut self.connection
    }

    /// An owner's unit of work begins: its lease is looked at again.
    ///
    /// # Errors
    /// The lease was lost.
    pub fn begin(&self) -> std::io::Result<()> {
        let Some(layer) = self.layer() else { return Ok(()) };
        match layer.lease().as_mut() {
            Some(lease) if lease.kept() == Kept::ByOwner => {
                lease.begin();
                lease.check()
            }
            _ => Ok(()),
        }
    }

    /// Why the lease was lost, if it was.
    pub fn lost(&self) -> Option<String> {
        self.layer()?.lease().as_ref()?.lost().map(str::to_owned)
    }

    /// Writes and syncs of files so far.
    pub fn counts(&self) -> (u64, u64) {
        self.layer().map_or((0, 0), Layer::counts)
    }

    fn layer(&self) -> Option<&Layer> {
        self.layer.as_ref().map(Registered::layer)
    }
}

impl Deref for Database {
    type Target = Connection;
    fn deref(&self) -> &Connection {
        &self.connection
    }
}
