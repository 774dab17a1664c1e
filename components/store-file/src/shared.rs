//! Shared mode: appends of many writers in one order, without a lock that could be left behind.
//!
//! ```text
//! <log>.commits/t-<token>   what one writer wants to append, synced: {"at":44,"sum":b64} and a line feed, which
//!                           say where it belongs, and the exact bytes of the append
//! <log>.commits/<n>         a hard link of one of them: this is append n, and no other ever
//! ```
//! Linking is the compare: it fails if `n` is taken. Whoever finds `n` linked and the log without it copies
//! the bytes to the end of the log; the copy is the same whoever makes it and however often. Nobody cuts
//! the file. What a power cut left behind the last append is covered by padding the next commit line.
//!
//! Links are removed a minute after they were made. A writer that read the log before, and is so slow that
//! it links `n` a second time, would break the order: so every attempt that is older than [`HOLD`](crate::lease::HOLD) starts
//! again, and a writer looks at the log once more after it linked; a link of an append that the log already
//! has is void.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use secure_log::store::StoreError;

use crate::file::{Stats, failed};
use crate::lease::left_behind;
use crate::line::{Commit, Intent, Parsed, parse, parse_place, place};
use crate::medium::{Access, Medium};
use crate::token;

/// Links and tokens of this age are removed.
const KEEP: Duration = Duration::from_secs(60);
/// Every so many appends the directory is swept.
pub const SWEEP_EVERY: u64 = 128;
/// Times a listing of the directory is begun again.
const LISTINGS: u32 = 256;
/// No append is larger: 4 MiB of payload, every byte escaped as six, and the lines around it.
const MAX_APPEND: u64 = 40 << 20;

/// The directory of appends on their way into the log.
#[derive(Debug)]
pub struct Commits {
    directory: PathBuf,
}

impl Commits {
    /// Beside the log; created if missing.
    pub fn open(log: &Path) -> Result<Commits, StoreError> {
        let mut directory = log.as_os_str().to_owned();
        directory.push(".commits");
        let directory = PathBuf::from(directory);
        match fs::create_dir(&directory) {
            Err(error) if !directory.is_dir() => Err(failed("creating", &directory, &error)),
            _ => Ok(Commits { directory }),
        }
    }

    /// The token of append `n`, if it is linked.
    pub fn linked(&self, n: u64) -> Result<Option<Vec<u8>>, StoreError> {
        let path = self.path(n);
        let found = match Medium::open(&path, Access::Read) {
            Ok(file) => file.size().and_then(|size| {
                let mut bytes = vec![0u8; size.min(MAX_APPEND) as usize];
                let done = file.read_full(0, &mut bytes)?;
                bytes.truncate(done);
                Ok(bytes)
            }),
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => Err(error),
        };
        found.map(Some).map_err(|error| failed("reading", &path, &error))
    }

    /// Makes `append`, which belongs at offset `at`, append `n`, durably; `false`: it is taken.
    pub fn link(&self, n: u64, at: u64, append: &[u8], stats: &mut Stats) -> Result<bool, StoreError> {
        let bytes = token_of(at, append);
        let path = self.directory.join(format!("t-{}", token::new()?));
        let write = || -> std::io::Result<()> {
            let file = Medium::open(&path, Access::CreateNew)?;
            file.write_full(0, &bytes)?;
            file.sync_data()
        };
        stats.tokens += 1;
        let written = write();
        if written.is_err() {
            fs::remove_file(&path).ok();
        }
        written.map_err(|error| failed("writing", &path, &error))?;
        stats.links += 1;
        let linked = fs::hard_link(&path, self.path(n));
        // A crash here leaves a token without a link, or a second name of the link; both are swept.
        fs::remove_file(&path).ok();
        match linked {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(failed("linking", &self.path(n), &error)),
        }
    }

    /// Takes back a link that is void.
    pub fn withdraw(&self, n: u64) {
        fs::remove_file(self.path(n)).ok();
    }

    /// Takes back a link that fits no log, if nobody can be about to use it.
    pub fn withdraw_if_old(&self, n: u64) {
        if left_behind(&self.path(n)) {
            self.withdraw(n);
        }
    }

    /// Removes what is older than a minute and no longer needed by a log of `commits` appends.
    pub fn sweep(&self, commits: u64) {
        for (name, path) in self.names().unwrap_or_default() {
            let needless = name.starts_with("t-") || name.parse().is_ok_and(|n: u64| n < commits);
            let old = fs::metadata(&path)
                .and_then(|metadata| metadata.modified())
                .is_ok_and(|modified| modified.elapsed().unwrap_or_else(|future| future.duration()) > KEEP);
            if needless && old {
                fs::remove_file(path).ok();
            }
        }
    }

    /// Puts the erased `line` of `intent` into the copies of its append, too. Copies of writers that lost
    /// against others are removed once they are of no use to anyone alive.
    pub fn erase(&self, intent: &Intent, line: &[u8]) -> Result<(), StoreError> {
        let names = self.names().map_err(|error| failed("listing", &self.directory, &error))?;
        for (name, path) in names {
            if name.starts_with("t-") && left_behind(&path) {
                fs::remove_file(&path).ok();
            }
            let Some(token) = name.parse().ok().map(|n| self.linked(n)).transpose()?.flatten() else { continue };
            let Some(linked) = append_of(&token) else { continue };
            let fits = |within: &u64| within + intent.length <= linked.append.len() as u64;
            let Some(within) = intent.at.checked_sub(linked.at).filter(fits) else { continue };
            let within = within + (token.len() - linked.append.len()) as u64;
            let done = Medium::open(&path, Access::Write).and_then(|file| {
                file.write_full(within, line)?;
                file.sync_data()
            });
            match done {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(failed("erasing in", &path, &error)),
                _ => {}
            }
        }
        Ok(())
    }

    /// Names in the directory that are text, and their paths. Under WASI listing looks at each file, and fails with
    /// `NotFound` when one was removed just then: it begins again.
    fn names(&self) -> io::Result<Vec<(String, PathBuf)>> {
        let list = || fs::read_dir(&self.directory)?.map(|entry| entry.map(|entry| entry.path())).collect();
        let mut listed: io::Result<Vec<PathBuf>> = list();
        for _ in 0..LISTINGS {
            match &listed {
                Err(error) if error.kind() == ErrorKind::NotFound && self.directory.try_exists()? => listed = list(),
                _ => break,
            }
        }
        let named = |path: PathBuf| Some((path.file_name()?.to_str()?.to_owned(), path));
        Ok(listed?.into_iter().filter_map(named).collect())
    }

    fn path(&self, n: u64) -> PathBuf {
        self.directory.join(n.to_string())
    }
}

/// What a token holds.
#[derive(Debug, PartialEq, Eq)]
pub struct Linked<'a> {
    /// Where the append belongs.
    pub at: u64,
    /// Its bytes.
    pub append: &'a [u8],
    /// The line that closes it.
    pub commit: Commit,
}

fn token_of(at: u64, append: &[u8]) -> Vec<u8> {
    let mut token = Vec::with_capacity(64 + append.len());
    place(&mut token, at);
    token.extend_from_slice(append);
    token
}

/// What `token` holds, if both ends of it are whole.
pub fn append_of(token: &[u8]) -> Option<Linked<'_>> {
    let (first, append) = token.split_at_checked(memchr::memchr(b'\n', token)? + 1)?;
    let at = parse_place(first.strip_suffix(b"\n")?).ok()?;
    let lines = append.strip_suffix(b"\n")?;
    let start = memchr::memrchr(b'\n', lines).map_or(0, |at| at + 1);
    match parse(&lines[start..], None, false) {
        Ok(Parsed::Commit(commit)) => Some(Linked { at, append, commit }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use secure_log::contract::rows::plain;
    use secure_log::store::RowKind;

    use super::*;

    #[test]
    fn a_token_leads_to_its_append_unless_either_end_of_it_is_damaged() {
        let commit = Commit { n: 7, rows: 1, durable: None, check: 5 };
        let mut append = b"a row\n".to_vec();
        crate::line::commit(&mut append, &commit);
        let token = token_of(4711, &append);
        assert_eq!(append_of(&token), Some(Linked { at: 4711, append: &append, commit }));
        let ends = (0..token.len() - append.len()).chain(token.len() - append.len() + 6..token.len());
        for at in ends {
            let mut damaged = token.clone();
            damaged[at] ^= 1;
            assert_eq!(append_of(&damaged), None, "byte {at}");
        }
    }

    #[test]
    fn an_erasure_overwrites_the_line_in_the_copy_that_has_it() {
        let place = tempfile::tempdir().unwrap();
        let commits = Commits::open(&place.path().join("log")).unwrap();
        let mut stats = Stats::default();
        let mut appends = Vec::new();
        for n in 0..3u64 {
            let mut append = format!("one {n}\ntwo {n}\n").into_bytes();
            crate::line::commit(&mut append, &Commit { n, rows: 2, durable: None, check: 5 });
            assert_eq!(commits.link(n, 1000 + 100 * n, &append, &mut stats), Ok(true));
            appends.push(append);
        }
        let intent = Intent { at: 1106, length: 6, row: plain(RowKind::Entry, "app", 0) };
        commits.erase(&intent, b"     \n").unwrap();
        appends[1][6..12].copy_from_slice(b"     \n");
        for (n, append) in (0..).zip(&appends) {
            let token = commits.linked(n).unwrap().unwrap();
            let linked = append_of(&token).unwrap();
            assert_eq!((linked.at, linked.append), (1000 + 100 * n, &append[..]));
        }
    }

    #[test]
    fn an_erasure_that_can_not_list_the_copies_is_not_done() {
        let place = tempfile::tempdir().unwrap();
        let commits = Commits::open(&place.path().join("log")).unwrap();
        let intent = Intent { at: 0, length: 4, row: plain(RowKind::Entry, "app", 0) };
        assert_eq!(commits.erase(&intent, b"   \n"), Ok(()));
        for name in ["a file", "nothing"] {
            let directory = place.path().join(name);
            if name == "a file" {
                fs::write(&directory, "").unwrap();
            }
            assert!(matches!(Commits { directory }.erase(&intent, b"   \n"), Err(StoreError::Io(_))), "{name}");
        }
    }
}
