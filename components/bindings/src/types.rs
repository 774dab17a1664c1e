//! The values of `secure-log:log/types`, generated once; every other binding of this crate refers to them.
//! What the fields mean stands in `wit/log.wit`.

mod wit {
    #![allow(missing_docs)]
    wit_bindgen::generate!({
        path: "../../wit",
        inline: "package secure-log:bindings; world values { import secure-log:log/types@0.1.0; }",
        world: "secure-log:bindings/values",
        generate_all,
        generate_unused_types: true,
        additional_derives: [PartialEq, Eq],
    });
}

pub use wit::secure_log::log::types::*;
