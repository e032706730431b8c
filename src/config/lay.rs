//! Lays a user's file over what it stands on: maps merge, but for those that say one thing in one of several ways. Knows no
//! meaning of a key.

use super::tree::{Node, Value};

/// The maps of which one member stands in the place of another: merged, they would say two things. `*` is any key.
const WHOLE: [&[&str]; 3] =
    [&["upstream", "headers", "*"], &["upstream", "credential"], &["upstream", "metadata", "*"]];

/// The file laid over what is below it.
pub(super) fn lay(mut below: Node, file: Node) -> Node {
    for path in WHOLE {
        give_way(&mut below, &file, path);
    }
    below.overlay(file)
}

/// Empties what a map of the file stands in the place of.
fn give_way(below: &mut Node, file: &Node, path: &[&str]) {
    let (Value::Map(entries), Value::Map(written)) = (&mut below.value, &file.value) else { return };
    let Some((name, rest)) = path.split_first() else {
        below.value = Value::Null;
        return;
    };
    for entry in entries.iter_mut().filter(|entry| *name == "*" || entry.key == *name) {
        if let Some(written) = written.iter().find(|written| written.key == entry.key) {
            give_way(&mut entry.node, &written.node, rest);
        }
    }
}
