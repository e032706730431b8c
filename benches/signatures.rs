//! The cost of verifying a signature: `cargo bench --bench signatures`. The figures are in
//! `docs/decisions/0001-signatures-through-aws-lc.md`.
//!
//! It compares modgud's parsed key with `jsonwebtoken` and a prebuilt `DecodingKey`, alternating
//! on the same tokens. It measures the signature alone, and everything from a token's text to its claims.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::cast_precision_loss,
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a tool that measures: it prints, calculates with floats, and compares with what the product must not call"
)]

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::signature::Verifier as _;
use jsonwebtoken::{DecodingKey, Validation};
use mimalloc::MiMalloc;
use modgud_core::jose::{Algorithm, KeySet, KeyType, PublicJwk, SigningKey, UnverifiedToken, VerificationKey};
use serde_json::{Value, json};
use std::error::Error;
use std::hint::black_box;
use std::time::Instant;

/// modgud's allocator.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// One algorithm of each common family.
const ALGORITHMS: [Algorithm; 4] = [Algorithm::Rs256, Algorithm::Es256, Algorithm::EdDsa, Algorithm::Hs256];

fn main() -> Result<(), Box<dyn Error>> {
    // Without `--bench`, `cargo test` runs this as a smoke test.
    let full = std::env::args().any(|argument| argument == "--bench");
    let (rounds, calls) = if full { (51, 500) } else { (3, 2) };
    println!("One verification, in µs: median of {rounds} rounds of {calls} calls (least–most)\n");
    println!("| algorithm | `Verifier` | `jsonwebtoken::crypto::verify` | text to claims | `jsonwebtoken::decode` |");
    println!("|---|---|---|---|---|");
    for algorithm in ALGORITHMS {
        let columns = measure(algorithm, rounds, calls)?;
        println!("| {} | {} |", algorithm.name(), columns.map(spread).join(" | "));
    }
    Ok(())
}

/// Returns the times of each variant, one per round.
fn measure(algorithm: Algorithm, rounds: usize, calls: usize) -> Result<[Vec<f64>; 4], Box<dyn Error>> {
    let signing = SigningKey::generate(algorithm)?;
    let token = signing.sign(&claims())?;
    let (message, signature_text) = token.rsplit_once('.').ok_or("a token has a signature")?;
    let signature = URL_SAFE_NO_PAD.decode(signature_text)?;

    let theirs = jsonwebtoken::Algorithm::try_from(algorithm)?;
    let decoding = decoding_key(&signing)?;
    let mut validation = Validation::new(theirs);
    validation.set_required_spec_claims(&["exp"]);
    let key: VerificationKey = signing.verification_key()?;
    let keys = KeySet::new(vec![signing.verification_key()?])?;
    let verifier = key.verifier(algorithm).ok_or("the key serves its algorithm")?;

    let ways: [&dyn Fn() -> bool; 4] = [
        &|| verifier.verify(black_box(message.as_bytes()), black_box(&signature)).is_ok(),
        &|| jsonwebtoken::crypto::verify(black_box(signature_text), message.as_bytes(), &decoding, theirs) == Ok(true),
        &|| UnverifiedToken::parse(black_box(&token)).is_ok_and(|token| token.verify(&keys, &[algorithm]).is_ok()),
        &|| jsonwebtoken::decode::<Value>(black_box(&token), &decoding, &validation).is_ok(),
    ];
    let mut micros: [Vec<f64>; 4] = Default::default();
    for round in 0..=rounds {
        for at in 0..ways.len() {
            // Each variant is first, second, third and last equally often.
            let way = (at + round) % ways.len();
            let start = Instant::now();
            let good = (0..calls).all(|_| ways[way]());
            let took = start.elapsed().as_secs_f64() * 1e6 / calls as f64;
            if !good {
                return Err("a good signature does not verify".into());
            }
            // The first round warms up.
            if round > 0 {
                micros[way].push(took);
            }
        }
    }
    Ok(micros)
}

fn decoding_key(key: &SigningKey) -> Result<DecodingKey, Box<dyn Error>> {
    Ok(match key.algorithm().key_type() {
        KeyType::Hmac => DecodingKey::from_secret(key.private_text()?.expose_secret().as_bytes())?,
        KeyType::Rsa | KeyType::P256 | KeyType::P384 | KeyType::P521 | KeyType::Ed25519 => {
            DecodingKey::from_jwk(PublicJwk::from_pem(&key.public_pem()?, key.algorithm())?.jwk())?
        }
    })
}

/// Returns the claims of a BiFrost token, valid until 2100.
fn claims() -> Vec<(String, Value)> {
    let claims = [
        ("iss", json!("bifrost")),
        ("exp", json!(4_102_444_800_u64)),
        ("iat", json!(1_560_518_576)),
        ("core_user_uuid", json!("fd76ce0c-d8be-4aa6-91ed-59e698f6af60")),
        ("organization_uuid", json!("70f0d039-e3d9-427e-b161-4e95dbd9e918")),
        ("scope", json!("read write")),
        ("username", json!("user@example.com")),
    ];
    claims.map(|(name, value)| (name.to_owned(), value)).into()
}

fn spread(mut values: Vec<f64>) -> String {
    values.sort_by(f64::total_cmp);
    let (least, median, most) = (values[0], values[values.len() / 2], values[values.len() - 1]);
    format!("{median:.2} ({least:.2}–{most:.2})")
}
