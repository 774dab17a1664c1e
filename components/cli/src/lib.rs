//! The command line of secure-log, as a component that exports `wasi:cli/run` and imports `log`, `checkpoint` and
//! `exchange`.
//!
//! Not here: the log, stores and keys (they are composed in), the formats (`secure-log`). What is checked
//! without a log (proof files, a published tree) is checked by the domain crate alone.
//!
//! `args` says what can be typed, `service` is the log as the commands see it, `console` is where they read and
//! write, `failure` how they end; then one module for each group of commands. `docs/command-line.md` is for users.
//!
//! | exit status | means |
//! |---|---|
//! | 0 | done; what was to be judged is whole |
//! | 1 | a finding: something stored or given is not what it must be |
//! | 2 | usage: an argument, a file or a name that is none |
//! | 3 | cannot tell: the store, the keystore or the disk failed, or nobody vouches for what was to be judged |

mod append;
mod args;
mod console;
mod evidence;
mod export;
mod failure;
mod keys;
mod producer;
mod read;
mod record;
mod seal;
mod service;
mod show;
mod verify;
mod witness;

use std::ffi::OsString;

use clap::Parser as _;
use secure_log_bindings::types::{LogError, StoreError};

use args::{Args, Command};
pub use console::Console;
pub use failure::{CANNOT_TELL, FINDING, Failure, USAGE};
pub use service::{Answer, Imported, Service};

/// Runs one command line, its first argument being the program's name; returns the exit status.
pub fn run(arguments: impl IntoIterator<Item = OsString>, log: &mut impl Service, console: &mut Console<'_>) -> u8 {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let args = match Args::try_parse_from(&arguments) {
        Ok(args) => args,
        Err(error) => {
            let status = if error.use_stderr() { USAGE } else { 0 };
            console.json = arguments.iter().take_while(|word| *word != "--").any(|word| word == "--json");
            console.usage(&args::without_given(error));
            return status;
        }
    };
    console.json = args.common.json;
    let done = dispatch(args, log, console).and_then(|()| console.flush());
    match done {
        Ok(()) => 0,
        Err(failure) => {
            console.failed(&failure);
            failure.status()
        }
    }
}

fn dispatch(args: Args, log: &mut impl Service, console: &mut Console<'_>) -> Result<(), Failure> {
    let (common, command) = (&args.common, args.command);
    if command.needs_log() {
        log.open(&common.config(command.only_reads())?).map_err(|error| match error {
            LogError::Store(StoreError::Invalid(why)) => Failure::usage(why),
            error => error.into(),
        })?;
    }
    match command {
        Command::Append(what) => append::append(common, &what, log, console),
        Command::Read(what) => read::read(common, &what, log, console),
        Command::Tail(what) => read::tail(common, &what, log, console),
        Command::Streams => read::streams(log, console),
        Command::Seal => seal::seal(common, log, console),
        Command::Sign { segment } => seal::sign(common, segment, log, console),
        Command::Checkpoint { size } => seal::checkpoint(common, size, log, console),
        Command::Verify(what) => verify::verify(common, what, log, console),
        Command::Vkey { as_policy } => seal::vkey(common, as_policy, log, console),
        Command::Keygen { as_policy } => seal::keygen(common, as_policy, log, console),
        Command::Prove(what) => evidence::prove(common, &what, log, console),
        Command::CheckProof(what) => evidence::check_proof(common, &what, console),
        Command::Consistency(args::Consistency::Build { old, new, out }) => {
            evidence::prove_consistency(common, (old, new), &out, log, console)
        }
        Command::Consistency(args::Consistency::Check { file }) => evidence::check_consistency(common, &file, console),
        Command::Export(what) => export::export(common, &what, log, console),
        Command::RotateKey(what) => keys::rotate(common, &what, log, console),
        Command::RevokeKey(what) => keys::revoke(common, &what, log, console),
        Command::AttestKey(what) => keys::attest(common, &what, log, console),
        Command::Witness(args::Witness::Submit(what)) => witness::submit(common, &what, log, console),
        Command::Record(what) => record::record(common, what, log, console),
    }
}
