//! `catena run --dry-run`: what a definition would do, told without storing or running any of it.

use catena_core::schedule::{Schedule, Timing};
use catena_spec::{Concurrency, Preview, PreviewStep, concurrency};
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
    /// What starts by the calendar, in words.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    schedules: Vec<String>,
    /// The first start is on a date, rather than at once.
    #[serde(skip)]
    is_dated: bool,
    #[serde(flatten)]
    excerpt: Excerpt,
}

/// What of a chain does not run, by ids.
#[derive(Debug, Default, Serialize)]
pub(super) struct Excerpt {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) left_out: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) pinned: Vec<String>,
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

/// `schedules` are those that hold, which the command line may say rather than the definition.
pub(super) fn show(
    definition: &Definition,
    schedules: &[Schedule],
    excerpt: Excerpt,
    format: Format,
) -> Result<Code, Failure> {
    let preview = definition.checked.preview.as_ref().expect("a definition without an error has a preview");
    let preview = PreviewDto { excerpt, ..PreviewDto::new(preview, schedules) };
    let problems = definition.problems();
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

/// The preview as a person reads it.
pub(super) fn text(definition: &Definition, schedules: &[Schedule]) -> Option<String> {
    definition.checked.preview.as_ref().map(|preview| PreviewDto::new(preview, schedules).text())
}

impl PreviewDto {
    fn new(preview: &Preview, schedules: &[Schedule]) -> Self {
        let by_calendar = schedules.iter().filter(|schedule| schedule.every_ms().is_none());
        let every_ms = schedules.iter().find_map(Schedule::every_ms).filter(|every| *every > 0);
        Self {
            name: preview.name.clone(),
            steps: preview.steps.iter().map(StepDto::from).collect(),
            after: seconds(schedules.first().and_then(|schedule| schedule.after_ms).unwrap_or(0)),
            every: every_ms.map(seconds),
            schedules: by_calendar.map(ToString::to_string).collect(),
            is_dated: matches!(schedules.first(), Some(Schedule { timing: Timing::Once { .. }, .. })),
            excerpt: Excerpt::default(),
        }
    }

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
        for (what, ids) in [("Left out", &self.excerpt.left_out), ("Pinned", &self.excerpt.pinned)] {
            if !ids.is_empty() {
                text += &format!("  {what}: {}\n", ids.join(", "));
            }
        }
        text.push('\n');
        match self.after {
            0.0 if self.is_dated => {}
            0.0 => text += "First run: at once\n",
            1.0 => text += "First run: in 1 second\n",
            after => text += &format!("First run: in {after} seconds\n"),
        }
        if let Some(every) = self.every {
            text += &format!("Repeat every: {every} seconds ({})\n", in_minutes(every));
        }
        for schedule in &self.schedules {
            text += &format!("Schedule: {schedule}\n");
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
