//! Values of the command line in the tree of a configuration.

use crate::net::listen_addr::ListenAddr;
use crate::yaml::{Location, Member, Node, Value};
use std::mem;
use std::net::SocketAddr;

/// Applies `--admin` and `--ui` to `server.admin`, which is an address or a map. A map without `listen` gets the `default`.
pub(super) fn set_admin(
    server: &mut Vec<Member>,
    default: Option<Node>,
    listen: Option<&SocketAddr>,
    ui: Option<&ListenAddr>,
) {
    let found = server.iter_mut().find(|entry| entry.key == "admin").map(|entry| &mut entry.node);
    if let (Some(node), Some(_)) = (found, ui)
        && let Value::Text(_) = node.value
    {
        let key_place = node.place.clone();
        let address = mem::replace(node, Node { place: key_place.clone(), value: Value::Map(Vec::new()) });
        node.value = Value::Map(vec![Member { key: "listen".to_owned(), key_place, node: address }]);
    }
    match server.iter_mut().find(|entry| entry.key == "admin").map(|entry| &mut entry.node.value) {
        Some(Value::Map(map)) => {
            if let (None, Some(node)) = (map.iter().find(|entry| entry.key == "listen"), default) {
                map.insert(0, Member { key: "listen".to_owned(), key_place: node.place.clone(), node });
            }
            if let Some(address) = listen {
                set(map, "listen", "--admin", address.to_string());
            }
            if let Some(address) = ui {
                set(map, "ui", "--ui", address.to_string());
            }
        }
        // A value of the wrong type is replaced, or stays and is reported.
        Some(_) | None => {
            if let Some(address) = listen {
                set(server, "admin", "--admin", address.to_string());
            }
        }
    }
}

/// Replaces a member by a text, or inserts it before all others.
pub(super) fn set(map: &mut Vec<Member>, key: &str, origin: &str, text: String) {
    let location = Location { origin: origin.into(), position: None };
    let node = Node { place: location.clone(), value: Value::Text(text) };
    match map.iter_mut().find(|entry| entry.key == key) {
        Some(entry) => entry.node = node,
        None => map.insert(0, Member { key: key.to_owned(), key_place: location, node }),
    }
}
