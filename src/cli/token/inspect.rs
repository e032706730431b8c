//! `modgud token inspect`: shows a token's content to people, without verification. Decodes leniently, to show
//! malformed tokens too, then names the rule that the token breaks.

use super::{Exit, print_error, print_line};
use crate::cli::counted;
use crate::clock::Clock;
use crate::yaml::is_format_char;
use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use modgud_core::jose::{MAX_TOKEN_BYTES, UnverifiedToken};
use modgud_core::time::Timestamp;
use serde_json::{Map, Value};
use std::fmt::Write as _;
use std::io::Read as _;
use std::time::Duration;

/// Maximum bytes read from standard input: enough to report that a token is too large.
const MAX_INPUT_BYTES: u64 = 1024 * 1024;

/// The claims that are points in time (RFC 7519 §4.1, `OpenID` Connect Core §2).
const DATES: [&str; 4] = ["iat", "nbf", "exp", "auth_time"];

/// Base64url, with or without padding and with any trailing bits.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Shows the content of a token. It verifies neither signature nor key nor claims.
///
/// Ends with 1 if modgud would reject the token with any signature, and names the rule that it breaks.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  modgud token inspect -          (paste the token, then Ctrl-D: it stays out of the \
    shell's history)\n  \
    modgud token mint --key modgud-dev.key.pem | modgud token inspect -"
)]
pub(in crate::cli) struct Inspect {
    /// The token, or `-` to read it from standard input
    #[arg(value_name = "TOKEN", allow_hyphen_values = true)]
    token: String,
}

pub(super) fn run(args: &Inspect) -> Exit {
    let token = match args.token.as_str() {
        "-" => match read() {
            Ok(text) => text,
            Err(error) => return print_error(error),
        },
        given => given.to_owned(),
    };
    let token = token.trim();
    print_line("NOT VERIFIED: neither the signature nor the claims were checked.");
    if token.len() <= MAX_TOKEN_BYTES {
        show(token, Clock::System.now());
    }
    match UnverifiedToken::parse(token) {
        Ok(_) => {
            print_line("\nform: well-formed; signature, claims and configuration decide if it is accepted");
            Exit::Done
        }
        Err(error) => print_error(format_args!("rejected with any signature: {error} ({})", error.reason())),
    }
}

fn read() -> Result<String, String> {
    let mut bytes = Vec::new();
    std::io::stdin()
        .take(MAX_INPUT_BYTES)
        .read_to_end(&mut bytes)
        .map_err(|error| format!("standard input can't be read: {error}"))?;
    String::from_utf8(bytes)
        .map_err(|_| "rejected with any signature: the token is not UTF-8 (token_malformed)".to_owned())
}

/// Prints the parts as far as they are readable.
fn show(token: &str, now: Timestamp) {
    let mut parts = token.split('.');
    part("header", parts.next());
    let claims = part("claims", parts.next());
    let dates: Vec<String> =
        claims.iter().flat_map(|claims| DATES.iter().filter_map(|name| date(name, claims, now))).collect();
    if !dates.is_empty() {
        print_line(format_args!("\n{}", dates.join("\n")));
    }
    let signature = parts.next().and_then(|part| LENIENT.decode(part).ok());
    if let Some(signature) = signature {
        print_line(format_args!("\nsignature: {}, not verified", counted(signature.len(), "byte", "bytes")));
    }
}

/// Prints one part. Returns its members; `None` if it is no JSON object.
fn part(name: &str, text: Option<&str>) -> Option<Map<String, Value>> {
    let Some(text) = text else {
        print_line(format_args!("\n{name}: missing"));
        return None;
    };
    let Ok(bytes) = LENIENT.decode(text) else {
        print_line(format_args!("\n{name}: not base64url"));
        return None;
    };
    let Ok(value) = serde_json::from_slice::<Value>(&bytes) else {
        print_line(format_args!("\n{name}: {} bytes that are not JSON", bytes.len()));
        return None;
    };
    print_line(format_args!("\n{name}: {}", escaped(&format!("{value:#}"))));
    value.as_object().cloned()
}

/// Describes a date; `None` if the claim is absent.
fn date(name: &str, claims: &Map<String, Value>, now: Timestamp) -> Option<String> {
    let value = claims.get(name)?;
    let Some(at) = value.as_f64().filter(|seconds| (0.0..=253_402_300_799.0).contains(seconds)) else {
        return Some(format!("{name}: not a date (seconds since 1970)"));
    };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a number from 0 to 2^38")]
    let at = Timestamp::from_secs(at as u64);
    let span = words(now.as_secs().abs_diff(at.as_secs()));
    let passed = at <= now;
    let meaning = match (name, passed) {
        ("exp", true) => format!("EXPIRED {span} ago"),
        ("exp", false) => format!("expires in {span}"),
        (_, true) => format!("{span} ago"),
        (_, false) => format!("IN THE FUTURE, in {span}"),
    };
    Some(format!("{name}: {at}, {meaning}"))
}

/// Formats a duration in its two largest units.
fn words(seconds: u64) -> String {
    let all = humantime::format_duration(Duration::from_secs(seconds)).to_string();
    all.split(' ').take(2).collect::<Vec<_>>().join(" ")
}

/// Escapes every character that a terminal would act on, that reorders others, or that is invisible.
fn escaped(json: &str) -> String {
    let mut shown = String::with_capacity(json.len());
    for character in json.chars() {
        if is_format_char(character) || (character.is_control() && character != '\n') {
            for unit in character.encode_utf16(&mut [0; 2]) {
                // Writing to a string does not fail.
                let _ = write!(shown, "\\u{unit:04x}");
            }
        } else {
            shown.push(character);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::{date, escaped};
    use modgud_core::time::Timestamp;
    use serde_json::json;

    #[test]
    fn dates_are_described_in_words() {
        let now = Timestamp::from_secs(1_700_000_000);
        for (name, value, expected) in [
            ("exp", json!(1_700_036_000), "exp: 2023-11-15T08:13:20Z, expires in 10h"),
            ("exp", json!(1_700_000_000), "exp: 2023-11-14T22:13:20Z, EXPIRED 0s ago"),
            ("exp", json!(1_699_800_001.9), "exp: 2023-11-12T14:40:01Z, EXPIRED 2days 7h ago"),
            ("iat", json!(1_699_999_990), "iat: 2023-11-14T22:13:10Z, 10s ago"),
            ("nbf", json!(1_700_000_061), "nbf: 2023-11-14T22:14:21Z, IN THE FUTURE, in 1m 1s"),
            ("exp", json!("1700000000"), "exp: not a date (seconds since 1970)"),
            ("exp", json!(-1), "exp: not a date (seconds since 1970)"),
            ("exp", json!(1e300), "exp: not a date (seconds since 1970)"),
            ("exp", json!(null), "exp: not a date (seconds since 1970)"),
        ] {
            let claims = [(name.to_owned(), value)].into_iter().collect();
            assert_eq!(date(name, &claims, now).as_deref(), Some(expected));
        }
        assert_eq!(date("exp", &serde_json::Map::new(), now), None);
    }

    #[test]
    fn nothing_that_a_terminal_obeys_is_shown() {
        let shown = escaped("{\n  \"a\": \"é\u{7f}\u{9b}2J\u{202e}\u{feff}😀\"\n}");
        assert_eq!(shown, "{\n  \"a\": \"é\\u007f\\u009b2J\\u202e\\ufeff😀\"\n}");
        for (character, expected) in [
            ("\u{61c}", "\\u061c"),
            ("\u{ad}", "\\u00ad"),
            ("\u{200f}", "\\u200f"),
            ("\u{2066}", "\\u2066"),
            ("\u{206f}", "\\u206f"),
            ("\u{e0041}", "\\udb40\\udc41"),
        ] {
            assert_eq!(escaped(character), expected);
        }
    }
}
