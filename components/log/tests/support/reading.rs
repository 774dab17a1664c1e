//! Stores on files, opened to be read only: every call that there is, every byte that there is, and a medium on which
//! nothing can be written. For the stores' own tests, which include it; not for those of this crate.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use secure_log::contract::rows::{plain_run, stream};
use secure_log::store::{Row, RowKind, Store, StoreError, Want};

/// All entry rows of a stream, or the first error.
pub fn all(store: &mut impl Store, id: &str) -> Result<Vec<Row>, StoreError> {
    let mut rows = Vec::new();
    loop {
        let page = store.scan(RowKind::Entry, &stream(id), rows.len() as u64, 1000, true)?;
        if page.is_empty() {
            return Ok(rows);
        }
        rows.extend(page);
    }
}

/// Does everything a caller can do with a log of one stream; answers its rows.
pub fn use_fully(store: &mut impl Store, id: &str) -> Vec<Row> {
    let rows = all(store, id).unwrap();
    assert_eq!(store.last(RowKind::Entry, &stream(id)).unwrap().as_ref(), rows.last());
    assert_eq!(store.get(RowKind::Entry, &stream(id), 0).unwrap().as_ref(), rows.first());
    assert_eq!(store.streams(None, 9).unwrap(), [stream(id)]);
    for want in [Want::Synced, Want::Written] {
        assert_eq!(store.append(&plain_run(id, rows.len() as u64, 1), want), Err(StoreError::read_only()));
        assert_eq!(store.append(&[], want), Ok(()));
    }
    assert_eq!(store.erase(RowKind::Entry, &stream(id), 0), Err(StoreError::read_only()));
    rows
}

/// Every file and directory below, with its bytes and the time of its last change.
pub fn everything(directory: &Path) -> BTreeMap<PathBuf, (SystemTime, Option<Vec<u8>>)> {
    let mut found = BTreeMap::new();
    let mut open = vec![directory.to_owned()];
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        }
        let changed = path.metadata().unwrap().modified().unwrap();
        let bytes = path.is_file().then(|| fs::read(&path).unwrap());
        found.insert(path, (changed, bytes));
    }
    found
}

/// Names the directory to the test `child`.
const PLACE: &str = "SECURE_LOG_READ_ONLY_PLACE";
/// What `child` says at its end.
const DONE: &str = "read it all";

/// Runs the test `child` of this program, which calls [`child`], where `directory` can not be written. Permissions do
/// not hold a superuser back: a mount of the directory that is read-only does.
pub fn on_a_read_only_medium(directory: &Path) {
    let script = r#"mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" && exec "$2" --exact child --nocapture"#;
    let mut unshare = Command::new("unshare");
    unshare.args(["-r", "-m", "sh", "-c", script, "sh"]).arg(directory).arg(std::env::current_exe().unwrap());
    let Ok(output) = unshare.env(PLACE, directory).output() else {
        return eprintln!("not run: no unshare on this machine");
    };
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    if !output.status.success() && !said.contains("running 1 test") {
        return eprintln!("not run: no mounts for this user: {said}");
    }
    assert!(output.status.success() && said.contains(DONE), "{said}");
}

/// Reads what is in the directory, if this process was begun by [`on_a_read_only_medium`].
pub fn child(read: impl FnOnce(&Path)) {
    let Some(directory) = std::env::var_os(PLACE).map(PathBuf::from) else { return };
    assert!(fs::write(directory.join("probe"), "").is_err(), "the medium is not read-only");
    read(&directory);
    println!("{DONE}");
}
