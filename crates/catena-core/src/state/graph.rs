//! How far a graph is: which of its steps have what they wait for. Kept by one look at the dependents of each visit
//! that ends, so that a step costs what it feeds and never what its graph has.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{State, VisitEnd};
use crate::{
    chain::{Graph, On},
    event::{Consequence, SkipReason},
    ids::{FrameNo, StepIx, VisitNo},
    time::Timestamp,
};

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GraphProgress {
    /// One for each step of the block.
    pub nodes: Vec<NodeProgress>,
    /// Places of steps that can be entered, or have to be passed over.
    pub due: BTreeSet<u32>,
    /// Visits that ended and whose `run_next_after` has not been waited for.
    pub asks_delay: BTreeSet<VisitNo>,
    /// Visits whose dependents are held up.
    pub held: BTreeMap<VisitNo, Timestamp>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeProgress {
    /// Dependencies that ended as they were to, and those that did not.
    pub met: u32,
    pub lost: u32,
    /// The place of the first one that did not.
    pub lost_by: Option<u32>,
    pub is_entered: bool,
}

impl GraphProgress {
    pub(super) fn of(graph: &Graph) -> Self {
        let free = graph.nodes.iter().zip(0..).filter(|(node, _)| node.join == 0);
        Self {
            nodes: vec![NodeProgress::default(); graph.nodes.len()],
            due: free.map(|(_, place)| place).collect(),
            ..Self::default()
        }
    }

    pub(super) fn entered(&mut self, place: u32) {
        self.due.remove(&place);
        self.nodes[place as usize].is_entered = true;
    }

    /// Tells the steps that wait for the one at a place how it ended.
    pub(super) fn feed(&mut self, graph: &Graph, place: u32, end: &VisitEnd) {
        for feed in &graph.nodes[place as usize].feeds {
            let node = &mut self.nodes[feed.to as usize];
            if is_met(feed.on, end) {
                node.met += 1;
            } else {
                node.lost += 1;
                node.lost_by.get_or_insert(place);
            }
            let needed = &graph.nodes[feed.to as usize];
            let total = u32::try_from(needed.needs.len()).expect("a block is bounded");
            let is_settled = node.met >= needed.join || node.lost > total - needed.join;
            if is_settled && !node.is_entered {
                self.due.insert(feed.to);
            }
        }
    }
}

/// Whether an end is what a dependency waits for.
fn is_met(on: On, end: &VisitEnd) -> bool {
    match (on, end) {
        (On::Ended, _) => true,
        (On::Completed, VisitEnd::Completed(_)) => true,
        (On::Completed | On::Failed, VisitEnd::Failed { consequence: Consequence::Continue, .. }) => true,
        (On::Failed, VisitEnd::Failed { consequence: Consequence::Stop | Consequence::Rollback, .. }) => true,
        // What waits for a step that is no part of what runs waits for nothing.
        (_, VisitEnd::Skipped(SkipReason::LeftOut)) => true,
        (On::Completed | On::Skipped, VisitEnd::Skipped(SkipReason::When)) => true,
        (On::Skipped, VisitEnd::Skipped(SkipReason::Unmet { .. })) => true,
        (On::Completed, VisitEnd::Failed { consequence: Consequence::Stop | Consequence::Rollback, .. })
        | (On::Completed, VisitEnd::Skipped(SkipReason::Unmet { .. }) | VisitEnd::Cancelled)
        | (On::Failed, VisitEnd::Completed(_) | VisitEnd::Skipped(_) | VisitEnd::Cancelled)
        | (On::Skipped, VisitEnd::Completed(_) | VisitEnd::Failed { .. } | VisitEnd::Cancelled) => false,
    }
}

impl State {
    /// Why the join of a step that is due cannot be met any more, if it cannot.
    pub(crate) fn unmet(&self, frame: FrameNo, place: u32) -> Option<SkipReason> {
        let frame = self.frame(frame);
        let block = self.chain.block(frame.block);
        let (graph, progress) = (block.graph.as_ref()?, frame.graph.as_ref()?);
        let node = &progress.nodes[place as usize];
        if node.met >= graph.nodes[place as usize].join {
            return None;
        }
        let by: StepIx = block.steps[node.lost_by? as usize];
        Some(SkipReason::Unmet { by })
    }
}
