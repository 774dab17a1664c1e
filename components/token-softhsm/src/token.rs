//! The exports: bounds, what the token directory looks like, and then the C function of the same name.

use std::cell::RefCell;
use std::path::PathBuf;

use secure_log_pkcs11::pin::MAX_PIN;
use secure_log_pkcs11::{
    AttributeType, Hash, Info, KeyPairMechanism, Mechanism, ObjectHandle, Rv, SlotFlags, SlotId, SlotInfo, TokenFlags,
    TokenInfo, UserType, Version,
};
use zeroize::Zeroizing;

use crate::ffi;
use crate::scan::{self, Found};
use crate::values::{self, CAttribute, MAX_ATTRIBUTES, Ulong, decode, text, ulong};
use crate::wit::exports::keys::pkcs11::{cryptoki, provisioning};

secure_log_pkcs11::wit_conversions!(crate::wit::exports::keys::pkcs11::cryptoki);
secure_log_pkcs11::wit_conversions!(provisioning crate::wit::exports::keys::pkcs11::provisioning);

const DIRECTORY: &str = "SECURE_LOG_TOKEN_DIR";
/// Slots of tokens that can not be read: above every slot of SoftHSM, which uses 31 bits.
const UNREADABLE: u64 = 1 << 32;
/// What is signed in one call, in bytes: a log signs checkpoints of some hundred.
const MAX_DATA: usize = 1 << 20;
/// Objects found in one call.
const MAX_FOUND: u32 = 10_000;

thread_local! {
    static STATE: RefCell<State> = const { RefCell::new(State { found: Vec::new(), epoch: 0, officer: false }) };
}

/// What was found when SoftHSM was initialised.
struct State {
    found: Vec<Found>,
    /// Counts initialisations: a session of an earlier one is none, whatever its number.
    epoch: u64,
    /// The security officer is logged in, and not the user.
    officer: bool,
}

/// On stderr: a return code has no text.
fn tell(what: &impl std::fmt::Display) {
    eprintln!("token-softhsm: {what}");
}

fn directory() -> Result<PathBuf, Rv> {
    std::env::var_os(DIRECTORY).filter(|path| !path.is_empty()).map(PathBuf::from).ok_or_else(|| {
        tell(&format!("{DIRECTORY} is not set: it names the token directory"));
        Rv::CkrArgumentsBad
    })
}

/// The number of a slot that holds no unreadable token.
fn readable(slot: SlotId) -> Result<Ulong, Rv> {
    if let Some(at) = unreadable(slot) {
        return STATE.with_borrow(|state| match state.found.get(at).and_then(|found| found.damage.as_ref()) {
            Some(damage) => {
                tell(damage);
                Err(Rv::CkrTokenNotRecognized)
            }
            None => Err(Rv::CkrSlotIdInvalid),
        });
    }
    let slot = Ulong::try_from(slot).map_err(|_| Rv::CkrSlotIdInvalid)?;
    if trusted(slot) { Ok(slot) } else { Err(Rv::CkrTokenNotRecognized) }
}

/// Which of the folders has this slot because it can not be read.
fn unreadable(slot: SlotId) -> Option<usize> {
    slot.checked_sub(UNREADABLE).and_then(|at| usize::try_from(at).ok())
}

/// Whether a slot of SoftHSM has a token whose file is whole, or none: SoftHSM takes some torn files for whole ones.
fn trusted(slot: Ulong) -> bool {
    match ffi::token_info(slot) {
        Ok(info) if TokenFlags::from_number(info.flags.into()).contains(TokenFlags::CKF_TOKEN_INITIALIZED) => {
            folder(slot).is_some()
        }
        // What is wrong with the slot itself is said by the function that was asked for.
        _ => true,
    }
}

/// The folder of a whole token in a slot, by its serial number: a token that was just made keeps the slot it was made in.
fn folder(slot: Ulong) -> Option<PathBuf> {
    let serial = ffi::token_info(slot).ok()?.serial;
    let slot = scan::slot(&serial)?;
    STATE.with_borrow(|state| {
        state.found.iter().find(|found| found.slot == Some(slot)).map(|found| found.folder.clone())
    })
}

/// Looks at the token directory, as SoftHSM is about to.
fn look() -> Result<(), Rv> {
    let directory = directory()?;
    let found = scan::tokens(&directory).map_err(|damage| {
        tell(&damage);
        Rv::CkrDeviceError
    })?;
    if let Some(twins) = scan::twins(&found) {
        tell(&twins);
        return Err(Rv::CkrDeviceError);
    }
    STATE.with_borrow_mut(|state| state.found = found);
    Ok(())
}

/// An open session.
pub struct Session {
    handle: Ulong,
    slot: Ulong,
    epoch: u64,
}

impl Session {
    /// A token that states this lock keeps it.
    fn not_locked(&self, lock: TokenFlags) -> Result<(), Rv> {
        match TokenFlags::from_number(ffi::token_info(self.slot)?.flags.into()).contains(lock) {
            true => Err(Rv::CkrPinLocked),
            false => Ok(()),
        }
    }

    fn handle(&self) -> Result<Ulong, Rv> {
        match STATE.with_borrow(|state| state.epoch) == self.epoch {
            true => Ok(self.handle),
            false => Err(Rv::CkrSessionHandleInvalid),
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if let Ok(handle) = self.handle() {
            // A session that is gone already is closed.
            let _ = ffi::close_session(handle);
        }
    }
}

struct Component;

impl cryptoki::Guest for Component {
    type Session = Session;

    fn initialize() -> Result<(), cryptoki::Rv> {
        look()?;
        ffi::initialize()?;
        STATE.with_borrow_mut(|state| {
            state.epoch += 1;
            for damage in state.found.iter().filter_map(|found| found.damage.as_ref()) {
                tell(damage);
            }
        });
        Ok(())
    }

    fn finalize() -> Result<(), cryptoki::Rv> {
        ffi::finalize()?;
        STATE.with_borrow_mut(|state| state.epoch += 1);
        Ok(())
    }

    fn get_info() -> Result<cryptoki::Info, cryptoki::Rv> {
        let info = ffi::info()?;
        let info = Info {
            cryptoki_version: version(info.cryptoki),
            manufacturer_id: text(&info.manufacturer),
            library_description: text(&info.description),
            library_version: version(info.library),
        };
        Ok(info.into())
    }

    fn get_slot_list(token_present: bool) -> Result<Vec<SlotId>, cryptoki::Rv> {
        let slots = ffi::slots(token_present)?;
        let whole = slots.into_iter().filter(|slot| trusted(*slot)).map(u64::from);
        STATE.with_borrow(|state| {
            let unreadable = (UNREADABLE..).zip(&state.found).filter(|(_, f)| f.damage.is_some()).map(|(slot, _)| slot);
            Ok(whole.chain(unreadable).collect())
        })
    }

    fn get_slot_info(slot: SlotId) -> Result<cryptoki::SlotInfo, cryptoki::Rv> {
        if let Some(at) = unreadable(slot) {
            return STATE.with_borrow(|state| {
                let found = state.found.get(at).filter(|f| f.damage.is_some()).ok_or(Rv::CkrSlotIdInvalid)?;
                let name = found.folder.file_name().unwrap_or_default().to_string_lossy();
                let info = SlotInfo {
                    slot_description: format!("unreadable: {name}"),
                    manufacturer_id: "secure-log".to_owned(),
                    flags: SlotFlags::CKF_TOKEN_PRESENT,
                    hardware_version: Version::default(),
                    firmware_version: Version::default(),
                };
                Ok(info.into())
            });
        }
        let info = ffi::slot_info(Ulong::try_from(slot).map_err(|_| Rv::CkrSlotIdInvalid)?)?;
        let info = SlotInfo {
            slot_description: text(&info.description),
            manufacturer_id: text(&info.manufacturer),
            flags: SlotFlags::from_number(info.flags.into()),
            hardware_version: version(info.hardware),
            firmware_version: version(info.firmware),
        };
        Ok(info.into())
    }

    fn get_token_info(slot: SlotId) -> Result<cryptoki::TokenInfo, cryptoki::Rv> {
        let slot = readable(slot)?;
        let info = ffi::token_info(slot)?;
        let mut flags = TokenFlags::from_number(info.flags.into());
        if folder(slot).is_some_and(|folder| scan::writable(&folder).is_err()) {
            flags |= TokenFlags::CKF_WRITE_PROTECTED;
        }
        let info = TokenInfo {
            label: text(&info.label),
            manufacturer_id: text(&info.manufacturer),
            model: text(&info.model),
            serial_number: text(&info.serial),
            flags,
            max_pin_len: u64::from(info.max_pin),
            min_pin_len: u64::from(info.min_pin),
            hardware_version: version(info.hardware),
            firmware_version: version(info.firmware),
        };
        Ok(info.into())
    }

    fn open_session(slot: SlotId, read_write: bool) -> Result<cryptoki::Session, cryptoki::Rv> {
        let slot = readable(slot)?;
        if read_write && let Some(Err(error)) = folder(slot).map(|folder| scan::writable(&folder)) {
            tell(&format!("the token directory can not be written: {error}"));
            return Err(Rv::CkrTokenWriteProtected.into());
        }
        let handle = ffi::open_session(slot, read_write)?;
        let epoch = STATE.with_borrow(|state| state.epoch);
        Ok(cryptoki::Session::new(Session { handle, slot, epoch }))
    }
}

impl cryptoki::GuestSession for Session {
    fn login(&self, user: cryptoki::UserType, pin: Option<Vec<u8>>) -> Result<(), cryptoki::Rv> {
        let pin = pin.map(|pin| bounded_pin(pin, Rv::CkrPinIncorrect)).transpose()?;
        let user = UserType::from(user);
        if user == UserType::CkuContextSpecific {
            self.not_locked(TokenFlags::CKF_USER_PIN_LOCKED)?;
        }
        ffi::login(self.handle()?, ulong(user.number()), pin.as_ref().map(|pin| pin.as_slice()))?;
        STATE.with_borrow_mut(|state| state.officer = user == UserType::CkuSo);
        Ok(())
    }

    fn logout(&self) -> Result<(), cryptoki::Rv> {
        ffi::logout(self.handle()?)?;
        STATE.with_borrow_mut(|state| state.officer = false);
        Ok(())
    }

    fn find_objects(&self, template: Vec<cryptoki::Attribute>, limit: u32) -> Result<Vec<ObjectHandle>, cryptoki::Rv> {
        let handle = self.handle()?;
        let template = c_template(template)?;
        whole(self.slot)?;
        let found = ffi::find(handle, &template, limit.min(MAX_FOUND) as usize)?;
        Ok(found.into_iter().map(u64::from).collect())
    }

    fn get_attribute_value(
        &self,
        object: ObjectHandle,
        types: Vec<cryptoki::AttributeType>,
    ) -> Result<Vec<Option<cryptoki::Attribute>>, cryptoki::Rv> {
        if types.len() > MAX_ATTRIBUTES {
            return Err(Rv::CkrArgumentsBad.into());
        }
        let (handle, object) = (self.handle()?, object_number(object)?);
        let value = |name| {
            let name = AttributeType::from(name);
            let value = ffi::attribute(handle, object, ulong(name.number()))?;
            Ok(value.and_then(|value| decode(name, value)).map(Into::into))
        };
        types.into_iter().map(value).collect()
    }

    fn sign_init(&self, mechanism: cryptoki::Mechanism, key: ObjectHandle) -> Result<(), cryptoki::Rv> {
        let mechanism = Mechanism::from(mechanism);
        let parameter = match mechanism {
            Mechanism::CkmEddsa | Mechanism::CkmEcdsa => None,
            Mechanism::CkmRsaPkcsPss(with) | Mechanism::CkmSha256RsaPkcsPss(with) => match with.hash {
                Hash::Sha256 => Some(ffi::PssParams::sha256(with.s_len)),
            },
        };
        Ok(ffi::sign_init(self.handle()?, ulong(mechanism.number()), parameter, object_number(key)?)?)
    }

    fn sign(&self, data: Vec<u8>) -> Result<Vec<u8>, cryptoki::Rv> {
        let handle = self.handle()?;
        if data.len() > MAX_DATA {
            // The operation ends all the same: SoftHSM ends it for data that no mechanism takes.
            let _ = ffi::sign(handle, &[]);
            return Err(Rv::CkrDataLenRange.into());
        }
        Ok(ffi::sign(handle, &data)?)
    }
}

impl provisioning::Guest for Component {
    fn init_token(slot: SlotId, so_pin: Vec<u8>, label: String) -> Result<(), cryptoki::Rv> {
        let so_pin = bounded_pin(so_pin, Rv::CkrPinLenRange)?;
        let slot = readable(slot)?;
        // Seen afresh: what can not be read may be the very token that is to be made.
        look()?;
        let damaged = STATE.with_borrow(|state| state.found.iter().find_map(|found| found.damage.clone()));
        if let Some(damage) = damaged {
            tell(&format!("{damage}: no token is initialised beside one that can not be read"));
            return Err(Rv::CkrTokenNotRecognized.into());
        }
        let mut field = [b' '; 32];
        field.get_mut(..label.len()).ok_or(Rv::CkrArgumentsBad)?.copy_from_slice(label.as_bytes());
        scan::creatable(&directory()?).map_err(|error| {
            tell(&format!("the token directory can not be written: {error}"));
            Rv::CkrTokenWriteProtected
        })?;
        ffi::init_token(slot, &so_pin, &field)?;
        // It is initialised, whatever can be seen of it now: that was told, and the next question meets it.
        let _ = look();
        Ok(())
    }

    fn init_pin(session: provisioning::SessionBorrow<'_>, pin: Vec<u8>) -> Result<(), cryptoki::Rv> {
        let pin = bounded_pin(pin, Rv::CkrPinLenRange)?;
        Ok(ffi::init_pin(session.get::<Session>().handle()?, &pin)?)
    }

    fn set_pin(session: provisioning::SessionBorrow<'_>, old: Vec<u8>, new: Vec<u8>) -> Result<(), cryptoki::Rv> {
        let old = Zeroizing::new(old);
        let new = bounded_pin(new, Rv::CkrPinLenRange)?;
        if old.len() > MAX_PIN {
            return Err(Rv::CkrPinIncorrect.into());
        }
        let session = session.get::<Session>();
        // Of the officer if it is he who is logged in, else of the user. SoftHSM tries the old PIN of a locked token.
        session.not_locked(match STATE.with_borrow(|state| state.officer) {
            true => TokenFlags::CKF_SO_PIN_LOCKED,
            false => TokenFlags::CKF_USER_PIN_LOCKED,
        })?;
        Ok(ffi::set_pin(session.handle()?, &old, &new)?)
    }

    fn generate_key_pair(
        session: provisioning::SessionBorrow<'_>,
        mechanism: provisioning::KeyPairMechanism,
        public: Vec<cryptoki::Attribute>,
        private: Vec<cryptoki::Attribute>,
    ) -> Result<(ObjectHandle, ObjectHandle), cryptoki::Rv> {
        let handle = session.get::<Session>().handle()?;
        let mechanism = KeyPairMechanism::from(mechanism);
        let (public, private) = (c_template(public)?, c_template(private)?);
        let (public, private) = ffi::generate(handle, ulong(mechanism.number()), &public, &private)?;
        Ok((u64::from(public), u64::from(private)))
    }

    fn create_object(
        session: provisioning::SessionBorrow<'_>,
        template: Vec<cryptoki::Attribute>,
    ) -> Result<ObjectHandle, cryptoki::Rv> {
        let handle = session.get::<Session>().handle()?;
        Ok(ffi::create(handle, &c_template(template)?)?.into())
    }

    fn destroy_object(session: provisioning::SessionBorrow<'_>, object: ObjectHandle) -> Result<(), cryptoki::Rv> {
        Ok(ffi::destroy(session.get::<Session>().handle()?, object_number(object)?)?)
    }
}

/// Refuses to answer for a token of which objects can not be read.
fn whole(slot: Ulong) -> Result<(), Rv> {
    let Some(folder) = folder(slot) else { return Ok(()) };
    let objects = scan::objects(&folder).map_err(|damage| {
        tell(&damage);
        Rv::CkrDeviceError
    })?;
    for path in &objects.unfinished {
        tell(&format!("{}: the making of this object was interrupted, it holds nothing", path.display()));
    }
    for damage in &objects.torn {
        tell(damage);
    }
    if objects.torn.is_empty() { Ok(()) } else { Err(Rv::CkrDeviceError) }
}

/// A PIN that is wiped, of at most the length that any PIN has, which is also that of `softhsm/config.h`.
fn bounded_pin(pin: Vec<u8>, too_long: Rv) -> Result<Zeroizing<Vec<u8>>, Rv> {
    let pin = Zeroizing::new(pin);
    if pin.len() <= MAX_PIN { Ok(pin) } else { Err(too_long) }
}

fn object_number(object: ObjectHandle) -> Result<Ulong, Rv> {
    Ulong::try_from(object).map_err(|_| Rv::CkrObjectHandleInvalid)
}

fn c_template(attributes: Vec<cryptoki::Attribute>) -> Result<Vec<CAttribute>, Rv> {
    values::template(attributes.into_iter().map(Into::into).collect())
}

fn version(version: ffi::Version) -> Version {
    Version { major: version.major, minor: version.minor }
}

mod exports {
    // Generated: the canonical ABI is calls through raw pointers.
    #![allow(unsafe_code)]
    use super::Component;
    crate::wit::export!(Component with_types_in crate::wit);
}
