//! What `scripts/secure-log` promises: which artifact it starts with what, what it makes, and what it never lets
//! through. `wasmtime` is a script that tells how it was called.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;

use secure_log_cli::{CANNOT_TELL, USAGE};
use serde_json::Value;
use tempfile::TempDir;

/// An installation in a folder, and a folder to work in.
struct Installed(TempDir);

struct Said {
    status: u8,
    /// Arguments of wasmtime.
    words: Vec<String>,
    /// `SECURE_LOG_KEYSTORE_PEM` of wasmtime.
    key: String,
    /// `SECURE_LOG_KEYSTORE_CREATE` of wasmtime.
    create: String,
    out: String,
    err: String,
}

impl Installed {
    fn new() -> Installed {
        let this = Installed(tempfile::tempdir().unwrap());
        ["bin", "tree/scripts", "tree/dist", "work"].iter().for_each(|it| fs::create_dir_all(this.at(it)).unwrap());
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/secure-log");
        fs::copy(script, this.at("tree/scripts/secure-log")).unwrap();
        symlink(this.at("tree/scripts/secure-log"), this.at("bin/secure-log")).unwrap();
        for artifact in ["file", "file-online", "sqlite", "remote"] {
            fs::write(this.at(&format!("tree/dist/secure-log-cli-{artifact}.wasm")), "").unwrap();
        }
        let tells = "printf '%s\\n' \"$@\"; echo ==; printf '%s\n==\n%s' \"${SECURE_LOG_KEYSTORE_PEM-}\" \
                     \"${SECURE_LOG_KEYSTORE_CREATE-}\"";
        this.wasmtime(tells);
        this
    }

    fn at(&self, path: &str) -> std::path::PathBuf {
        self.0.path().join(path)
    }

    fn wasmtime(&self, body: &str) {
        fs::write(self.at("bin/wasmtime"), format!("#!/bin/sh\n{body}\n")).unwrap();
        fs::set_permissions(self.at("bin/wasmtime"), fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn run(&self, arguments: &[&str]) -> Said {
        self.with(&[], arguments)
    }

    fn with(&self, variables: &[(&str, &str)], arguments: &[&str]) -> Said {
        let path = format!("{}:{}", self.at("bin").display(), std::env::var("PATH").unwrap());
        let mut command = Command::new(self.at("bin/secure-log"));
        command.args(arguments).current_dir(self.at("work")).env("PATH", path).env("SECURE_LOG_KEYSTORE_DIR", "keys");
        let output = command.envs(variables.iter().copied()).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let (out, err) = (text(output.stdout), text(output.stderr));
        let (words, rest) = out.split_once("==\n").unwrap_or_default();
        let (key, create) = rest.split_once("\n==\n").unwrap_or_default();
        let words = words.lines().map(str::to_owned).collect();
        let status = u8::try_from(output.status.code().unwrap()).unwrap();
        Said { status, words, key: key.to_owned(), create: create.to_owned(), out: out.clone(), err }
    }
}

impl Said {
    /// What stands on stdout is one object that says this exit status, which is the script's, and this kind; its text.
    fn object(&self, status: u8, kind: &str) -> String {
        assert_eq!(self.status, status, "{}", self.err);
        let value: Value = serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}", self.out));
        assert_eq!((&value["error"], &value["exit"]), (&kind.into(), &status.into()));
        value["text"].as_str().unwrap().to_owned()
    }
}

#[test]
fn a_private_key_reaches_the_keystore_and_is_no_argument_of_anything() {
    let installed = Installed::new();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../log/tests/keys/ed25519.pem");
    let pem = fs::read_to_string(&file).unwrap();
    let (file, secret) = (file.display().to_string(), pem.lines().nth(1).unwrap());
    let joined = [format!("--private-key-file={file}"), format!("--private-key={}", pem.trim_end())];
    let forms = [
        vec!["--private-key-file", &file],
        vec![joined[0].as_str()],
        vec!["--private-key", pem.trim_end()],
        vec![joined[1].as_str()],
    ];
    let leaks = |said: &Said| said.words.iter().any(|word| word.contains(secret) || word.contains("--private-key"));
    for given in &forms {
        for before in [true, false] {
            let rest = ["--json", "record", "sign", "--transaction-hash", "00", "a b.json"];
            let (first, last) = if before { (given.as_slice(), &rest[..]) } else { (&rest[..], given.as_slice()) };
            let said = installed.run(&[first, last].concat());
            assert_eq!((said.status, said.key.as_str()), (0, pem.trim_end()), "{given:?}: {}", said.err);
            assert!(!leaks(&said), "{:?}", said.words);
            let command: Vec<&str> =
                said.words.iter().map(String::as_str).skip_while(|word| *word != "--json").collect();
            assert_eq!(command, rest);
            let granted = |name: &str| said.words.windows(2).any(|pair| pair[0] == "--env" && pair[1] == name);
            assert!(granted("SECURE_LOG_KEYSTORE_PEM") && granted("SECURE_LOG_KEY"));
            assert!(!granted("SECURE_LOG_KEYSTORE_DIR"));
        }
        let said = installed.run(&[&["append", "--producer", "x"], given.as_slice()].concat());
        assert!(said.status == USAGE && said.words.is_empty() && said.err.contains("record sign"), "{}", said.err);
    }
    assert_eq!(installed.run(&["record", "sign", "--private-key"]).status, USAGE);
    for (file, why) in [("/no/such/file", "/no/such/file"), ("/no/\"such\"\n\tfile", "/no/\"such\"??file")] {
        let said = installed.run(&["--json", "record", "sign", "--private-key-file", file]);
        assert!(said.object(USAGE, "usage").contains(why), "{}", said.out);
    }
    let said = installed.run(&["append", "--", "--private-key"]);
    assert_eq!((said.status, said.words.last().unwrap().as_str()), (0, "--private-key"), "a text like any other");
}

#[test]
fn the_command_decides_what_is_granted_wherever_it_stands() {
    let installed = Installed::new();
    fs::create_dir(installed.at("work/logs")).unwrap();
    fs::write(installed.at("work/logs/app.jsonl"), "").unwrap();
    let store = [("SECURE_LOG_STORE", "logs/app.jsonl")];
    let said =
        installed.with(&store, &["--json", "--stream", "append", "-k", "read", "witness", "submit", "--url", "x"]);
    assert!(said.words.iter().any(|word| word.ends_with("cli-file-online.wasm")), "{:?} {}", said.words, said.err);
    assert!(said.words.windows(2).any(|pair| pair == ["-S", "http"]), "{:?}", said.words);
    let said = installed.with(&store, &["--stream", "witness", "tail", "-f"]);
    assert!(said.words.iter().any(|word| word.ends_with("cli-file.wasm")), "{:?} {}", said.words, said.err);
    assert!(!said.words.contains(&"-S".to_owned()), "{:?}", said.words);
    for line in [&["--store", "x", "tail"][..], &["tail", "--store=x"]] {
        let said = installed.with(&store, line);
        assert!(said.status == USAGE && said.err.contains("SECURE_LOG_STORE"), "{line:?}: {}", said.err);
    }
}

#[test]
fn only_append_and_keygen_make_what_is_not_there() {
    let installed = Installed::new();
    let entries = || fs::read_dir(installed.at("work")).unwrap().count();
    for line in
        ["verify", "read 0", "tail", "streams", "seal", "sign", "export", "rotate-key", "witness submit", "vkey"]
    {
        let said = installed.run(&[&["--stream", "app"][..], &line.split(' ').collect::<Vec<_>>()].concat());
        assert_eq!((said.status, entries()), (USAGE, 0), "{line}: {}", said.err);
        assert!(said.err.contains("there is no log at secure-log-data/audit.jsonl"), "{line}: {}", said.err);
    }
    installed.run(&["--json", "verify"]).object(USAGE, "usage");
    for line in [&["append", "--help"][..], &["record", "verify", "x.json"], &["consistency", "check", "x"]] {
        assert_eq!((installed.run(line).status, entries()), (0, 0), "{line:?}");
    }
    assert_eq!((installed.run(&["append", "x"]).status, entries()), (0, 2));

    let create = |line: &[&str]| installed.with(&[("SECURE_LOG_KEYSTORE_CREATE", "1")], line).create;
    fs::write(installed.at("work/secure-log-data/audit.jsonl"), "").unwrap();
    for line in [&["append", "x"][..], &["append"], &["keygen"], &["rotate-key", "--to", "x"], &["record", "sign"]] {
        assert_eq!(create(line), "1", "{line:?}");
    }
    for line in [&["vkey"][..], &["sign"], &["record", "public-key"], &["record", "verify", "x"]] {
        assert_eq!(create(line), "", "{line:?}");
    }
}

#[test]
fn a_folder_that_can_not_be_made_is_no_finding() {
    let installed = Installed::new();
    fs::write(installed.at("work/keys"), "").unwrap();
    let said = installed.run(&["--json", "append", "x"]);
    assert!(said.object(CANNOT_TELL, "cannot-tell").contains("can not make the folder keys"), "{}", said.out);
    let variables = [("SECURE_LOG_KEYSTORE_DIR", "other"), ("SECURE_LOG_STORE", "keys/audit.jsonl")];
    let said = installed.with(&variables, &["--json", "append", "x"]);
    assert!(said.object(CANNOT_TELL, "cannot-tell").contains("can not make the folder keys"), "{}", said.out);
}

/// 1 is the status of a finding, and wasmtime's own.
#[test]
fn what_can_not_start_is_no_finding() {
    let installed = Installed::new();
    let line = ["record", "verify", "x.json"];
    installed.wasmtime("echo 'Error: failed to parse WebAssembly module' >&2; exit 1");
    let said = installed.run(&line);
    assert!(said.status == CANNOT_TELL && said.err.contains("failed to parse WebAssembly module"), "{}", said.err);
    assert_eq!(said.err.lines().count(), 1, "{}", said.err);
    for (says, why) in [("error: no such option", "no such option"), ("Illegal instruction", "Illegal instruction")] {
        installed.wasmtime(&format!("echo '{says}' >&2; exit 1"));
        let said = installed.run(&["--json", "record", "verify", "x.json"]);
        let text = said.object(CANNOT_TELL, "cannot-tell");
        assert!(text.ends_with(&format!("cli-file.wasm: {why}")), "{text}");
    }
    installed.wasmtime("[ \"${*##* }\" = --version ] || exit 1");
    assert_eq!(installed.run(&line).status, 1, "a finding stays one");
    fs::remove_file(installed.at("tree/dist/secure-log-cli-file.wasm")).unwrap();
    let said = installed.run(&line);
    assert!(said.status == CANNOT_TELL && said.err.contains("cli-file.wasm"), "{}", said.err);
}

#[test]
fn a_path_that_the_command_would_not_see_is_told_before_it_starts() {
    let installed = Installed::new();
    let beside = installed.at("work/x").display().to_string();
    for (line, why) in [
        (&["append", "--file", "/var/log/x"][..], "/var/log/x is not below the current folder"),
        (&["append", "-f", &beside], "from here, x"),
        (&["keygen", "--policy=/x"], "/x is not below"),
        (&["record", "verify", "../x.json"], "../x.json leads out of"),
        (&["check-proof", "/x.tlog-proof"], "/x.tlog-proof is not below"),
    ] {
        let said = installed.run(line);
        assert!(said.status == USAGE && said.words.is_empty() && said.err.contains(why), "{line:?}: {}", said.err);
    }
    for variable in ["SECURE_LOG_STORE", "SECURE_LOG_KEYSTORE_DIR", "SECURE_LOG_HEAD_FILE"] {
        for line in [&["append", "x"][..], &["--json", "verify"]] {
            let said = installed.with(&[(variable, "../elsewhere/x.jsonl")], line);
            assert!(
                said.status == USAGE && said.err.contains("../elsewhere/x.jsonl leads out of"),
                "{line:?}: {}",
                said.err
            );
        }
        assert_eq!(
            installed.with(&[(variable, "../elsewhere/x.jsonl")], &["append", "--help"]).status,
            0,
            "{variable}"
        );
    }
    assert!(!installed.at("elsewhere").exists());
    let policy = [("SECURE_LOG_POLICY", "/x/policy")];
    let said = installed.with(&policy, &["check-proof", "x.tlog-proof"]);
    assert!(said.status == USAGE && said.err.contains("/x/policy is not below"), "{}", said.err);
    for line in [&["append", "x"][..], &["verify", "--help"], &["record", "verify", "x.json"]] {
        assert_eq!(installed.with(&policy, line).status, 0, "{line:?} reads no policy");
    }
    assert_eq!(installed.run(&["append", "/var/log/x"]).status, 0, "a text may look like a path");
    let logs = installed.at("logs").display().to_string();
    let store = format!("{logs}/a.jsonl");
    let said = installed.with(&[("SECURE_LOG_STORE", &store)], &["append", "--file", &format!("{logs}/in")]);
    assert_eq!(said.status, 0, "the log's own folder is granted: {}", said.err);
}
