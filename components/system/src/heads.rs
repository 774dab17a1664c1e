//! Remembered heads on files (format.md section 9): one file for each head, made once, never replaced.
//!
//! ```text
//! name     <prefix>.<hex SHA-256(origin)>.<size>
//! content  secure-log-head/v1\n <origin>\n <size>\n <hex root>\n <vkey>\n <hex SHA-256 of the lines before>\n
//! ```
//! # Invariants
//! 1. A name without `.tmp` is only ever made by hard-linking a file whose content was synced before: whoever
//!    sees a head sees all of it.
//! 2. A name is never replaced: two writers can not both remember at one size, the second finds the first.
//! 3. What [`FileHeads::latest`] answers and what [`FileHeads::record`] accepted is durable by name and content.
//! 4. The largest size rules, and only it is read. If it cannot be read the answer is an error, never a smaller
//!    head and never "no head".
//! 5. Nothing is removed but smaller heads and temporary files of sizes at most that of a durable head.
//!
//! The prefix belongs on another directory than the store: whoever can write both can set both back.

mod content;

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use secure_log::error::Invalid;
use secure_log::log::{Heads, RememberedHead};
use secure_log::store::StoreError;
use secure_log::types::{MAX_INT, hex, quote};
use sha2::{Digest as _, Sha256};

/// Times a head that another writer removes while it is being read is looked for again.
const RETRIES: u32 = 16;

/// Heads behind a path prefix.
#[derive(Clone, Debug)]
pub struct FileHeads {
    directory: PathBuf,
    prefix: String,
}

impl FileHeads {
    /// Heads named `<prefix>.<hex SHA-256(origin)>.<size>`. The directory must exist; it is first looked at when
    /// a head is.
    ///
    /// # Errors
    /// `Invalid` when the prefix does not end in the beginning of a file name.
    pub fn new(prefix: &str) -> Result<FileHeads, Invalid> {
        let path = Path::new(prefix);
        let name = path.file_name().and_then(|name| name.to_str()).filter(|name| prefix.ends_with(name));
        let Some(name) = name else {
            return Err(Invalid(format!("the head file prefix {} does not end in a file name", quote(prefix))));
        };
        let directory = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
            _ => PathBuf::from("."),
        };
        Ok(FileHeads { directory, prefix: name.to_owned() })
    }

    /// What every file name of this origin begins with.
    fn stem(&self, origin: &str) -> String {
        format!("{}.{}.", self.prefix, hex(&Sha256::digest(origin)))
    }

    /// Sizes of the heads of one origin, by name alone.
    fn sizes(&self, stem: &str) -> Result<Vec<u64>, StoreError> {
        let mut sizes = Vec::new();
        for file in fs::read_dir(&self.directory).map_err(|error| failed("list", &self.directory, &error))? {
            let file = file.map_err(|error| failed("list", &self.directory, &error))?;
            if let Some(size) = file.file_name().to_str().and_then(|name| size_of(name.strip_prefix(stem)?)) {
                sizes.push(size);
            }
        }
        Ok(sizes)
    }

    /// The head at this size; `None` if there is no such file.
    fn read(&self, stem: &str, origin: &str, size: u64) -> Result<Option<RememberedHead>, StoreError> {
        let path = self.directory.join(format!("{stem}{size}"));
        let damaged = |why: &str| StoreError::Corrupt(format!("head file {}: {why}", path.display()));
        match fs::symlink_metadata(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed("look at", &path, &error)),
            Ok(found) if !found.is_file() => return Err(damaged("not a regular file")),
            Ok(found) if found.len() > content::MAX_LEN => return Err(damaged("too long to be a head")),
            Ok(_) => {}
        }
        let mut bytes = Vec::new();
        let read = File::open(&path).and_then(|file| file.take(content::MAX_LEN + 1).read_to_end(&mut bytes));
        match read {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed("read", &path, &error)),
            Ok(_) => content::parse(&bytes, origin, size).map(Some).map_err(damaged),
        }
    }

    /// Makes the names of the directory durable.
    fn sync_names(&self) -> Result<(), StoreError> {
        let synced = File::open(&self.directory).and_then(|directory| directory.sync_all());
        synced.map_err(|error| failed("sync", &self.directory, &error))
    }

    /// See [`Heads::record`]. `reached` is called before each step; an error there ends the work as a kill would.
    fn publish(
        &self,
        origin: &str,
        head: &RememberedHead,
        mut reached: impl FnMut(Step) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let bytes = content::render(origin, head).map_err(|error| StoreError::Invalid(error.0))?;
        let stem = self.stem(origin);
        if self.sizes(&stem)?.into_iter().max().is_some_and(|largest| largest > head.size) {
            // A head that vouches for more rules already; the log compares with it.
            return Ok(());
        }
        let name = self.directory.join(format!("{stem}{}", head.size));
        if self.read(&stem, origin, head.size)?.is_none() {
            let mut random = [0; 8];
            getrandom::fill(&mut random).map_err(|error| StoreError::Io(format!("no randomness: {error}")))?;
            let temporary = self.directory.join(format!("{stem}{}.{}.tmp", head.size, hex(&random)));
            // A crash up to the link leaves a temporary file, which the next record removes.
            reached(Step::Create)?;
            let mut file = create(&temporary).map_err(|error| failed("create", &temporary, &error))?;
            reached(Step::Write)?;
            file.write_all(&bytes).map_err(|error| failed("write", &temporary, &error))?;
            reached(Step::SyncFile)?;
            file.sync_all().map_err(|error| failed("sync", &temporary, &error))?;
            reached(Step::Link)?;
            match fs::hard_link(&temporary, &name) {
                Ok(()) => {}
                // Another writer was first, or even swept after it: what it remembers is compared below.
                Err(error) if matches!(error.kind(), ErrorKind::AlreadyExists | ErrorKind::NotFound) => {}
                Err(error) => return Err(failed("link", &name, &error)),
            }
        }
        // A crash here leaves a head that may vanish at power loss; nothing was signed for it yet, and
        // `latest` syncs before it answers.
        reached(Step::SyncNames)?;
        self.sync_names()?;
        match self.read(&stem, origin, head.size)? {
            Some(kept) if kept.root == head.root => {}
            Some(_) => return Err(StoreError::Conflict),
            // Removed by a writer that remembered a larger one.
            None if self.sizes(&stem)?.into_iter().any(|size| size > head.size) => return Ok(()),
            None => return Err(StoreError::Io(format!("head file {} vanished", name.display()))),
        }
        reached(Step::Sweep)?;
        self.sweep(&stem, head.size);
        Ok(())
    }

    /// Removes what a durable head of this size makes superfluous. What cannot be removed now is removed next
    /// time: it rules nothing.
    fn sweep(&self, stem: &str, durable: u64) {
        let Ok(files) = fs::read_dir(&self.directory) else { return };
        for file in files.flatten() {
            let name = file.file_name();
            let Some(rest) = name.to_str().and_then(|name| name.strip_prefix(stem)) else { continue };
            let superfluous = match rest.split_once('.') {
                None => size_of(rest).is_some_and(|size| size < durable),
                Some((size, tail)) => tail.ends_with(".tmp") && size_of(size).is_some_and(|size| size <= durable),
            };
            if superfluous {
                let _ = fs::remove_file(file.path());
            }
        }
    }
}

/// Where `publish` stands; the tests kill it before each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Create,
    Write,
    SyncFile,
    Link,
    SyncNames,
    Sweep,
}

impl Heads for FileHeads {
    fn latest(&mut self, origin: &str) -> Result<Option<RememberedHead>, StoreError> {
        let stem = self.stem(origin);
        for _ in 0..RETRIES {
            let Some(size) = self.sizes(&stem)?.into_iter().max() else { return Ok(None) };
            if let Some(head) = self.read(&stem, origin, size)? {
                self.sync_names()?;
                return Ok(Some(head));
            }
        }
        Err(StoreError::Io(format!("head files {stem}* vanish while they are read")))
    }

    fn record(&mut self, origin: &str, head: &RememberedHead) -> Result<(), StoreError> {
        self.publish(origin, head, |_| Ok(()))
    }
}

/// The size a file name ends with: a decimal as it would be written, at most 2^63-1.
fn size_of(text: &str) -> Option<u64> {
    let size: u64 = text.parse().ok().filter(|size| *size <= MAX_INT)?;
    (size.to_string() == text).then_some(size)
}

fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).open(path)
}

fn failed(verb: &str, path: &Path, error: &io::Error) -> StoreError {
    let why = format!("cannot {verb} head file or directory {}: {error}", path.display());
    match error.kind() {
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => StoreError::Denied(why),
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => StoreError::NoSpace,
        _ => StoreError::Io(why),
    }
}

#[cfg(test)]
mod tests;
