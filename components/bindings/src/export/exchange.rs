//! `secure-log:log/exchange`, exported by any [`Exchange`].

use secure_log::witness::{Exchange, ExchangeError, Response};

use super::Slot;

#[doc(hidden)]
pub mod wit {
    #![allow(missing_docs)]
    wit_bindgen::generate!({
        path: "../../wit",
        inline: "package secure-log:bindings; world exchange-provider { export secure-log:log/exchange@0.1.0; }",
        world: "secure-log:bindings/exchange-provider",
        generate_all,
        pub_export_macro: true,
        export_macro_name: "export_exchange_component",
        default_bindings_module: "secure_log_bindings::export::exchange::wit",
    });
}

use wit::exports::secure_log::log::exchange::{ExchangeError as Lifted, Guest, Response as LiftedResponse};

/// Exports `secure-log:log/exchange` from a component, over one value of the given type
/// ([`secure_log::witness::Exchange`]` + Default`).
#[macro_export]
macro_rules! export_exchange {
    ($exchange:ty) => {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            $crate::__slot!($exchange);
            $crate::export::exchange::wit::export_exchange_component!(
                Component with_types_in $crate::export::exchange::wit
            );
        };
    };
}

impl<P> Guest for P
where
    P: Slot,
    P::Value: Exchange,
{
    fn post(url: String, content_type: String, body: Vec<u8>, limit: u32) -> Result<LiftedResponse, Lifted> {
        let Response { status, content_type, body } =
            P::with(|exchange| exchange.post(&url, &content_type, &body, limit))?;
        Ok(LiftedResponse { status, content_type, body })
    }
}

impl From<ExchangeError> for Lifted {
    fn from(error: ExchangeError) -> Self {
        match error {
            ExchangeError::NotSent(why) => Lifted::NotSent(why),
            ExchangeError::Lost(why) => Lifted::Lost(why),
            ExchangeError::Invalid(why) => Lifted::Invalid(why),
        }
    }
}
