//! `catena schedule next`: when a schedule fires, computed from what is written; no store is looked at.

use std::{collections::BTreeMap, path::PathBuf};

use catena_core::{
    Timestamp,
    schedule::{Schedule, Timing, Zone},
};
use catena_spec::{Code as ProblemCode, Colour, Problem, Source, Span, dto::ProblemDto, render};
use clap::Args;
use serde::Serialize;

use super::times::milliseconds;
use crate::{
    args::Format,
    commands::{check::first_code, definition::Definition},
    document::SCHEMA,
    exit::{Code, Failure},
    output,
    problem::ProblemEntry,
};

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
                        catena schedule next --cron '30 5 * * mon-fri' --timezone Europe/Rome\n  \
                        catena schedule next --every 90m --after 2026-11-20T18:00:00Z --count 3\n  \
                        catena schedule next chain.yaml -o json | jq -r '.fires[]'")]
#[command(group(clap::ArgGroup::new("what").required(true).args(["definition", "cron", "every"])))]
pub(super) struct NextArgs {
    /// A definition with a schedule
    #[arg(value_name = "FILE")]
    definition: Option<PathBuf>,
    /// A cron expression: five fields, six with seconds first, or a macro such as @daily
    #[arg(long, value_name = "EXPR")]
    cron: Option<String>,
    /// From start to start, in seconds or as 1h30m
    #[arg(long, value_name = "DURATION", value_parser = milliseconds)]
    every: Option<u64>,
    /// A time zone by its IANA name [default: UTC, or what the definition says]
    #[arg(long, value_name = "ZONE")]
    timezone: Option<String>,
    /// Only what comes after this: RFC 3339, or a date or time in the time zone [default: now]
    #[arg(long, value_name = "TIME")]
    after: Option<String>,
    /// How many to show
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    count: u32,
    /// How to print them
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

/// What `schedule next -o json` prints.
#[derive(Debug, Default, Serialize)]
struct FiresDocument {
    schema: &'static str,
    /// RFC 3339 with the offset of the schedule's zone.
    fires: Vec<String>,
    /// Dates before the last fire that a schedule names and no calendar has: nothing starts for them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    absent_dates: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    problems: Vec<ProblemEntry>,
}

pub(super) fn run(args: &NextArgs) -> Result<Code, Failure> {
    let found = args.schedules().and_then(|schedules| {
        let after = args.after(schedules.first().map(|schedule| &schedule.zone))?;
        let fires = fires(&schedules, after, args.count as usize);
        match fires.is_empty() {
            true => Err(never(args)),
            false => Ok((schedules, after, fires)),
        }
    });
    match found {
        Ok((schedules, after, fires)) => show(args, &schedules, after, &fires),
        Err(refusal) => {
            if args.output != Format::Text {
                let problems = match refusal.problems.is_empty() {
                    true => ProblemEntry::of_failure(&refusal.failure, None),
                    false => refusal.problems,
                };
                output::json(&FiresDocument { schema: SCHEMA, problems, ..FiresDocument::default() })?;
            }
            Err(refusal.failure)
        }
    }
}

/// Why there is nothing to show; the problems have been told where a person reads.
struct Refusal {
    failure: Failure,
    problems: Vec<ProblemEntry>,
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        Self { failure, problems: Vec::new() }
    }
}

impl NextArgs {
    fn schedules(&self) -> Result<Vec<Schedule>, Refusal> {
        let zone = match &self.timezone {
            None => None,
            Some(name) => Some(self.zone(name)?),
        };
        let mut schedules = match (&self.cron, self.every, &self.definition) {
            (Some(text), ..) => vec![Schedule::new(self.cron(text)?)],
            (None, Some(every_ms), _) => vec![Schedule::every(every_ms, None)],
            (None, None, Some(path)) => self.of_definition(&Definition::read(path)?)?,
            (None, None, None) => unreachable!("clap asks for one of them"),
        };
        if let Some(zone) = zone {
            schedules.iter_mut().for_each(|schedule| schedule.zone.clone_from(&zone));
        }
        Ok(schedules)
    }

    fn of_definition(&self, definition: &Definition) -> Result<Vec<Schedule>, Refusal> {
        let problems = definition.problems();
        if definition.checked.has_error() {
            if self.output == Format::Text {
                definition.tell_problems();
            }
            let next = first_code(std::slice::from_ref(definition));
            let failure = Failure::told(Code::Definition).next_if(self.output == Format::Text, next);
            return Err(Refusal { failure, problems });
        }
        let schedules = definition.schedules().to_vec();
        if schedules.is_empty() {
            let failure = Failure::new(Code::Definition, "the chain has no schedule");
            return Err(failure.next("add `schedule: {frequency: daily, time: \"05:00\"}` to it").into());
        }
        Ok(schedules)
    }

    fn cron(&self, text: &str) -> Result<Timing, Refusal> {
        catena_spec::cron(text)
            .map(|expr| Timing::Cron { expr })
            .map_err(|problem| self.refuse("--cron", text, problem))
    }

    fn zone(&self, name: &str) -> Result<Zone, Refusal> {
        catena_spec::zone(name).map_err(|problem| self.refuse("--timezone", name, problem))
    }

    /// Shows a problem at its place in the option's text, as that of a definition.
    fn refuse(&self, option: &str, text: &str, problem: Problem) -> Refusal {
        let source = Source::new(option, text);
        let entry = ProblemEntry::Definition(ProblemDto::new(&problem, &source));
        let next = format!("catena explain {}", problem.code);
        if self.output == Format::Text {
            let colour = if output::stderr_colour() { Colour::On } else { Colour::Off };
            talk!("{}", render(&[problem], &source, colour).trim_end());
        }
        let failure = Failure::told(Code::Definition).next_if(self.output == Format::Text, Some(next));
        Refusal { failure, problems: vec![entry] }
    }

    /// The instant to look from; without an offset it is a time of the zone.
    fn after(&self, zone: Option<&Zone>) -> Result<Timestamp, Failure> {
        let Some(text) = &self.after else {
            return Ok(Timestamp(jiff::Timestamp::now().as_microsecond()));
        };
        let local = || text.parse::<jiff::civil::DateTime>().ok().and_then(|local| zone?.instant_of(local));
        let instant = text.parse::<jiff::Timestamp>().map(|at| Timestamp(at.as_microsecond()));
        instant.ok().or_else(local).ok_or_else(|| {
            let message = format!("`{text}` is no time");
            Failure::new(Code::Usage, message).next("--after 2026-11-20T18:00:00Z, or --after 2026-11-20")
        })
    }
}

/// A schedule of which nothing comes any more is as good as one that never fires.
fn never(args: &NextArgs) -> Refusal {
    let what = args.cron.as_deref().map_or_else(|| "the schedule".to_owned(), |expr| format!("`{expr}`"));
    let message = format!("{what} never fires after that");
    let problem = Problem::new(ProblemCode::NeverFires, Span::at(0), message.clone());
    let source =
        Source::new(args.definition.as_deref().map_or("--cron".into(), |path| path.to_string_lossy()), "");
    let failure =
        Failure::new(Code::Definition, message).next("an earlier time: --after 2026-01-01T00:00:00Z");
    Refusal { failure, problems: vec![ProblemEntry::Definition(ProblemDto::new(&problem, &source))] }
}

/// The first fires of all schedules together, in order, each with its schedule's place.
fn fires(schedules: &[Schedule], after: Timestamp, count: usize) -> Vec<(Timestamp, usize)> {
    let mut next: BTreeMap<(Timestamp, usize), ()> = BTreeMap::new();
    for (place, schedule) in schedules.iter().enumerate() {
        next.extend(schedule.next_after(after, after).map(|at| ((at, place), ())));
    }
    let mut fires = Vec::new();
    while fires.len() < count
        && let Some(((at, place), ())) = next.pop_first()
    {
        fires.push((at, place));
        next.extend(schedules[place].next_after(after, at).map(|at| ((at, place), ())));
    }
    fires
}

fn show(
    args: &NextArgs,
    schedules: &[Schedule],
    after: Timestamp,
    fires: &[(Timestamp, usize)],
) -> Result<Code, Failure> {
    let texts: Vec<String> = fires.iter().map(|(at, place)| schedules[*place].zone.rfc3339(*at)).collect();
    let until = fires.last().map_or(after, |(at, _)| *at);
    let absent = schedules.iter().flat_map(|schedule| schedule.absent_dates(after, until));
    let absent_dates: Vec<String> = absent.map(|date| date.to_string()).collect();
    match args.output {
        Format::Text => {
            texts.iter().try_for_each(|text| output::line(text))?;
            for date in &absent_dates {
                talk!("there is no {date}: nothing starts for it");
            }
        }
        Format::Json | Format::Jsonl => {
            output::json(&FiresDocument { schema: SCHEMA, fires: texts, absent_dates, problems: Vec::new() })?
        }
    }
    Ok(Code::Completed)
}
