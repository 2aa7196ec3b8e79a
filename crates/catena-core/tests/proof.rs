//! What the fixtures prove of written chains, of some by hand: with undos, branches, graphs, loops and alternatives.

use std::sync::Arc;

use catena_core::chain::{EffectKind, ErrorPolicy, On, OnTimeout, StepDraft, Undo, WaitFor};
use catena_testkit::{
    draft::{Change, Steps, approval, await_signal, chain, for_each, group, parallel, set, task, wait},
    proof::prove,
};

fn check(steps: Steps) {
    let proof = prove(&Arc::new(chain(steps)));
    assert!(proof.recoveries > 50, "{proof:?}");
}

fn undone(name: &str) -> StepDraft {
    task(name).undo(vec![task(&format!("{name}_undo"))])
}

#[test]
fn a_saga() {
    check(vec![
        undone("order"),
        undone("charge").retry(2),
        undone("ship").policy(ErrorPolicy::Rollback),
        task("mail"),
    ]);
}

#[test]
fn branches_and_items() {
    let both =
        parallel("both", WaitFor::All, vec![("a", vec![undone("x")]), ("b", vec![undone("y"), task("z")])]);
    let each = for_each("each", "[1, 2, 3]", vec![undone("item").policy(ErrorPolicy::Continue)]);
    check(vec![both, each, task("after").policy(ErrorPolicy::Rollback)]);
}

#[test]
fn a_graph_with_a_loop_and_an_alternative() {
    let again = group("again", vec![undone("poll"), wait("rest", 50)]).until("loop.index >= 1", 3);
    let either = undone("either").otherwise(undone("instead"));
    let steps = vec![
        again,
        either.after("again", On::Completed),
        task("mend").after("either", On::Failed),
        set("last", "1").after("mend", On::Ended),
    ];
    check(vec![group("graph", steps), task("after")]);
}

#[test]
fn what_waits_for_somebody_and_what_runs_at_most_once() {
    let mut once = task("once");
    once.effect = EffectKind::AtMostOnce;
    once.undo = Some(Undo { block: vec![task("once_undo")], if_started: true });
    let signal = await_signal("signal", "go", Some(30)).policy(ErrorPolicy::Continue);
    check(vec![once, signal, approval("may", Some(40), OnTimeout::Approve), undone("last")]);
}
