//! The log of a composed core, for components that use it: its functions as generated, over [`crate::types`].
//!
//! Arguments and answers stay values of `wit/log.wit`: the core parses the former, and what a caller wants of
//! the latter it converts through [`crate::convert`].

mod wit {
    #![allow(missing_docs)]
    wit_bindgen::generate!({
        path: "../../wit",
        inline: "package secure-log:bindings; world log-consumer { import secure-log:log/log@0.1.0; import secure-log:log/checkpoint@0.1.0; }",
        world: "secure-log:bindings/log-consumer",
        generate_all,
        with: { "secure-log:log/types@0.1.0": crate::types },
    });
}

pub use wit::secure_log::log::{checkpoint, log};
