//! One private key of the token: found, checked, signing.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use secure_log::signer::{Algorithm, PublicKey, Signer, SignerError, sign_checked};
use secure_log::types::{hex, quote};
use secure_log_pkcs11::{
    Attribute, AttributeType, Cryptoki, Mechanism, ObjectClass, ObjectHandle, RsaPkcsPssParams, Rv, Session,
};
use sha2::{Digest as _, Sha256};

use crate::Shared;
use crate::config::{KEY_ID, KEY_LABEL, KeySelector};
use crate::connection::{Failure, Live, at};
use crate::public::{self, Form};

/// What a key signs once, to show that it belongs to its public key. Nothing else that is signed begins so: a
/// checkpoint begins with an origin, which has a dot in its first part, all else with another line of this project.
pub const PROBE: &[u8] = b"secure-log/keystore-probe/v1\n";

const PSS: RsaPkcsPssParams = RsaPkcsPssParams::SHA256;

/// A private key that stays in its token. Keys of one keystore share its session.
pub struct Pkcs11Key<T: Cryptoki> {
    shared: Arc<Shared<T>>,
    selector: KeySelector,
    public: PublicKey,
    found: Mutex<Found>,
}

/// Where and how the key is in the session of that number.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) session: u64,
    pub(crate) object: ObjectHandle,
    /// CKA_ID, which certificates share; empty: it has none.
    pub(crate) id: Vec<u8>,
    always_authenticate: bool,
    /// The token does not hash for RSASSA-PSS.
    hash_here: bool,
}

impl<T: Cryptoki> Pkcs11Key<T> {
    /// Looks for the key in its token and reads its public key.
    pub(crate) fn find(shared: Arc<Shared<T>>, selector: KeySelector) -> Result<Pkcs11Key<T>, SignerError> {
        let (found, public) = shared.connection().run(&shared.config, |live| locate(live, &selector))?;
        Ok(Pkcs11Key { shared, selector, public, found: Mutex::new(found) })
    }

    pub(crate) fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Signs [`PROBE`].
    pub(crate) fn prove(&self) -> Result<(), SignerError> {
        match sign_checked(self, &self.public, PROBE) {
            Err(SignerError::WrongSignature(_)) => Err(SignerError::Backend(format!(
                "key {}: the public key does not match its private key; public {:?}",
                self.selector, self.public
            ))),
            done => done.map(drop),
        }
    }

    /// Does something with the key in the open session.
    pub(crate) fn run<R>(
        &self,
        mut act: impl FnMut(&mut Live<'_, T::Session>, &mut Found) -> Result<R, Failure>,
    ) -> Result<R, SignerError> {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        self.shared.connection().run(&self.shared.config, |live| {
            if found.session != live.number {
                let (again, public) = locate(live, &self.selector)?;
                if public != self.public {
                    let why = format!("key {} is another one than before: {public:?}", self.selector);
                    return Err(SignerError::Backend(why).into());
                }
                *found = Found { hash_here: found.hash_here, ..again };
            }
            act(live, &mut found)
        })
    }
}

impl<T: Cryptoki> Signer for Pkcs11Key<T> {
    fn algorithm(&self) -> Algorithm {
        self.public.algorithm()
    }

    fn public_key(&self) -> Vec<u8> {
        self.public.encoded().to_vec()
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignerError> {
        let digest = || Sha256::digest(message);
        let signature = self.run(|live, found| match self.algorithm() {
            Algorithm::Ed25519 => sign(live, found, Mechanism::CkmEddsa, message),
            Algorithm::EcdsaP256 => sign(live, found, Mechanism::CkmEcdsa, &digest()),
            Algorithm::RsaPssSha256 => {
                if !found.hash_here {
                    match sign(live, found, Mechanism::CkmSha256RsaPkcsPss(PSS), message) {
                        Err(Failure::Token(_, Rv::CkrMechanismInvalid)) => found.hash_here = true,
                        done => return done,
                    }
                }
                sign(live, found, Mechanism::CkmRsaPkcsPss(PSS), &digest())
            }
        });
        signature.map_err(|error| named(&self.selector, error))
    }
}

/// Shows the public half and where the private one is.
impl<T: Cryptoki> fmt::Debug for Pkcs11Key<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pkcs11Key({}, {:?})", self.selector, self.public)
    }
}

/// The error with the key's name, where it has none.
fn named(selector: &KeySelector, error: SignerError) -> SignerError {
    let named = |why| format!("key {selector}: {why}");
    match error {
        SignerError::Backend(why) => SignerError::Backend(named(why)),
        SignerError::UnsupportedAlgorithm(why) => SignerError::UnsupportedAlgorithm(named(why)),
        other => other,
    }
}

fn sign<S: Session>(live: &mut Live<'_, S>, key: &Found, with: Mechanism, data: &[u8]) -> Result<Vec<u8>, Failure> {
    live.session.sign_init(with, key.object).map_err(at("C_SignInit"))?;
    if key.always_authenticate {
        live.login_for_operation()?;
    }
    live.session.sign(data).map_err(at("C_Sign"))
}

/// The private key that `selector` names, and its public key.
fn locate<S: Session>(live: &Live<'_, S>, selector: &KeySelector) -> Result<(Found, PublicKey), Failure> {
    let token = quote(&live.info.label);
    let template = [Attribute::CkaClass(ObjectClass::CkoPrivateKey), selector.attribute()];
    let objects = live.session.find_objects(&template, 8).map_err(at("C_FindObjects"))?;
    let object = match objects.as_slice() {
        [object] => *object,
        [] => {
            let why = format!("token {token} has no private key with {selector}");
            return Err(SignerError::KeyNotFound(why).into());
        }
        objects => {
            let why = format!("token {token} has {} private keys with {selector}", objects.len());
            return Err(SignerError::Backend(format!("{why}, {}", difference(live, selector, objects)?)).into());
        }
    };
    let [sign, always] = read(live, object, [AttributeType::CkaSign, AttributeType::CkaAlwaysAuthenticate])?;
    if sign == Some(Attribute::CkaSign(false)) {
        let why = format!("key {selector} of token {token} may not sign: CKA_SIGN is false");
        return Err(SignerError::AccessDenied(why).into());
    }
    let of_key = |failure| match failure {
        Failure::Keystore(error) => named(selector, error).into(),
        other => other,
    };
    let form = Form::of(live.session, object).map_err(of_key)?;
    let found = Found {
        session: live.number,
        object,
        id: id(live, object)?,
        always_authenticate: always == Some(Attribute::CkaAlwaysAuthenticate(true)),
        hash_here: false,
    };
    let public = public::read(live, &found, form).map_err(of_key)?;
    Ok((found, public))
}

/// How the keys that one selector names can be told apart, and so what helps.
fn difference<S: Session>(
    live: &Live<'_, S>,
    selector: &KeySelector,
    objects: &[ObjectHandle],
) -> Result<String, Failure> {
    let (what, other, chooses) = match selector {
        KeySelector::Label(_) => ("CKA_ID", AttributeType::CkaId, KEY_ID),
        KeySelector::Id(_) | KeySelector::Piv(_) => ("CKA_LABEL", AttributeType::CkaLabel, KEY_LABEL),
    };
    let mut names = Vec::new();
    for object in objects {
        names.push(match read(live, *object, [other])? {
            [Some(Attribute::CkaId(id))] if !id.is_empty() => hex(&id),
            [Some(Attribute::CkaLabel(label))] if !label.is_empty() => quote(&label),
            _ => "none".to_owned(),
        });
    }
    let listed = format!("of {what} {}", names.join(", "));
    names.sort_unstable();
    Ok(match names.windows(2).any(|pair| pair[0] == pair[1]) || names.iter().any(|name| name == "none") {
        false => format!("{listed}: {chooses} chooses one"),
        true => {
            format!(
                "{listed}: not all can be told apart; give one another {what}, or remove it, with the token's own tool"
            )
        }
    })
}

fn id<S: Session>(live: &Live<'_, S>, object: ObjectHandle) -> Result<Vec<u8>, Failure> {
    match read(live, object, [AttributeType::CkaId])? {
        [Some(Attribute::CkaId(id))] => Ok(id),
        _ => Ok(Vec::new()),
    }
}

/// Attributes of an object, in the order asked for.
pub(crate) fn read<S: Session, const N: usize>(
    live: &Live<'_, S>,
    object: ObjectHandle,
    types: [AttributeType; N],
) -> Result<[Option<Attribute>; N], Failure> {
    let mut values = live.session.get_attribute_value(object, &types).map_err(at("C_GetAttributeValue"))?;
    // A token may say less, or say something else.
    values.resize(N, None);
    let mut values = values.into_iter();
    Ok(types.map(|kind| values.next().flatten().filter(|value| value.attribute_type() == kind)))
}
