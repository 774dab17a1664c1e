//! A program of your own with the log in it: `cargo run --release --example host -- ../dist/secure-log-file.wasm`.
//!
//! It gives the guest two directories and three variables, appends one event, seals and signs, and asks for
//! the verdict under a pinned key. docs/hosting.md walks through it.

use std::{error::Error, fs, path::Path};

use wasmtime::component::{Component, Linker, ResourceTable};
use wasmtime::{Cache, Config, Engine, Store};
use wasmtime_wasi::{FsPerms, WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};

mod wit {
    wasmtime::component::bindgen!({ path: "../wit", world: "secure-log:log/audit-log" });
}
use wit::secure_log::log::types::{Severity, Signers, Trust};

struct Host {
    wasi: WasiCtx,
    table: ResourceTable,
}

impl WasiView for Host {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let artifact = std::env::args().nth(1).ok_or("usage: host ARTIFACT")?;

    let mut config = Config::new();
    config.cache(Some(Cache::from_file(None)?));
    let engine = Engine::new(&config)?;
    let component = Component::from_file(&engine, artifact)?;
    let mut linker = Linker::new(&engine);
    wasmtime_wasi::p2::add_to_linker_sync(&mut linker)?;

    // Keys and remembered heads lie apart from the store: whoever can write one need not reach the others.
    let mut guest = WasiCtxBuilder::new();
    for (host, name) in [("state/log", "/log"), ("state/keys", "/keys"), ("state/heads", "/heads")] {
        fs::create_dir_all(host)?;
        guest.preopened_dir(Path::new(host), name, FsPerms::ReadWrite)?;
    }
    guest
        .env("SECURE_LOG_NAME", "host.example")
        .env("SECURE_LOG_HEAD_FILE", "/heads/head")
        .env("SECURE_LOG_KEYSTORE_DIR", "/keys")
        .env("SECURE_LOG_KEYSTORE_CREATE", "1")
        .allow_blocking_current_thread(true);
    let mut store = Store::new(&engine, Host { wasi: guest.build(), table: ResourceTable::new() });
    let audit = wit::AuditLog::instantiate(&mut store, &component, &linker)?;
    let (log, checkpoint) = (audit.secure_log_log_log(), audit.secure_log_log_checkpoint());

    // The outer `?` is a trap of the guest, the inner one an answer of the log.
    log.call_open(&mut store, "/log/audit.jsonl")??;
    let done =
        log.call_append(&mut store, "logins", "login", Severity::Notice, "example", Some(b"alice from ::1"))??;
    println!("appended {} {}", done.seqno, hex(&done.entry_hash));
    let segment = log.call_close_segment(&mut store, "logins")??;
    let signed = checkpoint.call_sign_segment(&mut store, "example", &segment.id)??;
    print!("{}", signed.note);

    // A real auditor has this key from elsewhere. `quorum none`: no witness is asked for.
    let key = checkpoint.call_verifier_key(&mut store, "example", "logins")??;
    let trust = Trust {
        signers: Signers::Policy(format!("log {key}\nquorum none\n")),
        authors: Vec::new(),
        require_author: false,
    };
    let report = checkpoint.call_verify(&mut store, "logins", &trust)??;
    match report.finding {
        Some(finding) => Err(format!("{:?} at {}: {}", finding.kind, finding.first_seqno, finding.detail).into()),
        None => {
            println!("{} entries, {} checkpoints: nothing was changed", report.entries, report.checkpoints);
            Ok(())
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
