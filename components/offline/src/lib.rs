//! An exchange that reaches nobody: composed into the command lines that import no network, so that what they can
//! not do is an answer and not a missing import.

use secure_log::witness::{Exchange, ExchangeError, Response};

/// Refuses every request, and says which artifacts carry them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Offline;

impl Exchange for Offline {
    fn post(&mut self, _: &str, _: &str, _: &[u8], _: u32) -> Result<Response, ExchangeError> {
        Err(ExchangeError::Invalid(
            "this artifact has no network: run secure-log-cli-file-online.wasm or -sqlite-online.wasm, and give it HTTP \
             (wasmtime run -S http)"
                .into(),
        ))
    }
}

secure_log_bindings::export_exchange!(Offline);
