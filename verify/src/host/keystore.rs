//! A composed keystore by itself, for the figures of signing.

use std::path::Path;

use anyhow::{Result, anyhow};
use wasmtime::component::{Component, Linker, ResourceAny};
use wasmtime::{Engine, Store};
use wasmtime_wasi::WasiCtxBuilder;

use super::{Host, preopen};
use crate::softhsm::Token;
use crate::token::Lent;

mod wit {
    wasmtime::component::bindgen!({ path: "../wit", world: "secure-log:log/keystore-provider" });
}

/// A running keystore and one key of it.
pub struct Keystore {
    store: Store<Host>,
    exports: wit::KeystoreProvider,
    key: ResourceAny,
}

impl Keystore {
    /// The key of this label in an artifact that exports `keys:keystore`, over `token`.
    ///
    /// # Errors
    /// Not such an artifact, no such key, a trap.
    pub fn start(
        engine: &Engine,
        artifact: &Path,
        token: &Token,
        module: Option<&Path>,
        label: &str,
    ) -> Result<Keystore> {
        let component = Component::from_file(engine, artifact)?;
        let mut linker = Linker::<Host>::new(engine);
        wasmtime_wasi::p2::add_to_linker_sync(&mut linker)?;
        if module.is_some() {
            Lent::link(&mut linker, |host: &mut Host| &mut host.token)?;
        }
        let mut wasi = WasiCtxBuilder::new();
        wasi.allow_blocking_current_thread(true).inherit_stderr().envs(&token.env);
        preopen(&mut wasi, &token.preopens)?;
        let mut store = Store::new(engine, Host::new(wasi.build(), Lent::new(module)?));
        store.limiter(|host| &mut host.meter);
        let exports = wit::KeystoreProvider::instantiate(&mut store, &component, &linker)?;
        let key = exports.keys_keystore_signer().call_get_key(&mut store, label)?;
        let key = key.map_err(|error| anyhow!("key {label}: {error:?}"))?;
        Ok(Keystore { store, exports, key })
    }

    /// A signature.
    ///
    /// # Errors
    /// That of the keystore, a trap.
    pub fn sign(&mut self, message: &[u8]) -> Result<Vec<u8>> {
        let keys = self.exports.keys_keystore_signer();
        let signed = keys.key().call_sign(&mut self.store, self.key, message)?;
        signed.map_err(|error| anyhow!("signing: {error:?}"))
    }
}
