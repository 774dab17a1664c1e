//! Keys and certificates in a token: made, brought in, destroyed, tried.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::time::Instant;

use secure_log_pkcs11::{RsaPkcsPssParams, curve};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::args::{self, Algorithm, Class, Common, Name};
use crate::failure::{Failure, asked};
use crate::import::{self, KeyParts};
use crate::tokens;
use crate::wit::keys::pkcs11::cryptoki::{
    Attribute, AttributeType, CertificateType, KeyType, Mechanism, ObjectClass, ObjectHandle, Session,
};
use crate::wit::keys::pkcs11::provisioning::{self, KeyPairMechanism};
use crate::{hex, say, tell};

/// What may be signed or imported, in bytes.
const MAX_FILE: u64 = 1 << 20;

/// A small file that an argument names.
pub fn file(path: &Path) -> Result<Vec<u8>, Failure> {
    let named = |why: String| Failure::Usage(format!("{}: {why}", path.display()));
    let length = fs::metadata(path).map_err(|error| named(error.to_string()))?.len();
    if length > MAX_FILE {
        return Err(named(format!("{length} bytes, at most {MAX_FILE}")));
    }
    fs::read(path).map_err(|error| named(error.to_string()))
}

/// Refuses a label or an id that an object of these classes has: signers choose keys by either.
fn free(session: &Session, name: &Name, classes: &[ObjectClass]) -> Result<(), Failure> {
    let taken = |attribute: Attribute, what: String| {
        for class in classes {
            let template = [Attribute::CkaClass(*class), attribute.clone()];
            if !asked("C_FindObjects", session.find_objects(&template, 1))?.is_empty() {
                return Err(Failure::Usage(format!("an object of the {what} exists in this token")));
            }
        }
        Ok(())
    };
    taken(Attribute::CkaLabel(name.label.clone()), format!("label {:?}", name.label))?;
    taken(Attribute::CkaId(name.id.0.clone()), format!("id {}", hex(&name.id.0)))
}

const KEYS: [ObjectClass; 2] = [ObjectClass::CkoPrivateKey, ObjectClass::CkoPublicKey];

/// What every object of a token has.
fn named(name: &Name, class: ObjectClass, private: bool) -> Vec<Attribute> {
    vec![
        Attribute::CkaClass(class),
        Attribute::CkaToken(true),
        Attribute::CkaPrivate(private),
        Attribute::CkaLabel(name.label.clone()),
        Attribute::CkaId(name.id.0.clone()),
    ]
}

fn public(name: &Name) -> Vec<Attribute> {
    let mut template = named(name, ObjectClass::CkoPublicKey, false);
    template.push(Attribute::CkaVerify(true));
    template
}

fn private(name: &Name) -> Vec<Attribute> {
    let mut template = named(name, ObjectClass::CkoPrivateKey, true);
    template.extend([Attribute::CkaSensitive(true), Attribute::CkaExtractable(false), Attribute::CkaSign(true)]);
    template
}

/// Makes a key pair.
pub fn generate(common: &Common, what: &args::Generate) -> Result<(), Failure> {
    let session = tokens::user_session(common, true)?;
    free(&session, &what.name, &KEYS)?;
    let (mechanism, kind, parameters) = match what.alg {
        Algorithm::Ed25519 => (
            KeyPairMechanism::CkmEcEdwardsKeyPairGen,
            KeyType::CkkEcEdwards,
            vec![Attribute::CkaEcParams(curve::ED25519.to_vec())],
        ),
        Algorithm::EcdsaP256 => {
            (KeyPairMechanism::CkmEcKeyPairGen, KeyType::CkkEc, vec![Attribute::CkaEcParams(curve::P256.to_vec())])
        }
        Algorithm::RsaPssSha256 => {
            let exponent = Attribute::CkaPublicExponent(vec![1, 0, 1]);
            (
                KeyPairMechanism::CkmRsaPkcsKeyPairGen,
                KeyType::CkkRsa,
                vec![Attribute::CkaModulusBits(what.bits.unwrap_or(args::MIN_RSA_BITS)), exponent],
            )
        }
    };
    let mut public = public(&what.name);
    public.push(Attribute::CkaKeyType(kind));
    public.extend(parameters);
    let mut private = private(&what.name);
    private.push(Attribute::CkaKeyType(kind));
    asked("C_GenerateKeyPair", provisioning::generate_key_pair(&session, mechanism, &public, &private))?;
    made(common, &what.name, "key pair made")
}

/// Brings in a key pair.
pub fn import(common: &Common, what: &args::Import) -> Result<(), Failure> {
    let pem = zeroize::Zeroizing::new(file(&what.key)?);
    let parts = import::private_key(&pem).map_err(|why| Failure::Usage(format!("{}: {why}", what.key.display())))?;
    let session = tokens::user_session(common, true)?;
    free(&session, &what.name, &KEYS)?;
    let (mut public, mut private) = (public(&what.name), private(&what.name));
    match parts {
        KeyParts::Edwards { seed, point } => {
            let kind = [Attribute::CkaKeyType(KeyType::CkkEcEdwards), Attribute::CkaEcParams(curve::ED25519.to_vec())];
            public.extend(kind.clone());
            public.push(Attribute::CkaEcPoint(point));
            private.extend(kind);
            private.push(Attribute::CkaValue(seed.to_vec()));
        }
        KeyParts::P256 { scalar, point } => {
            let kind = [Attribute::CkaKeyType(KeyType::CkkEc), Attribute::CkaEcParams(curve::P256.to_vec())];
            public.extend(kind.clone());
            public.push(Attribute::CkaEcPoint(point));
            private.extend(kind);
            private.push(Attribute::CkaValue(scalar.to_vec()));
        }
        KeyParts::Rsa(rsa) => {
            let number = |bytes: &zeroize::Zeroizing<Vec<u8>>| bytes.to_vec();
            let kind = [
                Attribute::CkaKeyType(KeyType::CkkRsa),
                Attribute::CkaModulus(rsa.modulus.clone()),
                Attribute::CkaPublicExponent(rsa.exponent.clone()),
            ];
            public.extend(kind.clone());
            private.extend(kind);
            private.extend([
                Attribute::CkaPrivateExponent(number(&rsa.private_exponent)),
                Attribute::CkaPrime1(number(&rsa.primes[0])),
                Attribute::CkaPrime2(number(&rsa.primes[1])),
                Attribute::CkaExponent1(number(&rsa.exponents[0])),
                Attribute::CkaExponent2(number(&rsa.exponents[1])),
                Attribute::CkaCoefficient(number(&rsa.coefficient)),
            ]);
        }
    }
    let created = asked("C_CreateObject", provisioning::create_object(&session, &private));
    wipe(private);
    let private = created?;
    if let Err(rv) = provisioning::create_object(&session, &public) {
        // Half a pair would keep the name.
        let _ = provisioning::destroy_object(&session, private);
        return Err(Failure::Token("C_CreateObject", rv.into()));
    }
    made(common, &what.name, "key pair brought in")
}

/// Overwrites what a template held of a private key.
fn wipe(template: Vec<Attribute>) {
    for attribute in template {
        if let Attribute::CkaValue(bytes)
        | Attribute::CkaPrivateExponent(bytes)
        | Attribute::CkaPrime1(bytes)
        | Attribute::CkaPrime2(bytes)
        | Attribute::CkaExponent1(bytes)
        | Attribute::CkaExponent2(bytes)
        | Attribute::CkaCoefficient(bytes) = attribute
        {
            drop(zeroize::Zeroizing::new(bytes));
        }
    }
}

/// Brings in a certificate.
pub fn import_certificate(common: &Common, what: &args::ImportCertificate) -> Result<(), Failure> {
    let content = file(&what.certificate)?;
    let certificate = import::certificate(&content)
        .map_err(|why| Failure::Usage(format!("{}: {why}", what.certificate.display())))?;
    let session = tokens::user_session(common, true)?;
    free(&session, &what.name, &[ObjectClass::CkoCertificate])?;
    let mut template = named(&what.name, ObjectClass::CkoCertificate, false);
    template.extend([
        Attribute::CkaCertificateType(CertificateType::CkcX509),
        Attribute::CkaSubject(certificate.subject),
        Attribute::CkaIssuer(certificate.issuer),
        Attribute::CkaValue(certificate.der),
    ]);
    asked("C_CreateObject", provisioning::create_object(&session, &template))?;
    made(common, &what.name, "certificate brought in")
}

fn made(common: &Common, name: &Name, what: &str) -> Result<(), Failure> {
    let id = hex(&name.id.0);
    say(common, &format!("{what}: label {:?}, id {id}", name.label), json!({ "label": name.label, "id": id }))
}

/// Destroys one object.
pub fn destroy(common: &Common, what: &args::Destroy) -> Result<(), Failure> {
    let class = match what.class {
        Class::PrivateKey => ObjectClass::CkoPrivateKey,
        Class::PublicKey => ObjectClass::CkoPublicKey,
        Class::Certificate => ObjectClass::CkoCertificate,
    };
    let session = tokens::user_session(common, true)?;
    let template = [
        Attribute::CkaClass(class),
        Attribute::CkaLabel(what.name.label.clone()),
        Attribute::CkaId(what.name.id.0.clone()),
    ];
    let object = only(asked("C_FindObjects", session.find_objects(&template, 2))?, &what.name.label)?;
    asked("C_DestroyObject", provisioning::destroy_object(&session, object))?;
    made(common, &what.name, "destroyed")
}

fn only(found: Vec<ObjectHandle>, label: &str) -> Result<ObjectHandle, Failure> {
    match found.as_slice() {
        [one] => Ok(*one),
        [] => Err(Failure::Usage(format!("this token has no such object of the label {label:?}"))),
        _ => Err(Failure::Usage(format!("this token has several such objects of the label {label:?}"))),
    }
}

/// Signs a file: shows that a key works.
pub fn sign(common: &Common, what: &args::Sign) -> Result<(), Failure> {
    let data = file(&what.file)?;
    if let Some(path) = what.out.as_ref().filter(|path| path.symlink_metadata().is_ok()) {
        return Err(Failure::Usage(format!("{}: it exists, and is not overwritten", path.display())));
    }
    let session = tokens::user_session(common, false)?;
    let template = [Attribute::CkaClass(ObjectClass::CkoPrivateKey), Attribute::CkaLabel(what.label.clone())];
    let key = only(asked("C_FindObjects", session.find_objects(&template, 2))?, &what.label)?;
    let kind = asked("C_GetAttributeValue", session.get_attribute_value(key, &[AttributeType::CkaKeyType]))?;
    let (mechanism, data) = match kind.first() {
        Some(Some(Attribute::CkaKeyType(KeyType::CkkEcEdwards))) => (Mechanism::CkmEddsa, data),
        Some(Some(Attribute::CkaKeyType(KeyType::CkkEc))) => (Mechanism::CkmEcdsa, Sha256::digest(&data).to_vec()),
        Some(Some(Attribute::CkaKeyType(KeyType::CkkRsa))) => {
            (Mechanism::CkmSha256RsaPkcsPss(RsaPkcsPssParams::SHA256.into()), data)
        }
        _ => return Err(Failure::Cannot(format!("the key {:?} has a type that signs nothing here", what.label))),
    };
    let begin = Instant::now();
    let mut signature = Vec::new();
    for _ in 0..what.times {
        asked("C_SignInit", session.sign_init(mechanism, key))?;
        signature = asked("C_Sign", session.sign(&data))?;
    }
    let seconds = begin.elapsed().as_secs_f64();
    if what.times > 1 {
        let rate = f64::from(what.times) / seconds;
        tell(&format_args!("{} signatures in {seconds:.3} s: {rate:.0} a second", what.times));
    }
    match &what.out {
        Some(path) => {
            let written = fs::File::create_new(path).and_then(|mut file| file.write_all(&signature));
            written.map_err(|error| Failure::Cannot(format!("{}: {error}", path.display())))
        }
        None => {
            let text = hex(&signature);
            say(common, &text, json!({ "signature": text }))
        }
    }
}
