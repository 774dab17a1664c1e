//! Stands between the host and the parts of an artifact, and gives each less than the host gave.
//!
//! Whoever composes an artifact puts the exports of this component where a part would import the host's:
//!
//! | export | for | gives |
//! |---|---|---|
//! | `wasi:filesystem/preopens` | the store | its own directories ([`directories`]) |
//! | `wasi:cli/environment` | the store | no variable, no argument |
//! | `transport-environment` | transport-http | `SECURE_LOG_RPC_URL`, `SECURE_LOG_RPC_TOKEN` |
//! | `core-environment` | core | the variables of the core |
//!
//! A directory is a descriptor, a capability: what is not handed out here can not be opened elsewhere, because
//! `wasi:filesystem/types` makes a descriptor only from another one, and the host resolves paths, `..` and symbolic
//! links below it.
//!
//! Not here: what a part does with stdin, stdout, stderr, clocks and randomness, which it imports from the
//! host; a network, which only transport-http imports. docs/hosting.md, "Least authority".

pub mod directories;
pub mod places;

/// Generated.
#[allow(missing_docs, unsafe_code, clippy::all)]
pub mod wit {
    wit_bindgen::generate!({ path: "../../wit", world: "confine", generate_all });
}

#[cfg(target_arch = "wasm32")]
mod component {
    use super::wit::{self, exports, wasi::filesystem::types::Descriptor};
    use super::{CORE, TRANSPORT, directories};

    struct Component;

    impl exports::wasi::filesystem::preopens::Guest for Component {
        fn get_directories() -> Vec<(Descriptor, String)> {
            directories::of_store()
        }
    }

    /// An environment interface that holds these variables and nothing else.
    macro_rules! environment {
        ($interface:path, $variables:expr) => {
            impl $interface for Component {
                fn get_environment() -> Vec<(String, String)> {
                    let wanted: &[&str] = $variables;
                    if wanted.is_empty() {
                        return Vec::new();
                    }
                    let mut given = wit::wasi::cli::environment::get_environment();
                    given.retain(|(name, _)| wanted.contains(&name.as_str()));
                    given
                }

                fn get_arguments() -> Vec<String> {
                    Vec::new()
                }

                fn initial_cwd() -> Option<String> {
                    None
                }
            }
        };
    }

    environment!(exports::wasi::cli::environment::Guest, &[]);
    environment!(exports::secure_log::log::transport_environment::Guest, &TRANSPORT);
    environment!(exports::secure_log::log::core_environment::Guest, &CORE);

    #[allow(unsafe_code)]
    mod exported {
        use super::{Component, wit};
        wit::export!(Component with_types_in wit);
    }
}

/// What transport-http reads.
#[cfg(target_arch = "wasm32")]
const TRANSPORT: [&str; 2] = ["SECURE_LOG_RPC_URL", "SECURE_LOG_RPC_TOKEN"];

/// What core reads (`core/src/config.rs`).
#[cfg(target_arch = "wasm32")]
const CORE: [&str; 5] =
    ["SECURE_LOG_NAME", "SECURE_LOG_BOOT_ID", "SECURE_LOG_HEAD_FILE", "SECURE_LOG_HEAD_ADOPT", "SECURE_LOG_AUTHORS"];
