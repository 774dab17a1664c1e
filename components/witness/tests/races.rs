//! The witness over a real file that several processes write at once: whatever they are shown, they cosign one history.
//! The test binary runs itself as the other processes: `child` does nothing unless it was asked to.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::process::{Command, Stdio};

use secure_log::merkle::{Frontier, leaf_hash};
use secure_log::note::{Checkpoint, Note, VerifierKey, note_line};
use secure_log::policy::KnownLogs;
use secure_log::signer::{Algorithm, Keystore as _, PublicKey, sign_checked};
use secure_log::store::Store as _;
use secure_log::types::Digest;
use secure_log::witness::{AddCheckpoint, Refusal, Verdict, Witness, convict};
use secure_log_keystore_software::{Config, Place, SoftwareKey, SoftwareKeystore};
use secure_log_store_file::FileStore;

const JOB: &str = "WITNESS_TEST_FOLDER";
const NUMBER: &str = "WITNESS_TEST_NUMBER";
const PROCESSES: usize = 3;
const THREADS: usize = 2;
/// Logs, one race each; a policy has at most 64.
const LOGS: usize = 60;

fn origin(log: usize) -> String {
    format!("log{log}.example.org/payments")
}

/// The keys that all processes share, made by the first.
fn key(folder: &str, label: &str) -> SoftwareKey {
    let place = Place::Directory(folder.into());
    SoftwareKeystore::new(Config { place, create: true, algorithm: Algorithm::Ed25519 }).get_key(label).unwrap()
}

fn vkey(folder: &str, log: usize) -> VerifierKey {
    let key = key(folder, &format!("log{log}"));
    VerifierKey::for_log(&origin(log), PublicKey::of_signer(&key).unwrap()).unwrap()
}

fn witness(folder: &str) -> Witness<SoftwareKey> {
    let logs: String = (0..LOGS).map(|log| format!("log {}\n", vkey(folder, log))).collect();
    Witness::new(
        "witness.example.org/w1",
        key(folder, "w1"),
        KnownLogs::parse(&format!("{logs}quorum none\n")).unwrap(),
    )
    .unwrap()
}

fn store(folder: &str) -> FileStore {
    let mut store = FileStore::default();
    store.init(&format!("{folder}/witness.jsonl?shared")).unwrap();
    store
}

/// A first checkpoint of this log, of 3 entries that only this history has.
fn request(folder: &str, log: usize, history: usize) -> (Digest, Vec<u8>) {
    let mut tree = Frontier::new();
    (0..3).for_each(|entry| tree.push(leaf_hash(format!("{history} {entry}").as_bytes()), |_, _, _| {}));
    let text = Checkpoint { origin: origin(log), size: 3, root: tree.root() }.to_text();
    let signer = key(folder, &format!("log{log}"));
    let vkey = vkey(folder, log);
    let signature = sign_checked(&signer, vkey.key().public_key(), text.as_bytes()).unwrap();
    let note = Note::new(&text, vec![note_line(&vkey, &signature)]).unwrap();
    (tree.root(), AddCheckpoint { old_size: 0, proof: Vec::new(), note }.to_string().into_bytes())
}

/// Shows a history of its own for every log and prints those that were cosigned.
fn compete(folder: &str, history: usize) {
    let (witness, mut store) = (witness(folder), store(folder));
    for log in 0..LOGS {
        let (_, request) = request(folder, log, history);
        match witness.add_checkpoint(&mut store, || 1_767_225_660, &request) {
            Ok(_) => println!("\ncosigned {log} {history}"),
            Err(Refusal::OldSize(3) | Refusal::Busy) => {}
            Err(refusal) => panic!("{refusal}"),
        }
    }
}

#[test]
fn child() {
    let (Ok(folder), Ok(number)) = (std::env::var(JOB), std::env::var(NUMBER)) else { return };
    let number: usize = number.parse().unwrap();
    std::thread::scope(|scope| {
        let folder = &folder;
        (0..THREADS).for_each(|thread| drop(scope.spawn(move || compete(folder, number * THREADS + thread))));
    });
}

#[test]
fn processes_and_threads_on_one_file_cosign_one_history_of_each_log() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    witness(path);
    let children: Vec<_> = (0..PROCESSES)
        .map(|number| {
            Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "child", "--nocapture", "--test-threads=1"])
                .env(JOB, path)
                .env(NUMBER, number.to_string())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap()
        })
        .collect();
    let mut cosigned = vec![None; LOGS];
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success());
        for line in String::from_utf8(output.stdout).unwrap().lines() {
            let Some(numbers) = line.strip_prefix("cosigned ") else { continue };
            let (log, history) = numbers.split_once(' ').unwrap();
            let earlier = cosigned[log.parse::<usize>().unwrap()].replace(history.parse::<usize>().unwrap());
            assert_eq!(earlier, None, "log {log} was cosigned twice");
        }
    }
    let (witness, mut store) = (witness(path), store(path));
    for (log, history) in cosigned.into_iter().enumerate() {
        let history = history.expect("somebody was first");
        let hash = secure_log::witness::OriginHash::of(&origin(log));
        let kept = witness.checkpoint(&mut store, &hash).unwrap().unwrap();
        let (root, _) = request(path, log, history);
        assert_eq!(Checkpoint::parse(kept.text()).unwrap().root, root);
        let evidence = witness.evidence(&mut store, &hash).unwrap();
        assert!(!evidence.is_empty(), "the other histories were seen, and kept");
        for evidence in evidence {
            let verdict = convict(&evidence, &[vkey(path, log)]).unwrap();
            assert!(matches!(verdict, Verdict::Forked { size: 3, roots } if roots[0] == root), "{verdict:?}");
        }
    }
}
