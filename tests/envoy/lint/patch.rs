//! Changes of a configuration of Envoy, as the table writes them.

use serde::Deserialize;
use serde_json::Value;
use std::fmt::Write;

/// One change: `set`, `insert` before the element of this index, or removal.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Patch {
    pub(super) at: String,
    pub(super) set: Option<Value>,
    pub(super) insert: Option<Value>,
}

/// The parts that a change names by a letter: in the one listener, and in modgud's cluster.
pub(super) struct Place;

impl Place {
    const LISTENER: &str = "/static_resources/listeners/0";
    const CLUSTER: &str = "/static_resources/clusters/0";

    /// The pointer of a place, from the root of the configuration.
    pub(super) fn pointer(at: &str) -> String {
        let (part, rest) = at.split_once('/').map_or((at, ""), |(part, rest)| (part, rest));
        let manager = format!("{}/filter_chains/0/filters/0/typed_config", Self::LISTENER);
        let base = match part {
            "L" => Self::LISTENER.to_owned(),
            "M" => manager,
            "A" => format!("{manager}/http_filters/1/typed_config"),
            "R" => format!("{manager}/route_config/virtual_hosts/0/routes/0"),
            "C" => Self::CLUSTER.to_owned(),
            other => panic!("{other} is no place"),
        };
        format!("{base}/{rest}")
    }

    /// The path of a finding, from the root of the configuration.
    pub(super) fn path(short: &str) -> String {
        let (part, rest) = short.split_at(short.find(['.', '[']).unwrap_or(short.len()));
        if !matches!(part, "L" | "M" | "A" | "R" | "C") {
            return short.to_owned();
        }
        let pointer = Self::pointer(part);
        let mut path = String::new();
        for step in pointer.trim_matches('/').split('/') {
            match step.parse::<usize>() {
                Ok(index) => write!(path, "[{index}]").unwrap(),
                Err(_) if path.is_empty() => path.push_str(step),
                Err(_) => write!(path, ".{step}").unwrap(),
            }
        }
        path + rest
    }
}

/// Applies changes to a configuration with one listener.
pub(super) fn apply(root: &mut Value, patches: &[Patch]) {
    for Patch { at, set, insert } in patches {
        let pointer = Place::pointer(at);
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        let parent = root.pointer_mut(parent).unwrap_or_else(|| panic!("{at}: there is no such place"));
        match (parent, set, insert) {
            (Value::Array(list), None, Some(value)) => list.insert(key.parse().unwrap(), value.clone()),
            (Value::Array(list), None, None) => drop(list.remove(key.parse().unwrap())),
            (Value::Array(list), Some(value), None) => list[key.parse::<usize>().unwrap()] = value.clone(),
            (Value::Object(members), Some(value), None) => drop(members.insert(key.to_owned(), value.clone())),
            (Value::Object(members), None, None) => {
                drop(members.remove(key).unwrap_or_else(|| panic!("{at} is not there")));
            }
            (other, _, _) => panic!("{at}: {other} can't be changed so"),
        }
    }
}
