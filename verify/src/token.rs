//! Tokens of the host, lent to a component that imports `keys:pkcs11/cryptoki`: any native PKCS #11 module, by its path.
//!
//! Not here: keys, PINs, choosing a token: that is the keystore's in the graph. One [`Lent`] for each instance, so that
//! its end closes its sessions and nobody else's. The module runs in this process.

use std::collections::BTreeMap;
use std::path::Path;

use secure_log_pkcs11::{Cryptoki as _, Rv, Session as _};
use secure_log_token_native::{NativeSession, NativeToken};
use wasmtime::Result;
use wasmtime::component::{HasSelf, Linker, Resource};
use zeroize::Zeroizing;

/// The generated bindings of the import.
mod wit {
    wasmtime::component::bindgen!({
        path: "../wit",
        inline: "package secure-log:verify; world token-lender { import keys:pkcs11/cryptoki; }",
        world: "secure-log:verify/token-lender",
        with: { "keys:pkcs11/cryptoki.session": secure_log_token_native::NativeSession },
    });
}

use wit::keys::pkcs11::cryptoki;

secure_log_pkcs11::wit_conversions!(crate::token::cryptoki);

/// What one instance sees of the host's tokens.
pub struct Lent {
    /// Dropped before the token, which finalises the library. A number is used once: one that the guest kept over a
    /// `finalize` names nothing.
    sessions: BTreeMap<u32, NativeSession>,
    opened: u32,
    /// Absent: the host lends none, and says CKR_FUNCTION_NOT_SUPPORTED.
    token: Option<NativeToken>,
}

impl Lent {
    /// The tokens behind the module at this path; with none, nothing.
    ///
    /// # Errors
    /// No such module.
    pub fn new(module: Option<&Path>) -> Result<Lent> {
        let token = module.map(NativeToken::load).transpose()?;
        Ok(Lent { sessions: BTreeMap::new(), opened: 0, token })
    }

    /// Links the interface to the `Lent` in the state of an instance.
    ///
    /// # Errors
    /// It is linked already.
    pub fn link<T: 'static>(linker: &mut Linker<T>, lent: fn(&mut T) -> &mut Lent) -> Result<()> {
        cryptoki::add_to_linker::<T, HasSelf<Lent>>(linker, lent)
    }

    fn token(&self) -> Result<&NativeToken, Rv> {
        self.token.as_ref().ok_or(Rv::CkrFunctionNotSupported)
    }

    fn token_mut(&mut self) -> Result<&mut NativeToken, Rv> {
        self.token.as_mut().ok_or(Rv::CkrFunctionNotSupported)
    }

    fn session(&self, session: &Resource<NativeSession>) -> Result<&NativeSession, Rv> {
        self.sessions.get(&session.rep()).ok_or(Rv::CkrSessionHandleInvalid)
    }
}

impl cryptoki::Host for Lent {
    fn initialize(&mut self) -> Result<(), cryptoki::Rv> {
        Ok(self.token_mut()?.initialize()?)
    }

    fn finalize(&mut self) -> Result<(), cryptoki::Rv> {
        // Sessions are dropped, which closes them, before the library is left.
        self.sessions.clear();
        Ok(self.token_mut()?.finalize()?)
    }

    fn get_info(&mut self) -> Result<cryptoki::Info, cryptoki::Rv> {
        Ok(self.token()?.get_info()?.into())
    }

    fn get_slot_list(&mut self, token_present: bool) -> Result<Vec<u64>, cryptoki::Rv> {
        Ok(self.token()?.get_slot_list(token_present)?)
    }

    fn get_slot_info(&mut self, slot: u64) -> Result<cryptoki::SlotInfo, cryptoki::Rv> {
        Ok(self.token()?.get_slot_info(slot)?.into())
    }

    fn get_token_info(&mut self, slot: u64) -> Result<cryptoki::TokenInfo, cryptoki::Rv> {
        Ok(self.token()?.get_token_info(slot)?.into())
    }

    fn open_session(&mut self, slot: u64, read_write: bool) -> Result<Resource<NativeSession>, cryptoki::Rv> {
        let session = self.token()?.open_session(slot, read_write)?;
        self.opened = self.opened.checked_add(1).ok_or(Rv::CkrSessionCount)?;
        self.sessions.insert(self.opened, session);
        Ok(Resource::new_own(self.opened))
    }
}

impl cryptoki::HostSession for Lent {
    fn login(
        &mut self,
        session: Resource<NativeSession>,
        user: cryptoki::UserType,
        pin: Option<Vec<u8>>,
    ) -> Result<(), cryptoki::Rv> {
        let pin = pin.map(Zeroizing::new);
        Ok(self.session(&session)?.login(user.into(), pin.as_deref().map(Vec::as_slice))?)
    }

    fn logout(&mut self, session: Resource<NativeSession>) -> Result<(), cryptoki::Rv> {
        Ok(self.session(&session)?.logout()?)
    }

    fn find_objects(
        &mut self,
        session: Resource<NativeSession>,
        template: Vec<cryptoki::Attribute>,
        limit: u32,
    ) -> Result<Vec<u64>, cryptoki::Rv> {
        let template: Vec<secure_log_pkcs11::Attribute> = template.into_iter().map(Into::into).collect();
        Ok(self.session(&session)?.find_objects(&template, limit)?)
    }

    fn get_attribute_value(
        &mut self,
        session: Resource<NativeSession>,
        object: u64,
        types: Vec<cryptoki::AttributeType>,
    ) -> Result<Vec<Option<cryptoki::Attribute>>, cryptoki::Rv> {
        let types: Vec<secure_log_pkcs11::AttributeType> = types.into_iter().map(Into::into).collect();
        let values = self.session(&session)?.get_attribute_value(object, &types)?;
        Ok(values.into_iter().map(|value| value.map(Into::into)).collect())
    }

    fn sign_init(
        &mut self,
        session: Resource<NativeSession>,
        mechanism: cryptoki::Mechanism,
        key: u64,
    ) -> Result<(), cryptoki::Rv> {
        Ok(self.session(&session)?.sign_init(mechanism.into(), key)?)
    }

    fn sign(&mut self, session: Resource<NativeSession>, data: Vec<u8>) -> Result<Vec<u8>, cryptoki::Rv> {
        Ok(self.session(&session)?.sign(&data)?)
    }

    fn drop(&mut self, session: Resource<NativeSession>) -> Result<()> {
        // One that `finalize` closed is gone already.
        self.sessions.remove(&session.rep());
        Ok(())
    }
}
