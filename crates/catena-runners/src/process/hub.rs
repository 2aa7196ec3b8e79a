//! The helper's one loop: who is connected, which attempts are held, and who is told. It alone changes them;
//! connections are tasks that send it what happens, running attempts are tasks that return it.

use std::collections::BTreeMap;
use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::net::UnixListener;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep_until};

use super::attempt::{Attempt, Control};
use super::child::{self, Child, Pipes, Refused};
use super::connection::{Connection, ConnectionId};
use super::environment::Environment;
use super::orphans::{Leaders, Rest};
use super::protocol::{
    Answer, CannotStart, Ended, EngineHello, HelperHello, Launch, PROTOCOL, Report, Request, Token,
    WhenUnknown,
};
use super::records::{Record, Records, Unfinished};
use super::streams::{Kept, Streams};
use crate::mask::Mask;

/// How long a helper stays with nothing to do.
const IDLE_MAX: Duration = Duration::from_secs(2);
/// How long it stays with ends that nobody has acknowledged: they are in the records too.
const IDLE_UNACKED_MAX: Duration = Duration::from_secs(10);
/// How often, while an engine is connected or attempts run, orphans that ended are collected and records that waited
/// for another one are written.
const BUSY_TICK: Duration = Duration::from_secs(1);

pub(super) enum Input {
    Asked(ConnectionId, Request),
    Closed(ConnectionId),
}

pub(super) struct Hub {
    inputs: UnboundedReceiver<Input>,
    to_self: UnboundedSender<Input>,
    connections: BTreeMap<ConnectionId, Connection>,
    attempts: BTreeMap<Token, Held>,
    /// The task of each attempt that is held as running.
    running: JoinSet<Ended>,
    leaders: Leaders,
    records: Records,
    identity: Identity,
    next_connection: u64,
    /// The latest lease that an engine has come with.
    lease: u64,
}

/// What a helper says of itself, and what it marks its processes with.
pub(super) struct Identity {
    pub(super) boot_id: String,
    pub(super) instance: String,
    pub(super) folder: String,
}

enum Held {
    Running { owner: ConnectionId, stops: UnboundedSender<Duration>, record: Unfinished },
    Ended { report: Report, told: Option<ConnectionId> },
}

enum Event {
    Ended(Result<Ended, JoinError>),
    Input(Input),
    Connected(io::Result<tokio::net::UnixStream>),
    Woke,
}

impl Identity {
    /// The value of the mark variable for an attempt.
    pub(super) fn mark(&self, token: &Token) -> String {
        format!("{}/{token}", self.folder)
    }
}

impl Hub {
    pub(super) fn new(identity: Identity, records: Records, ended: BTreeMap<Token, Report>) -> Self {
        let (to_self, inputs) = unbounded_channel();
        let attempts = ended.into_iter().map(|(token, report)| (token, Held::Ended { report, told: None }));
        Self {
            inputs,
            to_self,
            connections: BTreeMap::new(),
            attempts: attempts.collect(),
            running: JoinSet::new(),
            leaders: Leaders::default(),
            records,
            identity,
            next_connection: 0,
            lease: 0,
        }
    }

    /// Returns when there is nothing left to stay for.
    pub(super) async fn run(mut self, listener: UnixListener) -> io::Result<()> {
        loop {
            let wake_at = self.wake_at();
            let event = tokio::select! {
                biased;
                Some(ended) = self.running.join_next() => Event::Ended(ended),
                Some(input) = self.inputs.recv() => Event::Input(input),
                accepted = listener.accept() => Event::Connected(accepted.map(|(stream, _)| stream)),
                () = sleep_until(wake_at) => Event::Woke,
            };
            match event {
                Event::Ended(Ok(ended)) => self.end(Report::Ended(ended)),
                // Its processes are nobody's: the helper gives up, and its successor ends them.
                Event::Ended(Err(panicked)) => return Err(panicked.into()),
                Event::Input(input) => self.take(input),
                Event::Connected(stream) => self.connect(stream?),
                Event::Woke => {
                    let _unrecorded = self.records.write_deferred();
                    if self.is_idle() {
                        return Ok(());
                    }
                    self.leaders.reap_others();
                }
            }
        }
    }

    fn take(&mut self, input: Input) {
        match input {
            // Who has been left, or overtaken, has no say any more.
            Input::Asked(from, _) if !self.connections.contains_key(&from) => {}
            Input::Asked(from, Request::Hello(hello)) => self.greet(from, hello),
            Input::Asked(from, Request::Launch(launch)) => self.launch(from, *launch),
            Input::Asked(from, Request::Stop { token, grace_ms }) => {
                self.stop(from, token, Duration::from_millis(grace_ms));
            }
            Input::Asked(_, Request::Ack(token)) => self.forget(token),
            Input::Closed(id) => drop(self.connections.remove(&id)),
        }
    }

    /// An idle helper wakes to leave, a busy one to collect orphans. Anything that happens starts the time anew.
    fn wake_at(&self) -> Instant {
        let idle = if self.attempts.is_empty() { IDLE_MAX } else { IDLE_UNACKED_MAX };
        Instant::now() + if self.is_idle() { idle } else { BUSY_TICK }
    }

    fn is_idle(&self) -> bool {
        let running = |held: &Held| matches!(held, Held::Running { .. });
        self.connections.is_empty() && !self.attempts.values().any(running)
    }

    fn connect(&mut self, stream: tokio::net::UnixStream) {
        let id = ConnectionId(self.next_connection);
        self.next_connection += 1;
        self.connections.insert(id, Connection::open(id, stream, self.to_self.clone()));
    }

    /// Another protocol hears ours and is left: it cannot understand more. So is an engine that was overtaken: what
    /// it may still ask for is what it decided before, and its successor has decided anew.
    fn greet(&mut self, from: ConnectionId, hello: EngineHello) {
        self.lease = self.lease.max(hello.lease);
        let answer = Answer::Hello(HelperHello {
            protocol: PROTOCOL,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            boot_id: self.identity.boot_id.clone(),
            instance: self.identity.instance.clone(),
            lease: self.lease,
            held: self.attempts.keys().cloned().collect(),
        });
        self.answer(from, &answer);
        if hello.protocol != PROTOCOL {
            self.connections.remove(&from);
        } else if let Some(connection) = self.connections.get_mut(&from) {
            connection.environment = Some(Environment::new(hello.environment));
            connection.lease = hello.lease;
        }
        let latest = self.lease;
        self.connections.retain(|_, other| other.environment.is_none() || other.lease == latest);
    }

    fn launch(&mut self, from: ConnectionId, launch: Launch) {
        match (self.attempts.get_mut(&launch.token), launch.unknown) {
            (Some(Held::Running { owner, .. }), _) => *owner = from,
            (Some(Held::Ended { .. }), _) => self.tell(&launch.token, from),
            (None, WhenUnknown::Start) => self.start(from, launch),
            (None, WhenUnknown::Report) => self.answer_unknown(from, launch.token),
        }
    }

    /// An end on its way to the same engine answers its wish; any other engine is told anew.
    fn stop(&mut self, from: ConnectionId, token: Token, grace: Duration) {
        match self.attempts.get_mut(&token) {
            Some(Held::Running { owner, stops, .. }) => {
                *owner = from;
                // The attempt has just ended, and its end is about to be taken.
                let _ended = stops.send(grace);
            }
            Some(Held::Ended { told, .. }) if *told == Some(from) => {}
            Some(Held::Ended { .. }) => self.tell(&token, from),
            None => self.answer_unknown(from, token),
        }
    }

    fn start(&mut self, from: ConnectionId, launch: Launch) {
        let at = Timestamp::now();
        match self.spawn(from, &launch) {
            Ok((child, pipes)) => self.watch(from, launch, at, (child, pipes)),
            Err(Refused { reason, message }) => {
                let report = Report::CannotStart(CannotStart { token: launch.token, reason, message });
                self.hold_end(report, from);
            }
        }
    }

    /// The intent is recorded first: a helper that dies here leaves a successor that looks for the process.
    fn spawn(&mut self, from: ConnectionId, launch: &Launch) -> Result<(Child, Pipes), Refused> {
        let greeted = self.connections.get(&from).and_then(|connection| connection.environment.as_ref());
        let base = greeted.ok_or_else(Refused::not_greeted)?;
        let intent = Record::Intent { token: launch.token.clone() };
        self.records.append(&intent).map_err(|error| Refused::from_io("helper.records", &error))?;
        let mut folder = DirBuilder::new();
        let made = folder.recursive(true).mode(0o700).create(&launch.dir);
        made.map_err(|error| Refused::from_io(&launch.dir.to_string_lossy(), &error))?;
        child::spawn(launch, base, &self.identity.mark(&launch.token))
    }

    /// What is done here runs beside the new process already.
    fn watch(&mut self, owner: ConnectionId, launch: Launch, at: Timestamp, (child, pipes): (Child, Pipes)) {
        let Child { group, started, .. } = child;
        let (stops, wishes) = unbounded_channel();
        self.leaders.add(group, started);
        let mask = Mask::new(launch.hidden.iter().map(String::as_str)).map(Arc::new);
        let kept = Kept::new(launch.log, launch.capture_max, mask.as_ref());
        let rest = Rest { group, mark: self.identity.mark(&launch.token), leaders: self.leaders.clone() };
        let attempt = Attempt {
            token: launch.token.clone(),
            control: Control::new(rest, launch.timeout_ms, launch.grace_ms, wishes),
            child,
            streams: Streams::new(pipes, launch.stdin, kept),
            output: launch.output,
            mask,
            started_at: at,
        };
        self.running.spawn_local(attempt.run());
        let record = Unfinished::Started { pid: group.id(), started, at_us: at.as_microsecond() };
        self.record(&record.to_record(launch.token.clone()));
        self.attempts.insert(launch.token, Held::Running { owner, stops, record });
    }

    fn end(&mut self, report: Report) {
        let token = report.token().clone();
        let owner = match self.attempts.get(&token) {
            Some(Held::Running { owner, .. }) => *owner,
            Some(Held::Ended { .. }) | None => {
                unreachable!("an attempt is held as running until it ends, once")
            }
        };
        self.hold_end(report, owner);
    }

    fn hold_end(&mut self, report: Report, owner: ConnectionId) {
        let token = report.token().clone();
        let record = Record::Ended(report);
        self.record(&record);
        let Record::Ended(report) = record else { unreachable!("made above") };
        self.attempts.insert(token.clone(), Held::Ended { report, told: None });
        self.tell(&token, owner);
    }

    fn tell(&mut self, token: &Token, to: ConnectionId) {
        if let (Some(Held::Ended { report, told }), Some(connection)) =
            (self.attempts.get_mut(token), self.connections.get(&to))
        {
            connection.report(report);
            *told = Some(to);
        }
    }

    fn answer(&self, to: ConnectionId, answer: &Answer) {
        if let Some(connection) = self.connections.get(&to) {
            connection.answer(answer);
        }
    }

    fn answer_unknown(&self, to: ConnectionId, token: Token) {
        self.answer(to, &Answer::Report(Report::Unknown { token }));
    }

    /// Only an end can be acknowledged.
    fn forget(&mut self, token: Token) {
        if let Some(Held::Ended { .. }) = self.attempts.get(&token) {
            self.attempts.remove(&token);
            // Without it a successor tells the end again, which the engine acknowledges again: it waits for the next
            // record, which an engine that goes on is about to cause.
            self.records.defer(&Record::Acked { token });
            self.compact();
        }
    }

    /// A record that cannot be written (a full disk) costs what the next helper would know, not this one's work.
    fn record(&mut self, record: &Record) {
        let _unrecorded = self.records.append(record);
    }

    fn compact(&mut self) {
        if self.records.wants_compacting() {
            let records: Vec<Record> =
                self.attempts.iter().map(|(token, held)| held.to_record(token)).collect();
            // The longer file serves as well.
            let _kept = self.records.compact(&records);
        }
    }
}

impl Held {
    fn to_record(&self, token: &Token) -> Record {
        match self {
            Self::Running { record, .. } => record.to_record(token.clone()),
            Self::Ended { report, .. } => Record::Ended(report.clone()),
        }
    }
}
