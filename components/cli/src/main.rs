//! The command: `wasi:cli/run` over the standard streams and the log that this component was composed with.

use std::process::ExitCode;

use secure_log_cli::{Console, Imported, run};

fn main() -> ExitCode {
    if cfg!(not(target_arch = "wasm32")) {
        eprintln!(
            "secure-log: this is a component; build it for wasm32-wasip2 and compose it (scripts/build-components.sh)"
        );
        return ExitCode::from(secure_log_cli::CANNOT_TELL);
    }
    let status = Console::standard(|console| run(std::env::args_os(), &mut Imported, console));
    if status != 0 {
        // `ExitCode` says no more than success or failure on this target.
        secure_log_bindings::import::exit::exit_with_code(status);
    }
    ExitCode::SUCCESS
}
