//! A durable step alone: one after another, nothing beside it.

use super::{
    chains::marked,
    counts::Reading,
    lab::Lab,
    measure::{Goal, Measured, Unit, in_turns},
    run::Setting,
    sqlite::Plain,
};

pub(super) fn measure(setting: &Setting) -> anyhow::Result<Measured> {
    let steps = setting.size.pick(1_000, 50);
    let lab = Lab::open(setting, 8)?;
    let version = marked("sequence", steps)?;
    lab.run_marked(&version)?;

    let before = Reading::of(&lab.engine)?;
    lab.run_marked(&version)?;
    // The second mark is a step too, outside of what is timed.
    let counts = before.until(&Reading::of(&lab.engine)?, steps + 1);

    let mut plain = Plain::open(lab.folder())?;
    let (mine, floor) = in_turns(
        setting.size.pick(7, 1),
        || Ok(lab.run_marked(&version)?.as_secs_f64() * 1_000.0 / steps as f64),
        || plain.commit_ms(steps, counts.bytes_a_commit()),
    )?;
    let (beside, goal) = ("one commit", Goal::RatioAtMost(2.0));
    Ok(Measured { unit: Unit::Ms, mine, floor, beside, goal, counts: Some(counts) })
}
