//! C_Sign by itself, which the `cryptoki` crate has only together with C_SignInit. The only unsafe code of this crate.
#![allow(unsafe_code, reason = "functions of C, by pointers and lengths")]

use std::path::Path;
use std::ptr::null_mut;

use cryptoki::session::Session;
use cryptoki_sys::{CK_BYTE, CK_FUNCTION_LIST, CK_RV, CK_SESSION_HANDLE, CK_ULONG, CKR_OK};
use secure_log_pkcs11::Rv;

/// Longest signature taken, in bytes: of RSA with 16,384 bits. What a module says is not trusted with an allocation.
const MAX_SIGNATURE: CK_ULONG = 2_048;

type CSign = unsafe extern "C" fn(CK_SESSION_HANDLE, *mut CK_BYTE, CK_ULONG, *mut CK_BYTE, *mut CK_ULONG) -> CK_RV;

/// C_Sign of a module, with the library that holds it.
pub struct SignFunction {
    c_sign: CSign,
    _library: cryptoki_sys::Pkcs11,
}

impl SignFunction {
    /// From the list of functions of the library at `path`, the same that the `cryptoki` crate uses: a library is
    /// loaded once into a process, whoever asks.
    pub fn load(path: &Path) -> Result<SignFunction, String> {
        // SAFETY: loading runs the library's initialisers, as `Pkcs11::new` of the safe crate did before.
        let library = unsafe { cryptoki_sys::Pkcs11::new(path) }.map_err(|error| error.to_string())?;
        let get_list = library.C_GetFunctionList.as_ref().map_err(|error| error.to_string())?;
        let mut list: *mut CK_FUNCTION_LIST = null_mut();
        // SAFETY: the function has this type in the standard (section 5.4) and writes one pointer.
        let status = unsafe { get_list(&mut list) };
        if status != CKR_OK || list.is_null() {
            return Err(format!("C_GetFunctionList: {}", code(status)));
        }
        // SAFETY: success, so it is a CK_FUNCTION_LIST that lives as long as the library; copied, never kept.
        let functions = unsafe { list.read_unaligned() };
        match functions.C_Sign {
            Some(c_sign) => Ok(SignFunction { c_sign, _library: library }),
            None => Err("it has no C_Sign".into()),
        }
    }

    /// C_Sign. The buffer is large enough for any signature, so one call does: no second one that a token with a
    /// button would ask for.
    pub fn call(&self, session: &Session, data: &[u8]) -> Result<Vec<u8>, Rv> {
        let mut signature = vec![0; MAX_SIGNATURE as usize];
        let mut length = MAX_SIGNATURE;
        let data_length = CK_ULONG::try_from(data.len()).map_err(|_| Rv::CkrDataLenRange)?;
        // SAFETY: `data` is read only (section 5.13.2), `signature` has `length` bytes, both outlive the call; the
        // session is open as long as it is borrowed.
        let status = unsafe {
            (self.c_sign)(session.handle(), data.as_ptr().cast_mut(), data_length, signature.as_mut_ptr(), &mut length)
        };
        if status != CKR_OK {
            return Err(code(status));
        }
        signature.truncate(usize::try_from(length).map_err(|_| Rv::CkrGeneralError)?);
        Ok(signature)
    }
}

fn code(status: CK_RV) -> Rv {
    Rv::from_number(u64::from(status))
}
