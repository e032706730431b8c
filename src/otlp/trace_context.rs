//! The context of a trace, as HTTP and gRPC carry it (W3C Trace Context).

/// Maximum size of `tracestate`, in bytes: W3C Trace Context §3.3.1.5 asks for as many. A longer one is not passed on.
const MAX_TRACE_STATE_BYTES: usize = 512;

/// A context: the trace, the span that a new one has as its parent, and the flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceContext {
    /// The trace.
    pub trace_id: [u8; 16],
    /// The span.
    pub span_id: [u8; 8],
    /// The flags.
    pub flags: u8,
}

impl TraceContext {
    /// The flag of a trace that is recorded.
    const SAMPLED: u8 = 1;

    /// Parses the value of `traceparent` (§3.2). `None` if it is malformed. Of a later version, only the parts of this one are read (§4).
    #[must_use]
    pub fn parse(value: &[u8]) -> Option<Self> {
        let mut parts = value.split(|byte| *byte == b'-');
        let [version] = hexadecimal(parts.next()?)?;
        let (trace_id, span_id) = (hexadecimal(parts.next()?)?, hexadecimal(parts.next()?)?);
        let [flags] = hexadecimal(parts.next()?)?;
        let is_known_form = match version {
            0xff => false,
            0 => parts.next().is_none(),
            _ => true,
        };
        let is_valid = is_known_form && trace_id != [0; 16] && span_id != [0; 8];
        is_valid.then_some(Self { trace_id, span_id, flags })
    }

    /// Returns true if whoever began the span records the trace.
    #[must_use]
    pub const fn is_sampled(self) -> bool {
        self.flags & Self::SAMPLED != 0
    }
}

/// Returns the value of `tracestate` (§3.3). `None` if it is malformed, empty or too long.
#[must_use]
pub fn trace_state(value: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(value).ok()?;
    let is_text = text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic());
    let has_members = text.split(',').all(|member| member.contains('=') || member.trim().is_empty());
    (text.len() <= MAX_TRACE_STATE_BYTES && is_text && has_members && text.contains('=')).then_some(text)
}

/// Parses lower-case hexadecimal digits; capital ones are malformed.
fn hexadecimal<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    let (pairs, rest) = text.as_chunks::<2>();
    if pairs.len() != N || !rest.is_empty() {
        return None;
    }
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = (digit(*high)? << 4) | digit(*low)?;
    }
    Some(bytes)
}

fn digit(character: u8) -> Option<u8> {
    match character {
        b'0'..=b'9' => character.checked_sub(b'0'),
        b'a'..=b'f' => character.checked_sub(b'a' - 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{MAX_TRACE_STATE_BYTES, TraceContext, trace_state};

    #[test]
    fn only_a_well_formed_traceparent_is_read() {
        let good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let context = TraceContext::parse(good.as_bytes()).unwrap();
        let rest = good.strip_prefix("00").unwrap();
        assert_eq!(u128::from_be_bytes(context.trace_id), 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736);
        assert_eq!(u64::from_be_bytes(context.span_id), 0x00f0_67aa_0ba9_02b7);
        for (flags, sampled) in [("00", false), ("01", true), ("02", false), ("03", true), ("ff", true)] {
            let text = format!("{}-{flags}", good.rsplit_once('-').unwrap().0);
            assert_eq!(TraceContext::parse(text.as_bytes()).map(TraceContext::is_sampled), Some(sampled), "{text}");
        }
        for later in [format!("01{rest}"), format!("cc{rest}-what-else")] {
            assert_eq!(TraceContext::parse(later.as_bytes()), Some(context), "{later}");
        }
        for malformed in [
            String::new(),
            good.to_uppercase(),
            format!(" {good}"),
            format!("{good}-"),
            format!("{good}-00"),
            format!("ff{rest}"),
            format!("0{good}"),
            good.strip_suffix('1').unwrap().to_owned(),
            good.replace("4bf92f3577b34da6a3ce929d0e0e4736", &"0".repeat(32)),
            good.replace("00f067aa0ba902b7", &"0".repeat(16)),
            good.replace('b', "g"),
            good.replace('-', "_"),
            format!("{good},{good}"),
        ] {
            assert_eq!(TraceContext::parse(malformed.as_bytes()), None, "{malformed}");
        }
    }

    #[test]
    fn only_a_well_formed_tracestate_is_passed_on() {
        let long = format!("a={}", "b".repeat(MAX_TRACE_STATE_BYTES - 2));
        for good in ["congo=t61rcWkgMzE", "a=1, b@c=2,,d=3", &long] {
            assert_eq!(trace_state(good.as_bytes()), Some(good));
        }
        for bad in ["", ",", "a", "a=1,b", "a=\u{e9}", "a=1\r\n", &format!("{long}b")] {
            assert_eq!(trace_state(bad.as_bytes()), None, "{bad}");
        }
    }
}
