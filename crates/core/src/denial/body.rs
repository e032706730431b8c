//! The representations of a denial. The page for a browser has no scripts, styles or external content.

use super::style::{BodyStyle, Status};
use serde_json::json;

/// The representation of a denial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Representation {
    /// The configured body style.
    Default,
    /// Plain text.
    Text,
    /// A small HTML page.
    Html,
    /// For a gRPC client: Envoy uses the body as the message of the status.
    Grpc,
}

impl Representation {
    /// Every representation.
    pub(super) const ALL: [Self; 4] = [Self::Default, Self::Text, Self::Html, Self::Grpc];

    pub(super) const fn media_type(self, style: BodyStyle) -> &'static str {
        match (self, style) {
            (Self::Default, style) => style.media_type(),
            (Self::Text | Self::Grpc, _) => "text/plain; charset=utf-8",
            (Self::Html, _) => "text/html; charset=utf-8",
        }
    }

    pub(super) fn body(self, style: BodyStyle, status: Status, text: &str) -> String {
        let code = status.code();
        match (self, style) {
            (Self::Default, BodyStyle::Problem) => {
                json!({ "type": "about:blank", "title": status.canonical_reason(), "status": code, "detail": text })
                    .to_string()
            }
            (Self::Default, BodyStyle::Detail) => json!({ "detail": text }).to_string(),
            (Self::Default, BodyStyle::Error) => json!({ "error": text }).to_string(),
            (Self::Default, BodyStyle::Orchescala) => json!({ "errorCode": code, "errorMsg": text }).to_string(),
            (Self::Text, _) => format!("{text}\n"),
            (Self::Html, _) => page(status, text),
            (Self::Grpc, _) => text.to_owned(),
        }
    }
}

/// The content security policy of the page: it may load nothing and can't be framed (CSP Level 3).
pub(super) const HTML_POLICY: &str = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

fn page(status: Status, text: &str) -> String {
    let title = format!("{} {}", status.code(), escaped(status.canonical_reason()));
    let text = escaped(text);
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>{title}</title>\n</head>\n\
         <body>\n<h1>{title}</h1>\n<p>{text}</p>\n</body>\n</html>\n"
    )
}

/// Escapes text so that it can't start markup.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::{Status, page};

    #[test]
    fn no_text_becomes_markup() {
        let page = page(Status::FORBIDDEN, "<script>alert(\"1\")</script> & '");
        assert!(page.contains("<p>&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt; &amp; &#39;</p>"), "{page}");
        assert!(page.contains("<h1>403 Forbidden</h1>") && !page.contains("<script"), "{page}");
    }
}
