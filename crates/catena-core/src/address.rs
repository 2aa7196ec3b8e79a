//! Where a visit is, as a person reads it: `fan_out[17]/charge~2` is the second visit of `charge` in the
//! opening of `fan_out` for item 17. Branches stand in brackets by name; behind a dot stand an undo, an alternative and,
//! from the second on, the number of an opening: `poll.3/ask` is in the third iteration of `poll`.

use std::fmt;

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
        let mut text = String::new();
        self.write_visit(visit, &mut text);
        Address(text)
    }

    /// The address that a visit would have.
    pub(crate) fn address_of(&self, frame: FrameNo, step: StepIx, nth: u32) -> Address {
        let mut text = String::new();
        self.write_place(frame, step, nth, &mut text);
        Address(text)
    }

    fn write_visit(&self, no: VisitNo, text: &mut String) {
        let visit = self.visit(no);
        self.write_place(visit.frame, visit.step, visit.nth, text);
    }

    fn write_place(&self, frame: FrameNo, step: StepIx, nth: u32, text: &mut String) {
        self.write_frame(frame, text);
        text.push_str(self.chain().step(step).id.as_str());
        if nth > 1 {
            text.push_str(&format!("~{nth}"));
        }
    }

    fn write_frame(&self, no: FrameNo, text: &mut String) {
        match self.frame(no).origin {
            Origin::Root => return,
            Origin::Group { visit } => self.write_opening(visit, no, text),
            Origin::Item { visit, index } => {
                self.write_opening(visit, no, text);
                text.push_str(&format!("[{index}]"));
            }
            Origin::Alternative { visit } => {
                self.write_visit(visit, text);
                text.push_str(".alternative");
            }
            // A step has no dot in its id.
            Origin::Handler { handler } => text.push_str(&format!("chain.{}", handler.as_str())),
            Origin::Branch { visit, index } => {
                self.write_opening(visit, no, text);
                if let Work::Parallel { branches, .. } = &self.step_of(visit).work {
                    text.push_str(&format!("[{}]", branches[index as usize].name));
                }
            }
            Origin::Undo { visit } => {
                self.write_visit(visit, text);
                text.push_str(".undo");
                if self.frame(no).opening > 1 {
                    text.push_str(&format!("~{}", self.frame(no).opening));
                }
            }
        }
        text.push('/');
    }

    fn write_opening(&self, visit: VisitNo, frame: FrameNo, text: &mut String) {
        self.write_visit(visit, text);
        if self.frame(frame).opening > 1 {
            text.push_str(&format!(".{}", self.frame(frame).opening));
        }
    }
}
