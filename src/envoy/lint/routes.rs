//! The routes of a connection manager: which requests they match, and which service they reach.

use super::Context;
use super::code::Code;
use super::fields;
use super::filters::Chain;
use super::headers::{check_added, check_removed, is_of_client};
use super::matcher::expression;
use super::view::At;
use crate::diagnostic::Quoted;
use std::collections::BTreeSet;

/// Pages of the admin interface that only show figures.
const HARMLESS_PAGES: [&str; 3] = ["/ready", "/stats", "/stats/prometheus"];

const SERVICE_BY_HEADER: &str = "a header of the request names the service";

/// The characters with a meaning in an expression.
const SIGNS: &str = r"\.+*?()|[]{}^$";

/// The fields of a route that change the path.
const REWRITES: [&str; 4] = ["prefix_rewrite", "regex_rewrite", "path_rewrite", "path_rewrite_policy"];

/// The routes of a connection manager.
pub(super) struct Routes<'n> {
    /// The routes that forward requests to a service.
    pub(super) forwarding: Vec<Route<'n>>,
    /// True if there are routes that are not in these files.
    pub(super) is_partial: bool,
}

/// A route that forwards requests.
pub(super) struct Route<'n> {
    at: At<'n>,
    /// Itself and what it is in, the most specific first. Each can have settings of filters.
    pub(super) levels: Vec<At<'n>>,
    cluster: Option<&'n str>,
}

/// What a route means for modgud.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    /// A service.
    Service,
    /// The admin interface.
    Admin,
    /// One page of the admin interface that only shows figures.
    AdminFigures,
}

impl<'n> Routes<'n> {
    pub(super) fn of(context: &Context<'_, 'n>, manager: &At<'n>) -> Self {
        let mut routes = Self { forwarding: Vec::new(), is_partial: false };
        if let Some(inline) = manager.field("route_config") {
            routes.add(&inline);
        } else if let Some(rds) = manager.field("rds") {
            routes.add_by_name(context, &rds, rds.text("route_config_name").unwrap_or_default());
        } else {
            match manager.field("scoped_routes") {
                Some(scoped) => routes.add_scopes(context, &scoped),
                None => routes.leave_out(manager, "the routes are not in these files".to_owned()),
            }
        }
        routes
    }

    fn add_by_name(&mut self, context: &Context<'_, 'n>, at: &At<'n>, name: &str) {
        match context.model.routes(name) {
            Some(found) => self.add(found),
            None => self.leave_out(at, format!("the routes {} are not in these files", Quoted::new(name))),
        }
    }

    /// Adds the routes of all scopes: a part of the request chooses one.
    fn add_scopes(&mut self, context: &Context<'_, 'n>, scoped: &At<'n>) {
        scoped.report_field("scope_key_builder", Code::RouteUnclear, "a header of the request selects the routes");
        let Some(list) = scoped.field("scoped_route_configurations_list") else {
            context.model.all_routes().for_each(|routes| self.add(routes));
            self.leave_out(scoped, "the scopes of routes are not in these files".to_owned());
            return;
        };
        for scope in list.items("scoped_route_configurations") {
            match scope.field("route_configuration") {
                Some(inline) => self.add(&inline),
                None => self.add_by_name(context, &scope, scope.text("route_configuration_name").unwrap_or_default()),
            }
        }
    }

    /// Returns the names of all clusters.
    pub(super) fn clusters(&self) -> BTreeSet<&'n str> {
        self.forwarding.iter().filter_map(|route| route.cluster).collect()
    }

    fn leave_out(&mut self, at: &At<'n>, found: String) {
        self.is_partial = true;
        at.report(Code::NotIncluded, found);
    }

    fn add(&mut self, config: &At<'n>) {
        config.only_fields(&fields::ROUTE_CONFIGURATION);
        chosen_by_header(config, "vhost_header", "a header of the request names the virtual host");
        check_mirrors(config);
        if let Some(more) = config.field("vhds") {
            self.leave_out(&more, "further virtual hosts are not in these files".to_owned());
        }
        for host in config.items("virtual_hosts") {
            let name = host.text("name");
            let host = host.within("virtual host", name);
            host.only_fields(&fields::VIRTUAL_HOST);
            check_mirrors(&host);
            if let Some(matcher) = host.field("matcher") {
                matcher.report(Code::RouteUnclear, "a matcher selects the route");
                self.is_partial = true;
            }
            for route in host.items("routes") {
                let name = route.text("name");
                self.route(&route.within("route", name), &host, config);
            }
        }
    }

    fn route(&mut self, route: &At<'n>, host: &At<'n>, config: &At<'n>) {
        route.only_fields(&fields::ROUTE);
        let Some(action) = route.field("route") else { return };
        action.only_fields(&fields::ROUTE_ACTION);
        let levels = vec![route.clone(), host.clone(), config.clone()];
        chosen_by_header(&action, "cluster_header", SERVICE_BY_HEADER);
        chosen_by_header(&action, "host_rewrite_header", "a header of the request is the host that the service sees");
        check_mirrors(&action);
        for name in ["path_rewrite", "host_rewrite"] {
            if action.text(name).is_some_and(is_of_client) {
                action.report_field(name, Code::ClusterByHeader, "it is written from what the client sends");
            }
        }
        let weighted = action.field("weighted_clusters").map(|all| all.items("clusters")).unwrap_or_default();
        for cluster in &weighted {
            cluster.only_fields(&fields::WEIGHTED_CLUSTER);
            chosen_by_header(cluster, "cluster_header", SERVICE_BY_HEADER);
            let levels = [std::slice::from_ref(cluster), &levels].concat();
            self.forwarding.push(Route { at: route.clone(), levels, cluster: cluster.text("name") });
        }
        if weighted.is_empty() {
            self.forwarding.push(Route { at: route.clone(), levels, cluster: action.text("cluster") });
        }
    }
}

impl<'n> Route<'n> {
    /// Returns its cluster for a text.
    pub(super) fn destination(&self) -> String {
        self.cluster.map_or_else(|| "a service".to_owned(), |name| Quoted::new(name).to_string())
    }

    /// Returns the route itself.
    pub(super) fn at(&self) -> &At<'n> {
        &self.at
    }

    pub(super) fn target(&self, context: &Context<'_, 'n>) -> Target {
        if !self.cluster.is_some_and(|cluster| context.model.is_admin(cluster)) {
            return Target::Service;
        }
        let rewritten = |name: &str| self.at.at(&["route", name]);
        let path = self.at.field("match").and_then(|matched| matched.field("path"));
        // Of a whole path, `prefix_rewrite` replaces all.
        let page = path.map(|path| rewritten("prefix_rewrite").unwrap_or(path));
        let is_harmless = page.is_some_and(|page| page.as_text().is_some_and(|page| HARMLESS_PAGES.contains(&page)))
            && ["regex_rewrite", "path_rewrite", "path_rewrite_policy"].iter().all(|name| rewritten(name).is_none());
        if is_harmless { Target::AdminFigures } else { Target::Admin }
    }

    /// Checks which paths a route matches, and which headers it adds. Only for routes on which modgud decides.
    pub(super) fn check(&self, context: &Context<'_, 'n>, chain: &Chain<'n>) {
        for level in &self.levels {
            chain.check_mutations(context, level);
            for added in level.items("request_headers_to_add") {
                check_added(context, &added);
            }
            level.items("request_headers_to_remove").iter().for_each(|removed| check_removed(context, removed));
        }
        let Some(matched) = self.at.field("match") else { return };
        matched.only_fields(&fields::ROUTE_MATCH);
        let folds_case = context.settings.is_some_and(|settings| settings.folds_case);
        if matched.flag("case_sensitive") == Some(false) && !folds_case {
            matched.report_field("case_sensitive", Code::RouteIgnoresCase, "`case_sensitive` is `false`");
        }
        if let Some(prefix) = matched.text("prefix").filter(|prefix| !prefix.is_empty() && !prefix.ends_with('/')) {
            let longer = format!("{prefix}x");
            let found = format!("it has no `/` at its end, so {} matches too", Quoted::new(&longer));
            matched.report_field("prefix", self.longer(), found);
        }
        let rewrites = ["prefix_rewrite", "regex_rewrite", "path_rewrite"];
        if rewrites.iter().any(|name| self.at.at(&["route", name]).is_some()) {
            // What begins with `:` is a part of the request on which modgud decides.
            let is_free = |one: &At<'_>| !one.text("name").is_some_and(|name| name.starts_with(':'));
            for name in ["headers", "query_parameters", "cookies"] {
                if matched.items(name).iter().any(is_free) {
                    let found = "the client selects this route, which changes the path, by more than the path";
                    matched.report_field(name, Code::RouteUnclear, found);
                }
            }
        }
        if let Some(regex) = matched.at(&["safe_regex", "regex"]) {
            check_expression(&regex, self.longer());
        }
    }

    /// Returns the code for names that are longer than the prefix. With a rewrite the service gets a path on which modgud did not decide.
    fn longer(&self) -> Code {
        let action = self.at.field("route");
        let rewrites = REWRITES.iter().any(|name| action.as_ref().is_some_and(|action| action.field(name).is_some()));
        if rewrites { Code::PrefixWithoutSeparator } else { Code::LongerNames }
    }
}

/// Reports a field that names a header.
fn chosen_by_header(at: &At<'_>, name: &str, found: &str) {
    if at.field(name).is_some_and(|header| header.as_text() != Some("")) {
        at.report_field(name, Code::ClusterByHeader, found);
    }
}

/// Checks the services that get a copy of each request.
fn check_mirrors(level: &At<'_>) {
    for mirror in level.items("request_mirror_policies") {
        chosen_by_header(&mirror, "cluster_header", "a header of the request names the service that gets a copy");
    }
}

/// Checks an expression for paths: its fixed beginning must end with a segment.
fn check_expression(regex: &At<'_>, code: Code) {
    let text = regex.as_text().unwrap_or_default();
    let end = text.find(|letter| SIGNS.contains(letter)).unwrap_or(text.len());
    let stem = text.get(..end).unwrap_or_default();
    let longer = format!("{stem}zz/zz");
    let matches_longer = expression(text).is_some_and(|expression| expression.is_match(&longer));
    if stem.len() > 1 && !stem.ends_with('/') && matches_longer {
        regex.report(code, format!("the expression also matches {}", Quoted::new(&longer)));
    } else {
        regex.report(Code::RegexRoute, "the path is matched by an expression");
    }
}
