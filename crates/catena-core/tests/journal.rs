//! Chains run to their end on simulated time: the journal as a table, one line per event.

use std::sync::Arc;

use catena_core::{
    chain::{ErrorPolicy, Undo, WaitFor},
    event::Answer,
};
use catena_testkit::{
    Sim,
    draft::{Change, Steps, chain, for_each, group, parallel, set, task},
    sim::{fail, succeed},
};

fn run(steps: Steps, script: impl Fn(&str, u32) -> (Answer, u64)) -> String {
    let chain = Arc::new(chain(steps));
    Sim::start(&chain, &script, 4).run().table()
}

#[test]
fn a_sequence() {
    insta::assert_snapshot!(run(vec![task("fetch"), task("save")], |_, _| (succeed(1), 10)), @"
     0 execution_created
     0 execution_started
     0 block_opened 0 Root
     0 visit_entered fetch
     0 attempt_started fetch 1
    10 attempt_ended fetch 1 1
    10 visit_completed fetch
    10 visit_entered save
    10 attempt_started save 1
    20 attempt_ended save 1 1
    20 visit_completed save
    20 block_ended 0 completed
    20 execution_ended completed
    ");
}

#[test]
fn a_retry_waits_and_then_fails_the_chain() {
    insta::assert_snapshot!(run(vec![task("fetch").retry(2), task("save")], |_, _| (fail("no route"), 10)), @r#"
      0 execution_created
      0 execution_started
      0 block_opened 0 Root
      0 visit_entered fetch
      0 attempt_started fetch 1
     10 attempt_ended fetch 1 Failed { failure: Failure { kind: Raised("scripted"), message: "no route", detail: None, retriable: true } }
     10 retry_scheduled fetch at 110
    110 timer_fired fetch
    110 attempt_started fetch 2
    120 attempt_ended fetch 2 Failed { failure: Failure { kind: Raised("scripted"), message: "no route", detail: None, retriable: true } }
    120 visit_failed fetch Stop: scripted: no route
    120 block_ended 0 failed
    120 execution_ended failed
    "#);
}

/// The shape that the engine was asked for first: a `for_each` inside a group that a backward jump reaches
/// twice, with a retry, a parallel branch, and an undo of all of it at the end.
#[test]
fn loops_in_a_group_reached_twice_are_undone_in_reverse() {
    let charge = task("charge").retry(2).undo(vec![task("refund")]);
    let batch = group("batch", vec![for_each("each", "[7, 8]", vec![charge]), task("count")]);
    let steps = vec![
        batch.jump("steps.count.result == 1", "batch"),
        parallel(
            "ship",
            WaitFor::All,
            vec![("air", vec![task("fly")]), ("sea", vec![task("sail").policy(ErrorPolicy::Rollback)])],
        ),
    ];
    let script = |address: &str, n: u32| match address {
        "batch/each[1]/charge" if n == 1 => (fail("card declined"), 5),
        "batch~2/count" => (succeed(2), 5),
        "ship[sea]/sail" => (fail("storm"), 5),
        "ship[air]/fly" => (succeed(1), 20),
        _ => (succeed(1), 10),
    };
    insta::assert_snapshot!(run(steps, script), @r#"
      0 execution_created
      0 execution_started
      0 block_opened 0 Root
      0 visit_entered batch Blocks
      0 block_opened 1 Group { visit: VisitNo(0) }
      0 visit_entered batch/each Items([7, 8])
      0 block_opened 2 Item { visit: VisitNo(1), index: 0 }
      0 block_opened 3 Item { visit: VisitNo(1), index: 1 }
      0 visit_entered batch/each[0]/charge
      0 visit_entered batch/each[1]/charge
      0 attempt_started batch/each[0]/charge 1
      0 attempt_started batch/each[1]/charge 1
      5 attempt_ended batch/each[1]/charge 1 Failed { failure: Failure { kind: Raised("scripted"), message: "card declined", detail: None, retriable: true } }
      5 retry_scheduled batch/each[1]/charge at 105
     10 attempt_ended batch/each[0]/charge 1 1
     10 visit_completed batch/each[0]/charge
     10 block_ended 2 completed
    105 timer_fired batch/each[1]/charge
    105 attempt_started batch/each[1]/charge 2
    115 attempt_ended batch/each[1]/charge 2 1
    115 visit_completed batch/each[1]/charge
    115 block_ended 3 completed
    115 visit_completed batch/each [1,1]
    115 visit_entered batch/count
    115 attempt_started batch/count 1
    125 attempt_ended batch/count 1 1
    125 visit_completed batch/count
    125 block_ended 1 completed
    125 visit_completed batch 1
    125 jumped batch
    125 visit_entered batch~2 Blocks
    125 block_opened 4 Group { visit: VisitNo(5) }
    125 visit_entered batch~2/each Items([7, 8])
    125 block_opened 5 Item { visit: VisitNo(6), index: 0 }
    125 block_opened 6 Item { visit: VisitNo(6), index: 1 }
    125 visit_entered batch~2/each[0]/charge
    125 visit_entered batch~2/each[1]/charge
    125 attempt_started batch~2/each[0]/charge 1
    125 attempt_started batch~2/each[1]/charge 1
    135 attempt_ended batch~2/each[0]/charge 1 1
    135 visit_completed batch~2/each[0]/charge
    135 block_ended 5 completed
    135 attempt_ended batch~2/each[1]/charge 1 1
    135 visit_completed batch~2/each[1]/charge
    135 block_ended 6 completed
    135 visit_completed batch~2/each [1,1]
    135 visit_entered batch~2/count
    135 attempt_started batch~2/count 1
    140 attempt_ended batch~2/count 1 2
    140 visit_completed batch~2/count
    140 block_ended 4 completed
    140 visit_completed batch~2 2
    140 visit_entered ship Blocks
    140 block_opened 7 Branch { visit: VisitNo(10), index: 0 }
    140 block_opened 8 Branch { visit: VisitNo(10), index: 1 }
    140 visit_entered ship[air]/fly
    140 visit_entered ship[sea]/sail
    140 attempt_started ship[air]/fly 1
    140 attempt_started ship[sea]/sail 1
    145 attempt_ended ship[sea]/sail 1 Failed { failure: Failure { kind: Raised("scripted"), message: "storm", detail: None, retriable: true } }
    145 visit_failed ship[sea]/sail Rollback: scripted: storm
    145 block_stopping 0 failed
    145 visit_stopping ship
    145 block_stopping 7 failed
    145 visit_stopping ship[air]/fly
    145 block_ended 8 failed
    160 attempt_ended ship[air]/fly 1 1
    160 visit_completed ship[air]/fly
    160 block_ended 7 failed
    160 visit_cancelled ship
    160 block_ended 0 failed
    160 undo_started
    160 block_opened 9 Undo { visit: VisitNo(8) }
    160 visit_entered batch~2/each[1]/charge.undo/refund
    160 attempt_started batch~2/each[1]/charge.undo/refund 1
    170 attempt_ended batch~2/each[1]/charge.undo/refund 1 1
    170 visit_completed batch~2/each[1]/charge.undo/refund
    170 block_ended 9 completed
    170 block_opened 10 Undo { visit: VisitNo(7) }
    170 visit_entered batch~2/each[0]/charge.undo/refund
    170 attempt_started batch~2/each[0]/charge.undo/refund 1
    180 attempt_ended batch~2/each[0]/charge.undo/refund 1 1
    180 visit_completed batch~2/each[0]/charge.undo/refund
    180 block_ended 10 completed
    180 block_opened 11 Undo { visit: VisitNo(3) }
    180 visit_entered batch/each[1]/charge.undo/refund
    180 attempt_started batch/each[1]/charge.undo/refund 1
    190 attempt_ended batch/each[1]/charge.undo/refund 1 1
    190 visit_completed batch/each[1]/charge.undo/refund
    190 block_ended 11 completed
    190 block_opened 12 Undo { visit: VisitNo(2) }
    190 visit_entered batch/each[0]/charge.undo/refund
    190 attempt_started batch/each[0]/charge.undo/refund 1
    200 attempt_ended batch/each[0]/charge.undo/refund 1 1
    200 visit_completed batch/each[0]/charge.undo/refund
    200 block_ended 12 completed
    200 execution_ended rolled_back
    "#);
}

#[test]
fn the_first_of_two_branches_wins() {
    let race = parallel(
        "race",
        WaitFor::Count(1),
        vec![("fast", vec![task("hare")]), ("slow", vec![task("tortoise"), task("late")])],
    );
    let script = |address: &str, _| (succeed(address), if address.contains("hare") { 5 } else { 50 });
    insta::assert_snapshot!(run(vec![race], script), @r#"
     0 execution_created
     0 execution_started
     0 block_opened 0 Root
     0 visit_entered race Blocks
     0 block_opened 1 Branch { visit: VisitNo(0), index: 0 }
     0 block_opened 2 Branch { visit: VisitNo(0), index: 1 }
     0 visit_entered race[fast]/hare
     0 visit_entered race[slow]/tortoise
     0 attempt_started race[fast]/hare 1
     0 attempt_started race[slow]/tortoise 1
     5 attempt_ended race[fast]/hare 1 "race[fast]/hare"
     5 visit_completed race[fast]/hare
     5 block_ended 1 completed
     5 visit_stopping race
     5 block_stopping 2 cancelled
     5 visit_stopping race[slow]/tortoise
    50 attempt_ended race[slow]/tortoise 1 "race[slow]/tortoise"
    50 visit_completed race[slow]/tortoise
    50 block_ended 2 cancelled
    50 visit_completed race {"fast":"race[fast]/hare","slow":null}
    50 block_ended 0 completed
    50 execution_ended completed
    "#);
}

#[test]
fn a_step_whose_condition_is_false_is_skipped_and_a_failure_can_be_let_pass() {
    let steps =
        vec![task("a").policy(ErrorPolicy::Continue), task("b").when("errors.a.type == 'other'"), task("c")];
    insta::assert_snapshot!(run(steps, |address, _| (if address == "a" { fail("no") } else { succeed(1) }, 1)), @r#"
    0 execution_created
    0 execution_started
    0 block_opened 0 Root
    0 visit_entered a
    0 attempt_started a 1
    1 attempt_ended a 1 Failed { failure: Failure { kind: Raised("scripted"), message: "no", detail: None, retriable: true } }
    1 visit_failed a Continue: scripted: no
    1 visit_entered b Skip(When)
    1 visit_entered c
    1 attempt_started c 1
    2 attempt_ended c 1 1
    2 visit_completed c
    2 block_ended 0 completed
    2 execution_ended completed_with_errors
    "#);
}

/// What the chain leaves when `sum` says what its steps have seen.
fn output(steps: Steps, script: impl Fn(&str, u32) -> (Answer, u64)) -> serde_json::Value {
    let chain = Arc::new(chain(steps));
    let sim = Sim::start(&chain, &script, 4).run();
    let last = sim.state.visits().last().map(|(no, _)| no).expect("there are visits");
    sim.state.visit(last).result().map_or(serde_json::Value::Null, |result| result.as_json().clone())
}

#[test]
fn an_undo_sees_the_names_of_its_own_visit() {
    let charge = task("charge").undo(vec![set("refund", "order")]);
    let steps =
        vec![task("order"), charge.jump("order == 1", "order"), task("ship").policy(ErrorPolicy::Rollback)];
    let script = |address: &str, _| match address {
        "order~2" => (succeed(2), 1),
        "ship" => (fail("storm"), 1),
        _ => (succeed(1), 1),
    };
    let chain = Arc::new(chain(steps));
    let sim = Sim::start(&chain, &script, 1).run();
    let refunds: Vec<String> = sim
        .state
        .visits()
        .filter(|(no, _)| sim.state.address(*no).as_str().contains(".undo/"))
        .map(|(_, visit)| visit.result().expect("it ran").as_json().to_string())
        .collect();
    assert_eq!(refunds, [r#"{"refund":2}"#, r#"{"refund":1}"#]);
}

#[test]
fn an_item_sees_its_own_steps_and_not_those_of_its_neighbour() {
    let inner = group("inner", vec![task("deep")]);
    let look = set("look", "steps.deep is defined");
    let steps = vec![for_each("each", "[1, 2]", vec![look, inner, set("after", "steps.deep.result")])];
    let script = |address: &str, _| (succeed(address), if address.contains("[0]") { 1 } else { 9 });
    let seen = output(steps, script);
    let expected = serde_json::json!({ "after": "each[1]/inner/deep" });
    assert_eq!(seen, expected);
}

#[test]
fn now_is_the_time_of_the_decision_and_date_the_day_of_the_start() {
    let steps =
        vec![task("slow"), set("times", "[date, now, now | date, date | add('1d') | date, now | epoch]")];
    let seen = output(steps, |_, _| (succeed(1), 100_000_000));
    let expected =
        serde_json::json!(["1970-01-01", "1970-01-02T03:46:40Z", "1970-01-02", "1970-01-02", 100_000]);
    assert_eq!(seen, serde_json::json!({ "times": expected }));
}

#[test]
fn a_loop_that_lets_its_failures_pass_ends_at_the_limit() {
    let step = set("probe", "false").policy(ErrorPolicy::Continue).jump("not probe", "probe");
    let chain = Arc::new(chain(vec![step]));
    let sim = Sim::start(&chain, &|_: &str, _| (succeed(1), 1), 1).run();
    assert_eq!(sim.state.status(), catena_core::status::ExecutionStatus::Failed);
    assert_eq!(sim.state.visit_count(), 1_000);
}

#[test]
fn results_come_out_of_blocks_within_blocks() {
    let inner = group("inner", vec![task("deep")]);
    let steps = vec![for_each("each", "[1, 2]", vec![inner]), set("sum", "each")];
    assert_eq!(output(steps, |_, _| (succeed(7), 1)), serde_json::json!({ "sum": [7, 7] }));
}

#[test]
fn a_block_that_started_is_undone_too() {
    let mut both = group("both", vec![task("a"), task("b").policy(ErrorPolicy::Rollback)]);
    both.undo = Some(Undo { block: vec![task("back")], if_started: true });
    let script = |address: &str, _| (if address == "both/b" { fail("no") } else { succeed(1) }, 1);
    let table = run(vec![both], script);
    assert!(table.contains("visit_completed both.undo/back"), "{table}");
}
