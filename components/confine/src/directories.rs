//! Which directories are the store's. It gets no other descriptor.
//!
//! 1. `SECURE_LOG_STORE_DIR` is set: that directory, opened below the one of the host's that has it, under that name. Set but
//!    empty: none.
//! 2. Otherwise every directory of the host's.
//! 3. Of these, none that may reach a place of another part ([`places::others`]): neither by its name, nor because it
//!    is the same directory, seen under another name or through a symbolic link.
//!
//! # What can not be seen here
//! A directory of the host that *contains* another one of the host's, where their names say nothing of it: WASI
//! shows nothing above a given directory. A secret that is itself a symbolic or hard link into the store's directory.

use std::io::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::places::{self, GuestPath, Place, STORE_DIR};
use crate::wit::wasi::cli::environment::get_environment;
use crate::wit::wasi::filesystem::preopens::get_directories;
use crate::wit::wasi::filesystem::types::{Descriptor, DescriptorFlags, ErrorCode, OpenFlags, PathFlags};

/// Directories above one that are looked at; PATH_MAX of Linux, 4,096 bytes, has room for 2,048.
const MAX_ANCESTORS: usize = 2048;

/// A directory that the store may get.
struct Candidate {
    directory: Descriptor,
    name: String,
    /// Those above it that can be seen.
    above: Vec<Descriptor>,
}

/// The store's directories and their names. When none is left, stderr says why: once in an instance, which may ask
/// any number of times.
pub fn of_store() -> Vec<(Descriptor, String)> {
    let environment = get_environment();
    let given = get_directories();
    let wanted = environment.iter().find(|(name, _)| name == STORE_DIR).map(|(_, value)| value.as_str());
    let candidates = match wanted {
        None => Ok(host_directories()),
        Some("") => return Vec::new(),
        Some(path) => named(&given, path).map(|found| vec![found]),
    };
    let candidates = match candidates {
        Ok(candidates) => candidates,
        Err(why) => {
            say(&why);
            return Vec::new();
        }
    };
    let places: Vec<Seen> = places::others(&environment).into_iter().map(|place| Seen::new(&given, place)).collect();
    let mut kept = Vec::new();
    let mut withheld = Vec::new();
    for candidate in candidates {
        match places.iter().find(|place| place.is_within_reach_of(&candidate)) {
            None => kept.push((candidate.directory, candidate.name)),
            Some(place) => withheld.push(format!("{} may reach {}", candidate.name, place.place.variable)),
        }
    }
    if kept.is_empty() && !withheld.is_empty() {
        say(&withheld.join(", "));
    }
    kept
}

fn host_directories() -> Vec<Candidate> {
    get_directories().into_iter().map(|(directory, name)| Candidate { directory, name, above: Vec::new() }).collect()
}

/// The directory at this path, and what is above it.
fn named(given: &[(Descriptor, String)], path: &str) -> Result<Candidate, String> {
    let wanted = GuestPath::new(path);
    let Some((root, rest)) = owner(given, &wanted) else {
        return Err(format!("{STORE_DIR} is in no directory of this guest"));
    };
    let directory =
        open(root, &rest.relative()).map_err(|error| format!("{STORE_DIR} can not be opened: {error:?}"))?;
    let mut above = chain(root, &rest);
    if !above.is_empty() {
        above.remove(0);
    }
    let name = match (path.starts_with('/'), wanted.depth()) {
        (true, 0) => "/".to_owned(),
        (true, _) => format!("/{}", wanted.relative()),
        (false, _) => wanted.relative(),
    };
    Ok(Candidate { directory, name, above })
}

/// Another part's place and the directories on the way to it.
struct Seen {
    place: Place,
    /// The directory it is in or is, if it exists, and those above it that can be seen: nearest first.
    way: Vec<Descriptor>,
    /// Whether the first of `way` is its directory, and not merely the nearest that exists.
    exists: bool,
}

impl Seen {
    fn new(given: &[(Descriptor, String)], place: Place) -> Seen {
        let home = place.home();
        let Some((root, rest)) = owner(given, &home) else {
            return Seen { place, way: Vec::new(), exists: false };
        };
        let way = chain(root, &rest);
        let exists = open(root, &rest.relative()).is_ok();
        Seen { place, way, exists }
    }

    /// Whether who has the directory could open or replace the place, or something in it.
    fn is_within_reach_of(&self, candidate: &Candidate) -> bool {
        let contains = |directory: &Descriptor| self.way.iter().any(|step| step.is_same_object(directory));
        let home = self.way.first().filter(|_| self.exists && self.place.directory);
        GuestPath::new(&candidate.name).overlaps(&self.place.path)
            || contains(&candidate.directory)
            || home.is_some_and(|home| candidate.above.iter().any(|step| step.is_same_object(home)))
    }
}

/// The host's directory that a path belongs to, as libc finds it: the longest name, of equal ones the last. And the rest.
fn owner<'a>(given: &'a [(Descriptor, String)], path: &GuestPath) -> Option<(&'a Descriptor, GuestPath)> {
    let inside = |(directory, name): &'a (Descriptor, String)| Some((directory, path.below(&GuestPath::new(name))?));
    given.iter().rev().filter_map(inside).min_by_key(|(_, rest)| rest.depth())
}

/// The directory at `path` below `root`, or the nearest above it that exists, and all from there up to `root`: as the
/// host resolves `..`, so behind symbolic links as well.
fn chain(root: &Descriptor, path: &GuestPath) -> Vec<Descriptor> {
    let mut path = path.clone();
    let mut steps = Vec::new();
    while open(root, &path.relative()).is_err() {
        match path.parent() {
            Some(parent) => path = parent,
            None => return steps,
        }
    }
    let mut way = path.relative();
    // The host refuses the `..` that leads out of `root`.
    while let Ok(step) = open(root, &way) {
        let done = step.is_same_object(root);
        steps.push(step);
        if done || steps.len() == MAX_ANCESTORS {
            break;
        }
        way.push_str("/..");
    }
    steps
}

/// A directory below another, with no more rights than that one has.
fn open(root: &Descriptor, path: &str) -> Result<Descriptor, ErrorCode> {
    let inherited = root.get_flags()? & (DescriptorFlags::READ | DescriptorFlags::MUTATE_DIRECTORY);
    root.open_at(PathFlags::SYMLINK_FOLLOW, path, OpenFlags::DIRECTORY, inherited)
}

fn say(why: &str) {
    static SAID: AtomicBool = AtomicBool::new(false);
    if !SAID.swap(true, Ordering::Relaxed) {
        // Without a stderr the store's own error has to do.
        let _ = writeln!(
            std::io::stderr(),
            "secure-log: the store gets no directory: {why}. Keep its rows in a directory without keys, PINs, heads and \
             lists, and name that in {STORE_DIR} (docs/hosting.md, least authority)"
        );
    }
}
