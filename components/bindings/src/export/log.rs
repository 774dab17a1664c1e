//! `encoder`, `log` and `checkpoint`, exported by the core: their `Guest` traits and the macro that ties a
//! type with all three to the exports.

#[doc(hidden)]
pub mod wit {
    #![allow(missing_docs)]
    wit_bindgen::generate!({
        path: "../../wit",
        world: "audit-log",
        with: { "secure-log:log/types@0.1.0": crate::types },
        pub_export_macro: true,
        export_macro_name: "export_log_component",
        default_bindings_module: "secure_log_bindings::export::log::wit",
    });
}

pub use wit::exports::secure_log::log::{checkpoint, encoder, log};

/// Exports `secure-log:log/encoder`, `log` and `checkpoint` from a component: the given type implements
/// their `Guest` traits.
#[macro_export]
macro_rules! export_log {
    ($component:ident) => {
        #[cfg(target_arch = "wasm32")]
        $crate::export::log::wit::export_log_component!($component with_types_in $crate::export::log::wit);
    };
}
