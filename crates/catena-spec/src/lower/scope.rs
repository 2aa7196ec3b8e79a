//! Which names an expression can use where it stands: parameters and variables everywhere, results and `set` names in
//! their block and below, item names inside their loop, and the names that the language provides. And whether a name
//! can, or only may, have its value there.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value as Json;

use crate::language::{PROVIDED_NAMES, Since};
use crate::source::Span;

/// What each round of a `for_each` knows about itself.
pub(crate) const LOOP_NAME: &str = "loop";

/// What the steps of an undo see of the visit that they take back.
pub(crate) const UNDO_NAMES: [&str; 2] = ["result", "input"];

/// Positions that jumps pass over are counted one by one up to this many; beyond it nobody is warned of them.
const JUMPED_OVER_MAX: usize = 1_000_000;

#[derive(Debug, Default)]
pub(crate) struct Scope {
    /// Outermost first.
    frames: Vec<Frame>,
    /// The text that is looked at reaches a process and nobody else: secrets may stand in it.
    pub(crate) takes_secrets: bool,
}

/// The names of one block, loop or chain.
#[derive(Debug, Default)]
pub(crate) struct Frame {
    names: BTreeMap<String, Vec<Producer>>,
    /// The place of the step that is looked at.
    position: usize,
    /// The block that it is, if it is one.
    pub(crate) block: Option<usize>,
    order: Order,
    doubts: BTreeMap<usize, Doubt>,
}

/// Who gives a name a value.
#[derive(Clone, Debug)]
struct Producer {
    /// None for what is there from the beginning.
    step: Option<(usize, Span)>,
    /// What the value looks like, where that is declared.
    declared: Option<Declared>,
}

/// What is known of a value before anything runs.
#[derive(Clone, Debug)]
pub(crate) enum Declared {
    Schema(Arc<Json>),
    Constant(Arc<Json>),
}

/// In which order the steps of a block come.
#[derive(Debug)]
pub(crate) enum Order {
    Sequence {
        jumps: Vec<(usize, usize)>,
        /// For each position that a jump passes over, the nearest one that such a jump arrives at.
        jumped_over: BTreeMap<usize, usize>,
    },
    /// What each step waits for.
    Graph { waits_for: Vec<Vec<usize>>, reached: RefCell<Vec<bool>> },
}

impl Default for Order {
    fn default() -> Self {
        Order::Sequence { jumps: Vec::new(), jumped_over: BTreeMap::new() }
    }
}

impl Order {
    /// Jumps are from position to position.
    pub(crate) fn sequence(jumps: Vec<(usize, usize)>) -> Order {
        let mut jumped_over = BTreeMap::new();
        let mut left = JUMPED_OVER_MAX;
        for (from, to) in &jumps {
            let over = from + 1..*to;
            if over.len() > left {
                break;
            }
            left -= over.len();
            for position in over {
                let nearest = jumped_over.entry(position).or_insert(*to);
                *nearest = (*nearest).min(*to);
            }
        }
        Order::Sequence { jumps, jumped_over }
    }

    pub(crate) fn graph(waits_for: Vec<Vec<usize>>) -> Order {
        Order::Graph { waits_for, reached: RefCell::default() }
    }

    /// What is known, at a position, of what a step at another one has left.
    fn relation(&self, step: usize, at: usize) -> Relation {
        match self {
            Order::Sequence { jumped_over, .. } if step < at => match jumped_over.get(&step) {
                Some(arrival) if *arrival <= at => Relation::Perhaps(Doubt::Jump),
                Some(_) | None => Relation::Before,
            },
            Order::Sequence { jumps, .. } => {
                match jumps.iter().any(|(from, to)| *from >= step && *to <= at) {
                    true => Relation::Perhaps(Doubt::Jump),
                    false => Relation::After,
                }
            }
            Order::Graph { .. } if self.leads_to(at, step) => Relation::Before,
            Order::Graph { .. } if step == at || self.leads_to(step, at) => Relation::After,
            Order::Graph { .. } => Relation::Perhaps(Doubt::NotWaitedFor),
        }
    }

    /// Whether a step waits for another one, directly or not.
    fn leads_to(&self, from: usize, to: usize) -> bool {
        let Order::Graph { waits_for, reached } = self else { return false };
        let mut reached = reached.borrow_mut();
        reached.clear();
        reached.resize(waits_for.len(), false);
        let mut open = vec![from];
        while let Some(step) = open.pop() {
            for next in waits_for.get(step).into_iter().flatten() {
                if *next == to {
                    return true;
                }
                if !std::mem::replace(&mut reached[*next], true) {
                    open.push(*next);
                }
            }
        }
        false
    }
}

enum Relation {
    Before,
    Perhaps(Doubt),
    After,
}

/// Why a result may be missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Doubt {
    /// Its step may be skipped.
    When,
    /// Its step may fail, and the chain goes on.
    Continue,
    /// A jump may pass its step over.
    Jump,
    /// Nothing makes this step wait for it.
    NotWaitedFor,
    /// This step starts when any one of several has ended.
    Any,
}

impl Doubt {
    pub(crate) fn because(self) -> &'static str {
        match self {
            Doubt::When => "its step may be skipped",
            Doubt::Continue => "its step may fail and be passed over",
            Doubt::Jump => "a jump may pass its step over",
            Doubt::NotWaitedFor => "nothing makes this step wait for it",
            Doubt::Any => "this step does not wait for all that it depends on",
        }
    }
}

/// What a name is, seen from one place of the chain.
#[derive(Clone, Debug)]
pub(crate) enum Meaning {
    /// A parameter, a variable, a result or an item; and what it looks like, where that is declared.
    Data(Option<Declared>),
    /// A result that may be there; the place of its step.
    Perhaps(Doubt, Span, Option<Declared>),
    /// The result of a step that cannot have run yet; its place.
    TooEarly(Span),
    /// One of the language's own.
    Provided,
    /// One of the language's own that this version does not fill.
    Later,
    Unknown,
}

impl Meaning {
    pub(crate) fn is_data(&self) -> bool {
        matches!(self, Meaning::Data(_) | Meaning::Perhaps(..) | Meaning::TooEarly(_))
    }
}

impl Frame {
    /// Names that have their values from the beginning.
    pub(crate) fn of<'n>(names: impl IntoIterator<Item = &'n str>) -> Frame {
        Frame::declared(names.into_iter().map(|name| (name, None)))
    }

    pub(crate) fn declared<'n>(names: impl IntoIterator<Item = (&'n str, Option<Declared>)>) -> Frame {
        let producer =
            |(name, declared): (&str, _)| (name.to_owned(), vec![Producer { step: None, declared }]);
        Frame { names: names.into_iter().map(producer).collect(), ..Frame::default() }
    }

    pub(crate) fn of_block(block: usize, order: Order) -> Frame {
        Frame { block: Some(block), order, ..Frame::default() }
    }

    /// A name that a step of the block leaves.
    pub(crate) fn add(&mut self, name: String, position: usize, place: Span, declared: Option<Declared>) {
        self.names.entry(name).or_default().push(Producer { step: Some((position, place)), declared });
    }

    /// The result of the step at a position may be missing, for a reason of its own.
    pub(crate) fn doubt(&mut self, position: usize, doubt: Doubt) {
        self.doubts.insert(position, doubt);
    }

    fn meaning(&self, producers: &[Producer]) -> Meaning {
        let declared = || match producers {
            [only] => only.declared.clone(),
            _ => None,
        };
        let mut found: Option<Meaning> = None;
        // The latest one first: it is the one whose value stands.
        for producer in producers.iter().rev() {
            let Some((step, place)) = producer.step else { return Meaning::Data(declared()) };
            match self.known_of(step) {
                Relation::Before => return Meaning::Data(declared()),
                Relation::Perhaps(doubt) if !matches!(found, Some(Meaning::Perhaps(..))) => {
                    found = Some(Meaning::Perhaps(doubt, place, declared()));
                }
                Relation::Perhaps(_) => {}
                Relation::After => _ = found.get_or_insert(Meaning::TooEarly(place)),
            }
        }
        found.unwrap_or(Meaning::Unknown)
    }

    /// What is known here of what the step at a position has left.
    fn known_of(&self, step: usize) -> Relation {
        match (self.order.relation(step, self.position), self.doubts.get(&step)) {
            (Relation::Before, Some(doubt)) => Relation::Perhaps(*doubt),
            (Relation::Before, None) if self.doubts.get(&self.position) == Some(&Doubt::Any) => {
                Relation::Perhaps(Doubt::Any)
            }
            (relation, _) => relation,
        }
    }
}

impl Scope {
    pub(crate) fn enter(&mut self, frame: Frame) {
        self.frames.push(frame);
    }

    pub(crate) fn leave(&mut self) {
        self.frames.pop();
    }

    /// Moves on to a step of the innermost block.
    pub(crate) fn at(&mut self, position: usize) {
        if let Some(frame) = self.frames.last_mut() {
            frame.position = position;
        }
    }

    pub(crate) fn meaning(&self, name: &str) -> Meaning {
        let mut found: Option<Meaning> = None;
        for frame in self.frames.iter().rev() {
            let Some(producers) = frame.names.get(name) else { continue };
            match (frame.meaning(producers), &found) {
                // A name that an outer block has already is there, even if an inner one gives it anew later.
                (data @ Meaning::Data(_), None) => return data,
                (Meaning::Data(_), Some(_)) => return Meaning::Data(None),
                (other, None | Some(Meaning::TooEarly(_))) => found = Some(other),
                (_, Some(_)) => {}
            }
        }
        found.unwrap_or_else(|| provided(name))
    }

    /// Whether the step at a position of a block has left its result, seen from here. None if the block is not
    /// around this place.
    pub(crate) fn result_of(&self, block: usize, position: usize) -> Option<Result<Option<Doubt>, ()>> {
        let frame = self.frames.iter().rev().find(|frame| frame.block == Some(block))?;
        Some(match frame.known_of(position) {
            Relation::Before => Ok(None),
            Relation::Perhaps(doubt) => Ok(Some(doubt)),
            // A step around this place is on its way.
            Relation::After if position == frame.position => Ok(None),
            Relation::After => Err(()),
        })
    }

    /// All names that can be used here, for suggestions; the nearest blocks first.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        let data = self.frames.iter().rev().flat_map(|frame| frame.names.keys()).map(String::as_str);
        let provided = PROVIDED_NAMES.iter().filter(|(_, since)| *since == Since::Now);
        data.chain(provided.map(|(name, _)| *name))
    }
}

fn provided(name: &str) -> Meaning {
    match PROVIDED_NAMES.iter().find(|(provided, _)| *provided == name) {
        Some((_, Since::Now)) => Meaning::Provided,
        Some((_, Since::Later)) => Meaning::Later,
        None => Meaning::Unknown,
    }
}
