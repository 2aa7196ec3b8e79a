//! A step that starts a shell, through the helper of the real binary, beside the same shell started directly.

use std::{
    process::{Command, Stdio},
    time::Instant,
};

use anyhow::Context as _;

use super::{
    chains::{MARK, call, shell_true, version},
    counts::Reading,
    lab::Lab,
    measure::{Goal, Measured, Unit, in_turns},
    run::Setting,
};

pub(super) fn measure(setting: &Setting) -> anyhow::Result<Measured> {
    let steps = setting.size.pick(200, 10);
    let lab = Lab::open(setting, 8)?;
    // One shell step ahead starts the helper.
    let works = [shell_true(), call(MARK)].into_iter();
    let chain = version("shell", works.chain((0..steps).map(|_| shell_true())).chain([call(MARK)]))?;
    lab.run_marked(&chain)?;
    let before = Reading::of(&lab.engine)?;
    lab.run_marked(&chain)?;
    let counts = before.until(&Reading::of(&lab.engine)?, steps + 3);

    let (mine, floor) = in_turns(
        setting.size.pick(7, 1),
        || Ok(lab.run_marked(&chain)?.as_secs_f64() * 1_000.0 / steps as f64),
        || direct_ms(&["sh", "-c", "true"], steps),
    )?;
    let (beside, goal) = ("`sh -c true`", Goal::AboveFloorAtMost(0.35));
    Ok(Measured { unit: Unit::Ms, mine, floor, beside, goal, counts: Some(counts) })
}

/// What a program takes that is started without Catena.
pub(super) fn direct_ms(words: &[&str], times: usize) -> anyhow::Result<f64> {
    let (program, args) = words.split_first().context("no program")?;
    let begun = Instant::now();
    for _ in 0..times {
        let mut direct = Command::new(program);
        direct.args(args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let status = direct.status().with_context(|| format!("failed to start {program}"))?;
        anyhow::ensure!(status.success(), "`{}` failed", words.join(" "));
    }
    Ok(begun.elapsed().as_secs_f64() * 1_000.0 / times as f64)
}
