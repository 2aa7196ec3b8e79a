//! Numbers of one kind, and two of them measured in turns: what is compared has to meet the same machine.

use super::counts::Counts;

/// What one row measured, per round.
pub(super) struct Measured {
    pub(super) unit: Unit,
    pub(super) mine: Series,
    pub(super) floor: Series,
    /// What the floor is.
    pub(super) beside: &'static str,
    pub(super) goal: Goal,
    pub(super) counts: Option<Counts>,
}

#[derive(Clone, Copy)]
pub(super) enum Unit {
    Ms,
    Us,
    PerSecond,
}

#[derive(Clone, Copy)]
pub(super) enum Goal {
    /// Against the floor.
    RatioAtMost(f64),
    AtMost(f64),
    AboveFloorAtMost(f64),
    AtLeast(f64),
}

#[derive(Clone, Default)]
pub(super) struct Series(Vec<f64>);

impl Series {
    pub(super) fn push(&mut self, value: f64) {
        self.0.push(value);
    }

    pub(super) fn min(&self) -> f64 {
        self.0.iter().copied().fold(f64::INFINITY, f64::min)
    }

    pub(super) fn max(&self) -> f64 {
        self.0.iter().copied().fold(f64::NEG_INFINITY, f64::max)
    }

    pub(super) fn median(&self) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let middle = sorted.len() / 2;
        match sorted.len() {
            0 => f64::NAN,
            even if even.is_multiple_of(2) => f64::midpoint(sorted[middle - 1], sorted[middle]),
            _ => sorted[middle],
        }
    }

    /// One number per round from two: a ratio or a difference of what was measured side by side.
    pub(super) fn with(&self, other: &Self, both: impl Fn(f64, f64) -> f64) -> Self {
        Self(self.0.iter().zip(&other.0).map(|(mine, floor)| both(*mine, *floor)).collect())
    }
}

impl Measured {
    pub(super) fn ratios(&self) -> Series {
        self.mine.with(&self.floor, |mine, floor| mine / floor)
    }

    pub(super) fn is_reached(&self) -> bool {
        match self.goal {
            Goal::RatioAtMost(max) => self.ratios().median() <= max,
            Goal::AtMost(max) => self.mine.median() <= max,
            Goal::AboveFloorAtMost(max) => self.mine.with(&self.floor, |a, b| a - b).median() <= max,
            Goal::AtLeast(min) => self.mine.median() >= min,
        }
    }
}

/// Measures both in turns, each first in every other round. The first round warms up and is not counted.
pub(super) fn in_turns(
    rounds: usize,
    mut mine: impl FnMut() -> anyhow::Result<f64>,
    mut floor: impl FnMut() -> anyhow::Result<f64>,
) -> anyhow::Result<(Series, Series)> {
    let (mut ours, mut floors) = (Series::default(), Series::default());
    for round in 0..=rounds {
        let (a, b) = if round % 2 == 0 {
            let b = floor()?;
            (mine()?, b)
        } else {
            (mine()?, floor()?)
        };
        if round > 0 {
            ours.push(a);
            floors.push(b);
        }
    }
    Ok((ours, floors))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_of_odd_and_even_series() {
        assert!((Series(vec![3.0, 1.0, 2.0]).median() - 2.0).abs() < f64::EPSILON);
        assert!((Series(vec![4.0, 1.0, 2.0, 3.0]).median() - 2.5).abs() < f64::EPSILON);
    }
}
