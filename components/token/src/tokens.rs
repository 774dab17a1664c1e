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

impl Slot {
    /// Names the slot, and is the failure of what wants its token.
    fn unreadable(&self, rv: Rv) -> Failure {
        tell(&format_args!("slot {}: {}", self.id, self.description));
        Failure::Token("C_GetTokenInfo", rv)
    }
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

/// The slot of this number.
pub fn in_slot(slots: &[Slot], id: SlotId) -> Result<&Slot, Failure> {
    slots.iter().find(|slot| slot.id == id).ok_or_else(|| {
        let ids: Vec<SlotId> = slots.iter().map(|slot| slot.id).collect();
        Failure::Usage(format!("there is no slot {id}; there are {ids:?}"))
    })
}

/// The slot of the token that the options name.
pub fn chosen(common: &Common) -> Result<SlotId, Failure> {
    among(&slots()?, common.slot, common.token.as_deref())
}

fn among(slots: &[Slot], id: Option<SlotId>, label: Option<&str>) -> Result<SlotId, Failure> {
    if let Some(id) = id {
        let slot = in_slot(slots, id)?;
        return match &slot.token {
            Ok(Some(_)) => Ok(id),
            Ok(None) => Err(Failure::Usage(format!("slot {id} holds no token: init makes one"))),
            Err(rv) => Err(slot.unreadable(*rv)),
        };
    }
    let mut fitting = Vec::new();
    let mut unreadable = None;
    for slot in slots {
        match &slot.token {
            Ok(Some(token)) if label.is_none_or(|label| *label == token.label) => fitting.push(slot.id),
            Ok(_) => {}
            Err(rv) => unreadable = Some((slot, *rv)),
        }
    }
    match (fitting.as_slice(), label, unreadable) {
        ([one], ..) => Ok(*one),
        ([], _, Some((slot, rv))) => Err(slot.unreadable(rv)),
        ([], Some(label), None) => Err(Failure::Usage(format!("no token has the label {label:?}"))),
        ([], None, None) => Err(Failure::Usage("there is no token: make one with init".to_owned())),
        (_, Some(label), _) => Err(Failure::Usage(format!("several tokens have the label {label:?}: say --slot"))),
        (_, None, _) => Err(Failure::Usage("there are several tokens: say --token or --slot".to_owned())),
    }
}

/// A session with the chosen token, the user logged in.
pub fn user_session(common: &Common, read_write: bool) -> Result<Session, Failure> {
    let slot = chosen(common)?;
    let session = asked("C_OpenSession", cryptoki::open_session(slot, read_write))?;
    let pin = user_pin(common)?;
    login(common, slot, &session, UserType::CkuUser, &pin)?;
    Ok(session)
}

/// One try, which is the last one only by leave.
pub fn login(common: &Common, slot: SlotId, session: &Session, user: UserType, pin: &Pin) -> Result<(), Failure> {
    may_try(common, slot, user)?;
    asked("C_Login", session.login(user, Some(pin)))
}

/// Refuses to use up the last try of a PIN without `--final-try`.
fn may_try(common: &Common, slot: SlotId, user: UserType) -> Result<(), Failure> {
    if common.final_try {
        return Ok(());
    }
    last_try(asked("C_GetTokenInfo", cryptoki::get_token_info(slot))?.flags, user)
}

/// What is locked is left to the token to refuse.
fn last_try(flags: TokenFlags, user: UserType) -> Result<(), Failure> {
    use TokenFlags as Flags;
    let (last, locked, name, whose) = match user {
        UserType::CkuSo => {
            let name = "CKF_SO_PIN_FINAL_TRY";
            (Flags::CKF_SO_PIN_FINAL_TRY, Flags::CKF_SO_PIN_LOCKED, name, "the security officer's")
        }
        _ => {
            let name = "CKF_USER_PIN_FINAL_TRY";
            (Flags::CKF_USER_PIN_FINAL_TRY, Flags::CKF_USER_PIN_LOCKED, name, "the user's")
        }
    };
    match flags.contains(last) && !flags.contains(locked) {
        true => Err(Failure::Cannot(format!(
            "one try of {whose} PIN is left ({name}) and is not used up here: check the PIN, then say --final-try"
        ))),
        false => Ok(()),
    }
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
    if let Some(id) = common.slot {
        in_slot(&slots, id)?;
    }
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
    let (slot, serial) = first_pin(common, library, free.id, &officer, &user).map_err(|failure| {
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
fn first_pin(
    common: &Common,
    library: Library,
    made: SlotId,
    officer: &Pin,
    user: &Pin,
) -> Result<(SlotId, String), Failure> {
    let serial = asked("C_GetTokenInfo", cryptoki::get_token_info(made))?.serial_number;
    // A new token gets another slot when the library looks again.
    drop(library);
    let _library = Library::start()?;
    let is_it = |slot: &Slot| matches!(&slot.token, Ok(Some(token)) if token.serial_number == serial);
    let slot = slots()?.into_iter().find(is_it).map(|slot| slot.id);
    let slot = slot.ok_or_else(|| Failure::Cannot(format!("no slot shows a token of the serial number {serial}")))?;
    let session = asked("C_OpenSession", cryptoki::open_session(slot, true))?;
    login(common, slot, &session, UserType::CkuSo, officer)?;
    asked("C_InitPIN", provisioning::init_pin(&session, user))?;
    Ok((slot, serial))
}

/// Changes a PIN.
pub fn set_pin(common: &Common, what: &SetPin) -> Result<(), Failure> {
    let new = pin::needed(what.new_pin_file.as_deref(), "SECURE_LOG_TOKEN_NEW_PIN", "the new PIN")?;
    let by_user = what.of == Whose::User;
    let old = if by_user { user_pin(common)? } else { so_pin(common)? };
    let slot = chosen(common)?;
    let session = asked("C_OpenSession", cryptoki::open_session(slot, true))?;
    // C_SetPIN without a login is the user's, and a try of that PIN.
    match by_user {
        true => may_try(common, slot, UserType::CkuUser)?,
        false => login(common, slot, &session, UserType::CkuSo, &old)?,
    }
    match what.of {
        Whose::UserBySo => asked("C_InitPIN", provisioning::init_pin(&session, &new))?,
        Whose::User | Whose::So => asked("C_SetPIN", provisioning::set_pin(&session, &old, &new))?,
    }
    say(common, "PIN changed", json!({ "changed": true }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::wit::keys::pkcs11::cryptoki::Version;

    fn slot(id: SlotId, token: Result<Option<&str>, Rv>) -> Slot {
        let info = |label: &str| TokenInfo {
            label: label.to_owned(),
            manufacturer_id: String::new(),
            model: String::new(),
            serial_number: String::new(),
            flags: TokenFlags::CKF_TOKEN_INITIALIZED,
            max_pin_len: 255,
            min_pin_len: 4,
            hardware_version: Version { major: 0, minor: 0 },
            firmware_version: Version { major: 0, minor: 0 },
        };
        Slot { id, description: String::new(), token: token.map(|label| label.map(info)) }
    }

    #[test]
    fn a_slot_that_is_named_must_be_there_and_hold_a_token() {
        let slots = [slot(3, Ok(Some("a"))), slot(4, Ok(None)), slot(5, Err(Rv::CkrTokenNotRecognized))];
        assert_eq!(among(&slots, Some(3), None).unwrap(), 3);
        for (id, status, why) in [
            (77, 2, "there is no slot 77; there are [3, 4, 5]"),
            (4, 2, "slot 4 holds no token: init makes one"),
            (5, 3, "C_GetTokenInfo answers CKR_TOKEN_NOT_RECOGNIZED: a token is there and can not be read"),
        ] {
            let failure = among(&slots, Some(id), None).unwrap_err();
            assert_eq!((failure.status(), failure.to_string().as_str()), (status, why));
        }
    }

    #[test]
    fn one_that_can_not_be_read_stops_no_other() {
        let bad = || slot(5, Err(Rv::CkrTokenNotRecognized));
        let one = [bad(), slot(3, Ok(Some("a"))), slot(6, Ok(None))];
        assert_eq!(among(&one, None, None).unwrap(), 3);
        assert_eq!(among(&one, None, Some("a")).unwrap(), 3);
        // The one that is asked for may be the one that can not be read.
        assert!(matches!(among(&one, None, Some("b")), Err(Failure::Token(..))));
        assert!(matches!(among(&[bad()], None, None), Err(Failure::Token(..))));
        let two = [bad(), slot(3, Ok(Some("a"))), slot(4, Ok(Some("b")))];
        assert!(among(&two, None, None).unwrap_err().to_string().contains("say --token or --slot"));
    }

    #[test]
    fn the_last_try_of_a_pin_is_refused_to_whose_it_is() {
        let (user, so) = (TokenFlags::CKF_USER_PIN_FINAL_TRY, TokenFlags::CKF_SO_PIN_FINAL_TRY);
        for (flags, who, refused) in [
            (user, UserType::CkuUser, true),
            (user, UserType::CkuSo, false),
            (so, UserType::CkuSo, true),
            (so, UserType::CkuUser, false),
            (TokenFlags::CKF_USER_PIN_COUNT_LOW, UserType::CkuUser, false),
            (user | TokenFlags::CKF_USER_PIN_LOCKED, UserType::CkuUser, false),
        ] {
            match last_try(flags, who) {
                Ok(()) => assert!(!refused, "{flags:?} {who:?}"),
                Err(failure) => {
                    assert!(refused && failure.status() == 3, "{failure}");
                    assert!(failure.to_string().contains("say --final-try"), "{failure}");
                }
            }
        }
    }
}
