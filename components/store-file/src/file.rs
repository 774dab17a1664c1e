//! The log on its medium: reads, writes, syncs, what they cost and what their failures mean to the caller of
//! the store. Not here: what the bytes mean.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use secure_log::store::StoreError;

use crate::medium::{Access, Medium};

/// Looks at bytes that do not fit before they count as damage: another may be writing them at this moment.
const LOOKS: u32 = 3;
/// Between two looks of an instance that only reads: it has no turn among writers that would give it time.
const PAUSE: Duration = Duration::from_millis(5);

/// What a store has done since it was made; tests hold it to its promises by this.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Writes to the log.
    pub writes: u64,
    /// Bytes of those writes.
    pub bytes_written: u64,
    /// Data syncs of the log.
    pub syncs: u64,
    /// Syncs of its directory.
    pub directory_syncs: u64,
    /// Leases taken (owner mode): one exclusive create and one unlink each.
    pub leases: u64,
    /// Token files written and synced (shared mode).
    pub tokens: u64,
    /// Hard links tried (shared mode).
    pub links: u64,
    /// Reads of the log.
    pub reads: u64,
    /// Bytes of those reads.
    pub bytes_read: u64,
    /// Lines parsed.
    pub lines_parsed: u64,
    /// Writes to the sidecar index, never synced.
    pub index_writes: u64,
    /// Passes over the whole file to rebuild the index.
    pub rebuilds: u64,
}

/// The open log.
#[derive(Debug)]
pub struct LogFile {
    medium: Medium,
    path: PathBuf,
    writable: bool,
    overlay: Option<Overlay>,
    /// Counted by every method and by the other modules.
    pub stats: Stats,
}

/// Bytes that are read instead of those of the file: what an erasure that nobody may finish here leaves.
#[derive(Debug)]
pub struct Overlay {
    /// Offset of the first byte.
    pub at: u64,
    /// How many, with a line feed as the last.
    pub length: u64,
    /// The first of them; spaces follow.
    pub line: Vec<u8>,
}

impl Overlay {
    /// Puts what is of this into `found`, which was read from `offset`.
    fn cover(&self, offset: u64, found: &mut [u8]) {
        let skip = self.at.saturating_sub(offset);
        let within = offset.saturating_sub(self.at);
        let count = self.length.saturating_sub(within).min((found.len() as u64).saturating_sub(skip));
        for (place, byte) in (within..).zip(found.iter_mut().skip(skip as usize).take(count as usize)) {
            let padding = if place + 1 == self.length { b'\n' } else { b' ' };
            *byte = self.line.get(place as usize).copied().unwrap_or(padding);
        }
    }
}

/// What a failed operation means to the caller of the store.
pub fn failed(what: &str, path: &Path, error: &io::Error) -> StoreError {
    let text = format!("{what} {}: {error}", path.display());
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => StoreError::NoSpace,
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => StoreError::Denied(text),
        _ => StoreError::Io(text),
    }
}

/// Makes the names in the directory of `path` durable.
pub fn sync_directory(path: &Path, stats: &mut Stats) -> Result<(), StoreError> {
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    stats.directory_syncs += 1;
    let done = File::open(parent).and_then(|directory| directory.sync_all());
    done.map_err(|error| failed("syncing directory", parent, &error))
}

impl LogFile {
    fn of(medium: Medium, path: &Path, writable: bool, stats: Stats) -> LogFile {
        LogFile { medium, path: path.to_owned(), writable, overlay: None, stats }
    }

    /// Opens for reading and writing, or for reading only: if `read_only`, and when writing is not permitted. `None`: no
    /// file.
    pub fn open(path: &Path, read_only: bool, stats: Stats) -> Result<Option<LogFile>, StoreError> {
        let access = if read_only { Access::Read } else { Access::Write };
        match Medium::open(path, access) {
            Ok(medium) => Ok(Some(LogFile::of(medium, path, !read_only, stats))),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error)
                if !read_only
                    && matches!(error.kind(), ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem) =>
            {
                LogFile::open(path, true, stats)
            }
            Err(error) => Err(failed("opening", path, &error)),
        }
    }

    /// Creates an empty file, or opens the one that another process has just created.
    pub fn create(path: &Path, stats: Stats) -> Result<LogFile, StoreError> {
        let medium = Medium::open(path, Access::Create).map_err(|error| match error.kind() {
            ErrorKind::NotFound => StoreError::Invalid(format!("{}: no such directory", path.display())),
            _ => failed("creating", path, &error),
        })?;
        Ok(LogFile::of(medium, path, true, stats))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// # Errors
    /// `Denied` when the file could be opened for reading only.
    pub fn check_writable(&self) -> Result<(), StoreError> {
        match self.writable {
            true => Ok(()),
            false => Err(StoreError::Denied(format!("{} is not writable", self.path.display()))),
        }
    }

    /// Whether bytes that do not fit are to be read once more. `looks`: how often they were; 0 before the first.
    pub fn look_again(&self, looks: &mut u32) -> bool {
        *looks += 1;
        let again = *looks < LOOKS;
        if again && !self.writable {
            sleep(PAUSE);
        }
        again
    }

    /// Bytes of the file.
    pub fn size(&self) -> Result<u64, StoreError> {
        self.medium.size().map_err(|error| failed("size of", &self.path, &error))
    }

    /// Reads from `offset` until `room` is full or the file ends; says how much.
    pub fn read_at(&mut self, offset: u64, room: &mut [u8]) -> Result<usize, StoreError> {
        self.stats.reads += 1;
        let done = self.medium.read_full(offset, room).map_err(|error| failed("reading", &self.path, &error))?;
        self.stats.bytes_read += done as u64;
        if let Some(overlay) = &self.overlay {
            overlay.cover(offset, &mut room[..done]);
        }
        Ok(done)
    }

    /// Reads this instead of what the file has there; that of before is forgotten.
    pub fn overlay(&mut self, overlay: Option<Overlay>) {
        self.overlay = overlay;
    }

    /// One write of all of `bytes`.
    pub fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<(), StoreError> {
        self.check_writable()?;
        self.stats.writes += 1;
        self.stats.bytes_written += bytes.len() as u64;
        self.medium.write_full(offset, bytes).map_err(|error| failed("writing", &self.path, &error))
    }

    /// Everything written so far, by anyone, is durable when this returns (fdatasync).
    pub fn sync(&mut self) -> Result<(), StoreError> {
        self.stats.syncs += 1;
        self.medium.sync_data().map_err(|error| failed("syncing", &self.path, &error))
    }

    /// Cuts the file at `size`.
    pub fn cut(&mut self, size: u64) -> Result<(), StoreError> {
        self.check_writable()?;
        self.medium.set_size(size).map_err(|error| failed("truncating", &self.path, &error))
    }
}
