//! The chains that are measured, built without a text.

use std::sync::Arc;

use catena_core::{
    chain::{ChainName, Draft, Process, StepDraft, Work},
    ids::StepId,
    template::Template,
};
use catena_store::Version;

/// The function that does nothing.
pub(super) const NOOP: &str = "noop";
/// The function that says when it was called.
pub(super) const MARK: &str = "mark";
/// As `MARK`, and then waits until it may go on.
pub(super) const GATE: &str = "gate";

/// The function that leaves so many letters as its parameter says.
pub(super) const FILL: &str = "fill";

pub(super) type Kind = Work<Vec<StepDraft>>;

pub(super) fn call(function: &str) -> Kind {
    let parameters = Template::constant(serde_json::json!({ "amount": 12, "currency": "EUR" }));
    Work::Function { function: function.to_owned(), parameters }
}

pub(super) fn shell_true() -> Kind {
    Work::Shell { script: "true".to_owned(), interpreter: None, process: Process::default() }
}

pub(super) fn version(name: &str, works: impl IntoIterator<Item = Kind>) -> anyhow::Result<Arc<Version>> {
    let steps = works.into_iter().enumerate().map(|(position, work)| {
        let id = StepId::parse(&format!("step_{position}"))?;
        Ok(StepDraft::new(id, work))
    });
    let steps: Vec<StepDraft> = steps.collect::<anyhow::Result<_>>()?;
    let chain = Draft::new(ChainName::parse(name)?, steps).build()?;
    Ok(Arc::new(Version::new(chain, name.to_owned(), Vec::new())))
}

/// `steps` steps that do nothing between two marks: the second mark is called when all of them are durable.
pub(super) fn marked(name: &str, steps: usize) -> anyhow::Result<Arc<Version>> {
    // The first step is one of those that are measured; its call is where the clock starts.
    let noops = (1..steps).map(|_| call(NOOP));
    version(name, [call(MARK)].into_iter().chain(noops).chain([call(MARK)]))
}
