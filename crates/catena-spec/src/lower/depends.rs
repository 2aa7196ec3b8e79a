//! `depends_on`: the steps it names must exist in the same block, and nothing may wait for itself.

use std::collections::BTreeMap;

use catena_core::chain::{Dependencies, Join, On};

use super::context::Context;
use super::outline::{BlockOutline, StepOutline};
use super::process::lift;
use crate::code::Code;
use crate::node::{Entry, Node, Value};
use crate::problem::Problem;
use crate::suggest::did_you_mean;

impl<'n> StepOutline<'n> {
    /// What the step depends on, beside the kind or within it, as task-sync writes it.
    pub(crate) fn dependencies(&self) -> Vec<&'n Node> {
        let mut found = Vec::new();
        let beside = self.entries.iter().find(|entry| entry.key.text == "depends_on");
        let within = self.kind.and_then(|(kind, entry)| match kind.name {
            "settings" => entry.value.as_object()?.first()?.value.get("depends_on"),
            name if name.starts_with("docker_") => entry.value.get("depends_on"),
            _ => None,
        });
        for entry in beside.into_iter().chain(within) {
            found.extend(entry.value.one_or_more());
        }
        found
    }
}

impl Context<'_> {
    /// `depends_on` and `join` of a step. What they name is checked with the whole block.
    pub(crate) fn depends(&mut self, step: &StepOutline<'_>, is_graph: bool) -> Option<Dependencies> {
        let nodes = step.dependencies();
        if !is_graph {
            if let Some(entry) = step.get("depends_on").filter(|_| !nodes.is_empty()) {
                self.idle(entry, "in a sequence a step waits for the one before it and for nothing else");
            }
            if let Some(entry) = step.get("join") {
                self.idle(entry, "it says how many of the steps in `depends_on` are waited for");
            }
            return Some(Dependencies::default());
        }
        let join = step.get("join").map(|entry| self.join(entry, nodes.len()));
        self.check_twins(step, &nodes);
        let need = |node: &&Node| {
            let id = self.index.find(&self.dependency_name(node)?)?.0.clone();
            let on = match self.dependency_on(node).as_str() {
                "failed" => On::Failed,
                "skipped" => On::Skipped,
                "ended" => On::Ended,
                _ => On::Completed,
            };
            Some((id, on))
        };
        let needs: Option<Vec<_>> = nodes.iter().map(need).collect();
        Some(Dependencies { needs: needs?, join: lift(join)?.unwrap_or_default() })
    }

    /// A step that is named twice: for the same end for nothing, for two ends of which it can have one in vain.
    fn check_twins(&mut self, step: &StepOutline<'_>, nodes: &[&Node]) {
        let mut named: BTreeMap<String, (&Node, String)> = BTreeMap::new();
        for node in nodes {
            let Some(id) =
                self.dependency_name(node).and_then(|name| Some(self.index.find(&name)?.0.to_string()))
            else {
                continue;
            };
            let on = self.dependency_on(node);
            let Some((first, first_on)) = named.get(&id) else {
                named.insert(id, (node, on));
                continue;
            };
            let problem = if *first_on == on {
                let message = format!("`{id}` stands twice in `depends_on`");
                Problem::new(Code::IdleKey, node.span, message)
                    .label("does nothing")
                    .help("leave one of them out")
            } else if step.get("join").is_none() && excludes(first_on, &on) {
                let message =
                    format!("`{id}` cannot end as `{first_on}` and as `{on}`, and both are waited for");
                Problem::new(Code::JoinImpossible, node.span, message)
                    .label("can never be met with the other one")
                    .help("`join: any` starts when one of them is met; `on: ended` is met by every end")
            } else {
                continue;
            };
            let problem = problem.related(first.span, "named here before");
            self.add(problem);
        }
    }

    fn join(&mut self, entry: &Entry, dependencies: usize) -> Option<Join> {
        if dependencies == 0 {
            self.idle(entry, "it says how many of the steps in `depends_on` are waited for");
            return Some(Join::All);
        }
        match entry.value.as_count() {
            None if self.text(&entry.value)?.eq_ignore_ascii_case("any") => Some(Join::Count(1)),
            None => Some(Join::All),
            Some(count) if count as usize > dependencies => {
                let message =
                    format!("`join` asks for {count} dependencies, and the step has {dependencies}");
                let problem = Problem::new(Code::JoinImpossible, entry.value.span, message)
                    .label("can never be met")
                    .help(format!("ask for {dependencies} at the most, or for `all`"));
                self.add(problem);
                None
            }
            Some(count) => Some(Join::Count(count)),
        }
    }

    pub(crate) fn idle(&mut self, entry: &Entry, help: &str) {
        let message = format!("`{}` does nothing here", entry.key.text);
        let problem = Problem::new(Code::IdleKey, entry.key.span, message).label("does nothing");
        self.add(problem.help(help));
    }

    /// The step that a dependency names.
    pub(crate) fn dependency_name(&self, node: &Node) -> Option<String> {
        let named = match &node.value {
            Value::Map(_) => &node.get("step").or_else(|| node.get("id"))?.value,
            _ => node,
        };
        named.id_text(self.source)
    }

    pub(crate) fn check_dependencies(&mut self, block: &BlockOutline<'_>) {
        let mut waits_for: Vec<Vec<(usize, &Node)>> = Vec::with_capacity(block.steps.len());
        for step in &block.steps {
            let mut found = Vec::new();
            for node in step.dependencies() {
                found.extend(self.dependency(node, step, block).map(|position| (position, node)));
            }
            waits_for.push(found);
        }
        for cycle in cycles(&waits_for) {
            self.cycle(&cycle, &waits_for, block);
        }
    }

    fn dependency(&mut self, node: &Node, step: &StepOutline<'_>, block: &BlockOutline<'_>) -> Option<usize> {
        let text = self.dependency_name(node)?;
        let Some((_, place)) = self.index.find(&text) else {
            let help = did_you_mean(&text, self.index.ids().filter(|id| *id != step.id().as_str()));
            let problem = Problem::new(Code::UnknownStep, node.span, format!("there is no step `{text}`"));
            self.add(problem.label("no such step").maybe_help(help));
            return None;
        };
        if place.block != block.number {
            let message = format!("`{}` cannot depend on `{text}`, which stands in another block", step.id());
            let problem = Problem::new(Code::JumpOutOfBlock, node.span, message)
                .label("in another block")
                .related(place.span, "the step stands here")
                .help("depend on a step of the same block, such as the one that holds it");
            self.add(problem);
            return None;
        }
        Some(place.position)
    }

    fn cycle(&mut self, cycle: &[usize], waits_for: &[Vec<(usize, &Node)>], block: &BlockOutline<'_>) {
        let first = cycle[0];
        let next = cycle.get(1).copied().unwrap_or(first);
        let Some((_, node)) = waits_for[first].iter().find(|(to, _)| *to == next) else { return };
        let ids: Vec<String> = cycle
            .iter()
            .chain([&first])
            .map(|position| format!("`{}`", block.steps[*position].id()))
            .collect();
        let message = match cycle {
            [_] => format!("{} depends on itself", ids[0]),
            _ => format!("these steps wait for each other: {}", ids.join(" → ")),
        };
        let mut problem = Problem::new(Code::DependencyCycle, node.span, message)
            .help("leave out one of the dependencies: none of these steps could ever start");
        for position in cycle.iter().skip(1).take(5) {
            problem = problem.related(block.steps[*position].place, "waits, too");
        }
        self.add(problem);
    }
}

/// Whether no end of a step meets both. What is let pass has failed and counts as completed, and so does what its own
/// `when` skips.
fn excludes(one: &str, other: &str) -> bool {
    matches!((one, other), ("failed", "skipped") | ("skipped", "failed"))
}

/// Circles of steps that wait for each other, each once, found in the order of the text.
fn cycles(waits_for: &[Vec<(usize, &Node)>]) -> Vec<Vec<usize>> {
    #[derive(Clone, Copy, PartialEq)]
    enum Mark {
        New,
        Open,
        Done,
    }
    let mut marks = vec![Mark::New; waits_for.len()];
    let mut found = Vec::new();
    for start in 0..waits_for.len() {
        if marks[start] != Mark::New {
            continue;
        }
        // The way from the start to where the search is, with the next dependency to look at of each.
        let mut way = vec![(start, 0)];
        marks[start] = Mark::Open;
        while let Some((step, next)) = way.last_mut() {
            let Some((to, _)) = waits_for[*step].get(*next) else {
                marks[*step] = Mark::Done;
                way.pop();
                continue;
            };
            *next += 1;
            match marks[*to] {
                Mark::New => {
                    marks[*to] = Mark::Open;
                    way.push((*to, 0));
                }
                Mark::Open => {
                    let steps: Vec<usize> = way.iter().map(|(step, _)| *step).collect();
                    let begin = steps.iter().position(|step| step == to).unwrap_or(0);
                    found.push(steps[begin..].to_vec());
                }
                Mark::Done => {}
            }
        }
    }
    found
}
