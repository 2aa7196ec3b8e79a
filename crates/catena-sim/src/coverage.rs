//! Which steps and which ways out of them were taken, and which never.

use std::collections::BTreeSet;

use catena_core::{
    Chain, Event, State, StepIx,
    chain::Target,
    event::{Jump, Plan, SkipReason},
};

/// A way that an execution can take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Branch {
    /// The step runs.
    Runs(StepIx),
    /// Its `when` is false.
    Skips(StepIx),
    /// Its `next_step_logic` leads to another step.
    JumpsTo(StepIx, StepIx),
    /// It leads to the end of the block.
    JumpsToEnd(StepIx),
}

impl Branch {
    /// In words, with the steps by their ids.
    pub fn words(self, chain: &Chain) -> String {
        let id = |step: StepIx| &chain.step(step).id;
        match self {
            Self::Runs(step) => format!("{} never runs", id(step)),
            Self::Skips(step) => format!("the `when` of {} is never false", id(step)),
            Self::JumpsTo(from, to) => format!("{} never leads to {}", id(from), id(to)),
            Self::JumpsToEnd(from) => format!("{} never leads to `end`", id(from)),
        }
    }

    pub fn step(self) -> StepIx {
        match self {
            Self::Runs(step) | Self::Skips(step) | Self::JumpsTo(step, _) | Self::JumpsToEnd(step) => step,
        }
    }
}

/// What has been taken of a chain, in one execution or several.
#[derive(Clone, Debug, Default)]
pub struct Coverage {
    taken: BTreeSet<Branch>,
}

impl Coverage {
    /// Counts what an execution has done.
    pub fn add<'e>(&mut self, state: &State, events: impl IntoIterator<Item = &'e Event>) {
        for event in events {
            match event {
                Event::VisitEntered { step, plan: Plan::Skip(SkipReason::When), .. } => {
                    self.taken.insert(Branch::Skips(*step));
                }
                Event::VisitEntered { plan: Plan::Skip(_), .. } => {}
                Event::VisitEntered { step, .. } => {
                    self.taken.insert(Branch::Runs(*step));
                }
                Event::Jumped { from, to, .. } => {
                    let from = state.visit(*from).step;
                    self.taken.insert(match to {
                        Jump::Step(to) => Branch::JumpsTo(from, *to),
                        Jump::End => Branch::JumpsToEnd(from),
                    });
                }
                _ => {}
            }
        }
    }

    pub fn merge(&mut self, other: &Self) {
        self.taken.extend(&other.taken);
    }

    /// All ways of a chain, in the order of its text.
    pub fn all(chain: &Chain) -> Vec<Branch> {
        let mut all = Vec::new();
        for (ix, step) in chain.steps() {
            all.push(Branch::Runs(ix));
            all.extend(step.when.as_ref().map(|_| Branch::Skips(ix)));
            let targets = step
                .next
                .iter()
                .flat_map(|next| next.conditions.iter().map(|(_, to)| to).chain(&next.default));
            let mut jumps: Vec<Branch> = targets
                .map(|target| match target {
                    Target::Step(to) => Branch::JumpsTo(ix, *to),
                    Target::End => Branch::JumpsToEnd(ix),
                })
                .collect();
            jumps.sort_unstable();
            jumps.dedup();
            all.extend(jumps);
        }
        all
    }

    pub fn taken(&self) -> &BTreeSet<Branch> {
        &self.taken
    }

    /// The ways of a chain that were never taken.
    pub fn missed(&self, chain: &Chain) -> Vec<Branch> {
        let mut missed = Self::all(chain);
        missed.retain(|branch| !self.taken.contains(branch));
        // Of a step that never runs nothing else is worth a word.
        let never: BTreeSet<StepIx> = missed
            .iter()
            .filter_map(|branch| match branch {
                Branch::Runs(step) => Some(*step),
                _ => None,
            })
            .collect();
        missed.retain(|branch| matches!(branch, Branch::Runs(_)) || !never.contains(&branch.step()));
        missed
    }
}
