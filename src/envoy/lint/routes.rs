//! The routes of a connection manager: which requests they match, and which service they reach.

use super::Context;
use super::code::Code;
use super::fields;
use super::filters::{Chain, overwrites};
use super::matcher::expression;
use super::view::At;
use crate::diagnostic::Quoted;

/// Pages of the admin interface that only show figures.
const HARMLESS_PAGES: [&str; 4] = ["/ready", "/server_info", "/stats", "/stats/prometheus"];

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
            let name = rds.text("route_config_name").unwrap_or_default();
            match context.model.routes(name) {
                Some(found) => routes.add(found),
                None => routes.leave_out(&rds, format!("the routes {} are not in these files", Quoted::new(name))),
            }
        } else {
            let scoped = manager.field("scoped_routes");
            routes.leave_out(scoped.as_ref().unwrap_or(manager), "the routes are not in these files".to_owned());
        }
        routes
    }

    fn leave_out(&mut self, at: &At<'n>, found: String) {
        self.is_partial = true;
        at.report(Code::NotIncluded, found);
    }

    fn add(&mut self, config: &At<'n>) {
        config.only(fields::ROUTE_CONFIGURATION);
        if let Some(more) = config.field("vhds") {
            self.leave_out(&more, "further virtual hosts are not in these files".to_owned());
        }
        for host in config.items("virtual_hosts") {
            let name = host.text("name");
            let host = host.within("virtual host", name);
            host.only(fields::VIRTUAL_HOST);
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
        route.only(fields::ROUTE);
        let Some(action) = route.field("route") else { return };
        action.only(fields::ROUTE_ACTION);
        let levels = vec![route.clone(), host.clone(), config.clone()];
        for plugin in ["cluster_specifier_plugin", "inline_cluster_specifier_plugin"] {
            if let Some(plugin) = action.field(plugin) {
                plugin.report(Code::RouteUnclear, "a plugin selects the service");
            }
        }
        if let Some(header) = action.field("cluster_header") {
            header.report(Code::ClusterByHeader, "a header of the request names the service");
        }
        let weighted = action.field("weighted_clusters").map(|all| all.items("clusters")).unwrap_or_default();
        for cluster in &weighted {
            if let Some(header) = cluster.field("cluster_header").filter(|header| header.as_text() != Some("")) {
                header.report(Code::ClusterByHeader, "a header of the request names the service");
            }
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
        let path = self.at.field("match").and_then(|matched| matched.text("path"));
        let is_harmless = path.is_some_and(|path| HARMLESS_PAGES.contains(&path));
        if is_harmless { Target::AdminFigures } else { Target::Admin }
    }

    /// Checks which paths a route matches, and which headers it adds. Only for routes on which modgud decides.
    pub(super) fn check(&self, context: &Context<'_, 'n>, chain: &Chain<'n>) {
        for level in &self.levels {
            chain.check_mutations(context, level);
            for added in level.items("request_headers_to_add") {
                overwrites(context, &added);
            }
        }
        let Some(matched) = self.at.field("match") else { return };
        matched.only(fields::ROUTE_MATCH);
        let folds_case = context.settings.is_some_and(|settings| settings.folds_case);
        if matched.flag("case_sensitive") == Some(false) && !folds_case {
            matched.report_field("case_sensitive", Code::RouteIgnoresCase, "`case_sensitive` is `false`");
        }
        if let Some(prefix) = matched.text("prefix").filter(|prefix| !prefix.is_empty() && !prefix.ends_with('/')) {
            let longer = format!("{prefix}x");
            let found = format!("it has no `/` at its end, so {} matches too", Quoted::new(&longer));
            matched.report_field("prefix", self.longer(), found);
        }
        for unclear in ["connect_matcher", "path_match_policy"] {
            if let Some(unclear) = matched.field(unclear) {
                unclear.report(Code::RouteUnclear, "it matches requests by other means than path and prefix");
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
