//! Tokens behind a native PKCS #11 module: SoftHSM's, a YubiKey's, that of an HSM, by the path of its library.
//!
//! Not here: keys, PINs, WIT. For native users of the keystore and for a host that lends its tokens to a component.
//!
//! # One library, many users
//! A module keeps one state for the whole process: `C_Initialize` and `C_Finalize` are for everybody in it, and so is who
//! is logged in. Every [`NativeToken`] of one path shares that state. The first `initialize` is C_Initialize; `finalize`
//! is C_Finalize when the last user of that path leaves, so that no one closes the sessions of another.
//! Modules are called with `CKF_OS_LOCKING_OK`.
//!
//! # What the `cryptoki` crate lacks
//! It joins C_SignInit and C_Sign, between which a key with CKA_ALWAYS_AUTHENTICATE wants its login. So C_Sign alone is
//! called here (`sign.rs`, the only unsafe code). A return code that the crate has no name for keeps its number.
//! Object handles are numbers to the caller; only those that the same session found are passed on to the module.

#![deny(unsafe_code)]
#![allow(clippy::useless_conversion, reason = "CK_ULONG is 32 bits on other platforms")]

mod convert;
mod sign;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::object as native;
use cryptoki::slot::Slot;
use cryptoki::types::RawAuthPin;
use secure_log_pkcs11::{
    Attribute, AttributeType, Cryptoki, Info, Mechanism, ObjectHandle, Rv, Session, SlotId, SlotInfo, TokenInfo,
    UserType,
};

use convert::{attribute_from, attribute_to, attribute_type, info, mechanism, rv, slot_info, token_info, user};
use sign::SignFunction;

/// A module and whether this user initialised it. Dropped, it is finalised.
pub struct NativeToken {
    module: Arc<Module>,
    initialized: bool,
}

/// Why a module cannot be used at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadError(String);

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for LoadError {}

/// A loaded library; one for each path in this process.
struct Module {
    pkcs11: Pkcs11,
    c_sign: SignFunction,
    /// C_Initialize and C_Finalize are called under this lock.
    users: Mutex<Users>,
}

#[derive(Default)]
struct Users {
    /// Who initialised the module and has not finalised it.
    count: u32,
    /// C_Initialize was done here, and not by someone in this process who does not go through here.
    ours: bool,
}

/// Those in use, by canonical path.
static MODULES: Mutex<BTreeMap<PathBuf, Weak<Module>>> = Mutex::new(BTreeMap::new());

impl NativeToken {
    /// Loads the library at `path`. **It runs in this process** with all its rights: only name one that is trusted.
    ///
    /// # Errors
    /// No such file, no library, no `C_GetFunctionList`.
    pub fn load(path: &Path) -> Result<NativeToken, LoadError> {
        let failed = |why: &dyn fmt::Display| LoadError(format!("PKCS #11 module {}: {why}", path.display()));
        let name = path.canonicalize().map_err(|error| failed(&error))?;
        let mut modules = lock(&MODULES);
        if let Some(module) = modules.get(&name).and_then(Weak::upgrade) {
            return Ok(NativeToken { module, initialized: false });
        }
        let pkcs11 = Pkcs11::new(&name).map_err(|error| failed(&error))?;
        let c_sign = SignFunction::load(&name).map_err(|why| failed(&why))?;
        let module = Arc::new(Module { pkcs11, c_sign, users: Mutex::default() });
        modules.insert(name, Arc::downgrade(&module));
        Ok(NativeToken { module, initialized: false })
    }

    fn pkcs11(&self) -> Result<&Pkcs11, Rv> {
        match self.initialized {
            true => Ok(&self.module.pkcs11),
            false => Err(Rv::CkrCryptokiNotInitialized),
        }
    }
}

impl Drop for NativeToken {
    fn drop(&mut self) {
        // Nobody is left to be told; what fails here is closed by the end of the process.
        let _ = self.finalize();
    }
}

impl Cryptoki for NativeToken {
    type Session = NativeSession;

    fn initialize(&mut self) -> Result<(), Rv> {
        if self.initialized {
            return Err(Rv::CkrCryptokiAlreadyInitialized);
        }
        let mut users = lock(&self.module.users);
        if users.count == 0 {
            match self.module.pkcs11.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)).map_err(rv) {
                Ok(()) => users.ours = true,
                Err(Rv::CkrCryptokiAlreadyInitialized) => users.ours = false,
                Err(rv) => return Err(rv),
            }
        }
        users.count += 1;
        drop(users);
        self.initialized = true;
        Ok(())
    }

    /// Sessions of this caller that are still held stay open while another user of the module is left: dropping a
    /// session closes it.
    fn finalize(&mut self) -> Result<(), Rv> {
        if !std::mem::take(&mut self.initialized) {
            return Err(Rv::CkrCryptokiNotInitialized);
        }
        let mut users = lock(&self.module.users);
        users.count = users.count.saturating_sub(1);
        match (users.count, users.ours) {
            (0, true) => self.module.pkcs11.clone().finalize().map_err(rv),
            _ => Ok(()),
        }
    }

    fn get_info(&self) -> Result<Info, Rv> {
        self.pkcs11()?.get_library_info().map(|it| info(&it)).map_err(rv)
    }

    fn get_slot_list(&self, token_present: bool) -> Result<Vec<SlotId>, Rv> {
        let pkcs11 = self.pkcs11()?;
        let slots = if token_present { pkcs11.get_slots_with_token() } else { pkcs11.get_all_slots() };
        Ok(slots.map_err(rv)?.into_iter().map(|slot| slot.id()).collect())
    }

    fn get_slot_info(&self, slot: SlotId) -> Result<SlotInfo, Rv> {
        self.pkcs11()?.get_slot_info(slot_of(slot)?).map(|it| slot_info(&it)).map_err(rv)
    }

    fn get_token_info(&self, slot: SlotId) -> Result<TokenInfo, Rv> {
        self.pkcs11()?.get_token_info(slot_of(slot)?).map(|it| token_info(&it)).map_err(rv)
    }

    fn open_session(&self, slot: SlotId, read_write: bool) -> Result<NativeSession, Rv> {
        let (pkcs11, slot) = (self.pkcs11()?, slot_of(slot)?);
        let session = if read_write { pkcs11.open_rw_session(slot) } else { pkcs11.open_ro_session(slot) };
        Ok(NativeSession {
            session: session.map_err(rv)?,
            found: RefCell::new(BTreeMap::new()),
            module: Arc::clone(&self.module),
        })
    }
}

fn slot_of(slot: SlotId) -> Result<Slot, Rv> {
    Slot::try_from(slot).map_err(|_| Rv::CkrSlotIdInvalid)
}

/// A session with a token.
pub struct NativeSession {
    session: cryptoki::session::Session,
    found: RefCell<BTreeMap<ObjectHandle, native::ObjectHandle>>,
    module: Arc<Module>,
}

impl NativeSession {
    fn object(&self, handle: ObjectHandle, unknown: Rv) -> Result<native::ObjectHandle, Rv> {
        self.found.borrow().get(&handle).copied().ok_or(unknown)
    }
}

impl Session for NativeSession {
    fn login(&self, user_type: UserType, pin: Option<&[u8]>) -> Result<(), Rv> {
        match pin {
            // The box wipes its copy.
            Some(pin) => self.session.login_with_raw(user(user_type), &RawAuthPin::new(Box::new(pin.to_vec()))),
            None => self.session.login(user(user_type), None),
        }
        .map_err(rv)
    }

    fn logout(&self) -> Result<(), Rv> {
        self.session.logout().map_err(rv)
    }

    fn find_objects(&self, template: &[Attribute], limit: u32) -> Result<Vec<ObjectHandle>, Rv> {
        let template: Vec<native::Attribute> = template.iter().map(attribute_to).collect();
        let mut handles = Vec::new();
        for object in self.session.iter_objects(&template).map_err(rv)?.take(limit as usize) {
            let object = object.map_err(rv)?;
            let handle = ObjectHandle::from(object.handle());
            self.found.borrow_mut().insert(handle, object);
            handles.push(handle);
        }
        Ok(handles)
    }

    /// Asked one by one: the crate fails for all when one has a value that it cannot read.
    fn get_attribute_value(&self, object: ObjectHandle, types: &[AttributeType]) -> Result<Vec<Option<Attribute>>, Rv> {
        let object = self.object(object, Rv::CkrObjectHandleInvalid)?;
        let ask = |kind: &AttributeType| match self.session.get_attributes(object, &[attribute_type(*kind)]) {
            Ok(answer) => Ok(answer.first().and_then(attribute_from)),
            Err(error @ cryptoki::error::Error::Pkcs11(..)) => Err(rv(error)),
            Err(_) => Ok(None),
        };
        types.iter().map(ask).collect()
    }

    fn sign_init(&self, with: Mechanism, key: ObjectHandle) -> Result<(), Rv> {
        let key = self.object(key, Rv::CkrKeyHandleInvalid)?;
        self.session.sign_init(&mechanism(with), key).map_err(rv)
    }

    fn sign(&self, data: &[u8]) -> Result<Vec<u8>, Rv> {
        self.module.c_sign.call(&self.session, data)
    }
}

/// A native SoftHSM to compare with: the module that `SECURE_LOG_PKCS11_MODULE` names, else where Debian and Fedora put it.
///
/// # Errors
/// There is none; says what to install.
pub fn softhsm() -> Result<PathBuf, LoadError> {
    if let Some(path) = std::env::var_os("SECURE_LOG_PKCS11_MODULE") {
        return Ok(path.into());
    }
    let folders = [
        "lib/softhsm",
        "lib/x86_64-linux-gnu/softhsm",
        "lib/aarch64-linux-gnu/softhsm",
        "lib64/softhsm",
        "lib64/pkcs11",
    ];
    let places = folders.map(|folder| Path::new("/usr").join(folder).join("libsofthsm2.so"));
    let why = "no native SoftHSM: apt-get install softhsm2, or name its module in SECURE_LOG_PKCS11_MODULE";
    places.into_iter().find(|path| path.is_file()).ok_or_else(|| LoadError(why.to_owned()))
}

/// No invariant is broken in the middle of what these locks guard.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
