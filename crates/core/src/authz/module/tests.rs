//! Tests of prefixes, rights and the module of a request.

use super::{CrudPermissions, ModuleAccess, ModuleName, Modules, Organizations};
use crate::authz::reading::{Case, ModuleReading};
use crate::authz::syntax::{ModulePrefix, PatternError, PrefixError};
use crate::http::method::Method;
use crate::http::request::{Headers, Request};
use std::collections::HashSet;

#[test]
fn a_prefix_is_plain_segments_in_one_spelling() {
    for (text, shown, first, segments) in [
        ("/crm", "/crm", "crm", 1),
        ("/crm/", "/crm", "crm", 1),
        ("/a/b-c/d_e.f~0", "/a/b-c/d_e.f~0", "a", 3),
        ("/...", "/...", "...", 1),
    ] {
        let prefix = ModulePrefix::parse(text).unwrap();
        assert_eq!((prefix.as_str(), prefix.first(), prefix.segments()), (shown, first, segments), "{text}");
        assert_eq!(prefix.pattern().to_string(), format!("{shown}/{{*rest}}"));
    }
    let long = "/a".repeat(65);
    for (text, error) in [
        ("", PrefixError::Root),
        ("/", PrefixError::Root),
        ("crm", PrefixError::Pattern(PatternError::NotAbsolute)),
        ("//", PrefixError::Pattern(PatternError::EmptySegment)),
        ("/crm//", PrefixError::Pattern(PatternError::EmptySegment)),
        ("/a/../b", PrefixError::Pattern(PatternError::DotSegment)),
        ("/.", PrefixError::Pattern(PatternError::DotSegment)),
        ("/a%20b", PrefixError::Pattern(PatternError::Percent)),
        ("/a*", PrefixError::Pattern(PatternError::Asterisk)),
        ("/a;b", PrefixError::Pattern(PatternError::IllegalCharacter)),
        ("/crm/{*rest}", PrefixError::Parameter),
        ("/{tenant}", PrefixError::Parameter),
        ("/a b", PrefixError::Character),
        ("/größe", PrefixError::Character),
        ("/a+b", PrefixError::Character),
        (&long, PrefixError::Pattern(PatternError::TooManySegments)),
    ] {
        assert_eq!(ModulePrefix::parse(text), Err(error), "{text}");
    }
}

#[test]
fn masks_are_bifrosts() {
    let of = |mask| -> Vec<&str> {
        let rights = CrudPermissions::from_mask(mask).unwrap();
        rights.names().collect()
    };
    for (mask, rights, shown) in [
        (0, &[][..], "nothing"),
        (1, &["delete"], "`delete`"),
        (2, &["update"], "`update`"),
        (4, &["read"], "`read`"),
        (8, &["create"], "`create`"),
        (12, &["create", "read"], "`create` and `read`"),
        (7, &["read", "update", "delete"], "`read`, `update` and `delete`"),
        (15, &["create", "read", "update", "delete"], "`create`, `read`, `update` and `delete`"),
    ] {
        assert_eq!(
            (of(mask).as_slice(), CrudPermissions::from_mask(mask).unwrap().to_string().as_str()),
            (rights, shown),
            "{mask}"
        );
    }
    assert_eq!(
        (CrudPermissions::from_mask(16), CrudPermissions::from_mask(256), CrudPermissions::from_mask(u64::MAX)),
        (None, None, None)
    );
    let masks: HashSet<String> = (0..16).map(|mask| CrudPermissions::from_mask(mask).unwrap().to_string()).collect();
    assert_eq!(masks.len(), 16);
}

#[test]
fn methods_require_permissions() {
    let permission =
        |method| CrudPermissions::of_method(Method::parse(method).unwrap()).and_then(|one| one.names().next());
    for (method, expected) in [
        ("POST", Some("create")),
        ("GET", Some("read")),
        ("HEAD", Some("read")),
        ("PUT", Some("update")),
        ("PATCH", Some("update")),
        ("DELETE", Some("delete")),
        ("OPTIONS", None),
        ("PROPFIND", None),
        ("CONNECT", None),
        ("QUERY", None),
    ] {
        assert_eq!(permission(method), expected, "{method}");
    }
}

#[test]
fn masks_of_one_organization_and_of_any_add_up() {
    let mut access = ModuleAccess::new(ModuleName::new("crm"));
    assert_eq!(access.of(Some("a")), CrudPermissions::empty());
    access.allow(Organizations::One("a"), CrudPermissions::CREATE);
    access.allow(Organizations::Any, CrudPermissions::READ);
    access.allow(Organizations::One("a"), CrudPermissions::DELETE);
    access.allow(Organizations::One("b"), CrudPermissions::empty());
    let read = CrudPermissions::READ;
    assert_eq!(access.of(Some("a")), CrudPermissions::CREATE | CrudPermissions::READ | CrudPermissions::DELETE);
    assert_eq!([access.of(Some("b")), access.of(Some("A")), access.of(Some("")), access.of(None)], [read; 4]);
}

#[test]
fn the_longest_prefix_decides_which_module_a_request_is_in() {
    let module = |name: &str, prefix: &str| {
        (ModulePrefix::parse(prefix).unwrap(), ModuleReading::default(), Some(ModuleAccess::new(ModuleName::new(name))))
    };
    let open = (ModulePrefix::parse("/crm/open").unwrap(), ModuleReading::default(), None);
    let modules = vec![module("reports", "/crm/reports"), open, module("crm", "/crm"), module("deep", "/a/b/c")];
    let modules = Modules::new(modules).unwrap();
    for (path, expected) in [
        ("/crm", Some("crm")),
        ("/crm/", Some("crm")),
        ("/crm/a/b", Some("crm")),
        ("/crm/reports", Some("reports")),
        ("/crm/reports/1", Some("reports")),
        ("/crm/reportsx", Some("crm")),
        ("/crm/open", None),
        ("/crm/open/a", None),
        ("/crmx", None),
        ("/CRM", None),
        ("/", None),
        ("/a", None),
        ("/a/b/", None),
        ("/a/b/c", Some("deep")),
        ("/a/b/d", None),
    ] {
        for method in ["GET", "PROPFIND"] {
            let request = Request::parse(method.as_bytes(), path.as_bytes(), b"", Headers::default()).unwrap();
            let found = modules.constraint(&request);
            assert_eq!(found.as_ref().map(|found| found.module().as_str()), expected, "{path}");
        }
    }
    let without = (ModulePrefix::parse("/crm").unwrap(), ModuleReading::default(), None);
    assert!(Modules::new(vec![without]).is_none(), "nothing to look up");
}

#[test]
fn the_list_of_the_module_that_the_outer_one_reads_counts_too() {
    let prefix = |text: &str| ModulePrefix::parse(text).unwrap();
    let list = |name: &str| Some(ModuleAccess::new(ModuleName::new(name)));
    for outer in [None, list("api")] {
        let reading = ModuleReading { case: Case::Fold, suffixes: ["json".into()].into() };
        let has_list = outer.is_some();
        let users = (prefix("/api/users"), ModuleReading::default(), list("users"));
        let modules = Modules::new(vec![(prefix("/api"), reading, outer), users]).unwrap();
        for (path, reads_users) in [
            ("/api/users.json", true),
            ("/api/users.json/", true),
            ("/api/Users", true),
            ("/api/USERS/1", true),
            ("/api/USERS.JSON", true),
            ("/api/users.xml", false),
            ("/api/others.json", false),
            ("/api", false),
        ] {
            let request = Request::parse(b"GET", path.as_bytes(), b"", Headers::default()).unwrap();
            let found = modules.constraint(&request);
            let names = found.iter().flat_map(|found| [Some(found.access), found.other].into_iter().flatten());
            let names: Vec<&str> = names.map(|list| list.module.as_str()).collect();
            let expected = [("api", has_list), ("users", reads_users)].into_iter().filter(|(_, counts)| *counts);
            assert_eq!(names, expected.map(|(name, _)| name).collect::<Vec<_>>(), "{path}");
        }
    }
}
