//! The host of a request: normalized, and rejected where its spelling is ambiguous. The port is checked and dropped, since rules match
//! hosts only.

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::net::{Ipv4Addr, Ipv6Addr};

/// The longest authority that is read, port included, in bytes. A longer one is rejected.
const MAX_BYTES: usize = 255;
/// The longest label (RFC 1035 §2.3.4), in bytes. A longer one is rejected.
const MAX_LABEL_BYTES: usize = 63;

/// A normalized host: lower case, no port, no trailing dot, an IPv6 address in brackets as RFC 5952 writes it. So two spellings of a host
/// are equal. An HTTP/1.0 request may have none.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Host<'a>(Option<Cow<'a, str>>);

impl<'a> Host<'a> {
    /// Parses a `:authority` or `Host` value (RFC 9110 §7.2). An empty one gives the host without a [`Self::name`].
    ///
    /// # Errors
    /// [`HostError`] for any value that is not plainly one name or one address, with or without a port.
    pub fn parse(raw: &'a [u8]) -> Result<Self, HostError> {
        if raw.is_empty() {
            return Ok(Self(None));
        }
        if raw.len() > MAX_BYTES {
            return Err(HostError::TooLong);
        }
        let text = check_bytes(raw)?;
        if text.starts_with('[') {
            return parse_ipv6(text).map(|name| Self(Some(name)));
        }
        let name = match text.split_once(':') {
            Some((name, port)) => {
                check_port(port)?;
                name
            }
            None => text,
        };
        parse_name(name).map(|name| Self(Some(name)))
    }

    /// Returns the normalized host; `None` if the request names none.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.0.as_deref()
    }
}

/// The reason why a host is rejected. The numbers are offsets in bytes from 0. No message repeats the client's input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    /// More than 255 bytes.
    #[error("the host is longer than {MAX_BYTES} bytes")]
    TooLong,
    /// `@`: the text before it is not the host (RFC 9110 §4.2.4).
    #[error("the host has user information before the `@` at byte {0}")]
    UserInfo(usize),
    /// `,`: two Host headers that were joined.
    #[error("the host is a list, with a comma at byte {0}")]
    List(usize),
    /// A byte other than letters, digits, `-`, `_`, `.`, and the characters of ports and IPv6 addresses.
    #[error("the host's byte {0} is invalid in a host name")]
    IllegalByte(usize),
    /// Not 1 to 5 digits, or above 65535.
    #[error("the text after the host's colon is not a port")]
    Port,
    /// A leading dot, two dots in a row, more than one trailing dot, or an empty name before the port.
    #[error("the host has an empty label")]
    EmptyLabel,
    /// A label of more than 63 bytes.
    #[error("the host has a label of more than {MAX_LABEL_BYTES} bytes")]
    LabelTooLong,
    /// A numeric last label in a host that is not four decimal numbers: some parsers read it as an IPv4 address.
    #[error("the host ends in a number and is not an IPv4 address in its usual form")]
    Ipv4,
    /// Brackets around a text other than an IPv6 address (RFC 3986 §3.2.2), or brackets elsewhere.
    #[error("the host's brackets do not hold an IPv6 address")]
    Ipv6,
}

fn check_bytes(raw: &[u8]) -> Result<&str, HostError> {
    for (at, byte) in raw.iter().enumerate() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b':' | b'[' | b']' => {}
            b'@' => return Err(HostError::UserInfo(at)),
            b',' => return Err(HostError::List(at)),
            _ => return Err(HostError::IllegalByte(at)),
        }
    }
    str::from_utf8(raw).map_err(|error| HostError::IllegalByte(error.valid_up_to()))
}

fn check_port(port: &str) -> Result<(), HostError> {
    let digits = (1..=5).contains(&port.len()) && port.bytes().all(|byte| byte.is_ascii_digit());
    if digits && port.parse::<u16>().is_ok() { Ok(()) } else { Err(HostError::Port) }
}

fn parse_ipv6(text: &str) -> Result<Cow<'_, str>, HostError> {
    let (address, after) = text.strip_prefix('[').and_then(|text| text.split_once(']')).ok_or(HostError::Ipv6)?;
    match after.strip_prefix(':') {
        Some(port) => check_port(port)?,
        None if after.is_empty() => {}
        None => return Err(HostError::Ipv6),
    }
    let address: Ipv6Addr = address.parse().map_err(|_| HostError::Ipv6)?;
    Ok(Cow::Owned(format!("[{address}]")))
}

fn parse_name(text: &str) -> Result<Cow<'_, str>, HostError> {
    if text.contains(['[', ']']) {
        return Err(HostError::Ipv6);
    }
    let name = text.strip_suffix('.').unwrap_or(text);
    for label in name.split('.') {
        match label.len() {
            0 => return Err(HostError::EmptyLabel),
            1..=MAX_LABEL_BYTES => {}
            _ => return Err(HostError::LabelTooLong),
        }
    }
    let last = name.rsplit('.').next().unwrap_or(name);
    if is_number(last) && name.parse::<Ipv4Addr>().is_err() {
        return Err(HostError::Ipv4);
    }
    if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Ok(Cow::Owned(name.to_ascii_lowercase()));
    }
    Ok(Cow::Borrowed(name))
}

/// Returns true if some address parsers take a label for a number: decimal, octal, or hex after `0x` (WHATWG URL, IPv4 parser).
fn is_number(label: &str) -> bool {
    match label.strip_prefix("0x").or_else(|| label.strip_prefix("0X")) {
        Some(hex) => hex.bytes().all(|byte| byte.is_ascii_hexdigit()),
        None => label.bytes().all(|byte| byte.is_ascii_digit()),
    }
}
