//! A step of code, each in an interpreter of its own, beside that interpreter with nothing to do, started directly. The
//! goal is the one of Python.

use catena_core::chain::{CodeLanguage, CodeSource, CodeStep, Process, Work};

use super::{
    chains::{Kind, MARK, call, version},
    counts::Reading,
    lab::Lab,
    measure::{Goal, Measured, Unit, in_turns},
    run::Setting,
    shell::direct_ms,
};

pub(super) fn python(setting: &Setting) -> anyhow::Result<Measured> {
    let text = "def main():\n    return 1\n";
    measure(setting, || code(CodeLanguage::Python, text), &["python3", "-c", "pass"], "`python3 -c pass`")
}

pub(super) fn javascript(setting: &Setting) -> anyhow::Result<Measured> {
    let text = "function main() { return 1 }";
    measure(setting, || code(CodeLanguage::JavaScript, text), &["node", "-e", "0"], "`node -e 0`")
}

fn code(language: CodeLanguage, text: &str) -> Kind {
    let source = CodeSource::Text(text.to_owned());
    let code = CodeStep { language, source, interpreter: None, parameters: None, calls_entry: false };
    Work::Code { code, process: Process::default() }
}

fn measure(
    setting: &Setting,
    step: impl Fn() -> Kind,
    direct: &[&str],
    beside: &'static str,
) -> anyhow::Result<Measured> {
    let steps = setting.size.pick(40, 3);
    let lab = Lab::open(setting, 8)?;
    // One step ahead starts the helper, and leaves the bytecode of the driver.
    let works = [step(), call(MARK)].into_iter();
    let chain = version("code", works.chain((0..steps).map(|_| step())).chain([call(MARK)]))?;
    lab.run_marked(&chain)?;
    let before = Reading::of(&lab.engine)?;
    lab.run_marked(&chain)?;
    let counts = before.until(&Reading::of(&lab.engine)?, steps + 3);
    let (mine, floor) = in_turns(
        setting.size.pick(9, 1),
        || Ok(lab.run_marked(&chain)?.as_secs_f64() * 1_000.0 / steps as f64),
        || direct_ms(direct, steps),
    )?;
    let goal = Goal::AboveFloorAtMost(3.0);
    Ok(Measured { unit: Unit::Ms, mine, floor, beside, goal, counts: Some(counts) })
}
