//! Remembered heads on files (wit/FORMAT.md section 11): one file for each head, made once, never replaced.
//!
//! ```text
//! name     <prefix>.<hex SHA-256(origin)>.<number of the head, from 1>
//! content  secure-log-head/v1\n <origin>\n <size>\n <hex root>\n <vkey>\n <hex SHA-256 of the lines before>\n
//! ```
//! # Invariants
//! 1. A name without `.tmp` is only ever made by hard-linking a file whose content was synced before: whoever
//!    sees a head sees all of it.
//! 2. A name is never replaced, and head n+1 is only made by who compared with head n: of two writers that did, one
//!    goes on and the other is told. One that comes so late that head n+1 is already removed again finds a larger
//!    number after it has made its own, which rules nothing.
//! 3. What [`FileHeads::latest`] answers and what [`FileHeads::record`] accepted is durable by name and content.
//! 4. The largest number rules, and only it is read. If it cannot be read the answer is an error, never an earlier
//!    head and never "no head".
//! 5. Nothing is removed but heads and temporary files of smaller numbers than that of a durable head, and temporary
//!    files of its own number.
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

/// Times a head that another writer removes while it is being read is looked for again, and a directory in which
/// others make and remove files is listed again.
const RETRIES: u32 = 16;

/// Heads behind a path prefix.
#[derive(Clone, Debug)]
pub struct FileHeads {
    directory: PathBuf,
    prefix: String,
}

impl FileHeads {
    /// Heads named `<prefix>.<hex SHA-256(origin)>.<number>`. The directory must exist; it is first looked at when
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

    /// The largest number of a head of one origin, by name alone. A listing of many names takes several reads: it
    /// may miss a head that is made meanwhile, and the one before, which is removed then. So two in a row must agree.
    fn newest(&self, stem: &str) -> Result<Option<u64>, StoreError> {
        let mut before = self.listed(stem)?;
        for _ in 0..RETRIES {
            let newest = self.listed(stem)?;
            if newest == before {
                return Ok(newest);
            }
            before = newest;
        }
        Err(StoreError::Io(format!("head files {stem}* change while they are listed")))
    }

    /// The largest number in one listing. Under WASI it looks at each file, and fails with `NotFound` when one was
    /// removed just then: it begins again.
    fn listed(&self, stem: &str) -> Result<Option<u64>, StoreError> {
        let list = || -> io::Result<Option<u64>> {
            let mut newest = None;
            for file in fs::read_dir(&self.directory)? {
                let number = file?.file_name().to_str().and_then(|name| number_of(name.strip_prefix(stem)?));
                newest = newest.max(number);
            }
            Ok(newest)
        };
        let mut listed = list();
        for _ in 0..RETRIES {
            match &listed {
                Err(error) if error.kind() == ErrorKind::NotFound && self.directory.is_dir() => listed = list(),
                _ => break,
            }
        }
        listed.map_err(|error| failed("list", &self.directory, &error))
    }

    /// The head that rules, and its number.
    fn ruling(&self, stem: &str, origin: &str) -> Result<Option<(u64, RememberedHead)>, StoreError> {
        for _ in 0..RETRIES {
            let Some(number) = self.newest(stem)? else { return Ok(None) };
            if let Some(head) = self.read(stem, origin, number)? {
                return Ok(Some((number, head)));
            }
        }
        Err(StoreError::Io(format!("head files {stem}* vanish while they are read")))
    }

    /// The head of this number; `None` if there is no such file.
    fn read(&self, stem: &str, origin: &str, number: u64) -> Result<Option<RememberedHead>, StoreError> {
        let path = self.directory.join(format!("{stem}{number}"));
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
            Ok(_) => content::parse(&bytes, origin).map(Some).map_err(damaged),
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
        compared: Option<&RememberedHead>,
        head: &RememberedHead,
        mut reached: impl FnMut(Step) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let bytes = content::render(origin, head).map_err(|error| StoreError::Invalid(error.0))?;
        let stem = self.stem(origin);
        let ruling = self.ruling(&stem, origin)?;
        let number = match &ruling {
            Some((number, known)) if (known.size, known.root) == (head.size, head.root) => *number,
            Some((number, known)) if Some(known) == compared => number + 1,
            None if compared.is_none() => 1,
            _ => return Err(StoreError::Conflict),
        };
        if ruling.is_none_or(|(known, _)| known != number) {
            let name = self.directory.join(format!("{stem}{number}"));
            let mut random = [0; 8];
            getrandom::fill(&mut random).map_err(|error| StoreError::Io(format!("no randomness: {error}")))?;
            let temporary = self.directory.join(format!("{stem}{number}.{}.tmp", hex(&random)));
            // A crash up to the link leaves a temporary file, which the next record removes.
            reached(Step::Create)?;
            let mut file = create(&temporary).map_err(|error| failed("create", &temporary, &error))?;
            reached(Step::Write)?;
            file.write_all(&bytes).map_err(|error| failed("write", &temporary, &error))?;
            reached(Step::SyncFile)?;
            file.sync_all().map_err(|error| failed("sync", &temporary, &error))?;
            reached(Step::Link)?;
            if let Err(error) = fs::hard_link(&temporary, &name) {
                let _ = fs::remove_file(&temporary);
                return Err(match error.kind() {
                    // Another writer was first, or even swept after it.
                    ErrorKind::AlreadyExists | ErrorKind::NotFound => StoreError::Conflict,
                    _ => failed("link", &name, &error),
                });
            }
        }
        // A crash here leaves a head that may vanish at power loss; nothing was signed for it yet, and
        // `latest` syncs before it answers.
        reached(Step::SyncNames)?;
        self.sync_names()?;
        if self.newest(&stem)? != Some(number) {
            return Err(StoreError::Conflict);
        }
        reached(Step::Sweep)?;
        self.sweep(&stem, number);
        Ok(())
    }

    /// Removes what a durable head of this number makes superfluous. What cannot be removed now is removed next
    /// time: it rules nothing.
    fn sweep(&self, stem: &str, durable: u64) {
        let Ok(files) = fs::read_dir(&self.directory) else { return };
        for file in files.flatten() {
            let name = file.file_name();
            let Some(rest) = name.to_str().and_then(|name| name.strip_prefix(stem)) else { continue };
            let superfluous = match rest.split_once('.') {
                None => number_of(rest).is_some_and(|number| number < durable),
                Some((number, tail)) => tail.ends_with(".tmp") && number_of(number).is_some_and(|n| n <= durable),
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
        let ruling = self.ruling(&self.stem(origin), origin)?;
        if ruling.is_some() {
            self.sync_names()?;
        }
        Ok(ruling.map(|(_, head)| head))
    }

    fn record(
        &mut self,
        origin: &str,
        compared: Option<&RememberedHead>,
        head: &RememberedHead,
    ) -> Result<(), StoreError> {
        self.publish(origin, compared, head, |_| Ok(()))
    }
}

/// The number a file name ends with: a decimal as it would be written, from 1 to 2^63-1.
fn number_of(text: &str) -> Option<u64> {
    let number: u64 = text.parse().ok().filter(|number| (1..=MAX_INT).contains(number))?;
    (number.to_string() == text).then_some(number)
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
