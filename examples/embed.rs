//! Catena inside a program of one's own: a list of steps, each a Rust function, run one after another. `init`
//! returns the number of the execution at once; the stream of events bears the same number; a step that fails
//! and a step that breaks both stop the sequence.
//!
//! Run it with `cargo run -p catena-engine --example embed`.

#![expect(clippy::print_stdout, reason = "an example talks to its reader")]

use std::{collections::BTreeMap, process::Command, sync::Arc};

use catena_core::{
    Event, Failure, FailureType, Value,
    chain::{ChainName, Draft, StepDraft, Work},
    ids::StepId,
    template::Template,
};
use catena_engine::{Call, Config, Engine, Functions, StartRequest};
use catena_store::{Actor, Version};

type Error = Box<dyn std::error::Error>;

/// What the embedding program does in one step.
fn execute_step(call: &Call) -> Result<Value, Failure> {
    let text = call.parameters.to_text();
    match text.as_str() {
        "fail" => Err(Failure::lasting(FailureType::Raised("refused".into()), "this step was told to fail")),
        "break" => panic!("this step was told to break"),
        other => Ok(Value::text(format!("done: {other}"))),
    }
}

/// Starts a sequence and returns its number without waiting for it.
fn init(engine: &Engine, steps: &[&str]) -> Result<catena_core::ExecutionId, Error> {
    let drafts = steps.iter().enumerate().map(|(position, text)| {
        let parameters = Template::constant(*text);
        let work = Work::Function { function: "execute_step".to_owned(), parameters };
        Ok(StepDraft::new(StepId::parse(&format!("step_{position}"))?, work))
    });
    let drafts: Vec<StepDraft> = drafts.collect::<Result<_, Error>>()?;
    let chain = Draft::new(ChainName::parse("sequence")?, drafts).build()?;
    let version = Arc::new(Version::new(chain, steps.join("\n"), Vec::new()));
    let request = StartRequest::new(version, BTreeMap::new(), Actor::new("embed"));
    Ok(engine.start(request)?.execution)
}

fn main() -> Result<(), Error> {
    // A step that panics is a failure with its message; the backtrace on top is of no use to the reader here.
    std::panic::set_hook(Box::new(|_| {}));
    let home = tempfile::tempdir()?;
    // Functions need no process helper; a program that also runs `shell` steps would name itself here and call
    // `catena_runners::process::serve` when it is started that way.
    let mut config = Config::new(home.path(), Arc::new(|| Command::new("false")));
    config.functions = Functions::default().with("execute_step", execute_step);
    let engine = Engine::open(config)?;

    for steps in [&["open", "measure", "close"][..], &["open", "fail", "close"], &["open", "break", "close"]]
    {
        let execution = init(&engine, steps)?;
        println!("execution {execution}: {}", steps.join(", "));
        let stream = engine.stream(execution);
        assert_eq!(stream.id(), execution);

        // Live: every event as it is committed, to the end.
        let mut follower = engine.follow(execution, 0)?;
        while let Some(entry) = follower.next_within(std::time::Duration::from_secs(10))? {
            if let Event::AttemptEnded { answer, .. } = &entry.event {
                println!("  {:>3} {answer:?}", entry.seq);
            }
            if matches!(entry.event, Event::ExecutionEnded { .. }) {
                break;
            }
        }
        // Or now and then: is there anything, and what came after the third event?
        println!(
            "  has events: {}, after the third: {}",
            stream.has_events()?,
            stream.events_after(3)?.len()
        );
        let row = engine.store().execution_row(execution)?;
        println!("  {}", row.status);
    }
    Ok(())
}
