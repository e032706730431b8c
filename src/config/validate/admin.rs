//! Validates `server.admin`: the addresses of probes and metrics, and of the page.

use crate::config::diagnostic::Diagnostics;
use crate::config::path::Path;
use crate::config::raw::{Admin, AdminListeners};
use crate::diagnostic::{Issue, Quoted};
use crate::net::listen_addr::ListenAddr;
use std::net::SocketAddr;

/// Returns the address of probes and metrics, and that of the page; `None` if it is missing or invalid.
pub(super) fn check(
    at: &Path,
    admin: Option<&Admin>,
    diagnostics: &mut Diagnostics,
) -> (Option<SocketAddr>, Option<ListenAddr>) {
    match admin {
        None => (None, None),
        Some(Admin::Address(text)) => (listen(at, text, diagnostics), None),
        Some(Admin::Listeners(AdminListeners { listen: address, ui })) => {
            let address = address.as_ref().and_then(|text| listen(&at.key("listen"), text, diagnostics));
            (address, ui.as_ref().and_then(|text| page(&at.key("ui"), text, diagnostics)))
        }
    }
}

fn listen(at: &Path, text: &str, diagnostics: &mut Diagnostics) -> Option<SocketAddr> {
    let read = text.parse().map_err(|_| {
        let message = format!("{} is not an address", Quoted::new(text));
        let help = "write an IP address and a port, such as `127.0.0.1:9191` or `[::1]:9191`";
        Issue::error("address-invalid", message, help)
    });
    diagnostics.ok_or_report(at, read)
}

fn page(at: &Path, text: &str, diagnostics: &mut Diagnostics) -> Option<ListenAddr> {
    let read = text
        .parse()
        .map_err(|error| Issue::parse("address-invalid", format!("{} is not an address; {error}", Quoted::new(text))));
    let address: ListenAddr = diagnostics.ok_or_report(at, read)?;
    if !address.is_local() {
        let message = "other machines can connect here, and the page has no login: it shows requests, rules and the configuration";
        let help = "write an address of this machine, such as `127.0.0.1:9194`, or a socket, such as `unix:/run/modgud/page.sock`, and \
                    reach it from elsewhere by `kubectl port-forward POD 9194` or `ssh -L 9194:127.0.0.1:9194 HOST`";
        diagnostics.add(at.clone(), Issue::error("ui-not-local", message, help));
        return None;
    }
    if let ListenAddr::Abstract(_) = address {
        let message = "an abstract socket has no file mode: every process in the same network namespace can open the page, which has no login";
        let help =
            "write a socket with a file, such as `unix:/run/modgud/page.sock`, or an address, such as `127.0.0.1:9194`";
        diagnostics.add(at.clone(), Issue::error("ui-abstract", message, help));
        return None;
    }
    Some(address)
}
