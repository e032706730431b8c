//! The `context_extensions` of an Envoy route that are for modgud. Their names are defined here; `matched` applies them.

use super::AuthzError;
use crate::http::request::Context;

/// The prefix of modgud's keys. Any key with it must be known, because a typo in a key must not leave a route open.
const OURS: &str = "modgud";
/// The key for the name of a rule.
const RULE: &str = "modgud.rule";
/// The key for permissions, separated by spaces.
const REQUIRE_PERMISSION: &str = "modgud.require_permission";
/// The maximum length of a name in a log, in characters. The rest is cut off.
const SHOWN: usize = 128;

/// The context extensions of a route for modgud.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct RouteOverrides<'c> {
    /// The name of a rule.
    pub(super) rule: Option<&'c str>,
    /// The permissions that the caller must have.
    pub(super) permissions: Option<RequiredPermissions<'c>>,
}

/// Permissions separated by spaces; at least one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RequiredPermissions<'c>(&'c str);

impl<'c> RequiredPermissions<'c> {
    pub(super) fn iter(self) -> impl Iterator<Item = &'c str> {
        self.0.split(' ').filter(|one| !one.is_empty())
    }
}

impl<'c> RouteOverrides<'c> {
    /// Reads the context extensions.
    ///
    /// # Errors
    /// [`AuthzError::ContextKey`] and [`AuthzError::ContextValue`]: an unknown restriction must not count as a missing one.
    pub(super) fn read(context: &Context<'c>) -> Result<Self, AuthzError> {
        let mut directions = Self::default();
        for (key, value) in context.iter() {
            match key {
                RULE => directions.rule = Some(value),
                REQUIRE_PERMISSION => directions.permissions = Some(RequiredPermissions(value)),
                _ if is_ours(key) => return Err(AuthzError::ContextKey(shown(key))),
                _ => {}
            }
        }
        if directions.rule.is_some_and(str::is_empty) {
            return Err(AuthzError::ContextValue(RULE));
        }
        if directions.permissions.is_some_and(|permissions| permissions.iter().next().is_none()) {
            return Err(AuthzError::ContextValue(REQUIRE_PERMISSION));
        }
        Ok(directions)
    }
}

fn is_ours(key: &str) -> bool {
    key.trim_start().get(..OURS.len()).is_some_and(|start| start.eq_ignore_ascii_case(OURS))
}

/// Shortens and escapes a text of Envoy's configuration for one line of a log.
pub(super) fn shown(text: &str) -> Box<str> {
    text.chars().take(SHOWN).flat_map(char::escape_debug).collect::<String>().into()
}

#[cfg(test)]
mod tests {
    use super::{AuthzError, RouteOverrides, shown};
    use crate::http::request::Context;

    type Read = Result<(Option<&'static str>, Vec<&'static str>), AuthzError>;

    #[test]
    fn what_begins_like_ours_is_ours_or_refused() {
        let key = |key: &str| Err(AuthzError::ContextKey(key.into()));
        let value = |key| Err(AuthzError::ContextValue(key));
        let table: [(&[(&str, &str)], Read); 13] = [
            (&[], Ok((None, vec![]))),
            (&[("rule", "a"), ("tenant", "b"), ("", ""), ("mod", "gud")], Ok((None, vec![]))),
            (&[("modgud.rule", "a b")], Ok((Some("a b"), vec![]))),
            (&[("modgud.require_permission", " read  write ")], Ok((None, vec!["read", "write"]))),
            (&[("x", ""), ("modgud.require_permission", "a"), ("modgud.rule", "b")], Ok((Some("b"), vec!["a"]))),
            (&[("modgud.rule", "a"), ("modgud.rules", "b")], key("modgud.rules")),
            (&[("Modgud.Rule", "a")], key("Modgud.Rule")),
            (&[("modgud", "a")], key("modgud")),
            (&[("modgud_rule", "a")], key("modgud_rule")),
            (&[("modgud.require_permission ", "a")], key("modgud.require_permission ")),
            (&[("modgud.rule", "")], value("modgud.rule")),
            (&[("modgud.require_permission", "  ")], value("modgud.require_permission")),
            (&[("modgudé\n", "a")], key("modgudé\\n")),
        ];
        for (entries, expected) in table {
            let read = RouteOverrides::read(&Context::new(entries.to_vec()));
            let permissions = |read: RouteOverrides<'static>| read.permissions.map(|all| all.iter().collect());
            let read = read.map(|read| (read.rule, permissions(read).unwrap_or_default()));
            assert_eq!(read, expected, "{entries:?}");
        }
    }

    #[test]
    fn what_is_shown_is_short_and_plain() {
        assert_eq!(&*shown("a\u{1b}[0m"), "a\\u{1b}[0m");
        assert_eq!(shown(&"x".repeat(1_000)).len(), 128);
    }
}
