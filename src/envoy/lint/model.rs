//! The parts of Envoy's configuration in one or more documents: a bootstrap, files with `resources`, and dumps of the admin interface.

use super::code::Code;
use super::view::At;
use std::collections::BTreeMap;

/// The types of resources.
const LISTENER: &str = "envoy.config.listener.v3.Listener";
const ROUTES: &str = "envoy.config.route.v3.RouteConfiguration";
const CLUSTER: &str = "envoy.config.cluster.v3.Cluster";
const EXTENSION: &str = "envoy.config.core.v3.TypedExtensionConfig";
const BOOTSTRAP: &str = "envoy.config.bootstrap.v3.Bootstrap";
const SCOPE: &str = "envoy.config.route.v3.ScopedRouteConfiguration";
const RESOURCE: &str = "envoy.service.discovery.v3.Resource";

/// The document is no configuration of Envoy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "it is no configuration of Envoy; name a bootstrap (`static_resources`), a file with `resources`, or the output of `/config_dump`"
)]
pub struct NotEnvoy;

/// A host and a port.
pub(super) type HostPort<'n> = (&'n str, u64);

/// The parts of all documents.
#[derive(Default)]
pub(super) struct Model<'n> {
    pub(super) listeners: Vec<At<'n>>,
    pub(super) clusters: BTreeMap<&'n str, At<'n>>,
    routes: BTreeMap<&'n str, At<'n>>,
    extensions: BTreeMap<&'n str, At<'n>>,
    /// The address of Envoy's admin interface.
    pub(super) admin: Option<HostPort<'n>>,
    /// The layers of the runtime that a bootstrap has itself.
    runtime: Vec<At<'n>>,
    /// The parts that a bootstrap takes from elsewhere.
    sources: Vec<At<'n>>,
    /// True if there is a bootstrap that takes no clusters from elsewhere.
    has_all_clusters: bool,
    has_other_listeners: bool,
    has_other_clusters: bool,
}

impl<'n> Model<'n> {
    /// Adds a document.
    ///
    /// # Errors
    /// [`NotEnvoy`].
    pub(super) fn add(&mut self, root: &At<'n>) -> Result<(), NotEnvoy> {
        if !root.is_map() {
            return Err(NotEnvoy);
        }
        if let Some(configs) = root.field("configs") {
            let dumps = configs.elements();
            if dumps.is_empty() {
                return Err(NotEnvoy);
            }
            return dumps.iter().try_for_each(|dump| self.dump(dump, &dumps));
        }
        if let Some(resources) = root.field("resources") {
            return resources.elements().into_iter().try_for_each(|resource| self.resource(resource));
        }
        if root.message().is_some() {
            return self.resource(root.clone());
        }
        if root.field("static_resources").is_none() && root.field("dynamic_resources").is_none() {
            return Err(NotEnvoy);
        }
        self.whole(root);
        Ok(())
    }

    /// Adds a bootstrap with its static resources.
    fn whole(&mut self, root: &At<'n>) {
        self.bootstrap(root);
        let statics = root.field("static_resources");
        for (listeners, clusters) in statics.iter().map(|all| (all.items("listeners"), all.items("clusters"))) {
            self.listeners.extend(listeners);
            for cluster in clusters {
                insert(&mut self.clusters, cluster);
            }
        }
    }

    /// Reads what a bootstrap has beside static resources.
    fn bootstrap(&mut self, root: &At<'n>) {
        self.admin = self.admin.or_else(|| socket(&root.field("admin")?));
        let layers = root.field("layered_runtime").map(|runtime| runtime.items("layers")).unwrap_or_default();
        self.runtime.extend(layers.iter().filter_map(|layer| layer.field("static_layer")));
        let dynamic = root.field("dynamic_resources");
        let source = |name: &str| dynamic.as_ref().and_then(|dynamic| dynamic.field(name));
        let clusters = source("cds_config");
        self.has_all_clusters |= clusters.is_none();
        self.sources.extend(source("lds_config").into_iter().chain(clusters));
    }

    /// Adds a resource of a file, or of a dump.
    fn resource(&mut self, resource: At<'n>) -> Result<(), NotEnvoy> {
        match resource.message() {
            Some(LISTENER) => {
                self.has_other_listeners = true;
                self.listeners.push(resource);
            }
            Some(ROUTES) => insert(&mut self.routes, resource),
            Some(CLUSTER) => {
                self.has_other_clusters = true;
                insert(&mut self.clusters, resource);
            }
            Some(EXTENSION) => insert(&mut self.extensions, resource),
            Some(BOOTSTRAP) => self.whole(&resource),
            Some(SCOPE) => {
                resource.field("route_configuration").into_iter().for_each(|routes| insert(&mut self.routes, routes));
            }
            Some(RESOURCE) => {
                let inner = resource.field("resource").ok_or(NotEnvoy)?;
                return if inner.message() == Some(RESOURCE) { Err(NotEnvoy) } else { self.resource(inner) };
            }
            // Secrets, endpoints and the like: what they leave open stays `not-included`.
            Some(name) if name.starts_with("envoy.") => {}
            Some(_) | None => return Err(NotEnvoy),
        }
        Ok(())
    }

    /// Adds a part of a dump. `?resource=` and `?mask=` leave parts out.
    fn dump(&mut self, dump: &At<'n>, all: &[At<'n>]) -> Result<(), NotEnvoy> {
        // With `?resource=bootstrap`.
        if dump.message() == Some(BOOTSTRAP) {
            self.whole(dump);
            return Ok(());
        }
        let name = dump.message().and_then(|name| name.strip_prefix("envoy.admin.v3.")).ok_or(NotEnvoy)?;
        let has = |name: &str| all.iter().any(|dump| dump.message().is_some_and(|known| known.ends_with(name)));
        match name {
            "BootstrapConfigDump" => {
                let Some(bootstrap) = dump.field("bootstrap") else { return Ok(()) };
                self.bootstrap(&bootstrap);
                // The other parts of a whole dump repeat the static resources.
                let statics = bootstrap.field("static_resources");
                if !has(".ListenersConfigDump") {
                    self.listeners.extend(statics.iter().flat_map(|statics| statics.items("listeners")));
                }
                if !has(".ClustersConfigDump") {
                    let clusters = statics.iter().flat_map(|statics| statics.items("clusters"));
                    clusters.for_each(|cluster| insert(&mut self.clusters, cluster));
                }
            }
            "ListenersConfigDump" => {
                for (list, is_dynamic) in [("static_listeners", false), ("dynamic_listeners", true)] {
                    dump.items(list).iter().for_each(|listener| self.listener(listener, is_dynamic));
                }
                self.has_other_listeners = true;
            }
            "ListenersConfigDump.StaticListener" => self.listener(dump, false),
            "ListenersConfigDump.DynamicListener" => self.listener(dump, true),
            "RoutesConfigDump" => {
                // The static ones are in their connection managers too, where they are found.
                dump.items("dynamic_route_configs").iter().for_each(|routes| self.inner(routes, "route_config"));
            }
            "RoutesConfigDump.DynamicRouteConfig" => self.inner(dump, "route_config"),
            "ClustersConfigDump" => {
                for list in ["static_clusters", "dynamic_active_clusters"] {
                    dump.items(list).iter().for_each(|cluster| self.inner(cluster, "cluster"));
                }
                self.has_other_clusters = true;
            }
            "ClustersConfigDump.StaticCluster" | "ClustersConfigDump.DynamicCluster" => self.inner(dump, "cluster"),
            "EcdsConfigDump" => {
                dump.items("ecds_filters").iter().for_each(|filter| self.inner(filter, "ecds_filter"));
            }
            "EcdsConfigDump.EcdsFilterConfig" => self.inner(dump, "ecds_filter"),
            _ => {}
        }
        Ok(())
    }

    /// Adds a listener of a dump: the active one, and the one that takes its place soon.
    fn listener(&mut self, dump: &At<'n>, is_dynamic: bool) {
        self.has_other_listeners |= is_dynamic;
        for state in [&["listener"][..], &["active_state", "listener"], &["warming_state", "listener"]] {
            self.listeners.extend(dump.at(state));
        }
    }

    fn inner(&mut self, dump: &At<'n>, name: &str) {
        let Some(inner) = dump.field(name) else { return };
        match inner.message() {
            Some(CLUSTER) => insert(&mut self.clusters, inner),
            Some(ROUTES) => insert(&mut self.routes, inner),
            Some(EXTENSION) => insert(&mut self.extensions, inner),
            _ => {}
        }
    }

    /// Returns the routes of this name.
    pub(super) fn routes(&self, name: &str) -> Option<&At<'n>> {
        self.routes.get(name)
    }

    /// Returns all routes that have a name.
    pub(super) fn all_routes(&self) -> impl Iterator<Item = &At<'n>> {
        self.routes.values()
    }

    /// Returns the value of a key of the runtime: that of the last layer, with its name as one or as nested maps.
    pub(super) fn runtime(&self, key: &str) -> Option<At<'n>> {
        let below = |at: &At<'n>, name: &str| at.entries().into_iter().find(|(own, _)| *own == name).map(|(_, at)| at);
        let nested = |layer: &At<'n>| key.split('.').try_fold(layer.clone(), |at, name| below(&at, name));
        self.runtime.iter().rev().find_map(|layer| below(layer, key).or_else(|| nested(layer)))
    }

    /// Returns the extension of this name.
    pub(super) fn extension(&self, name: &str) -> Option<&At<'n>> {
        self.extensions.get(name)
    }

    /// Returns true if a cluster that is not here does not exist.
    pub(super) fn has_all_clusters(&self) -> bool {
        self.has_all_clusters || self.has_other_clusters
    }

    /// Reports the parts that the documents leave out.
    pub(super) fn report_sources(&self) {
        for source in &self.sources {
            let is_listeners = source.path().ends_with("lds_config") || source.path().ends_with("ldsConfig");
            let (is_there, what) = if is_listeners {
                (self.has_other_listeners, "listeners")
            } else {
                (self.has_other_clusters, "clusters")
            };
            if !is_there {
                source.report(Code::NotIncluded, format!("the {what} are not in these files"));
            }
        }
    }

    /// Returns true if this cluster is Envoy's own admin interface.
    pub(super) fn is_admin(&self, cluster: &str) -> bool {
        let Some((host, port)) = self.admin else { return false };
        let Some(cluster) = self.clusters.get(cluster) else { return false };
        let addresses: Vec<_> = endpoints(cluster).iter().map(socket).collect();
        let is_local = |other: &str| {
            let loopback = matches!(other, "127.0.0.1" | "::1" | "localhost");
            other == host || loopback && matches!(host, "0.0.0.0" | "::" | "127.0.0.1" | "::1")
        };
        let is_own = |address: &Option<HostPort<'_>>| address.is_some_and(|(other, at)| at == port && is_local(other));
        port != 0 && !addresses.is_empty() && addresses.iter().all(is_own)
    }
}

/// Returns the endpoints that a cluster names itself.
pub(super) fn endpoints<'n>(cluster: &At<'n>) -> Vec<At<'n>> {
    let localities = cluster.field("load_assignment").map(|all| all.items("endpoints")).unwrap_or_default();
    let all = localities.iter().flat_map(|locality| locality.items("lb_endpoints"));
    // One that is named elsewhere has no address here.
    all.map(|one| one.field("endpoint").unwrap_or(one)).collect()
}

/// Returns the address of `address.socket_address`.
fn socket<'n>(of: &At<'n>) -> Option<HostPort<'n>> {
    let socket = of.at(&["address", "socket_address"])?;
    Some((socket.text("address")?, socket.number("port_value")?))
}

/// Adds a part by its name. Envoy uses one of two with the same name.
fn insert<'n>(parts: &mut BTreeMap<&'n str, At<'n>>, part: At<'n>) {
    let name = part.text("name").unwrap_or_default();
    if let Some(known) = parts.get(name) {
        part.report_field("name", Code::FieldTwice, format!("this name is also that of {}", known.path()));
    }
    parts.insert(name, part);
}
