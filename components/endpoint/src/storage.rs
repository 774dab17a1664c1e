//! The store behind the endpoint: the server's own, opened at the first request that needs it.

use secure_log::store::{Row, RowKind, Store, StoreError, Want};
use secure_log::types::StreamId;

/// A store that opens itself with the server's config, keeps open while its instance lives, and after a
/// failure opens again at the next call: opening is what re-verifies the tail.
#[derive(Debug, Default)]
pub struct Storage<S> {
    store: S,
    config: Option<String>,
    open: bool,
}

impl<S: Store> Storage<S> {
    /// `config`: the value of `SECURE_LOG_STORE_CONFIG`.
    pub fn new(store: S, config: Option<String>) -> Storage<S> {
        Storage { store, config, open: false }
    }

    /// Text of `invalid` from opening blames the operator, not the client.
    fn with<R>(&mut self, call: impl FnOnce(&mut S) -> Result<R, StoreError>) -> Result<R, StoreError> {
        if !self.open {
            let unusable = |why: &str| Err(StoreError::Unavailable(format!("this endpoint has no storage: {why}")));
            match self.config.as_deref() {
                None | Some("") => return unusable("SECURE_LOG_STORE_CONFIG is not set"),
                Some(config) if config.contains(":memory:") => {
                    return unusable("SECURE_LOG_STORE_CONFIG is :memory:, which every request would find empty");
                }
                Some(config) => match self.store.init(config) {
                    Ok(()) => self.open = true,
                    Err(StoreError::Invalid(why)) => return unusable(&why),
                    Err(error) => return Err(error),
                },
            }
        }
        let outcome = call(&mut self.store);
        if !matches!(outcome, Ok(_) | Err(StoreError::Conflict | StoreError::Invalid(_))) {
            self.open = false;
        }
        outcome
    }
}

impl<S: Store> Store for Storage<S> {
    /// Not for an endpoint's own code either: no client names a storage.
    fn init(&mut self, _config: &str) -> Result<(), StoreError> {
        Err(StoreError::Denied("the endpoint's storage is not a client's to choose".into()))
    }

    fn append(&mut self, rows: &[Row], want: Want) -> Result<(), StoreError> {
        self.with(|store| store.append(rows, want))
    }

    fn get(&mut self, kind: RowKind, stream: &StreamId, index: u64) -> Result<Option<Row>, StoreError> {
        self.with(|store| store.get(kind, stream, index))
    }

    fn last(&mut self, kind: RowKind, stream: &StreamId) -> Result<Option<Row>, StoreError> {
        self.with(|store| store.last(kind, stream))
    }

    fn scan(
        &mut self,
        kind: RowKind,
        stream: &StreamId,
        start: u64,
        limit: u32,
        with_payload: bool,
    ) -> Result<Vec<Row>, StoreError> {
        self.with(|store| store.scan(kind, stream, start, limit, with_payload))
    }

    fn streams(&mut self, after: Option<&StreamId>, limit: u32) -> Result<Vec<StreamId>, StoreError> {
        self.with(|store| store.streams(after, limit))
    }

    fn erase(&mut self, kind: RowKind, stream: &StreamId, index: u64) -> Result<(), StoreError> {
        self.with(|store| store.erase(kind, stream, index))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use secure_log::store::MemStore;

    fn id() -> StreamId {
        StreamId::try_from("a").unwrap()
    }

    #[test]
    fn an_endpoint_without_lasting_storage_says_which_variable() {
        for config in [None, Some(""), Some(":memory:"), Some("file::memory:?cache=shared")] {
            let mut storage = Storage::new(MemStore::new(), config.map(str::to_owned));
            let answer = storage.last(RowKind::Entry, &id());
            let says = |why: &String| why.contains("SECURE_LOG_STORE_CONFIG");
            assert!(matches!(&answer, Err(StoreError::Unavailable(why)) if says(why)), "{answer:?}");
        }
    }

    #[test]
    fn a_client_cannot_choose_the_storage() {
        let mut storage = Storage::new(MemStore::new(), Some("/data/log".into()));
        assert!(matches!(storage.init("/etc/passwd"), Err(StoreError::Denied(_))));
        assert_eq!(storage.last(RowKind::Entry, &id()), Ok(None));
    }

    #[test]
    fn after_a_failure_the_store_is_opened_again() {
        #[derive(Default)]
        struct Failing(Vec<String>);
        impl Store for Failing {
            fn init(&mut self, config: &str) -> Result<(), StoreError> {
                self.0.push(config.to_owned());
                Ok(())
            }
            fn append(&mut self, _: &[Row], _: Want) -> Result<(), StoreError> {
                Err(StoreError::Io("EIO".into()))
            }
            fn get(&mut self, _: RowKind, _: &StreamId, _: u64) -> Result<Option<Row>, StoreError> {
                Err(StoreError::Conflict)
            }
            fn last(&mut self, _: RowKind, _: &StreamId) -> Result<Option<Row>, StoreError> {
                Ok(None)
            }
            fn scan(&mut self, _: RowKind, _: &StreamId, _: u64, _: u32, _: bool) -> Result<Vec<Row>, StoreError> {
                Ok(Vec::new())
            }
            fn streams(&mut self, _: Option<&StreamId>, _: u32) -> Result<Vec<StreamId>, StoreError> {
                Ok(Vec::new())
            }
            fn erase(&mut self, _: RowKind, _: &StreamId, _: u64) -> Result<(), StoreError> {
                Ok(())
            }
        }
        let mut storage = Storage::new(Failing::default(), Some("/data/log".into()));
        storage.last(RowKind::Entry, &id()).unwrap();
        storage.get(RowKind::Entry, &id(), 0).unwrap_err();
        assert_eq!(storage.store.0.len(), 1);
        assert_eq!(storage.append(&[], Want::Synced), Err(StoreError::Io("EIO".into())));
        storage.last(RowKind::Entry, &id()).unwrap();
        assert_eq!(storage.store.0, ["/data/log", "/data/log"]);
    }
}
