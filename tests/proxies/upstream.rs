//! The services behind a proxy: each answers with the request, byte for byte as it arrived, and counts the requests of all.

use serde::Deserialize;
use serde_json::json;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// A request, as a service saw it.
#[derive(Debug, Deserialize)]
pub(super) struct Received {
    pub(super) service: String,
    pub(super) method: String,
    pub(super) target: String,
    /// In order, names in lower case.
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: String,
}

impl Received {
    /// Every value of this header.
    pub(super) fn values(&self, name: &str) -> Vec<&str> {
        self.headers.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str()).collect()
    }
}

/// Three services. They end when this is dropped.
pub(super) struct Upstream {
    pub(super) crm: SocketAddr,
    pub(super) reports: SocketAddr,
    pub(super) core: SocketAddr,
    requests: Arc<AtomicUsize>,
    _running: JoinSet<()>,
}

impl Upstream {
    pub(super) async fn start() -> Self {
        let requests = Arc::new(AtomicUsize::new(0));
        let mut running = JoinSet::new();
        let mut start = async |name: &'static str| {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let requests = requests.clone();
            running.spawn(async move {
                let mut connections = JoinSet::new();
                while let Ok((stream, _)) = listener.accept().await {
                    let requests = requests.clone();
                    connections.spawn(async move {
                        let mut stream = stream;
                        while serve(name, &mut stream, &requests).await.is_some() {}
                    });
                }
            });
            address
        };
        let (crm, reports, core) = (start("crm").await, start("reports").await, start("core").await);
        Self { crm, reports, core, requests, _running: running }
    }

    /// How many requests have arrived.
    pub(super) fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

/// Answers one request. `None` when the connection ends.
async fn serve(name: &str, stream: &mut TcpStream, requests: &AtomicUsize) -> Option<()> {
    let mut bytes = Vec::new();
    let (head, length) = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break (String::from_utf8_lossy(&bytes[..end]).into_owned(), end + 4);
        }
        read(stream, &mut bytes).await?;
    };
    requests.fetch_add(1, Ordering::SeqCst);
    let mut lines = head.split("\r\n");
    let mut first = lines.next()?.split(' ');
    let (method, target) = (first.next()?, first.next()?);
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let header = |name: &str| headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
    if let Some(protocol) = header("upgrade") {
        // It agrees to whatever it is asked for, and then echoes.
        let accept = "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo="; // for the key of RFC 6455 §1.3
        let answer = format!(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: {protocol}\r\n{accept}\r\n\r\n"
        );
        write(stream, answer.as_bytes()).await?;
        loop {
            let mut bytes = Vec::new();
            read(stream, &mut bytes).await?;
            write(stream, &bytes).await?;
        }
    }
    let mut body = bytes.split_off(length);
    let is_chunked = header("transfer-encoding").is_some();
    let wanted: usize = header("content-length").map_or(0, |length| length.parse().unwrap());
    while if is_chunked { !body.ends_with(b"0\r\n\r\n") } else { body.len() < wanted } {
        read(stream, &mut body).await?;
    }
    let received = json!({ "service": name, "method": method, "target": target, "headers": headers, "body": String::from_utf8_lossy(&body) });
    let text = if method == "HEAD" { String::new() } else { received.to_string() };
    // nginx obeys this header of a service, if it is not ignored.
    let order = if target.ends_with("/elsewhere") { "X-Accel-Redirect: /chat/x\r\n" } else { "" };
    let answer = format!(
        "HTTP/1.1 200 OK\r\n{order}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{text}",
        text.len()
    );
    write(stream, answer.as_bytes()).await
}

async fn read(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> Option<()> {
    (stream.read_buf(bytes).await.ok()? > 0).then_some(())
}

async fn write(stream: &mut TcpStream, bytes: &[u8]) -> Option<()> {
    stream.write_all(bytes).await.ok()
}
