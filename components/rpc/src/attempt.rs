//! Calls of the client half through a transport: sent, read, repeated where that is safe, read back where not.
//!
//! # Lost answers
//! A call that was not carried out, or that reads, or that may be repeated without harm (`init`, `erase`, an
//! empty `append`), is repeated up to [`ATTEMPTS`] times. An append whose answer was lost may have been
//! carried out, so it is never simply repeated: the rows at its places are read back.
//!
//! | read back | then |
//! |---|---|
//! | all as sent | it was carried out; with `Synced` an empty synced append makes that durable |
//! | none | it was not, or not yet: sent again; should the first one still arrive, the compare stops one of them |
//! | others | another writer won: `Conflict` |
//! | some of them | the endpoint broke a batch: `Corrupt` |
//! | no answer | `Unavailable`: it may have been carried out, and the caller reads the tail before it goes on |
//!
//! A conflict after such an attempt may be one with ourselves and is read back as well. So a lost answer
//! neither loses an entry nor doubles it.

use std::collections::BTreeMap;
use std::time::Duration;

use secure_log::store::{PAGE_BYTES, Row, RowKind, StoreError, Want};
use secure_log::types::StreamId;
use serde::Deserialize;

use crate::envelope::{Version, present};
use crate::error::{WireError, decode};
use crate::wire::{Object, Rows, Wanted, plain, push_rows};
use crate::{MAX_BODY, MAX_PAGE_ROWS, Transport, TransportError};

/// How often one call is sent, at most.
const ATTEMPTS: u32 = 4;

/// Before the second attempt; each further one waits four times as long: 50, 200, 800 ms.
const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// The calls through one transport.
pub(crate) struct Client<T> {
    pub transport: T,
    pub pause: fn(Duration),
}

/// What one attempt brought.
enum Attempt {
    /// Not carried out.
    NotSent(String),
    /// May have been carried out. Also an answer that cannot be understood.
    Lost(String),
    /// The endpoint said no, or will never be asked.
    Failed(StoreError),
}

impl<T: Transport> Client<T> {
    fn once<R: for<'de> Deserialize<'de>>(&mut self, method: &str, params: &str) -> Result<R, Attempt> {
        let body = self.transport.rpc(method, params).map_err(|error| match error {
            TransportError::NotSent(why) => Attempt::NotSent(why),
            TransportError::Lost(why) => Attempt::Lost(why),
            TransportError::Denied(why) => Attempt::Failed(StoreError::Denied(why)),
            TransportError::Invalid(why) => Attempt::Failed(StoreError::Invalid(why)),
        })?;
        let misread = |why: &str| Attempt::Lost(format!("{method} got no answer of a secure-log endpoint: {why}"));
        if body.len() > MAX_BODY {
            return Err(misread("longer than 8 MiB"));
        }
        let reply =
            serde_json::from_str::<Object<Reply<R>>>(&body).map_err(|error| misread(&plain(&error.to_string())))?;
        match reply.0 {
            Reply { id: Some(_), result: Some(result), error: None, .. } => Ok(result),
            Reply { result: None, error: Some(Object(error)), .. } => {
                Err(decode(error).map_or_else(|| misread("an error outside the contract"), Attempt::Failed))
            }
            _ => Err(misread("neither a result nor an error")),
        }
    }

    /// For calls that may be carried out twice.
    pub fn repeat<R: for<'de> Deserialize<'de>>(&mut self, method: &str, params: &str) -> Result<R, StoreError> {
        let mut wait = FIRST_PAUSE;
        let mut last_word = String::new();
        for attempt in 1..=ATTEMPTS {
            match self.once(method, params) {
                Ok(result) => return Ok(result),
                Err(Attempt::Failed(error)) => return Err(error),
                Err(Attempt::NotSent(why) | Attempt::Lost(why)) => last_word = why,
            }
            if attempt < ATTEMPTS {
                (self.pause)(wait);
                wait *= 4;
            }
        }
        Err(StoreError::Unavailable(last_word))
    }

    /// See the module: neither lost nor doubled.
    pub fn append(&mut self, rows: &[Row], want: Want) -> Result<(), StoreError> {
        let mut params = String::from("[");
        push_rows(&mut params, rows);
        params.push_str(&format!(r#","{}"]"#, Wanted::name(want)));
        if rows.is_empty() {
            return self.repeat("append", &params);
        }
        let mut wait = FIRST_PAUSE;
        let mut doubt: Option<String> = None;
        let mut last_word = String::new();
        for attempt in 1..=ATTEMPTS {
            let mut conflict = false;
            match self.once("append", &params) {
                Ok(()) => return Ok(()),
                Err(Attempt::NotSent(why)) => last_word = why,
                Err(Attempt::Lost(why)) => doubt = Some(why),
                Err(Attempt::Failed(error)) => match &doubt {
                    None => return Err(error),
                    Some(_) if error == StoreError::Conflict => conflict = true,
                    Some(lost) => return Err(perhaps(&format!("{lost}; then: {error}"))),
                },
            }
            if let Some(lost) = &doubt {
                match self.stored(rows) {
                    Ok(Stored::AsSent) => return self.settle(want),
                    Ok(Stored::Others) => return Err(StoreError::Conflict),
                    Ok(Stored::Nothing) if conflict => return Err(StoreError::Conflict),
                    Ok(Stored::Nothing) => {}
                    Err(broken @ StoreError::Corrupt(_)) => return Err(broken),
                    Err(error) => return Err(perhaps(&format!("{lost}; reading back: {error}"))),
                }
            }
            if attempt < ATTEMPTS {
                (self.pause)(wait);
                wait *= 4;
            }
        }
        Err(doubt.map_or(StoreError::Unavailable(last_word), |lost| perhaps(&lost)))
    }

    /// The rows are there, but the answer that called them durable was lost.
    fn settle(&mut self, want: Want) -> Result<(), StoreError> {
        match want {
            Want::Written => Ok(()),
            Want::Synced => {
                let synced = self.repeat("append", r#"[[],"synced"]"#);
                synced.map_err(|error: StoreError| perhaps(&format!("stored, perhaps not durable: {error}")))
            }
        }
    }

    /// What the places of `rows` hold.
    fn stored(&mut self, rows: &[Row]) -> Result<Stored, StoreError> {
        let mut runs: BTreeMap<(RowKind, &StreamId), Vec<&Row>> = BTreeMap::new();
        for row in rows {
            runs.entry((row.kind, &row.stream_id)).or_default().push(row);
        }
        // The batch may arrive between two pages of the first look; it is atomic, so a second finds all of it.
        for _ in 0..2 {
            match self.found(&runs)? {
                None => return Ok(Stored::Others),
                Some(0) => return Ok(Stored::Nothing),
                Some(all) if all == rows.len() => return Ok(Stored::AsSent),
                Some(_) => {}
            }
        }
        Err(StoreError::Corrupt(format!("the endpoint keeps a part of a batch of {} rows", rows.len())))
    }

    /// How many rows are stored as sent; `None`: another stands in the place of one. A payload that is gone was
    /// erased since; the body, which commits to it, says whose row it is.
    fn found(&mut self, runs: &BTreeMap<(RowKind, &StreamId), Vec<&Row>>) -> Result<Option<usize>, StoreError> {
        let mut found = 0;
        for (&(kind, stream), run) in runs {
            let mut seen = 0;
            while let Some(next) = run.get(seen) {
                let limit = u32::try_from(run.len() - seen).unwrap_or(MAX_PAGE_ROWS);
                let page = self.scan(kind, stream, next.index, limit, true)?;
                if page.is_empty() {
                    break;
                }
                for (kept, sent) in page.iter().zip(&run[seen..]) {
                    let erased = kept.payload.is_none();
                    if kept.index != sent.index || kept.body != sent.body || !(erased || kept.payload == sent.payload) {
                        return Ok(None);
                    }
                }
                seen += page.len();
            }
            found += seen;
        }
        Ok(Some(found))
    }

    /// One page, checked against the question.
    pub fn scan(
        &mut self,
        kind: RowKind,
        stream: &StreamId,
        start: u64,
        limit: u32,
        with_payload: bool,
    ) -> Result<Vec<Row>, StoreError> {
        let limit = limit.min(MAX_PAGE_ROWS);
        let params = format!(r#"["{}","{stream}",{start},{limit},{with_payload}]"#, kind.as_str());
        let Rows(rows) = self.repeat("scan", &params)?;
        if rows.len() > limit as usize {
            return Err(lie("scan", "more rows than asked for"));
        }
        if rows.len() > 1 && rows.iter().map(Row::bytes).sum::<usize>() > PAGE_BYTES {
            return Err(lie("scan", "more bytes than a page has"));
        }
        for (row, offset) in rows.iter().zip(0..) {
            if !at(row, kind, stream) || start.checked_add(offset) != Some(row.index) {
                return Err(lie("scan", "other rows than asked for"));
            }
            if row.payload.is_some() && !with_payload {
                return Err(lie("scan", "a payload nobody asked for"));
            }
        }
        Ok(rows)
    }
}

/// What the places of a batch hold.
enum Stored {
    AsSent,
    Nothing,
    Others,
}

/// `Unavailable`, and the caller must read back.
fn perhaps(why: &str) -> StoreError {
    StoreError::Unavailable(format!("the append may have been carried out: {why}"))
}

/// An answer of the right shape to another question.
pub(crate) fn lie(method: &str, what: &str) -> StoreError {
    StoreError::Corrupt(format!("the endpoint answered {method} with {what}"))
}

/// Whether the row is of this kind and stream.
pub(crate) fn at(row: &Row, kind: RowKind, stream: &StreamId) -> bool {
    row.kind == kind && row.stream_id == *stream
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, bound(deserialize = "R: Deserialize<'de>"))]
struct Reply<R> {
    #[serde(rename = "jsonrpc")]
    _version: Version,
    /// Absent only in errors about requests whose id could not be read.
    #[serde(deserialize_with = "Option::deserialize")]
    id: Option<u64>,
    #[serde(default, deserialize_with = "present")]
    result: Option<R>,
    #[serde(default, deserialize_with = "present")]
    error: Option<Object<WireError>>,
}
