//! What came from producers: payloads under their commitments, erasures, signatures over events.

use super::Pass;
use crate::author;
use crate::error::{FindingKind, LogError};
use crate::log::absent;
use crate::log::stream::{PAGE_ROWS, Placed, tampered};
use crate::payload;
use crate::store::{RowKind, Store};
use crate::types::{Digest, Entry};

/// Payloads that `erased` entries name, looked at again.
#[derive(Default)]
pub(super) struct Erased {
    /// Rows read for this; never more than there are entries, whatever `erased` entries say.
    read: u64,
    /// The first payload that should be gone, and how many.
    pub still_there: Option<(u64, u64)>,
    /// Some were not looked at.
    pub unread: bool,
}

impl<S: Store> Pass<'_, S> {
    /// `commitment` is that of the payload the store gave.
    pub(super) fn payload(&mut self, placed: &Placed, commitment: Option<Digest>) -> Result<(), LogError> {
        let altered = |why| Err(tampered(self.id, placed.entry.seqno, FindingKind::PayloadAltered, why));
        let opens = |reference, stored| commitment.is_some_and(|hash| payload::opens(reference, stored, hash));
        match (&placed.entry.event.payload, &placed.payload) {
            (None, Some(_)) => altered("a payload where none was logged"),
            (Some(reference), Some(stored)) if !opens(reference, stored) => {
                altered("the payload does not open its commitment")
            }
            _ => {
                if absent(placed) {
                    self.missing.add(placed.entry.seqno);
                    self.absent += 1;
                }
                Ok(())
            }
        }
    }

    /// An `erased` entry: what is absent is explained, what is still there is told. The latter is no finding: the
    /// log says what it said, and it is the store that keeps more than it should.
    pub(super) fn erased(&mut self, ranges: &[(u64, u64)]) -> Result<(), LogError> {
        for &(first, last) in ranges {
            self.missing.remove((first, last));
            let mut next = first;
            while next <= last {
                let left = self.tip.size().saturating_sub(self.erased.read).min(last - next + 1);
                if left == 0 {
                    self.erased.unread = true;
                    break;
                }
                let limit = u32::try_from(left).map_or(PAGE_ROWS, |left| left.min(PAGE_ROWS));
                let page = self.store.scan(RowKind::Entry, self.id, next, limit, true)?;
                let read = (page.len() as u64).min(u64::from(limit));
                if read == 0 {
                    break;
                }
                for (row, seqno) in page.iter().take(limit as usize).zip(next..) {
                    if row.payload.is_some() {
                        self.erased.still_there.get_or_insert((seqno, 0)).1 += 1;
                    }
                }
                self.erased.read += read;
                next += read;
            }
        }
        Ok(())
    }

    pub(super) fn author(&mut self, entry: &Entry) -> Result<(), LogError> {
        let wrong = |why: String| Err(tampered(self.id, entry.seqno, FindingKind::AuthorWrong, why));
        let Some(author) = &entry.author else {
            return match self.trust.require_author && entry.event.detail.is_none() {
                true => wrong("the trust demands a producer's signature".into()),
                false => Ok(()),
            };
        };
        let listed = self.trust.authors.iter().any(|vkey| author::is_by(author, vkey));
        if !self.trust.authors.is_empty() && !listed {
            return wrong("signed by a producer that is not among the accepted".into());
        }
        if let Err(error) = author::check(self.origin, author, &entry.event, self.authors.get(&author.public_key)) {
            return wrong(error.to_string());
        }
        self.authors.note(author, listed);
        Ok(())
    }
}
