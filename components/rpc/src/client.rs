//! The client half: a store that asks another one, and believes of the answer only what it could check.

use std::time::Duration;

use secure_log::store::{Row, RowKind, Store, StoreError, Want, check_batch};
use secure_log::types::StreamId;

use crate::attempt::{Client, at, lie};
use crate::wire::{OneRow, Stream, json_text, plain};
use crate::{MAX_PAGE_ROWS, PROTOCOL, Transport};

/// A store at the other end of a transport. `init` takes any config but the empty one: the server owns its
/// storage, so the config names nothing and is not sent.
pub struct RemoteStore<T> {
    client: Client<T>,
    state: State,
}

enum State {
    New,
    Open,
    /// The server's medium failed; the failure rule asks for a new `init`.
    Failed(String),
}

/// On a transport that needs no configuring, waiting between attempts on the clock.
impl<T: Transport + Default> Default for RemoteStore<T> {
    fn default() -> RemoteStore<T> {
        RemoteStore::new(T::default(), std::thread::sleep)
    }
}

impl<T: Transport> RemoteStore<T> {
    /// Not yet initialised; nothing is sent. `pause` waits between attempts of one call: 50, 200, 800 ms.
    pub fn new(transport: T, pause: fn(Duration)) -> RemoteStore<T> {
        RemoteStore { client: Client { transport, pause }, state: State::New }
    }

    fn open(&mut self) -> Result<&mut Client<T>, StoreError> {
        match &self.state {
            State::New => Err(StoreError::NotInitialised),
            State::Failed(why) => Err(StoreError::Io(format!("failed before, and not initialised again since: {why}"))),
            State::Open => Ok(&mut self.client),
        }
    }

    fn noted<R>(&mut self, outcome: Result<R, StoreError>) -> Result<R, StoreError> {
        if let (Err(StoreError::Io(why)), State::Open) = (&outcome, &self.state) {
            self.state = State::Failed(why.clone());
        }
        outcome
    }
}

impl<T: Transport> Store for RemoteStore<T> {
    fn init(&mut self, config: &str) -> Result<(), StoreError> {
        self.state = State::New;
        if config.is_empty() {
            return Err(StoreError::Invalid("config is empty".into()));
        }
        let spoken: String = self.client.repeat("init", &format!("[{}]", json_text(PROTOCOL)))?;
        if spoken != PROTOCOL {
            let why = format!("the endpoint speaks {}, not {PROTOCOL}", plain(&spoken));
            return Err(StoreError::Unavailable(why));
        }
        self.state = State::Open;
        Ok(())
    }

    fn append(&mut self, rows: &[Row], want: Want) -> Result<(), StoreError> {
        let client = self.open()?;
        check_batch(rows)?;
        let outcome = client.append(rows, want);
        self.noted(outcome)
    }

    fn get(&mut self, kind: RowKind, stream: &StreamId, index: u64) -> Result<Option<Row>, StoreError> {
        let row = self.open()?.repeat::<Option<OneRow>>("get", &place(kind, stream, index));
        let row = self.noted(row)?.map(|OneRow(row)| row);
        match &row {
            Some(row) if !at(row, kind, stream) || row.index != index => Err(lie("get", "another row than asked for")),
            _ => Ok(row),
        }
    }

    fn last(&mut self, kind: RowKind, stream: &StreamId) -> Result<Option<Row>, StoreError> {
        let row = self.open()?.repeat::<Option<OneRow>>("last", &format!(r#"["{}","{stream}"]"#, kind.as_str()));
        let row = self.noted(row)?.map(|OneRow(row)| row);
        match &row {
            Some(row) if !at(row, kind, stream) => Err(lie("last", "a row of another place")),
            _ => Ok(row),
        }
    }

    fn scan(
        &mut self,
        kind: RowKind,
        stream: &StreamId,
        start: u64,
        limit: u32,
        with_payload: bool,
    ) -> Result<Vec<Row>, StoreError> {
        let page = self.open()?.scan(kind, stream, start, limit, with_payload);
        self.noted(page)
    }

    fn streams(&mut self, after: Option<&StreamId>, limit: u32) -> Result<Vec<StreamId>, StoreError> {
        let limit = limit.min(MAX_PAGE_ROWS);
        let from = after.map_or("null".to_owned(), |id| json_text(id.as_str()));
        let ids = self.open()?.repeat::<Vec<Stream>>("streams", &format!("[{from},{limit}]"));
        let ids: Vec<StreamId> = self.noted(ids)?.into_iter().map(|Stream(id)| id).collect();
        if ids.len() > limit as usize {
            return Err(lie("streams", "more than asked for"));
        }
        let ascending = ids.is_sorted_by(|a, b| a < b);
        if !ascending || ids.first().zip(after).is_some_and(|(first, after)| first <= after) {
            return Err(lie("streams", "ids out of order"));
        }
        Ok(ids)
    }

    fn erase(&mut self, kind: RowKind, stream: &StreamId, index: u64) -> Result<(), StoreError> {
        let outcome = self.open()?.repeat("erase", &place(kind, stream, index));
        self.noted(outcome)
    }
}

fn place(kind: RowKind, stream: &StreamId, index: u64) -> String {
    format!(r#"["{}","{stream}",{index}]"#, kind.as_str())
}
