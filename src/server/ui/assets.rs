//! The files of the page, compiled in. Nothing is built from them, and they load nothing from elsewhere.

use super::respond::response;
use axum::body::Body;
use http::{Response, StatusCode};

/// The place of the token in the HTML.
const TOKEN_PLACE: &str = "PAGE-TOKEN";

const HTML: &str = include_str!("assets/index.html");

/// Declares the files as paths and content types.
macro_rules! files {
    ($($name:literal: $kind:expr),+ $(,)?) => {
        /// The files, each with its path and its content type.
        const FILES: &[(&str, &str, &str)] = &[$((concat!("/", $name), $kind, include_str!(concat!("assets/", $name)))),+];
    };
}

const SCRIPT: &str = "text/javascript; charset=utf-8";

files! {
    "app.js": SCRIPT,
    "config.js": SCRIPT,
    "decisions.js": SCRIPT,
    "dom.js": SCRIPT,
    "explain.js": SCRIPT,
    "keys.js": SCRIPT,
    "plot.js": SCRIPT,
    "rules.js": SCRIPT,
    "steps.js": SCRIPT,
    "traffic.js": SCRIPT,
    "page.css": "text/css; charset=utf-8",
    "icon.svg": "image/svg+xml",
}

/// Responds with the HTML, and the token in it.
pub(super) fn html(token: &str) -> Response<Body> {
    response(StatusCode::OK, "text/html; charset=utf-8", HTML.replace(TOKEN_PLACE, token))
}

/// Responds with a file; `None` if there is none of this path.
pub(super) fn file(path: &str) -> Option<Response<Body>> {
    let (_, kind, content) = FILES.iter().find(|(name, ..)| *name == path)?;
    Some(response(StatusCode::OK, kind, *content))
}

#[cfg(test)]
mod tests {
    use super::{FILES, HTML, TOKEN_PLACE};
    use std::fs;
    use std::path::Path;

    #[test]
    fn every_file_is_served_and_small() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/server/ui/assets");
        for entry in fs::read_dir(folder).unwrap() {
            let name = format!("/{}", entry.unwrap().file_name().to_str().unwrap());
            assert!(name == "/index.html" || FILES.iter().any(|(path, ..)| *path == name), "{name}");
        }
        for (name, _, content) in FILES {
            assert!(content.lines().count() <= 400, "{name}");
        }
        assert_eq!(HTML.matches(TOKEN_PLACE).count(), 1);
    }

    #[test]
    fn no_file_makes_markup_of_text_or_loads_from_elsewhere() {
        for (name, _, content) in FILES.iter().copied().chain([("/index.html", "", HTML)]) {
            let names = [
                "innerHTML",
                "outerHTML",
                "insertAdjacentHTML",
                "document.write",
                "eval(",
                "new Function",
                "style=",
                "onclick=",
            ];
            for text in names {
                assert!(!content.contains(text), "{name}: {text}");
            }
            // The name space of SVG is not an address that is loaded.
            let addresses = content.split("://").skip(1);
            for address in addresses {
                assert!(address.starts_with("www.w3.org/2000/"), "{name}: {address}");
            }
        }
    }
}
