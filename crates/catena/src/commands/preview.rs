//! `catena run --dry-run`: what a definition would do, told without storing or running any of it.

use catena_spec::{Concurrency, PreviewStep, concurrency};
use serde::Serialize;

use super::definition::Definition;
use crate::{
    args::Format,
    document::SCHEMA,
    exit::{Code, Failure},
    output,
    problem::ProblemEntry,
};

/// What `run --dry-run -o json` prints.
#[derive(Debug, Serialize)]
struct PreviewDocument {
    schema: &'static str,
    preview: PreviewDto,
    problems: Vec<ProblemEntry>,
}

#[derive(Debug, Serialize)]
struct PreviewDto {
    name: String,
    steps: Vec<StepDto>,
    /// Seconds until the first start.
    after: f64,
    /// Seconds from start to start; absent for what runs once.
    every: Option<f64>,
}

#[derive(Debug, Serialize)]
struct StepDto {
    name: String,
    kind: &'static str,
    /// `async` or `sync`, where the step has code that may be either.
    concurrency: Option<&'static str>,
    /// Seconds between this step and the next.
    run_next_after: f64,
    depends_on: Vec<String>,
}

/// When it would start, said on the command line rather than in the definition.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Times {
    pub(super) after_ms: Option<u64>,
    pub(super) every_ms: Option<u64>,
}

pub(super) fn show(
    definition: &Definition,
    times: Times,
    format: Format,
    problems: Vec<ProblemEntry>,
) -> Result<Code, Failure> {
    let preview = definition.checked.preview.as_ref().expect("a definition without an error has a preview");
    let every_ms = times.every_ms.or(preview.every_ms).filter(|every| *every > 0);
    let after_ms = times.after_ms.or(preview.after_ms).unwrap_or(0);
    let preview = PreviewDto {
        name: preview.name.clone(),
        steps: preview.steps.iter().map(StepDto::from).collect(),
        after: seconds(after_ms),
        every: every_ms.map(seconds),
    };
    match format {
        Format::Text => output::raw(preview.text().as_bytes())?,
        Format::Json | Format::Jsonl => output::json(&PreviewDocument { schema: SCHEMA, preview, problems })?,
    }
    Ok(Code::Completed)
}

impl From<&PreviewStep> for StepDto {
    fn from(step: &PreviewStep) -> Self {
        let told = |code: &catena_spec::PreviewCode| match concurrency(code.language, &code.text) {
            Concurrency::Async => "async",
            Concurrency::Sync => "sync",
        };
        Self {
            name: step.name.clone(),
            kind: step.kind,
            concurrency: step.code.as_ref().map(told),
            run_next_after: seconds(step.pause_ms),
            depends_on: step.depends_on.clone(),
        }
    }
}

impl PreviewDto {
    fn text(&self) -> String {
        let mut text =
            format!("📋 Processing multi-step task: {}\nSteps: {}\n\n", self.name, self.steps.len());
        for (at, step) in self.steps.iter().enumerate() {
            let mark = step.concurrency.unwrap_or(step.kind);
            text += &format!("  {}. {} [{mark}] → wait {}s", at + 1, step.name, step.run_next_after);
            if !step.depends_on.is_empty() {
                text += &format!(", after {}", step.depends_on.join(", "));
            }
            text.push('\n');
        }
        text.push('\n');
        match self.after {
            0.0 => text += "First run: at once\n",
            1.0 => text += "First run: in 1 second\n",
            after => text += &format!("First run: in {after} seconds\n"),
        }
        if let Some(every) = self.every {
            text += &format!("Repeat every: {every} seconds ({})\n", in_minutes(every));
        }
        text
    }
}

fn in_minutes(seconds: f64) -> String {
    format!("{}m {}s", (seconds / 60.0).floor(), seconds % 60.0)
}

fn seconds(milliseconds: u64) -> f64 {
    milliseconds as f64 / 1_000.0
}
