//! The place of a module in the gateway's paths, and the paths below it.

use modgud_core::authz::{Case, ModulePrefix, ModuleReading};

/// The place of a module in the gateway's paths.
#[derive(Debug, Clone)]
pub struct Mount {
    /// Its path prefix.
    pub prefix: ModulePrefix,
    /// True if the module receives paths with the prefix (`keep_prefix`).
    pub keep_prefix: bool,
    /// Its interpretation of paths below the prefix.
    pub reading: ModuleReading,
}

impl Mount {
    /// Creates the mount of a module that is not configured.
    #[must_use]
    pub fn new(prefix: ModulePrefix) -> Self {
        Self { prefix, keep_prefix: false, reading: ModuleReading::default() }
    }

    /// Returns the rest of a path or template below the prefix, if it begins with the prefix.
    pub(super) fn below<'p>(&self, path: &'p str) -> Option<&'p str> {
        path.strip_prefix(self.prefix.as_str()).filter(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// Returns the rest of a template that matches some paths below the prefix, but does not begin with it: `/x` for `/{version}/x` and the
    /// prefix `/api`. `None` if it matches no such path, or begins with the prefix.
    pub(super) fn rest_of_parameters<'p>(&self, template: &'p str) -> Option<&'p str> {
        if self.below(template).is_some() {
            return None;
        }
        let mut rest = template;
        for own in self.prefix.as_str().split('/').skip(1) {
            let inner = rest.strip_prefix('/')?;
            let (piece, after) = inner.split_at(inner.find('/').unwrap_or(inner.len()));
            let same = match self.reading.case {
                Case::Exact => piece == own,
                Case::Fold => piece.eq_ignore_ascii_case(own),
            };
            let is_last = after.is_empty();
            match (piece.contains('{'), is_last) {
                // A last parameter can match several segments, so the rest is what it matches.
                (true, true) if piece.contains(['+', '*', ':']) => return Some(rest),
                (true, _) => {}
                (false, _) if same => {}
                (false, _) => return None,
            }
            rest = after;
        }
        Some(if rest.is_empty() { "/" } else { rest })
    }
}

#[cfg(test)]
mod tests {
    use super::{Case, ModulePrefix, Mount};

    #[test]
    fn a_template_with_parameters_can_match_the_prefix() {
        let mut mount = Mount::new(ModulePrefix::parse("/api/users").unwrap());
        for (template, expected) in [
            ("/api/users/{id}", None),
            ("/api/users", None),
            ("/api/usersx", None),
            ("/api/Users/1", None),
            ("/api", None),
            ("/users/{id}", None),
            ("/{version}/users/{id}", Some("/{id}")),
            ("/api/{kind}", Some("/")),
            ("/{a}/{b}/c/", Some("/c/")),
            ("/v{version}/users/1", Some("/1")),
            ("/{path+}", Some("/{path+}")),
            ("/api/{path:.*}", Some("/{path:.*}")),
        ] {
            assert_eq!(mount.rest_of_parameters(template), expected, "{template}");
        }
        mount.reading.case = Case::Fold;
        assert_eq!(mount.rest_of_parameters("/API/users/1"), Some("/1"));
        assert_eq!(mount.rest_of_parameters("/api/users/1"), None);
    }
}
