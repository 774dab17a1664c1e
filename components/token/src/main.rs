//! The provisioning command: makes tokens and keys over an imported `keys:pkcs11`, and shows what is in them.
//!
//! Not here: tokens (they are composed in), and signing for a log (`keystore-pkcs11` does). `docs/tokens.md` is for users.
//!
//! | exit status | means |
//! |---|---|
//! | 0 | done |
//! | 2 | usage: an argument or a file that is none, a name that is taken or missing. Nothing was changed |
//! | 3 | cannot: the token, its PIN or the disk said no; what was made before that is said |

mod args;
mod failure;
mod import;
mod keys;
mod pin;
mod show;
mod tokens;

use std::fmt;
use std::io::{self, ErrorKind, Write as _};
use std::process::ExitCode;

use serde_json::Value;

use args::{Args, Command};
use failure::{CANNOT, Failure, USAGE};

#[allow(missing_docs)]
mod wit {
    wit_bindgen::generate!({
        path: "../../wit",
        inline: "
            package secure-log:token-command;
            world command {
                import keys:pkcs11/cryptoki;
                import keys:pkcs11/provisioning;
                import wasi:cli/exit@0.2.12;
            }
        ",
        world: "secure-log:token-command/command",
        generate_all,
    });
}

secure_log_pkcs11::wit_conversions!(crate::wit::keys::pkcs11::cryptoki);

fn main() -> ExitCode {
    if cfg!(not(target_arch = "wasm32")) {
        tell(&"this is a component; build it for wasm32-wasip2 and compose it (scripts/build-components.sh)");
        return ExitCode::from(CANNOT);
    }
    let words: Vec<_> = std::env::args_os().collect();
    // Misuse ends the parser, which may not have come to this word.
    let json = words.iter().any(|word| word == "--json");
    let status = match Args::read(words) {
        Ok(args) => run(&args),
        Err(error) => {
            let _ = error.print();
            if error.use_stderr() && json {
                let _ = writeln!(io::stdout(), "{}", Failure::misuse(&error).json());
            }
            if error.use_stderr() { USAGE } else { 0 }
        }
    };
    if status != 0 {
        // `ExitCode` says no more than success or failure on this target.
        wit::wasi::cli::exit::exit_with_code(status);
    }
    ExitCode::SUCCESS
}

/// Runs the command and says what came of it; returns the exit status.
fn run(args: &Args) -> u8 {
    let failure = match dispatch(args) {
        Ok(()) => return 0,
        Err(Failure::Closed) => return 0,
        Err(failure) => failure,
    };
    tell(&failure);
    if args.common.json {
        let _ = writeln!(io::stdout(), "{}", failure.json());
    }
    failure.status()
}

fn dispatch(args: &Args) -> Result<(), Failure> {
    let library = tokens::Library::start()?;
    let common = &args.common;
    match &args.command {
        Command::Init(what) => tokens::init(common, what, library),
        Command::List => show::list(common),
        Command::SetPin(what) => tokens::set_pin(common, what),
        Command::Generate(what) => keys::generate(common, what),
        Command::Import(what) => keys::import(common, what),
        Command::ImportCertificate(what) => keys::import_certificate(common, what),
        Command::Destroy(what) => keys::destroy(common, what),
        Command::Sign(what) => keys::sign(common, what),
    }
}

/// What a command is for: text for people, one JSON object with `--json`.
fn say(common: &args::Common, text: &str, value: Value) -> Result<(), Failure> {
    let mut out = io::stdout();
    let written = if common.json { writeln!(out, "{value}") } else { writeln!(out, "{text}") };
    written.map_err(|error| match error.kind() {
        ErrorKind::BrokenPipe => Failure::Closed,
        _ => Failure::Cannot(format!("stdout did not take what was to be said, it may be full: {error}")),
    })
}

/// Beside it, on stderr, for people.
fn tell(text: &dyn fmt::Display) {
    let _ = writeln!(io::stderr(), "secure-log-token: {text}");
}

/// Bytes as two digits each.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
