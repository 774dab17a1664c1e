//! The exchange a component was composed with.

use secure_log::witness::{Exchange, ExchangeError, Response};

mod wit {
    #![allow(missing_docs)]
    wit_bindgen::generate!({
        path: "../../wit",
        inline: "package secure-log:bindings; world exchange-consumer { import secure-log:log/exchange@0.1.0; }",
        world: "secure-log:bindings/exchange-consumer",
        generate_all,
    });
}

use wit::secure_log::log::exchange;

/// The exchange this component imports.
#[derive(Clone, Copy, Debug, Default)]
pub struct ImportedExchange;

impl Exchange for ImportedExchange {
    fn post(&mut self, url: &str, content_type: &str, body: &[u8], limit: u32) -> Result<Response, ExchangeError> {
        match exchange::post(url, content_type, body, limit) {
            Ok(exchange::Response { status, content_type, body }) => Ok(Response { status, content_type, body }),
            Err(exchange::ExchangeError::NotSent(why)) => Err(ExchangeError::NotSent(why)),
            Err(exchange::ExchangeError::Lost(why)) => Err(ExchangeError::Lost(why)),
            Err(exchange::ExchangeError::Invalid(why)) => Err(ExchangeError::Invalid(why)),
        }
    }
}
