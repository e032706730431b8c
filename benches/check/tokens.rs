//! Tokens, signed before any clock starts, and the CPU time of verifying one signature alone.

use super::Outcome;
use super::load::Sample;
use super::process::cpu_nanos;
use super::requests::Folder;
use aws_lc_rs::signature::{ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use modgud::clock::Clock;
use modgud_core::jose::SigningKey;
use serde_json::json;
use std::time::{Duration, Instant};

/// Lifetime of the tokens: longer than any run.
const LIFETIME: Duration = Duration::from_secs(36_000);

/// A shared secret, with which a million tokens are signed in seconds.
const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// The configuration that accepts tokens of [`by_secret`], and is like `bifrost` otherwise.
pub(crate) const SECRET_CONFIG: &str = "profile: bifrost
authenticators:
  - name: bifrost
    from: [{ header: authorization, schemes: [JWT] }]
    jwt: { issuer: bifrost, algorithms: [HS256], keys: [{ secret: { value: 0123456789abcdef0123456789abcdef } }] }
";

/// Signs tokens with a shared secret.
pub(crate) fn by_secret(count: usize) -> Outcome<Vec<String>> {
    sign(&SigningKey::from_secret(SECRET)?, count)
}

/// Signs tokens of different users, all of one length, so that all responses have one length too.
pub(crate) fn sign(key: &SigningKey, count: usize) -> Outcome<Vec<String>> {
    let now = Clock::System.now();
    let (issued, expires) = (now.as_secs(), now.plus(LIFETIME).as_secs());
    let token = |number: usize| {
        let claims = [
            ("iss", json!("bifrost")),
            ("exp", json!(expires)),
            ("iat", json!(issued)),
            ("core_user_uuid", json!(format!("fd76ce0c-d8be-4aa6-91ed-{number:012}"))),
            ("organization_uuid", json!("70f0d039-e3d9-427e-b161-4e95dbd9e918")),
            ("scope", json!("read write")),
            ("username", json!(format!("user{number:012}@example.com"))),
        ];
        key.sign(&claims.map(|(name, value)| (name.to_owned(), value)))
    };
    let threads = std::thread::available_parallelism()?.get();
    let each = count.div_ceil(threads);
    let share =
        |thread: usize| (thread * each..((thread + 1) * each).min(count)).map(token).collect::<Result<Vec<_>, _>>();
    let share = &share;
    let tokens = std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|thread| scope.spawn(move || share(thread))).collect();
        running.into_iter().map(|thread| thread.join().map_err(|_| "signing failed")).collect::<Result<Vec<_>, _>>()
    })?;
    Ok(tokens.into_iter().collect::<Result<Vec<_>, _>>()?.concat())
}

/// Verifies signatures alone, one after the other, for some seconds. The sample has the CPU time of this thread.
pub(crate) fn verifications(folder: &Folder, seconds: f64) -> Outcome<Sample> {
    let key = ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, pem::parse(&folder.public_pem)?.contents())?;
    let tokens = folder.known_tokens.iter().map(|token| {
        let (input, signature) = token.rsplit_once('.').ok_or("a token has no signature")?;
        Ok((input, URL_SAFE_NO_PAD.decode(signature)?))
    });
    let tokens = tokens.collect::<Outcome<Vec<_>>>()?;
    let (start, before) = (Instant::now(), cpu_nanos(std::process::id())?);
    let mut checks = 0;
    for (input, signature) in tokens.iter().cycle() {
        key.verify_sig(input.as_bytes(), signature)?;
        checks += 1;
        if start.elapsed().as_secs_f64() >= seconds {
            break;
        }
    }
    let nanos = vec![cpu_nanos(std::process::id())? - before];
    Ok(Sample { checks, seconds: start.elapsed().as_secs_f64(), nanos, ..Sample::default() })
}
