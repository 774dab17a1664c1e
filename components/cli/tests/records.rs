//! Records on the command line: signed with a key of the keystore, judged with a pinned one, alone and as archives.

use crate::support;
use std::fs;
use std::path::{Path, PathBuf};

use crate::desk::{Desk, Said};
use secure_log::signer::Algorithm;
use secure_log_cli::{CANNOT_TELL, FINDING, USAGE};
use serde_json::Value;

const PAYLOAD: &[u8] = br#" { "input": {}, "state": { "b": 1.0, "a": [1e3] }, "events": [] } "#;

fn record(desk: &mut Desk, key: &str, more: &str) -> String {
    let said = desk.feed(&format!("record sign --transaction-hash 00ff{more} --key {key}"), PAYLOAD);
    assert_eq!((said.status, said.err.as_str()), (0, ""), "{}", said.out);
    said.out
}

/// A folder with `public.pem`, pinned by every call of [`Bench::verify`].
struct Bench {
    folder: tempfile::TempDir,
    desk: Desk,
}

impl Bench {
    fn new() -> Bench {
        let (folder, mut desk) = (tempfile::tempdir().unwrap(), Desk::new());
        fs::write(folder.path().join("public.pem"), desk.good("record public-key")).unwrap();
        fs::create_dir(folder.path().join("archive")).unwrap();
        Bench { folder, desk }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn put(&self, name: &str, bytes: impl AsRef<[u8]>) {
        let path = self.path(&format!("archive/{name}"));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    fn verify(&mut self, what: &str) -> Said {
        let (pin, path) = (self.path("public.pem"), self.path(what));
        self.desk.run(&format!("--json record verify {} --public-key {}", path.display(), pin.display()))
    }
}

/// Last part of the file's name and its verdict, in the order told.
fn verdicts(said: &Said) -> Vec<(String, String)> {
    let lines = said.out.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let judged = lines.filter(|value| value.get("file").is_some());
    judged
        .map(|value| {
            assert_eq!(value["trust"], "pinned-key");
            let name = Path::new(value["file"].as_str().unwrap()).file_name().unwrap().to_str().unwrap();
            (name.to_owned(), value["verdict"].as_str().unwrap().to_owned())
        })
        .collect()
}

#[test]
fn a_payload_becomes_a_record_that_each_form_of_the_pinned_key_accepts() {
    let mut desk = Desk::new();
    for algorithm in Algorithm::ALL {
        let name = algorithm.as_str();
        let signed = record(&mut desk, name, "");
        assert!(signed.contains(r#""payload":{"events":[],"input":{},"state":{"a":[1000],"b":1}},"#), "{signed}");
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("public.pem").display().to_string();
        fs::write(&file, desk.good(&format!("record public-key --key {name}"))).unwrap();
        let hex = serde_json::from_str::<Value>(&signed).unwrap()["public_key"].as_str().unwrap().to_owned();
        let vkey = support::FixedKey::log(algorithm).vkey(support::ORIGIN).to_string();
        for pin in [file, hex, vkey] {
            let said = desk.feed(&format!("record verify - --public-key {pin}"), signed.as_bytes());
            assert_eq!(said.status, 0, "{}", said.err);
            assert!(said.out.starts_with("VALID (pinned-key) stdin: 20"), "{}", said.out);
        }
    }
}

#[test]
fn an_archive_is_judged_whole_and_every_bad_file_named() {
    let mut bench = Bench::new();
    let attestation = bench.path("attestation");
    fs::write(
        &attestation,
        r#"{"certificates":[],"key_attributes":{"CKA_EXTRACTABLE":false,"CKA_LOCAL":true,"CKA_NEVER_EXTRACTABLE":true,
        "CKA_SENSITIVE":true},"retrieved_at":"2026-01-01T00:00:00.000000Z","token_info":"Token"}"#,
    )
    .unwrap();
    let good = record(&mut bench.desk, "audit", "");
    let attested = record(&mut bench.desk, "audit", &format!(" --attestation {}", attestation.display()));
    let from = attested.find(",\"hardware_attestation\"").unwrap();
    let to = attested.find(",\"payload\"").unwrap();
    bench.put("1.json", &good);
    bench.put("2024/2.json", &attested);
    bench.put("README.txt", "not a record");
    let said = bench.verify("archive");
    assert_eq!(said.status, 0, "{}{}", said.out, said.err);
    let pair = |name: &str, verdict: &str| (name.to_owned(), verdict.to_owned());
    assert_eq!(verdicts(&said), [pair("1.json", "valid"), pair("2.json", "valid")]);
    assert!(said.out.lines().last().unwrap().contains(r#""other-files":1"#), "{}", said.out);

    bench.put("3.json", good.replace("1000", "1001"));
    bench.put("4.json", format!("{}{}", &attested[..from], &attested[to..]));
    bench.put("5.json", record(&mut Desk::new(), "ecdsa-p256", ""));
    bench.put("6.JSON", "{}");
    bench.put("7.json", b"\xff");
    bench.put("8.json", good.replacen('{', "{\n", 1));
    let said = bench.verify("archive");
    assert_eq!(said.status, FINDING);
    let expected = [
        pair("1.json", "valid"),
        pair("2.json", "valid"),
        pair("3.json", "modified"),
        pair("4.json", "attestation-removed"),
        pair("5.json", "wrong-key"),
        pair("6.JSON", "malformed"),
        pair("7.json", "malformed"),
        pair("8.json", "malformed"),
    ];
    assert_eq!(verdicts(&said).iter().filter(|found| !expected.contains(found)).count(), 0, "{}", said.out);
    assert_eq!(verdicts(&said).len(), expected.len());
    assert!(said.err.contains("6 of 8 records are not valid"), "{}", said.err);
}

#[cfg(unix)]
#[test]
fn what_can_not_be_read_is_neither_valid_nor_a_finding() {
    let mut bench = Bench::new();
    let good = record(&mut bench.desk, "audit", "");
    bench.put("1.json", &good);
    std::os::unix::fs::symlink("/no/such/file", bench.path("archive/2.json")).unwrap();
    std::os::unix::fs::symlink(bench.path("archive"), bench.path("archive/loop")).unwrap();
    let said = bench.verify("archive");
    assert_eq!(said.status, CANNOT_TELL, "{}", said.out);
    assert!(said.out.contains("2.json") && said.out.contains("cannot-tell"), "{}", said.out);
    assert_eq!(verdicts(&said).len(), 2, "the link to the folder itself is not followed");
    bench.put("3.json", "");
    assert_eq!(bench.verify("archive").status, FINDING, "one that is bad weighs more");
}

#[test]
fn a_pin_is_asked_for_and_the_weak_choice_is_named_and_repeated() {
    let mut bench = Bench::new();
    let good = record(&mut bench.desk, "audit", "");
    bench.put("1.json", &good);
    let path = bench.path("archive/1.json").display().to_string();
    let said = bench.desk.run(&format!("record verify {path}"));
    assert!(said.status == USAGE && said.err.contains("--public-key"), "{}", said.err);
    let said = bench.desk.run(&format!("record verify {path} --trust-key-in-record"));
    assert!(said.status == 0 && said.out.starts_with("VALID (key-in-record)"), "{}", said.out);
    let pin = bench.path("public.pem").display().to_string();
    let said = bench.desk.run(&format!("record verify {path} --trust-key-in-record --public-key {pin}"));
    assert_eq!(said.status, USAGE);
    let empty = tempfile::tempdir().unwrap();
    let said = bench.desk.run(&format!("record verify {} --public-key {pin}", empty.path().display()));
    assert!(said.status == USAGE && said.err.contains("no record"), "an empty archive is not a good one");
    for (line, why) in [
        (format!("record verify {path} --public-key /no/such.pem"), "/no/such.pem"),
        ("record verify /no/such/file --trust-key-in-record".into(), "could not be read"),
        ("record sign --transaction-hash 00FF".into(), "lower-case"),
        ("record sign --transaction-hash 00 --key stranger".into(), "key stranger"),
        ("record sign --transaction-hash 00 --attestation /no/such/file".into(), "/no/such/file"),
        ("record sign --transaction-hash 00 /no/such/payload".into(), "/no/such/payload"),
        ("record sign".into(), "--transaction-hash"),
        ("record verify".into(), "<FILE|FOLDER>"),
    ] {
        let said = bench.desk.feed(&line, PAYLOAD);
        assert!(said.status >= USAGE && said.err.contains(why), "{line}: {} {}", said.status, said.err);
        assert!(!said.out.contains("VALID"), "{line}");
    }
}

#[test]
fn a_payload_that_would_be_signed_as_another_is_refused_by_its_path() {
    let mut desk = Desk::new();
    for (payload, why) in [
        (r#"{"events":[{"amount":9007199254740993}]}"#, "stdin: $.events[0].amount: the number"),
        (r#"{"a":1,"a":2}"#, "stdin: $.a: this name occurs twice"),
        (r#"["\ud800"]"#, "stdin: $[0]: a string that is not Unicode"),
        ("", "stdin: not JSON"),
    ] {
        let said = desk.feed("record sign --transaction-hash 00", payload.as_bytes());
        assert!(said.status == USAGE && said.err.contains(why) && said.out.is_empty(), "{payload}: {}", said.err);
    }
}

#[test]
fn a_name_in_an_archive_can_not_play_with_the_terminal() {
    let mut bench = Bench::new();
    bench.put("\u{1b}[2J.json", "{\"\\u001b[2J\":1}");
    let (pin, folder) = (bench.path("public.pem"), bench.path("archive"));
    let said = bench.desk.run(&format!("record verify {} --public-key {}", folder.display(), pin.display()));
    assert!(said.status == FINDING && !said.out.contains('\u{1b}'), "{}", said.out);
}

/// `--public-key "$(cat public.pem)"`: the text begins with hyphens.
#[test]
fn a_key_in_pem_may_stand_in_the_argument_itself() {
    let mut bench = Bench::new();
    let pem = fs::read_to_string(bench.path("public.pem")).unwrap();
    let signed = bench.desk.feed("record sign --transaction-hash 00", b"1").out;
    let said = bench.desk.words(["record", "verify", "-", "--public-key", pem.trim_end()], signed.as_bytes());
    assert!(said.status == 0 && said.out.starts_with("VALID (pinned-key) stdin"), "{}{}", said.out, said.err);
}
