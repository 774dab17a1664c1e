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

fn path_of(heads: &FileHeads, number: u64) -> PathBuf {
    heads.directory.join(format!("{}{number}", heads.stem(ORIGIN)))
}

/// As the log does: after whatever is remembered.
fn record(heads: &mut FileHeads, origin: &str, head: &RememberedHead) -> Result<(), StoreError> {
    let compared = heads.latest(origin)?;
    heads.record(origin, compared.as_ref(), head)
}

#[test]
fn the_last_head_rules_and_earlier_ones_are_removed() {
    let (directory, mut heads) = heads();
    assert_eq!(heads.latest(ORIGIN), Ok(None));
    for (number, size) in (1..).zip(5..20) {
        record(&mut heads, ORIGIN, &head(size)).unwrap();
        assert_eq!(heads.latest(ORIGIN), Ok(Some(head(size))));
        assert_eq!(names(&directory), [format!("{}{number}", heads.stem(ORIGIN))]);
    }
}

/// Two writers compared with the same head, or with none: the second must compare again before it vouches for
/// anything, whatever the sizes are.
#[test]
fn of_two_writers_that_compared_with_one_head_one_goes_on() {
    for before in [None, Some(head(3))] {
        for (first, second) in [(4, 5), (5, 4), (4, 4)] {
            let (_directory, mut heads) = heads();
            if let Some(before) = &before {
                record(&mut heads, ORIGIN, before).unwrap();
            }
            heads.record(ORIGIN, before.as_ref(), &head(first)).unwrap();
            let other = RememberedHead { root: Digest([0xee; 32]), ..head(second) };
            assert_eq!(heads.record(ORIGIN, before.as_ref(), &other), Err(StoreError::Conflict));
            assert_eq!(heads.latest(ORIGIN), Ok(Some(head(first))));
            assert_eq!(heads.record(ORIGIN, Some(&head(first)), &head(6)), Ok(()));
            assert_eq!(heads.record(ORIGIN, before.as_ref(), &other), Err(StoreError::Conflict));
            assert_eq!(heads.latest(ORIGIN), Ok(Some(head(6))));
        }
    }
}

/// It read the names, slept while others made and removed the next heads, and goes on with its link.
#[test]
fn a_writer_that_slept_through_the_next_heads_is_told() {
    let (_directory, mut heads) = heads();
    record(&mut heads, ORIGIN, &head(3)).unwrap();
    for asleep in [Step::Create, Step::Write, Step::SyncFile, Step::Link, Step::SyncNames] {
        let known = heads.latest(ORIGIN).unwrap().unwrap();
        let mut others = heads.clone();
        let end = heads.publish(ORIGIN, Some(&known), &head(known.size + 9), |step| {
            if step == asleep {
                let reached = others.latest(ORIGIN)?.unwrap();
                for size in 1..=2 {
                    record(&mut others, ORIGIN, &head(reached.size + size))?;
                }
            }
            Ok(())
        });
        assert_eq!(end, Err(StoreError::Conflict), "{asleep:?}");
    }
}

#[test]
fn the_file_name_is_that_of_the_format() {
    let (directory, mut heads) = heads();
    heads.record("a.b/c", None, &head(7)).unwrap();
    assert_eq!(names(&directory), [format!("head.{}.1", hex(&Sha256::digest("a.b/c")))]);
}

#[test]
fn origins_do_not_see_each_other() {
    let (_directory, mut heads) = heads();
    heads.record(ORIGIN, None, &head(5)).unwrap();
    heads.record("log.example.org/audi", None, &head(3)).unwrap();
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
                record(&mut heads, ORIGIN, old).unwrap();
            }
            let end = heads.publish(ORIGIN, old.as_ref(), &head(4), |step| match step == killed {
                true => Err(StoreError::Io("killed".into())),
                false => Ok(()),
            });
            assert_eq!(end, Err(StoreError::Io("killed".into())), "{killed:?}");

            let mut next = heads.clone();
            let linked = matches!(killed, Step::SyncNames | Step::Sweep);
            let expected = if linked { Some(head(4)) } else { old.clone() };
            assert_eq!(next.latest(ORIGIN), Ok(expected), "{killed:?}");
            record(&mut next, ORIGIN, &head(4)).unwrap();
            assert_eq!(next.latest(ORIGIN), Ok(Some(head(4))));
            let number = 1 + u64::from(old.is_some());
            assert_eq!(names(&directory), [format!("{}{number}", heads.stem(ORIGIN))], "{killed:?}");
        }
    }
}

#[test]
fn what_is_remembered_already_is_not_made_again() {
    let (directory, mut heads) = heads();
    record(&mut heads, ORIGIN, &head(4)).unwrap();
    for compared in [None, Some(head(3)), Some(head(4))] {
        assert_eq!(heads.record(ORIGIN, compared.as_ref(), &head(4)), Ok(()));
        assert_eq!(names(&directory), [format!("{}1", heads.stem(ORIGIN))]);
    }
}

#[test]
fn a_damaged_head_is_an_error_and_no_earlier_head_stands_in_for_it() {
    let (_directory, mut heads) = heads();
    let earlier = content::render(ORIGIN, &head(2)).unwrap();
    fs::write(path_of(&heads, 1), &earlier).unwrap();
    record(&mut heads, ORIGIN, &head(300)).unwrap();
    fs::write(path_of(&heads, 1), &earlier).unwrap();
    let good = fs::read(path_of(&heads, 2)).unwrap();
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
        fs::write(path_of(&heads, 2), &changed).unwrap();
        let answer = heads.latest(ORIGIN);
        assert!(
            matches!(answer, Err(StoreError::Corrupt(_))),
            "{answer:?} for {:?}",
            String::from_utf8_lossy(&changed)
        );
    }
    fs::write(path_of(&heads, 2), good).unwrap();
    assert_eq!(heads.latest(ORIGIN), Ok(Some(head(300))));
}

#[test]
fn a_head_file_counts_only_for_its_own_origin() {
    let (_directory, mut heads) = heads();
    record(&mut heads, ORIGIN, &head(4)).unwrap();
    let foreign = heads.directory.join(format!("{}4", heads.stem("log.example.org/other")));
    fs::copy(path_of(&heads, 1), foreign).unwrap();
    assert!(matches!(heads.latest("log.example.org/other"), Err(StoreError::Corrupt(_))));
}

#[test]
fn names_that_are_no_heads_are_ignored() {
    let (_directory, mut heads) = heads();
    let stem = heads.stem(ORIGIN);
    for name in
        ["", "0", "007", "+5", "-1", " 6", "6 ", "0x10", "9223372036854775808", "99999999999999999999", "5.x", "١"]
    {
        fs::write(heads.directory.join(format!("{stem}{name}")), "garbage").unwrap();
    }
    fs::write(heads.directory.join("head.9"), "garbage").unwrap();
    fs::create_dir(heads.directory.join(format!("{stem}8.tmp"))).unwrap();
    assert_eq!(heads.latest(ORIGIN), Ok(None));
    record(&mut heads, ORIGIN, &head(2)).unwrap();
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
    assert!(matches!(heads.record(ORIGIN, None, &head(4)), Err(StoreError::Corrupt(_))));
    fs::create_dir(path_of(&heads, 6)).unwrap();
    assert!(matches!(heads.latest(ORIGIN), Err(StoreError::Corrupt(_))));
}

#[test]
fn a_missing_directory_is_an_error_never_no_head() {
    let (directory, _) = heads();
    let mut lost = FileHeads::new(directory.path().join("gone/head").to_str().unwrap()).unwrap();
    assert!(matches!(lost.latest(ORIGIN), Err(StoreError::Io(_))));
    assert!(matches!(lost.record(ORIGIN, None, &head(1)), Err(StoreError::Io(_))));
}

/// Each writer goes on from what it compared with, so every head stands on the one before: none is skipped, none is
/// made twice.
#[test]
fn writers_at_once_make_one_line_of_heads() {
    let (directory, heads) = heads();
    thread::scope(|scope| {
        for writer in 0..4 {
            let mut heads = heads.clone();
            scope.spawn(move || {
                let mut made = 0;
                while made < 50 {
                    let compared = heads.latest(ORIGIN).unwrap();
                    let size = compared.as_ref().map_or(0, |head| head.size) + 1;
                    let next = RememberedHead { root: Digest([writer; 32]), ..head(size) };
                    match heads.record(ORIGIN, compared.as_ref(), &next) {
                        Ok(()) => made += 1,
                        Err(StoreError::Conflict) => {}
                        Err(error) => panic!("{error:?}"),
                    }
                }
            });
        }
    });
    // One that was gone on from before its writer looked again is told to compare, and counts all the same.
    let mut heads = heads;
    let last = heads.latest(ORIGIN).unwrap().unwrap().size;
    assert!(last >= 200 && path_of(&heads, last).exists(), "{last}: {:?}", names(&directory));
}

#[test]
fn what_cannot_be_a_line_or_a_prefix_is_invalid() {
    let (_directory, mut heads) = heads();
    for vkey in ["", "a\nb", "a\0b", &"x".repeat(5000)] {
        let broken = RememberedHead { vkey: vkey.into(), ..head(1) };
        assert!(matches!(heads.record(ORIGIN, None, &broken), Err(StoreError::Invalid(_))), "{vkey:?}");
    }
    assert!(matches!(heads.record("", None, &head(1)), Err(StoreError::Invalid(_))));
    assert!(matches!(heads.record(ORIGIN, None, &head(1 << 63)), Err(StoreError::Invalid(_))));
    for prefix in ["", "/", "heads/", "..", "a/..", "a/."] {
        assert!(FileHeads::new(prefix).is_err(), "{prefix:?}");
    }
    assert!(FileHeads::new("head").is_ok());
}
