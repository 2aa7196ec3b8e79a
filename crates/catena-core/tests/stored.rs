//! Journals and chains as earlier versions stored them: they must read and fold to the same for ever.
//!
//! A file of `fixtures/journals` is never edited. A new kind of event gets a new file: write the chain and the
//! script here, and run the test once with `CATENA_FIXTURES=write`.

#![expect(clippy::disallowed_methods, reason = "fixtures are files")]

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::Arc,
};

use catena_core::{
    AttemptNo, Chain, Command, Event, ExecutionId, GivenContext, State, Timestamp, Value, VisitNo,
    chain::{
        Cache, ChainName, Draft, ErrorPolicy, Handlers, Join, On, OnTimeout, Process, StepDraft, WaitFor,
        Work,
    },
    command::{Legacy, Start},
    event::{Answer, ApprovalAnswer, Trigger},
    rerun::Again,
    status::{End, ExecutionStatus},
    template::Template,
    value::INLINE_MAX_BYTES,
};
use catena_testkit::{
    Sim,
    draft::{
        Change, Steps, approval, await_signal, call, chain, end, for_each, group, id, parallel, set, task,
        wait,
    },
    sim::{fail, succeed},
};
use serde_json::{Value as Json, json};

type Script = fn(&str, u32) -> (Answer, u64);

/// Name, steps and script of each fixture.
fn fixtures() -> Vec<(&'static str, Steps, Script)> {
    let saga = vec![
        group(
            "batch",
            vec![for_each("each", "[7, 8]", vec![task("charge").retry(2).undo(vec![task("refund")])])],
        )
        .jump("steps.charge.attempts == 2 and steps.batch.attempts == 1", "batch"),
        task("note").policy(ErrorPolicy::Continue),
        task("never").when("1 > 2"),
        parallel(
            "race",
            WaitFor::Count(1),
            vec![("hare", vec![task("fast")]), ("snail", vec![task("slow")])],
        ),
        task("ship").policy(ErrorPolicy::Rollback),
    ];
    let outcomes: Script = |address, n| match address {
        "batch/each[1]/charge" if n == 1 => (fail("card declined"), 5),
        "note" => (fail("no paper"), 1),
        "race[snail]/slow" => (succeed("late"), 90),
        "ship" => (fail("storm"), 3),
        _ => (succeed(json!({"$catena": 1})), 10),
    };
    let once = vec![task("pay")];
    let lost: Script = |_, _| (Answer::Lost { message: "gone".into() }, 5);
    let env = [("AUTH", "Bearer {secrets.API_KEY}"), ("KEY", "{secrets.API_KEY}"), ("DAY", "{now}")];
    let process = Process {
        env: env.map(|(name, text)| (name.to_owned(), template(text))).into(),
        stdin: Some(Template::List(vec![template("{now}"), template("{secrets.DB}")])),
        ..Process::default()
    };
    let work = Work::Shell { script: "fetch".into(), interpreter: None, process };
    let secrets = vec![StepDraft::new(id("fetch"), work)];
    let done: Script = |_, _| (succeed("done"), 5);
    let large = vec![
        for_each("each", "[1, 2]", vec![task("page").undo(vec![set("seen", "result | length")])]),
        set("pages", "each"),
        set("first", "{'length': pages[0] | length, 'odd': {'$catena': {'stored': 1}}}"),
        task("last").when("first.length > 5").policy(ErrorPolicy::Rollback),
    ];
    let pages: Script = |address, _| match address {
        "last" => (fail("no more"), 1),
        _ => (succeed(format!("{address} {}", "x".repeat(INLINE_MAX_BYTES))), 5),
    };
    let clock = vec![
        wait("rest", 500),
        task("a").delays(1_000),
        group("block", vec![task("b").retry(3)]).within(250).policy(ErrorPolicy::Continue),
        task("c"),
    ];
    let slow: Script = |address, _| match address {
        "block/b" => (fail("not yet"), 60),
        _ => (succeed(1), 10),
    };
    vec![
        ("saga", saga, outcomes),
        ("quarantined", once, lost),
        ("secrets", secrets, done),
        ("large", large, pages),
        ("clock", clock, slow),
    ]
}

fn template(text: &str) -> Template {
    Template::scan(text, &|name| ["secrets", "now"].contains(&name)).expect("a template").template
}

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/journals").join(format!("{name}.json"))
}

fn stored(sim: &Sim<'_>) -> Json {
    let journal: Vec<Json> =
        sim.journal.iter().map(|(at, event)| json!({ "at": at, "event": event })).collect();
    json!({ "chain": **sim.state.chain(), "journal": journal })
}

/// A script for as long as the test runs.
fn kept(script: Script) -> &'static Script {
    Box::leak(Box::new(script))
}

/// Graphs, iterations, alternatives, handlers, and an end from within.
fn flow() -> Sim<'static> {
    let steps = vec![
        task("a").delays(50),
        task("b").after("a", On::Completed).policy(ErrorPolicy::Continue),
        task("c").after("b", On::Failed).join(Join::Count(1)),
        task("d").after("b", On::Skipped),
        group("again", vec![task("e")]).until("loop.index == 1", 3).after("c", On::Ended),
        task("f").after("again", On::Completed).otherwise(task("g")),
        end("done", End::Completed).after("f", On::Completed),
        task("late").after("done", On::Completed),
    ];
    let handlers = Handlers { finally: Some(vec![task("clean")]), ..Handlers::default() };
    let draft = Draft { handlers, ..Draft::new(ChainName::parse("test").expect("a name"), steps) };
    let script: Script = |address, _| match address {
        "b" | "f" => (fail("scripted"), 5),
        _ => (succeed(1), 10),
    };
    Sim::start(&Arc::new(draft.build().expect("a chain")), kept(script), 4).run()
}

/// What people and other executions have to say.
fn people() -> Sim<'static> {
    let steps = vec![
        approval("ok", Some(60_000), OnTimeout::Fail),
        await_signal("go", "go", None),
        call("child"),
        StepDraft { cache: Some(Cache::default()), ..task("kept") },
        task("last").policy(ErrorPolicy::Rollback),
    ];
    let script: Script = |address, _| match address {
        "last" => (fail("scripted"), 5),
        _ => (succeed(1), 10),
    };
    let start = Start { held: true, ..Start::new("v1", Value::from(json!({})), Trigger::Manual) };
    let mut sim = Sim::start_with(&Arc::new(chain(steps)), start, kept(script), 4);
    sim.tell(Command::SendSignal { name: "go".into(), value: Value::text("early") });
    sim.tell(Command::AdmitExecution);
    let answer = ApprovalAnswer { approved: true, by: "ann".into(), comment: Some("yes".into()), form: None };
    sim.tell(Command::AnswerApproval { visit: VisitNo(0), answer });
    let (visit, attempt, child) = (VisitNo(2), AttemptNo(1), ExecutionId(9));
    sim.tell(Command::NoteChild { visit, attempt, child });
    sim.tell(Command::NoteChildHalted { visit, attempt });
    while sim.state.status() != ExecutionStatus::Undoing {
        sim.step();
    }
    sim.tell(Command::NoteChildUndoHalted { visit, nth: 1, execution: ExecutionId(10) });
    assert_eq!(sim.state.status(), ExecutionStatus::Stuck);
    sim.tell(Command::CancelExecution { rollback: false, force: true });
    sim.run()
}

/// What another execution has left, and what of it is taken back.
fn legacy() -> [Sim<'static>; 2] {
    let steps = || {
        vec![
            for_each("each", "[5, 6]", vec![task("t").undo(vec![set("back", "item")])]),
            task("bad"),
            task("last"),
        ]
    };
    let script: Script = |address, _| match address {
        "bad" => (fail("scripted"), 5),
        _ => (succeed(1), 10),
    };
    let chain = Arc::new(chain(steps()));
    let first = Sim::start(&chain, kept(script), 4).run();
    let plan =
        first.state.rerun(Again::Failed, first.journal.iter().map(|(_, event)| event), &BTreeSet::new());
    let from = ExecutionId(1);
    let start = |trigger, legacy| Start { legacy, ..Start::new("v1", Value::from(json!({})), trigger) };
    let results = Legacy::Results { from, duty: true, results: plan.results };
    let bad = chain.step_by_id("bad").expect("it is there");
    let rerun = Start {
        pinned: vec![(bad, Value::from(json!(7)))],
        left_out: vec![chain.step_by_id("last").expect("it is there")],
        ..start(Trigger::Rerun { of: from }, results)
    };
    let duties = Legacy::Duties { from, duties: first.state.duties() };
    let trigger = Trigger::Undo { of: from, parent: ExecutionId(5), visit: VisitNo(0), nth: 1 };
    [rerun, start(trigger, duties)].map(|start| Sim::start_with(&chain, start, kept(script), 4).run())
}

/// A part of a chain with what the rest of it would have left.
fn given() -> Sim<'static> {
    let steps = vec![task("a"), for_each("each", "a", vec![set("sum", "item + b + steps.a.result")])];
    let chain = Arc::new(chain(steps));
    let step = |id: &str| chain.step_by_id(id).expect("it is there");
    let context = GivenContext {
        names: BTreeMap::from([("b".to_owned(), Value::from(json!(4)))]),
        steps: BTreeMap::from([(step("a"), Value::from(json!({"status": "completed", "result": 30})))]),
        items: BTreeMap::from([(step("each"), vec![Value::from(json!(1)), Value::from(json!(8))])]),
        ..GivenContext::default()
    };
    let start = Start {
        left_out: vec![step("a")],
        context,
        ..Start::new("v1", Value::from(json!({})), Trigger::Manual)
    };
    Sim::start_with(&chain, start, kept(|_, _| (succeed(1), 10)), 4).run()
}

#[test]
fn what_was_stored_folds_to_the_same_state() {
    let by_script = fixtures()
        .into_iter()
        .map(|(name, steps, script)| (name, Sim::start(&Arc::new(chain(steps)), kept(script), 4).run()));
    let [adopted, undone] = legacy();
    let by_hand = [
        ("given", given()),
        ("flow", flow()),
        ("halted", people()),
        ("taken_over", adopted),
        ("undone", undone),
    ];
    for (name, sim) in by_script.chain(by_hand) {
        let path = path(name);
        if std::env::var_os("CATENA_FIXTURES").is_some_and(|word| word == "write") && !path.exists() {
            let text = serde_json::to_string_pretty(&stored(&sim)).expect("plain data");
            std::fs::write(&path, text + "\n").expect("the fixture can be written");
        }
        let text = std::fs::read_to_string(&path).expect("the fixture is there");
        let file: Json = serde_json::from_str(&text).expect("a fixture is JSON");
        assert_eq!(file, stored(&sim), "{name}: what is written now is not what was written then");
        assert_eq!(fold(&file), sim.state, "{name}");
    }
}

/// A stop by force did not wait for the undo of a child then, and less was said of what is taken over.
#[test]
fn what_is_decided_otherwise_now_folds_as_it_was() {
    for (name, status) in [("people", ExecutionStatus::Failed), ("adopted", ExecutionStatus::Completed)] {
        let text = std::fs::read_to_string(path(name)).expect("the fixture is there");
        let state = fold(&serde_json::from_str(&text).expect("a fixture is JSON"));
        assert_eq!(state.status(), status);
    }
}

fn fold(file: &Json) -> State {
    let chain: Chain = serde_json::from_value(file["chain"].clone()).expect("a stored chain reads");
    let mut state = State::new(ExecutionId(1), Arc::new(chain));
    for line in file["journal"].as_array().expect("a list") {
        let at: Timestamp = serde_json::from_value(line["at"].clone()).expect("a time");
        let event: Event = serde_json::from_value(line["event"].clone()).expect("a stored event reads");
        state.apply(at, &event).expect("a stored journal folds");
    }
    state
}
