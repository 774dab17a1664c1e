//! Appending and erasing, in both modes.

use std::time::Instant;

use secure_log::store::{Row, RowKind, StoreError, Want};
use secure_log::types::StreamId;

use crate::file::Overlay;
use crate::lease::{HOLD, LEASE, Lease};
use crate::line::{self, Commit, Covered, Intent};
use crate::log::{Block, Log};
use crate::replay::Rest;
use crate::shared::{Linked, SWEEP_EVERY, append_of};
use crate::store::Open;

/// What is appended: rows, or an erase intent.
enum Batch<'a> {
    Rows(&'a [Row]),
    Erase(&'a Intent),
}

/// An append, rendered for one place in the log.
struct Rendered {
    block: Block,
    commit: Commit,
    covered: Covered,
}

impl Open {
    /// See `Store::append`; the limits are already checked.
    pub(crate) fn append(&mut self, rows: &[Row], want: Want) -> Result<(), StoreError> {
        if rows.is_empty() {
            return match &self.log.damage {
                Some(why) => Err(StoreError::Corrupt(why.clone())),
                None if want == Want::Synced && !self.is_read_only() => self.sync(),
                None => Ok(()),
            };
        }
        self.check_read_only()?;
        self.commit(&Batch::Rows(rows), want)
    }

    /// See `Store::erase`: intent, sync, overwrite, sync. The intent holds the line to write, so a crash at
    /// any point is finished by whoever opens or appends next.
    pub(crate) fn erase(&mut self, kind: RowKind, stream: &StreamId, index: u64) -> Result<(), StoreError> {
        self.check_read_only()?;
        self.refresh()?;
        if index >= self.log.count(kind, stream) {
            return Err(StoreError::Invalid(format!("no {} row {index} in {stream} to erase", kind.as_str())));
        }
        self.finish_erasing()?;
        let stored = self.stored(kind, stream, index)?;
        if stored.row.payload.is_none() {
            return Ok(());
        }
        let row = Row { payload: None, ..stored.row };
        let intent = Intent { at: stored.at, length: stored.length, row };
        self.commit(&Batch::Erase(&intent), Want::Synced)?;
        self.finish_erasing()
    }

    /// Carries out the intent of the last append; nothing to do in the steady state. Where nothing is written it is
    /// kept and the line is read as if it were carried out: half of it may be overwritten already.
    pub(crate) fn finish_erasing(&mut self) -> Result<(), StoreError> {
        if self.file.check_writable().is_err() {
            let overlay = match &self.log.intent {
                Some(intent) => Some(Overlay { at: intent.at, length: intent.length, line: self.erased_line(intent)? }),
                None => None,
            };
            self.file.overlay(overlay);
            return Ok(());
        }
        let Some(intent) = self.log.intent.take() else { return Ok(()) };
        let mut erased = self.erased_line(&intent)?;
        erased.resize(intent.length as usize - 1, b' ');
        erased.push(b'\n');
        let mut found = vec![0u8; erased.len()];
        self.file.read_at(intent.at, &mut found)?;
        if found != erased {
            // Another's intent may not be durable yet: a crash must not leave half of what it orders without it.
            if self.log.durable < self.log.end {
                self.sync()?;
            }
            self.file.write_at(intent.at, &erased)?;
        }
        if let Some(commits) = &self.commits {
            commits.erase(&intent, &erased)?;
        }
        self.sync()
    }

    /// The line that `intent` orders, without the padding and line feed that make it as long as the one it replaces.
    fn erased_line(&self, intent: &Intent) -> Result<Vec<u8>, StoreError> {
        let mut erased = Vec::new();
        line::row(&mut erased, &intent.row);
        erased.pop();
        let room = usize::try_from(intent.length).unwrap_or(0).saturating_sub(1);
        let beyond = intent.length > line::MAX_LINE as u64 || intent.at.saturating_add(intent.length) > self.log.end;
        if erased.len() > room || beyond {
            let why = format!("an erase intent names bytes {} that are not its row's", intent.at);
            return Err(StoreError::Corrupt(why));
        }
        Ok(erased)
    }

    fn check_read_only(&self) -> Result<(), StoreError> {
        if self.is_read_only() { Err(StoreError::read_only()) } else { Ok(()) }
    }

    fn sync(&mut self) -> Result<(), StoreError> {
        self.file.check_writable()?;
        let end = self.log.end;
        self.file.sync()?;
        self.log.durable = self.log.durable.max(end);
        Ok(())
    }

    fn commit(&mut self, batch: &Batch, want: Want) -> Result<(), StoreError> {
        self.file.check_writable()?;
        // Whoever appended before may have ended without having said that it is durable: what no commit vouches for
        // could be lost and taken for the rest of an append that never returned.
        if self.log.durable < self.opened_at {
            self.sync()?;
        }
        match self.commits {
            Some(_) => self.commit_shared(batch)?,
            None => self.commit_owned(batch, want)?,
        }
        self.index.save_if_due(&mut self.log, &mut self.file);
        Ok(())
    }

    /// One write, and one sync if asked for.
    fn commit_owned(&mut self, batch: &Batch, want: Want) -> Result<(), StoreError> {
        let lease = Lease::claim(&self.config.path, &mut self.file.stats)?;
        self.cut_torn()?;
        self.finish_erasing()?;
        let rendered = self.render(batch, 0)?;
        lease.check()?;
        // A crash in this write leaves a torn append; after it, an append that was not answered.
        self.file.write_at(self.log.end, &self.block)?;
        drop(lease);
        self.take_over(rendered);
        if want == Want::Synced { self.sync() } else { Ok(()) }
    }

    /// A token (one write, one sync), a link, then one write and one sync of the log.
    fn commit_shared(&mut self, batch: &Batch) -> Result<(), StoreError> {
        let begin = Instant::now();
        while begin.elapsed() < 2 * LEASE {
            let attempt = Instant::now();
            let rest = self.refresh()?;
            if self.copy_linked(attempt)? {
                continue;
            }
            let torn = match rest {
                Rest::Clean => 0,
                Rest::Torn(bytes) => bytes,
                Rest::Damaged(why) => return Err(StoreError::Corrupt(why)),
            };
            self.finish_erasing()?;
            let rendered = self.render(batch, torn)?;
            let (n, at) = (rendered.commit.n, rendered.covered.at);
            let Some(commits) = &self.commits else { break };
            if attempt.elapsed() > HOLD || !commits.link(n, at, &self.block, &mut self.file.stats)? {
                continue;
            }
            // A crash from here on is finished by the next writer.
            if self.file.size()? == at + torn && attempt.elapsed() < HOLD {
                self.file.write_at(at, &self.block)?;
                self.take_over(rendered);
            } else {
                self.refresh()?;
                // Copying is idempotent, so each round has a time of its own; together they have an end.
                while self.log.commits <= n && begin.elapsed() < 2 * LEASE && self.copy_linked(Instant::now())? {}
                let mut found = vec![0u8; self.block.len()];
                self.file.read_at(at, &mut found)?;
                if self.log.commits <= n || found != self.block {
                    // The log had its append n already: this link is void.
                    if let Some(commits) = &self.commits {
                        commits.withdraw(n);
                    }
                    continue;
                }
            }
            if torn > 0 {
                self.report_torn(at, torn, "dropped");
            }
            self.sync()?;
            if let (0, Some(commits)) = (n % SWEEP_EVERY, &self.commits) {
                commits.sweep(self.log.commits);
            }
            return Ok(());
        }
        Err(StoreError::Unavailable("other writers did not let this one in".into()))
    }

    /// Copies the append that is linked but not yet in the log; says whether there was one.
    fn copy_linked(&mut self, attempt: Instant) -> Result<bool, StoreError> {
        let n = self.log.commits;
        let Some(commits) = &self.commits else { return Ok(false) };
        let Some(token) = commits.linked(n)? else { return Ok(false) };
        let linked = append_of(&token).filter(|linked| linked.commit.n == n && linked.at == self.log.end);
        let Some(Linked { append, .. }) = linked else {
            commits.withdraw_if_old(n);
            std::thread::sleep(std::time::Duration::from_millis(5));
            return Ok(true);
        };
        self.refresh()?;
        if self.log.commits == n && attempt.elapsed() < HOLD {
            self.file.write_at(self.log.end, append)?;
            self.refresh()?;
        }
        Ok(true)
    }

    /// Renders `batch` into `self.block` as the next append, its commit line padded to cover `torn` bytes.
    fn render(&mut self, batch: &Batch, torn: u64) -> Result<Rendered, StoreError> {
        let Open { log, block: out, .. } = self;
        out.clear();
        let mut block = Block::default();
        match batch {
            Batch::Rows(rows) => {
                for row in *rows {
                    block.row(row, log.end + out.len() as u64);
                    line::row(out, row);
                }
            }
            Batch::Erase(intent) => {
                line::erase(out, intent);
                block.erase((*intent).clone());
            }
        }
        let (commit, covered) = log.closing(&block).ok_or(StoreError::Conflict)?;
        line::commit(out, &commit);
        if (out.len() as u64) < torn {
            out.pop();
            out.resize(torn as usize - 1, b' ');
            out.push(b'\n');
        }
        Ok(Rendered { block, commit, covered })
    }

    fn take_over(&mut self, rendered: Rendered) {
        let end = self.log.end + self.block.len() as u64;
        let log: &mut Log = &mut self.log;
        log.apply(rendered.block, &rendered.commit, rendered.covered, end);
        if self.block.capacity() > 8 << 20 {
            self.block = Vec::new();
        }
    }
}
