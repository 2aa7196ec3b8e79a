//! One engine's connection to the helper: a task that reads requests, a task that writes answers. The queue of
//! answers has no bound of its own, because the attempts an engine launched bound it; nobody waits for a slow one.

use serde::Serialize;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::environment::Environment;
use super::hub::Input;
use super::protocol::{Answer, Report, ReportAnswer, Request, line};

/// Numbered in order of arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ConnectionId(pub(super) u64);

/// The hub's end. Dropping it ends the writer once all answers are written.
pub(super) struct Connection {
    answers: UnboundedSender<Vec<u8>>,
    /// None until it has greeted.
    pub(super) environment: Option<Environment>,
}

impl Connection {
    pub(super) fn open(id: ConnectionId, stream: UnixStream, inputs: UnboundedSender<Input>) -> Self {
        let (reading, writing) = stream.into_split();
        let (answers, to_write) = unbounded_channel();
        tokio::task::spawn_local(read(id, reading, inputs));
        tokio::task::spawn_local(write(writing, to_write));
        Self { answers, environment: None }
    }

    pub(super) fn report(&self, report: &Report) {
        self.write(&ReportAnswer::Report(report));
    }

    pub(super) fn answer(&self, answer: &Answer) {
        self.write(answer);
    }

    fn write<T: Serialize>(&self, answer: &T) {
        // A writer that is gone has lost its engine; the reader says so.
        let _gone = self.answers.send(line(answer));
    }
}

async fn read(id: ConnectionId, reading: OwnedReadHalf, inputs: UnboundedSender<Input>) {
    let mut reading = BufReader::new(reading);
    let mut line = Vec::new();
    while let Ok(1..) = reading.read_until(b'\n', &mut line).await {
        // Neither a torn line nor one that is no request can be answered: the engine connects again.
        let Ok(request) = serde_json::from_slice::<Request>(&line) else { break };
        if inputs.send(Input::Asked(id, request)).is_err() {
            return;
        }
        line.clear();
    }
    // The hub is gone only when the helper ends.
    let _ended = inputs.send(Input::Closed(id));
}

async fn write(mut writing: OwnedWriteHalf, mut answers: UnboundedReceiver<Vec<u8>>) {
    while let Some(answer) = answers.recv().await {
        if writing.write_all(&answer).await.is_err() {
            return;
        }
    }
}
