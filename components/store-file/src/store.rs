//! The provider: `init` and the rules that hold for every call. Reading is in `read`, writing in `write`.

use secure_log::store::{Row, RowKind, Store, StoreError, Want, check_batch};
use secure_log::types::StreamId;

use crate::config::{Config, Mode};
use crate::file::{LogFile, Stats, sync_directory};
use crate::index::Index;
use crate::lease::Lease;
use crate::line::HEADER;
use crate::log::Log;
use crate::read::{Answer, Reader, Stored};
use crate::replay::{Rest, replay};
use crate::shared::Commits;
use crate::window::Window;

/// What `init` found behind the last commit, and cut off; opened read-only, and left there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovered {
    /// Offset of its first byte.
    pub at: u64,
    /// How many bytes. They are part of an append that has not returned.
    pub bytes: u64,
}

/// Rows in a file of JSON lines. See the crate's documentation.
#[derive(Debug, Default)]
pub struct FileStore {
    state: State,
    stats: Stats,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Closed,
    Open(Box<Open>),
    /// The first failure of the medium; every call answers it until `init`.
    Failed(StoreError),
}

/// An open log.
#[derive(Debug)]
pub(crate) struct Open {
    pub(crate) config: Config,
    pub(crate) file: LogFile,
    pub(crate) log: Log,
    pub(crate) index: Index,
    pub(crate) commits: Option<Commits>,
    pub(crate) window: Window,
    /// Lines of the append that is being made; kept for its capacity.
    pub(crate) block: Vec<u8>,
    pub(crate) recovered: Option<Recovered>,
    /// Where the log ended when it was opened.
    pub(crate) opened_at: u64,
    /// Whether this instance began without an index, or made another.
    rebuilt: bool,
    /// Whether the index was made of a damaged log: another would lead no further.
    remade: bool,
}

impl FileStore {
    /// What this instance has cost since it was made, `init` included.
    pub fn stats(&self) -> Stats {
        match &self.state {
            State::Open(open) => open.file.stats,
            _ => self.stats,
        }
    }

    /// The torn append that was found behind the last commit since `init`, if there was one.
    pub fn recovered(&self) -> Option<&Recovered> {
        match &self.state {
            State::Open(open) => open.recovered.as_ref(),
            _ => None,
        }
    }

    /// Why writing is refused: damage that was found since `init`.
    pub fn damage(&self) -> Option<&str> {
        match &self.state {
            State::Open(open) => open.log.damage.as_deref(),
            _ => None,
        }
    }

    /// Runs `call` on the open log; the first failure of the medium closes it.
    fn with<T>(&mut self, call: impl FnOnce(&mut Open) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let open = match &mut self.state {
            State::Closed => return Err(StoreError::NotInitialised),
            State::Failed(error) => return Err(error.clone()),
            State::Open(open) => open,
        };
        open.window.forget();
        let result = call(open);
        if let Err(error @ (StoreError::Io(_) | StoreError::NoSpace)) = &result {
            self.stats = open.file.stats;
            self.state = State::Failed(error.clone());
        }
        result
    }
}

impl Store for FileStore {
    fn init(&mut self, config: &str) -> Result<(), StoreError> {
        self.stats = self.stats();
        self.state = State::Closed;
        let open = Open::new(Config::parse(config)?, self.stats)?;
        self.state = State::Open(Box::new(open));
        Ok(())
    }

    fn append(&mut self, rows: &[Row], want: Want) -> Result<(), StoreError> {
        self.with(|open| {
            check_batch(rows)?;
            open.append(rows, want)
        })
    }

    fn get(&mut self, kind: RowKind, stream: &StreamId, index: u64) -> Result<Option<Row>, StoreError> {
        self.with(|open| {
            if index >= open.log.count(kind, stream) {
                open.refresh()?;
            }
            if index >= open.log.count(kind, stream) {
                return Ok(None);
            }
            Ok(Some(open.stored(kind, stream, index)?.row))
        })
    }

    fn last(&mut self, kind: RowKind, stream: &StreamId) -> Result<Option<Row>, StoreError> {
        self.with(|open| {
            open.refresh()?;
            match open.log.count(kind, stream).checked_sub(1) {
                Some(last) => Ok(Some(open.stored(kind, stream, last)?.row)),
                None => Ok(None),
            }
        })
    }

    fn scan(
        &mut self,
        kind: RowKind,
        stream: &StreamId,
        start: u64,
        limit: u32,
        with_payload: bool,
    ) -> Result<Vec<Row>, StoreError> {
        self.with(|open| {
            if start.saturating_add(u64::from(limit)) > open.log.count(kind, stream) {
                open.refresh()?;
            }
            open.found(|reader| reader.page(kind, stream, start, limit as usize, with_payload))
        })
    }

    fn streams(&mut self, after: Option<&StreamId>, limit: u32) -> Result<Vec<StreamId>, StoreError> {
        self.with(|open| {
            open.refresh()?;
            Ok(open.log.streams(after, limit as usize))
        })
    }

    fn erase(&mut self, kind: RowKind, stream: &StreamId, index: u64) -> Result<(), StoreError> {
        self.with(|open| open.erase(kind, stream, index))
    }
}

impl Open {
    fn new(config: Config, stats: Stats) -> Result<Open, StoreError> {
        let file = open_file(&config, stats)?;
        let index = Index::new(&config.path, config.mode != Mode::ReadOnly);
        let shared = config.mode == Mode::Shared && file.check_writable().is_ok();
        let commits = if shared { Some(Commits::open(&config.path)?) } else { None };
        let mut open = Open {
            config,
            file,
            log: Log::default(),
            index,
            commits,
            window: Window::default(),
            block: Vec::new(),
            recovered: None,
            opened_at: 0,
            rebuilt: false,
            remade: false,
        };
        open.log = open.index.load(&mut open.file)?;
        if open.log.commits == 0 {
            open.rebuilt = true;
        }
        let rest = open.replay()?;
        open.settle(rest)?;
        open.opened_at = open.log.end;
        Ok(open)
    }

    /// Whether this instance was told to change nothing.
    pub(crate) fn is_read_only(&self) -> bool {
        self.config.mode == Mode::ReadOnly
    }

    /// Reads what others appended since the last look. A rest that is not committed is left alone.
    pub(crate) fn refresh(&mut self) -> Result<Rest, StoreError> {
        let before = (self.log.commits, self.log.damage.is_some());
        let rest = self.look()?;
        match self.file.check_writable().is_err() && before != (self.log.commits, self.log.damage.is_some()) {
            true => self.finish(rest),
            false => Ok(rest),
        }
    }

    fn look(&mut self) -> Result<Rest, StoreError> {
        let size = self.file.size()?;
        if size < self.log.end {
            let why = format!("{} became shorter than what it had", self.file.path().display());
            self.log.damage.get_or_insert(why.clone());
            return Ok(Rest::Damaged(why));
        }
        if let Some(why) = &self.log.damage {
            return Ok(Rest::Damaged(why.clone()));
        }
        if size == self.log.end { Ok(Rest::Clean) } else { self.replay() }
    }

    fn replay(&mut self) -> Result<Rest, StoreError> {
        let Open { file, log, index, .. } = self;
        let rest = replay(file, log, |log, file| index.save(log, file))?;
        if self.rebuilt && self.log.unsaved > 0 {
            self.index.save_if_due(&mut self.log, &mut self.file);
        }
        Ok(rest)
    }

    /// Forgets the index and reads the whole file. Where that ends before what was read already, the log stays what it
    /// was, damaged, and the new index leads to what is still there.
    fn rebuild(&mut self) -> Result<(), StoreError> {
        self.rebuilt = true;
        self.file.stats.rebuilds += 1;
        self.window.forget();
        self.index.forget();
        let mut before = std::mem::take(&mut self.log);
        if let Err(error) = self.replay() {
            self.log = before;
            return Err(error);
        }
        if self.log.end < before.end {
            self.index.save(&mut self.log, &mut self.file);
            let why = || format!("{} lost appends that it had", self.file.path().display());
            before.damage.get_or_insert_with(why);
            self.log = before;
        } else if self.log.damage.is_none() {
            self.log.damage = before.damage;
        }
        self.remade = self.log.damage.is_some();
        Ok(())
    }

    /// Reads rows; when the index leads nowhere, again with a new index. What is lost then is damage, after
    /// which nothing is written any more, and no other index is made.
    pub(crate) fn found<T>(
        &mut self,
        read: impl Fn(&mut Reader) -> Result<Answer<T>, StoreError>,
    ) -> Result<T, StoreError> {
        let (mut looks, mut followed, mut again) = (0, false, false);
        loop {
            let Open { file, log, index, window, .. } = self;
            match read(&mut Reader { file, log, index, window })? {
                Answer::Is(rows) => return Ok(rows),
                // Half of an erasure, if no writer has died over it, is a whole one at the next look.
                Answer::Lost(_) if log.damage.is_none() && file.look_again(&mut looks) => window.forget(),
                // And if one has, its intent stands behind what was read so far.
                Answer::Lost(_) if log.damage.is_none() && !followed => {
                    followed = true;
                    window.forget();
                    let rest = self.look()?;
                    self.finish(rest)?;
                }
                Answer::Lost(_) if !again && !self.remade => {
                    again = true;
                    self.rebuild()?;
                }
                Answer::Lost(why) => {
                    let why = format!("{}: {why}", self.file.path().display());
                    self.log.damage.get_or_insert(why.clone());
                    self.remade = true;
                    return Err(StoreError::Corrupt(why));
                }
            }
        }
    }

    /// The row at a place that exists.
    pub(crate) fn stored(&mut self, kind: RowKind, stream: &StreamId, index: u64) -> Result<Stored, StoreError> {
        self.found(|reader| reader.one(kind, stream, index))
    }

    /// On opening: what a crash left is finished, and what it left unfinished is cut off.
    /// Opened read-only all of it is left, and the log is seen as if what can be finished were.
    fn settle(&mut self, rest: Rest) -> Result<(), StoreError> {
        let rest = self.finish(rest)?;
        if !self.is_read_only() && self.file.check_writable().is_err() {
            return Ok(());
        }
        match (rest, self.config.mode) {
            (Rest::Damaged(why), _) => eprintln!("secure-log store-file: {why}; reading only"),
            (Rest::Torn(bytes), Mode::ReadOnly) => self.report_torn(self.log.end, bytes, "left in place, out of view"),
            (Rest::Torn(_), Mode::Owner) => {
                let lease = Lease::claim(&self.config.path, &mut self.file.stats)?;
                self.cut_torn()?;
                drop(lease);
            }
            (Rest::Torn(_), Mode::Shared) | (Rest::Clean, _) => {}
        }
        Ok(())
    }

    /// Finishes an erasure that a crash cut short: `rest`, or what is left once it is finished.
    fn finish(&mut self, rest: Rest) -> Result<Rest, StoreError> {
        let erasing = self.log.intent.is_some();
        match self.finish_erasing() {
            // An intent that no erasure wrote: reading stays possible.
            Err(StoreError::Corrupt(why)) => {
                self.log.damage.get_or_insert_with(|| why.clone());
                return Ok(Rest::Damaged(why));
            }
            done => done?,
        }
        if !erasing || !matches!(rest, Rest::Damaged(_)) {
            return Ok(rest);
        }
        // Half-overwritten by the erasure that is finished now: read again.
        self.log.damage = None;
        self.rebuild()?;
        self.look()
    }

    /// Under the lease: cuts off the rest of an append whose writer is gone.
    ///
    /// A crash between the cut and its sync brings the same rest back, to be cut again.
    pub(crate) fn cut_torn(&mut self) -> Result<(), StoreError> {
        match self.refresh()? {
            Rest::Clean => Ok(()),
            Rest::Damaged(why) => Err(StoreError::Corrupt(why)),
            Rest::Torn(bytes) => {
                self.file.cut(self.log.end)?;
                self.file.sync()?;
                self.report_torn(self.log.end, bytes, "dropped");
                Ok(())
            }
        }
    }

    /// Says what became of an append that never returned.
    pub(crate) fn report_torn(&mut self, at: u64, bytes: u64, became: &str) {
        let path = self.file.path().display();
        eprintln!("secure-log store-file: {path}: {bytes} bytes of an unfinished append at byte {at} were {became}");
        self.recovered = Some(Recovered { at, bytes });
    }
}

/// The file, with its first line. A crash before the first line is whole leaves a beginning of it; opened
/// read-only that is no log yet.
fn open_file(config: &Config, stats: Stats) -> Result<LogFile, StoreError> {
    let read_only = config.mode == Mode::ReadOnly;
    let no_log = || StoreError::no_log_at(config.path.display());
    let mut file = match LogFile::open(&config.path, read_only, stats)? {
        Some(file) => file,
        None if read_only => return Err(no_log()),
        None => LogFile::create(&config.path, stats)?,
    };
    let mut begin = vec![0u8; HEADER.len()];
    let found = file.read_at(0, &mut begin)?;
    if begin == HEADER {
        return Ok(file);
    }
    if found == HEADER.len() || !HEADER.starts_with(&begin[..found]) {
        let path = file.path().display();
        return Err(StoreError::Corrupt(format!("{path} is not a secure-log file: its first line is another")));
    }
    if read_only {
        return Err(no_log());
    }
    file.check_writable()?;
    file.write_at(0, HEADER)?;
    file.sync()?;
    let mut stats = file.stats;
    sync_directory(&config.path, &mut stats)?;
    file.stats = stats;
    Ok(file)
}
