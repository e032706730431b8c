//! HTTP for probes, metrics and modules: `/livez`, `/readyz`, `/metrics`, `/version`, `/.well-known/jwks.json`,
//! `/.well-known/oauth-protected-resource`. Responses contain nothing
//! from requests or credentials.

use super::accept::{Listener, ListenerLimits};
use super::exposition::Exposition;
use super::limits::Limits;
use super::readiness::Readiness;
use super::socket::Socket;
use super::{CheckHandler, metrics, plain_http};
use crate::telemetry::metrics::ListenerName;
use axum::Router;
use axum::extract::State;
use axum::http::header::{ACCEPT, ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_TYPE, VARY};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri};
use axum::response::IntoResponse;
use axum::routing::get;
use hyper_util::service::TowerToHyperService;
use modgud_core::protected_resource::ProtectedResource;
use prometheus_client::registry::Registry;
use std::future::Future;
use std::sync::Arc;

/// The paths with that of the resource.
const RESOURCE_BELOW: &str = "/.well-known/oauth-protected-resource/{*path}";

#[derive(Debug, Clone)]
struct Admin {
    checks: Arc<CheckHandler>,
    readiness: Readiness,
    registry: Arc<Registry>,
}

/// Serves until `stop` completes.
pub(super) async fn serve(
    socket: Socket,
    checks: Arc<CheckHandler>,
    limits: Arc<Limits>,
    readiness: Readiness,
    stop: impl Future<Output = ()> + Send + 'static,
) {
    let listener = Listener::new(socket, ListenerName::Admin, ListenerLimits::ADMIN, &checks.metrics);
    let registry = Arc::new(metrics::registry(&checks, limits));
    let routes = Router::new()
        .route("/livez", get(async || "live\n"))
        .route("/readyz", get(readyz))
        .route("/metrics", get(scrape))
        .route("/.well-known/jwks.json", get(jwks))
        .route(ProtectedResource::WELL_KNOWN, get(resource))
        .route(RESOURCE_BELOW, get(resource))
        .route("/version", get(async || concat!("modgud ", env!("CARGO_PKG_VERSION"), "\n")))
        .with_state(Admin { checks, readiness, registry });
    plain_http::serve(listener, TowerToHyperService::new(routes), stop).await;
}

/// Responds with 200 if ready; else with 503 and the names of what is pending.
async fn readyz(State(admin): State<Admin>) -> impl IntoResponse {
    match admin.readiness.pending().as_slice() {
        [] => (StatusCode::OK, "ready\n".to_owned()),
        names => (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {}\n", names.join(", "))),
    }
}

/// Responds with the public keys of minted tokens (RFC 7517 §8.5). The cache lifetime is short: a module that sees an unknown key fetches
/// the JWKS again, and a cache must not answer then.
async fn jwks(State(admin): State<Admin>) -> impl IntoResponse {
    let document = admin.checks.authorizer.snapshot().jwks_document.clone();
    ([(CONTENT_TYPE, "application/jwk-set+json"), (CACHE_CONTROL, "public, max-age=60")], document)
}

/// Responds with the metadata of the API (RFC 9728 §3.2) at its paths; with 404 at others, and without it.
async fn resource(State(admin): State<Admin>, uri: Uri) -> Result<impl IntoResponse, StatusCode> {
    let snapshot = admin.checks.authorizer.snapshot();
    let resource =
        snapshot.protected_resource.as_ref().filter(|resource| resource.paths().any(|path| path == uri.path()));
    let document = resource.ok_or(StatusCode::NOT_FOUND)?.document.clone();
    let headers = [
        (CONTENT_TYPE, "application/json"),
        (CACHE_CONTROL, "public, max-age=300"),
        (ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
    ];
    Ok((headers, document))
}

/// Responds with all metrics, in the format that `Accept` prefers.
async fn scrape(State(admin): State<Admin>, headers: HeaderMap) -> impl IntoResponse {
    let format = Exposition::preferred(headers.get_all(ACCEPT).iter().map(HeaderValue::as_bytes));
    match metrics::text(&admin.registry, &admin.checks, format) {
        Ok(text) => Ok(([(CONTENT_TYPE, format.content_type()), (VARY, "accept")], text)),
        Err(std::fmt::Error) => Err(StatusCode::INTERNAL_SERVER_ERROR),
    }
}
