//! A page that shows an API: Swagger UI and its settings in one HTML file, which loads nothing but the document.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The parts of a page.
#[derive(Debug, Clone, Copy)]
pub struct Page<'p> {
    /// The text of `swagger-ui-bundle.js`.
    pub script: &'p str,
    /// The text of `swagger-ui.css`.
    pub style: &'p str,
    /// The title.
    pub title: &'p str,
    /// The address of the document, as a browser reads it on the page.
    pub document: &'p str,
}

/// A text that can't be part of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the style has `</style`, which would end it on the page; use the files of another version of Swagger UI")]
pub struct PageError;

impl Page<'_> {
    /// Returns the page.
    ///
    /// Its content security policy (CSP Level 3) names the scripts by their hashes, so no other script runs. It allows requests to the
    /// page's own origin only, which is that of the gateway.
    ///
    /// # Errors
    /// [`PageError`] if the style would end early.
    pub fn html(&self) -> Result<String, PageError> {
        let Self { script, style, title, document } = self;
        if style.to_ascii_lowercase().contains("</style") {
            return Err(PageError);
        }
        let (script, style) = (safe_script(script), with_line_feeds(style));
        let settings =
            serde_json::json!({ "url": document, "dom_id": "#swagger-ui", "deepLinking": true, "validatorUrl": null });
        let start = safe_script(&format!("window.ui = SwaggerUIBundle({settings});"));
        let scripts = format!("{} {}", source(&script), source(&start));
        let policy = format!(
            "default-src 'none'; script-src {scripts}; style-src {}; img-src 'self' data:; font-src data:; connect-src 'self'; \
             base-uri 'none'; form-action 'none'",
            source(&style)
        );
        let title = title.replace('&', "&amp;").replace('<', "&lt;");
        Ok(format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta http-equiv=\"content-security-policy\" content=\"{policy}\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <title>{title}</title>\n<link rel=\"icon\" href=\"data:,\">\n\
             <!-- Swagger UI is under the Apache License 2.0: https://github.com/swagger-api/swagger-ui -->\n\
             <style>{style}</style>\n</head>\n<body>\n<div id=\"swagger-ui\"></div>\n\
             <script>{script}</script>\n<script>{start}</script>\n</body>\n</html>\n"
        ))
    }
}

/// Escapes what would end a script on the page, or open a comment in it (HTML §4.12.1.3). In strings, templates and regular expressions the
/// escaped text means the same. Elsewhere it is a syntax error, and the page stays empty.
fn safe_script(script: &str) -> String {
    let mut safe = String::with_capacity(script.len());
    let mut rest = script;
    while let Some((before, after)) = rest.split_once('<') {
        safe.push_str(before);
        let begins = |tag: &str| after.get(..tag.len()).is_some_and(|head| head.eq_ignore_ascii_case(tag));
        if begins("/script") || begins("script") || begins("!--") {
            safe.push_str("\\x3C");
        } else {
            safe.push('<');
        }
        rest = after;
    }
    safe.push_str(rest);
    with_line_feeds(&safe)
}

/// Replaces CR LF and CR by LF: a parser of HTML reads them so, and hashes are those of what it reads.
fn with_line_feeds(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n")
}

/// Returns the source expression for a text: its hash.
fn source(text: &str) -> String {
    format!("'sha256-{}'", STANDARD.encode(digest(&SHA256, text.as_bytes())))
}

#[cfg(test)]
mod tests {
    use super::{Page, PageError, safe_script};

    #[test]
    fn no_text_ends_the_script() {
        assert_eq!(safe_script("a<b; '</SCRIPT>' '<!--' '<script'"), "a<b; '\\x3C/SCRIPT>' '\\x3C!--' '\\x3Cscript'");
        let page = Page { script: "0", style: "", title: "<a> & b", document: "/</script><b>" };
        let html = page.html().unwrap();
        assert!(
            html.contains("<title>&lt;a> &amp; b</title>") && html.contains("\"url\":\"/\\x3C/script><b>\""),
            "{html}"
        );
        assert_eq!(Page { style: "a{}</style >", ..page }.html(), Err(PageError));
    }

    #[test]
    fn the_policy_names_the_scripts_by_hash() {
        let html = Page { script: "0", style: "a{}", title: "t", document: "/d" }.html().unwrap();
        // printf 0 | openssl dgst -sha256 -binary | base64
        assert!(html.contains("script-src 'sha256-X+zrZv/IbzjZUnhsbWlsecLbwjndTpG0ZynXOif7V+k=' "), "{html}");
        assert!(!html.contains("unsafe"), "{html}");
    }
}
