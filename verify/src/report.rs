//! What people and programs read: a line per step with its time, the verdict, and the same as JSON lines.

use std::io::Write as _;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;
use serde_json::json;

/// No step may take longer, in milliseconds, unless it reports progress with [`alive`]: a graph that hangs
/// must end a run, not stall it.
const PATIENCE_MS: u64 = 300_000;

/// Milliseconds after the start of the process at which the watchdog gives up.
static DEADLINE: AtomicU64 = AtomicU64::new(u64::MAX);

fn since_start() -> u64 {
    static START: OnceLock<Instant> = OnceLock::new();
    u64::try_from(START.get_or_init(Instant::now).elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// Tells the watchdog that a long step is getting on.
pub fn alive() {
    DEADLINE.store(since_start() + PATIENCE_MS, Ordering::Relaxed);
}

/// Starts the watchdog: the process ends with exit status 3 when a step hangs. Endpoints end with it.
pub fn watch() {
    alive();
    std::thread::spawn(|| {
        loop {
            std::thread::sleep(Duration::from_millis(500));
            if since_start() > DEADLINE.load(Ordering::Relaxed) {
                eprintln!("verify: a step has made no progress for {} s; giving up", PATIENCE_MS / 1000);
                std::process::exit(3);
            }
        }
    });
}

/// Collects the outcome of steps and prints each as it happens.
pub struct Report {
    json: bool,
    group: String,
    passed: usize,
    failures: Vec<String>,
}

impl Report {
    /// Lines for people, or JSON lines.
    pub fn new(json: bool) -> Report {
        Report { json, group: String::new(), passed: 0, failures: Vec::new() }
    }

    /// Names what the following steps are about.
    pub fn group(&mut self, name: &str) {
        name.clone_into(&mut self.group);
        if !self.json {
            println!("\n{name}");
        }
    }

    /// Something to read that is no check.
    pub fn note(&self, text: &str) {
        if self.json {
            println!("{}", json!({ "group": self.group, "note": text }));
        } else {
            println!("        {text}");
        }
    }

    /// Runs one check and prints its line; `Ok` holds a few words on what was seen. Returns whether it passed.
    pub fn step(&mut self, name: &str, check: impl FnOnce() -> Result<String>) -> bool {
        alive();
        let start = Instant::now();
        let outcome = check();
        let took = start.elapsed();
        let (word, text) = match &outcome {
            Ok(seen) => ("ok", seen.clone()),
            Err(error) => ("FAILED", format!("{error:#}").trim().replace('\n', " / ")),
        };
        if self.json {
            let line = json!({
                "group": self.group, "step": name, "passed": outcome.is_ok(),
                "micros": u64::try_from(took.as_micros()).unwrap_or(u64::MAX), "detail": text,
            });
            println!("{line}");
        } else {
            println!("  {word:<6} {:>10}  {name:<24} {text}", in_words(took));
        }
        // A pipe may have closed; the exit status still tells.
        let _ = std::io::stdout().flush();
        let passed = outcome.is_ok();
        match passed {
            true => self.passed += 1,
            false => self.failures.push(format!("{}: {name}: {text}", self.group)),
        }
        passed
    }

    /// Whether nothing has failed so far.
    pub fn all_passed(&self) -> bool {
        self.failures.is_empty()
    }

    /// The last lines: what failed, the verdict, the count.
    pub fn finish(&self, took: Duration) {
        let verdict = if self.all_passed() && self.passed > 0 { "VERIFIED" } else { "NOT VERIFIED" };
        if self.json {
            let line = json!({
                "verdict": verdict, "passed": self.passed, "failed": self.failures.len(),
                "failures": self.failures, "micros": u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
            });
            println!("{line}");
            return;
        }
        println!();
        for failure in &self.failures {
            println!("failed: {failure}");
        }
        println!("verdict: {verdict} in {}", in_words(took));
        println!("{} passed, {} failed", self.passed, self.failures.len());
    }
}

/// A duration in the unit that fits, three digits.
pub fn in_words(time: Duration) -> String {
    match time.as_micros() {
        micros @ 0..1_000 => format!("{micros} us"),
        micros @ 1_000..1_000_000 => format!("{:.1} ms", micros as f64 / 1e3),
        micros => format!("{:.2} s", micros as f64 / 1e6),
    }
}

/// How long `work` takes, and what it returns.
pub fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    let value = work();
    (value, start.elapsed())
}
