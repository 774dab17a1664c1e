//! Notes, proofs and keys made by this crate, judged by tools that are not ours: Go's `x/mod/sumdb`, the PyPI
//! package `aics-tlog` and `openssl`. Each accepts what we accept and refuses what we refuse.
//!
//! `scripts/oracles.sh` installs the first two, pinned, outside of the system; `openssl` is the system's.

use std::path::Path;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use secure_log::merkle::{consistency_path, inclusion_path, leaf_hash, root, verify_consistency, verify_inclusion};
use secure_log::note::{Checkpoint, Note, VerifiedCheckpoint, VerifierKey, cosignature_message, note_line};
use secure_log::signer::Algorithm;
use secure_log::types::Digest;
use serde_json::json;

use crate::oracle::{Case, agree, aics, judged_by_both};
use crate::support::{FixedKey, ORIGIN, Rows, WITNESS};

fn tree(size: usize) -> Rows {
    let mut rows = Rows::new();
    (0..size).for_each(|i| rows.push(leaf_hash(format!("entry {i}").as_bytes())));
    rows
}

fn flip(digest: &Digest, byte: usize) -> Digest {
    let mut changed = *digest;
    changed.0[byte] ^= 4;
    changed
}

/// The path itself and its mutants, each with a name.
fn paths(path: &[Digest]) -> Vec<(String, Vec<Digest>)> {
    let mut all = vec![("as made".to_owned(), path.to_vec())];
    for place in 0..path.len() {
        let mut changed = path.to_vec();
        changed[place] = flip(&changed[place], place);
        all.push((format!("digest {place} changed"), changed));
    }
    if let Some((last, rest)) = path.split_last() {
        all.push(("last digest missing".into(), rest.to_vec()));
        all.push(("last digest twice".into(), [path, &[*last]].concat()));
    }
    all
}

fn hexes(path: &[Digest]) -> Vec<String> {
    path.iter().map(Digest::to_hex).collect()
}

#[test]
fn public_verifiers_judge_inclusion_proofs_as_we_do() {
    let mut rows = tree(1025);
    let mut cases = Vec::new();
    for size in [1, 2, 3, 7, 8, 255, 256, 257, 1025u64] {
        let expected = root(size, &mut rows).unwrap();
        for seqno in [0, 1, 5, 128, 255, 256, size - 1].into_iter().filter(|seqno| *seqno < size) {
            let leaf = rows.heights[0][seqno as usize];
            let path = inclusion_path(seqno, size, &mut rows).unwrap();
            let mut judge = |what: String, leaf: Digest, seqno: u64, size: u64, path: &[Digest], root: Digest| {
                let ours = verify_inclusion(&leaf, seqno, size, path, &root);
                let evidence = json!({
                    "kind": "inclusion", "leaf": leaf.to_hex(), "seqno": seqno, "size": size,
                    "root": root.to_hex(), "path": hexes(path),
                });
                cases.push(Case { what: format!("leaf {seqno} of {size}, {what}"), evidence, ours, laxer: None });
                ours
            };
            for (number, (what, path)) in paths(&path).into_iter().enumerate() {
                assert_eq!(judge(what, leaf, seqno, size, &path, expected), number == 0);
            }
            assert!(!judge("leaf changed".into(), flip(&leaf, 31), seqno, size, &path, expected));
            assert!(!judge("root changed".into(), leaf, seqno, size, &path, flip(&expected, 0)));
            assert!(!judge("next index".into(), leaf, seqno + 1, size, &path, expected));
            // The path may fit a neighbouring size as well; then everyone says so.
            judge("next size".into(), leaf, seqno, size + 1, &path, expected);
        }
    }
    judged_by_both(&cases);
}

#[test]
fn public_verifiers_judge_consistency_proofs_as_we_do() {
    let mut rows = tree(1025);
    let mut cases = Vec::new();
    for new in [1, 2, 3, 7, 8, 255, 256, 257, 1025u64] {
        let new_root = root(new, &mut rows).unwrap();
        for old in [1, 2, 3, 6, 64, 255, 256, 1024, new].into_iter().filter(|old| *old <= new) {
            let old_root = root(old, &mut rows).unwrap();
            let path = consistency_path(old, new, &mut rows).unwrap();
            let mut judge = |what: String, old: u64, path: &[Digest], old_root: Digest, new_root: Digest| {
                let ours = verify_consistency(old, new, path, &old_root, &new_root);
                let evidence = json!({
                    "kind": "consistency", "old": old, "size": new, "old_root": old_root.to_hex(),
                    "root": new_root.to_hex(), "path": hexes(path),
                });
                cases.push(Case { what: format!("{old} to {new}, {what}"), evidence, ours, laxer: None });
                ours
            };
            for (number, (what, path)) in paths(&path).into_iter().enumerate() {
                assert_eq!(judge(what, old, &path, old_root, new_root), number == 0);
            }
            assert!(!judge("old root changed".into(), old, &path, flip(&old_root, 9), new_root));
            assert!(!judge("new root changed".into(), old, &path, old_root, flip(&new_root, 9)));
            assert!(!judge("next size".into(), old + 1, &path, old_root, new_root) || old + 1 == new);
        }
    }
    judged_by_both(&cases);
}

fn checkpoint() -> Checkpoint {
    Checkpoint { origin: ORIGIN.into(), size: 1025, root: root(1025, &mut tree(1025)).unwrap() }
}

fn signed(text: &str, algorithms: &[Algorithm]) -> String {
    let lines = algorithms.iter().map(|algorithm| {
        let key = FixedKey::log(*algorithm);
        note_line(&key.vkey(ORIGIN), &key.sign_note(text.as_bytes()))
    });
    Note::new(text, lines.collect()).unwrap().to_string()
}

fn accepts(note: &str, vkey: &VerifierKey) -> bool {
    Note::parse(note).is_ok_and(|note| VerifiedCheckpoint::open(&note, vkey.name(), &[vkey]).is_ok())
}

#[test]
fn public_verifiers_judge_ed25519_notes_as_we_do() {
    let text = checkpoint().to_text();
    let vkey = FixedKey::log(Algorithm::Ed25519).vkey(ORIGIN);
    let stranger = VerifierKey::for_log(ORIGIN, FixedKey::witness().public()).unwrap();
    let note = signed(&text, &[Algorithm::Ed25519]);
    let (head, last) = note.trim_end().rsplit_once(' ').unwrap();
    let mut signature = BASE64.decode(last).unwrap();
    signature[40] ^= 1;
    let other_root = Checkpoint { root: flip(&checkpoint().root, 0), ..checkpoint() }.to_text();
    let mut cases = Vec::new();
    for (what, note, vkey, good) in [
        ("one line", note.clone(), &vkey, true),
        ("lines of three algorithms", signed(&text, &Algorithm::ALL), &vkey, true),
        ("no line of this algorithm", signed(&text, &Algorithm::ALL[1..]), &vkey, false),
        ("another key", note.clone(), &stranger, false),
        ("another size", note.replace("\n1025\n", "\n1026\n"), &vkey, false),
        ("another root", note.replace(&text, &other_root), &vkey, false),
        ("another origin", note.replacen("payments", "payment5", 1), &vkey, false),
        ("signature changed", format!("{head} {}\n", BASE64.encode(&signature)), &vkey, false),
        ("signature cut", format!("{head} {}\n", BASE64.encode(&signature[..60])), &vkey, false),
        ("no padding", format!("{head} {}\n", last.trim_end_matches('=')), &vkey, false),
        ("no newline at the end", note.trim_end().to_owned(), &vkey, false),
        ("no blank line", note.replace("\n\n", "\n"), &vkey, false),
        ("CRLF", note.replace('\n', "\r\n"), &vkey, false),
        ("hyphen", note.replace('—', "-"), &vkey, false),
        ("unsigned", text.clone(), &vkey, false),
    ] {
        assert_eq!(accepts(&note, vkey), good, "{what}");
        let laxer = (what == "no newline at the end").then_some("aics-tlog");
        let evidence = json!({ "kind": "note", "vkey": vkey.to_string(), "note": note });
        cases.push(Case { what: what.into(), evidence, ours: good, laxer });
    }
    judged_by_both(&cases);
}

#[test]
fn a_public_verifier_counts_our_cosignature_lines() {
    let Some(command) = aics() else { return };
    let text = checkpoint().to_text();
    let vkey = FixedKey::log(Algorithm::Ed25519).vkey(ORIGIN);
    let witness = VerifierKey::for_witness(WITNESS, FixedKey::witness().public()).unwrap();
    let line = |claimed: u64, signed: u64| {
        let signature = FixedKey::witness().sign_note(&cosignature_message(signed, &text));
        note_line(&witness, &[&claimed.to_be_bytes()[..], &signature].concat())
    };
    let mut cases = Vec::new();
    for (what, lines, good) in [
        ("cosigned", vec![line(1_767_225_660, 1_767_225_660)], true),
        ("another time", vec![line(1_767_225_661, 1_767_225_660)], false),
        ("not cosigned", Vec::new(), false),
    ] {
        let mut note = signed(&text, &[Algorithm::Ed25519]);
        lines.iter().for_each(|line| note += &format!("{line}\n"));
        let parsed = Note::parse(&note).unwrap();
        let verified = VerifiedCheckpoint::open(&parsed, ORIGIN, &[&vkey]).unwrap();
        let counted = verified.cosignatures(parsed.signatures(), &[&witness]);
        assert_eq!(counted.is_ok_and(|counted| counted.len() == 1), good, "{what}");
        let evidence = json!({
            "kind": "note", "vkey": vkey.to_string(), "witnesses": [witness.to_string()], "note": note,
        });
        cases.push(Case { what: what.into(), evidence, ours: good, laxer: None });
    }
    agree("aics-tlog", command, &cases);
}

/// Runs openssl in a folder; whether it succeeded and what it printed.
fn openssl(folder: &Path, arguments: &str) -> (bool, String) {
    let output = Command::new("openssl").current_dir(folder).args(arguments.split(' ')).output();
    let output = output.expect("openssl is needed for this test: apt-get install openssl");
    (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Only what stands in the texts of vkey and note is used: type, key and signature are cut out by hand.
#[test]
fn openssl_parses_our_keys_and_judges_our_signatures_as_we_do() {
    let text = checkpoint().to_text();
    for (algorithm, type_len, described, verify) in [
        (
            Algorithm::Ed25519,
            1,
            "ED25519 Public-Key",
            "pkeyutl -verify -rawin -pubin -inkey key.pem -sigfile sig -in text",
        ),
        (Algorithm::EcdsaP256, 1, "prime256v1", "dgst -sha256 -verify key.pem -signature sig text"),
        (
            Algorithm::RsaPssSha256,
            32,
            "Public-Key: (3072 bit)",
            "dgst -sha256 -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:32 -sigopt rsa_mgf1_md:sha256 \
             -verify key.pem -signature sig text",
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
        let vkey = FixedKey::log(algorithm).vkey(ORIGIN);
        let encoded = BASE64.decode(vkey.to_string().splitn(3, '+').nth(2).unwrap()).unwrap();
        let spki = match algorithm {
            // RFC 8410: an ed25519 SPKI is this prefix and the raw key.
            Algorithm::Ed25519 => [b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00", &encoded[type_len..]].concat(),
            _ => encoded[type_len..].to_vec(),
        };
        write("key.der", &spki);
        let (good, printed) = openssl(folder.path(), "pkey -pubin -inform DER -in key.der -text");
        assert!(good && printed.contains(described), "{algorithm:?}: {printed}");
        write("key.pem", printed.as_bytes());

        let note = signed(&text, &[algorithm]);
        let line = note.lines().last().unwrap();
        let signature = BASE64.decode(line.rsplit_once(' ').unwrap().1).unwrap().split_off(4);
        write("text", text.as_bytes());
        write("sig", &signature);
        assert!(openssl(folder.path(), verify).0, "{algorithm:?}: openssl refuses our signature");
        for at in [0, 5, signature.len() / 2, signature.len() - 1] {
            let mut changed = signature.clone();
            changed[at] ^= 1;
            write("sig", &changed);
            assert!(!openssl(folder.path(), verify).0, "{algorithm:?}: byte {at} of the signature changed");
        }
        write("sig", &signature);
        write("text", text.replace("1025", "1026").as_bytes());
        assert!(!openssl(folder.path(), verify).0, "{algorithm:?}: the text changed");
    }
}
