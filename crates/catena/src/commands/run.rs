//! `catena run`: stores the definition as a version if it is new, starts it, and follows it to its end. Without
//! another host this process hosts the store meanwhile, and goes on with whatever was unfinished.
//!
//! A chain with schedules is hosted until they have no start left: `run/scheduled.rs`.

mod realms;
mod scheduled;

use std::{
    collections::{BTreeMap, VecDeque},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use catena_core::{
    Chain, Event, ExecutionId, GivenContext, State, StepIx, Value, chain::Part, status::ExecutionStatus,
};
use catena_engine::{Engine, Reach, StartRequest, host::HostClient, read_state};
use catena_spec::ContextFile;
use catena_store::{ExecutionFilter, ExecutionRow, Store, Version, sqlite::SqliteStore};
use clap::Args;
use serde_json::Value as Json;

use super::{
    check::first_code,
    context,
    definition::{Definition, Refusal},
    ending,
    interrupt::{Choice, Interrupts},
    params::ParamArgs,
    pins,
    preview::{self, Excerpt},
    schedule::TimeArgs,
};
use crate::{
    args::{Format, Place},
    commands::step::step_on_the_way,
    document::{EventDto, ExecutionDocument},
    exit::{Code, Failure, Strictness},
    home::Locations,
    hosting::{self, Events, Host},
    output,
    problem::ProblemEntry,
    view::{self, View},
};

#[derive(Debug, Default, Args)]
#[command(after_help = "Examples:\n  catena run examples/data-pipeline/chain.yaml\n  \
                        catena run deploy.yaml --set region=eu --key release-42\n  \
                        catena run --file fetch.py\n  \
                        catena run report.yaml -o json | jq .execution.output\n  \
                        catena run --config pipeline.json --dry-run")]
pub(crate) struct RunArgs {
    /// A definition in YAML or JSON
    #[arg(value_name = "FILE", required_unless_present_any = ["config", "file"])]
    definition: Option<PathBuf>,
    /// The definition, as an option
    #[arg(long, value_name = "FILE", conflicts_with_all = ["definition", "file"])]
    config: Option<PathBuf>,
    /// One step file, run as a chain that is named after it; a definition is run as it is
    #[arg(long, value_name = "FILE", conflicts_with = "definition")]
    file: Option<PathBuf>,
    #[command(flatten)]
    schedule: TimeArgs,
    /// Run once and leave the schedules alone, those of the chain and all others
    #[arg(long)]
    once: bool,
    #[command(flatten)]
    params: ParamArgs,
    /// Run this step alone, with what stands in it
    #[arg(long, value_name = "STEP", group = "part", conflicts_with_all = ["every", "after"])]
    only: Option<String>,
    /// Run this step and what follows it
    #[arg(long, value_name = "STEP", group = "part", conflicts_with_all = ["every", "after"])]
    from: Option<String>,
    /// Run what leads to this step, and the step
    #[arg(long, value_name = "STEP", group = "part", conflicts_with_all = ["every", "after"])]
    to: Option<String>,
    /// Give a step its result instead of running it: JSON, else text; @FILE is a file's content (JSON, else text)
    #[arg(long, value_name = "STEP=VALUE", conflicts_with_all = ["every", "after"])]
    pin: Vec<String>,
    /// What the steps of the part find in place of what others would have left: an object, or @FILE; see `ps context`
    #[arg(long, value_name = "OBJECT", requires = "part")]
    context: Option<String>,
    /// Makes the start idempotent: the same key, definition and input answer the first execution
    // An empty one is a variable that is not set: all such starts would be one.
    #[arg(long, value_name = "KEY", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    key: Option<String>,
    /// How to print what happens
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
    /// Show what the definition would do, and store and run nothing of it
    #[arg(long)]
    dry_run: bool,
    /// Count errors that were let pass as failure
    #[arg(long)]
    strict: bool,
    /// End with code 9 rather than wait for a person
    #[arg(long)]
    no_wait: bool,
}

pub(crate) fn run(args: &RunArgs, place: &Place) -> Result<Code, Failure> {
    if args.dry_run {
        return dry_run(args);
    }
    let mut problems = Vec::new();
    match start(args, place, &mut problems) {
        Ok(Way::Plain(running)) => {
            let (end, host) = running.follow(problems);
            end.and_then(|code| finish_hosting(args, host, code))
        }
        Ok(Way::Scheduled(hosting)) => {
            hosting.follow(problems).and_then(|(code, host)| finish_hosting(args, host, code))
        }
        Err(failure) => {
            // Scripts that asked for a document get one, whatever was wrong.
            if args.output != Format::Text {
                if !problems.iter().any(ProblemEntry::is_error) {
                    problems.extend(ProblemEntry::of_failure(&failure, None));
                }
                output::json(&ExecutionDocument::of_problems(problems))?;
            }
            Err(failure)
        }
    }
}

/// What does not run yet is a warning here: nothing is started.
fn dry_run(args: &RunArgs) -> Result<Code, Failure> {
    let definition = args.definition()?;
    if args.output == Format::Text || !definition.checked.has_error() {
        definition.tell_problems();
    }
    if definition.checked.has_error() {
        if args.output != Format::Text {
            output::json(&ExecutionDocument::of_problems(definition.problems()))?;
        }
        return Err(args.refused(&definition, &Refusal::Wrong));
    }
    let mut wrong = Vec::new();
    if let Some(chain) = &definition.checked.chain
        && args.has_params()
        && let Err(failure) = args.all_params(chain, &mut wrong)
    {
        if args.output != Format::Text {
            let problems = [definition.problems(), wrong, ProblemEntry::of_failure(&failure, None)].concat();
            output::json(&ExecutionDocument::of_problems(problems))?;
        }
        return Err(failure);
    }
    let schedules = args.schedule.schedules(definition.schedules());
    let excerpt = match &definition.checked.chain {
        None => Excerpt::default(),
        Some(chain) => {
            let left_out = args.part(chain)?.map(|part| chain.left_out(part)).unwrap_or_default();
            let pinned = pins::read(&args.pin, chain)?.into_iter().map(|(step, _)| step);
            let id = |step: StepIx| chain.step(step).id.to_string();
            Excerpt { left_out: left_out.into_iter().map(id).collect(), pinned: pinned.map(id).collect() }
        }
    };
    preview::show(&definition, &schedules, excerpt, args.output)
}

/// The way to an execution, and the problems of its definition.
fn start<'a>(args: &'a RunArgs, place: &Place, problems: &mut Vec<ProblemEntry>) -> Result<Way<'a>, Failure> {
    let definition = args.definition()?;
    problems.extend(definition.problems());
    if args.output == Format::Text || !definition.checked.has_error() {
        definition.tell_problems();
    }
    if let Err(refusal) = definition.expect_startable() {
        *problems = problems.drain(..).map(ProblemEntry::into_refusal).collect();
        return Err(args.refused(&definition, &refusal));
    }
    let schedules = args.schedule.schedules(definition.schedules());
    if realms::is_asked_for(args) {
        realms::tell_preview(&definition, &schedules);
    }
    let version = Arc::new(definition.into_version().expect("a definition without an error is a version"));
    let (part, pins) = (args.part(&version.chain)?, pins::read(&args.pin, &version.chain)?);
    let ContextFile { params, context } = args.context(&version.chain, part, problems)?;
    let params = args.params.read_over(params, &version.chain)?;
    let once = args.once || part.is_some() || !pins.is_empty();
    let locations = Locations::find(place)?;
    scheduled::expect_no_key(args, !once && !schedules.is_empty())?;
    let mut host = Host::reach(&locations, Reach::All)?;
    if !once && (!schedules.is_empty() || scheduled::had_schedules(&*host.store(&locations)?, &version)?) {
        let begin = scheduled::begin(&schedules);
        let plan =
            scheduled::Plan { version: Arc::clone(&version), schedules, params: params.clone(), begin };
        if let Some(hosting) = scheduled::Hosting::start(args, &locations, &mut host, plan)? {
            return Ok(Way::Scheduled(Box::new(hosting.with(host))));
        }
    }
    Running::start(args, locations, host, version, Given { params, part, pins, context })
        .map(Box::new)
        .map(Way::Plain)
}

/// What an execution is given, and which part of its chain runs.
struct Given {
    params: BTreeMap<String, Value>,
    part: Option<Part>,
    pins: Vec<(StepIx, Value)>,
    context: GivenContext,
}

/// What there is to follow.
enum Way<'a> {
    Plain(Box<Running<'a>>),
    Scheduled(Box<scheduled::Followed<'a>>),
}

impl RunArgs {
    fn definition(&self) -> Result<Definition, Failure> {
        match (&self.definition, &self.config, &self.file) {
            (Some(path), ..) if is_code(path) => {
                let message = format!("{} is a step file, no definition", path.display());
                let next = format!("catena run --file {}", output::shell_word(path));
                Err(Failure::new(Code::Usage, message).next(next))
            }
            (_, _, Some(path)) if !is_definition(path) => Definition::of_step_file(path),
            (Some(path), ..) | (_, Some(path), _) | (_, _, Some(path)) => Definition::read(path),
            (None, None, None) => unreachable!("clap asks for one of them"),
        }
    }

    /// The part of the chain that is asked for.
    fn part(&self, chain: &Chain) -> Result<Option<Part>, Failure> {
        let part = match (&self.only, &self.from, &self.to) {
            (Some(name), _, _) => Part::Only(step_on_the_way(chain, name)?),
            (_, Some(name), _) => Part::From(step_on_the_way(chain, name)?),
            (_, _, Some(name)) => Part::To(step_on_the_way(chain, name)?),
            (None, None, None) => return Ok(None),
        };
        Ok(Some(part))
    }

    fn context(
        &self,
        chain: &Chain,
        part: Option<Part>,
        problems: &mut Vec<ProblemEntry>,
    ) -> Result<ContextFile, Failure> {
        let (Some(text), Some(part)) = (&self.context, part) else { return Ok(ContextFile::default()) };
        let (Part::Only(step) | Part::From(step) | Part::To(step)) = part;
        context::read(text, chain, Some(step), problems).map(|given| given.without_own(chain))
    }

    fn has_params(&self) -> bool {
        !self.params.gives_none() || self.context.is_some()
    }

    fn all_params(
        &self,
        chain: &Chain,
        problems: &mut Vec<ProblemEntry>,
    ) -> Result<BTreeMap<String, Value>, Failure> {
        let given = self.context(chain, self.part(chain)?, problems)?.params;
        self.params.read_over(given, chain)
    }

    fn refused(&self, definition: &Definition, refusal: &Refusal) -> Failure {
        match refusal {
            Refusal::Wrong => {
                let next = first_code(std::slice::from_ref(definition));
                Failure::told(Code::Definition).next_if(self.output == Format::Text, next)
            }
            Refusal::NotYet(missing) => {
                let message = format!(
                    "this version cannot start the chain: it does not run {} yet",
                    missing.join(", ")
                );
                let path = self.definition.as_ref().or(self.config.as_ref()).or(self.file.as_ref());
                let path = path.map(|path| output::shell_word(path)).unwrap_or_default();
                Failure::new(Code::Definition, message)
                    .next(format!("catena run {path} --dry-run, which shows what it would do"))
            }
        }
    }
}

fn is_definition(path: &Path) -> bool {
    has_extension(path, &["yaml", "yml", "json"])
}

fn is_code(path: &Path) -> bool {
    has_extension(path, &["py", "js", "mjs", "cjs", "sh"])
}

fn has_extension(path: &Path, extensions: &[&str]) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    extension.is_some_and(|extension| extensions.contains(&extension))
}

/// An execution that this command started and follows.
struct Running<'a> {
    args: &'a RunArgs,
    locations: Locations,
    host: Host,
    execution: ExecutionId,
    state: State,
    interrupts: Interrupts,
}

impl<'a> Running<'a> {
    fn start(
        args: &'a RunArgs,
        locations: Locations,
        mut host: Host,
        version: Arc<Version>,
        given: Given,
    ) -> Result<Self, Failure> {
        tell_host(&host);
        let chain = version.chain.name.clone();
        let request = StartRequest {
            key: args.key.clone(),
            part: given.part,
            pins: given.pins,
            context: given.context,
            ..StartRequest::new(Arc::clone(&version), given.params, hosting::actor())
        };
        let started = host.start_once(request, &locations)?;
        if !args.once {
            host.host_schedules();
        }
        if realms::is_asked_for(args) {
            realms::tell_started(&version.chain, &*host.store(&locations)?)?;
        }
        let execution = started.execution;
        let again = if started.is_new || args.key.is_none() { "" } else { ", started before with this key" };
        talk!("execution {execution} of {chain}{again}");
        let interrupts = watch_interrupts(&locations, &host, execution)?;
        let state = match started.is_new {
            true => State::new(execution, Arc::clone(&version.chain)),
            false => hosting::fresh_state(&hosting::reader(&locations)?, execution)?,
        };
        Ok(Self { args, locations, host, execution, state, interrupts })
    }

    fn follow(mut self, mut problems: Vec<ProblemEntry>) -> (Result<Code, Failure>, Host) {
        let followed = self.follow_events();
        self.interrupts.end();
        let end = match followed {
            Ok(()) => self.print_end(problems).map(|()| self.code()),
            Err(failure) => {
                problems.extend(ProblemEntry::of_failure(&failure, None));
                self.print_document(problems).and(Err(failure))
            }
        };
        (end, self.host)
    }

    fn follow_events(&mut self) -> Result<(), Failure> {
        // Who asked for the events themselves gets those alone.
        let view = (self.args.output != Format::Jsonl).then(|| View::new(self.locations.places()));
        if let Some(view) = &view {
            view.begin(&self.state);
        }
        let mut events = self.events()?;
        loop {
            match events.next(self.execution) {
                Ok(Some(entry)) => {
                    let before = self.state.status();
                    self.state.apply(entry.at, &entry.event).map_err(catena_store::Error::from)?;
                    ending::tell_wait(&self.state, before);
                    match &view {
                        None => output::json(&EventDto::new(&self.state, &entry))?,
                        Some(view) => view.event(&self.state, &entry),
                    }
                    if matches!(entry.event, Event::ExecutionEnded { .. }) || self.waits_for_a_person() {
                        return Ok(());
                    }
                }
                Ok(None) => return Ok(()),
                // The host has gone and this process is here: it takes over, or follows who did.
                Err(error) if matches!(self.host, Host::There(_)) && !self.interrupts.any() => {
                    talk!("{error}; taking over");
                    self.host = Host::reach(&self.locations, Reach::All)?;
                    if !self.args.once {
                        self.host.host_schedules();
                    }
                    events = self.events()?;
                }
                Err(error) => {
                    let next =
                        format!("catena ps show {}: it goes on with the next `catena run`", self.execution);
                    return Err(Failure::from(error).next(next));
                }
            }
        }
    }

    fn code(&self) -> Code {
        if self.interrupts.any() {
            return Code::Interrupted;
        }
        if self.state.waits_for_somebody() {
            return Code::Waits;
        }
        let strictness = if self.args.strict { Strictness::Strict } else { Strictness::Lenient };
        Code::of(self.state.status(), strictness)
    }

    /// A host that goes while it is asked is taken over from, or another one follows it.
    fn events(&mut self) -> Result<Events, Failure> {
        loop {
            let client = match &self.host {
                Host::Here { engine, .. } => {
                    return Ok(Events::Here(engine.follow(self.execution, self.state.seq())?));
                }
                Host::There(_) => HostClient::connect(&self.locations.root)?,
            };
            if let Some(mut client) = client
                && client.follow(self.execution).is_ok()
            {
                let store = hosting::reader(&self.locations)?;
                return Ok(Events::There { client, store, queue: VecDeque::new(), last: self.state.seq() });
            }
            self.host = Host::reach(&self.locations, Reach::All)?;
        }
    }

    /// Whether there is nothing to follow any more without a person.
    fn waits_for_a_person(&self) -> bool {
        match self.state.status() {
            ExecutionStatus::Stuck => true,
            ExecutionStatus::Waiting => self.args.no_wait && self.state.waits_for_somebody(),
            ExecutionStatus::InDoubt | ExecutionStatus::Quarantined | ExecutionStatus::Paused => {
                self.args.no_wait
            }
            _ => false,
        }
    }

    /// Where large values are.
    fn store(&self) -> Result<Arc<SqliteStore>, Failure> {
        self.host.store(&self.locations)
    }

    fn print_document(&self, problems: Vec<ProblemEntry>) -> Result<(), Failure> {
        match self.args.output {
            Format::Text => Ok(()),
            Format::Json | Format::Jsonl => {
                output::json(&ExecutionDocument::new(&*self.store()?, &self.state, problems)?)
            }
        }
    }

    fn print_end(&self, problems: Vec<ProblemEntry>) -> Result<(), Failure> {
        if self.args.output != Format::Text {
            return self.print_document(problems);
        }
        let row = ending::tell(&self.state);
        let Some(value) = &row.output else { return Ok(()) };
        match catena_store::whole(&*self.store()?, value)? {
            Json::String(text) => output::line(&text),
            other => output::json(&other),
        }
    }
}

/// Follows an execution that was started otherwise, as `run` follows its own.
pub(super) fn follow_execution(
    locations: Locations,
    host: Host,
    execution: ExecutionId,
    output: Format,
) -> Result<Code, Failure> {
    let args = RunArgs { output, once: true, ..RunArgs::default() };
    tell_host(&host);
    talk!("execution {execution}");
    let interrupts = watch_interrupts(&locations, &host, execution)?;
    let state = hosting::fresh_state(&*host.store(&locations)?, execution)?;
    let running = Running { args: &args, locations, host, execution, state, interrupts };
    let (end, _host) = running.follow(Vec::new());
    end
}

fn tell_host(host: &Host) {
    match host {
        Host::There(client) => talk!("process {} hosts the store; this one follows", client.pid()),
        Host::Here { engine, .. } => {
            let moves = |id: &&ExecutionId| {
                let row = engine.store().execution(**id);
                !matches!(row, Ok(Some(row)) if needs_a_person(row.status))
            };
            let ids: Vec<String> = engine.recovered().iter().filter(moves).map(ToString::to_string).collect();
            if !ids.is_empty() {
                talk!("going on with unfinished: {}", ids.join(", "));
            }
        }
    }
}

/// Ctrl-C asks a person at a terminal, and elsewhere this execution, to end; a second one, or a request to end this
/// process, leaves it to the next host.
fn watch_interrupts(
    locations: &Locations,
    host: &Host,
    execution: ExecutionId,
) -> Result<Interrupts, Failure> {
    let engine: Mutex<Option<std::sync::Weak<Engine>>> = Mutex::new(match host {
        Host::Here { engine, .. } => Some(Arc::downgrade(engine)),
        Host::There(_) => None,
    });
    let place = locations.clone();
    let cancel = move || {
        talk!("cancelling execution {execution}; once more to leave at once");
        let engine = engine.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let cancelled = match engine.and_then(|engine| engine.upgrade()) {
            Some(engine) => engine.cancel(execution, false, hosting::actor()),
            None => match HostClient::connect(&place.root) {
                Ok(Some(mut client)) => client.cancel(execution, false, hosting::actor()),
                Ok(None) => return,
                Err(error) => Err(error),
            },
        };
        if let Err(error) = cancelled {
            talk!("cannot cancel it: {error}");
        }
    };
    let (place, asked) = (locations.clone(), locations.clone());
    let leave = move || {
        tell_leaving(&place, execution);
        leave_now();
    };
    let question = move || {
        let leave = match hosting::other_host(&asked) {
            None => "d: leave it, it goes on with the next `catena run`",
            Some(_) => "d: leave it, it goes on",
        };
        ["Ctrl-C again or c: cancel it", leave, "Enter: go on"].map(str::to_owned).to_vec()
    };
    let choice = Choice { question: Box::new(question), cancel: Box::new(cancel), leave: Box::new(leave) };
    Interrupts::watch(choice).map_err(|error| {
        Failure::new(Code::Environment, format!("cannot watch for signals: {error}"))
            .next(format!("catena ps show {execution}: it has started"))
    })
}

/// What becomes of an execution that this process leaves, or of the others that it stayed for.
fn tell_leaving(locations: &Locations, execution: ExecutionId) {
    let row = hosting::reader(locations).and_then(|reader| Ok(reader.execution(execution)?));
    let has_ended = row.is_ok_and(|row| row.is_some_and(|row| row.status.is_end()));
    match hosting::other_host(locations) {
        Some(pid) => {
            talk!("leaving: execution {execution} goes on, process {pid} hosts it");
            talk!("  next: catena ps watch {execution}");
        }
        None if has_ended => talk!("leaving: what is unfinished goes on with the next `catena run`"),
        None => {
            talk!(
                "leaving: execution {execution} goes on with the next `catena run`; what runs now runs on meanwhile"
            );
        }
    }
}

#[expect(clippy::exit, reason = "the second interrupt leaves at once; what is committed needs no farewell")]
pub(super) fn leave_now() -> ! {
    view::rescue();
    std::process::exit(Code::Interrupted as i32)
}

/// A host whose own chain has ended stays while it hosts others, and schedules.
fn finish_hosting(args: &RunArgs, host: Host, code: Code) -> Result<Code, Failure> {
    let Host::Here { engine, .. } = &host else { return Ok(code) };
    if code == Code::Waits {
        // Nobody waits for a person who said so; who answers has a host of their own.
        talk!("leaving: what is unfinished goes on with the next `catena run`");
        return Ok(code);
    }
    loop {
        finish_others(engine, code)?;
        if args.once || code == Code::Interrupted || !scheduled::stay_for_schedules(engine)? {
            return Ok(code);
        }
    }
}

/// Follows other executions until none is left that goes on.
fn finish_others(engine: &Engine, code: Code) -> Result<(), Failure> {
    let mut told = false;
    while code != Code::Interrupted
        && let Some(other) = next_unfinished(engine)?
    {
        if !told {
            talk!("staying while other executions run; Ctrl-C leaves them to the next host");
            told = true;
        }
        // Until it ends, or waits for a person.
        let mut follower = engine.follow(other, 0)?;
        while next_unfinished(engine)? == Some(other) && follower.next_event()?.is_some() {}
        if let Some(row) = engine.store().execution(other)? {
            talk!("execution {other} of {} {}", row.chain, row.status);
        }
    }
    Ok(())
}

/// Whether no host brings it on.
fn needs_a_person(status: ExecutionStatus) -> bool {
    matches!(
        status,
        ExecutionStatus::InDoubt
            | ExecutionStatus::Quarantined
            | ExecutionStatus::Stuck
            | ExecutionStatus::Paused
    )
}

/// An execution that this host still brings on; those that wait for a person need no host.
fn next_unfinished(engine: &Engine) -> Result<Option<ExecutionId>, Failure> {
    let filter = ExecutionFilter { unfinished_only: true, ..ExecutionFilter::default() };
    let rows = engine.store().executions(&filter)?;
    let is_damaged = |id| engine.damaged().iter().any(|(damaged, _)| *damaged == id);
    for row in rows.iter().rev().filter(|row| !is_damaged(row.id)) {
        if goes_on(engine, row, &rows)? {
            return Ok(Some(row.id));
        }
    }
    Ok(None)
}

/// Whether a host brings an execution on by itself. One that waits for others counts where they do not.
fn goes_on(engine: &Engine, row: &ExecutionRow, unfinished: &[ExecutionRow]) -> Result<bool, Failure> {
    if !matches!(row.status, ExecutionStatus::Waiting | ExecutionStatus::Stuck) {
        return Ok(!needs_a_person(row.status));
    }
    // It may have moved on since the rows were read; and it may not have heard yet of the end that it waits for.
    let (state, _) = read_state(&**engine.store(), row.id)?;
    let has_ended = |id: ExecutionId| !unfinished.iter().any(|row| row.id == id);
    match state.status() {
        ExecutionStatus::Stuck => Ok(state.halted_undo().is_some_and(|(_, undo)| has_ended(undo))),
        status if needs_a_person(status) => Ok(false),
        // What waits without a clock waits for a person, a signal, or a child.
        ExecutionStatus::Waiting if state.agenda().next_timer().is_none() => {
            let children = state.agenda().calls().map(|no| state.visit(no).child());
            Ok(children.into_iter().any(|child| child.is_none_or(has_ended)))
        }
        _ => Ok(true),
    }
}
