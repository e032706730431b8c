//! An authorization server on loopback (RFC 7662): it answers only who shows the right id and secret in the right way, every answer is
//! a test's to choose, and every question is counted.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use modgud_testbed::idp::Reply;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::{interval, timeout};

/// How long anything may take before its test fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// An id with everything in it that an encoding could lose.
pub(crate) const ID: &str = "mod gud:%ü+&=/";
/// A secret of the same kind.
pub(crate) const SECRET: &str = "s:e%3A c+ü&=é";

/// How the client has to show itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shown {
    Basic,
    Post,
}

/// A server. It ends when it is dropped.
pub(crate) struct AuthorizationServer {
    pub(super) address: SocketAddr,
    shared: Arc<Shared>,
    counts: watch::Receiver<HashMap<String, u64>>,
    held: watch::Sender<bool>,
    serving: AbortHandle,
}

struct Shared {
    shown: Shown,
    /// By token.
    answers: Mutex<HashMap<String, Reply>>,
    /// For every token.
    all: Mutex<Option<Reply>>,
    counting: watch::Sender<HashMap<String, u64>>,
    held: watch::Receiver<bool>,
}

impl Drop for AuthorizationServer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// An answer of this JSON.
pub(super) fn says(answer: &Value) -> Reply {
    Reply::Body(answer.to_string().into_bytes())
}

impl AuthorizationServer {
    /// A server that knows no token.
    pub(super) async fn start() -> Self {
        Self::shown(Shown::Basic).await
    }

    /// The same, for a client that shows itself so.
    pub(super) async fn shown(shown: Shown) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (counting, counts) = watch::channel(HashMap::new());
        let (held, holds) = watch::channel(false);
        let (answers, all) = (Mutex::default(), Mutex::default());
        let shared = Arc::new(Shared { shown, answers, all, counting, held: holds });
        let serves = Arc::clone(&shared);
        let serving = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(serve(stream, Arc::clone(&serves)));
            }
        });
        Self { address, shared, counts, held, serving: serving.abort_handle() }
    }

    /// A server that knows a good token of this name, of a subject of the same name, without an end.
    pub(crate) async fn of(tokens: &[&str]) -> Self {
        let server = Self::start().await;
        for token in tokens {
            server.knows(token, &json!({ "active": true, "sub": token }));
        }
        server
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/introspect", self.address)
    }

    /// Sets the response about a token.
    pub(super) fn knows(&self, token: &str, answer: &Value) {
        self.replies(token, says(answer));
    }

    /// From now on this is the answer about a token, whatever it is.
    pub(crate) fn replies(&self, token: &str, reply: Reply) {
        self.shared.answers.lock().unwrap().insert(token.to_owned(), reply);
    }

    /// From now on this is the answer about every token; `None`: that of each.
    pub(crate) fn always(&self, reply: Option<Reply>) {
        *self.shared.all.lock().unwrap() = reply;
    }

    /// Answers are held back, or given, from now on, and those that are being held back, too.
    pub(crate) fn hold(&self, held: bool) {
        self.held.send_replace(held);
    }

    /// How often anything was asked.
    pub(crate) fn count(&self) -> u64 {
        self.counts.borrow().values().sum()
    }

    /// Waits until so many questions have come.
    pub(crate) async fn asked(&self, count: u64) {
        let mut counts = self.counts.clone();
        let asked = counts.wait_for(|counts| counts.values().sum::<u64>() >= count);
        timeout(PATIENCE, asked).await.unwrap_or_else(|_| panic!("it is not asked {count} times")).unwrap();
    }
}

/// Answers one question, and closes.
async fn serve(mut stream: TcpStream, shared: Arc<Shared>) {
    let Some((head, body)) = question(&mut stream).await else { return };
    let form = form(&body);
    let token = form.get("token").cloned().unwrap_or_default();
    shared.counting.send_modify(|counts| *counts.entry(token.clone()).or_default() += 1);
    let mut hold = shared.held.clone();
    hold.wait_for(|held| !held).await.unwrap();
    let status = |status: &str| format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    if !asks_well(&head, &form) {
        let _ = stream.write_all(status("400 Bad Request").as_bytes()).await;
        return;
    }
    if !is_the_client(&head, &form, shared.shown) {
        let _ = stream.write_all(status("401 Unauthorized").as_bytes()).await;
        return;
    }
    let of_all = shared.all.lock().unwrap().clone();
    let of_token = shared.answers.lock().unwrap().get(&token).cloned();
    match of_all.or(of_token).unwrap_or_else(|| says(&json!({ "active": false }))) {
        Reply::Body(body) => {
            let length = body.len();
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n");
            // The client may have closed the connection.
            let _ = stream.write_all(&[head.into_bytes(), body].concat()).await;
        }
        Reply::Raw(bytes) => {
            let _ = stream.write_all(&bytes).await;
        }
        Reply::Close => {}
        Reply::Silence => {
            let _ = stream.read_buf(&mut Vec::new()).await;
        }
        Reply::Drip => {
            let mut ticks = interval(Duration::from_millis(20));
            let bytes = b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n".iter().chain([b' '; 1_000].iter());
            for byte in bytes {
                ticks.tick().await;
                if stream.write_all(&[*byte]).await.is_err() {
                    return;
                }
            }
        }
    }
    let _ = stream.shutdown().await;
}

/// Head and body of a question.
async fn question(stream: &mut TcpStream) -> Option<(String, String)> {
    let mut read = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&read).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length: usize = header(head, "content-length").map_or(0, |length| length.parse().unwrap());
            if body.len() >= length {
                return Some((head.to_owned(), body.to_owned()));
            }
        }
        if stream.read_buf(&mut read).await.unwrap_or(0) == 0 {
            return None;
        }
    }
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut fields = head.lines().skip(1).filter_map(|line| line.split_once(": "));
    fields.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

/// What RFC 7662 §2.1 asks of a question.
fn asks_well(head: &str, form: &BTreeMap<String, String>) -> bool {
    head.starts_with("POST /introspect HTTP/1.1\r\n")
        && header(head, "content-type") == Some("application/x-www-form-urlencoded")
        && header(head, "accept") == Some("application/json")
        && form.get("token_type_hint").is_some_and(|hint| hint == "access_token")
        && form.get("token").is_some_and(|token| !token.is_empty())
}

/// Whether the client shows itself in the one way, and not in the other (RFC 6749 §2.3).
fn is_the_client(head: &str, form: &BTreeMap<String, String>, shown: Shown) -> bool {
    let by_header = header(head, "authorization").map(|value| {
        let pair = STANDARD.decode(value.strip_prefix("Basic ").unwrap()).unwrap();
        let pair = String::from_utf8(pair).unwrap();
        let (id, secret) = pair.split_once(':').unwrap();
        (decoded(id), decoded(secret))
    });
    let by_form = form.get("client_id").cloned().zip(form.get("client_secret").cloned());
    let right = Some((ID.to_owned(), SECRET.to_owned()));
    match shown {
        Shown::Basic => by_header == right && by_form.is_none(),
        Shown::Post => by_form == right && by_header.is_none(),
    }
}

fn form(body: &str) -> BTreeMap<String, String> {
    let field = |field: &str| field.split_once('=').map(|(name, value)| (decoded(name), decoded(value)));
    let fields: Vec<_> = body.split('&').filter_map(field).collect();
    let form: BTreeMap<_, _> = fields.iter().cloned().collect();
    assert_eq!(form.len(), fields.len(), "a field stands there twice");
    form
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digits = [rest.next().unwrap(), rest.next().unwrap()];
                u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
            }
            other => other,
        });
    }
    String::from_utf8(bytes).unwrap()
}
