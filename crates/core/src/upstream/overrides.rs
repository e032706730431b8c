//! Override headers: some servers and frameworks take another method, path, host, client address or user from them than the request itself
//! has. Envoy and modgud decide on the request itself, so none of these reaches a module, unless `upstream.keep` names it.

use crate::http::header::folds_to_same_name;

/// A request header that overrides a part of the request in some servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OverrideHeader {
    /// The name, in lower case.
    pub name: &'static str,
    /// The part of the request that it overrides, as a phrase with an article.
    pub overrides: &'static str,
}

const PATH: &str = "the path";
const METHOD: &str = "the method";
const HOST: &str = "the host";
const USER: &str = "the user";
const CREDENTIAL: &str = "the user's credential";
const CLIENT: &str = "the client's address";
const CONNECTION: &str = "the client's address, the scheme and the host";

/// Every override header except for `x-forwarded-for`, `x-forwarded-proto` and `x-request-id`, which Envoy writes itself.
pub const OVERRIDE_HEADERS: [OverrideHeader; 23] = [
    OverrideHeader { name: "forwarded", overrides: CONNECTION },
    OverrideHeader { name: "path-info", overrides: PATH },
    OverrideHeader { name: "remote-email", overrides: USER },
    OverrideHeader { name: "remote-groups", overrides: USER },
    OverrideHeader { name: "remote-name", overrides: USER },
    OverrideHeader { name: "remote-user", overrides: USER },
    OverrideHeader { name: "script-name", overrides: PATH },
    OverrideHeader { name: "x-forwarded-access-token", overrides: CREDENTIAL },
    OverrideHeader { name: "x-forwarded-email", overrides: USER },
    OverrideHeader { name: "x-forwarded-groups", overrides: USER },
    OverrideHeader { name: "x-forwarded-host", overrides: HOST },
    OverrideHeader { name: "x-forwarded-preferred-username", overrides: USER },
    OverrideHeader { name: "x-forwarded-prefix", overrides: PATH },
    OverrideHeader { name: "x-forwarded-uri", overrides: PATH },
    OverrideHeader { name: "x-forwarded-user", overrides: USER },
    OverrideHeader { name: "x-http-method", overrides: METHOD },
    OverrideHeader { name: "x-http-method-override", overrides: METHOD },
    OverrideHeader { name: "x-method-override", overrides: METHOD },
    OverrideHeader { name: "x-original-uri", overrides: PATH },
    OverrideHeader { name: "x-original-url", overrides: PATH },
    OverrideHeader { name: "x-real-ip", overrides: CLIENT },
    OverrideHeader { name: "x-rewrite-url", overrides: PATH },
    OverrideHeader { name: "x-script-name", overrides: PATH },
];

/// Override headers that carry a user: modgud may write these itself.
const IDENTITY: [&str; 8] = [
    "remote-email",
    "remote-groups",
    "remote-name",
    "remote-user",
    "x-forwarded-email",
    "x-forwarded-groups",
    "x-forwarded-preferred-username",
    "x-forwarded-user",
];

impl OverrideHeader {
    /// Returns the override header that some server takes this name for; `None` if there is no such header.
    #[must_use]
    pub fn of(name: &[u8]) -> Option<Self> {
        OVERRIDE_HEADERS.into_iter().find(|header| folds_to_same_name(header.name.as_bytes(), name))
    }

    /// Returns true if modgud may write its own value into this header.
    #[must_use]
    pub fn is_identity(self) -> bool {
        IDENTITY.contains(&self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::{OVERRIDE_HEADERS, OverrideHeader};

    #[test]
    fn every_spelling_of_an_override_header_is_found() {
        for header in OVERRIDE_HEADERS {
            for spelling in [
                header.name.to_owned(),
                header.name.replace('-', "_"),
                header.name.replace('-', ".").to_ascii_uppercase(),
                header.name.replacen('-', "~", 1),
            ] {
                assert_eq!(OverrideHeader::of(spelling.as_bytes()), Some(header), "{spelling}");
            }
        }
        for name in [
            "x-forwarded-for",
            "x-forwarded-proto",
            "x-request-id",
            "scriptname",
            "x-forwarded",
            "path-infos",
            "remote",
            "remote-addr",
        ] {
            assert_eq!(OverrideHeader::of(name.as_bytes()), None, "{name}");
        }
    }

    #[test]
    fn modgud_writes_users_only() {
        let written: Vec<&str> =
            OVERRIDE_HEADERS.iter().filter(|header| header.is_identity()).map(|header| header.name).collect();
        assert_eq!(written, super::IDENTITY);
        assert!(OVERRIDE_HEADERS.is_sorted_by_key(|header| header.name));
    }
}
