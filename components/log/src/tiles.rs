//! The tree as static files: names and contents of the C2SP tlog-tiles layout (c2sp.org/tlog-tiles).
//!
//! ```text
//! checkpoint                              the signed note of the published size
//! tile/<L>/<N>[.p/<W>]                    W hashes of 32 bytes: subtrees of 256^L leaves, from N * 256 on
//! tile/entries/<N>[.p/<W>]                W entries from N * 256 on: length (u16 BE) || entry
//! payloads/<N>[.p/<W>]                    W payloads, ours: length (u32 BE) || salt || payload; 0: none or erased
//! ```
//!
//! N in groups of three digits, all but the last after an `x` (1234067 is `x001/x234/067`). Full files have
//! 256 items and no suffix, partial ones 1 to 255. Level L holds what rows `node<L>` hold, level 0 the leaves.
//!
//! Not here: files, directories, fetching; proofs over tiles are those of `merkle`, which reads any
//! [`merkle::Tiles`](crate::merkle::Tiles).

use crate::error::Invalid;
use crate::merkle::{Frontier, LEVELS, MAX_HEIGHT, TILE, Tiles, leaf_hash};
use crate::types::{Digest, MAX_ENTRY, MAX_PAYLOAD};

/// Items of a full file.
pub const FULL: u16 = TILE as u16;
/// Levels that a tree of 2^63-1 leaves has hashes at: 0 to 7, of which the last is never full.
const TILE_LEVELS: usize = MAX_HEIGHT as usize + 1;
/// Longest stored payload: a salt of 16 bytes before it.
const MAX_STORED: usize = MAX_PAYLOAD + 16;

/// What a file of the layout holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Content {
    /// Entry bodies.
    Entries,
    /// Hashes at this level, 0 to 7.
    Hashes(u8),
    /// Salted payloads, beside the layout and not part of it.
    Payloads,
}

/// A file of the layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tile {
    /// Of what.
    pub content: Content,
    /// Position at its level.
    pub index: u64,
    /// Items, 1 to 256.
    pub width: u16,
}

impl Tile {
    /// The full file at `index`.
    pub fn full(content: Content, index: u64) -> Tile {
        Tile { content, index, width: FULL }
    }

    /// The last, not full file of a tree of `size` leaves; none when its files are all full.
    pub fn partial(content: Content, size: u64) -> Option<Tile> {
        let items = items(content, size);
        let width = (items % TILE) as u16;
        (width > 0).then_some(Tile { content, index: items / TILE, width })
    }

    /// Leaves of the smallest tree that has this file.
    pub fn end(&self) -> u64 {
        let items = self.index.saturating_mul(TILE).saturating_add(u64::from(self.width));
        match self.content {
            Content::Hashes(level) => items.saturating_mul(1_u64.checked_shl(u32::from(level) * LEVELS).unwrap_or(0)),
            Content::Entries | Content::Payloads => items,
        }
    }

    /// Whether a tree of `size` leaves has the full file in the place of this one.
    pub fn superseded(&self, size: u64) -> bool {
        self.width < FULL && items(self.content, size) / TILE > self.index
    }

    /// The name below the log's prefix, with `/` between its parts.
    pub fn path(&self) -> String {
        let folder = match self.content {
            Content::Entries => "tile/entries".to_owned(),
            Content::Hashes(level) => format!("tile/{level}"),
            Content::Payloads => "payloads".to_owned(),
        };
        let mut groups = format!("{:03}", self.index % 1000);
        let mut rest = self.index / 1000;
        while rest > 0 {
            groups = format!("x{:03}/{groups}", rest % 1000);
            rest /= 1000;
        }
        match self.width {
            FULL => format!("{folder}/{groups}"),
            width => format!("{folder}/{groups}.p/{width}"),
        }
    }
}

/// Items at the level of `content` in a tree of `size` leaves.
fn items(content: Content, size: u64) -> u64 {
    match content {
        Content::Hashes(level) => size.checked_shr(u32::from(level) * LEVELS).unwrap_or(0),
        Content::Entries | Content::Payloads => size,
    }
}

/// The bytes of a hash tile.
pub fn write_hashes(hashes: &[Digest]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| hash.0).collect()
}

/// The hashes of a tile of this width.
///
/// # Errors
/// `Invalid` for any other number of bytes.
pub fn read_hashes(bytes: &[u8], width: u16) -> Result<Vec<Digest>, Invalid> {
    if bytes.len() != usize::from(width) * 32 {
        return Err(Invalid(format!(
            "a tile of {width} hashes has {} bytes, not {}",
            usize::from(width) * 32,
            bytes.len()
        )));
    }
    bytes.chunks(32).map(Digest::try_from).collect()
}

/// Appends an entry to a bundle.
///
/// # Errors
/// `Invalid` when it is longer than 65,535 bytes, which no canonical entry is.
pub fn push_entry(bundle: &mut Vec<u8>, entry: &[u8]) -> Result<(), Invalid> {
    let length = u16::try_from(entry.len())
        .map_err(|_| Invalid(format!("an entry has {} bytes, at most {MAX_ENTRY}", entry.len())))?;
    bundle.extend_from_slice(&length.to_be_bytes());
    bundle.extend_from_slice(entry);
    Ok(())
}

/// The entries of a bundle of this width.
///
/// # Errors
/// `Invalid` unless there are exactly `width`, and nothing after them.
pub fn read_entries(bundle: &[u8], width: u16) -> Result<Vec<&[u8]>, Invalid> {
    let cut = || Invalid(format!("the bundle is not that of {width} entries"));
    let mut entries = Vec::with_capacity(usize::from(width));
    let mut rest = bundle;
    for _ in 0..width {
        let (length, after) = rest.split_first_chunk::<2>().ok_or_else(cut)?;
        let (entry, after) = after.split_at_checked(usize::from(u16::from_be_bytes(*length))).ok_or_else(cut)?;
        entries.push(entry);
        rest = after;
    }
    if rest.is_empty() { Ok(entries) } else { Err(cut()) }
}

/// What stands before a payload (`salt || payload`) in a payload file; absent: none was logged, or it was erased.
pub fn payload_length(stored: Option<&[u8]>) -> [u8; 4] {
    (stored.map_or(0, <[u8]>::len) as u32).to_be_bytes()
}

/// Bytes of the payload after this length.
///
/// # Errors
/// `Invalid` for more than a payload may have.
pub fn payload_bytes(length: [u8; 4]) -> Result<usize, Invalid> {
    match u32::from_be_bytes(length) as usize {
        bytes @ 0..=MAX_STORED => Ok(bytes),
        bytes => Err(Invalid(format!("a stored payload has {bytes} bytes, at most {MAX_STORED}"))),
    }
}

/// Makes the files of a growing tree: full ones as an entry completes them, partial ones when asked.
///
/// Memory: one bundle (256 entries, at most 16 MiB) and one tile a level.
///
/// # Invariants
/// 1. `edges[l]` holds the hashes of level l that stand in no full tile yet: `size / 256^l mod 256`.
/// 2. `bundle` holds the entries whose hashes are `edges[0]`.
#[derive(Clone, Debug, Default)]
pub struct Builder {
    frontier: Frontier,
    edges: [Vec<Digest>; TILE_LEVELS],
    bundle: Vec<u8>,
}

impl Builder {
    /// Of the empty tree.
    pub fn new() -> Builder {
        Builder::default()
    }

    /// Of the first `bundles * 256` leaves, from published tiles; at most two tile reads a level. As true as
    /// these: compare [`Builder::root`] once the published size is reached.
    ///
    /// # Errors
    /// Those of `tiles`.
    pub fn resume<T: Tiles>(bundles: u64, tiles: &mut T) -> Result<Builder, T::Error> {
        let size = bundles << LEVELS;
        let mut builder = Builder { frontier: Frontier::load(size, tiles)?, ..Builder::default() };
        for (level, edge) in (0..).zip(&mut builder.edges) {
            if let Some(Tile { index, width, .. }) = Tile::partial(Content::Hashes(level), size) {
                *edge = tiles.tile(level, index, width)?;
            }
        }
        Ok(builder)
    }

    /// Leaves so far.
    pub fn size(&self) -> u64 {
        self.frontier.size()
    }

    /// Their root.
    pub fn root(&self) -> Digest {
        self.frontier.root()
    }

    /// Appends an entry; `write` gets every file it completes, the bundle first, then tiles from level 0 up.
    /// After an error the builder is of no more use.
    ///
    /// # Errors
    /// Those of `write`, and `Invalid` for an entry longer than 65,535 bytes.
    pub fn push<E: From<Invalid>>(
        &mut self,
        entry: &[u8],
        mut write: impl FnMut(Tile, &[u8]) -> Result<(), E>,
    ) -> Result<Digest, E> {
        push_entry(&mut self.bundle, entry)?;
        let leaf = leaf_hash(entry);
        let [leaves, nodes @ ..] = &mut self.edges;
        leaves.push(leaf);
        self.frontier.push(leaf, |height, _, hash| {
            if let Some(edge) = nodes.get_mut(usize::from(height) - 1) {
                edge.push(hash);
            }
        });
        let size = self.size();
        if size.is_multiple_of(TILE) {
            write(Tile::full(Content::Entries, size / TILE - 1), &self.bundle)?;
            self.bundle.clear();
        }
        for (level, edge) in (0..).zip(&mut self.edges) {
            if edge.len() < usize::from(FULL) {
                break;
            }
            let content = Content::Hashes(level);
            write(Tile::full(content, items(content, size) / TILE - 1), &write_hashes(edge))?;
            edge.clear();
        }
        Ok(leaf)
    }

    /// The partial files of this size, the bundle first, then tiles from level 0 up.
    pub fn partials(&self) -> Vec<(Tile, Vec<u8>)> {
        let bundle = Tile::partial(Content::Entries, self.size()).map(|tile| (tile, self.bundle.clone()));
        let tiles = (0..).zip(&self.edges).filter_map(|(level, edge)| {
            Some((Tile::partial(Content::Hashes(level), self.size())?, write_hashes(edge)))
        });
        bundle.into_iter().chain(tiles).collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeMap;

    use super::*;
    use crate::merkle::{consistency_path, inclusion_path, root, verify_consistency, verify_inclusion};

    /// A published log: names and contents.
    #[derive(Clone, Default)]
    struct Files(BTreeMap<String, Vec<u8>>);

    impl Files {
        fn put(&mut self, tile: Tile, bytes: &[u8]) {
            let before = self.0.insert(tile.path(), bytes.to_vec());
            assert!(before.is_none_or(|before| before == bytes), "{} was rewritten", tile.path());
        }
    }

    impl Tiles for Files {
        type Error = Invalid;
        fn tile(&mut self, height: u8, index: u64, width: u16) -> Result<Vec<Digest>, Invalid> {
            let path = Tile { content: Content::Hashes(height), index, width }.path();
            read_hashes(self.0.get(&path).ok_or_else(|| Invalid(format!("no {path}")))?, width)
        }
    }

    fn entry(index: u64) -> Vec<u8> {
        format!("entry {index}").into_bytes()
    }

    fn grow(builder: &mut Builder, files: &mut Files, size: u64) {
        for index in builder.size()..size {
            let write = |tile, bytes: &[u8]| {
                files.put(tile, bytes);
                Ok::<(), Invalid>(())
            };
            assert_eq!(builder.push(&entry(index), write).unwrap(), leaf_hash(&entry(index)));
        }
        builder.partials().iter().for_each(|(tile, bytes)| files.put(*tile, bytes));
    }

    #[test]
    fn names_are_those_of_the_specification() {
        let hashes = |level, index, width| Tile { content: Content::Hashes(level), index, width }.path();
        assert_eq!(hashes(0, 1_234_067, FULL), "tile/0/x001/x234/067");
        assert_eq!(hashes(3, 0, 1), "tile/3/000.p/1");
        assert_eq!(hashes(1, 999, 255), "tile/1/999.p/255");
        assert_eq!(hashes(7, 1000, FULL), "tile/7/x001/000");
        assert_eq!(Tile::full(Content::Entries, 5).path(), "tile/entries/005");
        let above = Tile::partial(Content::Hashes(1), 70_000).unwrap();
        assert_eq!((above.end(), Tile::full(Content::Hashes(1), 0).end()), (273 * 256, 65_536));
        assert!(!above.superseded(131_071) && above.superseded(131_072));
        assert_eq!(Tile::partial(Content::Payloads, 70_000).unwrap().path(), "payloads/273.p/112");
    }

    /// The specification: "a tree of size 70,000 will be represented by 273 full level 0 tiles, one partial
    /// level 0 tile of width 112, one full level 1 tile, one partial level 1 tile of width 17, and one partial
    /// level 2 tile of width 1", and one of 256 by a full tile and a partial one of width 1 above it.
    #[test]
    fn the_example_sizes_of_the_specification_have_its_tiles() {
        let (mut builder, mut files) = (Builder::new(), Files::default());
        grow(&mut builder, &mut files, 256);
        let names: Vec<_> = files.0.keys().map(String::as_str).collect();
        assert_eq!(names, ["tile/0/000", "tile/1/000.p/1", "tile/entries/000"]);
        let (mut builder, mut files) = (Builder::new(), Files::default());
        grow(&mut builder, &mut files, 70_000);
        let count = |folder: &str, partial: bool| {
            files.0.keys().filter(|name| name.starts_with(folder) && name.contains(".p/") == partial).count()
        };
        assert_eq!((count("tile/0/", false), count("tile/1/", false), count("tile/2/", false)), (273, 1, 0));
        assert_eq!((count("tile/entries/", false), count("tile/", true)), (273, 4));
        for (name, bytes) in [("tile/0/273.p/112", 112 * 32), ("tile/1/001.p/17", 17 * 32), ("tile/2/000.p/1", 32)] {
            assert_eq!(files.0[name].len(), bytes, "{name}");
        }
        let bundle = read_entries(&files.0["tile/entries/273.p/112"], 112).unwrap();
        assert_eq!(bundle.last(), Some(&entry(69_999).as_slice()));
    }

    #[test]
    fn proofs_over_published_tiles_verify_and_a_resumed_log_grows_to_the_same_files() {
        let (mut builder, mut files) = (Builder::new(), Files::default());
        let mut before = (0, builder.root());
        for size in [1, 2, 255, 256, 257, 300, 512, 700, 65_536, 65_537, 66_000] {
            let mut resumed = Builder::resume(builder.size() / 256, &mut files).unwrap();
            let mut twin = files.clone();
            grow(&mut builder, &mut files, size);
            grow(&mut resumed, &mut twin, size);
            assert!(files.0 == twin.0, "resumed before {size}");
            let expected = builder.root();
            assert_eq!((root(size, &mut files).unwrap(), resumed.root()), (expected, expected), "{size}");
            for seqno in [0, size / 2, size - 1] {
                let path = inclusion_path(seqno, size, &mut files).unwrap();
                assert!(verify_inclusion(&leaf_hash(&entry(seqno)), seqno, size, &path, &expected));
            }
            let path = consistency_path(before.0, size, &mut files).unwrap();
            assert!(verify_consistency(before.0, size, &path, &before.1, &expected));
            before = (size, expected);
        }
    }

    #[test]
    fn a_file_that_is_cut_or_longer_than_its_width_is_refused() {
        let mut bundle = Vec::new();
        push_entry(&mut bundle, b"one").unwrap();
        push_entry(&mut bundle, b"").unwrap();
        assert_eq!(bundle, b"\0\x03one\0\0");
        assert_eq!(read_entries(&bundle, 2).unwrap(), [&b"one"[..], b""]);
        assert!(read_entries(&bundle, 1).is_err() && read_entries(&bundle, 3).is_err());
        (0..bundle.len()).for_each(|cut| assert!(read_entries(&bundle[..cut], 2).is_err(), "{cut}"));
        assert!(read_hashes(&[0; 64], 2).is_ok() && read_hashes(&[0; 63], 2).is_err());
        assert!(push_entry(&mut bundle, &vec![0; MAX_ENTRY + 1]).is_err());
        assert_eq!(payload_bytes(payload_length(Some(&[7; 20]))), Ok(20));
        assert_eq!(payload_bytes(payload_length(None)), Ok(0));
        assert!(payload_bytes([1, 0, 0, 0]).is_err());
    }
}
