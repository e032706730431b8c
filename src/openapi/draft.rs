//! One rule for each operation, with names that stay the same from one version of a description to the next.

use super::demand::{self, Demand, Why};
use super::finding::Finding;
use super::read::{Api, Operation};
use super::template::{self, Reach};
use crate::authz::ModulePrefix;
use crate::config::{Placed, Quoted};
use std::collections::{BTreeSet, HashMap, HashSet};

/// The longest name of a rule.
const MAX_NAME: usize = 128;

/// A rule that is not written yet.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) name: String,
    pub(super) method: String,
    pub(super) patterns: Vec<String>,
    pub(super) demand: Demand,
    pub(super) why: BTreeSet<Why>,
    /// Whether the rule matches more than the paths that it is made from.
    pub(super) reach: Reach,
    /// The operations that it is made from, as people write them.
    pub(super) made_from: Vec<String>,
}

/// The rules for a module, or why an operation can't have one.
pub(super) fn drafts(api: &Api, module: &str, prefix: &ModulePrefix) -> Result<Vec<Draft>, Vec<Placed<Finding>>> {
    let mut drafts: Vec<Draft> = Vec::new();
    let mut known: HashMap<(&str, String), usize> = HashMap::new();
    let mut faults = Vec::new();
    let mut names = Names::of(api, module);
    for operation in &api.operations {
        let mut own: Option<usize> = None;
        for base in &operation.bases {
            let template = below(base, &operation.template, prefix);
            let pattern = match template::read(prefix.as_str(), &template) {
                Ok(pattern) => pattern,
                Err(fault) => {
                    let finding = Finding::Template(Quoted::new(&template), fault);
                    faults.push(operation.path.with(finding));
                    continue;
                }
            };
            let key = (operation.method.as_str(), pattern.shape.clone());
            let other = known.get(&key).copied().filter(|at| Some(*at) != own);
            // The same requests as those of an earlier operation, or one more path of this one.
            let at = match (other, own) {
                (Some(at), _) | (None, Some(at)) => at,
                (None, None) => {
                    drafts.push(Draft::of(names.next(operation), operation));
                    let at = drafts.len().saturating_sub(1);
                    own = Some(at);
                    at
                }
            };
            let Some(draft) = drafts.get_mut(at) else { continue };
            if other.is_some() {
                draft.merge(operation);
            } else if known.insert(key, at).is_none() {
                draft.patterns.push(pattern.text);
            }
            draft.add(format!("{} {base}{}", operation.method, operation.template), pattern.reach);
        }
    }
    drafts.iter_mut().for_each(Draft::close);
    if faults.is_empty() { Ok(drafts) } else { Err(faults) }
}

impl Draft {
    /// A rule without a path for an operation.
    fn of(name: String, operation: &Operation) -> Self {
        let (demand, why) = demand::of(&operation.security);
        let (method, patterns, made_from) = (operation.method.clone(), Vec::new(), Vec::new());
        Self { name, method, patterns, demand, why, reach: Reach::Exact, made_from }
    }

    /// Asks for what another operation asks, too.
    fn merge(&mut self, operation: &Operation) {
        let (demand, why) = demand::of(&operation.security);
        self.demand = std::mem::replace(&mut self.demand, Demand::Public).and(demand);
        self.why.extend(why);
        self.why.insert(Why::Merged);
    }

    /// Notes what it is made from.
    fn add(&mut self, made_from: String, reach: Reach) {
        self.made_from.push(made_from);
        if reach == Reach::Wider {
            self.reach = Reach::Wider;
        }
    }

    /// A rule that matches more than was meant opens nothing; and what is said of one that does not open is not that it does.
    fn close(&mut self) {
        if self.reach == Reach::Wider {
            self.demand = std::mem::replace(&mut self.demand, Demand::Public).not_open();
        }
        match self.demand {
            Demand::Public | Demand::Optional => {}
            Demand::Caller(_) => {
                let before = self.why.len();
                self.why.retain(|why| !matches!(why, Why::Open | Why::Optional));
                if self.why.len() != before {
                    self.why.insert(Why::NotOpened);
                }
            }
        }
    }
}

/// The path below the prefix of the module, which the base may hold already.
pub(super) fn below(base: &str, template: &str, prefix: &ModulePrefix) -> String {
    let own = base.strip_prefix(prefix.as_str()).filter(|rest| rest.is_empty() || rest.starts_with('/'));
    format!("{}{template}", own.unwrap_or(base))
}

/// Names of rules: each once.
struct Names<'m> {
    module: &'m str,
    /// Identifiers that one operation has.
    own: HashSet<String>,
    taken: HashSet<String>,
}

impl<'m> Names<'m> {
    fn of(api: &Api, module: &'m str) -> Self {
        let (mut own, mut twice) = (HashSet::new(), HashSet::new());
        for id in api.operations.iter().filter_map(|operation| operation.id.as_deref().map(visible)) {
            if !own.insert(id.clone()) {
                twice.insert(id);
            }
        }
        own.retain(|id| !twice.contains(id));
        Self { module, own, taken: HashSet::new() }
    }

    /// The operation's identifier, if it is no other's; else method and path.
    fn next(&mut self, operation: &Operation) -> String {
        let id = operation.id.as_deref().map(visible).filter(|id| !id.is_empty() && self.own.contains(id));
        let own = id.unwrap_or_else(|| visible(&format!("{}{}", operation.method, operation.template)));
        let base = fitting(&format!("{}.{own}", self.module));
        let numbered = (2_usize..).map(|number| fitting(&format!("{base}-{number}")));
        let mut candidates = std::iter::once(base.clone()).chain(numbered);
        let name = candidates.find(|name| !self.taken.contains(name)).unwrap_or(base);
        self.taken.insert(name.clone());
        name
    }
}

/// Visible ASCII; `-` for everything else.
fn visible(text: &str) -> String {
    text.chars().map(|character| if character.is_ascii_graphic() { character } else { '-' }).collect()
}

/// A name that is short enough: what is cut off is still told apart by a digest.
fn fitting(name: &str) -> String {
    const DIGITS: usize = 16;
    if name.len() <= MAX_NAME {
        return name.to_owned();
    }
    let digest = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3) // FNV-1a
    });
    let kept = MAX_NAME.saturating_sub(DIGITS).saturating_sub(1);
    let head: String = name.chars().take(kept).collect();
    format!("{head}-{digest:016x}")
}
