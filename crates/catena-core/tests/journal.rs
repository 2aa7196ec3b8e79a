//! Chains run to their end on simulated time: the journal as a table, one line per event.

use std::sync::Arc;

use catena_core::{
    chain::{ErrorPolicy, WaitFor},
    event::Answer,
};
use catena_testkit::{
    Sim,
    draft::{Change, Steps, chain, for_each, group, parallel, task},
    sim::{fail, succeed},
};

fn run(steps: Steps, script: impl Fn(&str, u32) -> (Answer, u64)) -> String {
    let chain = Arc::new(chain(steps));
    Sim::start(&chain, &script, 4).run().table()
}

#[test]
fn a_sequence() {
    insta::assert_snapshot!(run(vec![task("fetch"), task("save")], |_, _| (succeed(1), 10)), @"");
}

#[test]
fn a_retry_waits_and_then_fails_the_chain() {
    insta::assert_snapshot!(run(vec![task("fetch").retry(2), task("save")], |_, _| (fail("no route"), 10)), @"");
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
    insta::assert_snapshot!(run(steps, script), @"");
}

#[test]
fn the_first_of_two_branches_wins() {
    let race = parallel(
        "race",
        WaitFor::Count(1),
        vec![("fast", vec![task("hare")]), ("slow", vec![task("tortoise"), task("late")])],
    );
    let script = |address: &str, _| (succeed(address), if address.contains("hare") { 5 } else { 50 });
    insta::assert_snapshot!(run(vec![race], script), @"");
}

#[test]
fn a_step_whose_condition_is_false_is_skipped_and_a_failure_can_be_let_pass() {
    let steps =
        vec![task("a").policy(ErrorPolicy::Continue), task("b").when("errors.a.type == 'other'"), task("c")];
    insta::assert_snapshot!(run(steps, |address, _| (if address == "a" { fail("no") } else { succeed(1) }, 1)), @"");
}
