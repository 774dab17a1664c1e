//! A token inside the graph: SoftHSM 2.6.1 over OpenSSL 3.6, compiled to wasm, as `keys:pkcs11/cryptoki` and
//! `keys:pkcs11/provisioning`.
//!
//! Not here: which key signs what (`keystore-pkcs11`), how people make tokens (`components/token`), the C and C++
//! (`softhsm/`: what is changed in it and why; `scripts/softhsm.sh` compiles it). Whoever can read the token directory
//! and knows the PIN has the keys: a token of files is as good as the two are kept.
//!
//! | variable | meaning |
//! |---|---|
//! | `SECURE_LOG_TOKEN_DIR` | the token directory, below a preopened folder; as `directories.tokendir` of a native softhsm2.conf |
//!
//! # What it adds to SoftHSM
//! - What an answer acknowledges is durable: files are replaced whole, synced, and so is their folder.
//! - A token whose file can not be read has a slot of its own, whose description names it and whose token is
//!   `CKR_TOKEN_NOT_RECOGNIZED`; while there is one, no token is initialised.
//! - Where an object file is torn, finding objects answers `CKR_DEVICE_ERROR`: SoftHSM would leave the object out, and
//!   a key that is not found may be made again.
//! - A token that can not be written is `CKR_TOKEN_WRITE_PROTECTED`, and says so in its flags.
//!
//! Each of these is told on stderr with the file's name, because a return code has no text.
//!
//! One instance per token directory: WASI has no file locks.

pub mod scan;
pub mod values;

// What SoftHSM is linked to: natively there is none.
#[cfg(target_arch = "wasm32")]
mod ffi;
#[cfg(target_arch = "wasm32")]
mod token;

#[doc(hidden)]
#[allow(missing_docs)]
// Exported on wasm only.
#[cfg_attr(not(target_arch = "wasm32"), allow(unused))]
pub mod wit {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "secure-log:log/token-provider",
        generate_all,
        pub_export_macro: true,
    });
}
