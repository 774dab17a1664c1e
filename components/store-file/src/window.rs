//! Lines out of the file through one buffer: forwards from an offset, or one at a known offset.

use memchr::memchr;
use secure_log::store::StoreError;

use crate::file::LogFile;
use crate::line::MAX_LINE;

/// Capacity that is kept between uses.
const KEEP: usize = 1 << 20;

/// A piece of the file. Nothing in it is trusted after [`Window::forget`]: others may have erased a payload.
#[derive(Debug, Default)]
pub struct Window {
    /// Offset of the first byte.
    start: u64,
    /// Room; its first `filled` bytes are of the file.
    room: Vec<u8>,
    filled: usize,
}

/// A line, found.
#[derive(Debug, PartialEq, Eq)]
pub enum Found<'a> {
    /// Without its line feed, which is there.
    Line(&'a [u8]),
    /// The file ends before a line feed, or the line is longer than any of ours.
    Partial(&'a [u8]),
    /// Nothing stands at this offset.
    End,
}

impl Window {
    /// Empties the window.
    pub fn forget(&mut self) {
        self.filled = 0;
        if self.room.len() > KEEP {
            self.room = Vec::new();
        }
    }

    /// The line at `offset`, reading at least `ahead` bytes at a time.
    pub fn line_at(&mut self, file: &mut LogFile, offset: u64, ahead: usize) -> Result<Found<'_>, StoreError> {
        let inside = offset.checked_sub(self.start).and_then(|skip| usize::try_from(skip).ok());
        let mut from = match inside {
            Some(skip) if skip < self.filled => skip,
            _ => {
                self.start = offset;
                self.filled = 0;
                0
            }
        };
        let mut searched = from;
        loop {
            if let Some(length) = memchr(b'\n', &self.room[searched..self.filled]) {
                return Ok(Found::Line(&self.room[from..searched + length]));
            }
            searched = self.filled;
            if searched - from > MAX_LINE {
                return Ok(Found::Partial(&self.room[from..searched]));
            }
            if from > 0 {
                self.room.copy_within(from..searched, 0);
                self.start += from as u64;
                searched -= from;
                from = 0;
            }
            // Doubling, so that a long line is not copied again and again.
            let wanted = searched + ahead.max(searched);
            if self.room.is_empty() {
                self.room = vec![0; wanted];
            } else if self.room.len() < wanted {
                self.room.resize(wanted, 0);
            }
            self.filled = searched;
            let done = file.read_at(self.start + searched as u64, &mut self.room[searched..wanted])?;
            self.filled += done;
            if done == 0 {
                return Ok(if searched == 0 { Found::End } else { Found::Partial(&self.room[..searched]) });
            }
        }
    }
}
