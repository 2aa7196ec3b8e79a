//! Which names an expression can use where it stands: parameters and variables everywhere, results and `set` names in
//! their block and below, item names inside their loop, and the names that the language provides. And whether a name
//! can, or only may, have its value there.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value as Json;

use super::order::{Doubt, Here, Order, Relation};
use super::outline::Role;
use crate::language::{PROVIDED_NAMES, Since};
use crate::source::Span;

/// What each round of a `for_each` knows about itself.
pub(crate) const LOOP_NAME: &str = "loop";

/// What the steps of an undo see of the visit that they take back.
pub(crate) const UNDO_NAMES: [&str; 2] = ["result", "input"];

/// What an alternative sees of the failure that it stands in for.
pub(crate) const ALTERNATIVE_NAMES: [&str; 1] = ["error"];

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
    /// The place that is looked at.
    here: Here,
    /// The block that it is, if it is one.
    pub(crate) block: Option<usize>,
    order: Order,
    doubts: BTreeMap<usize, Doubt>,
    /// The conditions of the steps, as they are written.
    conditions: BTreeMap<usize, String>,
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

    pub(crate) fn condition(&mut self, position: usize, written: String) {
        self.conditions.insert(position, written);
    }

    fn meaning(&self, producers: &[Producer]) -> Meaning {
        let declared = || match producers {
            [only] => only.declared.clone(),
            _ => None,
        };
        let steps: Option<Vec<(usize, Span)>> = producers.iter().map(|producer| producer.step).collect();
        let Some(steps) = steps else { return Meaning::Data(declared()) };
        let sure = steps.iter().map(|(step, _)| *step).filter(|step| self.doubt_about(*step).is_none());
        if self.order.relation(&sure.collect::<Vec<_>>(), self.here) == Relation::Before {
            return Meaning::Data(declared());
        }
        let mut found = Meaning::Unknown;
        // The latest one first: it is the one whose value stands.
        for (step, place) in steps.into_iter().rev() {
            match (self.known_of(step), &found) {
                (Relation::Before, _) => return Meaning::Data(declared()),
                (Relation::Perhaps(_), Meaning::Perhaps(..)) => {}
                (Relation::Perhaps(doubt), _) => found = Meaning::Perhaps(doubt, place, declared()),
                (Relation::After, Meaning::Unknown) => found = Meaning::TooEarly(place),
                (Relation::After, _) => {}
            }
        }
        found
    }

    /// What is known here of what the step at a position has left.
    fn known_of(&self, step: usize) -> Relation {
        let relation = match self.here {
            Here::Behind(own) | Here::Iterated(own) | Here::Undoing(own) if own == step => Relation::Before,
            Here::At(_) | Here::Behind(_) | Here::Iterated(_) | Here::Undoing(_) | Here::End => {
                self.order.relation(&[step], self.here)
            }
        };
        match (relation, self.doubt_about(step)) {
            (Relation::Before, Some(doubt)) => Relation::Perhaps(doubt),
            (relation, _) => relation,
        }
    }

    /// Why a step that came before may have left nothing.
    fn doubt_about(&self, step: usize) -> Option<Doubt> {
        let doubt = *self.doubts.get(&step)?;
        let own = self.here.position();
        let is_sure = match doubt {
            // What is taken back has completed, and so has what is asked about after an iteration.
            _ if matches!(self.here, Here::Undoing(own) | Here::Iterated(own) if own == step) => true,
            // Where the one runs, the other one did.
            Doubt::When => own.is_some_and(|own| {
                own != step
                    && self.conditions.get(&own).is_some_and(|when| self.conditions.get(&step) == Some(when))
            }),
            Doubt::Continue | Doubt::Jump | Doubt::NotWaitedFor | Doubt::Any | Doubt::Ended => false,
        };
        (!is_sure).then_some(doubt)
    }
}

impl Scope {
    pub(crate) fn enter(&mut self, frame: Frame) {
        self.frames.push(frame);
    }

    pub(crate) fn leave(&mut self) {
        self.frames.pop();
    }

    /// Moves on to a place of the innermost block.
    pub(crate) fn at(&mut self, here: Here) {
        if let Some(frame) = self.frames.iter_mut().rev().find(|frame| frame.block.is_some()) {
            frame.here = here;
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

    /// Whether the step at a position of a block, or in what stands in that step, has left its result, seen from here.
    /// None if the block is not around this place.
    pub(crate) fn result_of(
        &self,
        block: usize,
        position: usize,
        role: Role,
    ) -> Option<Result<Option<Doubt>, ()>> {
        let frame = self.frames.iter().rev().find(|frame| frame.block == Some(block))?;
        let is_own = frame.here == Here::At(position);
        Some(match (frame.known_of(position), role) {
            // Undos run when the steps have ended: only a handler or another undo can have seen one.
            (_, Role::Undo) if matches!(frame.here, Here::End | Here::Undoing(_)) => Ok(Some(Doubt::When)),
            (_, Role::Undo) => Err(()),
            (Relation::After, Role::Alternative) => Err(()),
            (_, Role::Alternative) => Ok(Some(Doubt::When)),
            (Relation::After, Role::Branch) if is_own => Ok(Some(Doubt::NotWaitedFor)),
            // A step around this place is on its way.
            (Relation::After, _) if is_own => Ok(None),
            (Relation::Before, _) => Ok(None),
            (Relation::Perhaps(doubt), _) => Ok(Some(doubt)),
            (Relation::After, _) => Err(()),
        })
    }

    /// The places of the innermost block that nothing leads to.
    pub(crate) fn unreachable(&self) -> Vec<usize> {
        self.frames.last().map(|frame| frame.order.unreachable()).unwrap_or_default()
    }

    /// The places of the innermost block from which nothing leads out of it.
    pub(crate) fn trapped(&self) -> Vec<usize> {
        self.frames.last().map(|frame| frame.order.trapped()).unwrap_or_default()
    }

    /// Whether this place is among the steps of the chain, and in no handler.
    pub(crate) fn is_among_steps(&self) -> bool {
        self.frames.iter().find(|frame| frame.block == Some(0)).is_some_and(|frame| frame.here != Here::End)
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
