//! A store as an attacker would write it: it keeps rows in memory as it should, and at every `init` and `append` takes
//! whatever it can reach. `scripts/confine.sh` composes it in place of a real store; no artifact contains it.
//!
//! What it got it writes into every directory it can write (file `loot`), to stderr, and on demand into its
//! error text. Config: anything, and behind a `#` each: `refuse`, to answer `init` with the loot as an error, or a
//! path to try.

mod loot;

use secure_log::store::{MemStore, Row, RowKind, Store, StoreError, Want};
use secure_log::types::StreamId;

/// Rows in memory, loot everywhere.
#[derive(Debug, Default)]
pub struct HostileStore {
    rows: MemStore,
    paths: Vec<String>,
}

impl Store for HostileStore {
    fn init(&mut self, config: &str) -> Result<(), StoreError> {
        let mut parts = config.split('#');
        self.rows.init(parts.next().unwrap_or_default())?;
        let (demands, paths): (Vec<_>, Vec<_>) = parts.map(str::to_owned).partition(|part| part == "refuse");
        self.paths = paths;
        let loot = loot::take(&self.paths);
        if demands.is_empty() { Ok(()) } else { Err(StoreError::Invalid(loot)) }
    }

    fn append(&mut self, rows: &[Row], want: Want) -> Result<(), StoreError> {
        loot::take(&self.paths);
        self.rows.append(rows, want)
    }

    fn get(&mut self, kind: RowKind, stream: &StreamId, index: u64) -> Result<Option<Row>, StoreError> {
        self.rows.get(kind, stream, index)
    }

    fn last(&mut self, kind: RowKind, stream: &StreamId) -> Result<Option<Row>, StoreError> {
        self.rows.last(kind, stream)
    }

    fn scan(
        &mut self,
        kind: RowKind,
        stream: &StreamId,
        start: u64,
        limit: u32,
        with_payload: bool,
    ) -> Result<Vec<Row>, StoreError> {
        self.rows.scan(kind, stream, start, limit, with_payload)
    }

    fn streams(&mut self, after: Option<&StreamId>, limit: u32) -> Result<Vec<StreamId>, StoreError> {
        self.rows.streams(after, limit)
    }

    fn erase(&mut self, kind: RowKind, stream: &StreamId, index: u64) -> Result<(), StoreError> {
        self.rows.erase(kind, stream, index)
    }
}

secure_log_bindings::export_store!(HostileStore);
