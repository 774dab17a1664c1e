//! Store provider: a real SQLite database, natively and under WASI.
//!
//! ```text
//! store   one transaction per call, the compare inside        config  what `init` is given
//! open    pragmas, journal, waiting for locks                 schema  tables, triggers, migrations
//! render  the columns people query; the body is the truth     check   integrity_check
//! vfs     the layer under SQLite (the only `unsafe`)          lease   locks where the system has none
//! database a connection and the layer under it                watch   reading what others may be writing
//! ```
//!
//! # Two modes
//! *Shared* (default): a rollback journal that is truncated, and every transaction locks the file, so any number
//! of instances and processes may use it; under `wasmtime serve` each request is one. Natively the
//! operating system locks, under WASI the lease files of [`lease`].
//! *Owner* (`audit.db?owner`): a write-ahead log that belongs to one instance: one sync per commit. Natively
//! a second one is refused while the first lives; under WASI, where nobody can tell a dead owner from a
//! silent one, who opens last is the owner and the earlier one's next call fails.
//!
//! # Opened to be read only
//! With `audit.db?readonly` the database must be there and hold a log, else `invalid`. `vfs` opens the file for reading
//! and refuses whatever would create, write, sync or remove one; no lease is made. It works on a read-only medium, in
//! either mode. Rows and erasures are `denied`; an empty append says `corrupt` once damage was read, and else does
//! nothing. An older schema is read as it is. `watch` says how a reading beside a writer is kept from being a torn one,
//! and what is left.
//!
//! A write-ahead log that its owner left, as a program under WASI always does, is read with the database and stays as
//! it is. A journal is not rolled back: while there is one with a transaction in it every call is `denied` and says
//! "needs recovery: open it once for writing, on a copy"; one that changed in the last minute may be a running
//! commit's and is waited for, 15 seconds. Beside a native owner, who locks the file for good, reading is
//! `unavailable`; and natively no owner can open the file while its left write-ahead log is being read.
//!
//! Why lease files under SQLite's own calls, and not around them: SQLite's `unix-dotfile` layer costs a
//! directory per transaction as well, and what a killed holder leaves has to be removed by somebody, which is a race;
//! a lease around whole transactions would be looked at once per commit, before a commit's many writes; this one
//! is looked at before every write and sync, and nothing is ever removed to take a lock over.
//!
//! # With the `sqlite3` program
//! `sqlite3 -readonly audit.db 'SELECT time, type, severity, producer, payload FROM event'` is always safe.
//! Under WASI its locks and ours do not see each other, so a read at the very moment of a commit may fail or be
//! torn: ask again. Without `-readonly`, use it only while no component has the file open: it would take
//! the journal of a running commit for one that a crash left. Natively both see the same locks. For the same
//! reason a native process that shares a file with components opens it with `?lease`.

pub mod check;
pub mod config;
mod database;
mod error;
pub mod lease;
mod open;
mod render;
mod schema;
mod store;
mod vfs;
mod watch;

pub use store::{SqliteStore, Stats};

secure_log_bindings::export_store!(SqliteStore);
