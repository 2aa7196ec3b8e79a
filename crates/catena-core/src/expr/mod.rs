//! Expressions: Jinja's expression language over named values, bounded in time and memory. The syntax is minijinja's
//! (its parser); evaluation is Catena's own, because minijinja bounds neither filters nor operators.

mod bounds;
mod builtin;
mod compile;
mod convert;
mod evaluate;
mod expression;
mod filters;
mod names;
mod node;
mod operators;
mod shape;

pub use bounds::{
    BYTES_MAX, MADE_BYTES_PER_READ, NESTING_MAX, OPERATORS_MAX, READ_BYTES_PER_STEP, Reading,
    SOURCE_MAX_BYTES, STEPS_MAX,
};
pub use builtin::Builtin;
pub use expression::{Expr, ExprError, Scope, Trouble, to_jinja};
pub use filters::{FILTERS, FUNCTIONS, TESTS, instant_of_text};
pub(crate) use filters::{duration_of, instant_of, text_of_instant};
pub use names::Names;
