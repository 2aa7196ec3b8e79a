//! Running only a part of a chain: which steps are left out then.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::Chain;
use crate::ids::{BlockIx, StepIx};

/// Which part of a chain runs, seen from one step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// The step, with all that stands in it.
    Only(StepIx),
    /// The step and what follows it.
    From(StepIx),
    /// What leads to the step, and the step.
    To(StepIx),
}

impl Chain {
    /// The steps that do not run where only a part of the chain does. What holds the step runs; undos, alternatives and
    /// handlers are no part of the way.
    pub fn left_out(&self, part: Part) -> Vec<StepIx> {
        let (Part::Only(step) | Part::From(step) | Part::To(step)) = part;
        let mut left_out = Vec::new();
        let mut at = step;
        loop {
            let block = self.step(at).block;
            left_out.extend(self.beside(block, at, part));
            let Some(owner) = self.owner(block) else { break };
            // What runs side by side with it neither leads to it nor follows it.
            let beside = self.step(owner).work.blocks();
            let others = beside.iter().filter(|other| **other != block && beside.contains(&block));
            left_out.extend(others.flat_map(|other| self.block(*other).steps.iter().copied()));
            at = owner;
        }
        left_out.sort_unstable();
        left_out
    }

    /// The steps of a block that are left out where one of them, or one within it, is what is meant.
    fn beside(&self, block: BlockIx, at: StepIx, part: Part) -> Vec<StepIx> {
        let steps = &self.block(block).steps;
        let place = self.step(at).position;
        let runs: BTreeSet<u32> = match (part, &self.block(block).graph) {
            (Part::Only(_), _) => BTreeSet::from([place]),
            (Part::From(_), None) => (place..u32::try_from(steps.len()).unwrap_or(u32::MAX)).collect(),
            (Part::To(_), None) => (0..=place).collect(),
            (Part::From(_), Some(_)) => self.downstream(block, place),
            (Part::To(_), Some(_)) => self.upstream(block, place),
        };
        (0..).zip(steps).filter(|(place, _)| !runs.contains(place)).map(|(_, step)| *step).collect()
    }

    /// The places of a graph that wait for one of its places, directly or not, and that place.
    pub(crate) fn downstream(&self, block: BlockIx, place: u32) -> BTreeSet<u32> {
        self.reach(block, place, |node| node.feeds.iter().map(|feed| feed.to).collect())
    }

    fn upstream(&self, block: BlockIx, place: u32) -> BTreeSet<u32> {
        self.reach(block, place, |node| node.needs.iter().map(|need| need.step).collect())
    }

    fn reach(&self, block: BlockIx, place: u32, next: impl Fn(&super::Node) -> Vec<u32>) -> BTreeSet<u32> {
        let Some(graph) = &self.block(block).graph else { return BTreeSet::from([place]) };
        let mut seen = BTreeSet::new();
        let mut open = vec![place];
        while let Some(at) = open.pop() {
            if seen.insert(at) {
                open.extend(next(&graph.nodes[at as usize]));
            }
        }
        seen
    }

    /// The step that an address leads to.
    pub fn step_of_address(&self, address: &str) -> Option<StepIx> {
        let last = address.rsplit('/').next().unwrap_or(address);
        self.step_by_id(last.split(['~', '.', '[']).next().unwrap_or(last))
    }

    /// Whether a step is another one, or stands in it.
    pub fn stands_in(&self, step: StepIx, outer: StepIx) -> bool {
        let mut at = Some(step);
        while let Some(step) = at {
            if step == outer {
                return true;
            }
            at = self.owner(self.step(step).block);
        }
        false
    }

    /// The step that a block stands in.
    pub fn owner(&self, block: BlockIx) -> Option<StepIx> {
        self.lookups
            .owners
            .get_or_init(|| {
                let mut owners = vec![None; self.blocks.len()];
                for (ix, step) in self.steps() {
                    let undo = step.undo.as_ref().map(|undo| undo.block);
                    for block in step.work.blocks().into_iter().chain(step.alternative).chain(undo) {
                        owners[block.index()] = Some(ix);
                    }
                }
                owners
            })
            .get(block.index())
            .copied()
            .flatten()
    }
}
