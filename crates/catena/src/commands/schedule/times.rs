//! `--every` and `--after` of `catena run`: read and checked, and answered honestly, since schedules are not built.

use clap::Args;

use crate::commands::preview::Times;
use crate::exit::{Code, Failure};

#[derive(Debug, Args)]
pub(in crate::commands) struct TimeArgs {
    /// Start again and again, in seconds or as 1h30m: comes with schedules, so far 0 (once)
    #[arg(long, value_name = "DURATION", value_parser = milliseconds)]
    every: Option<u64>,
    /// Start later, in seconds or as 90s: comes with schedules, so far 0 (at once)
    #[arg(long, value_name = "DURATION", value_parser = milliseconds)]
    after: Option<u64>,
}

impl TimeArgs {
    pub(in crate::commands) fn times(&self) -> Times {
        Times { after_ms: self.after, every_ms: self.every }
    }

    /// Refuses what this version would have to ignore.
    pub(in crate::commands) fn refuse(&self) -> Result<(), Failure> {
        let asked = |value: Option<u64>| value.is_some_and(|ms| ms > 0);
        let option = match (asked(self.every), asked(self.after)) {
            (true, _) => "--every",
            (false, true) => "--after",
            (false, false) => return Ok(()),
        };
        let message = format!("`{option}` is not there yet: schedules come with a later version");
        Err(Failure::new(Code::Usage, message)
            .next("the same without it, which starts at once; cron or a systemd timer can repeat that"))
    }
}

/// Refuses a chain whose schedules this version would have to ignore.
pub(in crate::commands) fn refuse_schedules(chain: &catena_core::Chain) -> Result<(), Failure> {
    match chain.schedules.first() {
        None => Ok(()),
        Some(schedule) => {
            let message =
                format!("the chain has a schedule ({schedule}), and nothing starts it by itself yet");
            Err(Failure::new(Code::Definition, message)
                .next("catena schedule next FILE, which shows when it would start"))
        }
    }
}

/// Milliseconds of a duration, as definitions write them.
pub(super) fn milliseconds(text: &str) -> Result<u64, String> {
    catena_spec::duration_ms(text).ok_or_else(|| {
        format!("`{text}` is no duration: seconds as a number, or text like 90s, 5m, 1h30m, 2d")
    })
}
