//! A rule with a template means the same as the rule with everything written out.

use super::load_text;
use crate::properties::runner;
use proptest::prelude::{Just, Strategy, prop_assert_eq, prop_oneof};
use proptest::sample::subsequence;

/// The items of one list under `require`, as YAML; empty if there is none.
fn list(key: &'static str, names: &'static [&'static str]) -> impl Strategy<Value = Vec<String>> {
    subsequence(names, 0..=names.len())
        .prop_map(move |names| names.into_iter().map(|name| format!("{key}-{name}")).collect())
}

fn require(lists: &[(&str, &[String])]) -> String {
    let written = lists.iter().filter(|(_, items)| !items.is_empty());
    let written: Vec<String> = written.map(|(key, items)| format!("{key}: [{}]", items.join(", "))).collect();
    if written.is_empty() { String::new() } else { format!(", require: {{ {} }}", written.join(", ")) }
}

fn when(text: Option<&str>) -> String {
    text.map(|text| format!(", when: \"{text}\"")).unwrap_or_default()
}

fn union(one: &[String], other: &[String]) -> Vec<String> {
    let mut all = one.to_vec();
    all.extend(other.iter().filter(|item| !one.contains(item)).cloned());
    all
}

fn rules(templates: &str, rule: &str) -> String {
    let text =
        format!("profile: bifrost\n{templates}rules:\n  - {{ name: a, match: {{ paths: [\"/a/{{id}}\"] }}{rule} }}\n");
    let loaded = load_text(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    format!("{:?}", loaded.config.snapshot.rules)
}

#[test]
fn a_rule_with_a_template_is_the_rule_written_out() {
    let conditions = || {
        prop_oneof![
            Just(None),
            Just(Some("claims.level >= 2")),
            Just(Some("path.id == 'a' || claims.org == 'b' // either")),
        ]
    };
    let side = || (list("r", &["x", "y"]), list("s", &["x", "y"]), list("p", &["x"]), conditions());
    runner(300)
        .run(&(side(), side()), |((r1, s1, p1, w1), (r2, s2, p2, w2))| {
            let of = |roles: &[String], scopes: &[String], permissions: &[String]| {
                require(&[("roles", roles), ("scopes", scopes), ("permissions", permissions)])
            };
            let template = format!("{}{}", of(&r1, &s1, &p1), when(w1));
            if template.is_empty() {
                return Ok(());
            }
            let templates = format!("templates: {{ t: {{ {} }} }}\n", template.trim_start_matches(", "));
            let with = rules(&templates, &format!(", template: t{}{}", of(&r2, &s2, &p2), when(w2)));
            let both = match (w1, w2) {
                (Some(one), Some(other)) => Some(format!("({one}\\n) && ({other}\\n)")),
                (one, other) => one.or(other).map(str::to_owned),
            };
            let joined = of(&union(&r2, &r1), &union(&s2, &s1), &union(&p2, &p1));
            prop_assert_eq!(with, rules("", &format!("{joined}{}", when(both.as_deref()))));
            Ok(())
        })
        .unwrap();
}
