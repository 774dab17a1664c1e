//! `export --tiles`: the signed tree of a stream as static files, c2sp.org/tlog-tiles; see `secure_log::tiles`.
//!
//! # What a crash leaves
//! Bundles and tiles are written first, then payloads, the checkpoint last, each to a temporary name, synced and
//! renamed, and directories are synced before the checkpoint. So a checkpoint never speaks of files that are not
//! there. What lies beyond the published size belongs to nobody: the next run replaces it where it differs.
//!
//! # What is checked
//! 1. Before anything is written: the newest checkpoint (by the policy, if there is one) continues the published
//!    one, and the entries of its last bundle, hashed again over the published tiles, give the published root.
//! 2. Every entry is encoded and hashed here. A file that the published checkpoint covers is never replaced.
//! 3. Before the checkpoint is written, the root of all tiles is its root.
//!
//! The left part of the published tree is not read again: `scripts/recompute-root.sh` reads all of it.

mod folder;
mod payloads;

use secure_log::merkle::verify_consistency;
use secure_log::note::Checkpoint;
use secure_log::proof_file::TrustedCheckpoint;
use secure_log::tiles::{Builder, Tile};
use secure_log::types::{Detail, Digest, LogName, StreamId};
use serde_json::json;

use crate::args::{Common, Export};
use crate::console::Console;
use crate::evidence::path;
use crate::failure::Failure;
use crate::read::PAGE;
use crate::seal::{parse_checkpoint, signed_note};
use crate::service::Service;
use crate::show::Shown;
use folder::Folder;

/// The published checkpoint's file.
const CHECKPOINT: &str = "checkpoint";

/// Publishes up to the newest signed checkpoint.
pub fn export(
    common: &Common,
    what: &Export,
    log: &mut impl Service,
    console: &mut Console<'_>,
) -> Result<(), Failure> {
    let stream = common.stream()?;
    let named = |failure: Failure| failure.after(&format!("export of {stream} to {}: ", what.tiles.display()));
    let text = signed_note(stream, None, log).map_err(named)?;
    let (note, target) = parse_checkpoint(&text)?;
    LogName::of_origin(&target.origin, &StreamId::try_from(stream).map_err(|error| Failure::usage(error.0))?)?;
    if let Some((policy, _)) = common.policy_if_given()? {
        TrustedCheckpoint::open(&note, &policy).map_err(Failure::from).map_err(named)?;
    }
    let mut folder = Folder::open(&what.tiles)?;
    let mut pass = Pass::begin(stream, &target, &mut folder, log).map_err(named)?;
    pass.run(log, console).map_err(named)?;
    let written = pass.written;
    if what.payloads {
        payloads::publish(stream, target.size, &mut folder, log, console).map_err(named)?;
    }
    folder.sync()?;
    // A crash before this line leaves the older checkpoint over files that it does not speak of.
    if folder.read(CHECKPOINT, text.len() + 1)?.as_deref() != Some(text.as_bytes()) {
        folder.put(CHECKPOINT, text.as_bytes())?;
        folder.sync()?;
    }
    if what.payloads {
        payloads::sweep(target.size, &folder)?;
    }
    let done = || {
        format!(
            "published {} entries of {} in {}: {written} new files",
            target.size,
            target.origin,
            what.tiles.display()
        )
    };
    let value =
        || json!({ "origin": target.origin, "size": target.size, "root": target.root.to_hex(), "new-files": written });
    console.say(done, value)
}

/// One pass over the entries that are not published yet.
struct Pass<'a> {
    stream: &'a str,
    target: &'a Checkpoint,
    folder: &'a mut Folder,
    builder: Builder,
    /// What the folder's checkpoint says; the empty tree if there is none.
    published: (u64, Digest),
    written: u64,
}

impl<'a> Pass<'a> {
    /// Compares what is published with what is to be, and loads the right edge.
    fn begin(
        stream: &'a str,
        target: &'a Checkpoint,
        folder: &'a mut Folder,
        log: &mut impl Service,
    ) -> Result<Pass<'a>, Failure> {
        let mut builder = Builder::new();
        let mut published = (0, builder.root());
        if let Some(bytes) = folder.read(CHECKPOINT, secure_log::note::MAX_NOTE)? {
            let text =
                String::from_utf8(bytes).map_err(|_| Failure::finding("the published checkpoint is not UTF-8"))?;
            let (_, before) = parse_checkpoint(&text).map_err(|failure| failure.after("the published checkpoint: "))?;
            consistent(stream, &before, target, log)?;
            published = (before.size, before.root);
            builder = Builder::resume(before.size / u64::from(secure_log::tiles::FULL), folder)?;
        }
        let pass = Pass { stream, target, folder, builder, published, written: 0 };
        pass.agree()?;
        Ok(pass)
    }

    /// At the published size the tiles, and the entries hashed on top of them, must have the published root.
    fn agree(&self) -> Result<(), Failure> {
        match self.builder.size() == self.published.0 && self.builder.root() != self.published.1 {
            true => Err(Failure::finding("the published files and the log's entries do not give the published root")),
            false => Ok(()),
        }
    }

    fn run(&mut self, log: &mut impl Service, console: &mut Console<'_>) -> Result<(), Failure> {
        while self.builder.size() < self.target.size {
            let left = u32::try_from(self.target.size - self.builder.size()).unwrap_or(u32::MAX);
            let page = log.read_since(self.stream, self.builder.size(), left.min(PAGE))?;
            if page.is_empty() {
                return Err(Failure::finding(format!("the log does not give entry {}", self.builder.size())));
            }
            for entry in page {
                self.entry(&Shown::new(entry)?)?;
            }
            console.progress("entries", self.builder.size(), Some(self.target.size));
        }
        match self.builder.root() == self.target.root {
            true => Ok(()),
            false => {
                Err(Failure::finding("the entries do not give the root of the newest checkpoint; it was not published"))
            }
        }
    }

    fn entry(&mut self, shown: &Shown) -> Result<(), Failure> {
        let seqno = self.builder.size();
        if shown.entry.seqno != seqno || shown.entry.stream_id.as_str() != self.stream {
            return Err(Failure::finding(format!("asked for entry {seqno}, the log gave another")));
        }
        let mut full = Vec::new();
        self.builder.push(&shown.body, |tile, bytes| {
            full.push((tile, bytes.to_vec()));
            Ok::<(), Failure>(())
        })?;
        for (tile, bytes) in full {
            self.put(tile, &bytes)?;
        }
        self.agree()?;
        let size = self.builder.size();
        if size <= self.published.0 {
            return Ok(());
        }
        if let Some(Detail::Erased { ranges, .. }) = &shown.entry.event.detail {
            payloads::erase(ranges, size, self.folder)?;
        }
        // A seal is what a checkpoint is made of, and seals up to the newest checkpoint are all signed.
        if matches!(shown.entry.event.detail, Some(Detail::SegmentSealed(_))) || size == self.target.size {
            for (tile, bytes) in self.builder.partials() {
                if !tile.superseded(self.target.size) {
                    self.put(tile, &bytes)?;
                }
            }
        }
        Ok(())
    }

    /// Writes a file unless it is there.
    fn put(&mut self, tile: Tile, bytes: &[u8]) -> Result<(), Failure> {
        let path = tile.path();
        match self.folder.read(&path, bytes.len() + 1)? {
            Some(there) if there == bytes => return Ok(()),
            Some(_) if tile.end() <= self.published.0 => {
                return Err(Failure::finding(format!("{path} is published and is not what the log's entries give")));
            }
            _ => {}
        }
        self.folder.put(&path, bytes)?;
        self.written += 1;
        Ok(())
    }
}

/// Whether `after` continues the published `before`, by a proof of the log that is checked here.
fn consistent(stream: &str, before: &Checkpoint, after: &Checkpoint, log: &mut impl Service) -> Result<(), Failure> {
    let refuse = |why: String| Err(Failure::finding(format!("{why}; nothing was changed")));
    if before.origin != after.origin {
        return refuse(format!("the folder publishes {}", before.origin));
    }
    if before.size > after.size {
        return refuse(format!(
            "{} entries are published, the log's newest checkpoint has {}",
            before.size, after.size
        ));
    }
    let proof = log.build_consistency_proof(stream, before.size, after.size)?;
    match verify_consistency(before.size, after.size, &path(&proof.path)?, &before.root, &after.root) {
        true => Ok(()),
        false => refuse(format!(
            "the log's checkpoint of {} entries does not continue the published one of {}",
            after.size, before.size
        )),
    }
}
