//! Whether a step grows dearer with the results that stand before it: steps behind a thousand results of 16 KiB, beside
//! as many behind a thousand that are nearly empty. They name no result, so they are to pay for none.

use std::sync::Arc;

use catena_core::{
    chain::{ChainName, Draft, StepDraft, Work},
    ids::StepId,
    template::Template,
};
use catena_store::Version;

use super::{
    chains::{FILL, Kind, MARK, NOOP, call, shell_true},
    lab::Lab,
    measure::{Goal, Measured, Unit, in_turns},
    run::Setting,
};

const LARGE: usize = 16 * 1_024;
const SMALL: usize = 1;

pub(super) fn measure(setting: &Setting) -> anyhow::Result<Measured> {
    behind(setting, setting.size.pick(400, 10), || call(NOOP))
}

pub(super) fn process(setting: &Setting) -> anyhow::Result<Measured> {
    behind(setting, setting.size.pick(100, 5), shell_true)
}

fn behind(setting: &Setting, steps: usize, step: impl Fn() -> Kind) -> anyhow::Result<Measured> {
    let results = setting.size.pick(1_000, 20);
    let lab = Lab::open(setting, 8)?;
    let large = chain("large", (results, LARGE), (steps, &step))?;
    let small = chain("small", (results, SMALL), (steps, &step))?;
    lab.run_marked(&small)?;
    let per_step = |version: &Arc<Version>| -> anyhow::Result<f64> {
        Ok(lab.run_marked(version)?.as_secs_f64() * 1_000.0 / steps as f64)
    };
    let (mine, floor) = in_turns(setting.size.pick(9, 1), || per_step(&large), || per_step(&small))?;
    let (beside, goal) = ("behind results of a letter", Goal::RatioAtMost(1.5));
    Ok(Measured { unit: Unit::Ms, mine, floor, beside, goal, counts: None })
}

/// Results, each under a name of its own, and then what is measured, between two marks.
fn chain(
    name: &str,
    (results, bytes): (usize, usize),
    (steps, step): (usize, &impl Fn() -> Kind),
) -> anyhow::Result<Arc<Version>> {
    let fill = |_| Work::Function { function: FILL.to_owned(), parameters: Template::constant(bytes) };
    let works =
        (0..results).map(fill).chain([call(MARK)]).chain((0..steps).map(|_| step())).chain([call(MARK)]);
    let drafts = works.enumerate().map(|(position, work)| {
        let mut draft = StepDraft::new(StepId::parse(&format!("step_{position}"))?, work);
        draft.output_key = (position < results).then(|| format!("result_{position}"));
        Ok(draft)
    });
    let drafts: Vec<StepDraft> = drafts.collect::<anyhow::Result<_>>()?;
    let chain = Draft::new(ChainName::parse(name)?, drafts).build()?;
    Ok(Arc::new(Version::new(chain, name.to_owned(), Vec::new())))
}
