//! The page for operators, on a listener of its own (`server.admin.ui`): recent decisions with their explanations, plots, rules, keys and
//! the configuration. It has no login, so it serves this machine only, and `guard` refuses what another site's page could send.
//!
//! Responses contain no token, no query and no claim value.

mod assets;
mod explanation;
mod form;
mod guard;
mod history;
mod live;
mod providers;
mod recent;
mod redaction;
mod respond;
mod rules;

pub(super) use live::LiveView;
pub(super) use recent::MAX_EXPLAINED_BYTES;

use super::CheckHandler;
use super::accept::{Listener, ListenerLimits};
use super::readiness::Readiness;
use super::socket::Socket;
use super::{background, plain_http};
use crate::telemetry::metrics::{ListenerName, VERSION};
use axum::body::{Body, to_bytes};
use form::Form;
use guard::{Method, PageToken, Refusal};
use http::header::CONTENT_LENGTH;
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::service::service_fn;
use respond::{Status, json, refusal, text};
use serde::Serialize;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::thread;
use tokio::runtime::Builder;
use tokio::sync::oneshot;

/// Maximum size of a request's body, which is a request to explain. Beyond it: 413.
const MAX_BODY_BYTES: usize = 64 * 1024;

/// The state that all requests share.
#[derive(Debug)]
struct Page {
    checks: Arc<CheckHandler>,
    readiness: Readiness,
    live: Arc<LiveView>,
    token: PageToken,
    form: Form,
    rules: rules::Cache,
}

/// Serves until `stop` completes, on a thread of its own with a low priority: however large a view is, no check waits for it.
///
/// # Errors
/// `io::Error` if the thread ends before, or the system has no thread or no random numbers.
pub(super) async fn serve(
    socket: Socket,
    checks: Arc<CheckHandler>,
    live: Arc<LiveView>,
    readiness: Readiness,
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let listener = Listener::new(socket, ListenerName::Ui, ListenerLimits::PAGE, &checks.metrics);
    let rules = rules::Cache::default();
    let page = Arc::new(Page { checks, readiness, live, token: PageToken::random()?, form: Form::default(), rules });
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let (ended, end) = oneshot::channel();
    // Its drop ends the thread, too.
    let (guard, dropped) = oneshot::channel::<()>();
    thread::Builder::new().name("page".to_owned()).spawn(move || {
        background::lower_priority();
        runtime.block_on(async {
            let stop = async {
                tokio::select! {
                    () = stop => {}
                    _ = dropped => {}
                }
            };
            let service = service_fn(move |request| {
                let page = Arc::clone(&page);
                async move { Ok(answer(&page, request).await) }
            });
            plain_http::serve(listener, service, stop).await;
        });
        // Does not wait for an evaluation.
        runtime.shutdown_background();
        let _ = ended.send(());
    })?;
    let done = end.await.map_err(|_| io::Error::other("its thread has ended"));
    drop(guard);
    done
}

/// Answers one request, once the guard admits it.
async fn answer(page: &Page, request: Request<Incoming>) -> Response<Body> {
    let (head, body) = request.into_parts();
    match guard::check(&head) {
        Err(refused) => refusal(refused),
        Ok(Method::Post) => post(page, &head, Body::new(body)).await,
        Ok(Method::Get) => get(page, head.uri.path(), head.uri.query()),
    }
}

/// The paths of the page, besides its files.
const POST_PATHS: [&str; 1] = ["/api/explain"];

fn get(page: &Page, path: &str, query: Option<&str>) -> Response<Body> {
    let now = page.checks.authorizer.now();
    match path {
        "/" => assets::html(page.token.as_str()),
        "/api/status" => json(&ShownStatus::of(page)),
        "/api/decisions" => json(&page.live.recent.since(since(query), page.checks.metrics.checks())),
        "/api/history" => json(&page.live.history.shown(&page.checks.metrics, now)),
        "/api/rules" => text(page.rules.shown(&page.checks)),
        "/api/keys" => json(&providers::shown(&page.checks)),
        "/api/config" => text(page.live.config()),
        path if POST_PATHS.contains(&path) => refusal(Refusal::Method("POST")),
        path => match path.strip_prefix("/api/decisions/").map(str::parse) {
            Some(Ok(id)) => page.live.recent.explained(id).map_or_else(|| refusal(Refusal::NotFound), text),
            Some(Err(_)) => refusal(Refusal::NotFound),
            None => assets::file(path).unwrap_or_else(|| refusal(Refusal::NotFound)),
        },
    }
}

async fn post(page: &Page, head: &http::request::Parts, body: Body) -> Response<Body> {
    if !POST_PATHS.contains(&head.uri.path()) {
        return refusal(Refusal::Method("GET, HEAD"));
    }
    if let Err(refused) = page.token.check(&head.headers) {
        return refusal(refused);
    }
    let announced = head.headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    if announced.is_some_and(|length: usize| length > MAX_BODY_BYTES) {
        return refusal(Refusal::TooLarge);
    }
    match to_bytes(body, MAX_BODY_BYTES).await {
        Ok(body) => page.form.explain(&page.checks, &body).await.map_or_else(refusal, |explained| json(&explained)),
        Err(_) => refusal(Refusal::TooLarge),
    }
}

/// Returns the number of the last decision that the page has; 0 if it has none.
fn since(query: Option<&str>) -> u64 {
    let value = query.and_then(|query| query.strip_prefix("since="));
    value.and_then(|value| value.parse().ok()).unwrap_or_default()
}

/// The state of the process.
#[derive(Debug, Serialize)]
struct ShownStatus {
    version: &'static str,
    now: u64,
    checks: u64,
    /// What is not ready.
    pending: Vec<String>,
}

impl ShownStatus {
    fn of(page: &Page) -> Self {
        let pending = page.readiness.pending().iter().map(ToString::to_string).collect();
        let now = page.checks.authorizer.now().as_millis();
        Self { version: VERSION, now, checks: page.checks.metrics.checks(), pending }
    }
}

impl From<Refusal> for Status {
    fn from(refused: Refusal) -> Self {
        let (status, text) = match refused {
            Refusal::Host => (
                StatusCode::MISDIRECTED_REQUEST,
                "this page answers only to a name of this machine: localhost, 127.0.0.1 or [::1]\n",
            ),
            Refusal::Origin => (StatusCode::FORBIDDEN, "the request comes from another site\n"),
            Refusal::Token => (StatusCode::FORBIDDEN, "the request lacks the token of the page; reload it\n"),
            Refusal::Method(_) => (StatusCode::METHOD_NOT_ALLOWED, "the path has another method\n"),
            Refusal::NotFound => (StatusCode::NOT_FOUND, "there is nothing here\n"),
            Refusal::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "the body is larger than 64 KiB\n"),
            Refusal::MediaType => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "write the body as application/json\n"),
            Refusal::Malformed => (StatusCode::BAD_REQUEST, "the body is not the JSON of a request to explain\n"),
            Refusal::TooMany => {
                (StatusCode::TOO_MANY_REQUESTS, "too many requests to explain; try again in a second\n")
            }
            Refusal::Busy => (StatusCode::SERVICE_UNAVAILABLE, "the evaluation takes too long\n"),
        };
        Self { status, text }
    }
}
