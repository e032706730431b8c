//! Messages in, replies out, in the order of the messages. Requests that wait for a provider wait at the same time, so
//! that one slow answer delays the replies after it, but not their lookups.

use super::StdioError;
use super::gateway::{Answer, Answered, Gateway};
use super::json_stream::JsonStream;
use super::message::Message;
use std::collections::VecDeque;
use std::fmt::Display;
use std::io::{self, Read, Write};
use std::task::{Context, Poll, Waker};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Messages without a written reply. Beyond it no more input is read.
const MAX_PENDING: usize = 32;

/// Size of one read.
const PIECE: usize = 64 * 1024;

/// Pieces that are read ahead.
const AHEAD: usize = 1;

/// A reply that is due, in its place in the order.
enum Due {
    Reply(Answered),
    /// The evaluation waits for a lookup.
    Evaluation(JoinHandle<Answered>),
}

impl Due {
    /// Evaluates as far as possible at once: only a request that needs a lookup becomes a task. So a DPoP proof that two
    /// messages hold is that of the first.
    fn of(answer: Answer) -> Self {
        match answer {
            Answer::Now(reply) => Self::Reply(reply),
            Answer::Later(mut evaluation) => {
                match evaluation.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                    Poll::Ready(reply) => Self::Reply(reply),
                    // A task polls it again, with a waker of its own.
                    Poll::Pending => Self::Evaluation(tokio::spawn(evaluation)),
                }
            }
        }
    }
}

/// The replies that are due, the oldest first.
#[derive(Default)]
struct Queue(VecDeque<Due>);

impl Queue {
    /// Returns the oldest reply once it is there, and never without one. Can be cancelled without a loss.
    async fn next(&mut self) -> Result<Answered, StdioError> {
        let reply = match self.0.front_mut() {
            None => return std::future::pending().await,
            Some(Due::Reply(_)) => None,
            Some(Due::Evaluation(evaluation)) => Some(evaluation.await?),
        };
        match (self.0.pop_front(), reply) {
            (Some(Due::Reply(reply)), None) | (_, Some(reply)) => Ok(reply),
            (_, None) => std::future::pending().await,
        }
    }
}

/// Replies to all messages until the input ends and each has its reply.
pub(super) async fn run(
    mut gateway: Gateway,
    input: impl Read + Send + 'static,
    output: &mut impl Write,
    errors: &mut impl Write,
) -> Result<(), StdioError> {
    let mut pieces = read(input);
    let mut values = JsonStream::default();
    let mut queue = Queue::default();
    // The message that waits for the replies before it.
    let mut init = None;
    let mut is_open = true;
    loop {
        while init.is_none() && queue.0.len() < MAX_PENDING {
            match values.next(Message::parse) {
                None => break,
                Some(Ok(message)) if message.content.is_init() => init = Some(message),
                Some(Ok(message)) => queue.0.push_back(Due::of(gateway.receive(message).await)),
                Some(Err(error)) => report(errors, error),
            }
        }
        if queue.0.is_empty()
            && let Some(message) = init.take()
        {
            // The requests before it were decided with the providers and keys of their time.
            queue.0.push_back(Due::of(gateway.receive(message).await));
        }
        let is_waiting = init.is_some() || queue.0.len() >= MAX_PENDING;
        if !is_open && queue.0.is_empty() && !is_waiting {
            return Ok(());
        }
        tokio::select! {
            biased;
            reply = queue.next() => {
                let Answered { reply, report: line } = reply?;
                if let Some(line) = line {
                    report(errors, line);
                }
                // A client that waits for this reply must get it now.
                output.write_all(&reply.line()).and_then(|()| output.flush()).map_err(StdioError::Write)?;
            }
            piece = pieces.recv(), if is_open && !is_waiting => if let Some(piece) = piece {
                values.push(&piece.map_err(StdioError::Read)?);
            } else {
                values.end();
                is_open = false;
            },
        }
    }
}

/// Writes a line for the operator, in one piece.
fn report(errors: &mut impl Write, text: impl Display) {
    // A closed standard error is no reason to stop.
    let _ = errors.write_all(format!("modgud: {text}\n").as_bytes());
}

/// Reads in a thread of its own, since a read can wait as long as the client likes.
fn read(mut input: impl Read + Send + 'static) -> mpsc::Receiver<io::Result<Vec<u8>>> {
    let (sender, pieces) = mpsc::channel(AHEAD);
    tokio::task::spawn_blocking(move || {
        loop {
            let mut piece = vec![0; PIECE];
            let read = match input.read(&mut piece) {
                Ok(0) => return,
                Ok(read) => {
                    piece.truncate(read);
                    Ok(piece)
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => Err(error),
            };
            let is_error = read.is_err();
            if sender.blocking_send(read).is_err() || is_error {
                return;
            }
        }
    });
    pieces
}
