//! The semantics of rules, in lists and loops. It shares no code with the real evaluation.

use super::Outcome;
use super::reading::Read;

/// A policy: everything that affects a decision, as texts.
#[derive(Debug, Clone)]
pub(super) struct Policy {
    pub(super) rules: Vec<Rule>,
    pub(super) modules: Vec<Module>,
    pub(super) fallback_authenticates: bool,
}

/// A rule as an operator writes it.
#[derive(Debug, Clone, Default)]
pub(super) struct Rule {
    pub(super) name: String,
    pub(super) hosts: Vec<&'static str>,
    pub(super) methods: Vec<&'static str>,
    /// Empty if only its name leads to it.
    pub(super) paths: Vec<String>,
    /// True if the rule ignores the case of letters.
    pub(super) folds: bool,
    pub(super) access: &'static str,
    pub(super) allow_by_name: bool,
    pub(super) authenticators: Vec<&'static str>,
    pub(super) audiences: Vec<&'static str>,
    pub(super) clients: Vec<ModelNetwork>,
    pub(super) permissions: Vec<&'static str>,
    pub(super) roles: Vec<&'static str>,
    pub(super) scopes: Vec<&'static str>,
    pub(super) any_permissions: Vec<&'static str>,
    pub(super) any_roles: Vec<&'static str>,
    pub(super) same_organization: Option<&'static str>,
    pub(super) when: Option<ModelCondition>,
}

/// A network, and the beginning of all its addresses as texts.
#[derive(Debug, Clone, Copy)]
pub(super) struct ModelNetwork {
    pub(super) cidr: &'static str,
    pub(super) start: &'static str,
}

/// Some conditions with their semantics.
#[derive(Debug, Clone, Copy)]
pub(super) enum ModelCondition {
    MethodIsGet,
    SubjectIsAnn,
    HasRoleAdmin,
    LevelIsTwo,
    IsInside,
}

impl ModelCondition {
    pub(super) const fn text(self) -> &'static str {
        match self {
            Self::MethodIsGet => "request.method == 'GET'",
            Self::SubjectIsAnn => "principal.subject == 'ann'",
            Self::HasRoleAdmin => "'admin' in principal.roles",
            Self::LevelIsTwo => "claims.level >= 2",
            Self::IsInside => "cidr('10.0.0.0/8').containsIP(source.address)",
        }
    }

    /// Evaluates the condition; `None` if its input is missing.
    fn holds(self, request: &ModelRequest, caller: Option<&ModelCaller>) -> Option<bool> {
        match self {
            Self::MethodIsGet => Some(request.method == "GET"),
            Self::SubjectIsAnn => caller.map(|caller| caller.subject == "ann"),
            Self::HasRoleAdmin => caller.map(|caller| caller.roles.contains(&"admin")),
            Self::IsInside => request.client.map(|client| client.starts_with("10.")),
            Self::LevelIsTwo => caller.and_then(|caller| caller.level).map(|level| level >= 2),
        }
    }
}

#[derive(Debug, Clone, Default)]
pub(super) struct Module {
    pub(super) prefix: &'static str,
    pub(super) folds: bool,
    pub(super) suffixes: Vec<&'static str>,
    /// Masks by organization; `None` means any.
    pub(super) access: Option<Vec<(Option<&'static str>, u8)>>,
}

/// One request.
#[derive(Debug)]
pub(super) struct ModelRequest {
    pub(super) method: &'static str,
    pub(super) host: &'static str,
    pub(super) target: String,
    pub(super) headers: Vec<(&'static str, &'static str)>,
    pub(super) context: Vec<(&'static str, String)>,
    /// The client's address, as Envoy sends it.
    pub(super) sent_client: Option<&'static str>,
    /// The same in its usual form; `None` if it is unknown.
    pub(super) client: Option<&'static str>,
    pub(super) credential: ModelCredential,
}

/// The credential that the client presents.
#[derive(Debug)]
pub(super) enum ModelCredential {
    Missing,
    Invalid,
    Valid(ModelCaller),
}

#[derive(Debug)]
pub(super) struct ModelCaller {
    pub(super) authenticator: &'static str,
    /// The audiences of the token; `None` if it names none.
    pub(super) audiences: Option<Vec<&'static str>>,
    pub(super) subject: &'static str,
    pub(super) organization: Option<&'static str>,
    pub(super) roles: Vec<&'static str>,
    pub(super) permissions: Vec<&'static str>,
    pub(super) scopes: Vec<&'static str>,
    pub(super) everything: bool,
    pub(super) level: Option<i64>,
}

/// A rule with one of its matching hosts and paths. Matches with higher ranks are more specific and sort last.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Match {
    /// 0 for any host, otherwise one more than the length of the required suffix; an exact host ranks above all.
    host: usize,
    /// The rank of each segment: 4 for a literal, 3 for one without the suffix of the request, 2 for a parameter. The end ranks 1
    /// if the path ends with the pattern, and 0 if the pattern continues with a rest.
    path: Vec<u8>,
    /// 3 for a preflight's own method, 2 for this method, 1 for GET, which also serves HEAD, 0 for any.
    method: u8,
    /// The index in the policy. It never decides, because no two matches have the same rank.
    rule: usize,
    pattern: usize,
}

impl Policy {
    pub(super) fn decide(&self, request: &ModelRequest) -> Outcome {
        let (mut name, mut permissions) = (None, Vec::new());
        for (key, value) in &request.context {
            match *key {
                "modgud.rule" => name = Some(value.as_str()),
                "modgud.require_permission" => permissions.extend(value.split(' ')),
                _ if key.starts_with("modgud") => return Err("context_invalid"),
                _ => {}
            }
        }
        let read = self.read(&request.target);
        let named = match name {
            None => None,
            Some(name) => Some(self.named(name, &read).ok_or("rule_unknown")?),
        };
        // A rule that opens by name decides alone.
        if let Some((rule, pattern)) = named
            && rule.allow_by_name
        {
            return self.check_all(request, &[(Some(rule), pattern)], &permissions);
        }
        self.check_ambiguity(request, &read)?;
        let own = self.matches(request, &read, request.method, false);
        let preflight = if is_preflight(request) { self.preflight(request, &read, false) } else { None };
        if let Some(found) = preflight {
            let found = (Some(&self.rules[found.rule]), Some(found.pattern));
            let mut all = vec![found];
            all.extend(
                named.filter(|(rule, _)| !requires_caller(rule.access)).map(|(rule, pattern)| (Some(rule), pattern)),
            );
            return self.check_all(request, &all, &[]);
        }
        let found = match own.last() {
            Some(found) => (Some(&self.rules[found.rule]), Some(found.pattern)),
            None if self.fallback_authenticates => (None, None),
            None => return Err("no_rule"),
        };
        let mut all = vec![found];
        all.extend(named.map(|(rule, pattern)| (Some(rule), pattern)));
        self.check_all(request, &all, &permissions)
    }

    /// Returns the rule of a name, with its most specific matching pattern, regardless of method and host.
    fn named(&self, name: &str, read: &Read<'_>) -> Option<(&Rule, Option<usize>)> {
        let rule = self.rules.iter().find(|rule| rule.name == name && rule.access != "preflight")?;
        let rank = |path: &String| read.path_rank(rule, path, false);
        let ranks = rule.paths.iter().enumerate().filter_map(|(at, path)| Some((rank(path)?, at)));
        Some((rule, ranks.max().map(|(_, at)| at)))
    }

    /// Returns the match that decides a preflight; `None` without a preflight rule.
    fn preflight(&self, request: &ModelRequest, read: &Read<'_>, widest: bool) -> Option<Match> {
        let matching = self.matches(request, read, "PREFLIGHT", widest);
        let access = |one: &Match| self.rules[one.rule].access;
        if !matching.iter().any(|one| access(one) == "preflight") {
            return None;
        }
        matching.into_iter().rev().find(|one| !requires_caller(self.rules[one.rule].access))
    }

    /// Denies an ambiguous path.
    fn check_ambiguity(&self, request: &ModelRequest, read: &Read<'_>) -> Result<(), &'static str> {
        let plain = |module: &Module| !module.folds && module.suffixes.is_empty();
        if self.modules.iter().all(plain) && !self.rules.iter().any(|rule| rule.folds) {
            return Ok(());
        }
        let found = |widest| {
            let preflight = if is_preflight(request) { self.preflight(request, read, widest) } else { None };
            let found = preflight.or_else(|| self.matches(request, read, request.method, widest).pop());
            found.map(|found| (found.host, found.rule, found.pattern))
        };
        let same = read.has_unambiguous_end() && found(false) == found(true);
        if same { Ok(()) } else { Err("path_ambiguous") }
    }

    /// Returns every matching rule, the most specific last.
    fn matches(&self, request: &ModelRequest, read: &Read<'_>, method: &str, widest: bool) -> Vec<Match> {
        let mut found = Vec::new();
        for (at, rule) in self.rules.iter().enumerate() {
            let hosts = if rule.hosts.is_empty() { vec![""] } else { rule.hosts.clone() };
            for host in hosts {
                for (number, pattern) in rule.paths.iter().enumerate() {
                    let path = read.path_rank(rule, pattern, widest);
                    let ranks = (host_rank(host, request.host), path, method_rank(rule, method));
                    if let (Some(host), Some(path), Some(method)) = ranks {
                        found.push(Match { host, path, method, rule: at, pattern: number });
                    }
                }
            }
        }
        found.sort();
        found
    }

    /// Checks a request against all of these rules: first the client's address, then the requirements on the caller, then the constraints on the request.
    fn check_all(
        &self,
        request: &ModelRequest,
        rules: &[(Option<&Rule>, Option<usize>)],
        permissions: &[&str],
    ) -> Outcome {
        for clients in rules.iter().filter_map(|(rule, _)| rule.map(|rule| &rule.clients)) {
            let is_of = |network: &ModelNetwork| request.client.is_some_and(|client| client.starts_with(network.start));
            if !clients.is_empty() && !clients.iter().any(is_of) {
                return Err("client_not_allowed");
            }
        }
        let word = |rule: Option<&Rule>| rule.map_or("authenticated", |rule| rule.access);
        // A route that requires permissions requires a caller.
        let first = |at: usize, access: &'static str| match access {
            "public" | "optional" | "preflight" if at == 0 && !permissions.is_empty() => "authenticated",
            access => access,
        };
        let accesses: Vec<&str> = rules.iter().enumerate().map(|(at, (rule, _))| first(at, word(*rule))).collect();
        if accesses.contains(&"denied") {
            return Err("rule_denied");
        }
        let lists = self.lists(request);
        let mut known = Vec::new();
        for (at, ((rule, _), access)) in rules.iter().zip(&accesses).enumerate() {
            known.push(match (*access, &request.credential) {
                ("public" | "preflight", _) => None,
                ("optional", ModelCredential::Missing) if lists.is_empty() => None,
                (_, ModelCredential::Missing) => return Err("credential_missing"),
                (_, ModelCredential::Invalid) => return Err("issuer_unknown"),
                (_, ModelCredential::Valid(caller)) => {
                    if let Some(rule) = rule {
                        requirement(rule, caller)?;
                    }
                    if at == 0 && !permissions.iter().all(|one| has_permission(caller, one)) {
                        return Err("permission_missing");
                    }
                    for list in &lists {
                        allowed(list, request.method, caller)?;
                    }
                    Some(caller)
                }
            });
        }
        for ((rule, pattern), caller) in rules.iter().zip(&known) {
            if let Some(rule) = rule {
                self.check_constraints(rule, *pattern, request, *caller)?;
            }
        }
        Ok(if known.iter().any(Option::is_some) { "known" } else { "anonymous" })
    }

    /// Returns the access lists of the module with the longest prefix, and of the one that has the path as the first one reads it.
    fn lists(&self, request: &ModelRequest) -> Vec<&Vec<(Option<&'static str>, u8)>> {
        let read = self.read(&request.target);
        let rank = |module: &Module| read.path_rank(&Rule::default(), &format!("{}/{{*rest}}", module.prefix), false);
        let ranked = self.modules.iter().filter_map(|module| Some((rank(module)?, module)));
        let as_read = ranked.max_by(|(one, _), (other, _)| one.cmp(other)).map(|(_, module)| module);
        let as_sent = self.module(&request.target);
        let both =
            as_sent.into_iter().chain(as_read.filter(|read| as_sent.is_none_or(|sent| sent.prefix != read.prefix)));
        both.filter_map(|module| module.access.as_ref()).collect()
    }

    /// Checks a rule's constraints on the request: the caller's organization, then the condition.
    fn check_constraints(
        &self,
        rule: &Rule,
        pattern: Option<usize>,
        request: &ModelRequest,
        caller: Option<&ModelCaller>,
    ) -> Result<(), &'static str> {
        match rule.same_organization {
            None => {}
            Some("path.org") => {
                let position =
                    pattern.and_then(|at| segments(&rule.paths[at]).iter().position(|piece| *piece == "{org}"));
                let read = self.read(&request.target);
                let named = position.and_then(|position| read.parameter(position));
                let own = caller.and_then(|caller| caller.organization);
                if own.is_none() || own != named {
                    return Err("condition_false");
                }
            }
            Some(other) => panic!("{other}"),
        }
        match rule.when.map(|when| when.holds(request, caller)) {
            None | Some(Some(true)) => Ok(()),
            Some(Some(false)) => Err("condition_false"),
            Some(None) => Err("condition_error"),
        }
    }
}

fn requires_caller(access: &str) -> bool {
    matches!(access, "authenticated" | "optional")
}

fn is_preflight(request: &ModelRequest) -> bool {
    let once = |name: &str| request.headers.iter().filter(|(known, _)| *known == name).count() == 1;
    request.method == "OPTIONS" && once("origin") && once("access-control-request-method")
}

fn host_rank(pattern: &str, host: &str) -> Option<usize> {
    match pattern.strip_prefix('*') {
        _ if pattern.is_empty() => Some(0),
        Some(suffix) if host.ends_with(suffix) && host.len() > suffix.len() => Some(1 + suffix.len()),
        None if pattern == host => Some(1_000),
        Some(_) | None => None,
    }
}

pub(super) fn segments(path: &str) -> Vec<&str> {
    path.split('/').filter(|segment| !segment.is_empty()).collect()
}

fn method_rank(rule: &Rule, method: &str) -> Option<u8> {
    match (rule.access, method) {
        ("preflight", "PREFLIGHT") => Some(3),
        ("preflight", _) => None,
        _ if rule.methods.is_empty() => Some(0),
        (_, "PREFLIGHT") => rule.methods.contains(&"OPTIONS").then_some(2),
        _ if rule.methods.contains(&method) => Some(2),
        (_, "HEAD") if rule.methods.contains(&"GET") => Some(1),
        _ => None,
    }
}

fn has_permission(caller: &ModelCaller, permission: &str) -> bool {
    caller.everything || caller.permissions.contains(&permission)
}

fn requirement(rule: &Rule, caller: &ModelCaller) -> Result<(), &'static str> {
    if !rule.authenticators.is_empty() && !rule.authenticators.contains(&caller.authenticator) {
        return Err("authenticator_not_allowed");
    }
    let audiences = caller.audiences.as_deref().unwrap_or_default();
    if !rule.audiences.is_empty() && !rule.audiences.iter().any(|one| audiences.contains(one)) {
        return Err("audience_mismatch");
    }
    if !rule.roles.iter().all(|role| caller.roles.contains(role)) {
        return Err("role_missing");
    }
    if !rule.permissions.iter().all(|one| has_permission(caller, one))
        || !rule.scopes.iter().all(|one| caller.scopes.contains(one))
    {
        return Err("permission_missing");
    }
    let one_of = rule.any_permissions.iter().any(|one| has_permission(caller, one))
        || rule.any_roles.iter().any(|one| caller.roles.contains(one));
    match (rule.any_permissions.is_empty(), rule.any_roles.is_empty()) {
        (true, true) => Ok(()),
        _ if one_of => Ok(()),
        (true, false) => Err("role_missing"),
        (false, _) => Err("permission_missing"),
    }
}

fn allowed(list: &[(Option<&'static str>, u8)], method: &str, caller: &ModelCaller) -> Result<(), &'static str> {
    let bit = match method {
        "POST" => 8,
        "GET" | "HEAD" => 4,
        "PUT" | "PATCH" => 2,
        "DELETE" => 1,
        _ => 0,
    };
    let of_caller = |entry: &&(Option<&str>, u8)| entry.0.is_none() || entry.0 == caller.organization;
    let mask = list.iter().filter(of_caller).fold(0, |mask, (_, more)| mask | more);
    if caller.everything || mask & bit != 0 { Ok(()) } else { Err("permission_missing") }
}
