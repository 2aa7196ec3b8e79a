//! `--every` and `--after` of `catena run`: a schedule on the command line, in place of the chain's own.

use catena_core::schedule::{Schedule, Timing};
use clap::Args;

#[derive(Debug, Default, Args)]
pub(in crate::commands) struct TimeArgs {
    /// Start again and again, in seconds or as 1h30m, from start to start; 0 is once
    #[arg(long, value_name = "DURATION", allow_negative_numbers = true, value_parser = milliseconds)]
    every: Option<u64>,
    /// Start later, in seconds or as 90s; 0 is at once
    #[arg(long, value_name = "DURATION", allow_negative_numbers = true, value_parser = milliseconds)]
    after: Option<u64>,
}

impl TimeArgs {
    /// When executions of the chain start by themselves: as the chain says, where the command line says nothing else.
    pub(in crate::commands) fn schedules(&self, own: &[Schedule]) -> Vec<Schedule> {
        let mut schedules = own.to_vec();
        if let Some(every_ms) = self.every {
            let after_ms = schedules.first().and_then(|schedule| schedule.after_ms);
            schedules = vec![Schedule::every(every_ms, after_ms)];
        }
        if let Some(after) = self.after {
            if schedules.is_empty() {
                schedules.push(Schedule::every(0, None));
            }
            for schedule in &mut schedules {
                schedule.after_ms = Some(after);
            }
        }
        // Once and at once is no schedule.
        schedules.retain(|schedule| {
            let is_once = matches!(schedule.timing, Timing::Every { every_ms: 0 });
            !is_once || schedule.after_ms.is_some_and(|after| after > 0)
        });
        schedules
    }
}

/// Milliseconds of a duration, as definitions write them.
pub(in crate::commands) fn milliseconds(text: &str) -> Result<u64, String> {
    catena_spec::duration_ms(text).ok_or_else(|| {
        format!("`{text}` is no duration: seconds as a number, or text like 90s, 5m, 1h30m, 2d")
    })
}
