//! The core against the reference model: of a random chain and a random script both say the same.

use std::sync::Arc;

use catena_core::{
    chain::{ChainName, Draft, WaitFor},
    event::Event,
    state::{Origin, Phase},
    status::StepStatus,
};
use catena_testkit::{
    Sim,
    draft::{Change, parallel, task},
    model::{self, Order, Outcome},
    modelled,
    sim::{Script, fail, succeed},
};
use proptest::prelude::*;

/// A slot for every attempt: where attempts wait for each other is not the model's business.
const SLOTS: u32 = 1_000;
/// Orders of what happens at one instant that are tried before an outcome counts as wrong.
const ORDERS_MAX: u64 = 3_000;

/// What the core makes of it.
fn outcome(draft: &Draft, script: &Script<'_>) -> Outcome {
    let chain = Arc::new(draft.clone().build().expect("a chain"));
    let sim = Sim::start(&chain, script, SLOTS).run();
    let state = &sim.state;
    let error = match state.phase() {
        Phase::Ended { error, .. } => error.as_ref().map(|failure| failure.kind.as_str().to_owned()),
        Phase::Created | Phase::Running | Phase::Undoing | Phase::Handling(_) => None,
    };
    let visit = |no| (state.address(no).to_string(), (state.step_status(no), state.visit(no).attempts));
    let undone = sim.journal.iter().filter_map(|(_, event)| match event {
        Event::BlockOpened { origin: Origin::Undo { visit }, .. } => {
            let ended = state.visit(*visit).ended_at.expect("only what has ended is undone");
            Some((ended.0.unsigned_abs() / 1_000, state.address(*visit).to_string()))
        }
        _ => None,
    });
    Outcome {
        status: state.status(),
        error,
        visits: state.visits().map(|(no, _)| visit(no)).collect(),
        undone: undone.collect(),
    }
}

/// Whether the model allows what the core says.
fn is_allowed(draft: &Draft, script: &Script<'_>, core: &Outcome) -> bool {
    let says = |order| model::outcome(draft, script, order);
    let known = [Order::Levels, Order::Text, Order::Reverse];
    if known.into_iter().any(|order| says(order) == *core) {
        return true;
    }
    let core = core.clone().without_ties();
    let dice = (0..ORDERS_MAX).map(|seed| Order::Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) + 1));
    known.into_iter().chain(dice).any(|order| says(order).without_ties() == core)
}

#[expect(clippy::disallowed_methods, reason = "whoever runs it by hand says how long")]
fn cases(n: u32) -> ProptestConfig {
    let factor = std::env::var("CATENA_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(1);
    ProptestConfig {
        cases: n * factor,
        failure_persistence: None,
        max_shrink_iters: 60,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(cases(1_000))]

    #[test]
    fn the_core_does_what_the_model_says(
        bytes in prop::collection::vec(any::<u8>(), 0..400), seed: u64, failures in 0u64..30,
    ) {
        let draft = modelled::draft(&bytes);
        let script = modelled::script(seed, failures);
        let core = outcome(&draft, &script);
        if !is_allowed(&draft, &script, &core) {
            let model = model::outcome(&draft, &script, Order::Text);
            let chain = Arc::new(draft.build().expect("a chain"));
            let table = Sim::start(&chain, &script, SLOTS).run().table();
            prop_assert!(false, "core: {core}\nmodel: {model}\n{table}\n{}", serde_json::json!(*chain));
        }
    }
}

/// What has done its work has completed, though it was to do it again and what is around it stops meanwhile.
#[test]
fn an_iteration_that_ends_while_all_is_stopped_was_the_last() {
    let race = vec![("fast", vec![task("hare")]), ("slow", vec![task("tortoise")])];
    let race = parallel("race", WaitFor::Count(1), race).until("loop.index >= 1", 2);
    let both = parallel("both", WaitFor::All, vec![("left", vec![race]), ("right", vec![task("fails")])]);
    let script = |address: &str, _| match address {
        "both[right]/fails" => (fail("no"), 20),
        "both[left]/race[fast]/hare" => (succeed(1), 5),
        _ => (succeed(1), 50),
    };
    let draft = Draft::new(ChainName::parse("race").expect("a name"), vec![both]);
    let core = outcome(&draft, &script);
    assert_eq!(core.visits["both[left]/race"], (StepStatus::Completed, 0), "{core}");
    assert!(is_allowed(&draft, &script, &core), "{core}");
}
