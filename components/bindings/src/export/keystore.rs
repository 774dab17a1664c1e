//! `keys:keystore/signer` and `keys:keystore/attestation`, exported by any [`Keystore`].

use secure_log::record::{Attestation, KeyAttributes};
use secure_log::signer::{Keystore, Signer, SignerError};

use super::Slot;

#[doc(hidden)]
pub mod wit {
    #![allow(missing_docs)]
    wit_bindgen::generate!({
        path: "../../wit",
        world: "keystore-provider",
        pub_export_macro: true,
        export_macro_name: "export_keystore_component",
        default_bindings_module: "secure_log_bindings::export::keystore::wit",
    });
}

use wit::exports::keys::keystore::attestation;
use wit::exports::keys::keystore::signer::{Error, Guest, GuestKey, Key};

/// Exports `keys:keystore/signer` and `keys:keystore/attestation` from a component, over one value of the given type
/// (`secure_log::signer::Keystore + Default`). Dropping the last handle of a key drops the key.
#[macro_export]
macro_rules! export_keystore {
    ($keystore:ty) => {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            $crate::__slot!($keystore);
            $crate::export::keystore::wit::export_keystore_component!(
                Component with_types_in $crate::export::keystore::wit
            );
        };
    };
}

impl<P> Guest for P
where
    P: Slot + 'static,
    P::Value: Keystore,
    <P::Value as Keystore>::Key: 'static,
{
    type Key = Handed<<P::Value as Keystore>::Key>;

    fn get_key(label: String) -> Result<Key, Error> {
        P::with(|keystore| Ok(Key::new(Handed(keystore.get_key(&label)?))))
    }
}

impl<P> attestation::Guest for P
where
    P: Slot + 'static,
    P::Value: Keystore,
{
    fn attest(label: String) -> Result<Option<attestation::Evidence>, Error> {
        P::with(|keystore| Ok(keystore.attest(&label)?.map(Into::into)))
    }
}

impl From<Attestation> for attestation::Evidence {
    fn from(attestation: Attestation) -> Self {
        let evidence = attestation.evidence();
        let KeyAttributes { sensitive, extractable, never_extractable, local } = evidence.key_attributes;
        attestation::Evidence {
            certificates: evidence.certificates,
            token_info: evidence.token_info,
            key_attributes: attestation::KeyAttributes { sensitive, extractable, never_extractable, local },
            retrieved_at: evidence.retrieved_at,
        }
    }
}

/// A key behind a handle.
#[doc(hidden)]
pub struct Handed<K>(K);

impl<K: Signer + 'static> GuestKey for Handed<K> {
    fn algorithm(&self) -> String {
        self.0.algorithm().as_str().to_owned()
    }

    fn public_key(&self) -> Vec<u8> {
        self.0.public_key()
    }

    fn sign(&self, message: Vec<u8>) -> Result<Vec<u8>, Error> {
        Ok(self.0.sign(&message)?)
    }
}

impl From<SignerError> for Error {
    fn from(error: SignerError) -> Self {
        match error {
            SignerError::KeyNotFound(what) => Error::KeyNotFound(what),
            SignerError::UnsupportedAlgorithm(what) => Error::UnsupportedAlgorithm(what),
            SignerError::AccessDenied(what) => Error::AccessDenied(what),
            SignerError::Backend(what) => Error::Backend(what),
            wrong @ SignerError::WrongSignature(_) => Error::Backend(wrong.to_string()),
        }
    }
}
