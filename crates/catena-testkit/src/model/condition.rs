//! The few expressions that modelled chains have, understood from their text. The expression language is tested
//! elsewhere; here only what follows from a condition matters.

use catena_core::{expr::Expr, failure::FailureType, status::StepStatus};

use super::{Failure, block::Block};

/// A name that no chain knows: what reads it fails.
pub const UNKNOWN: &str = "nothing.of.this";

/// Whether a condition holds in a block, in an iteration if there is one.
pub(super) fn holds(expr: &Expr, block: &Block<'_>, iteration: u32) -> Result<bool, Failure> {
    let words: Vec<&str> = expr.source().split_whitespace().collect();
    match words.as_slice() {
        ["true"] => Ok(true),
        ["false"] => Ok(false),
        [UNKNOWN] => Err(Failure::lasting(FailureType::TemplateError)),
        ["loop.index", ">=", n] => Ok(iteration >= number(n)),
        ["loop.index", "<", n] => Ok(iteration < number(n)),
        [path, "==", status] => {
            let id = path.trim_start_matches("steps.").trim_end_matches(".status");
            // Whoever can ask stands behind it: it was passed over.
            let is = block.latest.borrow().get(id).copied().unwrap_or(StepStatus::Skipped);
            Ok(is.as_str() == status.trim_matches('\''))
        }
        _ => panic!("the model does not know the expression `{}`", expr.source()),
    }
}

/// How many items a list has that is written out.
pub(super) fn item_count(expr: &Expr) -> Result<usize, Failure> {
    match expr.source().trim_matches(['[', ']']) {
        "" => Ok(0),
        UNKNOWN => Err(Failure::lasting(FailureType::TemplateError)),
        list => Ok(list.split(',').count()),
    }
}

fn number(text: &str) -> u32 {
    text.parse().expect("modelled chains compare with numbers")
}
