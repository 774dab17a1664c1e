//! The exit status of a command. Rust's `std::process::exit` of this target only says success or failure.

mod wit {
    #![allow(missing_docs)]
    wit_bindgen::generate!({
        path: "../../wit",
        inline: "package secure-log:bindings; world command-exit { import wasi:cli/exit@0.2.12; }",
        world: "secure-log:bindings/command-exit",
        generate_all,
    });
}

pub use wit::wasi::cli::exit::exit_with_code;
