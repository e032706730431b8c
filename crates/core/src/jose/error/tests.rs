//! Tests of reasons and messages.

use spki::ObjectIdentifier;

use super::{CurveName, KeyError, KeyKind, Label, Part, TokenError};
use crate::jose::algorithm::{Algorithm, KeyType};
use crate::jose::json::JsonError;
use crate::jose::testing::assert_good_messages;
use crate::reason::Reason;

#[test]
fn reasons_tell_the_kinds_apart() {
    for (error, reason) in [
        (TokenError::TooLarge { found: 2, limit: 1 }, Reason::TokenTooLarge),
        (TokenError::Encrypted, Reason::TokenMalformed),
        (TokenError::Json(Part::Payload, JsonError::DuplicateName), Reason::TokenMalformed),
        (TokenError::CriticalExtension, Reason::TokenMalformed),
        (TokenError::AlgorithmUnknown, Reason::AlgorithmNotAllowed),
        (TokenError::AlgorithmNotAllowed, Reason::AlgorithmNotAllowed),
        (TokenError::KeyUnknown, Reason::KeyUnknown),
        (TokenError::KeyUnfit, Reason::SignatureInvalid),
        (TokenError::SignatureLength, Reason::SignatureInvalid),
        (TokenError::SignatureMismatch, Reason::SignatureInvalid),
        (TokenError::KeysUntried, Reason::KeyAmbiguous),
    ] {
        assert_eq!(error.reason(), reason, "{error}");
    }
}

#[test]
fn messages_of_tokens_are_unique_lowercase_sentences() {
    let mut errors = vec![
        TokenError::TooLarge { found: 2, limit: 1 },
        TokenError::Encrypted,
        TokenError::PartCount { found: 2 },
        TokenError::AlgorithmMissing,
        TokenError::AlgorithmNotText,
        TokenError::AlgorithmUnknown,
        TokenError::KeyIdNotText,
        TokenError::KeyIdTooLong,
        TokenError::TypeNotText,
        TokenError::CriticalExtension,
        TokenError::UnencodedPayload,
        TokenError::CompressedPayload,
        TokenError::EncryptedPayload,
        TokenError::AlgorithmNotAllowed,
        TokenError::KeyUnknown,
        TokenError::KeyUnfit,
        TokenError::SignatureLength,
        TokenError::SignatureMismatch,
        TokenError::KeysUntried,
    ];
    for part in [Part::Header, Part::Payload, Part::Signature] {
        errors.extend([TokenError::EmptyPart(part), TokenError::Encoding(part)]);
    }
    for part in [Part::Header, Part::Payload] {
        errors.extend(JsonError::ALL.map(|error| TokenError::Json(part, error)));
    }
    assert_good_messages(&errors);
}

#[test]
fn messages_of_keys_are_unique_lowercase_sentences() {
    assert_good_messages(&[
        KeyError::Empty,
        KeyError::NoBlock,
        KeyError::SeveralBlocks { found: 2 },
        KeyError::PrivateKey,
        KeyError::Unfinished,
        KeyError::NotBase64,
        KeyError::OtherLabel { found: Label::new("EC PARAMETERS") },
        KeyError::OtherLabel { found: Label::new("MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8A") },
        KeyError::NotDer,
        KeyError::OtherType { found: KeyKind(ObjectIdentifier::new_unwrap("1.3.101.113")) },
        KeyError::NotServing { key_type: KeyType::P256 },
        KeyError::OtherCurve { found: CurveName(ObjectIdentifier::new_unwrap("1.3.132.0.33")) },
        KeyError::CurveNotNamed,
        KeyError::PointForm,
        KeyError::NotOnCurve { curve: KeyType::P384 },
        KeyError::Ed25519Length { bytes: 31 },
        KeyError::SmallOrder,
        KeyError::SecretTooShort { bytes: 31 },
        KeyError::SecretTooShortFor { bytes: 33, algorithm: Algorithm::Hs512 },
        KeyError::SecretIsPem,
        KeyError::SecretIsPublic,
        KeyError::SecretIsJwk,
        KeyError::TooShort { bits: 512 },
        KeyError::TooLong { bits: 16384 },
        KeyError::ExponentUnsafe,
        KeyError::ExponentTooLong { bits: 34 },
        KeyError::Rejected,
    ]);
}

#[test]
fn what_was_found_is_named_unless_it_could_be_content() {
    let label = |text: &str| Label::new(text).to_string();
    assert_eq!(label("CERTIFICATE REQUEST"), "`CERTIFICATE REQUEST`");
    assert_eq!(label("MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8A"), "of an unknown kind");
    assert_eq!(label(&"A".repeat(33)), "of an unknown kind");

    let kind = |oid| KeyKind(ObjectIdentifier::new_unwrap(oid)).to_string();
    assert_eq!(kind("1.2.840.113549.1.1.10"), "RSASSA-PSS");
    assert_eq!(kind("1.2.3.4"), "1.2.3.4");
}
