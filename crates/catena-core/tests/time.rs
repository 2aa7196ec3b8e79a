//! Waits, pauses between steps, limits, and what a person says: journals as tables, and laws over random chains.

use std::sync::Arc;

use catena_core::{
    Command, State, Timestamp,
    chain::{Draft, EffectKind, ErrorPolicy, StepDraft, Wait, Work},
    command::Start,
    event::{Answer, Resolution, Trigger},
    ids::VisitNo,
    state::UndoPhase,
    status::{ExecutionStatus, StepStatus},
};
use catena_testkit::{
    Recovery, Sim,
    draft::{Change, Steps, chain, expr, group, id, set, task, wait},
    random::{self, Mood},
    sim::{fail, succeed},
};
use proptest::prelude::*;

fn run(steps: Steps, script: impl Fn(&str, u32) -> (Answer, u64)) -> String {
    let chain = Arc::new(chain(steps));
    Sim::start(&chain, &script, 4).run().table()
}

fn ok(ms: u64) -> impl Fn(&str, u32) -> (Answer, u64) {
    move |_, _| (succeed(1), ms)
}

fn wait_for(name: &str, wait: Wait) -> StepDraft {
    StepDraft::new(id(name), Work::Wait { wait })
}

#[test]
fn a_wait_costs_no_attempt() {
    insta::assert_snapshot!(run(vec![task("a"), wait("rest", 500), task("b")], ok(10)), @"
      0 execution_created
      0 execution_started
      0 block_opened 0 Root
      0 visit_entered a
      0 attempt_started a 1
     10 attempt_ended a 1 1
     10 visit_completed a
     10 visit_entered rest Wait { until: Timestamp(510000) }
    510 timer_fired rest
    510 visit_completed rest
    510 visit_entered b
    510 attempt_started b 1
    520 attempt_ended b 1 1
    520 visit_completed b
    520 block_ended 0 completed
    520 execution_ended completed
    ");
}

#[test]
fn a_wait_for_nothing_or_until_the_past_is_over_at_once() {
    let steps = vec![wait("none", 0), wait_for("past", Wait::Until(Timestamp(-5))), task("a")];
    insta::assert_snapshot!(run(steps, ok(10)), @"
     0 execution_created
     0 execution_started
     0 block_opened 0 Root
     0 visit_entered none Wait { until: Timestamp(0) }
     0 timer_fired none
     0 visit_completed none
     0 visit_entered past Wait { until: Timestamp(-5) }
     0 timer_fired past
     0 visit_completed past
     0 visit_entered a
     0 attempt_started a 1
    10 attempt_ended a 1 1
    10 visit_completed a
    10 block_ended 0 completed
    10 execution_ended completed
    ");
}

#[test]
fn an_expression_says_how_long() {
    let steps = vec![
        set("pause", "'1m'"),
        wait_for("seconds", Wait::For(expr("2.5"))),
        wait_for("text", Wait::For(expr("pause"))),
        wait_for("instant", Wait::UntilExpr(expr("now | add('1h')"))),
    ];
    let table = run(steps, ok(10));
    let fired: Vec<&str> = table.lines().filter(|line| line.contains("timer_fired")).map(str::trim).collect();
    assert_eq!(fired, ["2500 timer_fired seconds", "62500 timer_fired text", "3662500 timer_fired instant"]);
}

#[test]
fn what_is_no_time_fails_the_step() {
    let check = |wait: Wait, message: &str| {
        let chain = Arc::new(chain(vec![wait_for("rest", wait)]));
        let script = ok(1);
        let sim = Sim::start(&chain, &script, 1).run();
        let failure = sim.state.visit(VisitNo(0)).failure().expect("it fails");
        assert_eq!(failure.to_string(), message);
    };
    check(
        Wait::For(expr("'soon'")),
        "template_error: `wait.for`: \"soon\" is no duration: write `90s`, `1h30m` or `2d`",
    );
    check(Wait::For(expr("[1]")), "template_error: `wait.for`: a list is no duration");
    check(
        Wait::UntilExpr(expr("'2026-11-20T10:00'")),
        "template_error: `wait.until`: \"2026-11-20T10:00\" does not say where: write `Z` or an offset behind it",
    );
}

#[test]
fn a_delay_holds_up_the_next_step_and_nothing_behind_the_last() {
    insta::assert_snapshot!(run(vec![task("a").delays(1_000), task("b").delays(9_000)], ok(10)), @"
       0 execution_created
       0 execution_started
       0 block_opened 0 Root
       0 visit_entered a
       0 attempt_started a 1
      10 attempt_ended a 1 1
      10 visit_completed a
      10 next_delayed a
    1010 delay_elapsed
    1010 visit_entered b
    1010 attempt_started b 1
    1020 attempt_ended b 1 1
    1020 visit_completed b
    1020 block_ended 0 completed
    1020 execution_ended completed
    ");
}

#[test]
fn a_delay_comes_behind_the_jump() {
    let again =
        task("a").delays(100).jump("steps.a.attempts < 1 or now == '1970-01-01T00:00:00.010000Z'", "a");
    let table = run(vec![again, task("b")], ok(10));
    let order: Vec<&str> = table
        .lines()
        .map(str::trim)
        .filter(|line| ["jumped", "delayed", "elapsed", "entered"].iter().any(|word| line.contains(word)))
        .collect();
    assert_eq!(
        order,
        [
            "0 visit_entered a",
            "10 jumped a",
            "10 next_delayed a",
            "110 delay_elapsed",
            "110 visit_entered a~2",
            "120 next_delayed a~2",
            "220 delay_elapsed",
            "220 visit_entered b",
        ]
    );
}

#[test]
fn a_skipped_step_delays_nothing_and_a_failure_let_pass_does() {
    let steps = vec![
        task("a").when("false").delays(1_000),
        task("b").policy(ErrorPolicy::Continue).delays(500),
        task("c"),
    ];
    let script = |address: &str, _| (if address == "b" { fail("no") } else { succeed(1) }, 10);
    insta::assert_snapshot!(run(steps, script), @r#"
      0 execution_created
      0 execution_started
      0 block_opened 0 Root
      0 visit_entered a Skip(When)
      0 visit_entered b
      0 attempt_started b 1
     10 attempt_ended b 1 Failed { failure: Failure { kind: Raised("scripted"), message: "no", detail: None, retriable: true } }
     10 visit_failed b Continue: scripted: no
     10 next_delayed b
    510 delay_elapsed
    510 visit_entered c
    510 attempt_started c 1
    520 attempt_ended c 1 1
    520 visit_completed c
    520 block_ended 0 completed
    520 execution_ended completed_with_errors
    "#);
}

#[test]
fn the_total_limit_covers_attempts_and_the_pauses_between() {
    insta::assert_snapshot!(run(vec![task("a").retry(5).within(250), task("b")], |_, _| (fail("no"), 60)), @r#"
      0 execution_created
      0 execution_started
      0 block_opened 0 Root
      0 visit_entered a
      0 attempt_started a 1
     60 attempt_ended a 1 Failed { failure: Failure { kind: Raised("scripted"), message: "no", detail: None, retriable: true } }
     60 retry_scheduled a at 160
    160 timer_fired a
    160 attempt_started a 2
    220 attempt_ended a 2 Failed { failure: Failure { kind: Raised("scripted"), message: "no", detail: None, retriable: true } }
    220 retry_scheduled a at 420
    250 visit_stopping a
    250 visit_failed a Stop: timeout: the step was not done after 0.25 s
    250 block_ended 0 failed
    250 execution_ended failed
    "#);
}

#[test]
fn the_total_limit_ends_a_block_and_what_runs_in_it() {
    let slow = |address: &str, _| match address {
        "block/b" => (Answer::Cancelled {}, 30),
        _ => (succeed(1), 10),
    };
    let steps = vec![group("block", vec![task("a"), task("b")]).within(15), task("c")];
    insta::assert_snapshot!(run(steps, slow), @"
     0 execution_created
     0 execution_started
     0 block_opened 0 Root
     0 visit_entered block Blocks
     0 block_opened 1 Group { visit: VisitNo(0) }
     0 visit_entered block/a
     0 attempt_started block/a 1
    10 attempt_ended block/a 1 1
    10 visit_completed block/a
    10 visit_entered block/b
    10 attempt_started block/b 1
    15 visit_stopping block
    15 block_stopping 1 cancelled
    15 visit_stopping block/b
    40 attempt_ended block/b 1 Cancelled
    40 visit_cancelled block/b
    40 block_ended 1 cancelled
    40 visit_failed block Stop: timeout: the step was not done after 0.015 s
    40 block_ended 0 failed
    40 execution_ended failed
    ");
}

#[test]
fn what_was_done_when_its_time_was_over_is_done() {
    let table = run(vec![task("a").within(5), task("b")], ok(10));
    assert!(table.contains("visit_stopping a") && table.contains("visit_completed a"), "{table}");
    assert!(table.ends_with("execution_ended completed\n"), "{table}");
}

fn limited(steps: Steps, limit_ms: u64, policy: Option<ErrorPolicy>) -> Arc<catena_core::Chain> {
    let name = catena_core::chain::ChainName::parse("test").expect("a name");
    let draft = Draft { timeout_ms: Some(limit_ms), error_policy: policy, ..Draft::new(name, steps) };
    Arc::new(draft.build().expect("a chain"))
}

#[test]
fn the_limit_of_the_chain_is_its_end_and_no_policy_lets_it_pass() {
    let steps = vec![task("a"), task("b").retry(3), task("c")];
    let chain = limited(steps, 25, Some(ErrorPolicy::Continue));
    let script = |_: &str, _| (Answer::Succeeded { value: None }, 10);
    insta::assert_snapshot!(Sim::start(&chain, &script, 1).run().table(), @"
     0 execution_created
     0 execution_started
     0 block_opened 0 Root
     0 visit_entered a
     0 attempt_started a 1
    10 attempt_ended a 1 null
    10 visit_completed a
    10 visit_entered b
    10 attempt_started b 1
    20 attempt_ended b 1 null
    20 visit_completed b
    20 visit_entered c
    20 attempt_started c 1
    25 execution_timed_out
    25 block_stopping 0 failed
    25 visit_stopping c
    30 attempt_ended c 1 null
    30 visit_completed c
    30 block_ended 0 failed
    30 execution_ended failed
    ");
}

#[test]
fn a_chain_that_rolls_back_rolls_back_what_its_limit_stopped() {
    let steps = vec![task("a").undo(vec![task("undo_a")]), wait("long", 1_000)];
    let script = ok(10);
    let chain = limited(steps, 25, Some(ErrorPolicy::Rollback));
    let sim = Sim::start(&chain, &script, 1).run();
    assert_eq!(sim.state.status(), ExecutionStatus::RolledBack);
    let catena_core::state::Phase::Ended { error: Some(error), .. } = sim.state.phase() else {
        panic!("it ends with its failure")
    };
    assert_eq!(error.to_string(), "timeout: the execution was not done after 0.025 s");
}

#[test]
fn a_pause_starts_nothing_new_and_stops_no_clock() {
    let chain = Arc::new(chain(vec![task("a"), wait("rest", 100), task("b")]));
    let script = ok(10);
    let mut sim = Sim::start(&chain, &script, 1);
    sim.tell(Command::PauseExecution);
    assert_eq!(sim.state.status(), ExecutionStatus::Paused);
    // The attempt that runs ends; the next step is not entered.
    assert!(sim.step());
    assert!(!sim.step());
    assert_eq!(sim.state.status(), ExecutionStatus::Paused);
    assert_eq!(sim.state.visit_count(), 1);
    sim.tell(Command::ResumeExecution);
    sim.tell(Command::PauseExecution);
    // The wait that had begun is over while nothing may start.
    assert!(sim.step());
    assert_eq!(sim.state.step_status(VisitNo(1)), StepStatus::Completed);
    assert!(!sim.step());
    sim.tell(Command::ResumeExecution);
    let sim = sim.run();
    assert_eq!(sim.state.status(), ExecutionStatus::Completed);
}

#[test]
fn a_paused_execution_can_be_cancelled() {
    let chain = Arc::new(chain(vec![task("a"), task("b")]));
    let script = ok(10);
    let mut sim = Sim::start(&chain, &script, 1);
    sim.tell(Command::PauseExecution);
    sim.tell(Command::CancelExecution { rollback: false, force: false });
    assert_eq!(sim.run().state.status(), ExecutionStatus::Cancelled);
}

#[test]
fn an_execution_that_is_cancelled_while_it_waits_for_its_turn_ends() {
    let chain = Arc::new(chain(vec![task("a")]));
    let params = catena_core::Value::from(serde_json::json!({}));
    let start = Start { held: true, ..Start::new("v1", params, Trigger::Manual) };
    let script = ok(10);
    let mut sim = Sim::start_with(&chain, start, &script, 1);
    sim.tell(Command::CancelExecution { rollback: false, force: false });
    insta::assert_snapshot!(sim.run().table(), @"
    0 execution_created
    0 execution_held
    0 cancel_requested
    0 execution_started
    0 block_opened 0 Root
    0 block_stopping 0 cancelled
    0 block_ended 0 cancelled
    0 execution_ended cancelled
    ");
}

/// A chain with one step in doubt, and what a person says of it.
fn resolved(
    resolution: Resolution,
    change: impl FnOnce(StepDraft) -> StepDraft,
) -> (ExecutionStatus, String) {
    let mut charge = task("charge");
    charge.effect = EffectKind::AtMostOnce;
    let chain = Arc::new(chain(vec![change(charge), set("after", "charge")]));
    let script = ok(10);
    let started = Sim::start(&chain, &script, 1);
    let mut sim = Sim::recover(&started, started.journal.len(), Recovery::Lost);
    assert_eq!(sim.state.status(), ExecutionStatus::InDoubt);
    sim.tell(Command::ResolveVisit { visit: VisitNo(0), resolution });
    let sim = sim.run();
    let after = sim.state.visits().nth(1).and_then(|(_, visit)| visit.result().cloned());
    (sim.state.status(), after.map_or_else(String::new, |value| value.as_json().to_string()))
}

#[test]
fn a_step_that_is_lost_three_times_waits_for_a_person() {
    let chain = Arc::new(chain(vec![task("a")]));
    let script = ok(10);
    let mut sim = Sim::start(&chain, &script, 1);
    let mut statuses = Vec::new();
    for _ in 0..3 {
        sim = Sim::recover(&sim, sim.journal.len(), Recovery::Lost);
        statuses.push(sim.state.status());
    }
    let expected = [ExecutionStatus::Running, ExecutionStatus::Running, ExecutionStatus::Quarantined];
    assert_eq!(statuses, expected);
}

#[test]
fn a_person_answers_for_a_step_in_doubt() {
    let completed = Resolution::Completed { value: Some(catena_core::Value::text("paid")) };
    let as_it_is = |step: StepDraft| step;
    assert_eq!(resolved(completed, as_it_is), (ExecutionStatus::Completed, r#"{"after":"paid"}"#.to_owned()));
    assert_eq!(
        resolved(Resolution::RunAgain {}, as_it_is),
        (ExecutionStatus::Completed, r#"{"after":1}"#.to_owned())
    );
    // What has failed by a person's word is not tried again, and its policy holds.
    assert_eq!(resolved(Resolution::Failed {}, |step| step.retry(5)).0, ExecutionStatus::Failed);
    let lets_pass = |step: StepDraft| step.policy(ErrorPolicy::Continue).jump("true", "after");
    let skips = resolved(Resolution::Failed {}, lets_pass).0;
    assert_eq!(skips, ExecutionStatus::Failed, "`after` reads what is not there");
    // Given up is given up, whatever the policy says.
    let given_up = resolved(Resolution::GiveUp {}, |step| step.policy(ErrorPolicy::Continue)).0;
    assert_eq!(given_up, ExecutionStatus::Failed);
}

#[test]
fn only_what_waits_for_a_person_can_be_resolved() {
    let chain = Arc::new(chain(vec![task("a")]));
    let script = ok(10);
    let sim = Sim::start(&chain, &script, 1);
    let mut state = sim.state.clone();
    let outside = catena_core::Outside {
        now: Timestamp(1),
        slots: catena_core::command::Slots::default(),
        jitter: 0.5,
    };
    for visit in [VisitNo(0), VisitNo(7)] {
        let command = Command::ResolveVisit { visit, resolution: Resolution::RunAgain {} };
        let rejection = state.decide(command, outside.clone(), &catena_core::Loaded::default()).unwrap_err();
        assert_eq!(rejection, catena_core::Rejection::NotAsking { visit });
    }
    assert_eq!(state, sim.state);
}

/// An execution that is stuck in the undo of `charge`: the undo fails twice, then it would succeed.
fn stuck_and(resolution: Resolution) -> (ExecutionStatus, State) {
    let steps = vec![
        task("order").undo(vec![task("withdraw")]),
        task("charge").undo(vec![task("refund")]),
        task("ship").policy(ErrorPolicy::Rollback),
    ];
    let chain = Arc::new(chain(steps));
    let script = |address: &str, _| match address {
        "ship" => (fail("storm"), 1),
        "charge.undo/refund" => (fail("bank is closed"), 1),
        _ => (succeed(1), 1),
    };
    let mut sim = Sim::start(&chain, &script, 1);
    while sim.step() {}
    assert_eq!(sim.state.status(), ExecutionStatus::Stuck);
    let stuck = sim.state.visits().find(|(_, visit)| matches!(visit.undo, UndoPhase::Failed(_)));
    let (visit, _) = stuck.expect("an undo has failed");
    sim.tell(Command::ResolveVisit { visit, resolution });
    let sim = sim.run();
    (sim.state.status(), sim.state.clone())
}

#[test]
fn a_person_answers_for_an_undo_that_failed() {
    let (status, state) = stuck_and(Resolution::RunAgain {});
    assert_eq!(status, ExecutionStatus::RolledBack);
    let addresses: Vec<String> = state.visits().map(|(no, _)| state.address(no).to_string()).collect();
    assert!(addresses.contains(&"charge.undo~2/refund".to_owned()), "{addresses:?}");
    let (status, state) = stuck_and(Resolution::Completed { value: None });
    assert_eq!(status, ExecutionStatus::RolledBack);
    assert_eq!(state.step_status(VisitNo(0)), StepStatus::Undone);
    let (status, state) = stuck_and(Resolution::GiveUp {});
    assert_eq!(status, ExecutionStatus::Failed);
    assert_eq!(state.step_status(VisitNo(0)), StepStatus::Completed, "what came before is still there");
}

/// Whatever has ended the execution before: what a person gives up is given up.
#[test]
fn a_person_gives_up_what_has_run_out_of_time() {
    let steps = vec![task("charge").undo(vec![task("refund")]), wait("rest", 10_000)];
    let chain = limited(steps, 1_000, Some(ErrorPolicy::Rollback));
    let script = |address: &str, _| match address {
        "charge.undo/refund" => (fail("bank is closed"), 1),
        _ => (succeed(1), 1),
    };
    let mut sim = Sim::start(&chain, &script, 1);
    while sim.step() {}
    assert_eq!(sim.state.status(), ExecutionStatus::Stuck);
    sim.tell(Command::ResolveVisit { visit: VisitNo(0), resolution: Resolution::GiveUp {} });
    assert_eq!(sim.run().state.status(), ExecutionStatus::Failed);

    let mut pay = task("pay");
    pay.effect = EffectKind::AtMostOnce;
    let chain = limited(vec![pay], 1_000, None);
    let script = |_: &str, _| (Answer::Lost { message: "gone".into() }, 10);
    let mut sim = Sim::start(&chain, &script, 1);
    while sim.step() {}
    assert_eq!(sim.state.status(), ExecutionStatus::InDoubt);
    sim.tell(Command::ResolveVisit { visit: VisitNo(0), resolution: Resolution::GiveUp {} });
    assert_eq!(sim.run().state.status(), ExecutionStatus::Failed);
}

/// Answers every question, in one way or another.
fn answer_all(mut sim: Sim<'_>, seed: u64) -> Sim<'_> {
    for turn in 0..200 {
        while sim.step() {}
        if sim.state.has_ended() {
            break;
        }
        let asking = |(no, visit): (VisitNo, &catena_core::state::Visit)| visit.question().map(|_| no);
        let visit = sim.state.visits().find_map(asking).expect("what has not ended asks a person");
        let resolution = match (seed + turn) % 4 {
            0 => Resolution::Completed { value: None },
            1 => Resolution::RunAgain {},
            2 => Resolution::Failed {},
            _ => Resolution::GiveUp {},
        };
        sim.tell(Command::ResolveVisit { visit, resolution });
    }
    sim
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    /// With a person who answers, every execution ends.
    #[test]
    fn whoever_is_answered_ends(
        steps in random::steps(Mood::Racy), seed: u64, failures in 0u64..60, slots in 1u32..4,
    ) {
        let chain = Arc::new(chain(steps));
        let script = random::script_with_failing_undo(seed, failures);
        let full = Sim::start(&chain, &script, slots).run();
        for len in (1..=full.journal.len()).step_by(3) {
            let mut again = Sim::recover(&full, len, Recovery::Lost);
            again.tell(Command::Advance);
            let sim = answer_all(again, seed % 100);
            prop_assert!(sim.state.has_ended(), "{} at {}", sim.state.status(), len);
        }
    }

    /// A pause at any moment, and a resumption later, leave the end as it is where nothing races.
    #[test]
    fn a_pause_changes_no_end(
        steps in random::steps(Mood::Straight), seed: u64, failures in 0u64..40, after in 0usize..20,
    ) {
        let chain = Arc::new(chain(steps));
        let script = random::script(seed, failures);
        let full = Sim::start(&chain, &script, 1).run();
        let mut sim = Sim::start(&chain, &script, 1);
        for _ in 0..after {
            sim.step();
        }
        if !sim.state.has_ended() {
            sim.tell(Command::PauseExecution);
            while sim.step() {}
            prop_assert!(sim.state.has_ended() || sim.state.status() == ExecutionStatus::Paused);
            prop_assert_eq!(sim.reread(), sim.state.clone());
        }
        if !sim.state.has_ended() {
            sim.tell(Command::ResumeExecution);
        }
        let sim = sim.run();
        prop_assert_eq!(sim.state.status(), full.state.status());
        prop_assert_eq!(sim.state.visit_count(), full.state.visit_count());
    }

    /// The limit of a chain ends it at any moment, and cutting the journal anywhere changes nothing of that.
    #[test]
    fn a_limit_at_any_moment_ends(
        steps in random::steps(Mood::Racy), seed: u64, failures in 0u64..30, limit_ms in 1u64..400, rolls_back: bool,
    ) {
        let policy = rolls_back.then_some(ErrorPolicy::Rollback);
        let chain = limited(steps, limit_ms, policy);
        let script = random::script(seed, failures);
        let full = Sim::start(&chain, &script, 2).run();
        prop_assert!(full.state.has_ended());
        for len in 1..=full.journal.len() {
            let again = Sim::recover(&full, len, Recovery::Reattached).run();
            prop_assert_eq!(&again.journal, &full.journal, "cut at {}", len);
        }
    }
}
