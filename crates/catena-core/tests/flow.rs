//! What leaves the straight line, one rule each: what a person sees of it, by address and status.

use std::{collections::BTreeSet, sync::Arc};

use catena_core::{
    Chain, Command, Event, ExecutionId, State, Value,
    chain::{
        ChainName, Draft, EffectKind, ErrorPolicy, Flow, Handlers, Join, On, OnTimeout, Part, StepDraft,
        WaitFor,
    },
    command::{Legacy, Start},
    event::{Answer, ApprovalAnswer, Resolution, Trigger},
    rerun::Again,
    state::Origin,
    status::{End, ExecutionStatus},
};
use catena_testkit::{
    Sim,
    draft::{
        Change, Steps, approval, await_signal, call, chain, end, for_each, group, parallel, raise, set, task,
        wait,
    },
    sim::{fail, succeed},
};

fn ok(_: &str, _: u32) -> (Answer, u64) {
    (succeed(1), 10)
}

/// Fails where an address is one of these.
fn failing<'a>(addresses: &'a [&'a str]) -> impl Fn(&str, u32) -> (Answer, u64) + 'a {
    |address, n| if addresses.contains(&address) { (fail("scripted"), 5) } else { ok(address, n) }
}

/// Each visit with its status, and behind them the end.
fn seen(state: &State) -> String {
    let visit = |no| format!("{} {}", state.address(no), state.step_status(no));
    let visits: Vec<String> = state.visits().map(|(no, _)| visit(no)).collect();
    format!("{}: {}", visits.join(", "), state.status())
}

fn run(chain: Chain, script: impl Fn(&str, u32) -> (Answer, u64)) -> String {
    let chain = Arc::new(chain);
    let sim = Sim::start(&chain, &script, 4).run();
    assert_eq!(sim.reread(), sim.state);
    seen(&sim.state)
}

fn check(steps: Steps, script: impl Fn(&str, u32) -> (Answer, u64), expected: &str) {
    assert_eq!(run(chain(steps), script), expected);
}

fn draft(steps: Steps) -> Draft {
    Draft::new(ChainName::parse("test").expect("a name"), steps)
}

#[test]
fn a_dependency_is_met_by_what_it_waits_for_and_by_nothing_else() {
    let on = |on: On| vec![task("a"), task("b").after("a", on)];
    check(on(On::Completed), ok, "a completed, b completed: completed");
    check(on(On::Failed), ok, "a completed, b skipped: completed");
    check(on(On::Skipped), ok, "a completed, b skipped: completed");
    check(on(On::Ended), ok, "a completed, b completed: completed");
    check(on(On::Completed), failing(&["a"]), "a failed: failed");
    check(on(On::Failed), failing(&["a"]), "a failed, b completed: failed");
    check(on(On::Ended), failing(&["a"]), "a failed, b completed: failed");
    let passed = |on: On| vec![task("a").policy(ErrorPolicy::Continue), task("b").after("a", on)];
    check(passed(On::Completed), failing(&["a"]), "a failed, b completed: completed_with_errors");
    check(passed(On::Failed), failing(&["a"]), "a failed, b completed: completed_with_errors");
    let skipped = |on: On| vec![task("a").when("1 > 2"), task("b").after("a", on), task("c").after("b", on)];
    check(skipped(On::Completed), ok, "a skipped, b completed, c completed: completed");
    check(skipped(On::Skipped), ok, "a skipped, b completed, c skipped: completed");
}

#[test]
fn a_join_counts_and_what_cannot_be_met_passes_on() {
    let graph = |join: Join| {
        vec![
            task("a"),
            task("b").policy(ErrorPolicy::Stop).lets_finish(),
            task("c").after("a", On::Completed).after("b", On::Completed).join(join),
            task("d").after("c", On::Completed),
        ]
    };
    let b_fails = failing(&["b"]);
    check(graph(Join::All), &b_fails, "a completed, b failed, c skipped, d skipped: failed");
    check(graph(Join::Count(1)), &b_fails, "a completed, b failed, c completed, d completed: failed");
    check(graph(Join::Count(2)), ok, "a completed, b completed, c completed, d completed: completed");
}

#[test]
fn a_failure_cancels_what_runs_beside_it_unless_it_is_to_finish() {
    let slow = |address: &str, _: u32| match address {
        "bad" => (fail("scripted"), 5),
        _ => (succeed(1), 50),
    };
    let steps = |bad: StepDraft| vec![bad, task("slow"), task("late").after("slow", On::Completed)];
    let stopped = |address: &str, n: u32| match slow(address, n) {
        (Answer::Succeeded { .. }, ms) if address == "slow" => (Answer::Cancelled {}, ms),
        other => other,
    };
    check(steps(task("bad")), stopped, "bad failed, slow cancelled: failed");
    check(steps(task("bad").lets_finish()), slow, "bad failed, slow completed, late completed: failed");
    let whole = Draft { lets_finish: true, ..draft(steps(task("bad"))) }.build().unwrap();
    assert_eq!(run(whole, slow), "bad failed, slow completed, late completed: failed");
}

#[test]
fn a_pause_in_a_graph_holds_up_only_what_waits_for_it() {
    let steps = vec![
        task("a").delays(1_000),
        task("b").after("a", On::Completed),
        task("c"),
        task("d").after("c", On::Completed).delays(5_000),
    ];
    let chain = Arc::new(chain(steps));
    let sim = Sim::start(&chain, &ok, 4).run();
    let at = |name: &str| {
        let (no, _) = sim.state.visits().find(|(no, _)| sim.state.address(*no).as_str() == name).unwrap();
        sim.state.visit(no).started_at.unwrap().0 / 1_000
    };
    assert_eq!((at("b"), at("c"), at("d")), (1_010, 0, 10));
    let Some((last, Event::ExecutionEnded { .. })) = sim.journal.last() else { panic!("it has ended") };
    assert_eq!(last.0 / 1_000, 1_020, "nobody waits after a last step");
}

#[test]
fn thousands_of_steps_of_a_graph_make_as_many_visits() {
    let mut steps = vec![task("s0")];
    for number in 1..3_000 {
        steps.push(task(&format!("s{number}")).after(&format!("s{}", (number - 1) / 2), On::Completed));
    }
    let chain = Arc::new(chain(steps));
    let script = ok;
    // Without the checks of the simulation, which take a look at everything after each event.
    let start = Start::new("v1", Value::from(serde_json::json!({})), Trigger::Manual);
    let outside = |slots| catena_core::Outside {
        now: catena_core::Timestamp::ZERO,
        slots: catena_core::command::Slots::of(slots),
        jitter: 0.5,
    };
    let (mut state, _) = State::start(ExecutionId(1), chain, start, outside(8));
    loop {
        let next = state.agenda().live().next();
        let Some(visit) = next else { break };
        let attempt = state.live_attempt(visit).unwrap();
        let answer = script("", 1).0;
        let end = Command::EndAttempt { visit, attempt, answer };
        state.decide(end, outside(1), &catena_core::Loaded::default()).unwrap();
    }
    assert_eq!((state.visit_count(), state.status()), (3_000, ExecutionStatus::Completed));
}

#[test]
fn a_loop_ends_by_its_condition_its_plan_or_its_limit() {
    check(vec![task("a").until("a == 1", 5)], ok, "a completed: completed");
    check(vec![task("a").until("a == 2", 3)], ok, "a failed: failed");
    check(
        vec![task("a").until("loop.index == 1", 5).retry(2)],
        |_, n| if n == 2 { (fail("once"), 5) } else { (succeed(n), 5) },
        "a completed: completed",
    );
    let chain =
        Arc::new(chain(vec![group("g", vec![set("x", "loop.previous")]).until("loop.index == 2", 9)]));
    let sim = Sim::start(&chain, &ok, 1).run();
    assert_eq!(seen(&sim.state), "g completed, g/x completed, g.2/x completed, g.3/x completed: completed");
}

#[test]
fn an_alternative_stands_in_once_and_its_step_owes_no_undo() {
    let steps = || {
        vec![
            task("a").retry(2).otherwise(task("b").undo(vec![task("b_back")])).undo(vec![task("a_back")]),
            task("c").policy(ErrorPolicy::Rollback),
        ]
    };
    check(
        steps(),
        failing(&["a", "c"]),
        "a completed, a.alternative/b undone, c failed, a.alternative/b.undo/b_back completed: rolled_back",
    );
    check(steps(), failing(&["a", "a.alternative/b"]), "a failed, a.alternative/b failed: failed");
}

#[test]
fn ends_come_from_any_depth_and_no_policy_stops_them() {
    let deep = |step: StepDraft| {
        vec![
            group("g", vec![for_each("e", "[1, 2]", vec![step])]).policy(ErrorPolicy::Continue),
            task("never"),
        ]
    };
    let done = "g cancelled, g/e cancelled, g/e[0]/x completed, g/e[1]/x completed";
    assert!(run(chain(deep(end("x", End::Completed))), ok).ends_with(": completed"), "{done}");
    assert!(run(chain(deep(end("x", End::Cancelled))), ok).ends_with(": cancelled"));
    assert!(run(chain(deep(raise("x"))), ok).ends_with(": failed"));
    let mut undone = draft(vec![task("a").undo(vec![task("back")]), raise("x")]);
    undone.error_policy = Some(ErrorPolicy::Rollback);
    assert_eq!(run(undone.build().unwrap(), ok), "a undone, x failed, a.undo/back completed: rolled_back");
}

fn handled(steps: Steps) -> Chain {
    let handlers = Handlers {
        on_failure: Some(vec![task("alarm")]),
        on_success: Some(vec![task("hurray")]),
        finally: Some(vec![task("clean")]),
    };
    Draft { handlers, ..draft(steps) }.build().expect("a chain")
}

#[test]
fn handlers_follow_their_outcome_and_change_none() {
    let (hurray, clean) = ("chain.on_success/hurray", "chain.finally/clean");
    let (alarm, done) = ("chain.on_failure/alarm", "completed");
    let good = handled(vec![task("a")]);
    assert_eq!(run(good.clone(), ok), format!("a {done}, {hurray} {done}, {clean} {done}: completed"));
    assert_eq!(
        run(good.clone(), failing(&["a"])),
        format!("a failed, {alarm} {done}, {clean} {done}: failed")
    );
    assert_eq!(
        run(good, failing(&[hurray])),
        format!("a {done}, {hurray} failed, {clean} {done}: completed_with_errors")
    );
    let saga = handled(vec![
        task("a").undo(vec![task("back").policy(ErrorPolicy::Rollback)]),
        task("b").policy(ErrorPolicy::Rollback),
    ]);
    assert_eq!(
        run(saga, failing(&["b"])),
        format!("a undone, b failed, a.undo/back {done}, {alarm} {done}, {clean} {done}: rolled_back")
    );
}

#[test]
fn what_never_had_its_turn_has_nothing_to_take_back_or_to_clean_up() {
    for rollback in [false, true] {
        let params = Value::from(serde_json::json!({}));
        let start = Start { held: true, ..Start::new("v1", params, Trigger::Manual) };
        let mut sim = Sim::start_with(&Arc::new(handled(vec![task("a")])), start, &ok, 1);
        sim.tell(Command::CancelExecution { rollback, force: false });
        let sim = sim.run();
        assert_eq!(sim.state.visit_count(), 0);
        assert_eq!(sim.state.status(), ExecutionStatus::Cancelled);
    }
}

#[test]
fn a_handler_has_ten_minutes() {
    let chain = Arc::new(handled(vec![task("a")]));
    let script = |address: &str, _: u32| match address {
        "chain.on_success/hurray" => (Answer::Cancelled {}, 3_600_000),
        _ => (succeed(1), 10),
    };
    let mut sim = Sim::start(&chain, &script, 4);
    while sim.step() {}
    assert!(
        sim.journal
            .iter()
            .any(|(at, event)| { matches!(event, Event::BlockStopping { .. }) && at.0 / 1_000 == 600_010 })
    );
    assert_eq!(sim.state.status(), ExecutionStatus::CompletedWithErrors);
}

#[test]
fn a_cancel_waits_for_an_undo_and_a_handler_and_by_force_does_not() {
    let chain =
        Arc::new(handled(vec![task("a").undo(vec![task("back")]), task("b").policy(ErrorPolicy::Rollback)]));
    let script = |address: &str, _: u32| match address {
        "b" => (fail("scripted"), 5),
        "a.undo/back" => (Answer::Cancelled {}, 1_000),
        _ => (succeed(1), 10),
    };
    let mut sim = Sim::start(&chain, &script, 4);
    while sim.state.status() != ExecutionStatus::Undoing {
        sim.step();
    }
    let refused = |sim: &Sim<'_>, force| {
        let outside = catena_core::Outside {
            now: catena_core::Timestamp::ZERO,
            slots: catena_core::command::Slots::default(),
            jitter: 0.0,
        };
        let cancel = Command::CancelExecution { rollback: false, force };
        sim.state.clone().decide(cancel, outside, &catena_core::Loaded::default()).err()
    };
    assert_eq!(refused(&sim, false), Some(catena_core::Rejection::Undoing));
    sim.tell(Command::CancelExecution { rollback: false, force: true });
    let sim = sim.run();
    assert_eq!(sim.state.status(), ExecutionStatus::Failed, "what was done is not all taken back");
    assert!(!seen(&sim.state).contains("chain."), "nothing more of it runs: {}", seen(&sim.state));
}

#[test]
fn signals_are_kept_in_order_and_taken_by_the_next_who_waits() {
    let steps = vec![
        wait("first", 100),
        await_signal("one", "go", Some(1_000)),
        await_signal("two", "go", None),
        await_signal("late", "other", Some(50)).policy(ErrorPolicy::Continue),
    ];
    let chain = Arc::new(chain(steps));
    let mut sim = Sim::start(&chain, &ok, 1);
    for text in ["a", "b"] {
        sim.tell(Command::SendSignal { name: "go".into(), value: Value::text(text) });
    }
    let sim = sim.run();
    let result = |no: u32| sim.state.visit(catena_core::VisitNo(no)).result().cloned();
    assert_eq!((result(1), result(2)), (Some(Value::text("a")), Some(Value::text("b"))));
    assert_eq!(sim.state.status(), ExecutionStatus::CompletedWithErrors);
    let late = sim.state.visit(catena_core::VisitNo(3)).failure().unwrap();
    assert_eq!(late.message, "no signal `other` has arrived in time");
}

#[test]
fn an_approval_is_answered_by_a_person_or_by_time() {
    let ask = |on_timeout| {
        let chain = Arc::new(chain(vec![approval("ok", Some(100), on_timeout)]));
        Sim::start(&chain, &ok, 1).run().state.status()
    };
    assert_eq!(ask(OnTimeout::Approve), ExecutionStatus::Completed);
    assert_eq!(ask(OnTimeout::Reject), ExecutionStatus::Failed);
    assert_eq!(ask(OnTimeout::Fail), ExecutionStatus::Failed);
    let chain = Arc::new(chain(vec![approval("ok", None, OnTimeout::Fail)]));
    let mut sim = Sim::start(&chain, &ok, 1);
    assert_eq!((sim.step(), sim.state.status()), (false, ExecutionStatus::Waiting));
    let answer = ApprovalAnswer { approved: true, by: "ann".into(), comment: None, form: None };
    sim.tell(Command::AnswerApproval { visit: catena_core::VisitNo(0), answer });
    let by = sim.state.visit(catena_core::VisitNo(0)).result().unwrap().as_json()["by"].clone();
    assert_eq!((sim.state.status(), by), (ExecutionStatus::Completed, "ann".into()));
}

#[test]
fn a_called_chain_holds_no_slot_and_is_undone_in_its_turn() {
    let steps = vec![
        parallel("both", WaitFor::All, vec![("left", vec![call("one")]), ("right", vec![call("two")])]),
        task("a").undo(vec![task("back")]),
        call("own").undo(vec![task("own_back")]),
        task("last").policy(ErrorPolicy::Rollback),
    ];
    let chain = Arc::new(chain(steps));
    let script = failing(&["last"]);
    let mut sim = Sim::start(&chain, &script, 0);
    assert_eq!(sim.state.agenda().calls().count(), 2, "with no slot at all");
    for (number, visit) in sim.state.agenda().calls().collect::<Vec<_>>().into_iter().enumerate() {
        let attempt = sim.state.live_attempt(visit).unwrap();
        let child = ExecutionId(7 + number as u64);
        sim.tell(Command::NoteChild { visit, attempt, child });
    }
    let mut sim = sim.with_slots(1);
    while sim.step() {}
    assert_eq!(sim.state.status(), ExecutionStatus::RolledBack);
    let undone: Vec<String> =
        sim.journal
            .iter()
            .filter_map(|(_, event)| match event {
                Event::BlockOpened { origin: Origin::Undo { visit }, .. }
                | Event::ChildUndoStarted { visit } => Some(sim.state.address(*visit).to_string()),
                _ => None,
            })
            .collect();
    assert_eq!(undone.len(), 4, "{undone:?}");
    assert_eq!(undone[..2], ["own", "a"]);
}

/// Tells of each attempt of a call which execution it is, and of each undo of one that it has ended.
fn run_with_children<'a>(mut sim: Sim<'a>) -> (Sim<'a>, Vec<(String, u64)>) {
    let (mut number, mut seen, mut undone) = (0, 0, Vec::new());
    loop {
        for visit in sim.state.agenda().calls().collect::<Vec<_>>() {
            let attempt = sim.state.live_attempt(visit).expect("a call runs");
            if sim.state.visit(visit).children.len() < attempt.0 as usize {
                number += 1;
                sim.tell(Command::NoteChild { visit, attempt, child: ExecutionId(number) });
            }
        }
        for (_, event) in &sim.journal[seen..] {
            if let Event::ChildUndoStarted { visit } = event {
                let child = sim.state.visit(*visit).standing_children().last().expect("it has a child");
                undone.push((sim.state.address(*visit).to_string(), child.0));
            }
        }
        seen = sim.journal.len();
        if !sim.step() {
            return (sim, undone);
        }
    }
}

#[test]
fn every_child_of_a_step_is_taken_back_the_last_one_first_however_it_ended() {
    let steps = vec![
        call("each").retry(2).until("false", 2).otherwise(task("other")),
        call("bad").policy(ErrorPolicy::Continue),
        call("own").policy(ErrorPolicy::Continue).undo(vec![task("back")]),
        task("last").policy(ErrorPolicy::Rollback),
    ];
    let chain = Arc::new(chain(steps));
    let script = |address: &str, n| match address {
        "each" if n % 2 == 0 => (succeed(1), 1),
        "each" | "bad" | "own" | "last" => (fail("scripted"), 1),
        _ => (succeed(1), 1),
    };
    let (sim, undone) = run_with_children(Sim::start(&chain, &script, 1));
    assert_eq!(sim.state.status(), ExecutionStatus::RolledBack);
    let undone: Vec<_> = undone.iter().map(|(address, child)| format!("{address} {child}")).collect();
    assert_eq!(undone.join(", "), "bad 5, each 4, each 3, each 2, each 1");
    assert_eq!(sim.reread(), sim.state);
}

#[test]
fn an_undo_that_is_run_again_goes_on_where_it_failed() {
    let back = vec![
        task("one"),
        group("two", vec![task("in")]),
        set("three", "[one, result, steps.a.result]"),
        task("four"),
    ];
    let chain = Arc::new(chain(vec![task("a").undo(back), task("b").policy(ErrorPolicy::Rollback)]));
    let script = |address: &str, _| match address {
        "b" | "a.undo/two/in" => (fail("scripted"), 1),
        _ => (succeed(1), 1),
    };
    let mut sim = Sim::start(&chain, &script, 1);
    while sim.step() {}
    assert_eq!(sim.state.status(), ExecutionStatus::Stuck);
    let visit = catena_core::VisitNo(0);
    sim.tell(Command::ResolveVisit { visit, resolution: Resolution::RunAgain {} });
    let sim = sim.run();
    assert_eq!(
        seen(&sim.state),
        "a undone, b failed, a.undo/one completed, a.undo/two failed, a.undo/two/in failed, a.undo~2/two completed, \
         a.undo~2/two/in completed, a.undo~2/three completed, a.undo~2/four completed: rolled_back"
    );
    let three = sim.state.visits().find(|(no, _)| sim.state.address(*no).as_str() == "a.undo~2/three");
    assert_eq!(three.unwrap().1.result().unwrap().as_json(), &serde_json::json!({ "three": [1, 1, 1] }));
}

#[test]
fn what_was_done_by_another_execution_is_undone_with_what_that_one_saw() {
    let steps = || {
        vec![
            for_each("e", "[5, 6]", vec![task("t").undo(vec![set("back", "item ~ '-' ~ result")])]),
            task("x").undo(vec![set("x_back", "steps.e.result[1]")]),
        ]
    };
    let chain = Arc::new(chain(steps()));
    let first = Sim::start(&chain, &ok, 1).run();
    let duties = first.state.duties();
    assert_eq!(duties.len(), 3);
    let trigger =
        Trigger::Undo { of: ExecutionId(1), parent: ExecutionId(9), visit: catena_core::VisitNo(0), nth: 1 };
    let start = Start {
        legacy: Legacy::Duties { from: ExecutionId(1), duties },
        ..Start::new("v1", Value::from(serde_json::json!({})), trigger)
    };
    let sim = Sim::start_with(&chain, start, &ok, 1).run();
    assert_eq!(sim.reread(), sim.state);
    assert_eq!(
        seen(&sim.state),
        "t undone, t~2 undone, x undone, x.undo/x_back completed, t~2.undo/back completed, t.undo/back completed: rolled_back"
    );
    let said = |no: u32| sim.state.visit(catena_core::VisitNo(no)).result().unwrap().as_json().to_string();
    assert_eq!(
        (said(3), said(4), said(5)),
        (r#"{"x_back":1}"#.into(), r#"{"back":"6-1"}"#.into(), r#"{"back":"5-1"}"#.into())
    );
}

/// Runs `chain` again from what `first` has done.
fn rerun<'a>(first: &Sim<'_>, again: Again, script: &'a catena_testkit::sim::Script<'a>) -> Sim<'a> {
    let plan = first.state.rerun(again, first.journal.iter().map(|(_, event)| event), &BTreeSet::new());
    let legacy = Legacy::Results { from: ExecutionId(1), duty: true, results: plan.results };
    let start = Start {
        left_out: plan.left_out,
        only: plan.only,
        legacy,
        ..Start::new("v1", Value::from(serde_json::json!({})), Trigger::Rerun { of: ExecutionId(1) })
    };
    Sim::start_with(first.state.chain(), start, script, 2).run()
}

/// The addresses of the attempts that were made.
fn attempted(sim: &Sim<'_>) -> Vec<String> {
    let started = |event: &Event| match event {
        Event::AttemptStarted { visit, .. } => Some(sim.state.address(*visit).to_string()),
        _ => None,
    };
    sim.journal.iter().filter_map(|(_, event)| started(event)).collect()
}

#[test]
fn a_rerun_makes_again_what_did_not_complete_and_adopts_the_rest_by_address() {
    let steps = vec![
        task("count").jump("steps.count.result == 1", "count"),
        for_each("e", "[1, 2, 3]", vec![task("item").undo(vec![task("back")])]),
        task("bad").policy(ErrorPolicy::Stop),
        task("last").policy(ErrorPolicy::Rollback),
    ];
    let chain = Arc::new(chain(steps));
    let first = |address: &str, _: u32| match address {
        "count~2" => (succeed(2), 10),
        "e[1]/item" | "bad" => (fail("scripted"), 30),
        _ => (succeed(1), 10),
    };
    let sim = Sim::start(&chain, &first, 2).run();
    assert_eq!(sim.state.status(), ExecutionStatus::Failed);
    let now = failing(&["last"]);
    let again = rerun(&sim, Again::Failed, &now);
    assert_eq!(attempted(&again)[..3], ["e[1]/item", "bad", "last"], "two visits of `count` stand");
    assert_eq!(again.state.status(), ExecutionStatus::RolledBack);
    let undone = attempted(&again).iter().filter(|address| address.contains(".undo/")).count();
    assert_eq!(undone, 3, "what was adopted, too");
    let step = |name: &str| chain.step_by_id(name).unwrap();
    let from = rerun(&sim, Again::From(step("count")), &first);
    assert_eq!(attempted(&from)[0], "count~2", "the state before its last visit");
    let only = rerun(&sim, Again::Only(step("bad")), &ok);
    assert_eq!(attempted(&only), ["bad"]);
}

#[test]
fn what_a_rerun_has_not_come_to_is_taken_back_with_the_rest() {
    let steps = vec![
        task("first"),
        task("a").undo(vec![set("a_back", "result")]),
        for_each("e", "[7, 8]", vec![task("t").undo(vec![set("t_back", "[item, result]")])]),
        task("last"),
    ];
    let mut draft = draft(steps);
    draft.error_policy = Some(ErrorPolicy::Rollback);
    draft.steps[3].error_policy = Some(ErrorPolicy::Stop);
    let chain = Arc::new(draft.build().unwrap());
    let fails = failing(&["last"]);
    let sim = Sim::start(&chain, &fails, 1).run();
    assert_eq!(sim.state.status(), ExecutionStatus::Failed);
    let fails = failing(&["first"]);
    let plan = sim.state.rerun(
        Again::Only(chain.step_by_id("first").unwrap()),
        sim.journal.iter().map(|(_, e)| e),
        &BTreeSet::new(),
    );
    let legacy = Legacy::Results { from: ExecutionId(1), duty: true, results: plan.results };
    let trigger = Trigger::Rerun { of: ExecutionId(1) };
    let start = Start { legacy, ..Start::new("v1", Value::from(serde_json::json!({})), trigger) };
    let again = Sim::start_with(&chain, start, &fails, 1).run();
    assert_eq!(again.reread(), again.state);
    let back = |id: &str| {
        let of = |(no, _): &(catena_core::VisitNo, &catena_core::state::Visit)| {
            again.state.step_of(*no).id.as_str() == id
        };
        let visits = again.state.visits().filter(of);
        visits.map(|(_, visit)| visit.result().unwrap().as_json().to_string()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(again.state.status(), ExecutionStatus::RolledBack);
    assert_eq!(back("t_back"), r#"{"t_back":[8,1]} {"t_back":[7,1]}"#);
    assert_eq!(back("a_back"), r#"{"a_back":1}"#);
    let taken_back: BTreeSet<String> = again.state.taken_back().collect();
    assert_eq!(
        taken_back,
        ["a", "e[0]/t", "e[1]/t"].map(str::to_owned).into(),
        "a later rerun keeps none of it"
    );
}

#[test]
fn what_the_chains_own_block_fails_by_is_rolled_back_by_the_chains_own_policy() {
    let mut jumps = task("a").undo(vec![task("back")]).jump("true", "a");
    jumps.visits_max = Some(1);
    let ends = |steps: Steps, policy| {
        let draft = Draft { error_policy: policy, ..draft(steps) };
        run(draft.build().unwrap(), failing(&["c"]))
    };
    let rollback = Some(ErrorPolicy::Rollback);
    assert_eq!(ends(vec![jumps.clone()], None), "a completed: failed");
    assert_eq!(ends(vec![jumps], rollback), "a undone, a.undo/back completed: rolled_back");
    let asks = task("a").undo(vec![task("back")]).jump("nothing", "a");
    assert_eq!(ends(vec![asks], rollback), "a undone, a.undo/back completed: rolled_back");
    let stops = vec![task("a").undo(vec![task("back")]), task("c").policy(ErrorPolicy::Stop)];
    assert_eq!(ends(stops, rollback), "a completed, c failed: failed", "the step says so itself");
}

#[test]
fn a_cancel_that_takes_back_asks_about_a_doubt_first() {
    let pay = StepDraft { effect: EffectKind::AtMostOnce, ..task("pay").undo(vec![task("repay")]) };
    let chain = Arc::new(chain(vec![task("a").undo(vec![task("back")]), pay]));
    let script = |address: &str, _| match address {
        "pay" => (Answer::Lost { message: "gone".into() }, 1),
        _ => (succeed(1), 1),
    };
    let doubtful = || {
        let mut sim = Sim::start(&chain, &script, 1);
        while sim.step() {}
        assert_eq!(sim.state.status(), ExecutionStatus::InDoubt);
        sim
    };
    let mut sim = doubtful();
    sim.tell(Command::CancelExecution { rollback: true, force: false });
    assert_eq!(sim.state.status(), ExecutionStatus::InDoubt, "nobody knows what is to be taken back");
    let visit = catena_core::VisitNo(1);
    sim.tell(Command::ResolveVisit { visit, resolution: Resolution::Completed { value: None } });
    assert_eq!(
        seen(&sim.run().state),
        "a undone, pay undone, pay.undo/repay completed, a.undo/back completed: rolled_back"
    );
    for (rollback, force) in [(false, false), (false, true)] {
        let mut sim = doubtful();
        sim.tell(Command::CancelExecution { rollback, force });
        assert_eq!(seen(&sim.run().state), "a completed, pay cancelled: cancelled");
    }
}

#[test]
fn who_gives_up_an_undo_that_is_in_doubt_gives_all_of_it_up() {
    let back = StepDraft { effect: EffectKind::AtMostOnce, ..task("back") };
    let chain = Arc::new(chain(vec![task("a").undo(vec![back]), task("b").policy(ErrorPolicy::Rollback)]));
    let script = |address: &str, _| match address {
        "a.undo/back" => (Answer::Lost { message: "gone".into() }, 1),
        "b" => (fail("scripted"), 1),
        _ => (succeed(1), 1),
    };
    let mut sim = Sim::start(&chain, &script, 1);
    while sim.step() {}
    assert_eq!(sim.state.status(), ExecutionStatus::InDoubt);
    let visit = sim.state.agenda().halted().next().unwrap();
    sim.tell(Command::ResolveVisit { visit, resolution: Resolution::GiveUp {} });
    assert_eq!(seen(&sim.run().state), "a completed, b failed, a.undo/back failed: failed");
}

#[test]
fn of_a_block_that_was_tried_again_the_last_try_is_kept() {
    let tried =
        group("g", vec![task("one"), group("in", vec![task("two").undo(vec![task("back")])])]).retry(3);
    let steps = vec![tried, task("bad"), task("last").policy(ErrorPolicy::Rollback)];
    let chain = Arc::new(chain(steps));
    let first = |address: &str, _: u32| match address {
        "g/in/two" | "g.2/one" | "bad" => (fail("scripted"), 1),
        _ => (succeed(1), 1),
    };
    let sim = Sim::start(&chain, &first, 1).run();
    assert_eq!(attempted(&sim), ["g/one", "g/in/two", "g.2/one", "g.3/one", "g.3/in/two", "bad"]);
    let last = failing(&["last"]);
    let again = rerun(&sim, Again::Failed, &last);
    assert_eq!(attempted(&again), ["bad", "last", "g/in/two.undo/back"]);
    assert_eq!(again.state.status(), ExecutionStatus::RolledBack);
    let undone = again.state.taken_back().collect();
    let later = sim.state.rerun(Again::Failed, sim.journal.iter().map(|(_, event)| event), &undone);
    let kept: Vec<&str> = later.results.iter().map(|result| result.address.as_str()).collect();
    assert_eq!(kept, ["g/one"], "what the first one has taken back is done again");
}

#[test]
fn other_items_are_another_loop() {
    let steps =
        vec![set("n", "params.n | default(2)"), for_each("e", "range(n)", vec![task("item")]), task("bad")];
    let mut draft = draft(steps);
    draft.params.clear();
    let chain = Arc::new(draft.build().unwrap());
    let fails = failing(&["bad"]);
    let sim = Sim::start(&chain, &fails, 2).run();
    let plan = sim.state.rerun(Again::Failed, sim.journal.iter().map(|(_, event)| event), &BTreeSet::new());
    let start = |n: u32| Start {
        legacy: Legacy::Results {
            from: ExecutionId(1),
            duty: true,
            results: plan.results.iter().filter(|one| one.address != "n").cloned().collect(),
        },
        ..Start::new("v1", Value::from(serde_json::json!({ "n": n })), Trigger::Rerun { of: ExecutionId(1) })
    };
    assert_eq!(attempted(&Sim::start_with(&chain, start(2), &ok, 2).run()), ["bad"]);
    assert_eq!(attempted(&Sim::start_with(&chain, start(3), &ok, 2).run()).len(), 4);
}

#[test]
fn a_part_of_a_chain_is_the_step_with_what_leads_to_it_or_follows_it() {
    let steps = vec![
        task("a"),
        group("g", vec![task("x"), task("y"), task("z")]),
        group("h", vec![task("p"), task("q").after("p", On::Completed), task("r")]),
    ];
    let chain = chain(steps);
    let left_out = |part: fn(catena_core::StepIx) -> Part, name: &str| {
        let steps = chain.left_out(part(chain.step_by_id(name).unwrap()));
        steps.iter().map(|ix| chain.step(*ix).id.to_string()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(left_out(Part::Only, "y"), "a x z h");
    assert_eq!(left_out(Part::From, "y"), "a x");
    assert_eq!(left_out(Part::To, "y"), "z h");
    assert_eq!(left_out(Part::From, "p"), "a g r");
    assert_eq!(left_out(Part::To, "q"), "r");
}

#[test]
fn what_is_pinned_or_left_out_does_not_run() {
    let chain = Arc::new(chain(vec![task("a").undo(vec![task("back")]), task("b"), set("c", "a + 1")]));
    let a = chain.step_by_id("a").unwrap();
    let start = Start {
        pinned: vec![(a, Value::from(serde_json::json!(41)))],
        left_out: vec![chain.step_by_id("b").unwrap()],
        ..Start::new("v1", Value::from(serde_json::json!({})), Trigger::Manual)
    };
    let sim = Sim::start_with(&chain, start, &ok, 2).run();
    assert_eq!(seen(&sim.state), "a completed, b skipped, c completed: completed");
    assert_eq!(sim.state.undo_due(), []);
    let c = sim.state.visits().last().unwrap().1.result().unwrap().as_json()["c"].clone();
    assert_eq!(c, 42);
}

#[test]
fn an_execution_without_room_waits_for_its_turn_or_its_cancel() {
    let chain = Arc::new(chain(vec![task("a")]));
    let start =
        || Start { held: true, ..Start::new("v1", Value::from(serde_json::json!({})), Trigger::Manual) };
    let mut sim = Sim::start_with(&chain, start(), &ok, 2);
    assert_eq!((sim.step(), sim.state.status()), (false, ExecutionStatus::Queued));
    sim.tell(Command::AdmitExecution);
    assert_eq!(sim.run().state.status(), ExecutionStatus::Completed);
    let mut sim = Sim::start_with(&chain, start(), &ok, 2);
    sim.tell(Command::CancelExecution { rollback: false, force: false });
    assert_eq!((sim.state.status(), sim.state.visit_count()), (ExecutionStatus::Cancelled, 0));
}

#[test]
fn no_more_attempts_run_at_once_than_the_chain_says() {
    let steps: Steps = (0..6).map(|number| task(&format!("s{number}"))).collect();
    let chain = Draft { flow: Some(Flow::Graph), max_parallel: Some(2), ..draft(steps) }.build().unwrap();
    let sim = Sim::start(&Arc::new(chain), &ok, 4);
    assert_eq!((sim.state.agenda().live_count(), sim.state.wants_slot()), (2, false));
    assert_eq!(sim.run().state.status(), ExecutionStatus::Completed);
}

#[test]
fn drafts_that_could_not_end_are_refused() {
    let refused = |steps: Steps| draft(steps).build().unwrap_err().to_string();
    let circle = vec![task("a").after("b", On::Completed), task("b").after("a", On::Completed)];
    assert_eq!(refused(circle), "the steps of the chain wait for each other in a circle");
    assert!(refused(vec![task("a"), task("b").after("a", On::Ended).join(Join::Count(2))]).contains("`b`"));
    assert!(refused(vec![task("a").after("z", On::Ended)]).contains("`z`"));
    assert!(refused(vec![task("a").jump("1 > 2", "b"), task("b").after("a", On::Ended)]).contains("jump"));
    assert!(refused(vec![task("a").undo(vec![end("e", End::Completed)])]).contains("`e`"));
    assert!(refused(vec![task("a").policy(ErrorPolicy::Alternative)]).contains("alternative"));
}
