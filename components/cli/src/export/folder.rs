//! A folder that readers may read at any time: a file appears whole or not at all.
//!
//! One exporter at a time writes to a folder: temporary names are not shared.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};

use secure_log::merkle::Tiles;
use secure_log::tiles::{Content, FULL, Tile, read_hashes};
use secure_log::types::Digest;

use crate::failure::Failure;

/// Ends the name of a file that is being written.
const PART: &str = ".part";

/// The folder, and the directories whose names are not durable yet.
pub struct Folder {
    root: PathBuf,
    unsynced: BTreeSet<PathBuf>,
}

impl Folder {
    /// Opens, and makes the folder if there is none.
    pub fn open(root: &Path) -> Result<Folder, Failure> {
        let mut folder = Folder { root: root.to_owned(), unsynced: BTreeSet::new() };
        if !root.is_dir() {
            fs::create_dir_all(root).map_err(|error| failed("make", root, &error))?;
            folder.unsynced.extend(root.parent().map(here));
        }
        Ok(folder)
    }

    /// Where a name of the layout is.
    pub fn place(&self, name: &str) -> PathBuf {
        name.split('/').fold(self.root.clone(), |path, part| path.join(part))
    }

    /// The file, at most `cap` bytes of it; absent if there is none.
    pub fn read(&self, name: &str, cap: usize) -> Result<Option<Vec<u8>>, Failure> {
        let path = self.place(name);
        let mut bytes = Vec::new();
        match File::open(&path).and_then(|file| file.take(cap as u64).read_to_end(&mut bytes)) {
            Ok(_) => Ok(Some(bytes)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed("read", &path, &error)),
        }
    }

    /// Writes or replaces a file. Its bytes are durable on return, its name after [`Folder::sync`].
    pub fn put(&mut self, name: &str, bytes: &[u8]) -> Result<(), Failure> {
        self.write(name, |file| file.write_all(bytes))
    }

    /// As [`Folder::put`], from a function that writes.
    pub fn write(&mut self, name: &str, fill: impl FnOnce(&mut File) -> io::Result<()>) -> Result<(), Failure> {
        let path = self.place(name);
        let mut part = path.clone().into_os_string();
        part.push(PART);
        let part = PathBuf::from(part);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(|error| failed("make", parent, &error))?;
            let below = parent.ancestors().take_while(|folder| folder.starts_with(&self.root));
            self.unsynced.extend(below.map(here));
        }
        // A crash here leaves a .part file, which the next run overwrites.
        let written = File::create(&part).and_then(|mut file| fill(&mut file).and_then(|()| file.sync_all()));
        written.and_then(|()| fs::rename(&part, &path)).map_err(|error| failed("write", &path, &error))
    }

    /// Makes the names of everything written durable.
    pub fn sync(&mut self) -> Result<(), Failure> {
        while let Some(path) = self.unsynced.pop_last() {
            let synced = File::open(&path).and_then(|directory| directory.sync_all());
            synced.map_err(|error| failed("sync", &path, &error))?;
        }
        Ok(())
    }
}

/// The published tiles; a partial one may have been replaced by its full one.
impl Tiles for Folder {
    type Error = Failure;

    fn tile(&mut self, height: u8, index: u64, width: u16) -> Result<Vec<Digest>, Failure> {
        for width_there in [width, FULL] {
            let path = Tile { content: Content::Hashes(height), index, width: width_there }.path();
            if let Some(bytes) = self.read(&path, usize::from(FULL) * 32 + 1)? {
                let mut hashes =
                    read_hashes(&bytes, width_there).map_err(|error| Failure::finding(format!("{path}: {error}")))?;
                hashes.truncate(usize::from(width));
                return Ok(hashes);
            }
        }
        let path = Tile { content: Content::Hashes(height), index, width }.path();
        Err(Failure::finding(format!("the published checkpoint needs {path}, which is missing")))
    }
}

/// The empty path is the current directory.
fn here(path: &Path) -> PathBuf {
    if path.as_os_str().is_empty() { PathBuf::from(".") } else { path.to_owned() }
}

pub fn failed(verb: &str, path: &Path, error: &io::Error) -> Failure {
    Failure::io(&format!("cannot {verb} {}", path.display()), error)
}
