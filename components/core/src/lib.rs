//! The core component: `encoder`, `log` and `checkpoint` over one [`Log`], a store and a keystore that it is
//! composed with.
//!
//! Not here: the log. Every call is parsed by `secure_log_bindings::convert`, answered by the domain crate and
//! turned back; this crate only knows where the one log lives and how the environment configures it.
//!
//! # Invariants
//! 1. There is at most one log in a component instance, and none before the first `open` that succeeds.
//! 2. No input ends in a trap: arguments are parsed to values that cannot be invalid, calls never overlap (the
//!    component model enters an instance by one call at a time and no provider can call back), and nothing
//!    between here and the store indexes, unwraps or recurses on what came from outside. What remains is
//!    memory: a caller whose arguments do not fit the instance's memory fails in its own call.

mod checkpoint;
mod config;
mod encoder;
mod log;

use std::cell::RefCell;

use secure_log::log::Log;
use secure_log_bindings::import::ImportedStore;
use secure_log_bindings::types::LogError;
use secure_log_system::SystemEnvironment;

/// What the exports are implemented for.
pub struct Component;

secure_log_bindings::export_log!(Component);

type TheLog = Log<ImportedStore, SystemEnvironment>;

thread_local! {
    static LOG: RefCell<Option<TheLog>> = const { RefCell::new(None) };
}

/// Opens the log, or opens it again after a failed write.
fn open(store_config: &str) -> Result<(), LogError> {
    LOG.with_borrow_mut(|slot| {
        if let Some(log) = slot {
            return Ok(log.open(store_config)?);
        }
        let (config, heads) = config::from_environment()?;
        let mut log = Log::new(ImportedStore, SystemEnvironment, heads, config);
        log.open(store_config)?;
        *slot = Some(log);
        Ok(())
    })
}

/// Lends the log. `not-open` comes before any other complaint about a call.
fn with_log<R>(call: impl FnOnce(&mut TheLog) -> Result<R, LogError>) -> Result<R, LogError> {
    LOG.with_borrow_mut(|slot| call(slot.as_mut().ok_or(LogError::NotOpen)?))
}
