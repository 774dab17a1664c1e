//! Owner mode: who may write to the file at this moment.
//!
//! The lease is the file `<log>.lock`, created exclusively, holding the token of one claim. It is held from
//! before the size of the log is looked at until the append is written, not longer: the sync needs no
//! lease. So a program that ends between appends leaves nothing behind, and the next one writes at once.
//!
//! A writer killed inside leaves its lease. Whoever finds a lease older than [`LEASE`] removes it: only one
//! can, because the right to remove the lease of token T is itself an exclusive create (`<log>.lock.T`).
//!
//! The residual pause: a writer that stands still for [`LEASE`] between [`Lease::check`] and its write, and
//! is taken over meanwhile, writes into the other's appends. That is found as damage (`corrupt`), never
//! silent. The check refuses after [`HOLD`], so the pause must hit between two neighbouring calls.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime};

use secure_log::store::StoreError;

use crate::file::{Stats, failed};
use crate::medium::{Access, Medium};
use crate::token;

/// Age at which a lease counts as left behind.
pub const LEASE: Duration = Duration::from_secs(10);
/// Age at which its own holder no longer trusts it: well before anyone else takes it over.
pub const HOLD: Duration = Duration::from_secs(4);
/// Longest wait for others: they, too, may have to wait for a lease that was left behind.
const PATIENCE: Duration = Duration::from_secs(35);

/// The right to write, held.
#[derive(Debug)]
pub struct Lease {
    path: PathBuf,
    since: Instant,
    wall: SystemTime,
}

impl Lease {
    /// Waits for the lease, taking over one that was left behind.
    ///
    /// # Errors
    /// `Unavailable` after 35 seconds of other writers.
    pub fn claim(log: &Path, stats: &mut Stats) -> Result<Lease, StoreError> {
        let mut path = log.as_os_str().to_owned();
        path.push(".lock");
        let path = PathBuf::from(path);
        let token = token::new()?;
        let begin = Instant::now();
        let mut pause = Duration::from_micros(200);
        while begin.elapsed() < PATIENCE {
            // The age counts from before the file exists, so that the holder never thinks it younger than others do.
            let (since, wall) = (Instant::now(), SystemTime::now());
            match Medium::open(&path, Access::CreateNew) {
                Ok(file) => {
                    stats.leases += 1;
                    let lease = Lease { path, since, wall };
                    // A crash here leaves an empty lease, which is taken over like any other.
                    let done = file.write_full(0, token.as_bytes());
                    done.map_err(|error| failed("writing", &lease.path, &error))?;
                    return Ok(lease);
                }
                Err(error) if error.kind() == ErrorKind::AlreadyExists => take_over_if_old(&path)?,
                Err(error) => return Err(failed("creating", &path, &error)),
            }
            sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(20));
        }
        Err(StoreError::Unavailable(format!("{} is held by other writers", path.display())))
    }

    /// Directly before a write: nobody takes over a lease of this age.
    ///
    /// # Errors
    /// `Unavailable` when the lease may have been taken over; nothing was written.
    pub fn check(&self) -> Result<(), StoreError> {
        // Both clocks: the monotonic one stands still while a machine sleeps, the other can be set.
        let wall = self.wall.elapsed().unwrap_or(Duration::ZERO);
        if self.since.elapsed().max(wall) < HOLD {
            return Ok(());
        }
        Err(StoreError::Unavailable(
            "this writer stood still for too long and lost its lease; nothing was written".into(),
        ))
    }
}

impl Drop for Lease {
    /// Gives the lease back, unless it may be someone else's by now.
    fn drop(&mut self) {
        let wall = self.wall.elapsed().unwrap_or(Duration::ZERO);
        if self.since.elapsed().max(wall) < HOLD {
            fs::remove_file(&self.path).ok();
        }
    }
}

fn read_token(path: &Path) -> Option<String> {
    fs::read_to_string(path).ok()
}

/// Whether a file is older than [`LEASE`], or from a future that far away (the clock was set back).
pub fn left_behind(path: &Path) -> bool {
    let Ok(modified) = fs::metadata(path).and_then(|metadata| metadata.modified()) else { return false };
    match modified.elapsed() {
        Ok(age) => age > LEASE,
        Err(future) => future.duration() > LEASE,
    }
}

fn take_over_if_old(path: &Path) -> Result<(), StoreError> {
    if !left_behind(path) {
        return Ok(());
    }
    let Some(token) =
        read_token(path).filter(|token| token.len() <= token::LEN && token.bytes().all(|b| b.is_ascii_hexdigit()))
    else {
        return Ok(());
    };
    let mut right = path.as_os_str().to_owned();
    right.push(format!(".{token}"));
    let right = PathBuf::from(right);
    match Medium::open(&right, Access::CreateNew) {
        Ok(_) => {
            if left_behind(path) && read_token(path).as_ref() == Some(&token) {
                fs::remove_file(path).ok();
            }
            fs::remove_file(&right).ok();
        }
        // Someone else is at it, or was killed at it.
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            if left_behind(&right) {
                fs::remove_file(&right).ok();
            }
        }
        Err(error) => return Err(failed("creating", &right, &error)),
    }
    Ok(())
}
