//! What the served components (`wasi:http` guests) share: heads and replies as values, bodies bounded in bytes and
//! time, and a store that opens itself.
//!
//! Not here: any decision about a request. Each endpoint makes its own, purely, and hands it to [`serve::answer`].

pub mod message;
pub mod serve;
mod storage;

pub use secure_log_rpc::body::BodyError;
pub use storage::Storage;

/// Exports `wasi:http/incoming-handler` from a component: each request is given to this function,
/// `fn(&IncomingRequest, ResponseOutparam)`. The crate needs `wasip2` of its own.
#[macro_export]
macro_rules! export_endpoint {
    ($handle:path) => {
        #[cfg(target_arch = "wasm32")]
        mod component {
            //! The export. The macro's expansion is generated code.
            #![allow(unsafe_code)]

            use wasip2::exports::http::incoming_handler::Guest;
            use wasip2::http::types::{IncomingRequest, ResponseOutparam};

            struct Component;

            impl Guest for Component {
                fn handle(request: IncomingRequest, out: ResponseOutparam) {
                    $handle(&request, out);
                }
            }

            wasip2::http::proxy::export!(Component);
        }
    };
}

/// The text of a configuration file of at most `cap` bytes.
///
/// # Errors
/// Says why for people, without the path.
pub fn text_file(path: &str, cap: u64) -> Result<String, String> {
    use std::io::Read as _;
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(|error| error.kind().to_string())?;
    file.take(cap + 1).read_to_string(&mut text).map_err(|error| error.kind().to_string())?;
    if text.len() as u64 > cap { Err("it is too long".to_owned()) } else { Ok(text) }
}
