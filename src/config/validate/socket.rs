//! Validates `server.socket`: the mode and the group of a Unix socket's file.

use crate::config::diagnostic::Diagnostics;
use crate::config::path::Path;
use crate::config::raw;
use crate::diagnostic::{Issue, Quoted};
use crate::net::listen_addr::ListenAddr;
use crate::net::socket_access::{SocketAccess, SocketGroup};

/// The permissions of the owner without which modgud could not ask whether a process serves a socket that it finds at its start.
const OWNER: u32 = 0o600;

/// Checks that the section has an effect on a listener: for checks, or the page. `http` and `ui` are `None` if the configuration has no such
/// listener.
pub(super) fn without_file(
    at: &Path,
    grpc: &ListenAddr,
    (http, ui): (Option<&ListenAddr>, Option<&ListenAddr>),
    diagnostics: &mut Diagnostics,
) {
    let found = match (grpc, http) {
        _ if matches!(ui, Some(ListenAddr::Unix(_))) => return,
        (ListenAddr::Unix(_), _) | (_, Some(ListenAddr::Unix(_))) => return,
        (ListenAddr::Tcp(_), None) => "`server.grpc` is a TCP address",
        (ListenAddr::Abstract(_), None) => {
            "`server.grpc` is an abstract socket, to which every process in the same network namespace may connect"
        }
        (_, Some(_)) => "neither `server.grpc` nor `server.http.listen` is a socket with a file",
    };
    let help = "write `server.grpc: unix:/PATH`, or leave `socket` out";
    diagnostics.add(at.clone(), Issue::error("socket-without-file", format!("has no effect, because {found}"), help));
}

/// Validates the section.
pub(super) fn check(at: &Path, socket: Option<&raw::Socket>, diagnostics: &mut Diagnostics) -> SocketAccess {
    let Some(raw::Socket { mode, group }) = socket else { return SocketAccess::default() };
    let mode = mode.as_ref().and_then(|mode| diagnostics.ok_or_report(&at.key("mode"), self::mode(mode)));
    let group = group.as_ref().and_then(|group| diagnostics.ok_or_report(&at.key("group"), self::group(group)));
    SocketAccess { mode: mode.unwrap_or(SocketAccess::DEFAULT_MODE), group }
}

fn mode(raw::Mode(text): &raw::Mode) -> Result<u32, Issue> {
    let octal = (text.len() == 4 && text.bytes().all(|digit| digit.is_ascii_digit()))
        .then(|| u32::from_str_radix(text, 8).ok())
        .flatten()
        .filter(|mode| *mode <= 0o777);
    let Some(mode) = octal else {
        let message = format!("{} is not a mode", Quoted::new(text));
        let help = "write `0` and three octal digits, such as `\"0660\"` (owner and group) or `\"0600\"` (owner only)";
        return Err(Issue::error("socket-mode-invalid", message, help));
    };
    if mode & OWNER != OWNER {
        let message = format!(
            "{} denies modgud's own user to read or to write, so that a restart could not ask whether a process serves the socket",
            Quoted::new(text)
        );
        return Err(Issue::error(
            "socket-mode-without-owner",
            message,
            "write a mode that begins with `06`, such as `\"0660\"`",
        ));
    }
    Ok(mode)
}

fn group(group: &raw::Group) -> Result<SocketGroup, Issue> {
    match group {
        raw::Group::Id(id) => Ok(SocketGroup::Id(*id)),
        raw::Group::Name(name) => match name.parse() {
            Ok(id) => Ok(SocketGroup::Id(id)),
            Err(_) if is_name(name) => Ok(SocketGroup::Name(name.clone())),
            Err(_) => {
                let message = format!("{} is not the name of a group", Quoted::new(name));
                let help = "write a name without spaces and colons, such as `envoy`, or a number, such as `65532`";
                Err(Issue::error("socket-group-invalid", message, help))
            }
        },
    }
}

/// Returns true if a group can have this name: `/etc/group` separates its fields with colons (group(5)).
fn is_name(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| !c.is_whitespace() && !c.is_control() && c != ':' && c != ',')
}
