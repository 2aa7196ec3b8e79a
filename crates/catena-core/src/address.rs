//! Where a visit is, as a person reads it: `fan_out[17]/charge~2` is the second visit of `charge` in the
//! opening of `fan_out` for item 17. Branches stand in brackets by name; behind a dot stand an undo, an alternative and,
//! from the second on, the number of an opening: `poll.3/ask` is in the third iteration of `poll`.

use std::{collections::BTreeSet, fmt};

use serde::{Deserialize, Serialize};

use crate::{
    chain::Work,
    ids::{FrameNo, StepIx, VisitNo},
    state::{Origin, State},
};

/// The address of a visit within its execution; unique there. Built of parsed ids and numbers alone, so it can
/// stand in a path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Address(String);

impl Address {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl State {
    pub fn address(&self, visit: VisitNo) -> Address {
        self.address_past(visit, &Openings::new())
    }

    /// The address that a visit would have if some openings of blocks had not been.
    pub fn address_past(&self, visit: VisitNo, gone: &Openings) -> Address {
        let mut text = String::new();
        Writer { state: self, gone, text: &mut text }.visit(visit);
        Address(text)
    }

    /// The address that a visit would have.
    pub(crate) fn address_of(&self, frame: FrameNo, step: StepIx, nth: u32) -> Address {
        let mut text = String::new();
        Writer { state: self, gone: &Openings::new(), text: &mut text }.place(frame, step, nth);
        Address(text)
    }
}

/// Openings of the blocks of visits, counted from 1.
pub type Openings = BTreeSet<(VisitNo, u32)>;

struct Writer<'w> {
    state: &'w State,
    gone: &'w Openings,
    text: &'w mut String,
}

impl Writer<'_> {
    fn visit(&mut self, no: VisitNo) {
        let visit = self.state.visit(no);
        self.place(visit.frame, visit.step, visit.nth);
    }

    fn place(&mut self, frame: FrameNo, step: StepIx, nth: u32) {
        self.frame(frame);
        self.text.push_str(self.state.chain().step(step).id.as_str());
        if nth > 1 {
            self.text.push_str(&format!("~{nth}"));
        }
    }

    fn frame(&mut self, no: FrameNo) {
        match self.state.frame(no).origin {
            Origin::Root => return,
            Origin::Group { visit } => self.opening(visit, no),
            Origin::Item { visit, index } => {
                self.opening(visit, no);
                self.text.push_str(&format!("[{index}]"));
            }
            Origin::Alternative { visit } => {
                self.visit(visit);
                self.text.push_str(".alternative");
            }
            // A step has no dot in its id.
            Origin::Handler { handler } => self.text.push_str(&format!("chain.{}", handler.as_str())),
            Origin::Branch { visit, index } => {
                self.opening(visit, no);
                if let Work::Parallel { branches, .. } = &self.state.step_of(visit).work {
                    self.text.push_str(&format!("[{}]", branches[index as usize].name));
                }
            }
            Origin::Undo { visit } => {
                self.visit(visit);
                self.text.push_str(".undo");
                let opening = self.state.frame(no).opening;
                if opening > 1 {
                    self.text.push_str(&format!("~{opening}"));
                }
            }
        }
        self.text.push('/');
    }

    fn opening(&mut self, visit: VisitNo, frame: FrameNo) {
        self.visit(visit);
        let opening = self.state.frame(frame).opening;
        let gone = self.gone.range((visit, 0)..(visit, opening)).count();
        let opening = opening - u32::try_from(gone).unwrap_or(0);
        if opening > 1 {
            self.text.push_str(&format!(".{opening}"));
        }
    }
}
