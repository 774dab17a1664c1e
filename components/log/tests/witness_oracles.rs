//! Our log before a witness that is not ours: the PyPI package aics-witness on a loopback port, asked through our
//! client half. `scripts/oracles.sh` installs it; where there is no Python for it the test says so and ends.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::oracle::{INSTALL, oracles};
use crate::support::{FixedKey, ORIGIN};
use crate::world;
use crate::world::{Shared, TestLog, fill, log, stream};
use secure_log::error::LogError;
use secure_log::note::{SignatureLine, VerifierKey};
use secure_log::policy::Policy;
use secure_log::signer::Algorithm;
use secure_log::verify::{Signers, Trust};
use secure_log::witness::{Response, Submission, SubmitError, Unanswered, submit};

/// A running witness; gone when dropped.
struct Aics {
    child: Child,
    url: String,
    vkey: VerifierKey,
    folder: tempfile::TempDir,
}

fn aics(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(oracles().join("aics/bin/aics-witness"));
    command.args(arguments).arg("--config").arg(folder.join("witness.json"));
    command
}

fn run(mut command: Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

impl Aics {
    /// `None` where the installer found no Python that is new enough.
    fn start() -> Option<Aics> {
        assert!(oracles().join("tlog-go").exists(), "{INSTALL}");
        if !oracles().join("aics/bin/aics-witness").exists() {
            eprintln!("aics-witness is not installed: nothing was compared");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let address = format!("127.0.0.1:{port}");
        let printed = run(aics(folder.path(), &["init", "--name", "witness.example.net/aics", "--listen", &address]));
        let vkey = printed.split_whitespace().find_map(|word| word.parse().ok()).expect("init prints the vkey");
        let log_key = FixedKey::log(Algorithm::Ed25519).vkey(ORIGIN).to_string();
        run(aics(folder.path(), &["add-log", "--origin", ORIGIN, "--vkey", &log_key]));
        let mut serve = aics(folder.path(), &["serve"]);
        let child = serve.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let witness = Aics { child, url: format!("http://{address}"), vkey, folder };
        let start = Instant::now();
        while minreq::get(format!("{}/healthz", witness.url)).with_timeout(1).send().is_err() {
            assert!(start.elapsed() < Duration::from_secs(60), "aics-witness does not answer");
            std::thread::sleep(Duration::from_millis(50));
        }
        Some(witness)
    }

    /// One POST, as our client half wants it carried.
    fn exchange(&self, body: &[u8]) -> Result<Response, LogError> {
        let request = minreq::post(format!("{}/add-checkpoint", self.url)).with_body(body).with_timeout(20);
        let response = request.send().map_err(|error| LogError::Unsupported(error.to_string()))?;
        Ok(Response {
            status: response.status_code,
            content_type: response.header("content-type").map(str::to_owned),
            body: response.into_bytes(),
        })
    }
}

impl Drop for Aics {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn seal_and_sign(log: &mut TestLog) -> (u64, u64) {
    let segment = log.close_segment(&stream()).unwrap();
    log.sign_segment(&FixedKey::log(Algorithm::Ed25519), &stream(), segment.number).unwrap();
    (segment.number, segment.last_seqno + 1)
}

fn ask(aics: &Aics, log: &mut TestLog, size: u64, known: u64) -> Result<Vec<SignatureLine>, SubmitError<LogError>> {
    let note = log.read_checkpoint(&stream(), Some(size)).unwrap();
    let submission = Submission::new(&note, vec![aics.vkey.clone()], known).unwrap();
    submit(
        submission,
        |old, new| Ok(log.build_consistency_proof(&stream(), old, new)?.path),
        |body| aics.exchange(body),
    )
}

#[test]
fn a_public_witness_cosigns_our_log_and_refuses_its_fork() {
    let Some(aics) = Aics::start() else { return };
    let shared = Shared::default();
    let mut log = log(&shared);
    let policy = format!("log {}\nwitness w {}\nquorum w\n", FixedKey::log(Algorithm::Ed25519).vkey(ORIGIN), aics.vkey);
    let trust =
        Trust { signers: Signers::Policy(Policy::parse(&policy).unwrap()), authors: Vec::new(), require_author: false };
    let mut before = None;
    for (events, known) in [(300, 0), (1, 302), (700, 0), (5, 0)] {
        fill(&mut log, events);
        let (segment, size) = seal_and_sign(&mut log);
        let report = log.verify(&stream(), &trust).unwrap();
        assert_eq!((report.finding, report.witnessed), (None, before), "not yet cosigned");
        let lines: Vec<String> = ask(&aics, &mut log, size, known).unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(log.add_cosignature(&stream(), segment, &lines, &[aics.vkey.to_string()]), Ok(1));
        let report = log.verify(&stream(), &trust).unwrap();
        before = Some((0, size - 1));
        assert_eq!((report.finding, report.witnessed), (None, before), "size {size}");
    }

    // A copy of the storage goes its own way, with the same key.
    let copy = shared.deep_clone();
    fill(&mut log, 10);
    let (_, size) = seal_and_sign(&mut log);
    ask(&aics, &mut log, size, 0).unwrap();
    let mut fork = world::log(&copy);
    fill(&mut fork, 4);
    fill(&mut fork, 6);
    let (_, forked_size) = seal_and_sign(&mut fork);
    assert_eq!(forked_size, size);
    let refused = ask(&aics, &mut fork, size, 0);
    assert_eq!(refused, Err(SubmitError::Witness(Unanswered::Forked)));
    assert!(run(self::aics(aics.folder.path(), &["evidence"])).contains(ORIGIN), "it keeps evidence as well");
}
