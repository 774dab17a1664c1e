//! `export --tiles`: what it publishes convinces verifiers that are not ours, survives being stopped anywhere, and is
//! never bent to fit a log that changed.

use crate::support;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::desk::{Desk, Said};
use crate::oracle::{Case, judged_by_both};
use crate::support::ORIGIN;
use crate::world::{events, stream};
use secure_log::merkle::{Frontier, leaf_hash};
use secure_log::note::{Checkpoint, Note};
use secure_log::store::{RowKind, Want};
use secure_log::tiles::{Content, Tile, read_entries};
use secure_log_cli::{CANNOT_TELL, FINDING, USAGE};
use serde_json::json;

type Files = BTreeMap<String, Vec<u8>>;

/// Appends until the stream has `size` entries, the last a seal, and signs.
fn grow(desk: &mut Desk, size: u64) {
    let there = desk.log.head(&stream()).map_or(1, |head| head.size);
    desk.log.append_batch(&stream(), &events((size - 1 - there) as usize), Want::Synced).unwrap();
    desk.settle();
    assert_eq!(desk.log.head(&stream()).unwrap().size, size);
}

fn export(desk: &mut Desk, folder: &Path, more: &str) -> Said {
    desk.run(format!("export --tiles {} {more}", folder.display()).trim_end())
}

fn published(desk: &mut Desk, folder: &Path, more: &str) {
    let said = export(desk, folder, more);
    assert_eq!(said.status, 0, "{}", said.err);
}

/// Every file below a folder, by its name there.
fn files(folder: &Path) -> Files {
    let (mut found, mut folders) = (Files::new(), vec![folder.to_owned()]);
    while let Some(next) = folders.pop() {
        for item in fs::read_dir(next).unwrap() {
            let path = item.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.insert(path.strip_prefix(folder).unwrap().display().to_string(), fs::read(&path).unwrap());
            }
        }
    }
    found
}

/// The size of a published tree whose bundles have the root of its checkpoint; partial bundles may be full ones.
fn whole(folder: &Path) -> u64 {
    let Ok(text) = fs::read_to_string(folder.join("checkpoint")) else { return 0 };
    let checkpoint = Checkpoint::parse(Note::parse(&text).unwrap().text()).unwrap();
    let mut tree = Frontier::new();
    let partial = Tile::partial(Content::Entries, checkpoint.size);
    for tile in (0..checkpoint.size / 256).map(|index| Tile::full(Content::Entries, index)).chain(partial) {
        let bundle = fs::read(folder.join(tile.path())).unwrap();
        read_entries(&bundle, tile.width).unwrap().iter().for_each(|entry| tree.push(leaf_hash(entry), |_, _, _| {}));
    }
    assert_eq!(tree.root(), checkpoint.root);
    checkpoint.size
}

fn recompute(folder: &Path) -> (Option<i32>, String) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/recompute-root.sh");
    let output = Command::new("sh").arg(script).arg(folder).output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

/// The story: a log of 700 entries was published in two steps. Strangers fetch the folder with the tools they have.
#[test]
fn public_verifiers_accept_every_entry_of_the_folder_and_no_mutant_of_it() {
    let (mut desk, folder) = (Desk::new(), tempfile::tempdir().unwrap());
    let tree = folder.path().join("tree");
    for size in [300, 700] {
        grow(&mut desk, size);
        published(&mut desk, &tree, "");
    }
    let good = files(&tree);
    let names = [
        "checkpoint",
        "tile/0/000",
        "tile/0/001",
        "tile/0/001.p/44",
        "tile/0/002.p/188",
        "tile/1/000.p/1",
        "tile/1/000.p/2",
        "tile/entries/000",
        "tile/entries/001",
        "tile/entries/001.p/44",
        "tile/entries/002.p/188",
    ];
    assert_eq!(good.keys().collect::<Vec<_>>(), names);

    let mut cases = Vec::new();
    let mut judge = |what: String, files: &Files, ours: bool| {
        // It reads a note without the last newline, and of a partial tile only the hashes it needs.
        let partial_tile = what.ends_with("longer") && what.contains(".p/") && !what.contains("entries");
        let laxer = (what == "checkpoint cut" || partial_tile).then_some("aics-tlog");
        let copy = folder.path().join(format!("copy{}", cases.len()));
        for (name, bytes) in files {
            fs::create_dir_all(copy.join(name).parent().unwrap()).unwrap();
            fs::write(copy.join(name), bytes).unwrap();
        }
        let evidence = json!({ "kind": "tiles", "dir": copy, "vkey": desk.key.vkey(ORIGIN).to_string() });
        cases.push(Case { what, evidence, ours, laxer });
    };
    judge("as published".into(), &good, true);
    let older: Files = good
        .iter()
        .filter(|(name, _)| !name.ends_with("/44") && !name.ends_with("p/1"))
        .map(|(name, bytes)| (name.clone(), bytes.clone()))
        .collect();
    judge("without the partial files of an older size".into(), &older, true);
    for (name, bytes) in &older {
        let mut changed = |what: &str, bytes: Option<Vec<u8>>| {
            let mut files = older.clone();
            match bytes {
                Some(bytes) => drop(files.insert(name.clone(), bytes)),
                None => drop(files.remove(name)),
            }
            judge(format!("{name} {what}"), &files, false);
        };
        for at in [0, bytes.len() / 2, bytes.len() - 2] {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1;
            changed(&format!("byte {at} changed"), Some(flipped));
        }
        changed("cut", Some(bytes[..bytes.len() - 1].to_vec()));
        changed("missing", None);
        if name != "checkpoint" {
            changed("longer", Some([&bytes[..], &[0]].concat()));
        }
    }
    let mut swapped = older.clone();
    swapped.insert("tile/entries/000".into(), good["tile/entries/001"].clone());
    judge("a bundle in the place of another".into(), &swapped, false);
    judged_by_both(&cases);
}

/// The 100-year check: no Rust, no Merkle library, no network.
#[test]
fn a_shell_script_recomputes_the_root_of_every_size() {
    let (mut desk, folder) = (Desk::new(), tempfile::tempdir().unwrap());
    for size in [3, 8, 21, 260] {
        grow(&mut desk, size);
        published(&mut desk, folder.path(), "");
        let (status, said) = recompute(folder.path());
        let expected = format!("log.example.org/payments: {size} entries have the root ");
        assert!(status == Some(0) && said.starts_with(&expected), "{said}");
    }
}

#[test]
fn the_shell_script_refuses_what_was_bent() {
    let (mut desk, folder) = (Desk::new(), tempfile::tempdir().unwrap());
    assert_eq!(recompute(folder.path()).0, Some(2), "not a published tree");
    grow(&mut desk, 9);
    published(&mut desk, folder.path(), "");
    let checkpoint = folder.path().join("checkpoint");
    let bundle = folder.path().join("tile/entries/000.p/9");
    let (text, entries) = (fs::read_to_string(&checkpoint).unwrap(), fs::read(&bundle).unwrap());
    for (from, to, why) in [
        ("\n9\n", "\n8\n", "tile/entries/000.p/8 is missing"),
        ("\n9\n", "\n09\n", "not a decimal number"),
        ("\n9\n", "\n-9\n", "not a decimal number"),
        ("\n9\n", "\n0\n", "0 entries have the root 47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="),
        ("=\n", "\n", "the checkpoint says"),
    ] {
        fs::write(&checkpoint, text.replacen(from, to, 1)).unwrap();
        let (status, said) = recompute(folder.path());
        assert!(status == Some(1) && said.contains(why), "{to:?}: {said}");
    }
    fs::write(&checkpoint, &text).unwrap();
    for (what, changed) in [
        ("a byte changed", [&entries[..9], b"!", &entries[10..]].concat()),
        ("a length changed", [&[1], &entries[1..]].concat()),
        ("cut", entries[..entries.len() - 1].to_vec()),
        ("longer", [&entries[..], b"x"].concat()),
        ("empty", Vec::new()),
    ] {
        fs::write(&bundle, changed).unwrap();
        let (status, said) = recompute(folder.path());
        assert_eq!(status, Some(1), "{what}: {said}");
    }
}

#[test]
fn every_signed_size_has_its_partial_tiles_until_they_are_full() {
    let (mut desk, folder) = (Desk::new(), tempfile::tempdir().unwrap());
    for size in [5, 260, 270, 290] {
        grow(&mut desk, size);
    }
    published(&mut desk, folder.path(), "");
    let names: Vec<String> = files(folder.path()).into_keys().filter(|name| name.contains(".p/")).collect();
    let expected = [
        "tile/0/001.p/14",
        "tile/0/001.p/34",
        "tile/0/001.p/4",
        "tile/1/000.p/1",
        "tile/entries/001.p/14",
        "tile/entries/001.p/34",
        "tile/entries/001.p/4",
    ];
    assert_eq!(names, expected);
}

/// An export that is stopped after any page leaves a folder that is whole at its older size, and the next run ends
/// with the files of one that was never stopped.
#[test]
fn a_stop_anywhere_leaves_the_older_state_and_the_next_run_completes_it() {
    let (mut desk, folder) = (Desk::new(), tempfile::tempdir().unwrap());
    desk.page = 37;
    let calm = folder.path().join("calm");
    let mut before: Vec<(u64, Files)> = vec![(0, Files::new())];
    for size in [200, 257, 600] {
        grow(&mut desk, size);
        published(&mut desk, &calm, "--payloads");
        let mut stopped = 0;
        for pages in 0.. {
            let tree = folder.path().join(format!("{size}-{pages}"));
            let (older, files_before) = before.last().unwrap();
            for (name, bytes) in files_before {
                fs::create_dir_all(tree.join(name).parent().unwrap()).unwrap();
                fs::write(tree.join(name), bytes).unwrap();
            }
            desk.pages_left = pages;
            let said = export(&mut desk, &tree, "--payloads");
            desk.pages_left = u32::MAX;
            if said.status == 0 {
                break;
            }
            assert_eq!((said.status, whole(&tree)), (CANNOT_TELL, *older), "{}", said.err);
            stopped += 1;
            published(&mut desk, &tree, "--payloads");
            let mut done = files(&tree);
            done.retain(|name, _| !name.ends_with(".part"));
            assert!(done == files(&calm), "stopped after {pages} pages on the way to {size}");
        }
        assert!(stopped > 1, "{stopped} stops");
        assert_eq!(whole(&calm), size);
        before.push((size, files(&calm)));
    }
}

#[test]
fn what_is_published_is_never_rewritten_and_a_second_run_writes_nothing() {
    let (mut desk, folder) = (Desk::new(), tempfile::tempdir().unwrap());
    grow(&mut desk, 300);
    published(&mut desk, folder.path(), "");
    let before = files(folder.path());
    let said = export(&mut desk, folder.path(), "");
    assert!(said.out.contains(": 0 new files"), "{}", said.out);
    assert!(files(folder.path()) == before);
    grow(&mut desk, 900);
    published(&mut desk, folder.path(), "");
    let after = files(folder.path());
    for (name, bytes) in before.iter().filter(|(name, _)| *name != "checkpoint") {
        assert!(after[name] == *bytes, "{name}");
    }
    assert_eq!(whole(folder.path()), 900);
}

/// The story: the log was replaced by another one of the same name, signed with the same key, and somebody exports it
/// over what the world has already seen.
#[test]
fn another_history_is_refused_and_nothing_is_changed() {
    let (mut desk, folder) = (Desk::new(), tempfile::tempdir().unwrap());
    grow(&mut desk, 300);
    published(&mut desk, folder.path(), "");
    let before = files(folder.path());
    for size in [200, 300, 400] {
        let mut forged = Desk::new();
        forged.good("append another-history");
        grow(&mut forged, size);
        let said = export(&mut forged, folder.path(), "");
        assert!(said.status == FINDING && said.err.contains("nothing was changed"), "{size}: {}", said.err);
        assert!(files(folder.path()) == before);
    }
}

#[test]
fn a_damaged_folder_is_not_extended() {
    let (mut desk, folder) = (Desk::new(), tempfile::tempdir().unwrap());
    grow(&mut desk, 300);
    published(&mut desk, folder.path(), "");
    let good = files(folder.path());
    grow(&mut desk, 700);
    for (name, change) in
        [("tile/1/000.p/1", 0), ("checkpoint", 30), ("tile/entries/001.p/44", 9), ("tile/0/001.p/44", 9)]
    {
        let mut bytes = good[name].clone();
        bytes[change] ^= 1;
        fs::write(folder.path().join(name), bytes).unwrap();
        let said = export(&mut desk, folder.path(), "");
        // What no later file is made from is found by who reads all of it.
        let expected = if name.ends_with("/44") { 0 } else { FINDING };
        assert_eq!(said.status, expected, "{name}: {}", said.err);
        for (name, bytes) in &good {
            fs::write(folder.path().join(name), bytes).unwrap();
        }
    }
    fs::remove_file(folder.path().join("tile/1/000.p/1")).unwrap();
    let said = export(&mut desk, folder.path(), "");
    assert!(said.status == FINDING && said.err.contains("tile/1/000.p/1, which is missing"), "{}", said.err);
}

/// At a multiple of 256 no entry is hashed again: the tiles above the leaves are all there is to compare.
#[test]
fn a_damaged_folder_of_full_bundles_is_not_touched() {
    let (mut desk, folder) = (Desk::new(), tempfile::tempdir().unwrap());
    grow(&mut desk, 512);
    published(&mut desk, folder.path(), "");
    grow(&mut desk, 700);
    let tile = folder.path().join("tile/1/000.p/2");
    let mut bytes = fs::read(&tile).unwrap();
    bytes[40] ^= 1;
    fs::write(&tile, &bytes).unwrap();
    let before = files(folder.path());
    let said = export(&mut desk, folder.path(), "");
    assert!(said.status == FINDING && said.err.contains("published root"), "{}", said.err);
    assert!(files(folder.path()) == before);
    bytes[40] ^= 1;
    fs::write(&tile, &bytes).unwrap();
    published(&mut desk, folder.path(), "");
    assert_eq!(whole(folder.path()), 700);
}

#[test]
fn a_log_whose_entries_changed_is_not_published() {
    let (mut desk, folder) = (Desk::new(), tempfile::tempdir().unwrap());
    grow(&mut desk, 300);
    let policy = folder.path().join("policy");
    let tree = folder.path().join("tree");
    let stranger = support::FixedKey::witness().vkey(ORIGIN);
    fs::write(&policy, format!("log {stranger}\nquorum none\n")).unwrap();
    let said = export(&mut desk, &tree, &format!("--policy {}", policy.display()));
    assert!(said.status == FINDING && said.err.contains("no signature line is by a known key"), "{}", said.err);
    assert!(!tree.exists(), "nothing is written before the checkpoint is judged");

    desk.store.rows(RowKind::Entry, |rows| rows[123].body[50] ^= 1);
    let said = export(&mut desk, &tree, "");
    assert_eq!((said.status, whole(&tree)), (FINDING, 0), "{}", said.err);
    let said = export(&mut Desk::new(), &tree, "");
    assert!(said.status == USAGE, "no such stream: {}", said.err);
}

/// Payloads are for those allowed to read them; one that is erased goes from the published files too.
#[test]
fn payloads_stand_beside_the_tree_and_are_erased_there_too() {
    let (mut desk, folder) = (Desk::new(), tempfile::tempdir().unwrap());
    grow(&mut desk, 300);
    published(&mut desk, folder.path(), "");
    assert!(!folder.path().join("payloads").exists(), "only on request");
    published(&mut desk, folder.path(), "--payloads");
    let payload = |number: u64| format!("event {number}").into_bytes();
    let holds = |number: u64| {
        let found = files(folder.path());
        found.iter().filter(|(name, _)| name.starts_with("payloads/")).any(|(_, bytes)| {
            let wanted = [&payload(number)[..], &[0, 0, 0]].concat();
            bytes.windows(wanted.len()).any(|window| window == wanted)
        })
    };
    assert!(holds(9) && holds(100) && holds(270));
    desk.log.erase_payload(&stream(), 101, 101, "asked for").unwrap();
    desk.log.erase_payload(&stream(), 271, 271, "asked for").unwrap();
    let size = desk.log.head(&stream()).unwrap().size;
    grow(&mut desk, size + 40);
    published(&mut desk, folder.path(), "");
    assert!(holds(9) && !holds(100) && !holds(270), "whether or not payloads are published again");
    published(&mut desk, folder.path(), "--payloads");
    let names: Vec<String> = files(folder.path()).into_keys().filter(|name| name.starts_with("payloads/")).collect();
    assert_eq!(names, ["payloads/000".to_owned(), format!("payloads/001.p/{}", size + 40 - 256)]);
    assert!(holds(9) && !holds(100) && !holds(270));
}
