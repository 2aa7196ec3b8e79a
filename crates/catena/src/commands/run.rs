//! `catena run`: stores the definition as a version if it is new, starts it, and follows it to its end. Without
//! another host this process hosts the store meanwhile, and goes on with whatever was unfinished.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use catena_core::{Chain, Event, ExecutionId, State, Value, status::ExecutionStatus};
use catena_engine::{Engine, Reach, StartRequest};
use catena_spec::dto::ProblemDto;
use catena_store::{ExecutionFilter, Store, Version, sqlite::SqliteStore};
use clap::Args;
use serde_json::Value as Json;

use super::{
    check::first_code,
    definition::{Definition, Refusal},
    interrupt::Interrupts,
    progress::Progress,
};
use crate::{
    args::Format,
    document::{EventDto, ExecutionDocument},
    exit::{Code, Failure, Strictness},
    home::Locations,
    hosting::{self, Events, Host},
    output,
};

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  catena run examples/data-pipeline/chain.yaml\n  \
                        catena run deploy.yaml --set region=eu --key release-42\n  \
                        catena run report.yaml -o json | jq .execution.output")]
pub(crate) struct RunArgs {
    /// A definition in YAML or JSON
    #[arg(value_name = "FILE", required_unless_present_any = ["config", "file"])]
    definition: Option<PathBuf>,
    /// The definition, as an option
    #[arg(long, value_name = "FILE", conflicts_with_all = ["definition", "file"])]
    config: Option<PathBuf>,
    /// The definition, as an option
    #[arg(long, value_name = "FILE", conflicts_with = "definition")]
    file: Option<PathBuf>,
    /// Set a parameter: JSON, else text; @FILE is a file's content
    #[arg(long = "set", value_name = "NAME=VALUE")]
    set: Vec<String>,
    /// Parameters as a JSON object in a file, or - for standard input
    #[arg(long, value_name = "FILE")]
    input: Option<PathBuf>,
    /// Makes the start idempotent: the same key, definition and input answer the first execution
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// How to print what happens
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
    /// Count errors that were let pass as failure
    #[arg(long)]
    strict: bool,
    /// End with code 9 rather than wait for a person
    #[arg(long)]
    no_wait: bool,
}

pub(crate) fn run(args: &RunArgs, locations: &Locations) -> Result<Code, Failure> {
    let path = args.definition.as_ref().or(args.config.as_ref()).or(args.file.as_ref());
    let definition = Definition::read(path.expect("clap asks for one of them"))?;
    let params = params(args, definition.checked.chain.as_ref())?;
    let problems = definition.problems();
    if args.output == Format::Text || !definition.checked.has_error() {
        definition.tell_problems();
    }
    if let Err(refusal) = definition.expect_startable() {
        if args.output != Format::Text {
            let problems = problems.into_iter().map(ProblemDto::as_refusal).collect();
            output::json(&ExecutionDocument::of_problems(problems))?;
        }
        return Err(refused(&definition, &refusal, args.output));
    }
    let version = Arc::new(definition.into_version().expect("a definition without an error is a version"));
    let host = Host::reach(locations, Reach::All)?;
    let (end, host) = Running::start(args, locations, host, version, params)?.follow(problems)?;
    end.and_then(|code| finish_hosting(host, code))
}

fn refused(definition: &Definition, refusal: &Refusal, format: Format) -> Failure {
    match refusal {
        Refusal::Wrong => {
            let next = first_code(std::slice::from_ref(definition));
            Failure::told(Code::Definition).next_if(format == Format::Text, next)
        }
        Refusal::NotYet(missing) => {
            let message =
                format!("this version cannot start the chain: it does not run {} yet", missing.join(", "));
            Failure::new(Code::Definition, message)
                .next("catena run FILE --dry-run, which shows what it would do")
        }
    }
}

/// An execution that this command started and follows.
struct Running<'a> {
    args: &'a RunArgs,
    locations: &'a Locations,
    host: Host,
    execution: ExecutionId,
    state: State,
    interrupts: Interrupts,
}

type Followed = (Result<Code, Failure>, Host);

impl<'a> Running<'a> {
    fn start(
        args: &'a RunArgs,
        locations: &'a Locations,
        mut host: Host,
        version: Arc<Version>,
        params: BTreeMap<String, Value>,
    ) -> Result<Self, Failure> {
        tell_host(&host);
        let chain = version.chain.name.clone();
        let request = StartRequest {
            version: Arc::clone(&version),
            params,
            key: args.key.clone(),
            actor: hosting::actor(),
        };
        let started = host.start(request)?;
        let execution = started.execution;
        let again = if started.is_new { "" } else { ", started before with this key" };
        eprintln!("execution {execution} of {chain}{again}");
        let interrupts = watch_interrupts(locations, &host, execution)?;
        let state = match started.is_new {
            true => State::new(execution, Arc::clone(&version.chain)),
            false => hosting::fresh_state(&hosting::reader(locations)?, execution)?,
        };
        Ok(Self { args, locations, host, execution, state, interrupts })
    }

    fn follow(mut self, problems: Vec<ProblemDto>) -> Result<Followed, Failure> {
        let progress = Progress::new(self.locations.places());
        let mut events = self.events()?;
        loop {
            match events.next(self.execution) {
                Ok(Some(entry)) => {
                    let before = self.state.status();
                    self.state.apply(entry.at, &entry.event).map_err(catena_store::Error::from)?;
                    self.tell_wait(before);
                    match self.args.output {
                        Format::Jsonl => output::json(&EventDto::new(&self.state, &entry))?,
                        Format::Text | Format::Json => progress.tell(&self.state, &entry),
                    }
                    if matches!(entry.event, Event::ExecutionEnded { .. }) || self.waits_for_a_person() {
                        break;
                    }
                }
                Ok(None) => break,
                // The host has gone and this process is here: it takes over, or follows who did.
                Err(error) if matches!(self.host, Host::There(_)) && !self.interrupts.any() => {
                    eprintln!("{error}; taking over");
                    self.host = Host::reach(self.locations, Reach::All)?;
                    events = self.events()?;
                }
                Err(error) => {
                    let next =
                        format!("catena ps show {}: it goes on with the next `catena run`", self.execution);
                    return Ok((Err(Failure::from(error).next(next)), self.host));
                }
            }
        }
        self.print_end(problems)?;
        let strictness = if self.args.strict { Strictness::Strict } else { Strictness::Lenient };
        let code = Code::of(self.state.status(), strictness);
        let code = if self.interrupts.any() { Code::Interrupted } else { code };
        Ok((Ok(code), self.host))
    }

    fn events(&mut self) -> Result<Events, Failure> {
        match &mut self.host {
            Host::Here { engine, .. } => Ok(Events::Here(engine.follow(self.execution, self.state.seq())?)),
            Host::There(_) => {
                let client = catena_engine::host::HostClient::connect(&self.locations.root)?;
                let mut client = client.ok_or_else(|| {
                    Failure::new(Code::Store, "the host of the store has gone")
                        .next(format!("catena ps show {}", self.execution))
                })?;
                client.follow(self.execution)?;
                let store = hosting::reader(self.locations)?;
                Ok(Events::There {
                    client,
                    store,
                    queue: std::collections::VecDeque::new(),
                    last: self.state.seq(),
                })
            }
        }
    }

    /// Whether there is nothing to follow any more without a person.
    fn waits_for_a_person(&self) -> bool {
        match self.state.status() {
            ExecutionStatus::Stuck => true,
            ExecutionStatus::InDoubt | ExecutionStatus::Quarantined => self.args.no_wait,
            _ => false,
        }
    }

    /// Says once that the execution has come to wait for a person, and what a person can do.
    fn tell_wait(&self, before: ExecutionStatus) {
        let status = self.state.status();
        let waits = matches!(status, ExecutionStatus::InDoubt | ExecutionStatus::Quarantined);
        if waits && status != before {
            let id = self.execution;
            eprintln!("execution {id} waits for a person: {status}; `catena ps cancel {id}` ends it");
        }
    }

    /// Where large values are.
    fn store(&self) -> Result<Arc<SqliteStore>, Failure> {
        match &self.host {
            Host::Here { engine, .. } => Ok(Arc::clone(engine.store())),
            Host::There(_) => Ok(Arc::new(hosting::reader(self.locations)?)),
        }
    }

    fn print_end(&self, problems: Vec<ProblemDto>) -> Result<(), Failure> {
        let row = catena_store::project_execution(&self.state);
        if self.args.output != Format::Text {
            return output::json(&ExecutionDocument::new(&*self.store()?, &self.state, problems)?);
        }
        let took = row
            .started_at
            .zip(row.finished_at)
            .map(|(from, to)| format!(" in {}", output::duration(from, to)));
        eprintln!("execution {} {}{}", self.execution, row.status, took.unwrap_or_default());
        if let Some(error) = &row.error {
            eprintln!("  {error}");
        }
        if row.status != ExecutionStatus::Completed {
            eprintln!("  next: catena ps show {0}, catena ps logs {0}", self.execution);
        }
        let Some(value) = &row.output else { return Ok(()) };
        match catena_store::whole(&*self.store()?, value)? {
            Json::String(text) => output::line(&text),
            other => output::json(&other),
        }
    }
}

fn tell_host(host: &Host) {
    match host {
        Host::There(client) => eprintln!("process {} hosts the store; this one follows", client.pid()),
        Host::Here { engine, .. } if engine.recovered().is_empty() => {}
        Host::Here { engine, .. } => {
            let ids: Vec<String> = engine.recovered().iter().map(ToString::to_string).collect();
            eprintln!("going on with unfinished: {}", ids.join(", "));
        }
    }
}

/// Ctrl-C asks this execution to end; a second one, or a request to end this process, leaves it to the next
/// host.
fn watch_interrupts(
    locations: &Locations,
    host: &Host,
    execution: ExecutionId,
) -> Result<Interrupts, Failure> {
    let engine: Mutex<Option<std::sync::Weak<Engine>>> = Mutex::new(match host {
        Host::Here { engine, .. } => Some(Arc::downgrade(engine)),
        Host::There(_) => None,
    });
    let locations = locations.clone();
    let cancel = move || {
        eprintln!("cancelling execution {execution}; once more to leave at once");
        let engine = engine.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let cancelled = match engine.and_then(|engine| engine.upgrade()) {
            Some(engine) => engine.cancel(execution, false, hosting::actor()),
            None => match catena_engine::host::HostClient::connect(&locations.root) {
                Ok(Some(mut client)) => client.cancel(execution, false, hosting::actor()),
                Ok(None) => return,
                Err(error) => Err(error),
            },
        };
        if let Err(error) = cancelled {
            eprintln!("cannot cancel it: {error}");
        }
    };
    let leave = move || {
        eprintln!("leaving: execution {execution} goes on with the next `catena run`");
        leave_now();
    };
    Ok(Interrupts::watch(cancel, leave)?)
}

#[expect(clippy::exit, reason = "the second interrupt leaves at once; what is committed needs no farewell")]
fn leave_now() -> ! {
    std::process::exit(Code::Interrupted as i32)
}

/// A host whose own chain has ended stays while it hosts others.
fn finish_hosting(host: Host, code: Code) -> Result<Code, Failure> {
    let Host::Here { engine, .. } = &host else { return Ok(code) };
    let mut told = false;
    while code != Code::Interrupted
        && let Some(other) = next_unfinished(engine)?
    {
        if !told {
            eprintln!("staying while other executions run; Ctrl-C leaves them to the next host");
            told = true;
        }
        // Until it ends, or waits for a person.
        let mut follower = engine.follow(other, 0)?;
        while next_unfinished(engine)? == Some(other) && follower.next_event()?.is_some() {}
        if let Some(row) = engine.store().execution(other)? {
            eprintln!("execution {other} of {} {}", row.chain, row.status);
        }
    }
    Ok(code)
}

/// An execution that this host still brings on; those that wait for a person need no host.
fn next_unfinished(engine: &Engine) -> Result<Option<ExecutionId>, Failure> {
    let filter = ExecutionFilter { unfinished_only: true, ..ExecutionFilter::default() };
    let rows = engine.store().executions(&filter)?;
    let waits = |status| {
        matches!(status, ExecutionStatus::InDoubt | ExecutionStatus::Quarantined | ExecutionStatus::Stuck)
    };
    let is_damaged = |id| engine.damaged().iter().any(|(damaged, _)| *damaged == id);
    Ok(rows.iter().rev().find(|row| !waits(row.status) && !is_damaged(row.id)).map(|row| row.id))
}

fn params(args: &RunArgs, chain: Option<&Chain>) -> Result<BTreeMap<String, Value>, Failure> {
    let mut params = match &args.input {
        None => BTreeMap::new(),
        Some(path) => read_input(path)?,
    };
    for set in &args.set {
        let (name, text) = set.split_once('=').ok_or_else(|| {
            Failure::new(Code::Usage, format!("`--set {set}` has no `=`"))
                .next("catena run FILE --set NAME=VALUE")
        })?;
        let schema = chain.and_then(|chain| chain.params.get(name)).map(|param| &param.schema);
        let is_text = schema.is_some_and(|schema| schema["type"] == "string") && !text.starts_with('"');
        params.insert(name.to_owned(), set_value(text, is_text)?);
    }
    Ok(params)
}

/// JSON, else text; text outright where the parameter is one. `@file` is the content of a file.
fn set_value(text: &str, is_text: bool) -> Result<Value, Failure> {
    if let Some(path) = text.strip_prefix('@') {
        let content = std::fs::read_to_string(path).map_err(|error| {
            Failure::new(Code::NotFound, format!("cannot read {path}: {error}"))
                .next("catena run FILE --set NAME=@FILE, with a text file")
        })?;
        return Ok(Value::text(content));
    }
    if is_text {
        return Ok(Value::text(text));
    }
    Ok(serde_json::from_str::<Json>(text).map_or_else(|_| Value::text(text), Value::from))
}

fn read_input(path: &std::path::Path) -> Result<BTreeMap<String, Value>, Failure> {
    let from_stdin = path.as_os_str() == "-";
    let text =
        if from_stdin { std::io::read_to_string(std::io::stdin()) } else { std::fs::read_to_string(path) };
    let text = text.map_err(|error| {
        Failure::new(Code::NotFound, format!("cannot read {}: {error}", path.display()))
            .next("catena run FILE --input FILE, or - for standard input")
    })?;
    // Read as plain JSON: what somebody gives is data, whatever it looks like.
    let given: Result<BTreeMap<String, Json>, _> = serde_json::from_str(&text);
    let given = given.map_err(|error| {
        Failure::new(Code::Usage, format!("{} is no JSON object: {error}", path.display()))
            .next(r#"catena run FILE --input FILE, with {"name": value, …}"#)
    })?;
    Ok(given.into_iter().map(|(name, json)| (name, Value::from(json))).collect())
}
