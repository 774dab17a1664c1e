//! The records of a folder and of all folders below it, in the order of their names, one folder in memory at a time.
//!
//! A record is a file whose name ends `.json` in any case; others are counted. Links to folders are not followed, so that the
//! walk ends; a link to a file is that file.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use secure_log::record::MAX_RECORD;

use crate::args::capped;
use crate::failure::Failure;

/// Folders inside one another, at most.
const MAX_DEPTH: usize = 64;

/// What a walk comes across.
pub enum Found {
    /// A file that is, or should be, a record: its name and bytes. `Usage`: too long to be one.
    Record(String, Result<Vec<u8>, Failure>),
    /// A folder that could not be read, or a path that is neither: its name, and why.
    Unknown(String, String),
    /// Another file.
    Skipped,
}

/// A walk that is under way.
pub struct Archive {
    /// What is still to come, the next one last, with its depth.
    pending: Vec<(PathBuf, usize)>,
}

impl Archive {
    /// Begins at a file, whatever its name, or at a folder.
    pub fn open(path: &Path) -> Archive {
        Archive { pending: vec![(path.to_owned(), 0)] }
    }
}

/// What is found, folders excepted.
impl Iterator for Archive {
    type Item = Found;

    fn next(&mut self) -> Option<Found> {
        while let Some((path, depth)) = self.pending.pop() {
            let name = path.display().to_string();
            // What was asked for may be a link; below it a link to a folder is none.
            let kind = if depth == 0 { fs::metadata(&path) } else { fs::symlink_metadata(&path) };
            match kind {
                Err(error) => return Some(Found::Unknown(name, error.to_string())),
                Ok(kind) if kind.is_dir() => match self.descend(&path, depth) {
                    Ok(()) => continue,
                    Err(error) => return Some(Found::Unknown(name, error.to_string())),
                },
                Ok(_) if depth > 0 && path.extension().is_none_or(|it| !it.eq_ignore_ascii_case("json")) => {
                    return Some(Found::Skipped);
                }
                Ok(_) => return Some(Found::Record(name, read(&path))),
            }
        }
        None
    }
}

impl Archive {
    fn descend(&mut self, folder: &Path, depth: usize) -> io::Result<()> {
        if depth >= MAX_DEPTH {
            return Err(io::Error::other(format!("more than {MAX_DEPTH} folders inside one another")));
        }
        let mut paths = Vec::new();
        for entry in fs::read_dir(folder)? {
            paths.push(entry?.path());
        }
        paths.sort_unstable_by(|one, other| other.cmp(one));
        self.pending.extend(paths.into_iter().map(|path| (path, depth + 1)));
        Ok(())
    }
}

/// The bytes of a file, unless they are too many for a record and its newline.
fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let failed = |error: io::Error| Failure::CannotTell(error.to_string());
    if !fs::metadata(path).map_err(failed)?.is_file() {
        return Err(Failure::CannotTell("not a file".into()));
    }
    let cap = MAX_RECORD + 1;
    let read = fs::File::open(path).and_then(|file| capped(file, cap)).map_err(failed)?;
    read.ok_or_else(|| Failure::usage(format!("more than {cap} bytes")))
}
