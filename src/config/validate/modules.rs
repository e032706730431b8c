//! Validates `modules` and `core`: each path belongs to one of them. Adds the rule of each module.

use super::{name, service};
use crate::config::diagnostic::Diagnostics;
use crate::config::path::Path;
use crate::config::raw::{self, Allow, AnyRight};
use crate::config::secret_source::SecretLoader;
use crate::diagnostic::{Issue, Quoted};
use crate::envoy::bootstrap::{CoreService, GatewayConfig, Module};
use crate::net::upstream_addr::HostPort;
use modgud_core::authz::{
    Access, Case, CrudPermissions, Enforcement, ModuleAccess, ModuleName, ModulePrefix, ModuleReading, Modules,
    Organizations, PathReadings, Requirement, RouteReference, Rule, RuleName, Rules,
};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// The prefix of the names of modules' own rules.
pub(super) const RULE: &str = "module:";

/// The names of clusters that are not modules.
const CLUSTERS: [&str; 2] = ["core", "modgud"];

/// Returns how modules read paths, and which letters rules compare. `None` if all read them unchanged. [`check`] adds the diagnostics.
pub(super) fn readings(list: &[raw::Module], rules: &[raw::Rule]) -> Option<Arc<PathReadings>> {
    let modules = list.iter().filter_map(|module| Some((ModulePrefix::parse(&module.prefix).ok()?, reading(module))));
    let a_rule_folds = rules.iter().any(|rule| rule.matches.case == Case::Fold);
    PathReadings::new(modules.collect(), a_rule_folds)
}

fn reading(module: &raw::Module) -> ModuleReading {
    let suffixes = module.suffixes.iter().map(|suffix| suffix.as_str().into()).collect();
    ModuleReading { case: module.case, suffixes }
}

/// Returns the access lists of modules, and the gateway settings for Envoy.
pub(super) fn check(
    list: &[raw::Module],
    core: &raw::Core,
    rules: &mut Rules,
    loader: &SecretLoader,
    diagnostics: &mut Diagnostics,
) -> (Option<Modules>, GatewayConfig) {
    let core = self::core(core, diagnostics);
    let mut names = HashSet::new();
    let mut prefixes: HashMap<String, &str> = HashMap::new();
    let (mut narrowing, mut modules) = (Vec::new(), Vec::new());
    for (number, module) in list.iter().enumerate() {
        let raw::Module { name: module_name, prefix, keep_prefix, upstream, openapi, case, suffixes, access, .. } =
            module;
        let at = Path::root("modules").position(number);
        name(&at, module_name, &mut names, diagnostics);
        if CLUSTERS.contains(&module_name.as_str()) {
            let message = format!("{} is the name of another cluster in Envoy", Quoted::new(module_name));
            let help = "write another name than `core` and `modgud`";
            diagnostics.add(at.key("name"), Issue::error("module-name-reserved", message, help));
        } else if core.reserves(module_name) {
            let message = format!(
                "{} is reserved for the core service, so no module can have this name",
                Quoted::new(module_name)
            );
            let help = format!("write a name other than {}", reserved(&core));
            diagnostics.add(at.key("name"), Issue::error("module-name-reserved", message, help));
        }
        let upstream = endpoint(&at, upstream, diagnostics);
        let service = service::check(&at, &module.service(), raw::Cookies::Remove, upstream.as_ref(), diagnostics);
        self::suffixes(&at.key("suffixes"), *case, suffixes, diagnostics);
        let module_name = ModuleName::new(module_name);
        let access = access.as_ref().map(|list| self::access(&at.key("access"), &module_name, list, diagnostics));
        let openapi = openapi.as_ref().map(|file| loader.checked_path(file));
        let openapi = openapi.and_then(|file| diagnostics.ok_or_report(&at.key("openapi"), file));
        let Some(prefix) = self::prefix(&at, prefix, &core, diagnostics) else { continue };
        if let Some(of) = prefixes.get(prefix.as_str()) {
            let message = format!("module {} has the prefix {}, too", Quoted::new(of), Quoted::new(prefix.as_str()));
            diagnostics.add(at.key("prefix"), Issue::error("prefix-duplicate", message, "write another prefix"));
            continue;
        }
        prefixes.insert(prefix.as_str().to_owned(), &module.name);
        add_rule(&module_name, &prefix, rules);
        let has_access_list = access.is_some();
        let reading = reading(module);
        narrowing.push((prefix.clone(), reading.clone(), access));
        modules.extend(upstream.map(|upstream| Module {
            name: module_name,
            prefix,
            keep_prefix: *keep_prefix,
            reading,
            upstream,
            service,
            has_access_list,
            openapi,
        }));
    }
    (Modules::new(narrowing), GatewayConfig { modules, core, ..GatewayConfig::default() })
}

/// Adds the rule of a module, unless the operator has a rule for the same requests.
fn add_rule(name: &ModuleName, prefix: &ModulePrefix, rules: &mut Rules) {
    let rule = Rule {
        name: RuleName::new(&format!("{RULE}{name}")),
        access: Access::Authenticated,
        require: Requirement::default(),
        constraints: None,
        pattern: prefix.pattern().to_string().into(),
        enforcement: Enforcement::Enforced,
        by_name: RouteReference::Require,
    };
    let pattern = prefix.pattern().clone().read(Case::Exact, rules.readings().cloned());
    let _ = rules.add(rule, None, &[], &pattern);
}

/// Validates the suffixes that modules remove.
fn suffixes(at: &Path, case: Case, list: &[String], diagnostics: &mut Diagnostics) {
    let folds = case == Case::Fold;
    for (index, suffix) in list.iter().enumerate() {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        let same = |other: &String| other == suffix || (folds && other.eq_ignore_ascii_case(suffix));
        if !matches!(suffix.len(), 1..=32) || !suffix.bytes().all(plain) {
            let message = format!("{} is not a suffix that can be removed", Quoted::new(suffix));
            let help = "write it without the dot, with letters, digits, `-` and `_`, such as `json`";
            diagnostics.add(at.position(index), Issue::error("suffix-invalid", message, help));
        } else if list.iter().take(index).any(same) {
            let case = if folds { ", because the module folds case" } else { "" };
            let message = format!("{} is a duplicate{case}", Quoted::new(suffix));
            diagnostics.add(at.position(index), Issue::error("suffix-duplicate", message, "leave it out"));
        }
    }
}

fn endpoint(at: &Path, text: &str, diagnostics: &mut Diagnostics) -> Option<HostPort> {
    let read = text
        .parse()
        .map_err(|error| Issue::parse("upstream-invalid", format!("{} is not an address; {error}", Quoted::new(text))));
    diagnostics.ok_or_report(&at.key("upstream"), read)
}

fn prefix(at: &Path, text: &str, core: &CoreService, diagnostics: &mut Diagnostics) -> Option<ModulePrefix> {
    let at = at.key("prefix");
    let read = ModulePrefix::parse(text).map_err(|error| {
        let slashed = format!("/{text}");
        let help = match ModulePrefix::parse(&slashed) {
            Ok(_) if !text.starts_with('/') => format!("; write {}", Quoted::new(&slashed)),
            Ok(_) | Err(_) => String::new(),
        };
        Issue::parse("prefix-invalid", format!("{} is not a prefix: {error}{help}", Quoted::new(text)))
    });
    let prefix = diagnostics.ok_or_report(&at, read)?;
    if core.reserves(prefix.first()) {
        let message = format!("{} is reserved for the core service", Quoted::new(prefix.first()));
        let help = format!("write a first segment other than {}", reserved(core));
        diagnostics.add(at, Issue::error("prefix-reserved", message, help));
    }
    Some(prefix)
}

/// Lists the reserved names for a message.
fn reserved(core: &CoreService) -> String {
    let all: Vec<String> = core.reserved.iter().map(|name| format!("`{name}`")).collect();
    all.join(", ")
}

fn core(core: &raw::Core, diagnostics: &mut Diagnostics) -> CoreService {
    let raw::Core { upstream, reserved, .. } = core;
    let at = Path::root("core");
    let mut names: Vec<Box<str>> = Vec::new();
    for (index, name) in reserved.iter().enumerate() {
        let at = at.key("reserved").position(index);
        let one =
            ModulePrefix::parse(&format!("/{name}")).is_ok_and(|read| read.segments() == 1 && read.first() == name);
        if !one {
            let message = format!("{} can't be reserved", Quoted::new(name));
            let help = "write one segment of letters, digits, `-`, `.`, `_` and `~`, such as `admin`";
            diagnostics.add(at, Issue::error("reserved-name-invalid", message, help));
        } else if names.iter().any(|known| **known == **name) {
            let message = format!("{} is reserved already", Quoted::new(name));
            diagnostics.add(at, Issue::error("reserved-name-duplicate", message, "leave it out"));
        } else {
            names.push(name.as_str().into());
        }
    }
    if upstream.is_some() && reserved.is_empty() {
        let message = "no request leads to this service, because no name is reserved";
        let help = "name its first path segments under `core.reserved`";
        diagnostics.add(at.key("upstream"), Issue::error("core-without-names", message, help));
    }
    let address = upstream.as_ref().and_then(|text| endpoint(&at, text, diagnostics));
    let settings = core.service();
    let service = service::check(&at, &settings, raw::Cookies::Keep, address.as_ref(), diagnostics);
    if upstream.is_none() && settings.is_set() {
        let message = "has settings for a core service, but no address of one";
        let help = "add `upstream`, such as `core:8080`, or leave out all but `reserved`";
        diagnostics.add(at, Issue::error("core-without-upstream", message, help));
    }
    CoreService { upstream: address, service, reserved: names }
}

fn access(at: &Path, module: &ModuleName, list: &[raw::ModuleAccess], diagnostics: &mut Diagnostics) -> ModuleAccess {
    let mut access = ModuleAccess::new(module.clone());
    for (index, raw::ModuleAccess { organization, allow }) in list.iter().enumerate() {
        let at = at.position(index);
        let organizations = match organization.as_str() {
            "any" => Organizations::Any,
            name => Organizations::One(name),
        };
        if organization.is_empty() {
            let issue = Issue::error("empty", "is empty", "name an organization, or write `any`");
            diagnostics.add(at.key("organization"), issue);
        }
        let rights = match allow {
            Allow::Mask(mask) => CrudPermissions::from_mask(*mask).ok_or_else(|| {
                let help = "add up 8 for `create`, 4 for `read`, 2 for `update` and 1 for `delete`, or write the words";
                Issue::error("mask-invalid", format!("`{mask}` is not a mask"), help)
            }),
            Allow::Rights(list) => Ok(list.iter().copied().map(permission).collect()),
        };
        if let Some(rights) = diagnostics.ok_or_report(&at.key("allow"), rights) {
            access.allow(organizations, rights);
        }
    }
    access
}

const fn permission(word: AnyRight) -> CrudPermissions {
    match word {
        AnyRight::Create => CrudPermissions::CREATE,
        AnyRight::Read => CrudPermissions::READ,
        AnyRight::Update => CrudPermissions::UPDATE,
        AnyRight::Delete => CrudPermissions::DELETE,
    }
}
