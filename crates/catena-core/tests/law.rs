//! The law: every prefix of every journal recovers to the same end.

use std::{collections::BTreeMap, sync::Arc};

use catena_core::{
    Event, State,
    state::{Origin, VisitEnd, VisitPhase},
    status::{ExecutionStatus, StepStatus},
};
use catena_testkit::{
    Recovery, Sim, draft,
    random::{self, Mood},
    sim,
};
use proptest::prelude::*;

/// What a user sees of an execution, without times and attempt numbers.
fn end_of(state: &State) -> (ExecutionStatus, BTreeMap<String, (StepStatus, Option<String>)>) {
    let steps = state.visits().map(|(no, visit)| {
        let result = visit.result().map(|value| value.as_json().to_string());
        (state.address(no).to_string(), (state.step_status(no), result))
    });
    (state.status(), steps.collect())
}

/// Lost attempts of steps that may run at most once leave a doubt; all others are simply made again.
fn is_doubtful(state: &State) -> bool {
    state.visits().any(|(_, visit)| matches!(visit.phase, VisitPhase::InDoubt))
}

/// Nothing is lost, nothing runs twice that must not.
fn check_journal(sim: &Sim<'_>) {
    let mut attempts = std::collections::BTreeSet::new();
    let ends = sim.journal.iter().filter(|(_, event)| matches!(event, Event::ExecutionEnded { .. })).count();
    assert_eq!(ends, usize::from(sim.state.has_ended()));
    for (_, event) in &sim.journal {
        if let Event::AttemptStarted { visit, attempt } = event {
            assert!(attempts.insert((*visit, *attempt)), "attempt {attempt} of visit {visit} started twice");
        }
    }
    check_undo_order(sim);
}

/// Undo reverses the order of completion and takes each visit once.
fn check_undo_order(sim: &Sim<'_>) {
    let mut completed = Vec::new();
    let mut undone = Vec::new();
    for (_, event) in &sim.journal {
        match event {
            Event::BlockOpened { origin: Origin::Undo { visit }, .. } => undone.push(*visit),
            Event::VisitCompleted { visit, .. }
            | Event::VisitFailed { visit, .. }
            | Event::VisitCancelled { visit } => {
                completed.push(*visit);
            }
            _ => {}
        }
    }
    let order: Vec<usize> = undone
        .iter()
        .map(|v| completed.iter().position(|c| c == v).expect("only what ended is undone"))
        .collect();
    assert!(order.is_sorted_by(|a, b| a > b), "undone in the order {order:?} of completion");
    if sim.state.status() == ExecutionStatus::RolledBack {
        for (no, visit) in sim.state.visits() {
            let completed = matches!(visit.phase, VisitPhase::Ended(VisitEnd::Completed(_)));
            if completed && sim.state.step_of(no).undo.is_some() {
                assert_eq!(sim.state.step_status(no), StepStatus::Undone, "{}", sim.state.address(no));
            }
        }
    }
}

/// Cut anywhere, with all that ran lost, it comes to the same end or to a doubt.
fn check_losses(full: &Sim<'_>) {
    for len in 1..=full.journal.len() {
        let again = Sim::recover(full, len, Recovery::Lost).run();
        check_journal(&again);
        if !is_doubtful(&again.state) {
            assert_eq!(end_of(&again.state), end_of(&full.state), "cut at {len}");
        }
    }
}

/// Cut anywhere, with its attempts still there, an execution goes on to the very same journal.
fn every_prefix_recovers(
    steps: draft::Steps,
    script: &sim::Script<'_>,
    slots: u32,
) -> Result<(), TestCaseError> {
    let chain = Arc::new(draft::chain(steps));
    let full = Sim::start(&chain, script, slots).run();
    check_journal(&full);
    for len in 1..=full.journal.len() {
        let again = Sim::recover(&full, len, Recovery::Reattached).run();
        prop_assert_eq!(&again.journal, &full.journal, "cut at {}", len);
    }
    prop_assert_eq!(full.reread(), full.state);
    Ok(())
}

/// So many cases, times what `CATENA_CASES` says.
#[expect(clippy::disallowed_methods, reason = "whoever runs it by hand says how long")]
fn cases(n: u32) -> ProptestConfig {
    let factor = std::env::var("CATENA_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(1);
    ProptestConfig { cases: n * factor, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(cases(32))]

    /// With attempts that outlive the engine, recovery continues the very same journal.
    #[test]
    fn every_prefix_recovers_to_the_same_journal(
        steps in random::steps(Mood::Racy), seed: u64, failures in 0u64..40, slots in 1u32..4,
    ) {
        every_prefix_recovers(steps, &random::script(seed, failures), slots)?;
    }

    /// A snapshot taken anywhere is the state that it was taken of.
    #[test]
    fn a_snapshot_is_the_state(steps in random::steps(Mood::Racy), seed: u64, after in 0usize..20) {
        let chain = Arc::new(draft::chain(steps));
        let script = random::script(seed, 20);
        let mut sim = Sim::start(&chain, &script, 2);
        for _ in 0..after {
            sim.step();
            prop_assert_eq!(sim.reread(), sim.state.clone());
        }
    }

    /// With attempts that die with the engine and races excluded, recovery reaches the same end, or asks about
    /// a step that may run at most once.
    #[test]
    fn lost_attempts_lead_to_the_same_end_or_to_a_doubt(
        steps in random::steps(Mood::Calm), seed: u64, slots in 1u32..4,
    ) {
        let chain = Arc::new(draft::chain(steps));
        let script = random::script(seed, 0);
        check_losses(&Sim::start(&chain, &script, slots).run());
    }

    /// Where one thing happens at a time nothing races: then retries, policies and undo lead to the same end
    /// with lost attempts too.
    #[test]
    fn lost_attempts_beside_failures_lead_to_the_same_end(
        steps in random::steps(Mood::Straight), seed: u64, failures in 0u64..60,
    ) {
        let chain = Arc::new(draft::chain(steps));
        let script = random::script(seed, failures);
        check_losses(&Sim::start(&chain, &script, 1).run());
    }

    /// Racy or not, whatever is lost, an execution ends or asks a person.
    #[test]
    fn every_execution_ends_or_asks(
        steps in random::steps(Mood::Racy), seed: u64, failures in 0u64..60, slots in 1u32..4,
    ) {
        let chain = Arc::new(draft::chain(steps));
        let script = random::script_with_failing_undo(seed, failures);
        let full = Sim::start(&chain, &script, slots).run();
        for len in 1..=full.journal.len() {
            let again = Sim::recover(&full, len, Recovery::Lost).run();
            check_journal(&again);
            let status = again.state.status();
            let asks = [ExecutionStatus::InDoubt, ExecutionStatus::Stuck].contains(&status);
            prop_assert!(status.is_end() || asks, "{} at {}", status, len);
        }
    }

    /// A cancel at any moment leads to exactly one end.
    #[test]
    fn a_cancel_at_any_moment_ends(
        steps in random::steps(Mood::Racy), seed: u64, failures in 0u64..30, after in 0usize..20, rollback: bool,
    ) {
        let chain = Arc::new(draft::chain(steps));
        let script = random::script(seed, failures);
        let mut sim = Sim::start(&chain, &script, 2);
        for _ in 0..after {
            sim.step();
        }
        let phase = sim.state.phase().clone();
        if phase == catena_core::state::Phase::Running {
            sim.tell(catena_core::Command::CancelExecution { rollback, force: false });
        }
        let sim = sim.run();
        check_journal(&sim);
        prop_assert!(sim.state.has_ended());
    }
}

proptest! {
    #![proptest_config(cases(4))]

    /// Large values do not show in when something is decided: whether they were at hand or had to be read, recovery
    /// continues the very same journal.
    #[test]
    fn every_prefix_with_large_values_recovers_to_the_same_journal(
        steps in random::steps(Mood::Large), seed: u64, failures in 0u64..30, slots in 1u32..4,
    ) {
        every_prefix_recovers(steps, &random::script(seed, failures), slots)?;
    }
}
