//! The representation for a client. `Accept` (RFC 9110 §12.5.1) is parsed strictly and in bounded time; an invalid or oversized one is
//! ignored.

use super::body::Representation;
use super::style::BodyStyle;
use crate::http::header::is_token_byte;
use crate::http::request::{HeaderLookup, Headers};

/// The maximum size of `Accept`, all its lines together. Browsers send about 150 bytes. A larger one is ignored, which bounds the
/// time.
const MAX_BYTES: usize = 1_024;
/// The maximum number of media ranges. An `Accept` with more is ignored, which bounds the time.
const MAX_RANGES: usize = 32;

/// Returns the representation for a client: gRPC for its calls, otherwise the one that `Accept` prefers, by default the configured
/// one.
pub(super) fn representation(headers: &Headers<'_>, style: BodyStyle) -> Representation {
    /// The prefix of gRPC media types (gRPC over HTTP/2, "Requests").
    const GRPC: &[u8] = b"application/grpc";
    if let HeaderLookup::One(kind) = headers.get("content-type")
        && kind.get(..GRPC.len()).is_some_and(|head| head.eq_ignore_ascii_case(GRPC))
    {
        return Representation::Grpc;
    }
    match style {
        BodyStyle::Problem => preferred(headers, &["application/problem+json", "application/json"]),
        BodyStyle::Detail | BodyStyle::Error | BodyStyle::Orchescala => preferred(headers, &["application/json"]),
    }
}

/// Returns the representation that the client prefers. `own` holds the media types of the configured one, which is used unless
/// another is preferred.
fn preferred(headers: &Headers<'_>, own: &[&str]) -> Representation {
    let lines = || headers.iter().filter(|field| field.name.eq_ignore_ascii_case(b"accept")).map(|field| field.value);
    if lines().map(<[u8]>::len).fold(0, usize::saturating_add) > MAX_BYTES {
        return Representation::Default;
    }
    let mut offers = Offers { own: QValue::default(), text: QValue::default(), html: QValue::default() };
    let mut left = MAX_RANGES;
    for line in lines() {
        if read(line, own, &mut offers, &mut left).is_none() {
            return Representation::Default;
        }
    }
    let Offers { own, text, html } = offers;
    if html.quality > own.quality.max(text.quality) {
        Representation::Html
    } else if text.quality > own.quality {
        Representation::Text
    } else {
        Representation::Default
    }
}

/// The client's preference for each representation.
struct Offers {
    own: QValue,
    text: QValue,
    html: QValue,
}

/// The quality of the most specific range that matches.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
struct QValue {
    specificity: Specificity,
    /// In thousandths.
    quality: u16,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Specificity {
    #[default]
    None,
    Anything,
    OfType,
    Exact,
}

/// Parses one line; `None` if it is invalid.
fn read(line: &[u8], own: &[&str], offers: &mut Offers, left: &mut usize) -> Option<()> {
    let mut cursor = Cursor(line);
    loop {
        cursor.blank();
        if cursor.0.is_empty() {
            return Some(());
        }
        // Empty items are ignored (RFC 9110 §5.6.1.2).
        if !cursor.eat(b',') {
            *left = left.checked_sub(1)?;
            let (kind, subtype, quality) = cursor.range()?;
            let weigh = |weight: &mut QValue, offered: &[&str]| {
                let specificity = offered.iter().map(|one| specificity(kind, subtype, one)).max().unwrap_or_default();
                if specificity != Specificity::None {
                    *weight = (*weight).max(QValue { specificity, quality });
                }
            };
            weigh(&mut offers.own, own);
            weigh(&mut offers.text, &["text/plain"]);
            weigh(&mut offers.html, &["text/html"]);
            cursor.blank();
            if !cursor.0.is_empty() && !cursor.eat(b',') {
                return None;
            }
        }
    }
}

fn specificity(kind: &[u8], subtype: &[u8], offered: &str) -> Specificity {
    let (offered_kind, offered_subtype) = offered.split_once('/').unwrap_or((offered, ""));
    match (kind, subtype) {
        (b"*", b"*") => Specificity::Anything,
        (kind, _) if !kind.eq_ignore_ascii_case(offered_kind.as_bytes()) => Specificity::None,
        (_, b"*") => Specificity::OfType,
        (_, subtype) if subtype.eq_ignore_ascii_case(offered_subtype.as_bytes()) => Specificity::Exact,
        (_, _) => Specificity::None,
    }
}

struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn blank(&mut self) {
        while let [b' ' | b'\t', rest @ ..] = self.0 {
            self.0 = rest;
        }
    }

    fn eat(&mut self, byte: u8) -> bool {
        match self.0.split_first() {
            Some((first, rest)) if *first == byte => {
                self.0 = rest;
                true
            }
            Some(_) | None => false,
        }
    }

    fn token(&mut self) -> Option<&'a [u8]> {
        let end = self.0.iter().position(|byte| !is_token_byte(*byte)).unwrap_or(self.0.len());
        let (token, rest) = self.0.split_at_checked(end)?;
        self.0 = rest;
        (!token.is_empty()).then_some(token)
    }

    /// Parses `type/subtype` with its parameters, of which only the quality is used.
    fn range(&mut self) -> Option<(&'a [u8], &'a [u8], u16)> {
        const WHOLE: u16 = 1_000;
        let kind = self.token()?;
        let subtype = self.eat(b'/').then(|| self.token()).flatten()?;
        if kind == b"*" && subtype != b"*" {
            return None;
        }
        let mut weighed = None;
        loop {
            let before = self.0;
            self.blank();
            if !self.eat(b';') {
                self.0 = before;
                return Some((kind, subtype, weighed.unwrap_or(WHOLE)));
            }
            self.blank();
            let name = self.token()?;
            if name.eq_ignore_ascii_case(b"q") {
                let value = self.eat(b'=').then(|| self.token()).flatten()?;
                if weighed.replace(quality(value)?).is_some() {
                    return None;
                }
            } else if self.eat(b'=') {
                self.value()?;
            }
        }
    }

    /// Skips a token or a quoted string (RFC 9110 §5.6.4).
    fn value(&mut self) -> Option<()> {
        if !self.eat(b'"') {
            return self.token().map(|_| ());
        }
        loop {
            match self.0 {
                [b'"', rest @ ..] => {
                    self.0 = rest;
                    return Some(());
                }
                [b'\\', _, rest @ ..] | [b'\t' | b' '..=b'[' | b']'..=b'~', rest @ ..] => self.0 = rest,
                _ => return None,
            }
        }
    }
}

/// Parses `0` to `1` with at most three decimals (RFC 9110 §12.4.2), in thousandths.
fn quality(text: &[u8]) -> Option<u16> {
    let (whole, decimals) = match text {
        [whole @ (b'0' | b'1')] => (whole, &[][..]),
        [whole @ (b'0' | b'1'), b'.', decimals @ ..] if decimals.len() <= 3 => (whole, decimals),
        _ => return None,
    };
    let digit = |index: usize| match decimals.get(index) {
        None => Some(0),
        Some(digit @ b'0'..=b'9') => Some(u16::from(digit.saturating_sub(b'0'))),
        Some(_) => None,
    };
    let (tenths, hundredths, thousandths) = (digit(0)?, digit(1)?, digit(2)?);
    let fraction = tenths.saturating_mul(100).saturating_add(hundredths.saturating_mul(10)).saturating_add(thousandths);
    match (whole, fraction) {
        (b'0', fraction) => Some(fraction),
        (_, 0) => Some(1_000),
        (_, _) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{Representation, preferred};
    use crate::http::request::{Field, Headers};

    const PROBLEM: &[&str] = &["application/problem+json", "application/json"];

    fn form(lines: &[&str]) -> Representation {
        let field = |line: &&'static str| Field { name: b"Accept", value: line.as_bytes() };
        let lines: Vec<&'static str> = lines.iter().map(|line| &*String::from(*line).leak()).collect();
        preferred(&Headers::new(lines.iter().map(field).collect()), PROBLEM)
    }

    #[test]
    fn the_client_s_preference_counts() {
        let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8";
        for (accept, expected) in [
            ("", Representation::Default),
            ("*/*", Representation::Default),
            (browser, Representation::Html),
            ("text/html", Representation::Html),
            ("TEXT/Html;level=\"a,b\\\"c\" ; Q=0.5", Representation::Html),
            ("text/plain", Representation::Text),
            ("text/*", Representation::Text),
            ("text/html, text/plain", Representation::Text),
            ("text/html, application/json", Representation::Default),
            ("text/html;q=0.5, application/problem+json;q=0.5", Representation::Default),
            ("text/html;q=0.501, application/json;q=0.5", Representation::Html),
            ("application/json;q=0, */*", Representation::Text),
            ("application/json;q=0, text/plain;q=0, */*", Representation::Html),
            ("text/html;q=0, */*", Representation::Default),
            ("*/*;q=0", Representation::Default),
            ("image/png", Representation::Default),
            (" , text/html,, ", Representation::Html),
            ("text/html;q=1.000", Representation::Html),
            // A more specific range overrides less specific ones, in any order.
            ("text/*;q=1, text/html;q=0.1, text/plain;q=0, application/json;q=0.2", Representation::Default),
        ] {
            assert_eq!(form(&[accept]), expected, "{accept}");
        }
        assert_eq!(form(&["text/plain;q=0.1", "text/html"]), Representation::Html, "two lines are one list");
    }

    #[test]
    fn what_can_not_be_read_asks_for_nothing() {
        for bad in [
            "text/html;q=2",
            "text/html;q=1.001",
            "text/html;q=0.1234",
            "text/html;q=.5",
            "text/html;q=-1",
            "text/html;q=1e0",
            "text/html;q=",
            "text/html;q",
            "text/html;q=1;q=1",
            "text/html;",
            "text/html text/plain",
            "text",
            "text/",
            "/html",
            "*/html",
            "text/html;a=\"b",
            "text/html, \u{e9}/x",
            "text/html\0",
            &format!("text/html{}", ",a/b".repeat(32)),
            &format!("text/html;a={}", "b".repeat(1_024)),
        ] {
            assert_eq!(form(&[bad]), Representation::Default, "{bad}");
        }
        assert_eq!(form(&[&format!("text/html{}", ",a/b".repeat(31))]), Representation::Html);
        assert_eq!(form(&["text/html", "text/plain;q=2"]), Representation::Default);
    }
}
