//! Store provider: append-only JSON lines that people can read.
//!
//! ```text
//! jq -r 'select(.kind == "entry") | [.time, .severity, .producer, .type, .payload] | @tsv' audit.jsonl
//! ```
//! Natively it is a library: [`FileStore`] is a [`secure_log::store::Store`]. Its component is that type and
//! the last line of this file. Config: a path, and `?shared` behind it when several writers use the file, or
//! `?readonly` to judge it. All processes that write to one file use the same mode.
//!
//! # What is stored
//! One row is one line; the lines of an append and the commit line that closes them are one buffer and one
//! write at a known offset. The layout stands in `line.rs`. Beside the log: `<log>.idx/`, a sidecar index
//! that may be deleted at any time; `<log>.lock`, while an owner writes; `<log>.commits/`, in shared mode.
//!
//! # What is durable
//! | call | owner mode | shared mode |
//! |---|---|---|
//! | `append`, synced | 1 write, 1 fdatasync of the log | token: 1 write, 1 fdatasync; 1 link; log: 1 write, 1 fdatasync |
//! | `append`, written | 1 write | as synced |
//! | `append`, empty and synced | 1 fdatasync | 1 fdatasync |
//! | `erase` | 2 writes, 2 fdatasyncs | those and the token's |
//! | first `append` or `erase` of an instance | 1 fdatasync more, where no commit says that all before is durable | the same |
//! | creation | 1 fdatasync, 1 sync of the directory | the same |
//!
//! To that comes, in owner mode, an exclusive create and an unlink (`<log>.lock`); and per 64 KiB of log one
//! write per (kind, stream) that grew and one of the index's head (of a longer head per its length), none of them synced.
//!
//! # What a crash leaves
//! A torn append behind the last commit: `init` cuts it off (owner) or the next append covers it (shared),
//! and [`FileStore::recovered`] and stderr say so. Anything else that is not as it was written is damage:
//! it is `corrupt` where it is read, [`FileStore::damage`] names it, nothing is written any more and nothing
//! is repaired. Memory does not grow with the log, only with the number of streams.
//!
//! # Opened to be read only
//! With `?readonly` the file must be there with its whole first line, else `invalid`; it is opened for reading, on a
//! medium or in a directory where nothing can be written as well. No file is created, written, synced, cut or
//! removed: no lease, no index, no token. Rows and erasures are `denied`; an empty append still says `corrupt` of
//! a damaged log, and else does nothing: what others wrote is not made durable by it.
//! - A torn append behind the last commit stays where it is and is not shown; `recovered` and stderr say so. It may
//!   be one that is being written: any number of writers may go on, in either mode, and each call sees the appends
//!   that were whole when it looked, synced or not. What does not fit is looked at three times before it is damage.
//! - An erasure that was ordered and not carried out is shown as carried out.
//! - Of a shared log `<log>.commits/` is not looked at: an append that is linked there and not in the file yet has
//!   not been answered.
//! - The index is used as it lies there. Rows behind its head, all rows if it is missing, cost one pass when
//!   opening, and 8 bytes of memory each (twice that while it grows): 8 MB for a million rows.

mod config;
mod file;
mod index;
mod lease;
mod line;
mod log;
mod medium;
mod read;
mod replay;
mod shared;
mod store;
mod token;
mod window;
mod write;

pub use file::Stats;
pub use store::{FileStore, Recovered};

secure_log_bindings::export_store!(FileStore);
