//! Random policies and requests from a small vocabulary, so that they often match. A seed is reproducible.

use super::reading::{ODD_LETTERS, indistinguishable};
use super::semantics::{
    ModelCaller, ModelCondition, ModelCredential, ModelNetwork, ModelRequest, Module, Policy, Rule,
};

/// A random number generator (`SplitMix64`).
pub(super) struct Random(u64);

const HOSTS: [&str; 5] = ["a.example.com", "b.example.com", "*.example.com", "*.com", "x.a.example.com"];
const METHODS: [&str; 6] = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"];
const SEGMENTS: [&str; 5] = ["a", "b", "acme", "crm", "s"];
const AUDIENCES: [&str; 3] = ["api", "billing", "API"];
const NETWORKS: [ModelNetwork; 4] = [
    ModelNetwork { cidr: "10.0.0.0/8", start: "10." },
    ModelNetwork { cidr: "10.1.0.0/16", start: "10.1." },
    ModelNetwork { cidr: "192.0.2.7/32", start: "192.0.2.7" },
    ModelNetwork { cidr: "2001:db8::/32", start: "2001:db8:" },
];
/// Addresses of clients as Envoy sends them, and in their usual form.
const CLIENTS: [(&str, Option<&str>); 9] = [
    ("10.1.2.3", Some("10.1.2.3")),
    ("10.1.255.255", Some("10.1.255.255")),
    ("10.2.0.0", Some("10.2.0.0")),
    ("11.0.0.0", Some("11.0.0.0")),
    ("192.0.2.7", Some("192.0.2.7")),
    ("::ffff:10.1.0.0", Some("10.1.0.0")),
    ("2001:DB8:0:0::9", Some("2001:db8::9")),
    ("::10.1.2.3", Some("::a01:203")),
    ("010.1.2.3", None),
];
pub(super) const WORDS: [&str; 4] = ["read", "write", "admin", "list"];

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x2545_f491_4f6c_dd1d))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).unwrap()
    }

    /// Returns true in this percentage of cases.
    fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    fn one_of<T: Clone>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())].clone()
    }

    fn some(&mut self, all: &[&'static str], most: usize) -> Vec<&'static str> {
        let mut some: Vec<&str> = (0..self.below(most + 1)).map(|_| self.one_of(all)).collect();
        some.sort_unstable();
        some.dedup();
        some
    }

    pub(super) fn shuffle<T>(&mut self, list: &mut [T]) {
        for at in 1..list.len() {
            list.swap(at, self.below(at + 1));
        }
    }

    pub(super) fn policy(&mut self) -> Policy {
        let mut policy = Policy { rules: Vec::new(), modules: Vec::new(), fallback_authenticates: self.chance(70) };
        // In half of the policies every path is used as sent.
        let reads = self.chance(50);
        if self.chance(40) {
            for prefix in ["/crm", "/a/b", "/a"] {
                if self.chance(60) {
                    let access = self.list();
                    let folds = reads && self.chance(50);
                    let suffixes = if reads { self.some(&["json", "html"], 2) } else { Vec::new() };
                    policy.modules.push(Module { prefix, folds, suffixes, access });
                }
            }
        }
        for number in 0..=self.below(12) {
            let mut rule = self.rule(number);
            if reads {
                self.respell(&mut rule);
            }
            if !policy.rules.iter().any(|other| collide(&policy.modules, other, &rule))
                && !collide(&policy.modules, &rule, &Rule::default())
            {
                policy.rules.push(rule);
            }
        }
        policy
    }

    /// Sometimes makes a rule fold, and gives some of its literals capitals or a suffix.
    fn respell(&mut self, rule: &mut Rule) {
        rule.folds = !rule.paths.is_empty() && self.chance(25);
        for path in &mut rule.paths {
            if self.chance(20) {
                let pieces: Vec<String> = path.split('/').map(|piece| self.respelled(piece)).collect();
                *path = pieces.join("/");
            }
        }
    }

    fn respelled(&mut self, piece: &str) -> String {
        match self.below(4) {
            _ if piece.is_empty() || piece.starts_with('{') => piece.to_owned(),
            0 => piece.to_uppercase(),
            1 => format!("{piece}.json"),
            _ => piece.to_owned(),
        }
    }

    /// Returns the policy with one more rule that denies; `None` if it would collide with another.
    pub(super) fn with_a_denial(&mut self, policy: &Policy) -> Option<Policy> {
        let drawn = self.rule(99);
        let rule = Rule {
            access: "denied",
            hosts: drawn.hosts,
            methods: drawn.methods,
            paths: vec![self.path(3)],
            name: "one-more".to_owned(),
            ..Rule::default()
        };
        let mut stricter = policy.clone();
        let apart = !policy.rules.iter().any(|other| collide(&policy.modules, other, &rule));
        stricter.rules.push(rule);
        apart.then_some(stricter)
    }

    fn rule(&mut self, number: usize) -> Rule {
        let access = self.one_of(&[
            "authenticated",
            "authenticated",
            "authenticated",
            "authenticated",
            "optional",
            "public",
            "preflight",
            "denied",
        ]);
        let by_name = access != "preflight" && self.chance(15);
        let mut paths: Vec<String> = (0..=self.below(2)).map(|_| self.path(3)).collect();
        paths.dedup();
        let mut rule = Rule {
            name: format!("r{number}"),
            hosts: if self.chance(30) { self.some(&HOSTS, 2) } else { Vec::new() },
            methods: if self.chance(40) { self.some(&METHODS, 3) } else { Vec::new() },
            paths,
            access,
            ..Rule::default()
        };
        if access == "preflight" {
            rule.methods.clear();
        }
        if by_name {
            (rule.hosts, rule.methods, rule.paths) = (Vec::new(), Vec::new(), Vec::new());
        }
        rule.allow_by_name = access == "public" && self.chance(50);
        if access == "authenticated" {
            rule.authenticators = if self.chance(15) { vec![self.one_of(&["main", "other"])] } else { Vec::new() };
            rule.permissions = if self.chance(20) { self.some(&WORDS, 2) } else { Vec::new() };
            rule.audiences = if self.chance(10) { self.some(&AUDIENCES, 2) } else { Vec::new() };
            rule.roles = if self.chance(15) { self.some(&WORDS, 1) } else { Vec::new() };
            rule.scopes = if self.chance(15) { self.some(&WORDS, 1) } else { Vec::new() };
            rule.any_permissions = if self.chance(10) { self.some(&WORDS, 2) } else { Vec::new() };
            rule.any_roles = if self.chance(10) { self.some(&WORDS, 2) } else { Vec::new() };
            if !rule.paths.is_empty() && rule.paths.iter().all(|path| path.contains("{org}")) && self.chance(60) {
                rule.same_organization = Some("path.org");
            }
        }
        if access != "denied" && self.chance(10) {
            rule.clients = (0..=self.below(2)).map(|_| self.one_of(&NETWORKS)).collect();
        }
        if self.chance(25) {
            rule.when = match access {
                "public" => Some(self.one_of(&[ModelCondition::MethodIsGet, ModelCondition::IsInside])),
                "authenticated" | "optional" => Some(self.one_of(&[
                    ModelCondition::MethodIsGet,
                    ModelCondition::SubjectIsAnn,
                    ModelCondition::HasRoleAdmin,
                    ModelCondition::LevelIsTwo,
                    ModelCondition::IsInside,
                ])),
                _ => None,
            };
        }
        rule
    }

    /// Returns a pattern with at most this number of segments.
    fn path(&mut self, most: usize) -> String {
        let mut path = String::new();
        let mut organization = false;
        for number in 0..self.below(most + 1) {
            let piece = match self.below(10) {
                0..=1 => format!("{{p{number}}}"),
                2..=3 if !organization => {
                    organization = true;
                    "{org}".to_owned()
                }
                _ => self.one_of(&SEGMENTS).to_owned(),
            };
            path = format!("{path}/{piece}");
        }
        if self.chance(40) {
            return format!("{path}/{{*rest}}");
        }
        if path.is_empty() { "/".to_owned() } else { path }
    }

    fn list(&mut self) -> Option<Vec<(Option<&'static str>, u8)>> {
        if self.chance(30) {
            return None;
        }
        let organizations = [None, Some("acme"), Some("b")];
        Some((0..self.below(3)).map(|_| (self.one_of(&organizations), u8::try_from(self.below(16)).unwrap())).collect())
    }

    pub(super) fn request(&mut self, policy: &Policy) -> ModelRequest {
        let method =
            self.one_of(&["GET", "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "OPTIONS", "PATCH", "PROPFIND"]);
        let mut target = String::new();
        for _ in 0..self.below(5) {
            target.push('/');
            target.push_str(&self.sent());
        }
        if target.is_empty() || self.chance(10) {
            target.push('/');
        }
        let mut headers = Vec::new();
        if self.chance(60) {
            headers.push(("origin", "https://app.example.com"));
        }
        if self.chance(60) {
            headers.push(("access-control-request-method", "PUT"));
        }
        if self.chance(5) {
            headers.push(("origin", "https://other.example.com"));
        }
        let mut context = Vec::new();
        if self.chance(25) {
            let unknown = "unknown".to_owned();
            let names: Vec<String> = policy.rules.iter().map(|rule| rule.name.clone()).chain([unknown]).collect();
            context.push(("modgud.rule", self.one_of(&names)));
        }
        if self.chance(10) {
            context.push(("modgud.require_permission", self.one_of(&["read", "read write", "list"]).to_owned()));
        }
        if self.chance(5) {
            context.push((self.one_of(&["tenant", "modgud.rul"]), "x".to_owned()));
        }
        let host = self.one_of(&["a.example.com", "b.example.com", "x.a.example.com", "c.com", "example.org"]);
        let (sent_client, client) = if self.chance(10) {
            (None, None)
        } else {
            let (sent, client) = self.one_of(&CLIENTS);
            (Some(sent), client)
        };
        ModelRequest { method, host, target, headers, context, sent_client, client, credential: self.credential() }
    }

    /// Returns a segment in the spelling of some client.
    fn sent(&mut self) -> String {
        let mut text = self.one_of(&SEGMENTS).to_owned();
        match self.below(20) {
            0..=1 => text = text.to_uppercase(),
            2 => ODD_LETTERS[self.below(2)].0.clone_into(&mut text),
            _ => {}
        }
        match self.below(30) {
            0..=2 => text.push_str(".json"),
            3 => text.push_str(".JSON"),
            4 => text.push_str(".json.html"),
            5 => ".html".clone_into(&mut text),
            _ => {}
        }
        text
    }

    fn credential(&mut self) -> ModelCredential {
        match self.below(10) {
            0..=1 => ModelCredential::Missing,
            2 => ModelCredential::Invalid,
            _ => ModelCredential::Valid(ModelCaller {
                authenticator: self.one_of(&["main", "main", "other"]),
                audiences: if self.chance(30) { None } else { Some(self.some(&AUDIENCES, 2)) },
                subject: self.one_of(&["ann", "bob"]),
                organization: self.one_of(&[None, Some("acme"), Some("b")]),
                roles: self.some(&WORDS, 2),
                permissions: self.some(&WORDS, 3),
                scopes: self.some(&WORDS, 2),
                everything: self.chance(10),
                level: self.one_of(&[None, Some(1), Some(2)]),
            }),
        }
    }
}

/// Returns true if no request distinguishes the two rules: such a policy is invalid.
fn collide(modules: &[Module], one: &Rule, other: &Rule) -> bool {
    let meet = |one: &[&str], other: &[&str]| {
        (one.is_empty() && other.is_empty()) || one.iter().any(|word| other.contains(word))
    };
    let same_kind = (one.access == "preflight") == (other.access == "preflight");
    let alike = |path: &String, rule: &Rule, others: &String| indistinguishable(modules, (one, path), (rule, others));
    let twice =
        one.paths.iter().enumerate().any(|(at, path)| one.paths[..at].iter().any(|other| alike(path, one, other)));
    twice
        || same_kind
            && meet(&one.hosts, &other.hosts)
            && meet(&one.methods, &other.methods)
            && one.paths.iter().any(|path| other.paths.iter().any(|others| alike(path, other, others)))
}
