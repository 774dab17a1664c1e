//! Every name of the standard that the seam has, with its number, once: PKCS #11 version 3.1, `pkcs11t.h`.
//!
//! `table!` hands the rows of one table to another macro, so that types, texts, numbers and the two
//! directions of a binding ([`wit_conversions!`](crate::wit_conversions)) all come from here.

/// `table!(rv => [some_macro] some tokens)` is `some_macro! { some tokens { CkrCancel = 0x1 "CKR_CANCEL" .. } }`. Tables:
/// `rv`, `attribute_type`, `object_class`, `key_type`, `certificate_type`, `user_type`, `key_pair_mechanism`; `slot_flags`
/// and `token_flags` (`CKF_RNG = 0x1`); `attribute` (`CkaLabel(String)`).
#[macro_export]
macro_rules! table {
    // CK_RV.
    (rv => [$($to:tt)*] $($with:tt)*) => { $($to)*! { $($with)* {
        CkrCancel = 0x1 "CKR_CANCEL"
        CkrHostMemory = 0x2 "CKR_HOST_MEMORY"
        CkrSlotIdInvalid = 0x3 "CKR_SLOT_ID_INVALID"
        CkrGeneralError = 0x5 "CKR_GENERAL_ERROR"
        CkrFunctionFailed = 0x6 "CKR_FUNCTION_FAILED"
        CkrArgumentsBad = 0x7 "CKR_ARGUMENTS_BAD"
        CkrNoEvent = 0x8 "CKR_NO_EVENT"
        CkrNeedToCreateThreads = 0x9 "CKR_NEED_TO_CREATE_THREADS"
        CkrCantLock = 0xa "CKR_CANT_LOCK"
        CkrAttributeReadOnly = 0x10 "CKR_ATTRIBUTE_READ_ONLY"
        CkrAttributeSensitive = 0x11 "CKR_ATTRIBUTE_SENSITIVE"
        CkrAttributeTypeInvalid = 0x12 "CKR_ATTRIBUTE_TYPE_INVALID"
        CkrAttributeValueInvalid = 0x13 "CKR_ATTRIBUTE_VALUE_INVALID"
        CkrActionProhibited = 0x1b "CKR_ACTION_PROHIBITED"
        CkrDataInvalid = 0x20 "CKR_DATA_INVALID"
        CkrDataLenRange = 0x21 "CKR_DATA_LEN_RANGE"
        CkrDeviceError = 0x30 "CKR_DEVICE_ERROR"
        CkrDeviceMemory = 0x31 "CKR_DEVICE_MEMORY"
        CkrDeviceRemoved = 0x32 "CKR_DEVICE_REMOVED"
        CkrFunctionCanceled = 0x50 "CKR_FUNCTION_CANCELED"
        CkrFunctionNotSupported = 0x54 "CKR_FUNCTION_NOT_SUPPORTED"
        CkrKeyHandleInvalid = 0x60 "CKR_KEY_HANDLE_INVALID"
        CkrKeySizeRange = 0x62 "CKR_KEY_SIZE_RANGE"
        CkrKeyTypeInconsistent = 0x63 "CKR_KEY_TYPE_INCONSISTENT"
        CkrKeyFunctionNotPermitted = 0x68 "CKR_KEY_FUNCTION_NOT_PERMITTED"
        CkrMechanismInvalid = 0x70 "CKR_MECHANISM_INVALID"
        CkrMechanismParamInvalid = 0x71 "CKR_MECHANISM_PARAM_INVALID"
        CkrObjectHandleInvalid = 0x82 "CKR_OBJECT_HANDLE_INVALID"
        CkrOperationActive = 0x90 "CKR_OPERATION_ACTIVE"
        CkrOperationNotInitialized = 0x91 "CKR_OPERATION_NOT_INITIALIZED"
        CkrPinIncorrect = 0xa0 "CKR_PIN_INCORRECT"
        CkrPinInvalid = 0xa1 "CKR_PIN_INVALID"
        CkrPinLenRange = 0xa2 "CKR_PIN_LEN_RANGE"
        CkrPinExpired = 0xa3 "CKR_PIN_EXPIRED"
        CkrPinLocked = 0xa4 "CKR_PIN_LOCKED"
        CkrSessionClosed = 0xb0 "CKR_SESSION_CLOSED"
        CkrSessionCount = 0xb1 "CKR_SESSION_COUNT"
        CkrSessionHandleInvalid = 0xb3 "CKR_SESSION_HANDLE_INVALID"
        CkrSessionParallelNotSupported = 0xb4 "CKR_SESSION_PARALLEL_NOT_SUPPORTED"
        CkrSessionReadOnly = 0xb5 "CKR_SESSION_READ_ONLY"
        CkrSessionExists = 0xb6 "CKR_SESSION_EXISTS"
        CkrSessionReadOnlyExists = 0xb7 "CKR_SESSION_READ_ONLY_EXISTS"
        CkrSessionReadWriteSoExists = 0xb8 "CKR_SESSION_READ_WRITE_SO_EXISTS"
        CkrTemplateIncomplete = 0xd0 "CKR_TEMPLATE_INCOMPLETE"
        CkrTemplateInconsistent = 0xd1 "CKR_TEMPLATE_INCONSISTENT"
        CkrTokenNotPresent = 0xe0 "CKR_TOKEN_NOT_PRESENT"
        CkrTokenNotRecognized = 0xe1 "CKR_TOKEN_NOT_RECOGNIZED"
        CkrTokenWriteProtected = 0xe2 "CKR_TOKEN_WRITE_PROTECTED"
        CkrUserAlreadyLoggedIn = 0x100 "CKR_USER_ALREADY_LOGGED_IN"
        CkrUserNotLoggedIn = 0x101 "CKR_USER_NOT_LOGGED_IN"
        CkrUserPinNotInitialized = 0x102 "CKR_USER_PIN_NOT_INITIALIZED"
        CkrUserTypeInvalid = 0x103 "CKR_USER_TYPE_INVALID"
        CkrUserAnotherAlreadyLoggedIn = 0x104 "CKR_USER_ANOTHER_ALREADY_LOGGED_IN"
        CkrUserTooManyTypes = 0x105 "CKR_USER_TOO_MANY_TYPES"
        CkrRandomNoRng = 0x121 "CKR_RANDOM_NO_RNG"
        CkrDomainParamsInvalid = 0x130 "CKR_DOMAIN_PARAMS_INVALID"
        CkrCurveNotSupported = 0x140 "CKR_CURVE_NOT_SUPPORTED"
        CkrBufferTooSmall = 0x150 "CKR_BUFFER_TOO_SMALL"
        CkrCryptokiNotInitialized = 0x190 "CKR_CRYPTOKI_NOT_INITIALIZED"
        CkrCryptokiAlreadyInitialized = 0x191 "CKR_CRYPTOKI_ALREADY_INITIALIZED"
        CkrFunctionRejected = 0x200 "CKR_FUNCTION_REJECTED"
        CkrTokenResourceExceeded = 0x201 "CKR_TOKEN_RESOURCE_EXCEEDED"
        CkrOperationCancelFailed = 0x202 "CKR_OPERATION_CANCEL_FAILED"
        CkrKeyExhausted = 0x203 "CKR_KEY_EXHAUSTED"
        CkrVendorDefined = 0x80000000 "CKR_VENDOR_DEFINED"
    } } };
    // CK_ATTRIBUTE_TYPE.
    (attribute_type => [$($to:tt)*] $($with:tt)*) => { $($to)*! { $($with)* {
        CkaClass = 0x0 "CKA_CLASS"
        CkaToken = 0x1 "CKA_TOKEN"
        CkaPrivate = 0x2 "CKA_PRIVATE"
        CkaLabel = 0x3 "CKA_LABEL"
        CkaId = 0x102 "CKA_ID"
        CkaValue = 0x11 "CKA_VALUE"
        CkaCertificateType = 0x80 "CKA_CERTIFICATE_TYPE"
        CkaSubject = 0x101 "CKA_SUBJECT"
        CkaIssuer = 0x81 "CKA_ISSUER"
        CkaKeyType = 0x100 "CKA_KEY_TYPE"
        CkaSensitive = 0x103 "CKA_SENSITIVE"
        CkaSign = 0x108 "CKA_SIGN"
        CkaVerify = 0x10a "CKA_VERIFY"
        CkaModulus = 0x120 "CKA_MODULUS"
        CkaModulusBits = 0x121 "CKA_MODULUS_BITS"
        CkaPublicExponent = 0x122 "CKA_PUBLIC_EXPONENT"
        CkaPrivateExponent = 0x123 "CKA_PRIVATE_EXPONENT"
        CkaPrime1 = 0x124 "CKA_PRIME1"
        CkaPrime2 = 0x125 "CKA_PRIME2"
        CkaExponent1 = 0x126 "CKA_EXPONENT1"
        CkaExponent2 = 0x127 "CKA_EXPONENT2"
        CkaCoefficient = 0x128 "CKA_COEFFICIENT"
        CkaPublicKeyInfo = 0x129 "CKA_PUBLIC_KEY_INFO"
        CkaExtractable = 0x162 "CKA_EXTRACTABLE"
        CkaLocal = 0x163 "CKA_LOCAL"
        CkaNeverExtractable = 0x164 "CKA_NEVER_EXTRACTABLE"
        CkaAlwaysSensitive = 0x165 "CKA_ALWAYS_SENSITIVE"
        CkaModifiable = 0x170 "CKA_MODIFIABLE"
        CkaEcParams = 0x180 "CKA_EC_PARAMS"
        CkaEcPoint = 0x181 "CKA_EC_POINT"
        CkaAlwaysAuthenticate = 0x202 "CKA_ALWAYS_AUTHENTICATE"
    } } };
    // CK_OBJECT_CLASS.
    (object_class => [$($to:tt)*] $($with:tt)*) => { $($to)*! { $($with)* {
        CkoCertificate = 0x1 "CKO_CERTIFICATE"
        CkoPublicKey = 0x2 "CKO_PUBLIC_KEY"
        CkoPrivateKey = 0x3 "CKO_PRIVATE_KEY"
    } } };
    // CK_KEY_TYPE.
    (key_type => [$($to:tt)*] $($with:tt)*) => { $($to)*! { $($with)* {
        CkkRsa = 0x0 "CKK_RSA"
        CkkEc = 0x3 "CKK_EC"
        CkkEcEdwards = 0x40 "CKK_EC_EDWARDS"
    } } };
    // CK_CERTIFICATE_TYPE.
    (certificate_type => [$($to:tt)*] $($with:tt)*) => { $($to)*! { $($with)* {
        CkcX509 = 0x0 "CKC_X509"
    } } };
    // CK_USER_TYPE.
    (user_type => [$($to:tt)*] $($with:tt)*) => { $($to)*! { $($with)* {
        CkuSo = 0x0 "CKU_SO"
        CkuUser = 0x1 "CKU_USER"
        CkuContextSpecific = 0x2 "CKU_CONTEXT_SPECIFIC"
    } } };
    // CK_MECHANISM_TYPE, for key pairs.
    (key_pair_mechanism => [$($to:tt)*] $($with:tt)*) => { $($to)*! { $($with)* {
        CkmEcEdwardsKeyPairGen = 0x1055 "CKM_EC_EDWARDS_KEY_PAIR_GEN"
        CkmEcKeyPairGen = 0x1040 "CKM_EC_KEY_PAIR_GEN"
        CkmRsaPkcsKeyPairGen = 0x0 "CKM_RSA_PKCS_KEY_PAIR_GEN"
    } } };
    // CK_FLAGS of CK_SLOT_INFO.
    (slot_flags => [$($to:tt)*] $($with:tt)*) => { $($to)*! { $($with)* {
        CKF_TOKEN_PRESENT = 0x1
        CKF_REMOVABLE_DEVICE = 0x2
        CKF_HW_SLOT = 0x4
    } } };
    // CK_FLAGS of CK_TOKEN_INFO.
    (token_flags => [$($to:tt)*] $($with:tt)*) => { $($to)*! { $($with)* {
        CKF_RNG = 0x1
        CKF_WRITE_PROTECTED = 0x2
        CKF_LOGIN_REQUIRED = 0x4
        CKF_USER_PIN_INITIALIZED = 0x8
        CKF_PROTECTED_AUTHENTICATION_PATH = 0x100
        CKF_TOKEN_INITIALIZED = 0x400
        CKF_USER_PIN_COUNT_LOW = 0x10000
        CKF_USER_PIN_FINAL_TRY = 0x20000
        CKF_USER_PIN_LOCKED = 0x40000
        CKF_USER_PIN_TO_BE_CHANGED = 0x80000
        CKF_SO_PIN_COUNT_LOW = 0x100000
        CKF_SO_PIN_FINAL_TRY = 0x200000
        CKF_SO_PIN_LOCKED = 0x400000
        CKF_SO_PIN_TO_BE_CHANGED = 0x800000
        CKF_ERROR_STATE = 0x1000000
    } } };
    // CK_ATTRIBUTE: the type of the value of each.
    (attribute => [$($to:tt)*] $($with:tt)*) => { $($to)*! { $($with)* {
        CkaClass(ObjectClass)
        CkaToken(bool)
        CkaPrivate(bool)
        CkaLabel(String)
        CkaId(Bytes)
        CkaValue(Bytes)
        CkaCertificateType(CertificateType)
        CkaSubject(Bytes)
        CkaIssuer(Bytes)
        CkaKeyType(KeyType)
        CkaSensitive(bool)
        CkaSign(bool)
        CkaVerify(bool)
        CkaModulus(Bytes)
        CkaModulusBits(u64)
        CkaPublicExponent(Bytes)
        CkaPrivateExponent(Bytes)
        CkaPrime1(Bytes)
        CkaPrime2(Bytes)
        CkaExponent1(Bytes)
        CkaExponent2(Bytes)
        CkaCoefficient(Bytes)
        CkaPublicKeyInfo(Bytes)
        CkaExtractable(bool)
        CkaLocal(bool)
        CkaNeverExtractable(bool)
        CkaAlwaysSensitive(bool)
        CkaModifiable(bool)
        CkaEcParams(Bytes)
        CkaEcPoint(Bytes)
        CkaAlwaysAuthenticate(bool)
    } } };
}
