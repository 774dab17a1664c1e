//! The providers a component was composed with, as values of the domain's traits. Not trusted: what they
//! answer is parsed here and checked by the log.

pub mod exchange;
pub mod exit;
pub mod log;

use secure_log::store::{Row, RowKind, Store, StoreError, Want};
use secure_log::types::StreamId;

use crate::convert::store_error;

mod wit {
    //! Rows go out borrowed, so that a batch is not copied before the boundary copies it; that takes a
    //! borrowed and an owned form of the record `row`, both private to this file.
    #![allow(missing_docs)]
    wit_bindgen::generate!({
        path: "../../wit",
        inline: "package secure-log:bindings; world store-consumer { import secure-log:log/store@0.1.0; }",
        world: "secure-log:bindings/store-consumer",
        generate_all,
        ownership: Borrowing { duplicate_if_necessary: true },
        with: {
            "secure-log:log/types@0.1.0/row-kind": crate::types::RowKind,
            "secure-log:log/types@0.1.0/want": crate::types::Want,
            "secure-log:log/types@0.1.0/store-error": crate::types::StoreError,
        },
    });
}

use wit::secure_log::log::store;
use wit::secure_log::log::types::{RowParam, RowResult};

/// The store this component imports.
#[derive(Clone, Copy, Debug, Default)]
pub struct ImportedStore;

impl Store for ImportedStore {
    fn init(&mut self, config: &str) -> Result<(), StoreError> {
        store::init(config).map_err(StoreError::from)
    }

    fn append(&mut self, rows: &[Row], want: Want) -> Result<(), StoreError> {
        let rows: Vec<RowParam<'_>> = rows.iter().map(lend).collect();
        store::append(&rows, want.into()).map_err(StoreError::from)
    }

    fn get(&mut self, kind: RowKind, stream: &StreamId, index: u64) -> Result<Option<Row>, StoreError> {
        let row = store::get(kind.into(), stream.as_str(), index)?;
        row.map(|row| answered(row, stream)).transpose()
    }

    fn last(&mut self, kind: RowKind, stream: &StreamId) -> Result<Option<Row>, StoreError> {
        let row = store::last(kind.into(), stream.as_str())?;
        row.map(|row| answered(row, stream)).transpose()
    }

    fn scan(
        &mut self,
        kind: RowKind,
        stream: &StreamId,
        start: u64,
        limit: u32,
        with_payload: bool,
    ) -> Result<Vec<Row>, StoreError> {
        let rows = store::scan(kind.into(), stream.as_str(), start, limit, with_payload)?;
        rows.into_iter().map(|row| answered(row, stream)).collect()
    }

    fn streams(&mut self, after: Option<&StreamId>, limit: u32) -> Result<Vec<StreamId>, StoreError> {
        let ids = store::streams(after.map(StreamId::as_str), limit)?;
        ids.iter().map(|id| StreamId::try_from(id.as_str()).map_err(store_error("the store lists"))).collect()
    }

    fn erase(&mut self, kind: RowKind, stream: &StreamId, index: u64) -> Result<(), StoreError> {
        store::erase(kind.into(), stream.as_str(), index).map_err(StoreError::from)
    }
}

fn lend(row: &Row) -> RowParam<'_> {
    RowParam {
        kind: row.kind.into(),
        stream_id: row.stream_id.as_str(),
        index: row.index,
        body: &row.body,
        payload: row.payload.as_deref(),
    }
}

/// A row the store gave for `asked`. Whether it is the row that was asked for is the log's to check.
fn answered(row: RowResult, asked: &StreamId) -> Result<Row, StoreError> {
    Ok(Row {
        kind: row.kind.into(),
        stream_id: StreamId::parse_like(&row.stream_id, Some(asked)).map_err(store_error("the store answers with"))?,
        index: row.index,
        body: row.body,
        payload: row.payload,
    })
}

#[cfg(feature = "transport")]
pub use transport::ImportedTransport;

#[cfg(feature = "transport")]
mod transport {
    use secure_log_rpc::{Transport, TransportError};

    mod wit {
        #![allow(missing_docs)]
        wit_bindgen::generate!({
            path: "../../wit",
            inline: "package secure-log:bindings; world transport-consumer { import secure-log:log/transport@0.1.0; }",
            world: "secure-log:bindings/transport-consumer",
            generate_all,
        });
    }

    use wit::secure_log::log::transport;

    /// The transport this component imports.
    #[derive(Clone, Copy, Debug, Default)]
    pub struct ImportedTransport;

    impl Transport for ImportedTransport {
        fn rpc(&mut self, method: &str, params: &str) -> Result<String, TransportError> {
            transport::rpc(method, params).map_err(|error| match error {
                transport::TransportError::NotSent(why) => TransportError::NotSent(why),
                transport::TransportError::Lost(why) => TransportError::Lost(why),
                transport::TransportError::Denied(why) => TransportError::Denied(why),
                transport::TransportError::Invalid(why) => TransportError::Invalid(why),
            })
        }
    }
}
