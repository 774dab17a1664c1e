//! Who may touch the database file where the operating system has no file locks (WASI). Files, clocks
//! and nothing of SQLite; `vfs` calls it when SQLite locks, unlocks and writes.
//!
//! Beside `audit.db` there is the directory `audit.db-lease`. Time is divided into *epochs*:
//! - `open-<e>` says that epoch `e` has begun and every earlier one is over. Created exclusively, so two
//!   who want to end an epoch end it once; the greatest `e` is the current one.
//! - `held-<e>` is the lock of epoch `e`. Created exclusively, removed by its holder. It contains `owner`
//!   if its holder keeps it between transactions.
//!
//! 1. A holder writes only while `open-<e+1>` does not exist. It looks before its first write and again
//!    whenever the last look is [`LOOK`] old, and gives up when it has held for [`LeaseTimes::hold`] on
//!    the monotonic or on the wall clock: a holder that slept or was suspended stops by itself.
//! 2. A lock older than [`LeaseTimes::takeover`], or an owner's, is not removed: the next epoch begins,
//!    and the old holder is *fenced*. A killed holder so blocks the file for `takeover` at most, and a
//!    killed owner not at all.
//! 3. The first holder of an epoch waits [`GRACE`] after its beginning, so a fenced holder that is
//!    running has seen it (`LOOK` is far less than `GRACE`) before anything else is written.
//!
//! What is left: a holder that is stopped between its look and the one write that follows, for longer
//! than `takeover` (an owner: than `GRACE`, if another owner opens in that very moment), would still
//! carry out that write. SQLite's checksums or `integrity_check` or, at last, the log's hashes find it.

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

/// A holder looks for the next epoch when its last look is older than this.
pub const LOOK: Duration = Duration::from_millis(10);
/// How long an epoch is left unused after its beginning.
pub const GRACE: Duration = Duration::from_millis(250);
/// How often one who waits examines the lock's age: an unlink in between shows by itself.
const EXAMINE: Duration = Duration::from_millis(100);
/// How long an instance trusts the epoch it knows without listing the directory again.
const KNOWN: Duration = Duration::from_secs(30);
/// Times a listing of the directory is begun again because a file went away under it.
const LISTINGS: u32 = 256;
/// Files of ended epochs are removed after this time: far more than any instance trusts what it knows.
const PRUNE: Duration = Duration::from_secs(3600);

/// How long a lock may be held and when it counts as abandoned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseTimes {
    /// A transaction that has held the lock for longer writes no more.
    pub hold: Duration,
    /// Age at which the lock of a transaction is taken over; longer than any request's timeout.
    pub takeover: Duration,
}

impl Default for LeaseTimes {
    fn default() -> Self {
        LeaseTimes { hold: Duration::from_secs(30), takeover: Duration::from_secs(60) }
    }
}

/// How the lock is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// From SQLite's lock to its unlock: a transaction.
    PerTransaction,
    /// From the first lock until the connection is closed.
    ByOwner,
}

/// The lock on one database file, as one connection sees it.
#[derive(Debug)]
pub struct Lease {
    dir: PathBuf,
    kept: Kept,
    times: LeaseTimes,
    /// The current epoch as last seen, and when.
    known: Option<(u64, Instant)>,
    held: Option<Held>,
    examined: Option<Instant>,
    lost: Option<String>,
}

#[derive(Debug)]
struct Held {
    epoch: u64,
    since: Instant,
    since_wall: SystemTime,
    looked: Instant,
}

enum Holder {
    /// Released in the meantime, or held by a running transaction.
    Wait,
    /// An owner's, or abandoned.
    Fence,
}

impl Lease {
    /// The lock of the database at `database`, not held. Creates nothing yet.
    pub fn new(database: &Path, kept: Kept, times: LeaseTimes) -> Lease {
        let mut dir = database.as_os_str().to_owned();
        dir.push("-lease");
        Lease { dir: dir.into(), kept, times, known: None, held: None, examined: None, lost: None }
    }

    /// As given to [`Lease::new`].
    pub fn kept(&self) -> Kept {
        self.kept
    }

    /// Tries to take the lock. `false`: another has it, try again soon.
    ///
    /// # Errors
    /// Of the file system; and for ever once the lock was lost.
    pub fn try_acquire(&mut self) -> io::Result<bool> {
        if let Some(why) = &self.lost {
            return Err(io::Error::other(why.clone()));
        }
        let (since, since_wall) = (Instant::now(), SystemTime::now());
        let epoch = self.epoch(since)?;
        let mut lock = match OpenOptions::new().write(true).create_new(true).open(self.held_path(epoch)) {
            Ok(lock) => lock,
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                self.wait_or_fence(epoch, since)?;
                return Ok(false);
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                // Somebody removed the directory: begin again.
                self.known = None;
                return Ok(false);
            }
            Err(error) => return Err(error),
        };
        if exists(&self.open_path(epoch + 1))? {
            // The epoch ended before the lock was taken: the lock means nothing.
            self.known = None;
            ignore_missing(fs::remove_file(self.held_path(epoch)))?;
            return Ok(false);
        }
        if self.kept == Kept::ByOwner {
            lock.write_all(b"owner")?;
        }
        self.held = Some(Held { epoch, since, since_wall, looked: since });
        self.examined = None;
        self.grace(epoch)?;
        Ok(true)
    }

    /// Begins a unit of work of an owner, whose lock has no age: from here [`LeaseTimes::hold`] counts anew.
    pub fn begin(&mut self) {
        if let (Kept::ByOwner, Some(held)) = (self.kept, &mut self.held) {
            let now = Instant::now();
            held.since = now;
            held.since_wall = SystemTime::now();
            held.looked = now.checked_sub(LOOK * 2).unwrap_or(now);
        }
    }

    /// Whether writing is still allowed (rule 1). Once refused, always refused.
    ///
    /// # Errors
    /// Why not.
    pub fn check(&mut self) -> io::Result<()> {
        if let Some(why) = &self.lost {
            return Err(io::Error::other(why.clone()));
        }
        let next = self.held.as_ref().map(|held| self.open_path(held.epoch + 1));
        let (Some(held), Some(next)) = (&mut self.held, next) else {
            return Err(io::Error::other("the lock is not held"));
        };
        let now = Instant::now();
        let wall = SystemTime::now().duration_since(held.since_wall).unwrap_or_default();
        let why = if now - held.since > self.times.hold || wall > self.times.hold {
            "the lock was held for too long: the transaction was abandoned, open again".to_owned()
        } else if now - held.looked < LOOK {
            return Ok(());
        } else if exists(&next)? {
            "another instance took the database over: open again".to_owned()
        } else {
            held.looked = now;
            return Ok(());
        };
        self.lost = Some(why.clone());
        Err(io::Error::other(why))
    }

    /// Why the lock was lost, if it was.
    pub fn lost(&self) -> Option<&str> {
        self.lost.as_deref()
    }

    /// Gives the lock back. A lock that was lost is left to the epoch that ended.
    pub fn release(&mut self) {
        if let (Some(held), None) = (self.held.take(), &self.lost) {
            // A lock that can not be removed goes stale: nothing better is left to do.
            let _ = fs::remove_file(self.held_path(held.epoch));
            self.known = Some((held.epoch, held.since));
        }
    }

    /// The current epoch: as known, else the greatest that the directory lists.
    fn epoch(&mut self, now: Instant) -> io::Result<u64> {
        if let Some((epoch, seen)) = self.known
            && now - seen < KNOWN
        {
            return Ok(epoch);
        }
        match fs::create_dir(&self.dir) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        let newest = self.epochs()?.into_iter().max();
        let epoch = match newest {
            Some(epoch) => epoch,
            None => {
                ignore_existing(create(&self.open_path(0)))?;
                // Listed again: the first epoch may be long over.
                self.epochs()?.into_iter().max().unwrap_or(0)
            }
        };
        self.known = Some((epoch, now));
        Ok(epoch)
    }

    /// The epochs that the directory lists. Under WASI reading a directory looks at each file, and fails with
    /// `NotFound` when a lock was removed just then: the reading begins again.
    fn epochs(&self) -> io::Result<Vec<u64>> {
        for _ in 0..LISTINGS {
            match self.list() {
                Err(error) if error.kind() == ErrorKind::NotFound && self.dir.try_exists()? => {}
                listed => return listed,
            }
        }
        self.list()
    }

    fn list(&self) -> io::Result<Vec<u64>> {
        let mut epochs = Vec::new();
        for file in fs::read_dir(&self.dir)? {
            let name = file?.file_name();
            epochs.extend(name.to_str().and_then(epoch_of));
        }
        Ok(epochs)
    }

    fn wait_or_fence(&mut self, epoch: u64, now: Instant) -> io::Result<()> {
        if self.examined.is_some_and(|examined| now - examined < EXAMINE) {
            return Ok(());
        }
        self.examined = Some(now);
        if exists(&self.open_path(epoch + 1))? {
            self.known = None;
        } else if let Holder::Fence = self.holder(epoch)? {
            ignore_existing(create(&self.open_path(epoch + 1)))?;
            self.known = None;
            self.prune(epoch);
        }
        Ok(())
    }

    fn holder(&self, epoch: u64) -> io::Result<Holder> {
        let path = self.held_path(epoch);
        let (age, content) = match (age(&path), fs::read(&path)) {
            (Ok(age), Ok(content)) => (age, content),
            (Err(error), _) | (_, Err(error)) if error.kind() == ErrorKind::NotFound => return Ok(Holder::Wait),
            (Err(error), _) | (_, Err(error)) => return Err(error),
        };
        Ok(if content == b"owner" || age > self.times.takeover { Holder::Fence } else { Holder::Wait })
    }

    /// Rule 3. The beginning of epoch 0 fenced nobody.
    fn grace(&self, epoch: u64) -> io::Result<()> {
        if epoch > 0 {
            let age = age(&self.open_path(epoch)).or_else(|error| match error.kind() {
                ErrorKind::NotFound => Ok(GRACE),
                _ => Err(error),
            })?;
            std::thread::sleep(GRACE.saturating_sub(age));
        }
        Ok(())
    }

    /// Removes what epochs before `epoch` left. A crash or error here leaves files that the next one removes.
    fn prune(&self, epoch: u64) {
        for old in self.epochs().unwrap_or_default().into_iter().filter(|old| *old < epoch) {
            if age(&self.open_path(old)).is_ok_and(|age| age > PRUNE) {
                let _ = fs::remove_file(self.held_path(old));
                let _ = fs::remove_file(self.open_path(old));
            }
        }
    }

    fn open_path(&self, epoch: u64) -> PathBuf {
        self.dir.join(format!("open-{epoch}"))
    }

    fn held_path(&self, epoch: u64) -> PathBuf {
        self.dir.join(format!("held-{epoch}"))
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.release();
    }
}

/// The epoch that a file says has begun: a decimal as it would be written, far from where counting ends.
fn epoch_of(name: &str) -> Option<u64> {
    let text = name.strip_prefix("open-")?;
    let epoch: u64 = text.parse().ok().filter(|epoch| *epoch < i64::MAX as u64)?;
    (epoch.to_string() == text).then_some(epoch)
}

fn create(path: &Path) -> io::Result<()> {
    OpenOptions::new().write(true).create_new(true).open(path).map(drop)
}

fn exists(path: &Path) -> io::Result<bool> {
    path.try_exists()
}

/// Time since the file was written; one from the future counts as old by as much.
fn age(path: &Path) -> io::Result<Duration> {
    let written = fs::metadata(path)?.modified()?;
    Ok(SystemTime::now().duration_since(written).unwrap_or_else(|ahead| ahead.duration()))
}

fn ignore_existing(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        other => other,
    }
}

fn ignore_missing(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    const SHORT: LeaseTimes = LeaseTimes { hold: Duration::from_millis(300), takeover: Duration::from_millis(600) };

    struct Place(PathBuf);

    impl Place {
        fn new(name: &str) -> Place {
            let base = if cfg!(target_os = "wasi") { PathBuf::from(".") } else { std::env::temp_dir() };
            let dir = base.join(format!("lease-{name}-{:?}", SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)));
            fs::create_dir(&dir).unwrap();
            Place(dir)
        }

        fn lease(&self, kept: Kept) -> Lease {
            Lease::new(&self.0.join("a.db"), kept, SHORT)
        }
    }

    impl Drop for Place {
        fn drop(&mut self) {
            fs::remove_dir_all(&self.0).ok();
        }
    }

    /// Tries for longer than a takeover takes.
    fn acquire(lease: &mut Lease) -> Duration {
        let started = Instant::now();
        while !lease.try_acquire().unwrap() {
            assert!(started.elapsed() < Duration::from_secs(10), "never");
            std::thread::sleep(Duration::from_millis(5));
        }
        started.elapsed()
    }

    #[test]
    fn one_holder_at_a_time_and_the_next_after_its_release() {
        let place = Place::new("one");
        let (mut first, mut second) = (place.lease(Kept::PerTransaction), place.lease(Kept::PerTransaction));
        assert!(second.check().is_err(), "what was never held can not be written under");
        assert!(first.try_acquire().unwrap());
        first.check().unwrap();
        assert!(!second.try_acquire().unwrap());
        first.release();
        assert!(second.try_acquire().unwrap());
        second.check().unwrap();
        assert!(!first.try_acquire().unwrap());
    }

    #[test]
    fn an_abandoned_lock_is_taken_over_and_its_holder_is_fenced_for_good() {
        let place = Place::new("stale");
        let (mut dead, mut next) = (place.lease(Kept::PerTransaction), place.lease(Kept::PerTransaction));
        assert!(dead.try_acquire().unwrap());
        assert!(acquire(&mut next) > SHORT.hold);
        let why = dead.check().unwrap_err().to_string();
        assert!(why.contains("too long"), "{why}");
        dead.release();
        assert!(dead.try_acquire().is_err());
        next.check().unwrap();
        next.release();
        assert!(place.lease(Kept::PerTransaction).try_acquire().unwrap());
    }

    #[test]
    fn who_opens_last_is_the_owner() {
        let place = Place::new("owner");
        let (mut first, mut second) = (place.lease(Kept::ByOwner), place.lease(Kept::ByOwner));
        assert!(first.try_acquire().unwrap());
        first.begin();
        first.check().unwrap();
        assert!(acquire(&mut second) >= GRACE / 2);
        first.begin();
        assert!(first.check().unwrap_err().to_string().contains("took the database over"));
        second.begin();
        second.check().unwrap();
        second.release();
        assert!(acquire(&mut place.lease(Kept::PerTransaction)) < SHORT.takeover);
    }

    #[test]
    fn an_owner_outlives_the_times_of_transactions() {
        let place = Place::new("idle");
        let mut owner = place.lease(Kept::ByOwner);
        assert!(owner.try_acquire().unwrap());
        std::thread::sleep(SHORT.hold * 2);
        owner.begin();
        owner.check().unwrap();
    }
    /// Whoever can make files in the directory can stop the store, but not end the program.
    #[test]
    fn names_that_no_instance_makes_are_no_epochs() {
        let place = Place::new("names");
        let dir = place.0.join("a.db-lease");
        fs::create_dir(&dir).unwrap();
        for name in ["open-18446744073709551615", "open-9223372036854775807", "open-+5", "open-05", "open-5 ", "open-"]
        {
            create(&dir.join(name)).unwrap();
        }
        let mut lease = place.lease(Kept::PerTransaction);
        assert!(lease.try_acquire().unwrap());
        assert!(dir.join("held-0").exists());
        lease.check().unwrap();
    }
}
