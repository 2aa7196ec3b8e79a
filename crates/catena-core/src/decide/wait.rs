//! How long a `wait` step waits: decided when it is entered, and then it stands.

use crate::{
    chain::Wait,
    event::Plan,
    expr::{self, Expr, Scope},
    failure::{Failure, FailureType},
    template::read_whole,
    time::Timestamp,
    value::Value,
};

/// What is waited for, and until when; that instant may have passed.
pub(super) fn plan(wait: &Wait, now: Timestamp, scope: &dyn Scope) -> Result<Plan, Failure> {
    let until = match wait {
        Wait::ForMs(ms) => now.plus_ms(*ms),
        Wait::Until(at) => *at,
        Wait::For(expr) => {
            let by =
                expr::duration_of(value_of(expr, scope)?.as_json()).map_err(|why| refused("for", &why))?;
            now.plus_micros(by)
        }
        Wait::UntilExpr(expr) => {
            expr::instant_of(value_of(expr, scope)?.as_json()).map_err(|why| refused("until", &why))?
        }
        Wait::Signal { timeout_ms, .. } => {
            return Ok(Plan::Await { until: timeout_ms.map(|ms| now.plus_ms(ms)) });
        }
        Wait::Approval(approval) => {
            let title = read_whole(&approval.title.eval(scope)?, scope).to_text();
            return Ok(Plan::Ask { title, until: approval.expires_ms.map(|ms| now.plus_ms(ms)) });
        }
    };
    Ok(Plan::Wait { until })
}

fn value_of(expr: &Expr, scope: &dyn Scope) -> Result<Value, Failure> {
    Ok(read_whole(&expr.eval(scope)?, scope))
}

fn refused(key: &str, why: &str) -> Failure {
    Failure::lasting(FailureType::TemplateError, format!("`wait.{key}`: {why}"))
}
