//! Payloads beside a published tree, in `payloads/`: for those allowed to read them, and erased there too.
//!
//! These files are under no hash: every payload in them opens the commitment in its entry. So unlike tiles they
//! may change, and do when a payload is erased. Partial files that a newer one replaces are removed.

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, ErrorKind, Read, Seek as _, SeekFrom, Write};

use secure_log::tiles::{Content, FULL, Tile, payload_bytes, payload_length, read_hashes};

use super::folder::{Folder, failed};
use crate::console::Console;
use crate::failure::Failure;
use crate::read::PAGE;
use crate::service::Service;
use crate::show::Shown;

/// Payloads of a full file.
const WIDTH: u64 = FULL as u64;

/// Writes what is missing for the tree of `size` entries, whose tiles are in the folder. Entries are read once more,
/// and must be those of the tiles.
pub fn publish(
    stream: &str,
    size: u64,
    folder: &mut Folder,
    log: &mut impl Service,
    console: &mut Console<'_>,
) -> Result<(), Failure> {
    for index in 0..size.div_ceil(WIDTH) {
        let tile = file_at(index, size);
        let path = tile.path();
        if folder.place(&path).is_file() {
            continue;
        }
        let leaves_path = Tile { content: Content::Hashes(0), ..tile }.path();
        let leaves = folder.read(&leaves_path, usize::from(FULL) * 32 + 1)?.unwrap_or_default();
        let leaves =
            read_hashes(&leaves, tile.width).map_err(|error| Failure::finding(format!("{leaves_path}: {error}")))?;
        let mut stopped = None;
        let written = folder.write(&path, |file| {
            let mut out = BufWriter::new(file);
            let mut done = 0;
            while done < leaves.len() && stopped.is_none() {
                stopped = page(stream, index * WIDTH, &leaves, &mut done, log, &mut out).err();
            }
            if stopped.is_some() { Err(io::Error::other("the entries could not be read")) } else { out.flush() }
        });
        if let Some(failure) = stopped {
            return Err(failure);
        }
        written?;
        console.progress("payloads", index * WIDTH, Some(size));
    }
    Ok(())
}

/// Writes the payloads of a page of entries.
fn page(
    stream: &str,
    start: u64,
    leaves: &[secure_log::types::Digest],
    done: &mut usize,
    log: &mut impl Service,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let left = (leaves.len() - *done) as u32;
    let entries = log.read_since(stream, start + *done as u64, left.min(PAGE))?;
    if entries.is_empty() {
        return Err(Failure::finding(format!("the log does not give entry {}", start + *done as u64)));
    }
    for entry in entries {
        let shown = Shown::new(entry)?;
        if leaves.get(*done) != Some(&shown.hash) {
            return Err(Failure::finding(format!("entry {} is not the published one", start + *done as u64)));
        }
        let stored = shown.stored();
        out.write_all(&payload_length(stored.as_deref()))
            .and_then(|()| out.write_all(stored.as_deref().unwrap_or_default()))
            .map_err(|error| Failure::io("writing payloads", &error))?;
        *done += 1;
    }
    Ok(())
}

/// Takes the payloads of these entries out of every file that has them. `size` bounds the entries there are.
pub fn erase(ranges: &[(u64, u64)], size: u64, folder: &mut Folder) -> Result<(), Failure> {
    if !folder.place("payloads").is_dir() {
        return Ok(());
    }
    for (first, last) in ranges {
        for index in first / WIDTH..=(*last).min(size) / WIDTH {
            let gone = |place: u64| (*first..=*last).contains(&(index * WIDTH + place));
            for tile in files_of(index, folder)? {
                let path = tile.path();
                let mut source = BufReader::new(
                    File::open(folder.place(&path)).map_err(|error| failed("read", &folder.place(&path), &error))?,
                );
                folder.write(&path, |file| copy_without(&mut source, tile.width, gone, &mut BufWriter::new(file)))?;
            }
        }
    }
    Ok(())
}

/// Copies a payload file, leaving out the payloads at the places that are `gone`.
fn copy_without(
    source: &mut BufReader<File>,
    width: u16,
    gone: impl Fn(u64) -> bool,
    out: &mut impl Write,
) -> io::Result<()> {
    for place in 0..u64::from(width) {
        let mut length = [0; 4];
        source.read_exact(&mut length)?;
        let bytes = payload_bytes(length).map_err(|error| io::Error::new(ErrorKind::InvalidData, error.0))?;
        if gone(place) {
            out.write_all(&payload_length(None))?;
            source.seek(SeekFrom::Current(bytes as i64))?;
            continue;
        }
        out.write_all(&length)?;
        if io::copy(&mut source.take(bytes as u64), out)? != bytes as u64 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
    }
    out.flush()
}

/// Removes partial files that the one of this size, now published, replaces.
pub fn sweep(size: u64, folder: &Folder) -> Result<(), Failure> {
    for index in 0..size.div_ceil(WIDTH) {
        let current = file_at(index, size);
        for tile in files_of(index, folder)?.into_iter().filter(|tile| *tile != current && tile.width < current.width) {
            let path = folder.place(&tile.path());
            fs::remove_file(&path).map_err(|error| failed("remove", &path, &error))?;
        }
    }
    Ok(())
}

/// The payload file at `index` of a tree of `size` entries.
fn file_at(index: u64, size: u64) -> Tile {
    let full = Tile::full(Content::Payloads, index);
    Tile::partial(Content::Payloads, size).filter(|partial| partial.index == index).unwrap_or(full)
}

/// The payload files there are at `index`: the full one and partial ones.
fn files_of(index: u64, folder: &Folder) -> Result<Vec<Tile>, Failure> {
    let full = Tile::full(Content::Payloads, index);
    let mut found = Vec::new();
    if folder.place(&full.path()).is_file() {
        found.push(full);
    }
    let partials = folder.place(&format!("{}.p", full.path()));
    let names = match fs::read_dir(&partials) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(found),
        names => names.map_err(|error| failed("list", &partials, &error))?,
    };
    for name in names {
        let name = name.map_err(|error| failed("list", &partials, &error))?.file_name();
        let width = name.to_str().and_then(|name| name.parse().ok()).filter(|width| (1..FULL).contains(width));
        found.extend(width.map(|width| Tile { width, ..full }));
    }
    Ok(found)
}
