//! When a chain starts by itself: `schedule`, `schedules`, and the short forms `every` and `after`.

use catena_core::schedule::{
    CATCH_UP_MAX, CatchUp, Cron, CronError, Day, Exclude, ExcludeError, Frequency, MonthDay, Overlap,
    PartError, Schedule, TimeOfDay, Timing, Weekday, Zone,
};

use super::context::Context;
use super::process::lift;
use crate::code::Code;
use crate::node::{Entry, Node};
use crate::problem::Problem;
use crate::source::Span;
use crate::suggest::did_you_mean;
use crate::textmap::inner_span;

/// The delay of the first start in the API form of Realms, which `repeat_every` shows.
const API_AFTER_MS: u64 = 5_000;

/// The short forms: what starts again, and what comes before the first start.
const EVERY: [&str; 2] = ["every", "repeat_every"];
const AFTER: [&str; 2] = ["after", "run_after"];

/// The keys that say when; beside `every` none of them can stand.
const CALENDAR_KEYS: [&str; 5] = ["frequency", "time", "date", "days", "cron"];

impl Context<'_> {
    /// Every schedule of the chain. None if one of them is broken.
    pub(crate) fn schedules(&mut self, node: &Node) -> Option<Vec<Schedule>> {
        let short = self.short_form(node);
        let one = node.get("schedule").map(|entry| self.schedule(&entry.value));
        let list = node.get("schedules").and_then(|entry| entry.value.as_list()).unwrap_or_default();
        let list: Vec<_> = list.iter().map(|item| self.schedule(item)).collect();
        let list = list.into_iter().collect::<Option<Vec<_>>>();
        if let (Some(_), Some(entry)) = (node.get("schedule"), node.get("schedules")) {
            self.clash(
                entry.key.span,
                "`schedule` and `schedules` stand beside each other",
                "put all of them under `schedules`",
            );
            return None;
        }
        Some(short?.into_iter().chain(lift(one)?).chain(list?).collect())
    }

    /// `every` and `after` of the chain itself. What says only that the chain runs once and at once is no schedule.
    fn short_form(&mut self, node: &Node) -> Option<Option<Schedule>> {
        let every = self.one_of_two(node, EVERY)?;
        let after = self.one_of_two(node, AFTER)?;
        let beside = node.get("schedule").or_else(|| node.get("schedules"));
        if let (Some(entry), Some(_)) = (every.or(after), beside) {
            let message = format!("`{}` stands beside a schedule", entry.key.text);
            let help = format!(
                "write `{}` into the schedule, or another one under `schedules`",
                key_in_schedule(entry)
            );
            self.clash(entry.key.span, message, &help);
            return None;
        }
        let milliseconds = |entry: Option<&Entry>| match entry {
            None => Some(None),
            Some(entry) => entry.value.as_duration_ms().map(Some),
        };
        let is_api = every.is_some_and(|entry| entry.key.text == EVERY[1]);
        let (every_ms, after_ms) = (milliseconds(every)?.unwrap_or(0), milliseconds(after)?);
        let after_ms = after_ms.or(is_api.then_some(API_AFTER_MS)).filter(|ms| *ms > 0);
        let is_schedule = every_ms > 0 || after_ms.is_some();
        Some(is_schedule.then(|| Schedule::every(every_ms, after_ms)))
    }

    /// The entry of a key that has two names; both at once would contradict each other.
    fn one_of_two<'n>(&mut self, node: &'n Node, names: [&str; 2]) -> Option<Option<&'n Entry>> {
        match names.map(|name| node.get(name)) {
            [Some(_), Some(other)] => {
                let message = format!("`{}` and `{}` say the same thing", names[0], names[1]);
                self.clash(other.key.span, message, &format!("leave `{}` out", names[1]));
                None
            }
            [first, second] => Some(first.or(second)),
        }
    }

    fn schedule(&mut self, node: &Node) -> Option<Schedule> {
        let timing = self.timing(node);
        let zone = node.get("timezone").map(|entry| self.zone(&entry.value));
        let exclude = node.get("exclude").map(|entry| self.exclude(&entry.value));
        let catch_up = node.get("catch_up").map(|entry| self.catch_up(&entry.value));
        let milliseconds = |key: &str| node.get(key).map(|entry| entry.value.as_duration_ms());
        let (after, jitter) = (lift(milliseconds("after"))?, lift(milliseconds("jitter"))?);
        let overlap = node.get("overlap").map(|entry| self.overlap(&entry.value));
        let (catch_up, catch_up_within_ms) = lift(catch_up)?.unwrap_or_default();
        Some(Schedule {
            zone: lift(zone)?.unwrap_or_default(),
            after_ms: after,
            overlap: lift(overlap)?.unwrap_or_default(),
            catch_up,
            catch_up_within_ms,
            jitter_ms: jitter.unwrap_or(0),
            exclude: lift(exclude)?.unwrap_or_default(),
            ..Schedule::new(timing?)
        })
    }

    fn timing(&mut self, node: &Node) -> Option<Timing> {
        if let Some(every) = node.get("every") {
            if let Some(entry) = CALENDAR_KEYS.iter().find_map(|key| node.get(key)) {
                let message = format!("`{}` stands beside `every`", entry.key.text);
                self.clash(entry.key.span, message, "keep one of them: `every` counts from start to start");
                return None;
            }
            return Some(Timing::Every { every_ms: every.value.as_duration_ms()? });
        }
        let frequency = match node.get("frequency") {
            Some(entry) => self.text(&entry.value)?.to_lowercase(),
            None if node.get("cron").is_some() => "cron".to_owned(),
            None if node.get("after").is_some()
                && CALENDAR_KEYS.iter().all(|key| node.get(key).is_none()) =>
            {
                return Some(Timing::Every { every_ms: 0 });
            }
            None => {
                let problem =
                    Problem::new(Code::MissingKey, node.span, "the schedule does not say how often");
                self.add(problem.help("add `frequency: daily`, `cron: \"0 5 * * *\"` or `every: 1h`"));
                return None;
            }
        };
        self.check_keys(node, &frequency)?;
        if frequency == "cron" {
            let expr = self.cron(&node.get("cron")?.value)?;
            return Some(Timing::Cron { expr });
        }
        let time = node.get("time").map(|entry| self.time(&entry.value, &frequency));
        let date = node.get("date").map(|entry| self.day(&entry.value));
        let days = node.get("days").map(|entry| &entry.value);
        let frequency = match frequency.as_str() {
            "minutely" => Frequency::Minutely,
            "hourly" => Frequency::Hourly,
            "daily" => Frequency::Daily,
            "weekly" => Frequency::Weekly(self.days(days?, Weekday::parse)?),
            "monthly" => Frequency::Monthly(self.days(days?, MonthDay::parse)?),
            _ => return Some(Timing::Once { date: lift(date)??, time: lift(time)?.unwrap_or_default() }),
        };
        Some(Timing::Calendar { frequency, time: lift(time)?.unwrap_or_default() })
    }

    /// Whether the keys that a frequency needs are there, and none that it cannot heed.
    fn check_keys(&mut self, node: &Node, frequency: &str) -> Option<()> {
        let (needs, help): (&[&str], _) = match frequency {
            "once" => (&["date"], "add `date: 2026-12-24`"),
            "weekly" => (&["days"], "add `days: [mon]`"),
            "monthly" => (&["days"], "add `days: [1]`; -1 is the last day of the month"),
            "cron" => (&["cron"], "add `cron: \"0 5 * * mon-fri\"`"),
            _ => (&[], ""),
        };
        let heeds =
            |key: &str| needs.contains(&key) || key == "frequency" || key == "time" && frequency != "cron";
        for entry in node.as_object()? {
            let key = entry.key.text.as_str();
            if CALENDAR_KEYS.contains(&key) && !heeds(key) {
                let message = format!("`{key}` does nothing beside `frequency: {frequency}`");
                self.clash(entry.key.span, message, idle_help(key));
                return None;
            }
        }
        if let Some(key) = needs.iter().find(|key| node.get(key).is_none()) {
            let message = format!("`frequency: {frequency}` needs the key `{key}`");
            let span = node.get("frequency").map_or(node.span, |entry| entry.value.span);
            self.add(Problem::new(Code::MissingKey, span, message).help(help));
            return None;
        }
        Some(())
    }

    fn cron(&mut self, node: &Node) -> Option<Cron> {
        let text = self.full_text(node)?;
        match Cron::parse(&text) {
            Ok(cron) => Some(cron),
            Err(error) => {
                self.bad_cron(node, &text, error);
                None
            }
        }
    }

    fn bad_cron(&mut self, node: &Node, text: &str, error: CronError) {
        let span = inner_span(text, error.at.clone(), node.span, self.source);
        self.add(problem_of(error, span));
    }

    fn zone(&mut self, node: &Node) -> Option<Zone> {
        let text = self.full_text(node)?;
        match zone(&text) {
            Ok(zone) => Some(zone),
            Err(problem) => {
                self.add(Problem { span: node.span, ..problem });
                None
            }
        }
    }

    fn time(&mut self, node: &Node, frequency: &str) -> Option<TimeOfDay> {
        let text = self.full_text(node)?;
        let time = self.part(TimeOfDay::parse(&text), node.span)?;
        let idle = match frequency {
            "minutely" if (time.hour, time.minute) != (0, 0) => {
                "every minute: only the seconds of `time` count"
            }
            "hourly" if time.hour != 0 => "every hour: only the minutes and seconds of `time` count",
            _ => return Some(time),
        };
        let help = format!(
            "write `00:{}`",
            if frequency == "hourly" {
                format!("{:02}", time.minute)
            } else {
                format!("00:{:02}", time.second)
            }
        );
        self.add(Problem::new(Code::ScheduleClash, node.span, format!("this runs {idle}")).help(help));
        None
    }

    fn day(&mut self, node: &Node) -> Option<Day> {
        let text = self.full_text(node)?;
        self.part(Day::parse(&text), node.span)
    }

    fn days<T>(&mut self, node: &Node, parse: fn(&str) -> Result<T, PartError>) -> Option<Vec<T>> {
        let days: Vec<_> = node
            .one_or_more()
            .iter()
            .map(|item| {
                let text = self.full_text(item)?;
                self.part(parse(&text), item.span)
            })
            .collect();
        days.into_iter().collect()
    }

    fn part<T>(&mut self, part: Result<T, PartError>, span: Span) -> Option<T> {
        part.map_err(|error| self.say(Code::NoSuchDate, span, error.to_string())).ok()
    }

    fn overlap(&self, node: &Node) -> Option<Overlap> {
        Some(match self.text(node)?.to_lowercase().as_str() {
            "queue" => Overlap::Queue,
            "cancel_running" => Overlap::CancelRunning,
            "allow" => Overlap::Allow,
            _ => Overlap::Skip,
        })
    }

    /// The policy, and how far back it looks.
    fn catch_up(&mut self, node: &Node) -> Option<(CatchUp, Option<u64>)> {
        let word = match node.as_object() {
            Some(_) => node.get("policy").map(|entry| &entry.value),
            None => Some(node),
        };
        let word = lift(word.map(|word| self.text(word)))?.map(|word| word.to_lowercase());
        let most = node.get("most");
        let within = lift(node.get("within").map(|entry| entry.value.as_duration_ms()))?;
        let policy = match word.as_deref() {
            Some("skip") => CatchUp::Skip,
            Some("all") => {
                let max = lift(most.map(|entry| entry.value.as_count()))?.unwrap_or(CATCH_UP_MAX);
                return Some((CatchUp::All { max }, within));
            }
            _ => CatchUp::Last,
        };
        if let Some(entry) = most {
            let help = "add `policy: all`, or leave `most` out";
            self.clash(entry.key.span, "`most` does something with `policy: all` alone", help);
            return None;
        }
        Some((policy, within))
    }

    fn exclude(&mut self, node: &Node) -> Option<Vec<Exclude>> {
        let all: Vec<_> = node.one_or_more().iter().map(|item| self.exclusion(item)).collect();
        all.into_iter().collect()
    }

    fn exclusion(&mut self, node: &Node) -> Option<Exclude> {
        let text = self.full_text(node)?;
        match Exclude::parse(&text) {
            Ok(exclude) => Some(exclude),
            Err(ExcludeError::Cron(error)) => {
                self.bad_cron(node, &text, error);
                None
            }
            Err(error @ (ExcludeError::Day(_) | ExcludeError::Backwards { .. })) => {
                let help = "write a date, a range `2026-12-24..2027-01-06`, or a cron expression";
                self.add(Problem::new(Code::NoSuchDate, node.span, error.to_string()).help(help));
                None
            }
        }
    }

    fn clash(&mut self, span: Span, message: impl Into<String>, help: &str) {
        self.add(Problem::new(Code::ScheduleClash, span, message).help(help));
    }
}

/// A cron expression that stands alone, in an option for example. The place of the problem is in the text.
pub fn cron(text: &str) -> Result<Cron, Problem> {
    Cron::parse(text).map_err(|error| {
        let span = Span::new(error.at.start, error.at.end);
        problem_of(error, span)
    })
}

/// A time zone that stands alone.
pub fn zone(name: &str) -> Result<Zone, Problem> {
    Zone::parse(name).map_err(|error| {
        Problem::new(Code::UnknownZone, Span::new(0, name.len()), error.to_string()).help(zone_help(name))
    })
}

fn problem_of(error: CronError, span: Span) -> Problem {
    let code = if error.never_fires { Code::NeverFires } else { Code::BadCron };
    Problem::new(code, span, error.message).maybe_help(error.help)
}

fn key_in_schedule(entry: &Entry) -> &'static str {
    if EVERY.contains(&entry.key.text.as_str()) { "every" } else { "after" }
}

fn idle_help(key: &str) -> &'static str {
    match key {
        "time" => "the expression says the time, too",
        "date" => "`date` goes with `frequency: once`",
        "days" => "`days` goes with `frequency: weekly` or `monthly`",
        _ => "write `frequency: cron`, or leave `cron` out",
    }
}

/// What a wrong name of a zone is near to; abbreviations say no rules of daylight saving.
fn zone_help(text: &str) -> String {
    const ABBREVIATIONS: &[(&str, &str)] = &[
        ("pst", "America/Los_Angeles"),
        ("pdt", "America/Los_Angeles"),
        ("pt", "America/Los_Angeles"),
        ("mdt", "America/Denver"),
        ("mt", "America/Denver"),
        ("cdt", "America/Chicago"),
        ("ct", "America/Chicago"),
        ("edt", "America/New_York"),
        ("et", "America/New_York"),
        ("bst", "Europe/London"),
        ("cest", "Europe/Berlin"),
        ("eest", "Europe/Athens"),
        ("msk", "Europe/Moscow"),
        ("ist", "Asia/Kolkata"),
        ("jst", "Asia/Tokyo"),
        ("aest", "Australia/Sydney"),
        ("z", "UTC"),
    ];
    let typed = text.trim();
    let names = Zone::names();
    let lower = typed.to_lowercase();
    if let Some((_, zone)) = ABBREVIATIONS.iter().find(|(short, _)| *short == lower) {
        return format!("did you mean `{zone}`?");
    }
    // The city alone is what people remember: `Berlin`, `new york`.
    let city = lower.rsplit('/').next().unwrap_or_default().replace(' ', "_");
    let by_city = names
        .iter()
        .find(|name| name.rsplit_once('/').is_some_and(|(_, known)| known.to_lowercase() == city));
    match by_city {
        Some(name) => format!("did you mean `{name}`?"),
        None => did_you_mean(typed, names.iter().map(String::as_str)).unwrap_or_else(|| {
            "zones have IANA names such as `Europe/Rome`, `America/New_York` or `UTC`".to_owned()
        }),
    }
}
