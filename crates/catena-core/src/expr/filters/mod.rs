//! The closed lists of what an expression may use. Nothing here reads a clock, randomness or the outside; everything
//! that could grow pays for it first.

mod dates;
mod functions;
mod json;
mod list_of_filters;
mod lists;
mod numbers;
mod objects;
mod tests_of_values;
mod text;
mod units;

pub use dates::instant_of_text;
pub(crate) use dates::{instant_of, text_of_instant};
pub use functions::FUNCTIONS;
pub use list_of_filters::FILTERS;
pub use tests_of_values::TESTS;
pub(crate) use units::duration_of;
