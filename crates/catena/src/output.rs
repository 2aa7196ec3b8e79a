//! Writing for people and for programs: stdout is data, stderr is talk.

use std::{
    io::{IsTerminal, Write},
    path::Path,
};

use catena_core::Timestamp;

use crate::exit::{Code, Failure};

/// Writes a line of talk. Who no longer listens ends no chain: `eprintln!` would panic.
macro_rules! talk {
    ($($words:tt)*) => { $crate::output::tell(format_args!($($words)*)) };
}

/// What [`talk!`] does. It goes above what is shown live.
pub(crate) fn tell(words: std::fmt::Arguments<'_>) {
    if !crate::view::say(&words.to_string()) {
        let _nobody_listens = writeln!(std::io::stderr().lock(), "{words}");
    }
}

/// Writes a line of data; a reader that has gone ends the command quietly, as in any pipe.
pub(crate) fn line(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.write_all(b"\n")).map_err(unwritable)
}

pub(crate) fn raw(bytes: &[u8]) -> Result<(), Failure> {
    std::io::stdout().lock().write_all(bytes).map_err(unwritable)
}

fn unwritable(error: std::io::Error) -> Failure {
    if error.kind() == std::io::ErrorKind::BrokenPipe {
        return Failure::told(Code::Completed);
    }
    Failure::new(Code::Environment, format!("cannot write the output: {error}"))
        .next("look at where stdout goes")
}

/// Writes a JSON document, indented for a person at a terminal.
pub(crate) fn json(value: &impl serde::Serialize) -> Result<(), Failure> {
    let text = if std::io::stdout().is_terminal() {
        serde_json::to_string_pretty(value)
    } else {
        serde_json::to_string(value)
    };
    line(&text.expect("documents hold only what JSON can say"))
}

/// RFC 3339 in UTC.
pub(crate) fn rfc3339(at: Timestamp) -> String {
    jiff::Timestamp::from_microsecond(at.0).map_or_else(|_| at.0.to_string(), |at| format!("{at:.6}"))
}

/// Local time to the second, for tables.
pub(crate) fn local(at: Timestamp) -> String {
    match jiff::Timestamp::from_microsecond(at.0) {
        Ok(at) => at.to_zoned(jiff::tz::TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S").to_string(),
        Err(_) => "after the year 9999".to_owned(),
    }
}

/// How long something took, in the unit that fits.
pub(crate) fn duration(from: Timestamp, to: Timestamp) -> String {
    let us = to.micros_since(from);
    match us {
        0..1_000 => format!("{us} µs"),
        1_000..1_000_000 => format!("{} ms", us / 1_000),
        1_000_000..60_000_000 => format!("{:.1} s", us as f64 / 1e6),
        _ => format!("{}m {:02}s", us / 60_000_000, us / 1_000_000 % 60),
    }
}

/// Rows under their headings, each column as wide as its widest cell.
pub(crate) fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width =
        |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|c| c.chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    let mut text = String::new();
    for row in rows {
        let cells: Vec<String> =
            row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text
}

/// Whether stderr may have colour: `NO_COLOR` goes before `CLICOLOR_FORCE`, which goes before what stderr is.
pub(crate) fn stderr_colour() -> bool {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    if variable("NO_COLOR").is_some() {
        return false;
    }
    let is_forced = variable("CLICOLOR_FORCE").is_some_and(|value| value != "0");
    let is_dumb = variable("TERM").is_some_and(|value| value == "dumb");
    is_forced || std::io::stderr().is_terminal() && !is_dumb
}

/// A path as a person can paste it into a shell.
pub(crate) fn shell_word(path: &Path) -> String {
    let text = path.display().to_string();
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "_-./,:=@%+".contains(letter);
    match !text.is_empty() && text.chars().all(is_plain) {
        true => text,
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}
