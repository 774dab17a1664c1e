//! SoftHSM's C interface, made safe: every `unsafe` of this crate stands here.
//!
//! The linked library is the PKCS #11 2.40 interface of SoftHSM 2.6.1 for wasm32: `CK_ULONG` has four bytes and
//! structures have no packing. There is one thread. C++ never unwinds into Rust: an exception ends the instance
//! (`softhsm/ours.cpp`).
#![allow(unsafe_code)]

use std::ffi::c_void;
use std::ptr::{null, null_mut};

use secure_log_pkcs11::Rv;

use crate::values::{CAttribute, MAX_VALUE, Ulong};

/// `CKF_RW_SESSION`.
const RW_SESSION: Ulong = 0x2;
/// `CKF_SERIAL_SESSION`.
const SERIAL_SESSION: Ulong = 0x4;
/// `CK_UNAVAILABLE_INFORMATION`.
const UNAVAILABLE: Ulong = Ulong::MAX;
/// The longest signature, in bytes: RSA with 16384 bits.
const MAX_SIGNATURE: usize = 2048;
/// Handles asked for at once.
const HANDLES: usize = 256;

/// CK_VERSION.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct Version {
    pub major: u8,
    pub minor: u8,
}

/// CK_INFO.
#[repr(C)]
#[derive(Default)]
pub struct Info {
    pub cryptoki: Version,
    pub manufacturer: [u8; 32],
    flags: Ulong,
    pub description: [u8; 32],
    pub library: Version,
}

/// CK_SLOT_INFO.
#[repr(C)]
pub struct SlotInfo {
    pub description: [u8; 64],
    pub manufacturer: [u8; 32],
    pub flags: Ulong,
    pub hardware: Version,
    pub firmware: Version,
}

/// CK_TOKEN_INFO.
#[repr(C)]
#[derive(Default)]
pub struct TokenInfo {
    pub label: [u8; 32],
    pub manufacturer: [u8; 32],
    pub model: [u8; 16],
    pub serial: [u8; 16],
    pub flags: Ulong,
    counts: [Ulong; 4],
    pub max_pin: Ulong,
    pub min_pin: Ulong,
    memory: [Ulong; 4],
    pub hardware: Version,
    pub firmware: Version,
    time: [u8; 16],
}

/// CK_ATTRIBUTE.
#[repr(C)]
struct RawAttribute {
    number: Ulong,
    value: *mut c_void,
    length: Ulong,
}

/// CK_MECHANISM.
#[repr(C)]
struct RawMechanism {
    number: Ulong,
    parameter: *const c_void,
    length: Ulong,
}

/// CK_RSA_PKCS_PSS_PARAMS.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct PssParams {
    hash: Ulong,
    mgf: Ulong,
    salt: Ulong,
}

impl PssParams {
    /// `CKM_SHA256` and `CKG_MGF1_SHA256`, with a salt of so many bytes.
    pub fn sha256(salt: Ulong) -> PssParams {
        PssParams { hash: 0x250, mgf: 2, salt }
    }
}

unsafe extern "C" {
    fn C_Initialize(arguments: *mut c_void) -> Ulong;
    fn C_Finalize(reserved: *mut c_void) -> Ulong;
    fn C_GetInfo(info: *mut Info) -> Ulong;
    fn C_GetSlotList(present: u8, slots: *mut Ulong, count: *mut Ulong) -> Ulong;
    fn C_GetSlotInfo(slot: Ulong, info: *mut SlotInfo) -> Ulong;
    fn C_GetTokenInfo(slot: Ulong, info: *mut TokenInfo) -> Ulong;
    fn C_OpenSession(slot: Ulong, flags: Ulong, data: *mut c_void, notify: *const c_void, session: *mut Ulong)
    -> Ulong;
    fn C_CloseSession(session: Ulong) -> Ulong;
    fn C_Login(session: Ulong, user: Ulong, pin: *const u8, length: Ulong) -> Ulong;
    fn C_Logout(session: Ulong) -> Ulong;
    fn C_FindObjectsInit(session: Ulong, template: *mut RawAttribute, count: Ulong) -> Ulong;
    fn C_FindObjects(session: Ulong, objects: *mut Ulong, most: Ulong, count: *mut Ulong) -> Ulong;
    fn C_FindObjectsFinal(session: Ulong) -> Ulong;
    fn C_GetAttributeValue(session: Ulong, object: Ulong, template: *mut RawAttribute, count: Ulong) -> Ulong;
    fn C_SignInit(session: Ulong, mechanism: *const RawMechanism, key: Ulong) -> Ulong;
    fn C_Sign(
        session: Ulong,
        data: *const u8,
        length: Ulong,
        signature: *mut u8,
        signature_length: *mut Ulong,
    ) -> Ulong;
    fn C_InitToken(slot: Ulong, pin: *const u8, length: Ulong, label: *const u8) -> Ulong;
    fn C_InitPIN(session: Ulong, pin: *const u8, length: Ulong) -> Ulong;
    fn C_SetPIN(session: Ulong, old: *const u8, old_length: Ulong, new: *const u8, new_length: Ulong) -> Ulong;
    fn C_GenerateKeyPair(
        session: Ulong,
        mechanism: *const RawMechanism,
        public: *mut RawAttribute,
        public_count: Ulong,
        private: *mut RawAttribute,
        private_count: Ulong,
        public_key: *mut Ulong,
        private_key: *mut Ulong,
    ) -> Ulong;
    fn C_CreateObject(session: Ulong, template: *mut RawAttribute, count: Ulong, object: *mut Ulong) -> Ulong;
    fn C_DestroyObject(session: Ulong, object: Ulong) -> Ulong;
}

/// CK_RV as a result; `CKR_OK` is 0.
fn done(rv: Ulong) -> Result<(), Rv> {
    if rv == 0 { Ok(()) } else { Err(Rv::from_number(rv.into())) }
}

/// Lengths of slices: memory has 32 bits, so each fits.
fn length<T>(slice: &[T]) -> Ulong {
    Ulong::try_from(slice.len()).unwrap_or(Ulong::MAX)
}

/// A template that borrows its values; C reads them and never writes through these pointers.
fn raw(template: &[CAttribute]) -> Vec<RawAttribute> {
    template
        .iter()
        .map(|attribute| RawAttribute {
            number: attribute.number,
            value: attribute.value.as_ptr().cast_mut().cast(),
            length: length(&attribute.value),
        })
        .collect()
}

pub fn initialize() -> Result<(), Rv> {
    // SAFETY: no arguments: one thread, no callbacks.
    done(unsafe { C_Initialize(null_mut()) })
}

pub fn finalize() -> Result<(), Rv> {
    // SAFETY: the argument must be null.
    done(unsafe { C_Finalize(null_mut()) })
}

pub fn info() -> Result<Info, Rv> {
    let mut info = Info::default();
    // SAFETY: points to a CK_INFO that lives through the call.
    done(unsafe { C_GetInfo(&raw mut info) })?;
    Ok(info)
}

pub fn slots(present: bool) -> Result<Vec<Ulong>, Rv> {
    let mut count = 0;
    // SAFETY: without a list only the count is written.
    done(unsafe { C_GetSlotList(u8::from(present), null_mut(), &raw mut count) })?;
    let mut slots = vec![0; count as usize];
    // SAFETY: `count` is the number of elements behind the pointer; C writes at most as many.
    done(unsafe { C_GetSlotList(u8::from(present), slots.as_mut_ptr(), &raw mut count) })?;
    slots.truncate(count as usize);
    Ok(slots)
}

pub fn slot_info(slot: Ulong) -> Result<SlotInfo, Rv> {
    let none = Version::default();
    let mut info = SlotInfo { description: [0; 64], manufacturer: [0; 32], flags: 0, hardware: none, firmware: none };
    // SAFETY: points to a CK_SLOT_INFO that lives through the call.
    done(unsafe { C_GetSlotInfo(slot, &raw mut info) })?;
    Ok(info)
}

pub fn token_info(slot: Ulong) -> Result<TokenInfo, Rv> {
    let mut info = TokenInfo::default();
    // SAFETY: points to a CK_TOKEN_INFO that lives through the call.
    done(unsafe { C_GetTokenInfo(slot, &raw mut info) })?;
    Ok(info)
}

pub fn open_session(slot: Ulong, read_write: bool) -> Result<Ulong, Rv> {
    let flags = if read_write { SERIAL_SESSION | RW_SESSION } else { SERIAL_SESSION };
    let mut session = 0;
    // SAFETY: no callback; the handle lives through the call.
    done(unsafe { C_OpenSession(slot, flags, null_mut(), null(), &raw mut session) })?;
    Ok(session)
}

pub fn close_session(session: Ulong) -> Result<(), Rv> {
    // SAFETY: handles are looked up, any number is allowed. So it is below.
    done(unsafe { C_CloseSession(session) })
}

pub fn login(session: Ulong, user: Ulong, pin: Option<&[u8]>) -> Result<(), Rv> {
    let (pointer, count) = pin.map_or((null(), 0), |pin| (pin.as_ptr(), length(pin)));
    // SAFETY: as many bytes are readable, or there is no pointer, which SoftHSM answers with CKR_ARGUMENTS_BAD.
    done(unsafe { C_Login(session, user, pointer, count) })
}

pub fn logout(session: Ulong) -> Result<(), Rv> {
    // SAFETY: see close_session.
    done(unsafe { C_Logout(session) })
}

pub fn find(session: Ulong, template: &[CAttribute], limit: usize) -> Result<Vec<Ulong>, Rv> {
    let mut attributes = raw(template);
    // SAFETY: as many attributes, each with a readable value of its length.
    done(unsafe { C_FindObjectsInit(session, attributes.as_mut_ptr(), length(&attributes)) })?;
    let mut found = Vec::new();
    let mut answer = Ok(());
    while found.len() < limit {
        let mut page = [0; HANDLES];
        let wanted = HANDLES.min(limit - found.len());
        let mut count = 0;
        // SAFETY: `wanted` is at most the number of elements behind the pointer.
        answer = done(unsafe { C_FindObjects(session, page.as_mut_ptr(), wanted as Ulong, &raw mut count) });
        let page = &page[..(count as usize).min(wanted)];
        if answer.is_err() || page.is_empty() {
            break;
        }
        found.extend_from_slice(page);
    }
    // SAFETY: see close_session. Ends the operation, or the session could do no other.
    done(unsafe { C_FindObjectsFinal(session) })?;
    answer.map(|()| found)
}

/// The value of one attribute; none for what the object does not have or the token does not tell.
pub fn attribute(session: Ulong, object: Ulong, number: Ulong) -> Result<Option<Vec<u8>>, Rv> {
    let mut attribute = RawAttribute { number, value: null_mut(), length: 0 };
    // SAFETY: one attribute; without a value only its length is written.
    let asked = done(unsafe { C_GetAttributeValue(session, object, &raw mut attribute, 1) });
    match asked {
        Err(Rv::CkrAttributeSensitive | Rv::CkrAttributeTypeInvalid) => return Ok(None),
        other => other?,
    }
    if attribute.length == UNAVAILABLE {
        return Ok(None);
    }
    if attribute.length as usize > MAX_VALUE {
        return Err(Rv::CkrHostMemory);
    }
    let mut value = vec![0u8; attribute.length as usize];
    attribute.value = value.as_mut_ptr().cast();
    // SAFETY: as many bytes are writable as the attribute says; C answers CKR_BUFFER_TOO_SMALL for more.
    done(unsafe { C_GetAttributeValue(session, object, &raw mut attribute, 1) })?;
    value.truncate(attribute.length as usize);
    Ok(Some(value))
}

pub fn sign_init(session: Ulong, mechanism: Ulong, parameter: Option<PssParams>, key: Ulong) -> Result<(), Rv> {
    let (pointer, count) = parameter.as_ref().map_or((null(), 0), |p| (&raw const *p, size_of::<PssParams>() as Ulong));
    let mechanism = RawMechanism { number: mechanism, parameter: pointer.cast(), length: count };
    // SAFETY: mechanism and parameter live through the call; SoftHSM copies the parameter.
    done(unsafe { C_SignInit(session, &raw const mechanism, key) })
}

pub fn sign(session: Ulong, data: &[u8]) -> Result<Vec<u8>, Rv> {
    let mut signature = vec![0u8; MAX_SIGNATURE];
    let mut count = length(&signature);
    // SAFETY: `data` is readable and `signature` writable for their lengths; C answers CKR_BUFFER_TOO_SMALL for more.
    done(unsafe { C_Sign(session, data.as_ptr(), length(data), signature.as_mut_ptr(), &raw mut count) })?;
    signature.truncate(count as usize);
    Ok(signature)
}

pub fn init_token(slot: Ulong, pin: &[u8], label: &[u8; 32]) -> Result<(), Rv> {
    // SAFETY: as many bytes are readable; a label has 32.
    done(unsafe { C_InitToken(slot, pin.as_ptr(), length(pin), label.as_ptr()) })
}

pub fn init_pin(session: Ulong, pin: &[u8]) -> Result<(), Rv> {
    // SAFETY: as many bytes are readable.
    done(unsafe { C_InitPIN(session, pin.as_ptr(), length(pin)) })
}

pub fn set_pin(session: Ulong, old: &[u8], new: &[u8]) -> Result<(), Rv> {
    // SAFETY: as many bytes are readable.
    done(unsafe { C_SetPIN(session, old.as_ptr(), length(old), new.as_ptr(), length(new)) })
}

pub fn generate(
    session: Ulong,
    mechanism: Ulong,
    public: &[CAttribute],
    private: &[CAttribute],
) -> Result<(Ulong, Ulong), Rv> {
    let mechanism = RawMechanism { number: mechanism, parameter: null(), length: 0 };
    let (mut public, mut private) = (raw(public), raw(private));
    let mut handles = (0, 0);
    // SAFETY: as many attributes, each with a readable value of its length; mechanism and handles live through the call.
    done(unsafe {
        C_GenerateKeyPair(
            session,
            &raw const mechanism,
            public.as_mut_ptr(),
            length(&public),
            private.as_mut_ptr(),
            length(&private),
            &raw mut handles.0,
            &raw mut handles.1,
        )
    })?;
    Ok(handles)
}

pub fn create(session: Ulong, template: &[CAttribute]) -> Result<Ulong, Rv> {
    let mut attributes = raw(template);
    let mut object = 0;
    // SAFETY: as many attributes, each with a readable value of its length.
    done(unsafe { C_CreateObject(session, attributes.as_mut_ptr(), length(&attributes), &raw mut object) })?;
    Ok(object)
}

pub fn destroy(session: Ulong, object: Ulong) -> Result<(), Rv> {
    // SAFETY: see close_session.
    done(unsafe { C_DestroyObject(session, object) })
}
