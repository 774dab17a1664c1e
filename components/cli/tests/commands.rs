//! What somebody at a terminal is promised: commands, their output, their exit status.

use crate::{support, world};
use std::ffi::OsString;
use std::fs;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::desk::{Desk, parsed};
use crate::world::stream;
use secure_log::author;
use secure_log::note::VerifierKey;
use secure_log::store::{RowKind, StoreError};
use secure_log::types::{NewEvent, StreamId};
use secure_log_cli::{CANNOT_TELL, Console, FINDING, USAGE, run};
use serde_json::Value;

#[test]
fn from_an_empty_folder_to_a_proof_that_a_stranger_checks() {
    let folder = tempfile::tempdir().unwrap();
    let (mut desk, policy) = Desk::signed(folder.path(), 3);
    let report = desk.good(&format!("verify --policy {policy}"));
    assert!(
        report.starts_with("WHOLE: log.example.org/payments\n") && report.contains("signed     0 to 4"),
        "{report}"
    );

    let prefix = folder.path().join("line.2").display().to_string();
    desk.good(&format!("prove 2 --out {prefix} --payload --policy {policy}"));
    let mut elsewhere = Desk::new();
    let said = elsewhere.good(&format!("check-proof {prefix}.tlog-proof --policy {policy}"));
    assert!(said.starts_with("PROVEN: 2 ") && said.contains("tree of 5 entries"), "{said}");
    assert!(!said.contains("two"), "the payload was not given");
    let said =
        elsewhere.good(&format!("--json check-proof {prefix}.tlog-proof --payload {prefix}.payload --policy {policy}"));
    let value = parsed(&said);
    assert_eq!((&value["proven"], &value["entry"]["payload"]), (&Value::Bool(true), &Value::from("two")));
    assert_eq!(value["entry"]["erased"], Value::Null);

    let mut other = fs::read(format!("{prefix}.payload")).unwrap();
    *other.last_mut().unwrap() ^= 1;
    fs::write(format!("{prefix}.payload"), other).unwrap();
    let said = elsewhere.run(&format!("check-proof {prefix}.tlog-proof --payload {prefix}.payload --policy {policy}"));
    assert!(said.status == FINDING && said.err.contains(".payload: not the payload"), "{}", said.err);

    let mut entry = fs::read(format!("{prefix}.entry")).unwrap();
    entry[60] ^= 1;
    fs::write(format!("{prefix}.entry"), entry).unwrap();
    let said = elsewhere.run(&format!("check-proof {prefix}.tlog-proof --policy {policy}"));
    assert!(said.status == FINDING && said.out.is_empty(), "{}", said.err);
}

#[test]
fn one_checkpoint_continues_another_and_a_file_shows_it() {
    let folder = tempfile::tempdir().unwrap();
    let (mut desk, policy) = Desk::signed(folder.path(), 3);
    desk.grow("four");
    let file = folder.path().join("proof").display().to_string();
    desk.good(&format!("consistency build --old 5 --out {file} --policy {policy}"));
    let said = Desk::new().good(&format!("consistency check {file} --policy {policy}"));
    assert!(said.starts_with("CONSISTENT: 7 entries continue 5\n"), "{said}");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("\n7\n", "\n8\n")).unwrap();
    assert_eq!(Desk::new().run(&format!("consistency check {file} --policy {policy}")).status, FINDING);
    let said = desk.run(&format!("consistency build --old 6 --out {file}"));
    assert!(said.status == USAGE && said.err.contains("signed checkpoint of size 6"), "{}", said.err);
}

#[test]
fn the_exit_status_says_who_is_to_blame() {
    let folder = tempfile::tempdir().unwrap();
    let (mut desk, policy) = Desk::signed(folder.path(), 3);
    assert_eq!(desk.run("--help").status, 0);
    assert!(desk.run("--help").out.contains("check-proof"));
    for (line, why) in [
        ("nonsense", "unrecognized"),
        ("read", "<FIRST>"),
        ("read 99", "entry 99 of payments"),
        ("read 3 1", "before the first"),
        ("verify", "--policy"),
        ("verify --policy /no/such/file", "/no/such/file"),
        ("sign --key stranger --segment 0", "key stranger"),
        ("check-proof /no/such.tlog-proof --policy /no/such/file", "/no/such/file"),
        ("prove 5", "entry 5 of payments"),
        ("append --file /no/such/file", "/no/such/file"),
        ("append one --file x", "cannot be used with"),
        ("append --follow --file -", "--follow needs the name of a file"),
    ] {
        let said = desk.run(line);
        assert!(said.status == USAGE && said.err.contains(why), "{line}: {} {}", said.status, said.err);
    }
    let without = Desk::new().run("tail");
    assert!(without.status == USAGE && without.err.contains("no such stream"), "{}", without.err);

    *desk.store.fail_append.borrow_mut() = Some((StoreError::Corrupt("a line".into()), false));
    assert_eq!(desk.run("append four").status, FINDING);
    *desk.store.fail_append.borrow_mut() = Some((StoreError::NoSpace, false));
    let said = desk.run("append four");
    assert_eq!((said.status, said.out.as_str()), (CANNOT_TELL, ""), "{}", said.err);

    desk.store.rows(RowKind::Entry, |rows| rows[2].payload.as_mut().unwrap()[17] ^= 1);
    let said = Desk::over(&desk.store).run(&format!("--json verify --policy {policy}"));
    let lines: Vec<Value> = said.out.lines().map(parsed).collect();
    assert_eq!(said.status, FINDING);
    assert_eq!(
        (&lines[0]["whole"], &lines[0]["finding"]["kind"]),
        (&Value::Bool(false), &Value::from("payload-altered"))
    );
    assert_eq!((&lines[1]["error"], &lines[1]["exit"]), (&Value::from("finding"), &Value::from(FINDING)));
}

/// A store can give an auditor any log that nobody signed: whole is only what somebody vouches for.
#[test]
fn what_nobody_vouches_for_is_not_whole() {
    let folder = tempfile::tempdir().unwrap();
    let mut desk = Desk::new();
    let policy = folder.path().join("policy").display().to_string();
    fs::write(&policy, desk.good("keygen --as-policy")).unwrap();
    desk.good("append one");
    for what in [format!("verify --policy {policy}"), "verify --trust-keystore".to_owned()] {
        let said = desk.run(&what);
        assert!(
            said.status == CANNOT_TELL && said.out.starts_with("NOT SIGNED: log.example.org/payments\n"),
            "{}",
            said.out
        );
        assert!(said.err.contains("nobody vouches for its 2 entries"), "{}", said.err);
    }
    let report = parsed(desk.run(&format!("--json verify --policy {policy}")).out.lines().next().unwrap());
    let verdict = [&report["whole"], &report["verdict"], &report["vouched"], &report["behind"]];
    assert_eq!(verdict, [&Value::from(false), &Value::from("not-signed"), &Value::from(0), &Value::from(2)]);

    desk.settle();
    desk.good("append two");
    let said = desk.good(&format!("verify --policy {policy}"));
    let line = "WHOLE: log.example.org/payments through entry 2; nobody vouches yet for the 1 behind it\n";
    assert!(said.starts_with(line), "{said}");
    let report = parsed(&desk.good(&format!("--json verify --policy {policy}")));
    let verdict = [&report["whole"], &report["verdict"], &report["vouched"], &report["behind"]];
    assert_eq!(verdict, [&Value::from(true), &Value::from("whole"), &Value::from(3), &Value::from(1)]);

    let witness = VerifierKey::for_witness(support::WITNESS, support::FixedKey::witness().public()).unwrap();
    let log = fs::read_to_string(&policy).unwrap();
    fs::write(&policy, log.replace("quorum none", &format!("witness w1 {witness}\nquorum w1"))).unwrap();
    let said = desk.run(&format!("verify --policy {policy}"));
    assert!(
        said.status == CANNOT_TELL && said.out.starts_with("NOT WITNESSED: log.example.org/payments\n"),
        "{}",
        said.out
    );
    assert!(said.err.contains("quorum of witnesses is met by no checkpoint"), "{}", said.err);
    let report = parsed(desk.run(&format!("--json verify --policy {policy}")).out.lines().next().unwrap());
    assert_eq!((&report["whole"], &report["verdict"]), (&Value::from(false), &Value::from("not-witnessed")));
}

#[test]
fn a_log_that_the_policy_does_not_name_is_not_judged() {
    let folder = tempfile::tempdir().unwrap();
    let (mut desk, policy) = Desk::signed(folder.path(), 3);
    let prefix = folder.path().join("proof").display().to_string();
    desk.good(&format!("prove 1 --out {prefix}"));
    let other = support::FixedKey::witness().vkey("log.example.org/refunds");
    fs::write(&policy, format!("log {other}\nquorum none\n")).unwrap();
    for line in [format!("verify --policy {policy}"), format!("check-proof {prefix}.tlog-proof --policy {policy}")] {
        let said = desk.run(&line);
        assert!(said.status == CANNOT_TELL && said.err.contains("no log line"), "{line}: {}", said.err);
    }
}

#[test]
fn trusting_the_keystore_is_a_choice_that_the_report_repeats() {
    let folder = tempfile::tempdir().unwrap();
    let (mut desk, _) = Desk::signed(folder.path(), 3);
    let said = parsed(&desk.good("--json verify --trust-keystore"));
    assert!(said["trust"].as_str().unwrap().contains("keystore"), "{said}");
}

#[test]
fn lines_are_logged_as_they_are_and_in_order() {
    let mut desk = Desk::new();
    let said = desk.feed("append", b"first\n\n\xff\x00 binary\r\nno newline at the end");
    assert_eq!((said.status, said.err.as_str()), (0, ""));
    let lines: Vec<Value> = desk.good("--json read 1 4").lines().map(parsed).collect();
    assert_eq!(lines[0]["payload"], "first");
    assert_eq!(lines[1]["payload"], "");
    assert_eq!(lines[2]["payload-base64"], "/wAgYmluYXJ5DQ==");
    assert_eq!(lines[3]["payload"], "no newline at the end");
    assert_eq!(desk.good("read 4 --raw"), "no newline at the end");
    let tail = desk.good("tail -n 2");
    assert_eq!(tail.lines().map(|line| line.split(' ').next().unwrap()).collect::<Vec<_>>(), ["3", "4"]);
    assert!(tail.contains("(10 bytes of text/plain)"), "{tail}");
    assert_eq!(desk.feed("append", b"").out, "no new line in stdin\n");
}

#[test]
fn long_input_goes_in_bounded_batches_each_told_when_it_is_durable() {
    let mut desk = Desk::new();
    let input: String = (1..=2500).map(|number| format!("line {number}\n")).collect();
    let said = desk.feed("--json append", input.as_bytes());
    let through: Vec<u64> = said.out.lines().map(|line| parsed(line)["durable-through"].as_u64().unwrap()).collect();
    assert_eq!(through, [1000, 2000, 2500]);
}

#[test]
fn a_failure_in_the_middle_says_where_to_go_on() {
    let mut desk = Desk::new();
    let input: String = (1..=1500).map(|number| format!("line {number}\n")).collect();
    let giant = [input.as_bytes(), &vec![b'x'; 1024 * 1024 + 1], b"\nafter\n"].concat();
    let said = desk.feed("append", &giant);
    assert_eq!(said.status, CANNOT_TELL, "usage would mean that nothing was changed");
    assert!(
        said.err.contains("stdin is durable through line 1500 (entry 1500), go on with --from-line 1501"),
        "{}",
        said.err
    );
    let said = desk.feed("append --from-line 1502", &[input.as_bytes(), b"shortened\nafter\n"].concat());
    assert_eq!((said.status, said.out.as_str()), (0, "entry 1501 of payments is durable\n"), "{}", said.err);
    assert_eq!(desk.good("read 1501 --raw"), "after");
    let said = desk.feed("append --from-line 1502", &giant);
    let expected = (0, "entry 1502 of payments is durable\n");
    assert_eq!((said.status, said.out.as_str()), expected, "as it is, the giant is passed over: {}", said.err);
    assert_eq!(desk.good("read 1502 --raw"), "after");
    // Read in parts, none of which is the whole line; the second time it is the last and has no newline.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.log").display().to_string();
    let huge = [input.as_bytes(), &vec![b'x'; 3 * 1024 * 1024], b"\nafter\n"].concat();
    fs::write(&path, &huge).unwrap();
    let said = desk.run(&format!("append --from-line 1502 --file {path}"));
    assert_eq!((said.status, said.out.as_str()), (0, "entry 1503 of payments is durable\n"), "{}", said.err);
    fs::write(&path, &huge[..huge.len() - "\nafter\n".len()]).unwrap();
    let said = desk.run(&format!("append --from-line 1502 --file {path}"));
    assert_eq!((said.status, said.out), (0, format!("no new line in {path}\n")), "{}", said.err);
    for input in [&giant[..giant.len() - "\nafter\n".len()], &giant] {
        let lines = input.split_inclusive(|byte| *byte == b'\n').count();
        let said = desk.feed(&format!("append --from-line {}", lines + 1), input);
        assert_eq!((said.status, said.out.as_str()), (0, "no new line in stdin\n"), "{lines}: {}", said.err);
        let said = desk.feed(&format!("append --from-line {}", lines + 2), input);
        let why = format!("stdin has {lines} lines: --from-line {} is beyond its end", lines + 2);
        assert!(said.status == USAGE && said.err.contains(&why), "{}", said.err);
    }

    *desk.store.fail_append.borrow_mut() = Some((StoreError::Conflict, false));
    assert_eq!(desk.feed("append", b"a race that is lost is run again\n").status, 0);
    *desk.store.fail_append.borrow_mut() = Some((StoreError::Io("gone".into()), false));
    let said = desk.feed("append", b"one\ntwo\n");
    assert!(said.status == CANNOT_TELL && said.err.contains("from line 1 on nothing is known"), "{}", said.err);
}

#[test]
fn a_followed_file_is_read_as_it_grows_and_left_when_it_is_cut() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.log");
    fs::write(&path, "one\n").unwrap();
    let writer = std::thread::spawn({
        let path = path.clone();
        move || {
            let wait = || std::thread::sleep(std::time::Duration::from_secs(2));
            wait();
            fs::write(&path, "one\ntwo\nthr").unwrap();
            wait();
            fs::write(&path, "").unwrap();
        }
    });
    let mut desk = Desk::new();
    let said = desk.run(&format!("append --follow --file {}", path.display()));
    writer.join().unwrap();
    assert_eq!(said.out, "entry 1 of payments is durable\nentry 2 of payments is durable\n");
    let why = "it became shorter, so it was cut; the old file is durable through line 2: finish it where it is now \
               with --from-line 3, then start at line 1 of the new one";
    assert!(said.status == CANNOT_TELL && said.err.contains(why), "{}", said.err);
}

/// A pipe whose reader is gone.
struct Gone;

impl std::io::Write for Gone {
    fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
        Err(std::io::ErrorKind::BrokenPipe.into())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_reader_that_leaves_ends_a_listing_well_and_an_append_loudly() {
    let mut desk = Desk::new();
    desk.good("append one");
    let mut status = |line: &str, mut input: &[u8]| {
        let words = format!("secure-log --store x --stream {} {line}", stream());
        let (mut out, mut err) = (Gone, Vec::new());
        let mut console = Console::new(&mut input, &mut out, &mut err, false);
        let status = run(words.split(' ').map(OsString::from), &mut desk, &mut console);
        (status, String::from_utf8(err).unwrap())
    };
    assert_eq!(status("read 0 1", b""), (0, String::new()));
    let (code, err) = status("append", b"a\nb\n");
    assert!(code == CANNOT_TELL && err.contains("durable through line 2 (entry 3)"), "{err}");
    let (code, err) = status("append c", b"");
    assert!(code == CANNOT_TELL && err.contains("entry 4 of payments is durable, but stdout was closed"), "{err}");
}

#[test]
fn segments_are_signed_in_order_and_nothing_to_do_is_no_failure() {
    let mut desk = Desk::new();
    for number in 0..5 {
        desk.good(&format!("append event-{number}"));
        desk.good("seal");
    }
    assert!(desk.good("seal").contains("nothing was appended"));
    assert!(desk.run("sign --segment 3").status == USAGE, "segment 3 is signed after segment 2");
    assert_eq!(desk.good("sign").lines().count(), 5);
    assert!(desk.good("sign").contains("every sealed segment"));
    desk.good("append more");
    desk.good("seal");
    let said = desk.good("--json sign");
    assert_eq!(parsed(&said)["segment"], 5, "{said}");
    let note = desk.good("checkpoint");
    assert!(note.starts_with("log.example.org/payments\n13\n"), "{note}");
    assert_eq!(parsed(&desk.good("--json checkpoint --size 3"))["size"], 3);
}

#[test]
fn streams_are_listed_and_a_key_belongs_to_one() {
    let mut desk = Desk::new();
    desk.good("append one");
    desk.log.append(&StreamId::try_from("other").unwrap(), world::event("x")).unwrap();
    let names: Vec<Value> = desk.good("--json streams").lines().map(|line| parsed(line)["stream"].clone()).collect();
    assert_eq!(names, ["other", stream().as_str()]);
    let vkey = desk.good("vkey");
    assert_eq!(vkey.trim(), desk.key.vkey(support::ORIGIN).to_string());
}

#[test]
fn events_signed_as_their_producer_satisfy_who_demands_it_and_others_do_not() {
    let folder = tempfile::tempdir().unwrap();
    let mut desk = Desk::new();
    let policy = folder.path().join("policy").display().to_string();
    fs::write(&policy, desk.good("keygen --as-policy")).unwrap();
    desk.good("append --sign-as audit one two");
    let many: String = (0..50).map(|line| format!("line {line}\n")).collect();
    assert_eq!(desk.feed("append --sign-as audit", many.as_bytes()).status, 0);
    desk.settle();
    let vkey = desk.good("vkey").trim_end().to_owned();
    let demanding = format!("verify --policy {policy} --require-author --author {vkey}");
    let report = desk.good(&demanding);
    assert!(report.starts_with("WHOLE"), "{report}");
    let said = desk.run("append --sign-as nobody three");
    assert_eq!(said.status, USAGE, "{}", said.err);
    assert!(said.err.contains("nobody"), "{}", said.err);
    desk.good("append three");
    let said = desk.run(&demanding);
    assert_eq!(said.status, FINDING, "{}", said.out);
    assert!(said.out.contains("NOT WHOLE") && said.err.contains("author-wrong"), "{}{}", said.out, said.err);
}

#[test]
fn a_misuse_leaves_nothing_behind_not_even_the_stream() {
    let mut desk = Desk::new();
    for line in ["keygen --key stranger", "append --sign-as nobody x", "append --sign-as audit --file /no/such/file"] {
        let said = desk.run(line);
        assert_eq!(said.status, USAGE, "{line}: {}", said.err);
    }
    for flag in ["--producer", "--type", "--encoding"] {
        for key in [&["--sign-as", "audit"][..], &[]] {
            let said = desk.words([&["append"][..], key, &[flag, "", "x"]].concat(), b"");
            assert_eq!(said.status, USAGE, "{flag}: {}", said.err);
        }
    }
    let said = desk.run("tail");
    assert!(said.status == USAGE && said.err.contains("no such stream"), "{}{}", said.out, said.err);
}

/// Two processes sign with one producer's key; the one that signed later is stored first.
#[test]
fn an_event_that_another_with_the_same_key_overtook_is_signed_again() {
    let mut desk = Desk::new();
    desk.good("append --sign-as audit one");
    let ahead = Duration::from_millis(300);
    let number = SystemTime::now().duration_since(UNIX_EPOCH).unwrap() + ahead;
    let elsewhere = desk.store.deep_clone();
    let theirs = NewEvent { salt: Some([7; 16]), ..world::event("theirs") };
    let number = u64::try_from(number.as_micros()).unwrap();
    let theirs = author::sign(theirs, support::ORIGIN, number, &desk.key).unwrap();
    world::log(&elsewhere).append(&stream(), theirs).unwrap();
    let stored = elsewhere.rows(RowKind::Entry, |rows| rows.last().cloned().unwrap());
    desk.store.race.borrow_mut().push(vec![stored]);
    // What was stored is read again before the second try, which takes until the other's number is past.
    *desk.store.before_scan.borrow_mut() = Some(Box::new(move || std::thread::sleep(ahead)));
    assert_eq!(desk.good("append --sign-as audit ours"), "entry 3 of payments is durable\n");
    assert!(desk.store.race.borrow().is_empty() && desk.store.before_scan.borrow().is_none());
    assert_eq!([desk.good("read 2 --raw"), desk.good("read 3 --raw")], ["theirs", "ours"]);
}

/// Who judges must not be able to change what is judged, nor make an empty log where none is.
#[test]
fn to_look_at_a_log_is_to_open_it_read_only_and_a_log_that_is_not_there_is_not_made() {
    let folder = tempfile::tempdir().unwrap();
    let (mut desk, policy) = Desk::signed(folder.path(), 3);
    let out = folder.path().join("out").display().to_string();
    let reading = [
        "read 0".to_owned(),
        "tail".to_owned(),
        "streams".to_owned(),
        "checkpoint".to_owned(),
        "vkey".to_owned(),
        format!("verify --policy {policy}"),
        format!("prove 1 --out {out}"),
        format!("consistency build --old 5 --out {out}"),
        format!("export --tiles {out}-tiles"),
    ];
    let writing = ["append x", "seal", "sign", "keygen", "rotate-key --to next"].map(str::to_owned);
    for (place, read_only) in [
        ("logs/app.jsonl", "logs/app.jsonl?readonly"),
        ("logs/app.jsonl?shared", "logs/app.jsonl?readonly"),
        ("logs/app.db?owner", "logs/app.db?readonly"),
        ("remote", "remote?readonly"),
        (":memory:", ":memory:"),
    ] {
        desk.place = place;
        for line in &reading {
            desk.good(line);
            assert_eq!(desk.opened, read_only, "{line}");
        }
        for line in &writing {
            desk.run(line);
            assert_eq!(desk.opened, place, "{line}");
        }
    }
    (desk.place, desk.nothing_there) = ("logs/app.jsonl", true);
    for line in &reading {
        let said = desk.run(line);
        assert!(
            said.status == USAGE && said.err == "secure-log: there is no log at logs/app.jsonl\n",
            "{line}: {}",
            said.err
        );
    }
}

#[test]
fn a_demand_for_signed_events_names_whose() {
    let folder = tempfile::tempdir().unwrap();
    let (mut desk, policy) = Desk::signed(folder.path(), 3);
    let said = desk.run(&format!("verify --policy {policy} --require-author"));
    assert!(said.status == USAGE && said.err.contains("--author"), "{}", said.err);
    let said = desk.run(&format!("verify --policy {policy} --trust-keystore"));
    assert!(said.status == USAGE && said.err.contains("without a policy"), "{}", said.err);
}

#[test]
fn who_asked_for_json_gets_one_object_of_one_shape_for_misuse_and_for_nothing_to_do() {
    let mut desk = Desk::new();
    desk.good("append one");
    for line in ["--json nonsense", "read --json", "verify --json --require-author"] {
        let said = desk.run(line);
        let value = parsed(&said.out);
        assert_eq!((said.status, &value["error"], &value["exit"]), (USAGE, &Value::from("usage"), &Value::from(USAGE)));
        assert!(!said.err.is_empty() && !value["text"].as_str().unwrap().starts_with("error: "), "{value}");
    }
    assert_eq!(desk.run("append -- --json nonsense --json").status, 0);
    let names = |line: String| -> Vec<String> { parsed(&line).as_object().unwrap().keys().cloned().collect() };
    for line in ["--json seal", "--json sign"] {
        let (done, nothing) = (desk.good(line), desk.good(line));
        assert_eq!(parsed(&nothing)["segment"], Value::Null);
        assert_eq!(names(done), names(nothing), "{line}");
    }
    let value = parsed(&desk.good("--json vkey --as-policy"));
    assert_eq!(value["policy"], format!("log {}\nquorum none\n", value["vkey"].as_str().unwrap()));
}

#[test]
fn a_usage_line_asks_for_nothing_that_a_variable_gives() {
    let said = Desk::new().run("read");
    assert!(said.status == USAGE && said.err.contains("Usage: secure-log read <FIRST> [LAST]\n"), "{}", said.err);
}

/// A store can give a checkpoint of nothing: nobody has signed one.
#[test]
fn a_checkpoint_of_no_entry_proves_none() {
    let folder = tempfile::tempdir().unwrap();
    let (mut desk, _) = Desk::signed(folder.path(), 3);
    let note = desk.good("checkpoint").replacen("\n5\n", "\n0\n", 1);
    desk.store.rows(RowKind::Checkpoint, |rows| rows[0].body = note.into_bytes());
    let said = desk.run("prove 0");
    assert!(said.status == USAGE && said.err.contains("has 0 entries: seal and sign first"), "{}", said.err);
}

/// Of what has no length, too, no more is read than there may be.
#[cfg(unix)]
#[test]
fn a_file_without_end_is_too_long() {
    let folder = tempfile::tempdir().unwrap();
    let (mut desk, policy) = Desk::signed(folder.path(), 1);
    let said = desk.run(&format!("consistency check /dev/zero --policy {policy}"));
    assert!(said.status == USAGE && said.err.contains("/dev/zero: ") && said.err.contains("at most"), "{}", said.err);
}

#[test]
fn what_is_not_there_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let mut desk = Desk::new();
    for line in ["tail", "seal", "sign", "read 0", "prove 0"] {
        let said = desk.run(line);
        assert!(said.status == USAGE && said.err.contains("payments: no such stream"), "{line}: {}", said.err);
    }
    desk.good("append one");
    let out = folder.path().join("out").display().to_string();
    for line in ["checkpoint".to_owned(), "prove 0".to_owned(), format!("export --tiles {out}")] {
        let said = desk.run(&line);
        assert!(said.status == USAGE && said.err.contains("nothing of payments is signed yet"), "{line}: {}", said.err);
    }
    let (mut desk, _) = Desk::signed(folder.path(), 3);
    desk.grow("more");
    let said = desk.run(&format!("consistency build --old 7 --new 5 --out {out}"));
    assert!(said.status == USAGE && said.err.contains("--old 7 is larger than the newer, 5"), "{}", said.err);
    let said = desk.run(&format!("append --file {}", folder.path().display()));
    assert!(said.status == USAGE && said.err.contains("a folder, not a file"), "{}", said.err);
    let said = desk.run(&format!("verify --policy {}", folder.path().display()));
    assert!(said.status == USAGE && said.err.contains("a folder, not a file"), "{}", said.err);
}

/// Rotated away or renamed: the name stays and means another file, whose lines have other numbers.
#[test]
fn a_followed_file_whose_name_goes_to_another_is_left_with_the_lines_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.log");
    fs::write(&path, "one\ntwo\n").unwrap();
    let writer = std::thread::spawn({
        let path = path.clone();
        move || {
            std::thread::sleep(std::time::Duration::from_secs(2));
            fs::write(path.with_extension("new"), "a longer line that follows\nand another of the new file\n").unwrap();
            fs::rename(&path, path.with_extension("1")).unwrap();
            fs::rename(path.with_extension("new"), &path).unwrap();
        }
    });
    let mut desk = Desk::new();
    let said = desk.run(&format!("append --follow --file {}", path.display()));
    writer.join().unwrap();
    assert_eq!(said.out, "entries 1 to 2 of payments are durable\n");
    let why = "the old file is durable through line 2: finish it where it is now with --from-line 3, then start at \
               line 1 of the new one";
    assert!(said.status == CANNOT_TELL && said.err.contains(why), "{}", said.err);
    assert!(said.err.contains("another file has this name now") || said.err.contains("no file has this name"));
    assert!(!desk.good("tail").contains("longer line"));
}
