//! Whether the code of a step is synchronous or asynchronous: found by parsing it, never declared, and nothing of it
//! runs. It only informs people; the interpreter that runs the step has the last word.

mod facts;
mod javascript;
mod python;
mod tell;

pub(crate) use facts::facts;
pub use tell::{Concurrency, Language, concurrency};
