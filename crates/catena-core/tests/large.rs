//! Large values: what stands in the journal is a reference, what is computed on them is journalled as it came out.

use std::sync::Arc;

use catena_core::{
    Loaded, Outside, State, Timestamp,
    chain::{StepDraft, Work},
    event::Answer,
    status::ExecutionStatus,
    template::Template,
    value::{INLINE_MAX_BYTES, VALUE_MAX_BYTES},
};
use catena_testkit::{
    Sim,
    draft::{Change, Steps, chain, expr, for_each, group, id, parallel, set, task},
    sim::succeed,
};
use serde_json::{Value as Json, json};

const LARGE: usize = INLINE_MAX_BYTES + 1_000;

/// The journal, digests cut short, and how often a decision had to wait.
fn check(steps: Steps, script: impl Fn(&str, u32) -> (Answer, u64)) -> String {
    let chain = Arc::new(chain(steps));
    let sim = Sim::start(&chain, &script, 4).run();
    let table = sim.table().lines().map(shortened).collect::<Vec<_>>().join("\n");
    format!("{table}\nwaits: {}", sim.waits)
}

/// `{"$catena":{"stored":{"sha256":…,"bytes":n}}}` as `<n>`.
fn shortened(line: &str) -> String {
    let mut parts = line.split("{\"$catena\":{\"stored\":{\"sha256\":\"");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| {
        let said = part.split_once("\"bytes\":").and_then(|(_, rest)| rest.split_once("}}}"));
        let (bytes, rest) = said.expect("a reference has both");
        format!("{text}<{bytes}>{rest}")
    })
}

/// What a step leaves in the end.
fn result(sim: &Sim<'_>, step: &str) -> Json {
    let found = sim.state.visits().filter(|(no, _)| sim.state.step_of(*no).id.as_str() == step).last();
    let value = found.and_then(|(_, visit)| visit.result()).expect("the step has completed");
    value.whole(&mut |stored| stored.open(&sim.blobs[&stored.sha256].bytes)).expect("all is stored")
}

fn large_text(_: &str, _: u32) -> (Answer, u64) {
    (succeed("x".repeat(LARGE)), 10)
}

#[test]
fn passing_a_value_on_reads_nothing() {
    let steps = vec![task("big"), set("same", "big"), set("again", "steps.same.result.same")];
    insta::assert_snapshot!(check(steps, large_text), @r#"
         0 execution_created
         0 execution_started
         0 block_opened 0 Root
         0 visit_entered big
         0 attempt_started big 1
        10 attempt_ended big 1 <66538>
        10 visit_completed big
        10 visit_entered same Values([("same", <66538>)])
        10 visit_entered again Values([("again", <66538>)])
        10 block_ended 0 completed
        10 execution_ended completed
    waits: 0
    "#);
}

#[test]
fn computing_on_a_value_waits_for_it() {
    let steps = vec![
        task("big"),
        set("n", "big | length"),
        task("rest").when("big | length > 5"),
        set("longer", "big ~ '!'"),
    ];
    insta::assert_snapshot!(check(steps, large_text), @r#"
         0 execution_created
         0 execution_started
         0 block_opened 0 Root
         0 visit_entered big
         0 attempt_started big 1
        10 attempt_ended big 1 <66538>
        10 visit_completed big
        10 visit_entered n Values([("n", 66536)])
        10 visit_entered rest
        10 attempt_started rest 1
        20 attempt_ended rest 1 <66538>
        20 visit_completed rest
        20 visit_entered longer Values([("longer", <66539>)])
        20 block_ended 0 completed
        20 execution_ended completed
    waits: 2
    "#);
}

#[test]
fn results_of_blocks_hold_references() {
    let branches = vec![("left", vec![task("l")]), ("right", vec![task("r")])];
    let steps = vec![
        for_each("each", "[1, 2]", vec![task("big")]),
        set("second", "each[1]"),
        for_each("again", "each", vec![set("n", "item | length")]),
        parallel("both", catena_core::chain::WaitFor::All, branches),
        set("left", "both.left"),
    ];
    insta::assert_snapshot!(check(steps, large_text), @r#"
         0 execution_created
         0 execution_started
         0 block_opened 0 Root
         0 visit_entered each Items([1, 2])
         0 block_opened 1 Item { visit: VisitNo(0), index: 0 }
         0 block_opened 2 Item { visit: VisitNo(0), index: 1 }
         0 visit_entered each[0]/big
         0 visit_entered each[1]/big
         0 attempt_started each[0]/big 1
         0 attempt_started each[1]/big 1
        10 attempt_ended each[0]/big 1 <66538>
        10 visit_completed each[0]/big
        10 block_ended 1 completed
        10 attempt_ended each[1]/big 1 <66538>
        10 visit_completed each[1]/big
        10 block_ended 2 completed
        10 visit_completed each [<66538>,<66538>]
        10 visit_entered second Values([("second", <66538>)])
        10 visit_entered again Items([<66538>, <66538>])
        10 block_opened 3 Item { visit: VisitNo(4), index: 0 }
        10 block_opened 4 Item { visit: VisitNo(4), index: 1 }
        10 visit_entered again[0]/n Values([("n", 66536)])
        10 block_ended 3 completed
        10 visit_entered again[1]/n Values([("n", 66536)])
        10 block_ended 4 completed
        10 visit_completed again [{"n":66536},{"n":66536}]
        10 visit_entered both Blocks
        10 block_opened 5 Branch { visit: VisitNo(7), index: 0 }
        10 block_opened 6 Branch { visit: VisitNo(7), index: 1 }
        10 visit_entered both[left]/l
        10 visit_entered both[right]/r
        10 attempt_started both[left]/l 1
        10 attempt_started both[right]/r 1
        20 attempt_ended both[left]/l 1 <66538>
        20 visit_completed both[left]/l
        20 block_ended 5 completed
        20 attempt_ended both[right]/r 1 <66538>
        20 visit_completed both[right]/r
        20 block_ended 6 completed
        20 visit_completed both {"left":<66538>,"right":<66538>}
        20 visit_entered left Values([("left", <66538>)])
        20 block_ended 0 completed
        20 execution_ended completed
    waits: 1
    "#);
}

/// Of a list of large values only those are read that an expression comes to.
#[test]
fn what_an_expression_does_not_come_to_is_not_read() {
    let items: Vec<u32> = (0..70).collect();
    let one = group("one", vec![task("big"), set("part", "big")]);
    let steps = vec![
        for_each("each", &format!("{items:?}"), vec![one]),
        set("count", "each | length"),
        set("one_of_them", "each[-1].part | length"),
        set("status", "steps['each'].status ~ steps['one_of_them'].result.one_of_them"),
        // Seventy MiB are too much.
        set("all", "each | map(attribute='part') | map('length') | sum"),
    ];
    let script = |address: &str, _: u32| (succeed(format!("{address}{}", "x".repeat(1 << 20))), 1);
    let chain = Arc::new(chain(steps));
    let sim = Sim::start(&chain, &script, 4).run();
    assert_eq!(result(&sim, "count"), json!({ "count": 70 }));
    let length = (1 << 20) + "each[69]/one/big".len();
    assert_eq!(result(&sim, "status"), json!({ "status": format!("completed{length}") }));
    assert_eq!((sim.waits, sim.state.status()), (2, ExecutionStatus::Failed));
}

/// What expressions do with values of a few MiB, and with lists and objects that have references in them.
#[test]
fn expressions_compute_on_large_values() {
    let records: Vec<Json> =
        (0..50_000).map(|n| json!({"n": n, "text": "a city or another", "at": 20.5})).collect();
    let text = json!({ "items": records }).to_string();
    assert!(text.len() > 2 << 20);
    let pages = for_each("pages", "[0, 1, 2]", vec![task("page")]);
    let exprs = [
        ("doc.items[-1].n", json!(49_999)),
        ("doc.items | map(attribute='n') | sum", json!(1_249_975_000)),
        ("doc | json | length", json!(text.len())),
        ("raw | length", json!(text.len())),
        ("raw[0]", json!("{")),
        ("'another' in raw and 'nowhere' not in raw", json!(true)),
        ("(raw | from_json).items | length", json!(50_000)),
        ("raw | from_json == doc", json!(true)),
        ("('it is ' ~ raw) | length", json!(text.len() + 6)),
        (
            "[pages | length, pages | first | length, (pages | last)[-1], pages[1:] | length]",
            json!([3, LARGE, "2", 2]),
        ),
        ("pages | join | length", json!(3 * LARGE)),
        ("pages | map('length') | sum", json!(3 * LARGE)),
        (
            "[pages[0] in pages, 'x' in pages, pages == pages, pages == [1]]",
            json!([true, false, true, false]),
        ),
        ("pages | json | length", json!(3 * LARGE + 10)),
        ("[pages is defined, pages | bool, pages | reverse | first == pages[2]]", json!([true, true, true])),
        (
            "[box | keys, box | length, 'b' in box, 'c' in box, box.b, box.c | default(0)]",
            json!([["a", "b"], 2, true, false, 1, 0]),
        ),
        ("box | items | map('last') | map('string') | map('length')", json!([text.len(), 1])),
        ("[box == box, box == {'a': raw, 'b': 1}, box | json | length > 1000000]", json!([true, true, true])),
    ];
    let named = exprs.iter().enumerate().map(|(n, (source, _))| set("out", source).named(&format!("x{n}")));
    // Not an expression: each field is passed on as it is kept.
    let fields = [("a", Template::Expr(expr("raw"))), ("b", Template::constant(1))];
    let fields = fields.map(|(name, field)| (name.to_owned(), field)).into();
    let pair = Work::Set { values: vec![("box".to_owned(), Template::Map(fields))] };
    let mut steps = vec![task("doc"), task("raw"), pages, StepDraft::new(id("pair"), pair)];
    steps.extend(named);
    let script = |address: &str, _: u32| match address {
        "doc" => (succeed(json!({ "items": records })), 1),
        "raw" => (succeed(text.clone()), 1),
        page => (succeed(format!("{}{}", "x".repeat(LARGE - 1), &page[6..7])), 1),
    };
    let chain = Arc::new(chain(steps));
    let sim = Sim::start(&chain, &script, 1).run();
    for (n, (source, expected)) in exprs.iter().enumerate() {
        let visit =
            sim.state.visits().filter(|(no, _)| sim.state.step_of(*no).id.as_str() == format!("x{n}")).last();
        assert_eq!(visit.and_then(|(_, visit)| visit.failure().cloned()), None, "{source}");
        assert_eq!(&result(&sim, &format!("x{n}"))["out"], expected, "{source}");
    }
}

/// A list of many small items is large, and so is what it says to a loop.
#[test]
fn many_items_do_not_crowd_an_event() {
    let steps = vec![
        task("list"),
        for_each("each", "list", vec![set("n", "item.text | length")]),
        set("sum", "each | map(attribute='n') | sum"),
    ];
    let items: Vec<Json> = (0..500).map(|n| json!({ "n": n, "text": "y".repeat(900) })).collect();
    let script = move |_: &str, _: u32| (succeed(items.clone()), 1);
    let chain = Arc::new(chain(steps));
    let sim = Sim::start(&chain, &script, 4).run();
    assert_eq!(result(&sim, "sum"), json!({ "sum": 500 * 900 }));
}

#[test]
fn an_undo_sees_large_values_of_its_visit() {
    let undo = vec![set("seen", "big"), set("size", "result | length")];
    let steps = vec![task("big").undo(undo), task("bad").policy(catena_core::chain::ErrorPolicy::Rollback)];
    let script = |address: &str, _: u32| match address {
        "bad" => (catena_testkit::sim::fail("no"), 1),
        _ => (succeed("x".repeat(LARGE)), 1),
    };
    let chain = Arc::new(chain(steps));
    let sim = Sim::start(&chain, &script, 1).run();
    assert_eq!(sim.state.status(), ExecutionStatus::RolledBack);
    assert_eq!(result(&sim, "size"), json!({ "size": LARGE }));
    assert_eq!(result(&sim, "seen")["seen"].as_str().map(str::len), Some(LARGE));
}

#[test]
fn what_is_too_large_is_a_failure() {
    let doubled = (0..9).map(|n| set("s", "s ~ s").named(&format!("x{n}")));
    let steps = [task("s")].into_iter().chain(doubled).collect();
    let half = |_: &str, _: u32| (succeed("x".repeat(VALUE_MAX_BYTES / 256 - 2)), 1);
    let chain = Arc::new(chain(steps));
    let sim = Sim::start(&chain, &half, 1).run();
    assert_eq!(sim.state.status(), ExecutionStatus::Failed);
    let failure = sim.state.visits().last().and_then(|(_, visit)| visit.failure().cloned());
    assert!(failure.expect("it failed").message.contains("more than 16777216 bytes"));
}

#[test]
fn a_value_that_cannot_be_read_fails_who_reads_it() {
    let chain = Arc::new(chain(vec![task("big"), group("block", vec![set("n", "big | length")])]));
    let sim = Sim::start(&chain, &large_text, 1);
    let mut state = sim.state.clone();
    let (visit, attempt) = (catena_core::VisitNo(0), catena_core::AttemptNo(1));
    let answer = large_text("", 1).0.keep(&mut Vec::new());
    let outside = Outside { now: Timestamp(1), slots: catena_core::command::Slots::of(1), jitter: 0.5 };
    let end = catena_core::Command::EndAttempt { visit, attempt, answer };
    let needs = state.decide(end, outside.clone(), &Loaded::default()).expect("it runs").needs;
    assert_eq!((needs.len(), state.status()), (1, ExecutionStatus::Running));
    let mut loaded = Loaded::default();
    loaded.insert_lost(&needs[0], "it is gone");
    let reread =
        State::from_snapshot(state.id(), Arc::clone(&chain), &state.to_snapshot()).expect("a snapshot");
    assert_eq!(reread, state);
    let decision = state.decide(catena_core::Command::Advance, outside, &loaded).expect("never rejected");
    assert!(decision.needs.is_empty());
    assert_eq!(state.status(), ExecutionStatus::Failed);
}
