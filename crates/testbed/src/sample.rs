//! The sample Envoy configuration, `deploy/envoy.yaml`, with other addresses, for the demo and for tests. So both use
//! the very file that users start from.

use std::net::SocketAddr;

/// The sample of the repository.
pub const SAMPLE: &str = include_str!("../../../deploy/envoy.yaml");

/// Replacements for the sample's addresses.
#[derive(Debug, Clone, Copy)]
pub(super) struct Endpoints {
    /// Envoy's listener for clients; 0.0.0.0:8000 in the sample.
    pub(super) listener: SocketAddr,
    /// Envoy's own admin listener; 127.0.0.1:9901 in the sample.
    pub(super) admin: SocketAddr,
    /// modgud; 127.0.0.1:9191 in the sample.
    pub(super) modgud: SocketAddr,
    /// The module `crm`; crm:8080 in the sample.
    pub(super) crm: SocketAddr,
    /// The module `documents`; documents:8080 in the sample.
    pub(super) documents: SocketAddr,
    /// The core service; core:8080 in the sample.
    pub(super) core: SocketAddr,
}

/// Returns the sample with these addresses.
#[must_use]
pub(super) fn sample(endpoints: &Endpoints) -> String {
    let Endpoints { listener, admin, modgud, crm, documents, core } = endpoints;
    let replaced = [
        ("0.0.0.0", "8000", listener),
        ("127.0.0.1", "9901", admin),
        ("127.0.0.1", "9191", modgud),
        ("crm", "8080", crm),
        ("documents", "8080", documents),
        ("core", "8080", core),
    ];
    let mut yaml = SAMPLE.to_owned();
    for (host, port, new) in replaced {
        yaml = replace(&yaml, (host, port), new);
    }
    yaml
}

/// Replaces one address: `address: HOST` and `port_value: PORT` on consecutive lines.
fn replace(yaml: &str, (host, port): (&str, &str), new: &SocketAddr) -> String {
    let (old_host, old_port) = (format!("address: {host}"), format!("port_value: {port}"));
    let mut lines: Vec<String> = yaml.lines().map(str::to_owned).collect();
    let pairs = lines.windows(2).map(|pair| matches!(pair, [a, b] if a.trim() == old_host && b.trim() == old_port));
    let found: Vec<bool> = pairs.collect();
    for (at, _) in found.into_iter().enumerate().filter(|(_, is)| *is) {
        if let Some([host_line, port_line]) = lines.get_mut(at..at.saturating_add(2)) {
            *host_line = host_line.replace(&old_host, &format!("address: \"{}\"", new.ip()));
            *port_line = port_line.replace(&old_port, &format!("port_value: {}", new.port()));
        }
    }
    lines.push(String::new());
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::{Endpoints, SAMPLE, sample};

    #[test]
    fn every_address_of_the_sample_is_replaced() {
        let at = |port: u16| ([127, 0, 0, 2], port).into();
        let yaml = sample(&Endpoints {
            listener: at(1),
            admin: at(2),
            modgud: at(3),
            crm: at(4),
            documents: at(5),
            core: at(6),
        });
        for port in 1..=6 {
            assert_eq!(yaml.matches(&format!("port_value: {port}\n")).count(), 1, "port {port}");
        }
        assert_eq!(yaml.matches("address: \"127.0.0.2\"").count(), 6);
        assert_eq!(SAMPLE.matches("port_value: ").count(), 6, "an address that nothing replaces");
    }
}
