//! Validates `modules` and `core`: each path belongs to one of them. Adds the rule of each module.

use super::super::diagnostic::{ModuleProblem, Problem, Problems};
use super::super::path::Path;
use super::super::quoted::Quoted;
use super::super::raw::{self, Allow, AnyRight};
use super::name;
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

/// Returns how modules read paths, and which letters rules compare. `None` if all read them unchanged. [`check`] adds the problems.
pub(super) fn readings(list: &[raw::Module], rules: &[raw::Rule]) -> Option<Arc<PathReadings>> {
    let modules = list.iter().filter_map(|module| Some((ModulePrefix::parse(&module.prefix).ok()?, reading(module))));
    let a_rule_folds = rules.iter().any(|rule| rule.matches.case == raw::Case::Fold);
    PathReadings::new(modules.collect(), a_rule_folds)
}

fn reading(module: &raw::Module) -> ModuleReading {
    let suffixes = module.suffixes.iter().map(|suffix| suffix.as_str().into()).collect();
    ModuleReading { case: super::rules::case(module.case), suffixes }
}

/// Returns the access lists of modules, and the gateway settings for Envoy.
pub(super) fn check(
    list: &[raw::Module],
    core: &raw::Core,
    rules: &mut Rules,
    problems: &mut Problems,
) -> (Option<Modules>, GatewayConfig) {
    let core = self::core(core, problems);
    let mut names = HashSet::new();
    let mut prefixes: HashMap<String, &str> = HashMap::new();
    let (mut narrowing, mut modules) = (Vec::new(), Vec::new());
    for (number, module) in list.iter().enumerate() {
        let raw::Module { name: module_name, prefix, upstream, case, suffixes, access } = module;
        let at = Path::root("modules").position(number);
        name(&at, module_name, &mut names, problems);
        if CLUSTERS.contains(&module_name.as_str()) {
            problems.add(at.key("name"), ModuleProblem::Name(Quoted::new(module_name)));
        }
        let upstream = endpoint(&at, upstream, problems);
        self::suffixes(&at.key("suffixes"), *case, suffixes, problems);
        let module_name = ModuleName::new(module_name);
        let access = access.as_ref().map(|list| self::access(&at.key("access"), &module_name, list, problems));
        let Some(prefix) = self::prefix(&at, prefix, &core, problems) else { continue };
        if let Some(of) = prefixes.get(prefix.as_str()) {
            let (prefix, of) = (Quoted::new(prefix.as_str()), Quoted::new(of));
            problems.add(at.key("prefix"), ModuleProblem::PrefixTaken { prefix, of });
            continue;
        }
        prefixes.insert(prefix.as_str().to_owned(), &module.name);
        add_rule(&module_name, &prefix, rules);
        let has_access_list = access.is_some();
        narrowing.push((prefix.clone(), access));
        let reading = reading(module);
        modules.extend(upstream.map(|upstream| Module {
            name: module_name,
            prefix,
            reading,
            upstream,
            has_access_list,
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
fn suffixes(at: &Path, case: raw::Case, list: &[String], problems: &mut Problems) {
    let folds = case == raw::Case::Fold;
    for (place, suffix) in list.iter().enumerate() {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        let same = |other: &String| other == suffix || (folds && other.eq_ignore_ascii_case(suffix));
        if !matches!(suffix.len(), 1..=32) || !suffix.bytes().all(plain) {
            problems.add(at.position(place), ModuleProblem::Suffix(Quoted::new(suffix)));
        } else if list.iter().take(place).any(same) {
            problems.add(at.position(place), ModuleProblem::SuffixTwice { suffix: Quoted::new(suffix), folds });
        }
    }
}

fn endpoint(at: &Path, text: &str, problems: &mut Problems) -> Option<HostPort> {
    let read = text.parse().map_err(|fault| ModuleProblem::Upstream { found: Quoted::new(text), fault });
    problems.take(&at.key("upstream"), read)
}

fn prefix(at: &Path, text: &str, core: &CoreService, problems: &mut Problems) -> Option<ModulePrefix> {
    let at = at.key("prefix");
    let read = ModulePrefix::parse(text).map_err(|fault| ModuleProblem::Prefix { prefix: Quoted::new(text), fault });
    let prefix = problems.take(&at, read)?;
    if core.reserved.iter().any(|name| **name == *prefix.first()) {
        let all: Vec<String> = core.reserved.iter().map(|name| format!("`{name}`")).collect();
        let (first, all) = (Quoted::new(prefix.first()), all.join(", "));
        problems.add(at, ModuleProblem::Reserved { first, all });
    }
    Some(prefix)
}

fn core(core: &raw::Core, problems: &mut Problems) -> CoreService {
    let raw::Core { upstream, reserved } = core;
    let at = Path::root("core");
    let mut names: Vec<Box<str>> = Vec::new();
    for (place, name) in reserved.iter().enumerate() {
        let at = at.key("reserved").position(place);
        let one =
            ModulePrefix::parse(&format!("/{name}")).is_ok_and(|read| read.segments() == 1 && read.first() == name);
        if !one {
            problems.add(at, ModuleProblem::ReservedName(Quoted::new(name)));
        } else if names.iter().any(|known| **known == **name) {
            problems.add(at, ModuleProblem::ReservedTwice(Quoted::new(name)));
        } else {
            names.push(name.as_str().into());
        }
    }
    if upstream.is_some() && reserved.is_empty() {
        problems.add(at.key("upstream"), ModuleProblem::CoreWithoutNames);
    }
    let upstream = upstream.as_ref().and_then(|text| endpoint(&at, text, problems));
    CoreService { upstream, reserved: names }
}

fn access(at: &Path, module: &ModuleName, list: &[raw::ModuleAccess], problems: &mut Problems) -> ModuleAccess {
    let mut access = ModuleAccess::new(module.clone());
    for (place, raw::ModuleAccess { organization, allow }) in list.iter().enumerate() {
        let at = at.position(place);
        let who = match organization.as_str() {
            "any" => Organizations::Any,
            name => Organizations::One(name),
        };
        if organization.is_empty() {
            problems.add(at.key("organization"), Problem::Empty("name an organization, or write `any`"));
        }
        let rights = match allow {
            Allow::Mask(mask) => CrudPermissions::from_mask(*mask).ok_or(ModuleProblem::Mask(*mask)),
            Allow::Rights(list) => Ok(list.iter().copied().map(permission).collect()),
        };
        if let Some(rights) = problems.take(&at.key("allow"), rights) {
            access.allow(who, rights);
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
