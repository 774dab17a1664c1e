//! The endpoint of remote stores: a `wasi:http` guest over whatever store it was composed with.
//!
//! Not here: what requests mean (`secure-log-rpc`, server half), and how bytes move (`secure-log-endpoint`). `access`
//! decides who may ask, `gate` makes every decision about a request, `serve` knows the environment.
//!
//! The endpoint needs no trust: clients check what it says. What it protects is the storage, from being
//! written, read or filled by whoever finds the port: without configuration it refuses everything.
//!
//! | variable | meaning |
//! |---|---|
//! | `SECURE_LOG_STORE_CONFIG` | config of the composed store; not `:memory:`, which every request would find empty |
//! | `SECURE_LOG_RPC_TOKENS` | file with the SHA-256 of each accepted token, one per line in hexadecimal |
//! | `SECURE_LOG_RPC_DEMO` | `1`, with no token configured: anyone on this machine may ask, and every answer says so |

pub mod access;
pub mod gate;
pub mod serve;

secure_log_endpoint::export_endpoint!(crate::serve::handle);
