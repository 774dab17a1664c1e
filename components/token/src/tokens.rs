//! Tokens: which one is meant, sessions with it, making one, its PINs.

use secure_log_pkcs11::Rv;
use secure_log_pkcs11::pin::Pin;
use serde_json::json;

use crate::args::{Common, Init, SetPin, Whose};
use crate::failure::{Failure, asked};
use crate::pin;
use crate::wit::keys::pkcs11::cryptoki::{self, Session, SlotId, TokenFlags, TokenInfo, UserType};
use crate::wit::keys::pkcs11::provisioning;
use crate::{say, tell};

/// Bytes of a label of a token.
const MAX_LABEL: usize = 32;

/// The initialised library; finalised when dropped.
pub struct Library(());

impl Library {
    /// C_Initialize.
    pub fn start() -> Result<Library, Failure> {
        match asked("C_Initialize", cryptoki::initialize()) {
            Ok(()) | Err(Failure::Token(_, Rv::CkrCryptokiAlreadyInitialized)) => Ok(Library(())),
            Err(failure) => Err(failure),
        }
    }
}

impl Drop for Library {
    fn drop(&mut self) {
        // What was acknowledged is durable already.
        let _ = cryptoki::finalize();
    }
}

/// A slot and what is in it.
pub struct Slot {
    pub id: SlotId,
    pub description: String,
    /// None: not initialised, and so no token yet; an error: it can not be read.
    pub token: Result<Option<TokenInfo>, Rv>,
}

/// Every slot with a token or the room for one.
pub fn slots() -> Result<Vec<Slot>, Failure> {
    let mut slots = Vec::new();
    for id in asked("C_GetSlotList", cryptoki::get_slot_list(true))? {
        let description = asked("C_GetSlotInfo", cryptoki::get_slot_info(id))?.slot_description;
        let token = cryptoki::get_token_info(id)
            .map(|token| token.flags.contains(TokenFlags::CKF_TOKEN_INITIALIZED).then_some(token))
            .map_err(Rv::from);
        slots.push(Slot { id, description, token });
    }
    Ok(slots)
}

/// The slot of the token that the options name.
pub fn chosen(common: &Common) -> Result<SlotId, Failure> {
    if let Some(slot) = common.slot {
        return Ok(slot);
    }
    let slots = slots()?;
    let mut fitting = Vec::new();
    let mut unreadable = None;
    for slot in &slots {
        match &slot.token {
            Ok(Some(token)) if common.token.as_ref().is_none_or(|label| *label == token.label) => fitting.push(slot.id),
            Ok(_) => {}
            Err(rv) => unreadable = Some((slot, *rv)),
        }
    }
    match (fitting.as_slice(), &common.token, unreadable) {
        // With the label of a token that can be read the others do not matter; without one they might be meant.
        ([one], Some(_), _) | ([one], None, None) => Ok(*one),
        ([], _, Some((slot, rv))) | ([_], None, Some((slot, rv))) => {
            tell(&format_args!("slot {}: {}", slot.id, slot.description));
            Err(Failure::Token("C_GetTokenInfo", rv))
        }
        ([], Some(label), None) => Err(Failure::Usage(format!("no token has the label {label:?}"))),
        ([], None, None) => Err(Failure::Usage("there is no token: make one with init".to_owned())),
        (_, Some(label), _) => Err(Failure::Usage(format!("several tokens have the label {label:?}: say --slot"))),
        (_, None, _) => Err(Failure::Usage("there are several tokens: say --token or --slot".to_owned())),
    }
}

/// A session with the chosen token.
pub fn session(common: &Common, read_write: bool) -> Result<Session, Failure> {
    asked("C_OpenSession", cryptoki::open_session(chosen(common)?, read_write))
}

/// The same, the user logged in.
pub fn user_session(common: &Common, read_write: bool) -> Result<Session, Failure> {
    let session = session(common, read_write)?;
    let pin = user_pin(common)?;
    login(&session, UserType::CkuUser, &pin)?;
    Ok(session)
}

/// One try.
pub fn login(session: &Session, user: UserType, pin: &Pin) -> Result<(), Failure> {
    asked("C_Login", session.login(user, Some(pin)))
}

fn user_pin(common: &Common) -> Result<Pin, Failure> {
    pin::needed(common.pin_file.as_deref(), "SECURE_LOG_TOKEN_PIN", "the user's PIN")
}

fn so_pin(common: &Common) -> Result<Pin, Failure> {
    pin::needed(common.so_pin_file.as_deref(), "SECURE_LOG_TOKEN_SO_PIN", "the security officer's PIN")
}

/// Makes a token. Where this is interrupted the token has no user's PIN, or can not be read, and is never taken for one
/// that works.
pub fn init(common: &Common, what: &Init, library: Library) -> Result<(), Failure> {
    let label = &what.label;
    if label.is_empty() || label.len() > MAX_LABEL || label.trim_end() != label || label.contains(char::is_control) {
        return Err(Failure::Usage(format!("{label:?} is no label: 1 to {MAX_LABEL} bytes, no blank at the end")));
    }
    let (user, officer) = (user_pin(common)?, so_pin(common)?);
    let slots = slots()?;
    for slot in &slots {
        match &slot.token {
            Err(rv) => {
                let words = format!("slot {}, {}", slot.id, slot.description);
                tell(&format_args!("{words}: no token is made beside one that can not be read"));
                return Err(Failure::Token("C_GetTokenInfo", *rv));
            }
            Ok(Some(token)) if token.label == *label => {
                return Err(Failure::Usage(format!("a token of the label {label:?} exists, in slot {}", slot.id)));
            }
            Ok(Some(_)) if common.slot == Some(slot.id) => {
                return Err(Failure::Usage(format!("slot {} holds a token: it would be destroyed", slot.id)));
            }
            Ok(_) => {}
        }
    }
    let free = slots.iter().find(|slot| matches!(slot.token, Ok(None)) && common.slot.is_none_or(|id| id == slot.id));
    let Some(free) = free else {
        return Err(Failure::Usage("no slot is free for a token".to_owned()));
    };
    // Before anything is made: a token whose user never got a PIN is of no use.
    let limits = asked("C_GetTokenInfo", cryptoki::get_token_info(free.id))?;
    for (pin, whose) in [(&user, "user's"), (&officer, "security officer's")] {
        if !(limits.min_pin_len..=limits.max_pin_len).contains(&(pin.len() as u64)) {
            let (min, max) = (limits.min_pin_len, limits.max_pin_len);
            return Err(Failure::Usage(format!("the {whose} PIN does not have {min} to {max} bytes")));
        }
    }
    asked("C_InitToken", provisioning::init_token(free.id, &officer, label))?;
    let (slot, serial) = first_pin(library, free.id, &officer, &user).map_err(|failure| {
        let done = format!(
            "the token {label:?} is initialised, and its user has no PIN yet, without which it is of no use: \
             set-pin --of user-by-so with the same PIN of the security officer sets it"
        );
        Failure::Begun(done, Box::new(failure))
    })?;
    say(
        common,
        &format!("token {label:?} made, in slot {slot}, serial number {serial}"),
        json!({ "token": label, "slot": slot, "serial": serial }),
    )
}

/// Sets the user's PIN of the token that was just initialised in the slot `made`; its slot from now on, and its serial
/// number. Labels may repeat, so it is found again by that number.
fn first_pin(library: Library, made: SlotId, officer: &Pin, user: &Pin) -> Result<(SlotId, String), Failure> {
    let serial = asked("C_GetTokenInfo", cryptoki::get_token_info(made))?.serial_number;
    // A new token gets another slot when the library looks again.
    drop(library);
    let _library = Library::start()?;
    let is_it = |slot: &Slot| matches!(&slot.token, Ok(Some(token)) if token.serial_number == serial);
    let slot = slots()?.into_iter().find(is_it).map(|slot| slot.id);
    let slot = slot.ok_or_else(|| Failure::Cannot(format!("no slot shows a token of the serial number {serial}")))?;
    let session = asked("C_OpenSession", cryptoki::open_session(slot, true))?;
    login(&session, UserType::CkuSo, officer)?;
    asked("C_InitPIN", provisioning::init_pin(&session, user))?;
    Ok((slot, serial))
}

/// Changes a PIN.
pub fn set_pin(common: &Common, what: &SetPin) -> Result<(), Failure> {
    let new = pin::needed(what.new_pin_file.as_deref(), "SECURE_LOG_TOKEN_NEW_PIN", "the new PIN")?;
    let by_user = what.of == Whose::User;
    let old = if by_user { user_pin(common)? } else { so_pin(common)? };
    let session = session(common, true)?;
    // C_SetPIN without a login is the user's.
    if !by_user {
        login(&session, UserType::CkuSo, &old)?;
    }
    match what.of {
        Whose::UserBySo => asked("C_InitPIN", provisioning::init_pin(&session, &new))?,
        Whose::User | Whose::So => asked("C_SetPIN", provisioning::set_pin(&session, &old, &new))?,
    }
    say(common, "PIN changed", json!({ "changed": true }))
}
