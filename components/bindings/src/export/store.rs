//! `secure-log:log/store`, exported by any [`Store`].

use secure_log::store::Store;
use secure_log::types::StreamId;

use super::Slot;
use crate::convert;
use crate::types::{Row, RowKind, StoreError, Want};

#[doc(hidden)]
pub mod wit {
    #![allow(missing_docs)]
    wit_bindgen::generate!({
        path: "../../wit",
        world: "store-provider",
        with: { "secure-log:log/types@0.1.0": crate::types },
        pub_export_macro: true,
        export_macro_name: "export_store_component",
        default_bindings_module: "secure_log_bindings::export::store::wit",
    });
}

/// Exports `secure-log:log/store` from a component, over one value of the given type
/// (`secure_log::store::Store + Default`).
#[macro_export]
macro_rules! export_store {
    ($store:ty) => {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            $crate::__slot!($store);
    $crate::export::store::wit::export_store_component!(Component with_types_in $crate::export::store::wit);
        };
    };
}

impl<P> wit::exports::secure_log::log::store::Guest for P
where
    P: Slot,
    P::Value: Store,
{
    fn init(config: String) -> Result<(), StoreError> {
        P::with(|store| Ok(store.init(&config)?))
    }

    fn append(rows: Vec<Row>, want: Want) -> Result<(), StoreError> {
        let rows = convert::rows(rows)?;
        P::with(|store| Ok(store.append(&rows, want.into())?))
    }

    fn get(kind: RowKind, stream_id: String, index: u64) -> Result<Option<Row>, StoreError> {
        let stream = StreamId::try_from(stream_id.as_str())?;
        P::with(|store| Ok(store.get(kind.into(), &stream, index)?.map(Row::from)))
    }

    fn last(kind: RowKind, stream_id: String) -> Result<Option<Row>, StoreError> {
        let stream = StreamId::try_from(stream_id.as_str())?;
        P::with(|store| Ok(store.last(kind.into(), &stream)?.map(Row::from)))
    }

    fn scan(
        kind: RowKind,
        stream_id: String,
        start: u64,
        limit: u32,
        with_payload: bool,
    ) -> Result<Vec<Row>, StoreError> {
        let stream = StreamId::try_from(stream_id.as_str())?;
        let rows = P::with(|store| store.scan(kind.into(), &stream, start, limit, with_payload))?;
        Ok(rows.into_iter().map(Row::from).collect())
    }

    fn streams(after: Option<String>, limit: u32) -> Result<Vec<String>, StoreError> {
        let after = after.as_deref().map(StreamId::try_from).transpose()?;
        let ids = P::with(|store| store.streams(after.as_ref(), limit))?;
        Ok(ids.iter().map(|id| id.as_str().to_owned()).collect())
    }

    fn erase(kind: RowKind, stream_id: String, index: u64) -> Result<(), StoreError> {
        let stream = StreamId::try_from(stream_id.as_str())?;
        P::with(|store| Ok(store.erase(kind.into(), &stream, index)?))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::cell::RefCell;

    use secure_log::store::MemStore;

    use super::wit::exports::secure_log::log::store::Guest;
    use super::*;

    struct Provider;

    thread_local! {
        static STORE: RefCell<MemStore> = RefCell::default();
    }

    impl Slot for Provider {
        type Value = MemStore;
        fn with<R>(use_it: impl FnOnce(&mut MemStore) -> R) -> R {
            STORE.with_borrow_mut(use_it)
        }
    }

    fn row(index: u64, payload: Option<Vec<u8>>) -> Row {
        Row { kind: RowKind::Entry, stream_id: "a".into(), index, body: vec![1], payload }
    }

    #[test]
    fn what_a_caller_appends_is_what_it_reads() {
        assert_eq!(Provider::append(vec![], Want::Synced), Err(StoreError::NotInitialised));
        assert!(matches!(Provider::init(String::new()), Err(StoreError::Invalid(_))));
        Provider::init(":memory:".into()).unwrap();
        let rows = vec![row(0, Some(vec![2])), row(1, None)];
        Provider::append(rows.clone(), Want::Synced).unwrap();
        assert_eq!(Provider::append(rows.clone(), Want::Synced), Err(StoreError::Conflict));
        assert_eq!(Provider::get(RowKind::Entry, "a".into(), 0), Ok(Some(rows[0].clone())));
        assert_eq!(Provider::last(RowKind::Entry, "a".into()), Ok(Some(rows[1].clone())));
        assert_eq!(Provider::scan(RowKind::Entry, "a".into(), 0, 9, true), Ok(rows));
        assert_eq!(Provider::scan(RowKind::Entry, "a".into(), 0, 1, false), Ok(vec![row(0, None)]));
        assert_eq!(Provider::streams(None, 9), Ok(vec!["a".into()]));
        assert_eq!(Provider::streams(Some("a".into()), 9), Ok(vec![]));
        Provider::erase(RowKind::Entry, "a".into(), 0).unwrap();
        assert_eq!(Provider::get(RowKind::Entry, "a".into(), 0), Ok(Some(row(0, None))));
    }

    #[test]
    fn a_stream_id_that_cannot_be_never_reaches_the_provider() {
        let evil = || "../etc".to_owned();
        let invalid = |error: StoreError| matches!(error, StoreError::Invalid(_));
        let bad_row = Row { stream_id: evil(), ..row(0, None) };
        assert!(invalid(Provider::append(vec![bad_row], Want::Synced).unwrap_err()));
        assert!(invalid(Provider::get(RowKind::Entry, evil(), 0).unwrap_err()));
        assert!(invalid(Provider::last(RowKind::Entry, evil()).unwrap_err()));
        assert!(invalid(Provider::scan(RowKind::Entry, evil(), 0, 1, true).unwrap_err()));
        assert!(invalid(Provider::streams(Some(evil()), 1).unwrap_err()));
        assert!(invalid(Provider::erase(RowKind::Entry, evil(), 0).unwrap_err()));
    }
}
