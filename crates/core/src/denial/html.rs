//! The page for a denial in a browser, without scripts, styles or external content.

use super::Status;

/// The content security policy of the page: it may load nothing and can't be framed (CSP Level 3).
pub(super) const POLICY: &str = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

pub(super) fn page(status: Status, text: &str) -> String {
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
