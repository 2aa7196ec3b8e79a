//! The block at the bottom of the terminal: a model, a size and a moment in, rows out. Never higher or wider than it may
//! be, and one column narrower than the terminal, so that no row ever wraps.

use catena_core::Timestamp;
use jiff::tz::TimeZone;

use super::{
    list::List,
    model::{Course, Doing, Model, Row},
    text::{Line, Style, keep_end, width},
};

/// Rows of the block at most: it is a look at what runs, the finished lines above it are the record.
const BLOCK_MAX_ROWS: usize = 12;
/// A wait that is longer is told by its end rather than by its length.
const COUNTDOWN_MAX_US: u64 = 3_600_000_000;
/// Where less room is left, no line of a log is shown.
const LOG_MIN_COLUMNS: usize = 16;
const GAP: &str = "  ";
const SEPARATOR: &str = " · ";

/// A terminal's size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Size {
    pub(crate) columns: usize,
    pub(crate) rows: usize,
}

/// What a block is drawn for.
#[derive(Clone, Debug)]
pub(crate) struct Sight {
    pub(crate) size: Size,
    pub(crate) now: Timestamp,
    pub(crate) zone: TimeZone,
}

/// What there is to show below the lines that stay.
#[derive(Clone, Debug)]
pub(crate) enum Scene {
    Nothing,
    Execution(Box<Model>),
    List(List),
    /// Nothing runs; what comes next.
    Idle(String),
}

impl Scene {
    /// Whether it looks different a second later by itself.
    pub(super) fn moves(&self) -> bool {
        match self {
            Self::Nothing | Self::Idle(_) => false,
            Self::Execution(model) => model.moves(),
            Self::List(list) => list.moves(),
        }
    }

    /// The block, with a question at its foot if there is one.
    pub(super) fn block(&self, question: &[String], sight: &Sight) -> Vec<Line> {
        // A row stays free: what has been said last is seen also in the lowest terminal.
        let rows = sight.size.rows.saturating_sub(1).min(self.rows_max());
        let asked = question_lines(question, sight.columns());
        let left = rows.saturating_sub(asked.len());
        let mut lines = match self {
            Self::Nothing => Vec::new(),
            Self::Execution(model) => execution(model, left, sight),
            Self::List(list) => list.lines(left, sight),
            Self::Idle(text) => vec![Line::default().with(Style::Dim, text)],
        };
        lines.truncate(left);
        lines.extend(asked);
        lines.truncate(rows);
        lines.into_iter().map(|line| line.cut(sight.columns())).collect()
    }

    fn rows_max(&self) -> usize {
        match self {
            Self::List(_) => usize::MAX,
            Self::Nothing | Self::Execution(_) | Self::Idle(_) => BLOCK_MAX_ROWS,
        }
    }
}

impl Sight {
    fn columns(&self) -> usize {
        self.size.columns.saturating_sub(1)
    }
}

/// The parts of a question, as many on a row as fit.
fn question_lines(parts: &[String], columns: usize) -> Vec<Line> {
    let mut rows: Vec<String> = Vec::new();
    for part in parts {
        match rows.last_mut() {
            Some(row) if width(row) + width(SEPARATOR) + width(part) <= columns => {
                row.push_str(SEPARATOR);
                row.push_str(part);
            }
            Some(_) | None => rows.push(part.clone()),
        }
    }
    rows.iter().map(|row| Line::default().with(Style::Strong, row)).collect()
}

/// How many visits of an execution get a row, and how many more there are.
fn split(count: usize, room: usize) -> (usize, usize) {
    match count <= room {
        true => (count, 0),
        false => (room.saturating_sub(1), count - room.saturating_sub(1)),
    }
}

fn execution(model: &Model, rows: usize, sight: &Sight) -> Vec<Line> {
    let extra = usize::from(model.note.is_some());
    let (shown, more) = split(model.rows.len(), rows.saturating_sub(1 + extra));
    let sorted = model.sorted();
    let shown: Vec<&Row> = sorted.iter().take(shown).map(|(_, row)| *row).collect();
    // Addresses share a column of their own, in a narrow terminal a cut one.
    let room = (sight.columns() / 2).max(8);
    let wide = shown.iter().map(|row| width(&row.address)).max().unwrap_or(0).min(room);
    let mut lines: Vec<Line> = shown.iter().map(|row| row_line(row, wide, sight)).collect();
    if more > 0 && rows > 1 + extra {
        lines.push(Line::default().with(Style::Dim, &format!("  … and {more} more")));
    }
    lines.extend(model.note.iter().map(|note| Line::default().with(Style::Dim, &format!("  {note}"))));
    lines.push(status_line(model, sight));
    lines
}

fn row_line(row: &Row, wide: usize, sight: &Sight) -> Line {
    let address = keep_end(&row.address, wide);
    let line = Line::plain("  ").with(Style::Plain, &address).padded(2 + wide).with(Style::Plain, GAP);
    let line = match row.doing {
        Doing::Running { since } => {
            let took = elapsed(since, sight.now);
            let line = line.with(Style::Plain, &format!("{took:>6}"));
            match row.attempt {
                0 | 1 => line,
                attempt => line.with(Style::Plain, &format!("{GAP}attempt {attempt}{}", of_max(row))),
            }
        }
        Doing::Retrying { until } => {
            let next = row.attempt + 1;
            line.with(Style::Plain, &format!("attempt {next}{} {}", of_max(row), when(until, sight)))
        }
        Doing::Waiting { until } => line.with(Style::Plain, &format!("goes on {}", when(until, sight))),
        Doing::InDoubt => line.with(Style::Strong, "in doubt, a person has to answer"),
        Doing::Asking => line.with(Style::Strong, "waits for an answer or a signal"),
        Doing::Quarantined => line.with(Style::Strong, "quarantined, a person has to answer"),
    };
    let left = sight.columns().saturating_sub(line.width() + GAP.len());
    match row.log.is_empty() || left < LOG_MIN_COLUMNS {
        true => line,
        false => line.with(Style::Plain, GAP).with(Style::Dim, &row.log).cut(sight.columns()),
    }
}

fn of_max(row: &Row) -> String {
    if row.attempts_max > 1 { format!(" of {}", row.attempts_max) } else { String::new() }
}

fn status_line(model: &Model, sight: &Sight) -> Line {
    let word = match model.course {
        Course::Forward | Course::Ended => "",
        Course::Cancelling => ", cancelling",
        Course::Undoing => ", taking back",
    };
    let took = model.since.filter(|_| model.moves()).map(|since| elapsed(since, sight.now));
    let mut line = Line::default()
        .with(Style::Strong, &format!("{}/{} steps", model.ended, model.known()))
        .with(Style::Plain, word);
    if model.failed > 0 {
        line = line.with(Style::Plain, ", ").with(Style::Bad, &format!("{} failed", model.failed));
    }
    for (count, words) in [(model.running(), "running"), (model.queued.len(), "waiting for a slot")] {
        if count > 0 {
            line = line.with(Style::Plain, &format!(", {count} {words}"));
        }
    }
    let took = took.map(|took| format!("{GAP}{took}")).unwrap_or_default();
    line.with(Style::Dim, &format!("{took}{GAP}execution {}", model.execution))
}

/// When something comes: soon, at a time of this day, or on another day.
fn when(until: Timestamp, sight: &Sight) -> String {
    let left = until.micros_since(sight.now);
    if left <= COUNTDOWN_MAX_US {
        // Rounded up: what is due has come.
        return format!("in {}", seconds(left.div_ceil(1_000_000)));
    }
    let local = |at: Timestamp| {
        let at = jiff::Timestamp::from_microsecond(at.0).ok()?;
        Some(at.to_zoned(sight.zone.clone()))
    };
    match (local(until), local(sight.now)) {
        (Some(until), Some(now)) if until.date() == now.date() => {
            format!("at {}", until.strftime("%H:%M:%S"))
        }
        (Some(until), _) => format!("at {}", until.strftime("%Y-%m-%d %H:%M:%S")),
        (None, _) => "later".to_owned(),
    }
}

/// How long something has been going on, in whole seconds: it is looked at once a second.
pub(super) fn elapsed(since: Timestamp, now: Timestamp) -> String {
    seconds(now.micros_since(since) / 1_000_000)
}

fn seconds(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3_600 => format!("{}m {:02}s", seconds / 60, seconds % 60),
        3_600..86_400 => format!("{}h {:02}m", seconds / 3_600, seconds / 60 % 60),
        _ => format!("{}d {:02}h", seconds / 86_400, seconds / 3_600 % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::text::Colour;

    const SECOND: i64 = 1_000_000;

    fn row(address: &str, doing: Doing, log: &str) -> Row {
        Row { address: address.to_owned(), attempt: 1, attempts_max: 1, doing, log: log.to_owned() }
    }

    fn running(address: &str, since_s: i64, log: &str) -> Row {
        row(address, Doing::Running { since: Timestamp(since_s * SECOND) }, log)
    }

    /// The block as text, which fits.
    fn block(model: &Model, question: &[&str], rows: usize, columns: usize) -> String {
        let size = Size { columns, rows };
        let sight = Sight { size, now: Timestamp(75 * SECOND), zone: TimeZone::UTC };
        let question: Vec<String> = question.iter().map(ToString::to_string).collect();
        let lines = Scene::Execution(Box::new(model.clone())).block(&question, &sight);
        assert!(lines.len() < rows.max(1) && lines.len() <= BLOCK_MAX_ROWS);
        assert!(lines.iter().all(|line| line.width() < columns.max(1)));
        lines.iter().map(|line| line.render(Colour::Off) + "\n").collect()
    }

    fn mixed() -> Model {
        let retry = |until_s: i64| Row {
            attempt: 2,
            attempts_max: 5,
            ..row("fetch", Doing::Retrying { until: Timestamp(until_s * SECOND) }, "")
        };
        let again = Row { attempt: 3, attempts_max: 3, ..running("each[17]/charge~2", 70, "") };
        let loud =
            running("build", 5, "\u{1b}[32mCompiling\u{1b}[0m catena-core v0.1.0 with many words after it");
        let in_doubt = row("pay", Doing::InDoubt, "");
        let mut model = Model::sample(vec![loud, retry(80), retry(90_000), again, in_doubt], 3, 4);
        model.failed = 2;
        model
    }

    #[test]
    fn what_waits_for_a_person_stands_first_and_logs_fill_the_rest() {
        insta::assert_snapshot!(block(&mixed(), &[], 24, 80), @"
          pay                in doubt, a person has to answer
          build              1m 10s  Compiling catena-core v0.1.0 with many words afte…
          each[17]/charge~2      5s  attempt 3 of 3
          fetch              attempt 3 of 5 in 5s
          fetch              attempt 3 of 5 at 1970-01-02 01:00:00
        12/24 steps, 2 failed, 2 running, 3 waiting for a slot  1m 15s  execution 7
        ");
        insta::assert_snapshot!(block(&mixed(), &[], 24, 40), @"
          pay                in doubt, a perso…
          build              1m 10s
          each[17]/charge~2      5s  attempt 3…
          fetch              attempt 3 of 5 in…
          fetch              attempt 3 of 5 at…
        12/24 steps, 2 failed, 2 running, 3 wa…
        ");
    }

    #[test]
    fn two_hundred_rows_never_exceed_the_height() {
        let rows = (0..200).map(|n| running(&format!("each[{n}]/work"), n % 75, "")).collect();
        let model = Model::sample(rows, 0, 0);
        insta::assert_snapshot!(block(&model, &[], 24, 80), @"
          each[0]/work    1m 15s
          each[75]/work   1m 15s
          each[150]/work  1m 15s
          each[1]/work    1m 14s
          each[76]/work   1m 14s
          each[151]/work  1m 14s
          each[2]/work    1m 13s
          each[77]/work   1m 13s
          each[152]/work  1m 13s
          each[3]/work    1m 12s
          … and 190 more
        12/212 steps, 200 running  1m 15s  execution 7
        ");
        insta::assert_snapshot!(block(&model, &["Ctrl-C or c: cancel", "d: leave it", "Enter: go on"], 6, 40), @"
          each[0]/work  1m 15s
          … and 199 more
        12/212 steps, 200 running  1m 15s  exe…
        Ctrl-C or c: cancel · d: leave it
        Enter: go on
        ");
        for rows in 0..30 {
            for columns in [0, 1, 2, 5, 17, 40, 300] {
                block(&model, &["c: cancel", "d: leave"], rows, columns);
                block(&mixed(), &[], rows, columns);
            }
        }
    }

    #[test]
    fn times_are_told_as_people_tell_them() {
        let sight = Sight {
            size: Size { columns: 80, rows: 24 },
            now: Timestamp(3_600 * SECOND),
            zone: TimeZone::UTC,
        };
        let check = |until_s: i64, words: &str| assert_eq!(when(Timestamp(until_s * SECOND), &sight), words);
        check(3_600, "in 0s");
        check(0, "in 0s");
        check(3_601, "in 1s");
        check(3_700, "in 1m 40s");
        check(7_200, "in 1h 00m");
        check(7_201, "at 02:00:01");
        check(90_000, "at 1970-01-02 01:00:00");
        assert_eq!(elapsed(Timestamp(0), sight.now), "1h 00m");
        assert_eq!(elapsed(Timestamp(3_599 * SECOND), Timestamp(90_000 * SECOND)), "1d 00h");
        // Clocks can be set back.
        assert_eq!(elapsed(Timestamp(9_999 * SECOND), sight.now), "0s");
    }
}
