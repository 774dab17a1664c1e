//! Tells the linker where `scripts/softhsm.sh` put SoftHSM and OpenSSL for wasm. Natively there is nothing to link.

use std::env;
use std::path::Path;
use std::process::ExitCode;

/// The folder of the static libraries.
const FOLDER: &str = "SECURE_LOG_SOFTHSM";
/// In the order in which they refer to each other.
const LIBRARIES: [&str; 4] = ["softhsm2", "crypto", "c++", "c++abi"];

fn main() -> ExitCode {
    println!("cargo::rerun-if-env-changed={FOLDER}");
    println!("cargo::rerun-if-changed=build.rs");
    if env::var("CARGO_CFG_TARGET_ARCH").is_ok_and(|arch| arch != "wasm32") {
        return ExitCode::SUCCESS;
    }
    let Some(folder) = env::var_os(FOLDER).filter(|folder| Path::new(folder).join("libsofthsm2.a").is_file()) else {
        println!("cargo::error={FOLDER} names no folder with libsofthsm2.a: export {FOLDER}=$(./scripts/softhsm.sh)");
        return ExitCode::FAILURE;
    };
    println!("cargo::rustc-link-search=native={}", Path::new(&folder).display());
    for library in LIBRARIES {
        println!("cargo::rustc-link-lib=static={library}");
    }
    ExitCode::SUCCESS
}
