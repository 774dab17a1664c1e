#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::thread;

use secure_log::types::Digest;
use tempfile::TempDir;

use super::*;

const ORIGIN: &str = "log.example.org/audit";

fn head(size: u64) -> RememberedHead {
    RememberedHead { size, root: Digest([size as u8; 32]), vkey: "log.example.org/audit+00000000+AA==".into() }
}

fn heads() -> (TempDir, FileHeads) {
    let directory = TempDir::new().unwrap();
    let heads = FileHeads::new(directory.path().join("head").to_str().unwrap()).unwrap();
    (directory, heads)
}

fn names(directory: &TempDir) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(directory.path()).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn path_of(heads: &FileHeads, size: u64) -> PathBuf {
    heads.directory.join(format!("{}{size}", heads.stem(ORIGIN)))
}

#[test]
fn the_largest_head_rules_and_smaller_ones_are_removed() {
    let (directory, mut heads) = heads();
    assert_eq!(heads.latest(ORIGIN), Ok(None));
    for size in [1, 9, 10, 1000] {
        heads.record(ORIGIN, &head(size)).unwrap();
        assert_eq!(heads.latest(ORIGIN), Ok(Some(head(size))));
        assert_eq!(names(&directory).len(), 1);
    }
    heads.record(ORIGIN, &head(999)).unwrap();
    assert_eq!(heads.latest(ORIGIN), Ok(Some(head(1000))));
}

#[test]
fn the_file_name_is_that_of_the_format() {
    let (directory, mut heads) = heads();
    heads.record("a.b/c", &head(7)).unwrap();
    assert_eq!(names(&directory), [format!("head.{}.7", hex(&Sha256::digest("a.b/c")))]);
}

#[test]
fn origins_do_not_see_each_other() {
    let (_directory, mut heads) = heads();
    heads.record(ORIGIN, &head(5)).unwrap();
    heads.record("log.example.org/audi", &head(3)).unwrap();
    assert_eq!(heads.latest(ORIGIN), Ok(Some(head(5))));
    assert_eq!(heads.latest("log.example.org/audi"), Ok(Some(head(3))));
    assert_eq!(heads.latest("log.example.org/other"), Ok(None));
}

/// A kill leaves what was done before the step; the next instance sees the old head or the new one, and
/// recording again ends in the state an undisturbed record ends in.
#[test]
fn a_kill_before_any_step_neither_bricks_nor_forgets() {
    let steps = [Step::Create, Step::Write, Step::SyncFile, Step::Link, Step::SyncNames, Step::Sweep];
    for old in [None, Some(head(3))] {
        for killed in steps {
            let (directory, mut heads) = heads();
            if let Some(old) = &old {
                heads.record(ORIGIN, old).unwrap();
            }
            let end = heads.publish(ORIGIN, &head(4), |step| match step == killed {
                true => Err(StoreError::Io("killed".into())),
                false => Ok(()),
            });
            assert_eq!(end, Err(StoreError::Io("killed".into())), "{killed:?}");

            let mut next = heads.clone();
            let linked = matches!(killed, Step::SyncNames | Step::Sweep);
            let expected = if linked { Some(head(4)) } else { old.clone() };
            assert_eq!(next.latest(ORIGIN), Ok(expected), "{killed:?}");
            next.record(ORIGIN, &head(4)).unwrap();
            assert_eq!(next.latest(ORIGIN), Ok(Some(head(4))));
            assert_eq!(names(&directory), [format!("{}4", heads.stem(ORIGIN))], "{killed:?}");
        }
    }
}

#[test]
fn a_second_root_at_one_size_is_a_conflict_and_the_first_stays() {
    let (_directory, mut heads) = heads();
    heads.record(ORIGIN, &head(4)).unwrap();
    let other = RememberedHead { root: Digest([9; 32]), ..head(4) };
    assert_eq!(heads.record(ORIGIN, &other), Err(StoreError::Conflict));
    assert_eq!(heads.record(ORIGIN, &head(4)), Ok(()));
    assert_eq!(heads.latest(ORIGIN), Ok(Some(head(4))));
}

#[test]
fn a_damaged_head_is_an_error_and_no_smaller_head_stands_in_for_it() {
    let (_directory, mut heads) = heads();
    heads.record(ORIGIN, &head(300)).unwrap();
    let smaller = content::render(ORIGIN, &head(2)).unwrap();
    fs::write(path_of(&heads, 2), smaller).unwrap();
    let good = fs::read(path_of(&heads, 300)).unwrap();
    let mut bad: Vec<Vec<u8>> = (0..good.len()).map(|length| good[..length].to_vec()).collect();
    for place in 0..good.len() {
        for flip in [1, 0x20, 0x80] {
            let mut changed = good.clone();
            changed[place] ^= flip;
            bad.push(changed);
        }
        bad.push([&good[..place], b"\n", &good[place..]].concat());
    }
    bad.push([&good[..], b"\n"].concat());
    bad.push(vec![b'x'; 1 << 20]);
    for changed in bad {
        fs::write(path_of(&heads, 300), &changed).unwrap();
        let answer = heads.latest(ORIGIN);
        assert!(
            matches!(answer, Err(StoreError::Corrupt(_))),
            "{answer:?} for {:?}",
            String::from_utf8_lossy(&changed)
        );
    }
    fs::write(path_of(&heads, 300), good).unwrap();
    assert_eq!(heads.latest(ORIGIN), Ok(Some(head(300))));
}

#[test]
fn a_head_file_counts_only_under_its_own_name() {
    let (_directory, mut heads) = heads();
    heads.record(ORIGIN, &head(4)).unwrap();
    fs::copy(path_of(&heads, 4), path_of(&heads, 40)).unwrap();
    assert!(matches!(heads.latest(ORIGIN), Err(StoreError::Corrupt(_))));
    let foreign = heads.directory.join(format!("{}4", heads.stem("log.example.org/other")));
    fs::copy(path_of(&heads, 4), foreign).unwrap();
    assert!(matches!(heads.latest("log.example.org/other"), Err(StoreError::Corrupt(_))));
}

#[test]
fn names_that_are_no_heads_are_ignored() {
    let (_directory, mut heads) = heads();
    let stem = heads.stem(ORIGIN);
    for name in ["", "007", "+5", "-1", " 6", "6 ", "0x10", "9223372036854775808", "99999999999999999999", "5.x", "١"]
    {
        fs::write(heads.directory.join(format!("{stem}{name}")), "garbage").unwrap();
    }
    fs::write(heads.directory.join("head.9"), "garbage").unwrap();
    fs::create_dir(heads.directory.join(format!("{stem}8.tmp"))).unwrap();
    assert_eq!(heads.latest(ORIGIN), Ok(None));
    heads.record(ORIGIN, &head(2)).unwrap();
    assert_eq!(heads.latest(ORIGIN), Ok(Some(head(2))));
}

#[cfg(unix)]
#[test]
fn a_link_or_a_directory_in_place_of_a_head_is_refused() {
    let (directory, mut heads) = heads();
    let elsewhere = directory.path().join("elsewhere");
    fs::write(&elsewhere, content::render(ORIGIN, &head(4)).unwrap()).unwrap();
    std::os::unix::fs::symlink(&elsewhere, path_of(&heads, 4)).unwrap();
    assert!(matches!(heads.latest(ORIGIN), Err(StoreError::Corrupt(_))));
    assert!(matches!(heads.record(ORIGIN, &head(4)), Err(StoreError::Corrupt(_))));
    fs::create_dir(path_of(&heads, 6)).unwrap();
    assert!(matches!(heads.latest(ORIGIN), Err(StoreError::Corrupt(_))));
}

#[test]
fn a_missing_directory_is_an_error_never_no_head() {
    let (directory, _) = heads();
    let mut lost = FileHeads::new(directory.path().join("gone/head").to_str().unwrap()).unwrap();
    assert!(matches!(lost.latest(ORIGIN), Err(StoreError::Io(_))));
    assert!(matches!(lost.record(ORIGIN, &head(1)), Err(StoreError::Io(_))));
}

#[test]
fn writers_at_once_end_with_the_largest_and_never_see_less_than_they_recorded() {
    let (directory, heads) = heads();
    thread::scope(|scope| {
        for first in 1..=4 {
            let mut heads = heads.clone();
            scope.spawn(move || {
                for size in (first..200).step_by(3) {
                    heads.record(ORIGIN, &head(size)).unwrap();
                    assert!(heads.latest(ORIGIN).unwrap().unwrap().size >= size);
                }
            });
        }
    });
    assert_eq!(names(&directory), [format!("{}199", heads.stem(ORIGIN))]);
}

#[test]
fn what_cannot_be_a_line_or_a_prefix_is_invalid() {
    let (_directory, mut heads) = heads();
    for vkey in ["", "a\nb", "a\0b", &"x".repeat(5000)] {
        let broken = RememberedHead { vkey: vkey.into(), ..head(1) };
        assert!(matches!(heads.record(ORIGIN, &broken), Err(StoreError::Invalid(_))), "{vkey:?}");
    }
    assert!(matches!(heads.record("", &head(1)), Err(StoreError::Invalid(_))));
    assert!(matches!(heads.record(ORIGIN, &head(1 << 63)), Err(StoreError::Invalid(_))));
    for prefix in ["", "/", "heads/", "..", "a/..", "a/."] {
        assert!(FileHeads::new(prefix).is_err(), "{prefix:?}");
    }
    assert!(FileHeads::new("head").is_ok());
}
