//! `catena eval`: what an expression or a template gives, in an execution or with a context that is given. Nothing is
//! run or stored.

use std::collections::{BTreeMap, BTreeSet};

use catena_core::{
    ExecutionId, Failure as StepFailure, Value,
    expr::{Expr, ExprError, Names, Scope},
    secret::SECRETS,
    template::{Part, ScanError, Template},
};
use catena_engine::{Clock, SystemClock};
use catena_spec::{
    did_you_mean,
    language::{PROVIDED_NAMES, Since},
    names_of,
};
use clap::Args;
use serde_json::{Value as Json, json};

use super::{context, moment::Moment, params, ps::execution_id};
use crate::{
    args::Format,
    document::SCHEMA,
    exit::{Code, Failure},
    home::Locations,
    output,
};

/// What stands in the place of a secret: nobody sees one.
const HIDDEN: &str = "***";

#[derive(Debug, Args)]
#[command(
    after_help = "What is no expression is read as text with expressions in braces, as in a definition.\n\n\
                  Examples:\n  catena eval 'steps.fetch.result.items | length' --execution 42\n  \
                  catena eval 'Dear {customer.name}' --execution 42 --at mail\n  \
                  catena eval 'price * 1.2 | round(2)' --context '{\"price\": 9.5}'"
)]
pub(crate) struct EvalArgs {
    /// An expression, or text with expressions in braces; @FILE is a file's content
    #[arg(value_name = "EXPR")]
    expression: String,
    /// The execution whose parameters, results and names it sees
    #[arg(long, value_name = "ID", value_parser = execution_id)]
    execution: Option<ExecutionId>,
    /// As this step saw them when it was last entered: an address, an id or a name
    #[arg(long, value_name = "STEP", requires = "execution")]
    at: Option<String>,
    /// Names in place of an execution's: an object in JSON or YAML, or @FILE
    #[arg(long, value_name = "OBJECT", conflicts_with = "execution")]
    context: Option<String>,
    /// Read it as text with expressions in braces, also where it is an expression
    #[arg(long)]
    template: bool,
    /// How to print the value: text as it is and all else as JSON, or a document
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

pub(crate) fn run(args: &EvalArgs, locate: impl Fn() -> Result<Locations, Failure>) -> Result<Code, Failure> {
    let text = params::text(&args.expression, "EXPR")?;
    let text = text.trim_end_matches('\n');
    let value = match args.execution {
        Some(id) => {
            let moment = Moment::of(&locate()?, id, args.at.as_deref())?;
            let mut known = names_of(moment.state.chain());
            known.extend(moment.state.names_seen(moment.frame).into_keys());
            known.extend(["loop", "result", "input", "error"].map(str::to_owned));
            let template = read(text, args.template, &known)?;
            match moment.evaluate(|scope| template.eval(scope))? {
                Ok(value) => moment.whole(&value)?,
                Err(failure) => {
                    let at = args.at.as_ref().map(|at| format!(" --at {at}")).unwrap_or_default();
                    return Err(failed(
                        &failure,
                        &format!("catena ps context {id}{at}, which shows what is there"),
                    ));
                }
            }
        }
        None => {
            let names = args.names()?;
            let known: Vec<String> = names.keys().cloned().collect();
            let template = read(text, args.template, &known)?;
            let scope = Names::new(names, SystemClock.now());
            let value = template.eval(&scope as &dyn Scope);
            let next = "--context '{\"name\": value}', or --execution ID";
            value.map_err(|failure| failed(&failure, next))?.as_json().clone()
        }
    };
    args.print(text, &value)?;
    Ok(Code::Completed)
}

impl EvalArgs {
    fn names(&self) -> Result<BTreeMap<String, Value>, Failure> {
        let Some(text) = &self.context else { return Ok(BTreeMap::new()) };
        let given = context::object(text)?;
        let mut names = BTreeMap::new();
        // What `ps context` prints has its names in these.
        for part in ["variables", "params", "results", "names"] {
            if let Some(Json::Object(part)) = given.get(part) {
                names.extend(part.iter().map(|(name, json)| (name.clone(), Value::from(json.clone()))));
            }
        }
        names.extend(given.into_iter().map(|(name, json)| (name, Value::from(json))));
        Ok(names)
    }

    fn print(&self, expression: &str, value: &Json) -> Result<(), Failure> {
        if self.output != Format::Text {
            return output::json(&json!({
                "schema": SCHEMA,
                "expression": expression,
                "execution": self.execution.map(|id| id.0),
                "at": self.at,
                "value": value,
            }));
        }
        match value {
            Json::String(text) => output::line(text),
            other => output::line(&serde_json::to_string_pretty(other).expect("a value is JSON")),
        }
    }
}

/// An expression where the text is one, else a template. One enclosing pair of braces is dropped, as in `when`.
fn read(text: &str, is_template: bool, known: &[String]) -> Result<Template, Failure> {
    let is_known = |name: &str| {
        let provided = |(known, since): &(&str, Since)| *known == name && *since == Since::Now;
        known.iter().any(|known| known == name) || PROVIDED_NAMES.iter().any(provided)
    };
    let scan = |text: &str| match Template::scan(text, &is_known) {
        Ok(scanned) => Ok(without_secrets(scanned.template)),
        Err(ScanError::UnknownName { name, .. }) => Err(unknown(&name, known)),
        Err(error) => Err(Failure::new(Code::Usage, error.to_string()).next("catena explain C0402")),
    };
    if is_template {
        return scan(text);
    }
    let bare = bare(text);
    match Expr::parse(bare) {
        // A secret is no value of an expression.
        Ok(expr) if expr.roots().any(|root| root == SECRETS) => scan(&format!("{{{bare}}}")),
        Ok(expr) => {
            expect_known(&expr, known, &is_known)?;
            Ok(Template::Expr(expr))
        }
        Err(error) => match scan(text)? {
            // Without an expression in braces it was meant as one itself.
            template if template.is_constant() => Err(misread(bare, &error)),
            template => Ok(template),
        },
    }
}

fn bare(text: &str) -> &str {
    let trimmed = text.trim();
    let inner = trimmed.strip_prefix('{').and_then(|inner| inner.strip_suffix('}')).map(str::trim);
    inner.filter(|inner| Expr::parse(inner).is_ok()).unwrap_or(trimmed)
}

fn expect_known(expr: &Expr, known: &[String], is_known: &dyn Fn(&str) -> bool) -> Result<(), Failure> {
    match expr.roots().find(|root| !is_known(root)) {
        None => Ok(()),
        Some(root) => Err(unknown(root, known)),
    }
}

fn unknown(name: &str, known: &[String]) -> Failure {
    let provided = PROVIDED_NAMES.iter().filter(|(_, since)| *since == Since::Now).map(|(name, _)| *name);
    let all: BTreeSet<&str> = known.iter().map(String::as_str).chain(provided).collect();
    let help = did_you_mean(name, all.iter().copied()).unwrap_or_else(|| {
        let all: Vec<&str> = all.iter().copied().collect();
        format!("one of {}", all.join(", "))
    });
    Failure::new(Code::Usage, format!("unknown name `{name}`")).next(help)
}

/// Points at the place in the expression.
fn misread(text: &str, error: &ExprError) -> Failure {
    let at = error.range.as_ref().map(|range| text[..range.start.min(text.len())].chars().count() + 1);
    let at = at.map(|at| format!(" at character {at}")).unwrap_or_default();
    Failure::new(Code::Usage, format!("`{text}` is no expression: {}{at}", error.message))
        .next("catena explain C0402, or --template if it is text")
}

fn failed(failure: &StepFailure, next: &str) -> Failure {
    Failure::new(Code::Failed, &failure.message).next(next)
}

fn without_secrets(template: Template) -> Template {
    match template {
        Template::Secret(_) => Template::Const(Value::text(HIDDEN)),
        Template::Text(parts) => Template::Text(
            parts
                .into_iter()
                .map(|part| match part {
                    Part::Secret(_) => Part::Text(HIDDEN.to_owned()),
                    part @ (Part::Text(_) | Part::Expr(_)) => part,
                })
                .collect(),
        ),
        other @ (Template::Const(_) | Template::Expr(_) | Template::List(_) | Template::Map(_)) => other,
    }
}
