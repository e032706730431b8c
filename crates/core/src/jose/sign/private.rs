//! Private keys of every key type: their formats, and the signature itself.

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::error::{KeyRejected, Unspecified};
use aws_lc_rs::hmac;
use aws_lc_rs::rand::{SystemRandom, fill};
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, ECDSA_P521_SHA512_FIXED_SIGNING, EcdsaKeyPair,
    Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_SHA256, RSA_PSS_SHA384,
    RSA_PSS_SHA512, RsaEncoding, RsaKeyPair,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::EncodingKey;

use super::SigningError;
use crate::jose::algorithm::{Algorithm, KeyType, SignatureCheck};
use crate::jose::pem::one_line;

/// A private key or a secret.
pub(super) enum PrivateKey {
    Rsa(RsaKeyPair),
    Ec(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
    /// The secret, overwritten when it is dropped, and its form for one algorithm: no key is parsed for a token.
    Secret(EncodingKey, Box<hmac::Key>),
}

impl PrivateKey {
    pub(super) fn generate(algorithm: Algorithm) -> Result<Self, SigningError> {
        match algorithm.key_type() {
            KeyType::Rsa => RsaKeyPair::generate(KeySize::Rsa2048).map(Self::Rsa),
            KeyType::P256 => EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map(Self::Ec),
            KeyType::P384 => EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).map(Self::Ec),
            KeyType::P521 => EcdsaKeyPair::generate(&ECDSA_P521_SHA512_FIXED_SIGNING).map(Self::Ec),
            KeyType::Ed25519 => Ed25519KeyPair::generate().map(Self::Ed25519),
            KeyType::Hmac => {
                let mut secret = vec![0; algorithm.min_secret_bytes()];
                fill(&mut secret).map_err(|_| SigningError::Library)?;
                return Self::from_secret(URL_SAFE_NO_PAD.encode(secret).as_bytes(), algorithm);
            }
        }
        .map_err(|_| SigningError::Library)
    }

    pub(super) fn from_secret(secret: &[u8], algorithm: Algorithm) -> Result<Self, SigningError> {
        let SignatureCheck::Secret(hash) = algorithm.verification_algorithm() else {
            return Err(SigningError::OtherKeyType { key_type: KeyType::Hmac, algorithm });
        };
        let (bytes, needed) = (secret.len(), algorithm.min_secret_bytes());
        if bytes < needed {
            return Err(SigningError::SecretTooShort { bytes, needed });
        }
        let content = EncodingKey::from_secret(secret).map_err(|_| SigningError::Library)?;
        Ok(Self::Secret(content, Box::new(hmac::Key::new(hash, secret))))
    }

    pub(super) fn from_pem(text: &str) -> Result<Self, SigningError> {
        let pem = pem::parse(one_line(text)).map_err(|_| SigningError::NotAPrivateKey)?;
        let der = pem.contents();
        let rsa = || RsaKeyPair::from_pkcs8(der).map(Self::Rsa);
        let ed25519 = || Ed25519KeyPair::from_pkcs8(der).map(Self::Ed25519);
        let ec = || {
            EcdsaKeyPair::from_private_key_der(&ECDSA_P256_SHA256_FIXED_SIGNING, der)
                .or_else(|_| EcdsaKeyPair::from_private_key_der(&ECDSA_P384_SHA384_FIXED_SIGNING, der))
                .or_else(|_| EcdsaKeyPair::from_private_key_der(&ECDSA_P521_SHA512_FIXED_SIGNING, der))
                .map(Self::Ec)
        };
        match pem.tag() {
            "PRIVATE KEY" => {
                rsa().or_else(|error| if is_of_length(&error) { Err(error) } else { ec().or_else(|_| ed25519()) })
            }
            "RSA PRIVATE KEY" => RsaKeyPair::from_der(der).map(Self::Rsa),
            "EC PRIVATE KEY" => ec(),
            "PUBLIC KEY" | "RSA PUBLIC KEY" | "CERTIFICATE" => return Err(SigningError::PublicHalf),
            "ENCRYPTED PRIVATE KEY" => return Err(SigningError::Encrypted),
            _ => return Err(SigningError::NotAPrivateKey),
        }
        .map_err(|error| if is_of_length(&error) { SigningError::RsaLength } else { SigningError::NotAPrivateKey })
    }

    pub(super) fn key_type(&self) -> KeyType {
        match self {
            Self::Rsa(_) => KeyType::Rsa,
            Self::Ec(key) if *key.algorithm() == ECDSA_P256_SHA256_FIXED_SIGNING => KeyType::P256,
            Self::Ec(key) if *key.algorithm() == ECDSA_P384_SHA384_FIXED_SIGNING => KeyType::P384,
            Self::Ec(_) => KeyType::P521,
            Self::Ed25519(_) => KeyType::Ed25519,
            Self::Secret(..) => KeyType::Hmac,
        }
    }

    /// Prepares the key for another algorithm of its key type.
    pub(super) fn for_algorithm(self, algorithm: Algorithm) -> Result<Self, SigningError> {
        match self {
            Self::Secret(secret, _) => Self::from_secret(secret.as_bytes(), algorithm),
            key if key.key_type() == algorithm.key_type() => Ok(key),
            key => Err(SigningError::OtherKeyType { key_type: key.key_type(), algorithm }),
        }
    }

    pub(super) fn text(&self) -> Result<String, SigningError> {
        let rsa = |key: &RsaKeyPair| -> Result<Pkcs8V1Der<'static>, Unspecified> { key.as_der() };
        let encoded = match self {
            Self::Rsa(key) => rsa(key).map(|der| encode("PRIVATE KEY", der.as_ref())),
            Self::Ec(key) => key.to_pkcs8v1().map(|der| encode("PRIVATE KEY", der.as_ref())),
            Self::Ed25519(key) => key.to_pkcs8v1().map(|der| encode("PRIVATE KEY", der.as_ref())),
            Self::Secret(secret, _) => String::from_utf8(secret.as_bytes().to_vec()).map_err(|_| Unspecified),
        };
        encoded.map_err(|_| SigningError::Library)
    }

    pub(super) fn public_pem(&self) -> Result<String, SigningError> {
        let encoded: Result<PublicKeyX509Der<'static>, Unspecified> = match self {
            Self::Rsa(key) => key.public_key().as_der(),
            Self::Ec(key) => key.public_key().as_der(),
            Self::Ed25519(key) => key.public_key().as_der(),
            Self::Secret(..) => return Err(SigningError::NoPublicHalf),
        };
        encoded.map(|der| encode("PUBLIC KEY", der.as_ref())).map_err(|_| SigningError::Library)
    }

    /// Signs these bytes. The algorithm must be one of the key type.
    pub(super) fn sign(&self, algorithm: Algorithm, message: &[u8]) -> Result<Vec<u8>, Unspecified> {
        match self {
            Self::Rsa(key) => {
                let mut signature = vec![0; key.public_modulus_len()];
                let encoding = rsa_encoding(algorithm).ok_or(Unspecified)?;
                key.sign(encoding, &SystemRandom::new(), message, &mut signature).map(|()| signature)
            }
            Self::Ec(key) => key.sign(&SystemRandom::new(), message).map(|signature| signature.as_ref().to_vec()),
            Self::Ed25519(key) => key.try_sign(message).map(|signature| signature.as_ref().to_vec()),
            Self::Secret(_, key) => Ok(hmac::sign(key, message).as_ref().to_vec()),
        }
    }
}

/// Returns true if the library rejects the length of an RSA key.
fn is_of_length(error: &KeyRejected) -> bool {
    ["TooSmall", "TooLarge"].contains(&error.description_())
}

fn rsa_encoding(algorithm: Algorithm) -> Option<&'static dyn RsaEncoding> {
    match algorithm {
        Algorithm::Rs256 => Some(&RSA_PKCS1_SHA256),
        Algorithm::Rs384 => Some(&RSA_PKCS1_SHA384),
        Algorithm::Rs512 => Some(&RSA_PKCS1_SHA512),
        Algorithm::Ps256 => Some(&RSA_PSS_SHA256),
        Algorithm::Ps384 => Some(&RSA_PSS_SHA384),
        Algorithm::Ps512 => Some(&RSA_PSS_SHA512),
        Algorithm::Es256
        | Algorithm::Es384
        | Algorithm::Es512
        | Algorithm::EdDsa
        | Algorithm::Hs256
        | Algorithm::Hs384
        | Algorithm::Hs512 => None,
    }
}

fn encode(tag: &str, der: &[u8]) -> String {
    let config = pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF);
    pem::encode_config(&pem::Pem::new(tag, der), config)
}
