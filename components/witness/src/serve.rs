//! The witness as a `wasi:http` guest: environment, clock and files around [`crate::gate`].

use std::cell::RefCell;
use std::time::{SystemTime, UNIX_EPOCH};

use secure_log::policy::{KnownLogs, MAX_POLICY};
use secure_log::signer::Keystore as _;
use secure_log::witness::{MAX_REQUEST, Witness};
use secure_log_bindings::import::ImportedStore;
use secure_log_endpoint::{Storage, serve, text_file};
use secure_log_keystore_import::{ImportedKey, ImportedKeystore};
use wasip2::http::types::{IncomingRequest, ResponseOutparam};

use crate::gate::reply;

thread_local! {
    /// An instance serves one request at a time; hosts that keep instances keep this store open.
    static STORAGE: RefCell<Storage<ImportedStore>> =
        RefCell::new(Storage::new(ImportedStore, std::env::var("SECURE_LOG_STORE_CONFIG").ok()));
}

/// Answers one request.
pub fn handle(request: &IncomingRequest, out: ResponseOutparam) {
    serve::answer(request, out, MAX_REQUEST, |head, body| {
        STORAGE.with_borrow_mut(|storage| {
            let told = |why: &str| eprintln!("secure-log-witness: {why}");
            reply(head, witness, body, storage, seconds, told)
        })
    });
}

/// Read at each request, so that a log that is withdrawn is cosigned no more.
fn witness() -> Result<Witness<ImportedKey>, String> {
    let variable = |name: &str| match std::env::var(name) {
        Ok(value) if !value.is_empty() => Ok(value),
        _ => Err(format!("{name} is not set")),
    };
    let name = variable("SECURE_LOG_WITNESS_NAME")?;
    let label = variable("SECURE_LOG_WITNESS_IDENTITY")?;
    let logs = text_file(&variable("SECURE_LOG_WITNESS_LOGS")?, MAX_POLICY as u64);
    let logs = logs.map_err(|why| format!("the file of SECURE_LOG_WITNESS_LOGS cannot be read: {why}"))?;
    let logs = KnownLogs::parse(&logs).map_err(|error| format!("SECURE_LOG_WITNESS_LOGS: {error}"))?;
    let key = ImportedKeystore.get_key(&label).map_err(|error| format!("the witness's key: {error}"))?;
    Witness::new(&name, key, logs).map_err(|error| error.to_string())
}

/// Since 1970 UTC; a clock before that reads 0, which is no time to cosign at.
fn seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
