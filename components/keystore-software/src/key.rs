//! One private key: made, read from PEM, written to PEM, signing. Where it is kept is not known here.

use std::fmt;
use std::sync::Arc;

use chacha20::ChaCha20Rng;
use chacha20::rand_core::SeedableRng as _;
use ed25519_dalek::Signer as _;
use p256::elliptic_curve::Generate as _;
use p256::pkcs8::der::pem::LineEnding;
use p256::pkcs8::{EncodePrivateKey as _, EncodePublicKey as _, ObjectIdentifier, PrivateKeyInfoRef, SecretDocument};
use rsa::RsaPrivateKey;
use rsa::pss;
use rsa::signature::{RandomizedSigner as _, SignatureEncoding as _};
use secure_log::signer::{Algorithm, PublicKey, Signer, SignerError};
use secure_log::types::quote;
use sha2::Sha256;
use zeroize::Zeroizing;

/// Modulus of created RSA keys in bits; loaded ones may have more.
const RSA_BITS: usize = 3072;

/// A private key. Clones share it; the last one dropped wipes it from memory.
#[derive(Clone)]
pub struct SoftwareKey(Arc<Inner>);

struct Inner {
    private: Private,
    public: PublicKey,
}

/// Each of these wipes itself when dropped.
enum Private {
    Ed25519(ed25519_dalek::SigningKey),
    EcdsaP256(p256::ecdsa::SigningKey),
    RsaPssSha256(Box<pss::SigningKey<Sha256>>),
}

impl SoftwareKey {
    /// A new random key. RSA takes seconds.
    ///
    /// # Errors
    /// `Backend` when the system has no randomness.
    pub fn generate(algorithm: Algorithm) -> Result<SoftwareKey, SignerError> {
        let mut rng = generator()?;
        SoftwareKey::new(match algorithm {
            Algorithm::Ed25519 => {
                let mut seed = Zeroizing::new([0; 32]);
                random(&mut *seed)?;
                Private::Ed25519(ed25519_dalek::SigningKey::from_bytes(&seed))
            }
            Algorithm::EcdsaP256 => Private::EcdsaP256(p256::ecdsa::SigningKey::generate_from_rng(&mut rng)),
            Algorithm::RsaPssSha256 => {
                let key = RsaPrivateKey::new(&mut rng, RSA_BITS).map_err(backend)?;
                Private::RsaPssSha256(Box::new(pss::SigningKey::new(key)))
            }
        })
        .map_err(SignerError::Backend)
    }

    /// Reads an unencrypted PKCS#8 PEM text; `name` stands for it in errors.
    ///
    /// # Errors
    /// `Backend` for what is no such text, `UnsupportedAlgorithm` for a key of another algorithm, curve or size.
    pub fn from_pem(name: &str, pem: &str) -> Result<SoftwareKey, SignerError> {
        let broken = |why: &dyn fmt::Display| SignerError::Backend(format!("{name}: {why}"));
        let unsupported = |why: &dyn fmt::Display| SignerError::UnsupportedAlgorithm(format!("{name}: {why}"));
        let (label, der) =
            SecretDocument::from_pem(pem).map_err(|error| broken(&format!("not a key in PEM: {error}")))?;
        match label {
            "PRIVATE KEY" => {}
            "ENCRYPTED PRIVATE KEY" => return Err(broken(&"the key is encrypted; it must be unencrypted PKCS#8")),
            other => {
                let hint = "PRIVATE KEY (PKCS#8) is needed; openssl pkcs8 -topk8 -nocrypt converts";
                return Err(broken(&format!("the PEM holds {}; {hint}", quote(other))));
            }
        }
        let info =
            PrivateKeyInfoRef::try_from(der.as_bytes()).map_err(|error| broken(&format!("not PKCS#8: {error}")))?;
        let malformed = |error: p256::pkcs8::Error| broken(&format!("a malformed key: {error}"));
        let private = match info.algorithm.oid {
            ed25519_dalek::pkcs8::ALGORITHM_OID => Private::Ed25519(info.try_into().map_err(malformed)?),
            p256::elliptic_curve::ALGORITHM_OID => {
                let curve = info.algorithm.parameters_oid().map_err(|error| malformed(error.into()))?;
                if curve != P256_OID {
                    return Err(unsupported(&format!("an elliptic curve key of {curve}; only P-256 is supported")));
                }
                let key = p256::SecretKey::try_from(info).map_err(malformed)?;
                Private::EcdsaP256(key.into())
            }
            rsa::pkcs1::ALGORITHM_OID | RSASSA_PSS_OID => {
                let key = RsaPrivateKey::try_from(info).map_err(malformed)?;
                Private::RsaPssSha256(Box::new(pss::SigningKey::new(key)))
            }
            other => return Err(unsupported(&format!("a key of algorithm {other}; ed25519, P-256 or RSA is needed"))),
        };
        SoftwareKey::new(private).map_err(|why| unsupported(&why))
    }

    /// Unencrypted PKCS#8 v1 PEM, which every OpenSSL reads.
    pub(crate) fn to_pem(&self) -> Result<Zeroizing<String>, SignerError> {
        let pem = match &self.0.private {
            Private::Ed25519(key) => {
                let mut pair = ed25519_dalek::pkcs8::KeypairBytes::from(key);
                pair.public_key = None;
                pair.to_pkcs8_pem(LineEnding::LF)
            }
            Private::EcdsaP256(key) => key.to_pkcs8_pem(LineEnding::LF),
            Private::RsaPssSha256(key) => key.to_pkcs8_pem(LineEnding::LF),
        };
        pem.map_err(backend)
    }

    /// Refuses a key whose public half nobody would accept.
    fn new(private: Private) -> Result<SoftwareKey, String> {
        let public = match &private {
            Private::Ed25519(key) => PublicKey::parse(Algorithm::Ed25519, key.verifying_key().as_bytes()),
            Private::EcdsaP256(key) => {
                let spki = key.verifying_key().to_public_key_der().map_err(|error| error.to_string())?;
                PublicKey::parse(Algorithm::EcdsaP256, spki.as_bytes())
            }
            Private::RsaPssSha256(key) => {
                let key: &RsaPrivateKey = (**key).as_ref();
                let spki = key.to_public_key().to_public_key_der().map_err(|error| error.to_string())?;
                PublicKey::parse(Algorithm::RsaPssSha256, spki.as_bytes())
            }
        };
        Ok(SoftwareKey(Arc::new(Inner { private, public: public.map_err(|error| error.0)? })))
    }
}

impl Signer for SoftwareKey {
    fn algorithm(&self) -> Algorithm {
        self.0.public.algorithm()
    }

    fn public_key(&self) -> Vec<u8> {
        self.0.public.encoded().to_vec()
    }

    /// ed25519 and ECDSA (RFC 6979) need no randomness; RSA takes salt and blinding from a fresh generator.
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignerError> {
        Ok(match &self.0.private {
            Private::Ed25519(key) => key.try_sign(message).map_err(backend)?.to_bytes().to_vec(),
            Private::EcdsaP256(key) => {
                let signature: p256::ecdsa::Signature = key.try_sign(message).map_err(backend)?;
                signature.to_bytes().to_vec()
            }
            Private::RsaPssSha256(key) => key.try_sign_with_rng(&mut generator()?, message).map_err(backend)?.to_vec(),
        })
    }
}

/// Shows the public half only.
impl fmt::Debug for SoftwareKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SoftwareKey({:?})", self.0.public)
    }
}

/// secp256r1 (RFC 5480 section 2.1.1.1).
const P256_OID: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
/// id-RSASSA-PSS (RFC 8017 appendix A.2.3), as `openssl genpkey -algorithm RSA-PSS` writes it; only without
/// parameters, which would bind the key to others than ours. Its public key is still published as rsaEncryption.
const RSASSA_PSS_OID: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.10");

/// A generator seeded by the system, wiped when dropped. It exists because the system's own may fail at any
/// draw, and the key generators take none that can.
fn generator() -> Result<ChaCha20Rng, SignerError> {
    let mut seed = Zeroizing::new([0; 32]);
    random(&mut *seed)?;
    Ok(ChaCha20Rng::from_seed(*seed))
}

/// Fills with randomness of the system.
pub(crate) fn random(bytes: &mut [u8]) -> Result<(), SignerError> {
    getrandom::fill(bytes).map_err(|error| SignerError::Backend(format!("the system gives no randomness: {error}")))
}

fn backend(error: impl fmt::Display) -> SignerError {
    SignerError::Backend(error.to_string())
}
