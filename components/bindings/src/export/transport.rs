//! `secure-log:log/transport`, exported by any [`Transport`].

use secure_log_rpc::{Transport, TransportError};

use super::Slot;

#[doc(hidden)]
pub mod wit {
    #![allow(missing_docs)]
    wit_bindgen::generate!({
        path: "../../wit",
        inline: "package secure-log:bindings; world transport-provider { export secure-log:log/transport@0.1.0; }",
        world: "secure-log:bindings/transport-provider",
        generate_all,
        pub_export_macro: true,
        export_macro_name: "export_transport_component",
        default_bindings_module: "secure_log_bindings::export::transport::wit",
    });
}

use wit::exports::secure_log::log::transport::{Guest, TransportError as Lifted};

/// Exports `secure-log:log/transport` from a component, over one value of the given type
/// (`secure_log_rpc::Transport + Default`).
#[macro_export]
macro_rules! export_transport {
    ($transport:ty) => {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            $crate::__slot!($transport);
            $crate::export::transport::wit::export_transport_component!(
                Component with_types_in $crate::export::transport::wit
            );
        };
    };
}

impl<P> Guest for P
where
    P: Slot,
    P::Value: Transport,
{
    fn rpc(method: String, params: String) -> Result<String, Lifted> {
        P::with(|transport| Ok(transport.rpc(&method, &params)?))
    }
}

impl From<TransportError> for Lifted {
    fn from(error: TransportError) -> Self {
        match error {
            TransportError::NotSent(why) => Lifted::NotSent(why),
            TransportError::Lost(why) => Lifted::Lost(why),
            TransportError::Denied(why) => Lifted::Denied(why),
            TransportError::Invalid(why) => Lifted::Invalid(why),
        }
    }
}
