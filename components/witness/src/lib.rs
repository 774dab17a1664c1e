//! A witness (c2sp.org/tlog-witness) as a `wasi:http` guest: over whatever store and keystore it was composed with.
//!
//! Not here: whether a checkpoint is cosigned (`secure_log::witness`), how bytes move (`secure-log-endpoint`). `gate`
//! decides what a request is, `serve` knows the environment.
//!
//! An instance keeps nothing between requests: two requests at once meet in the store's compare alone, so any number
//! of instances, threads and processes may serve one store.
//!
//! | variable | meaning |
//! |---|---|
//! | `SECURE_LOG_WITNESS_NAME` | key name of the witness: a schema-less URL of its operator, such as `witness.example.org/w1` |
//! | `SECURE_LOG_WITNESS_IDENTITY` | label of its ed25519 key in the keystore; no log's key |
//! | `SECURE_LOG_WITNESS_LOGS` | file with the logs it knows: C2SP tlog-policy, of which only the `log` lines count; one key may stand in several of them, for the streams of one log |
//! | `SECURE_LOG_STORE_CONFIG` | config of the composed store; not `:memory:`, which every request would find empty |
//!
//! All four are needed; without one of them everything is answered 503.

pub mod gate;
pub mod serve;

secure_log_endpoint::export_endpoint!(crate::serve::handle);
