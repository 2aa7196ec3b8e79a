//! From text to chain: reads a definition in YAML or JSON, finds every problem at once with its exact place, and
//! lowers it into the chain that the core runs. It does no I/O: step files come through [`Files`].

mod check;
mod code;
pub mod dto;
mod files;
pub mod keys;
pub mod limits;
mod lower;
mod node;
mod parse;
mod problem;
mod render;
mod source;
mod suggest;
mod textmap;

pub use check::{Checked, check};
pub use code::{Code, explain};
pub use files::{Files, NoFiles, StepFile};
pub use problem::{Problem, Severity};
pub use render::{Colour, render, render_one};
pub use source::{Position, Source, Span};
pub use suggest::did_you_mean;
