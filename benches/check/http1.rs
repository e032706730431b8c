//! A minimal HTTP/1.1 client (RFC 9112) at almost no cost: one connection, one request in flight, ignored bodies.

use super::Outcome;
use super::pace::Schedule;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Timeout for a response; beyond it the run fails.
const PATIENCE: Duration = Duration::from_secs(10);

/// A connection that stays open.
pub(crate) struct Connection {
    socket: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    pub(crate) fn open(address: SocketAddr) -> Outcome<Self> {
        let socket = TcpStream::connect(address)?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        Ok(Self { socket, buffer: Vec::new() })
    }

    /// Sends a request, whose response must have status 200.
    pub(crate) fn send(&mut self, request: &[u8]) -> Outcome<()> {
        match self.exchange(request)? {
            200 => Ok(()),
            status => Err(format!("Envoy responded with status {status}").into()),
        }
    }

    /// Sends a request. Returns the status of its response.
    pub(crate) fn exchange(&mut self, request: &[u8]) -> Outcome<u16> {
        self.socket.write_all(request)?;
        self.buffer.clear();
        loop {
            if let Some((status, length)) = parse(&self.buffer)?
                && self.buffer.len() >= length
            {
                return if self.buffer.len() == length { Ok(status) } else { Err("more than one response".into()) };
            }
            let mut chunk = [0; 4096];
            match self.socket.read(&mut chunk)? {
                0 => return Err("the connection was closed before the response".into()),
                read => self.buffer.extend_from_slice(&chunk[..read]),
            }
        }
    }
}

/// Sends each request when it is due, or when the previous one is answered. Returns, in nanoseconds after the due time,
/// when it was answered and when it was sent.
pub(crate) fn on_schedule<'a>(
    connection: &mut Connection,
    schedule: Schedule,
    requests: impl Iterator<Item = &'a [u8]>,
) -> Outcome<(Vec<u64>, Vec<u64>)> {
    let (mut latency, mut late) = (Vec::new(), Vec::new());
    for (number, request) in (0..).zip(requests) {
        schedule.wait(number);
        late.push(schedule.since(number));
        connection.send(request)?;
        latency.push(schedule.since(number));
    }
    Ok((latency, late))
}

/// Returns the status and the length of a response, with its body; `None` while its head is incomplete.
fn parse(bytes: &[u8]) -> Outcome<Option<(u16, usize)>> {
    let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(None) };
    let head = std::str::from_utf8(&bytes[..end])?;
    let status = head.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)).ok_or("a response without a status")?;
    let length =
        head.lines().find_map(|line| line.strip_prefix("content-length: ")).ok_or("a response without a length")?;
    Ok(Some((status.parse()?, end + 4 + length.parse::<usize>()?)))
}
