//! A schedule as it is stored with its chain.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Cron, Day, Exclude, MonthDay, TimeOfDay, Weekday, Zone};

/// How many missed starts `catch_up: all` makes up for where it says nothing.
pub const CATCH_UP_MAX: u32 = 100;

/// When executions of a chain start by themselves.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Schedule {
    pub timing: Timing,
    /// Where the times of day, dates and exclusions are.
    #[serde(default, skip_serializing_if = "Zone::is_utc")]
    pub zone: Zone,
    /// The delay of the first start, from when the schedule was made or changed. Nothing starts before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after_ms: Option<u64>,
    #[serde(default)]
    pub overlap: Overlap,
    #[serde(default)]
    pub catch_up: CatchUp,
    /// How far back starts are made up for; without a bound where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub catch_up_within_ms: Option<u64>,
    /// Each start is delayed by up to this, see [`super::jitter_ms`].
    #[serde(default, skip_serializing_if = "is_zero")]
    pub jitter_ms: u64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<Exclude>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks with a reference")]
fn is_zero(ms: &u64) -> bool {
    *ms == 0
}

/// The rule that gives the instants.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Timing {
    /// From start to start, counted from when the schedule was made or changed; 0 is once.
    Every {
        every_ms: u64,
    },
    Once {
        date: Day,
        time: TimeOfDay,
    },
    /// By the calendar and the clock of the zone.
    Calendar {
        #[serde(flatten)]
        frequency: Frequency,
        time: TimeOfDay,
    },
    Cron {
        expr: Cron,
    },
}

/// Which days, hours or minutes a [`Timing::Calendar`] takes; the rest of the instant is its `time`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "frequency", content = "days")]
pub enum Frequency {
    /// At the second of `time`.
    Minutely,
    /// At the minute and second of `time`.
    Hourly,
    Daily,
    Weekly(Vec<Weekday>),
    Monthly(Vec<MonthDay>),
}

/// What happens if an execution of the last start still runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Overlap {
    #[default]
    Skip,
    Queue,
    CancelRunning,
    Allow,
}

/// What becomes of starts that were missed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CatchUp {
    /// The latest one is made up for.
    #[default]
    Last,
    Skip,
    /// The latest `max` are, one after another.
    All {
        max: u32,
    },
}

impl Schedule {
    pub fn new(timing: Timing) -> Self {
        Self {
            timing,
            zone: Zone::utc(),
            after_ms: None,
            overlap: Overlap::default(),
            catch_up: CatchUp::default(),
            catch_up_within_ms: None,
            jitter_ms: 0,
            exclude: Vec::new(),
        }
    }

    /// From start to start; 0 is once.
    pub fn every(every_ms: u64, after_ms: Option<u64>) -> Self {
        Self { after_ms, ..Self::new(Timing::Every { every_ms }) }
    }

    /// From start to start, for what is said that way; 0 is once.
    pub fn every_ms(&self) -> Option<u64> {
        match self.timing {
            Timing::Every { every_ms } => Some(every_ms),
            Timing::Once { .. } | Timing::Calendar { .. } | Timing::Cron { .. } => None,
        }
    }
}

/// In a few words, for a table: `every 1h`, `daily at 05:00:00, America/New_York`.
impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.timing {
            Timing::Every { every_ms: 0 } => return f.write_str("once"),
            Timing::Every { every_ms } => return write!(f, "every {}", Milliseconds(*every_ms)),
            Timing::Once { date, time } => write!(f, "once on {date} at {time}")?,
            Timing::Calendar { frequency, time } => calendar(f, frequency, *time)?,
            Timing::Cron { expr } => write!(f, "cron {expr}")?,
        }
        write!(f, ", {}", self.zone)
    }
}

fn calendar(f: &mut fmt::Formatter<'_>, frequency: &Frequency, time: TimeOfDay) -> fmt::Result {
    match frequency {
        Frequency::Minutely => write!(f, "minutely at second {}", time.second),
        Frequency::Hourly => write!(f, "hourly at minute {}:{:02}", time.minute, time.second),
        Frequency::Daily => write!(f, "daily at {time}"),
        Frequency::Weekly(days) => {
            let days: Vec<_> = days.iter().map(|day| day.name()).collect();
            write!(f, "weekly on {} at {time}", days.join(", "))
        }
        Frequency::Monthly(days) => {
            let days: Vec<_> = days.iter().map(|day| day.number().to_string()).collect();
            write!(f, "monthly on {} at {time}", days.join(", "))
        }
    }
}

/// As a definition would write it: `1h30m`.
pub struct Milliseconds(pub u64);

impl fmt::Display for Milliseconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return f.write_str("0s");
        }
        let mut rest = self.0;
        for (unit, ms) in [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)] {
            if rest >= ms {
                write!(f, "{}{unit}", rest / ms)?;
                rest %= ms;
            }
        }
        Ok(())
    }
}
