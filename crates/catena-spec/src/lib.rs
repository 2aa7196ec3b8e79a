//! From text to chain: reads a definition in YAML or JSON, finds every problem at once with its exact place, and
//! lowers it into the chain that the core runs. It does no I/O: step files come through [`Files`].

mod cases;
mod check;
mod code;
mod code_facts;
#[cfg(feature = "concurrency")]
mod concurrency;
mod context;
pub mod dto;
mod duration;
mod files;
pub mod language;
pub mod limits;
mod lower;
mod names;
mod node;
mod parse;
mod preview;
mod problem;
mod render;
mod schema;
mod source;
mod structure;
mod suggest;
mod textmap;

pub use cases::{
    Case, CaseFile, Expect, Given, GivenCancel, GivenFailure, GivenSignal, GivenStep, Placed, check_cases,
    is_asked, step_meant, unknown_part,
};
pub use check::{Checked, check, has_structure};
pub use code::{Code, explain};
#[cfg(feature = "concurrency")]
pub use concurrency::{Concurrency, Language, concurrency};
pub use context::{ContextFile, check_context, context_object, names_of};
pub use duration::duration_ms;
pub use files::{Files, NoFiles, StepFile};
pub use lower::{cron, zone};
pub use preview::{CodeLanguage, Preview, PreviewCode, PreviewStep};
pub use problem::{Problem, Severity};
pub use render::{Colour, render, render_one};
pub use schema::schema;
pub use source::{Position, Source, Span};
pub use suggest::{did_you_mean, nearest};
