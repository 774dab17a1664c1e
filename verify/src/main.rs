//! `verify`: runs composed secure-log stacks under wasmtime and checks their evidence with the native library.
//!
//! ```text
//! verify ../dist/secure-log-file.wasm audit.jsonl          one stack, all algorithms, the log stays
//! verify ../dist/secure-log-sqlite.wasm ':memory:'
//! verify ../dist/secure-log-remote.wasm ':memory:'         starts and stops the endpoint itself
//! verify --all                                             every stack, every algorithm, tampering, writers, costs
//! verify ../dist/secure-log-file.wasm audit.jsonl --events /var/log/dpkg.log
//! verify matrix                                            the tamper matrix alone; --slow: every mutant
//! verify bench                                             rates, each beside its raw control
//! verify serve ...                                         the `wasmtime serve` command of the pinned version
//! ```
//!
//! Exit status: 0 all checks passed, 1 a check failed, 2 wrong usage, 3 the checks could not be run.

mod badinput;
mod bench;
mod cost;
mod endpoint;
mod events;
mod expect;
mod host;
mod keylife;
mod ledger;
mod plan;
mod report;
mod site;
mod softhsm;
mod steps;
mod tamper;
mod token;
mod writers;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context as _, Result};
use clap::error::ErrorKind;
use clap::{Args, CommandFactory as _, Parser, Subcommand};
use secure_log::signer::Algorithm;
use wasmtime_cli::commands::ServeCommand;

use report::Report;

/// Runs composed secure-log stacks under wasmtime and checks their evidence with the native library.
///
/// Exit status: 0 all checks passed, 1 a check failed, 2 wrong usage, 3 the checks could not be run.
#[derive(Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    run: RunArgs,
}

#[derive(Args)]
struct RunArgs {
    /// A composed client stack, for instance ../dist/secure-log-file.wasm
    #[arg(required_unless_present = "all", requires = "config", conflicts_with = "all")]
    stack: Option<PathBuf>,
    /// Store config. sqlite: a path or :memory:; file: a path, `?shared` after it for several writers; remote:
    /// any value, the endpoint owns its storage. A bare file name lives in ./secure-log-data/
    config: Option<String>,
    /// Every stack with every algorithm, tampering, several writers and costs
    #[arg(long)]
    all: bool,
    /// Append the lines of FILE as events, then seal, sign and verify; without --all nothing else is done
    #[arg(long, value_name = "FILE")]
    events: Option<PathBuf>,
    /// Signature algorithm, also SECURE_LOG_KEYSTORE_ALG; all three unless given (with --events: ed25519)
    #[arg(long, value_name = "NAME", value_parser = algorithm)]
    alg: Option<Algorithm>,
    /// A native PKCS #11 module with your own token, for a stack that takes its keys from the host. The token is chosen by
    /// the SECURE_LOG_PKCS11_ variables, none of which may choose a key; it must hold keys labelled verify-ALG and
    /// other-ALG. Without: a SoftHSM made here
    #[arg(long, value_name = "FILE", conflicts_with = "all")]
    pkcs11_module: Option<PathBuf>,
    /// With --all: every mutant of the tamper matrix, and the memory check over a million entries
    #[arg(long, requires = "all")]
    slow: bool,
    #[command(flatten)]
    output: Output,
}

#[derive(Args, Clone)]
struct Output {
    /// JSON lines instead of text
    #[arg(long)]
    json: bool,
    /// Where the composed artifacts are [default: beside STACK, else ../dist or dist]
    #[arg(long, value_name = "DIR")]
    dist: Option<PathBuf>,
}

#[derive(Subcommand)]
enum Command {
    /// Rates of every stack, each beside its raw control of the same minute
    Bench {
        #[command(flatten)]
        output: Output,
        /// Entries of the longest log measured
        #[arg(long, default_value_t = 100_000)]
        entries: usize,
        /// Only this stack
        #[arg(long, value_name = "NAME", value_parser = bench::STACKS)]
        stack: Option<String>,
    },
    /// The tamper matrix alone: every change of a small log, on every store
    Matrix {
        #[command(flatten)]
        output: Output,
        /// Every mutant instead of a sample: an hour or two, most of it for SQLite
        #[arg(long)]
        slow: bool,
        /// Only stores whose name begins so: file, sqlite, remote
        #[arg(long, value_name = "NAME", default_value = "")]
        store: String,
    },
    /// The `wasmtime serve` command of the wasmtime this tool is built on
    #[command(disable_help_flag = true)]
    Serve {
        /// End when standard input closes, so that no endpoint outlives its parent
        #[arg(long)]
        until_stdin_closes: bool,
        /// As for `wasmtime serve`; --help lists them
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<OsString>,
    },
    /// One of the processes of the several-writers check
    #[command(hide = true)]
    Writer { name: String, suffix: String, alg: String, artifact: PathBuf, dir: PathBuf },
}

fn algorithm(name: &str) -> Result<Algorithm, String> {
    Algorithm::from_name(name).ok_or_else(|| "ed25519, ecdsa-p256 or rsa-pss-sha256".to_owned())
}

/// The algorithm of the environment; ends the process like any wrong usage if there is no such algorithm.
fn algorithm_of_env() -> Option<Algorithm> {
    let name = std::env::var("SECURE_LOG_KEYSTORE_ALG").ok().filter(|name| !name.is_empty())?;
    match algorithm(&name) {
        Ok(algorithm) => Some(algorithm),
        Err(why) => Cli::command()
            .error(ErrorKind::InvalidValue, format!("SECURE_LOG_KEYSTORE_ALG is {name:?}, must be {why}"))
            .exit(),
    }
}

/// The folder of the composed artifacts.
fn dist(given: Option<&Path>, stack: Option<&Path>) -> Result<PathBuf> {
    if let Some(dir) = given.or(stack.and_then(Path::parent)) {
        return Ok(dir.to_owned());
    }
    let found = ["../dist", "dist"].into_iter().map(PathBuf::from).find(|dir| dir.is_dir());
    found.context("no ../dist or dist here: build the artifacts with scripts/build-components.sh, or give --dist")
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("verify: {error:#}");
            ExitCode::from(3)
        }
    }
}

fn run(cli: Cli) -> Result<bool> {
    match cli.command {
        Some(Command::Serve { until_stdin_closes, args }) => {
            if until_stdin_closes {
                endpoint::end_with_stdin();
            }
            ServeCommand::try_parse_from(std::iter::once(OsString::from("verify serve")).chain(args))
                .unwrap_or_else(|error| error.exit())
                .execute()?;
            Ok(true)
        }
        Some(Command::Writer { name, suffix, alg, artifact, dir }) => {
            let stack = host::Stack::load(&host::engine()?, &artifact)?;
            writers::process(&stack, &dir, &name, &suffix, &alg)?;
            Ok(true)
        }
        Some(Command::Bench { output, entries, stack }) => {
            report::watch();
            let dist = dist(output.dist.as_deref(), None)?;
            bench::run(&bench::Want { dist: &dist, json: output.json, entries, stack: stack.as_deref() })?;
            Ok(true)
        }
        Some(Command::Matrix { output, slow, store }) => {
            report::watch();
            let start = Instant::now();
            let mut report = Report::new(output.json);
            let dist = dist(output.dist.as_deref(), None)?;
            plan::Plan::new(&dist, None, None, slow, None)?.matrix(&mut report, &store)?;
            report.finish(start.elapsed());
            Ok(report.all_passed())
        }
        None => {
            report::watch();
            let start = Instant::now();
            let RunArgs { stack, config, all, events, alg, pkcs11_module, slow, output } = cli.run;
            let dist = dist(output.dist.as_deref(), stack.as_deref())?;
            let mut report = Report::new(output.json);
            let plan = plan::Plan::new(&dist, events, alg.or_else(algorithm_of_env), slow, pkcs11_module)?;
            match (stack, config) {
                (Some(stack), Some(config)) => plan.one(&mut report, &stack, &config)?,
                _ => {
                    debug_assert!(all);
                    plan.all(&mut report)?;
                }
            }
            report.finish(start.elapsed());
            Ok(report.all_passed())
        }
    }
}
