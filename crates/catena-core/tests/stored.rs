//! Journals and chains as earlier versions stored them: they must read and fold to the same for ever.
//!
//! A file of `fixtures/journals` is never edited. A new kind of event gets a new file: write the chain and the
//! script here, and run the test once with `CATENA_FIXTURES=write`.

#![expect(clippy::disallowed_methods, reason = "fixtures are files")]

use std::{path::PathBuf, sync::Arc};

use catena_core::{
    Chain, Event, ExecutionId, State, Timestamp,
    chain::{ErrorPolicy, Process, StepDraft, WaitFor, Work},
    event::Answer,
    template::Template,
    value::INLINE_MAX_BYTES,
};
use catena_testkit::{
    Sim,
    draft::{Change, Steps, chain, for_each, group, id, parallel, set, task, wait},
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

#[test]
fn what_was_stored_folds_to_the_same_state() {
    for (name, steps, script) in fixtures() {
        let chain = Arc::new(chain(steps));
        let sim = Sim::start(&chain, &script, 4).run();
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
