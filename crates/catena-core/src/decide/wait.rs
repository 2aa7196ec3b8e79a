//! How long a `wait` step waits: decided when it is entered, and then it stands.

use crate::{
    chain::Wait,
    expr::{self, Expr, Scope},
    failure::{Failure, FailureType},
    template::read_whole,
    time::Timestamp,
    value::Value,
};

/// The instant at which the wait is over; it may have passed.
pub(super) fn until(wait: &Wait, now: Timestamp, scope: &dyn Scope) -> Result<Timestamp, Failure> {
    match wait {
        Wait::ForMs(ms) => Ok(now.plus_ms(*ms)),
        Wait::Until(at) => Ok(*at),
        Wait::For(expr) => {
            let by =
                expr::duration_of(value_of(expr, scope)?.as_json()).map_err(|why| refused("for", &why))?;
            Ok(now.plus_micros(by))
        }
        Wait::UntilExpr(expr) => {
            expr::instant_of(value_of(expr, scope)?.as_json()).map_err(|why| refused("until", &why))
        }
    }
}

fn value_of(expr: &Expr, scope: &dyn Scope) -> Result<Value, Failure> {
    Ok(read_whole(&expr.eval(scope)?, scope))
}

fn refused(key: &str, why: &str) -> Failure {
    Failure::lasting(FailureType::TemplateError, format!("`wait.{key}`: {why}"))
}
