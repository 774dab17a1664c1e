//! Verifiers that are not ours, as programs that read one case a line and answer each with a line.
//! `scripts/oracles.sh` installs them.

#![allow(dead_code)]

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

pub const INSTALL: &str = "the public verifiers are not installed: run ./scripts/oracles.sh";

/// Where `scripts/oracles.sh` puts them.
pub fn oracles() -> PathBuf {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set("SECURE_LOG_ORACLES").unwrap_or_else(|| {
        let cache = set("XDG_CACHE_HOME").or_else(|| set("HOME").map(|home| home.join(".cache")));
        cache.expect("neither XDG_CACHE_HOME nor HOME is set").join("secure-log/oracles")
    })
}

/// Evidence and our own verdict on it.
pub struct Case {
    pub what: String,
    pub evidence: Value,
    pub ours: bool,
    /// A verifier that is known to take what we refuse.
    pub laxer: Option<&'static str>,
}

/// Asks a verifier that reads one case per line and answers each with a line.
pub fn agree(verifier: &str, mut command: Command, cases: &[Case]) {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect(INSTALL);
    let mut input = child.stdin.take().unwrap();
    let lines: String = cases.iter().map(|case| format!("{}\n", case.evidence)).collect();
    let writer = std::thread::spawn(move || input.write_all(lines.as_bytes()));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.status.success(), "{verifier} failed: {}", output.status);
    let answers = String::from_utf8(output.stdout).unwrap();
    assert_eq!(answers.lines().count(), cases.len(), "{verifier} answers every case");
    for (case, answer) in cases.iter().zip(answers.lines()) {
        let expected = case.ours || case.laxer == Some(verifier);
        assert_eq!(answer == "accepted", expected, "{verifier}, {}: {answer}", case.what);
    }
}

pub fn go() -> Command {
    let program = oracles().join("tlog-go");
    assert!(program.exists(), "{INSTALL}");
    Command::new(program)
}

/// `None` where the installer found no Python that is new enough.
pub fn aics() -> Option<Command> {
    let folder = oracles().join("aics");
    assert!(oracles().join("tlog-go").exists(), "{INSTALL}");
    folder.join("installed").exists().then(|| {
        let mut command = Command::new(folder.join("bin/python"));
        command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("../log/tests/oracle/verify.py"));
        command
    })
}

/// The canonical form of JSON by other hands.
pub fn rfc8785() -> Command {
    let venv = oracles().join("rfc8785");
    assert!(venv.join("installed").exists(), "{INSTALL}");
    let mut command = Command::new(venv.join("bin/python"));
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("../log/tests/oracle/canonical.py"));
    command
}

pub fn judged_by_both(cases: &[Case]) {
    assert!(cases.iter().any(|case| case.ours) && cases.iter().any(|case| !case.ours));
    agree("x/mod/sumdb", go(), cases);
    if let Some(command) = aics() {
        agree("aics-tlog", command, cases);
    }
}
