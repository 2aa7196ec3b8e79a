//! The table, as it stands in the README.

use super::measure::{Goal, Measured, Series, Unit};

pub(super) const HEAD: &str = "\
| row | work | measured | floor | ratio | goal | counts per step |
| --- | --- | --- | --- | --- | --- | --- |";

pub(super) fn line(name: &str, work: &str, measured: &Measured) -> String {
    let Measured { unit, mine, floor, beside, .. } = measured;
    let ratios = measured.ratios();
    let counts = measured.counts.as_ref().map_or_else(|| "–".to_owned(), ToString::to_string);
    let reached = if measured.is_reached() { "reached" } else { "**missed**" };
    format!(
        "| {name} | {work} | {} | {beside}: {} | {:.2} ({:.2}–{:.2}) | {}: {reached} | {counts} |",
        shown(mine, *unit),
        shown(floor, *unit),
        ratios.median(),
        ratios.min(),
        ratios.max(),
        goal(measured.goal, *unit),
    )
}

pub(super) fn failed(name: &str, work: &str, error: &anyhow::Error) -> String {
    let message = format!("{error:#}").replace(['\n', '|'], " ");
    format!("| {name} | {work} | not measured: {} | | | | |", message.trim())
}

/// The median, and from where to where it went.
fn shown(series: &Series, unit: Unit) -> String {
    let (median, min, max) = (series.median(), series.min(), series.max());
    match unit {
        Unit::Ms => format!("{median:.3} ms ({min:.3}–{max:.3})"),
        Unit::Us => format!("{median:.2} µs ({min:.2}–{max:.2})"),
        Unit::PerSecond => format!("{median:.0}/s ({min:.0}–{max:.0})"),
    }
}

fn goal(goal: Goal, unit: Unit) -> String {
    let unit = match unit {
        Unit::Ms => " ms",
        Unit::Us => " µs",
        Unit::PerSecond => "/s",
    };
    match goal {
        Goal::RatioAtMost(max) => format!("≤ {max} × floor"),
        Goal::AtMost(max) => format!("≤ {max}{unit}"),
        Goal::AboveFloorAtMost(max) => format!("≤ floor + {max}{unit}"),
        Goal::AtLeast(min) => format!("≥ {min}{unit}"),
    }
}
