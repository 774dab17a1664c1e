//! The tokens a component was composed with, or that its host lends.
//!
//! The import stands here and not in `secure-log-bindings`, because it has a resource that tokens in the graph, which
//! use that crate too, export: it would stay in their components.

use secure_log_pkcs11::{
    Attribute, AttributeType, Cryptoki, Info, Mechanism, ObjectHandle, Rv, Session, SlotId, SlotInfo, TokenInfo,
    UserType,
};

mod wit {
    #![allow(missing_docs)]
    wit_bindgen::generate!({
        path: "../../wit",
        inline: "package secure-log:keystore-pkcs11; world token-consumer { import keys:pkcs11/cryptoki; }",
        world: "secure-log:keystore-pkcs11/token-consumer",
        generate_all,
    });
}

use wit::keys::pkcs11::cryptoki;

secure_log_pkcs11::wit_conversions!(crate::import::cryptoki);

/// The imported library of tokens.
#[derive(Clone, Copy, Debug, Default)]
pub struct ImportedToken;

impl Cryptoki for ImportedToken {
    type Session = cryptoki::Session;

    fn initialize(&mut self) -> Result<(), Rv> {
        Ok(cryptoki::initialize()?)
    }

    fn finalize(&mut self) -> Result<(), Rv> {
        Ok(cryptoki::finalize()?)
    }

    fn get_info(&self) -> Result<Info, Rv> {
        Ok(cryptoki::get_info()?.into())
    }

    fn get_slot_list(&self, token_present: bool) -> Result<Vec<SlotId>, Rv> {
        Ok(cryptoki::get_slot_list(token_present)?)
    }

    fn get_slot_info(&self, slot: SlotId) -> Result<SlotInfo, Rv> {
        Ok(cryptoki::get_slot_info(slot)?.into())
    }

    fn get_token_info(&self, slot: SlotId) -> Result<TokenInfo, Rv> {
        Ok(cryptoki::get_token_info(slot)?.into())
    }

    fn open_session(&self, slot: SlotId, read_write: bool) -> Result<cryptoki::Session, Rv> {
        Ok(cryptoki::open_session(slot, read_write)?)
    }
}

impl Session for cryptoki::Session {
    fn login(&self, user: UserType, pin: Option<&[u8]>) -> Result<(), Rv> {
        Ok(self.login(user.into(), pin)?)
    }

    fn logout(&self) -> Result<(), Rv> {
        Ok(self.logout()?)
    }

    fn find_objects(&self, template: &[Attribute], limit: u32) -> Result<Vec<ObjectHandle>, Rv> {
        let template: Vec<cryptoki::Attribute> = template.iter().cloned().map(Into::into).collect();
        Ok(self.find_objects(&template, limit)?)
    }

    fn get_attribute_value(&self, object: ObjectHandle, types: &[AttributeType]) -> Result<Vec<Option<Attribute>>, Rv> {
        let types: Vec<cryptoki::AttributeType> = types.iter().copied().map(Into::into).collect();
        let values = self.get_attribute_value(object, &types)?;
        Ok(values.into_iter().map(|value| value.map(Into::into)).collect())
    }

    fn sign_init(&self, mechanism: Mechanism, key: ObjectHandle) -> Result<(), Rv> {
        Ok(self.sign_init(mechanism.into(), key)?)
    }

    fn sign(&self, data: &[u8]) -> Result<Vec<u8>, Rv> {
        Ok(self.sign(data)?)
    }
}
