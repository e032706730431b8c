//! Configurations that differ in every response, and in each part of it: the generations of a configuration.

use crate::decisions::answer::Answer;
use crate::support::{Encoding, KEY, check, claims};
use modgud::envoy::proto::CheckRequest;
use std::sync::LazyLock;

/// A token of [`KEY`] that is good both at the tests' time and for the real clock: until 2100.
pub(super) static LASTING: LazyLock<String> = LazyLock::new(|| {
    let mut claims = claims();
    claims[1].1 = 4_102_444_800_u64.into();
    KEY.sign(&claims).unwrap()
});

/// A configuration by its number. Its identity header, the scheme of the credential that modules get, and its realm carry the
/// number; the even ones let everybody through to `/mode/` and answer 401 without a credential, the odd ones none and 403. The even ones
/// would deny by 404, and have nothing to deny: a denial of `/mode/` with this status was decided by another configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Generation(pub(super) u64);

/// What can be asked so that the answer tells the generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A user's request to a module.
    User,
    /// A request without a credential.
    Anonymous,
    /// A request to the path whose rule differs.
    Mode,
}

impl Kind {
    pub(super) const ALL: [Self; 3] = [Self::User, Self::Anonymous, Self::Mode];

    /// The check that asks it.
    pub(super) fn check(self) -> CheckRequest {
        let value = format!("JWT {}", *LASTING);
        let (path, headers) = match self {
            Self::User => ("/crm/", &[("authorization", value.as_bytes())] as &[_]),
            Self::Anonymous => ("/crm/", &[] as &[_]),
            Self::Mode => ("/mode/", &[] as &[_]),
        };
        check(Encoding::Raw, "GET", path, headers)
    }
}

impl Generation {
    /// The configuration file.
    pub(super) fn yaml(self) -> String {
        let Self(number) = self;
        let even = number.is_multiple_of(2);
        let (access, status, forbidden) = if even { ("public", 401, 404) } else { ("denied", 403, 403) };
        format!(
            "# Generation {number}
profile: bifrost
server: {{ deadline: 10s }}
telemetry: {{ decisions: none }}
denials: {{ realm: g{number}, status: {{ unauthenticated: {status}, forbidden: {forbidden} }} }}
upstream:
  headers: {{ x-of-{number}: {{ claim: username }} }}
  credential: {{ forward: G{number} }}
rules:
  - name: mode
    match: {{ paths: [/mode/] }}
    access: {access}
"
        )
    }

    /// Whether an answer is this generation's, and wholly so.
    pub(super) fn gives(self, kind: Kind, answer: &Answer) -> bool {
        let Self(number) = self;
        let even = number.is_multiple_of(2);
        let name = format!("x-of-{number}");
        match (kind, answer) {
            (Kind::User, Answer::Allow { set, remove, .. }) => {
                let forwarded = set.get("authorization").is_some_and(|value| value.starts_with(&format!("G{number} ")));
                // The profile's four, the credential, and the one of this generation.
                forwarded && set.contains_key(&name) && set.len() == 6 && remove.is_empty()
            }
            (Kind::Anonymous, Answer::Deny { status, challenge, .. }) => {
                let realm = format!("realm=\"g{number}\"");
                let named = challenge.as_ref().is_some_and(|challenge| challenge.contains(&realm));
                named && *status == if even { 401 } else { 403 }
            }
            (Kind::Mode, Answer::Allow { set, remove, .. }) => even && set.is_empty() && remove.contains(&name),
            (Kind::Mode, Answer::Deny { status, .. }) => !even && *status == 403,
            (Kind::User, Answer::Deny { .. }) | (Kind::Anonymous, Answer::Allow { .. }) => false,
        }
    }
}
