//! The text format of `/metrics` that a scraper prefers (RFC 9110 §12.5.1): that of OpenMetrics if it asks for it by name, else Prometheus' own,
//! which also people and older tools read.

use prometheus_client::encoding::{prometheus_text, text};
use prometheus_client::registry::Registry;
use std::fmt;

/// A text format of metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exposition {
    /// OpenMetrics 1.0.
    OpenMetrics,
    /// Prometheus' text format 0.0.4.
    Prometheus,
}

impl Exposition {
    /// Returns the format for these lines of `Accept`. A line that can't be read has no preference.
    pub(super) fn preferred<'l>(accept: impl Iterator<Item = &'l [u8]>) -> Self {
        let (mut open_metrics, mut text) = (0.0, 0.0);
        for range in accept.filter_map(|line| std::str::from_utf8(line).ok()).flat_map(|line| line.split(',')) {
            let mut parts = range.split(';').map(str::trim);
            let kind = parts.next().unwrap_or_default().to_ascii_lowercase();
            let (mut quality, mut version) = (1.0, None);
            for (name, value) in parts.filter_map(|part| part.split_once('=')) {
                match name.trim().to_ascii_lowercase().as_str() {
                    "q" => quality = value.trim().parse::<f32>().unwrap_or(0.0),
                    "version" => version = Some(value.trim().trim_matches('"')),
                    _ => {}
                }
            }
            match kind.as_str() {
                // The older 0.0.1 has no other content, but its readers need not know that.
                "application/openmetrics-text" if matches!(version, None | Some("1.0.0")) => {
                    open_metrics = quality.max(open_metrics);
                }
                "text/plain" | "text/*" => text = quality.max(text),
                _ => {}
            }
        }
        if open_metrics > 0.0 && open_metrics >= text { Self::OpenMetrics } else { Self::Prometheus }
    }

    /// Returns the value of `Content-Type`.
    pub(super) const fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Prometheus => prometheus_text::CONTENT_TYPE,
        }
    }

    /// Writes all metrics.
    ///
    /// # Errors
    /// `fmt::Error` never occurs: writing to a string does not fail.
    pub(super) fn encode(self, registry: &Registry) -> Result<String, fmt::Error> {
        let mut written = String::new();
        match self {
            Self::OpenMetrics => text::encode(&mut written, registry)?,
            Self::Prometheus => prometheus_text::encode(&mut written, registry)?,
        }
        Ok(written)
    }
}

#[cfg(test)]
mod tests {
    use super::Exposition::{self, OpenMetrics, Prometheus};

    #[test]
    fn the_format_is_the_preferred_one() {
        for (accept, expected) in [
            (&[][..], Prometheus),
            (&["*/*"][..], Prometheus),
            (&["text/html,application/xhtml+xml,*/*;q=0.8"][..], Prometheus),
            (&["application/openmetrics-text"][..], OpenMetrics),
            // Prometheus 2.42, Prometheus 3, and Prometheus with `scrape_protocols: [PrometheusText0.0.4]`.
            (
                &[
                    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
                ][..],
                OpenMetrics,
            ),
            (
                &[
                    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,*/*;q=0.2",
                ][..],
                OpenMetrics,
            ),
            (&["text/plain;version=0.0.4;q=0.5,*/*;q=0.4"][..], Prometheus),
            (&["application/openmetrics-text;q=0.3", "text/plain;q=0.5"][..], Prometheus),
            (&["application/openmetrics-text;q=0.5", "text/plain;q=0.3"][..], OpenMetrics),
            (&["application/openmetrics-text; Version=\"1.0.0\" ; Q=1"][..], OpenMetrics),
            (&["application/openmetrics-text;version=0.0.1"][..], Prometheus),
            (&["application/openmetrics-text;q=0"][..], Prometheus),
            (&["application/openmetrics-text;q=a", ";;=,,q="][..], Prometheus),
        ] {
            let found = Exposition::preferred(accept.iter().map(|line| line.as_bytes()));
            assert_eq!(found, expected, "{accept:?}");
        }
    }
}
