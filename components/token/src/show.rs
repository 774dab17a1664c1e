//! What is in the tokens, for people and as JSON: one line a slot, one an object.

use secure_log_pkcs11::pin::Pin;
use serde_json::{Value, json};

use crate::args::Common;
use crate::failure::{Failure, asked};
use crate::pin;
use crate::tokens::{self, Slot};
use crate::wit::keys::pkcs11::cryptoki::{
    self, Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle, Session, TokenInfo, UserType,
};
use crate::{hex, say, tell};

/// Objects shown of one token.
const MAX_OBJECTS: u32 = 10_000;

/// What is asked of each object.
const ASKED: [AttributeType; 12] = [
    AttributeType::CkaClass,
    AttributeType::CkaLabel,
    AttributeType::CkaId,
    AttributeType::CkaKeyType,
    AttributeType::CkaPrivate,
    AttributeType::CkaSensitive,
    AttributeType::CkaAlwaysSensitive,
    AttributeType::CkaExtractable,
    AttributeType::CkaNeverExtractable,
    AttributeType::CkaLocal,
    AttributeType::CkaSign,
    AttributeType::CkaModulus,
];

/// Shows every slot, or the chosen one only. A token that can not be read is shown, and fails the command at its end.
/// With several tokens to show the PIN is tried on none: it may be of one, and a wrong one counts.
pub fn list(common: &Common) -> Result<(), Failure> {
    let slots = tokens::slots()?;
    let only = match (common.slot, &common.token) {
        (Some(id), _) => Some(tokens::in_slot(&slots, id)?.id),
        (None, Some(_)) => Some(tokens::chosen(common)?),
        (None, None) => None,
    };
    let several = only.is_none() && slots.iter().filter(|slot| matches!(slot.token, Ok(Some(_)))).count() > 1;
    let pin = pin::given(common.pin_file.as_deref(), "SECURE_LOG_TOKEN_PIN", "the user's PIN")?;
    let pin = pin.filter(|_| !several);
    let mut failed = None;
    for slot in slots.iter().filter(|slot| only.is_none_or(|only| only == slot.id)) {
        match &slot.token {
            Ok(None) => say(common, &format!("slot {}: free", slot.id), json!({ "slot": slot.id, "token": null }))?,
            Ok(Some(token)) => match show(common, slot, token, pin.as_ref()) {
                Ok(()) => {}
                Err(Failure::Closed) => return Err(Failure::Closed),
                Err(failure) => {
                    tell(&format_args!("slot {}: {failure}", slot.id));
                    failed.get_or_insert(failure);
                }
            },
            Err(rv) => {
                let failure = Failure::Token("C_GetTokenInfo", *rv);
                say(
                    common,
                    &format!("slot {}: {}, {rv}", slot.id, slot.description),
                    json!({ "slot": slot.id, "description": slot.description, "rv": rv.to_string() }),
                )?;
                failed.get_or_insert(failure);
            }
        }
    }
    if several {
        tell(
            &"several tokens: no PIN was tried, and public objects are shown only; --token or --slot shows the private ones of one",
        );
    } else if pin.is_none() && !common.json {
        tell(&"private objects are shown with the user's PIN only");
    }
    failed.map_or(Ok(()), Err)
}

fn show(common: &Common, slot: &Slot, token: &TokenInfo, pin: Option<&Pin>) -> Result<(), Failure> {
    let flags: Vec<String> = token.flags.iter_names().map(|(name, _)| name.to_owned()).collect();
    say(
        common,
        &format!(
            "slot {}: token {:?}, serial number {}, {}",
            slot.id,
            token.label,
            token.serial_number,
            flags.join(" ")
        ),
        json!({ "slot": slot.id, "token": token.label, "serial": token.serial_number, "model": token.model,
            "manufacturer": token.manufacturer_id, "flags": flags, "private-shown": pin.is_some() }),
    )?;
    let session = asked("C_OpenSession", cryptoki::open_session(slot.id, false))?;
    if let Some(pin) = pin {
        tokens::login(common, slot.id, &session, UserType::CkuUser, pin)?;
    }
    for object in asked("C_FindObjects", session.find_objects(&[], MAX_OBJECTS))? {
        let (text, value) = described(&session, slot, object)?;
        say(common, &text, value)?;
    }
    Ok(())
}

fn described(session: &Session, slot: &Slot, object: ObjectHandle) -> Result<(String, Value), Failure> {
    let attributes = asked("C_GetAttributeValue", session.get_attribute_value(object, &ASKED))?;
    let mut value = json!({ "slot": slot.id });
    let mut words = Vec::new();
    for attribute in attributes.into_iter().flatten() {
        let (key, shown) = match attribute {
            Attribute::CkaClass(ObjectClass::CkoCertificate) => ("class", json!("certificate")),
            Attribute::CkaClass(ObjectClass::CkoPublicKey) => ("class", json!("public-key")),
            Attribute::CkaClass(ObjectClass::CkoPrivateKey) => ("class", json!("private-key")),
            Attribute::CkaLabel(label) => ("label", json!(label)),
            Attribute::CkaId(id) => ("id", json!(hex(&id))),
            Attribute::CkaKeyType(KeyType::CkkRsa) => ("key-type", json!("rsa")),
            Attribute::CkaKeyType(KeyType::CkkEc) => ("key-type", json!("ec")),
            Attribute::CkaKeyType(KeyType::CkkEcEdwards) => ("key-type", json!("ec-edwards")),
            Attribute::CkaModulus(modulus) if !modulus.is_empty() => ("bits", json!(modulus.len() * 8)),
            Attribute::CkaPrivate(yes) => ("private", json!(yes)),
            Attribute::CkaSensitive(yes) => ("sensitive", json!(yes)),
            Attribute::CkaAlwaysSensitive(yes) => ("always-sensitive", json!(yes)),
            Attribute::CkaExtractable(yes) => ("extractable", json!(yes)),
            Attribute::CkaNeverExtractable(yes) => ("never-extractable", json!(yes)),
            Attribute::CkaLocal(yes) => ("local", json!(yes)),
            Attribute::CkaSign(yes) => ("sign", json!(yes)),
            _ => continue,
        };
        match &shown {
            Value::Bool(true) => words.push(key.to_owned()),
            Value::Bool(false) => {}
            Value::String(text) if key == "class" => words.push(text.clone()),
            other => words.push(format!("{key} {other}")),
        }
        value[key] = shown;
    }
    Ok((format!("    {}", words.join(", ")), value))
}
