//! The program's own log, on stderr: what `CATENA_LOG` asks for, and without it the few warnings that are for everybody.

use std::fmt;

use tracing::{Event, Subscriber};
use tracing_subscriber::{
    EnvFilter,
    fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter, format::Writer},
    registry::LookupSpan,
};

use crate::exit::{Code, Failure};

pub(crate) const VARIABLE: &str = "CATENA_LOG";
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// What `CATENA_LOG` says; an empty one says nothing.
pub(crate) fn asked() -> Option<String> {
    let value = std::env::var_os(VARIABLE).filter(|value| !value.is_empty())?;
    Some(value.to_string_lossy().into_owned())
}

/// Begins to log. Nothing is written unless something is asked for, or wrong.
pub(crate) fn start() -> Result<(), Failure> {
    let asked = asked();
    let filter = filter(asked.as_deref()).map_err(|problem| {
        Failure::new(Code::Usage, format!("{VARIABLE}: {problem}"))
            .next(format!("{VARIABLE}=info, or {VARIABLE}=catena_engine=debug,catena_store=info"))
    })?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(Above);
    // A second start of the log would be a test's; the first goes on.
    let _started = match asked {
        Some(_) => builder.with_ansi(false).try_init(),
        None => builder.event_format(Warnings).try_init(),
    };
    Ok(())
}

/// The filter of a text such as `info` or `catena_engine=debug,info`.
pub(crate) fn filter(asked: Option<&str>) -> Result<EnvFilter, String> {
    let Some(asked) = asked else { return Ok(slow_commits(EnvFilter::new("off"))) };
    let parts: Vec<&str> = asked.split(',').map(str::trim).filter(|part| !part.is_empty()).collect();
    parts.iter().try_for_each(|part| check_part(part))?;
    let filter =
        EnvFilter::try_new(parts.join(",")).map_err(|error| format!("`{asked}` is no filter: {error}"))?;
    Ok(if asked.trim() == "off" { filter } else { slow_commits(filter) })
}

fn slow_commits(filter: EnvFilter) -> EnvFilter {
    let directive = format!("{}=warn", catena_store::SLOW_COMMITS);
    filter.add_directive(directive.parse().expect("a target and a level are a directive"))
}

/// A word that is no level would be taken for a part of the program that says nothing.
fn check_part(part: &str) -> Result<(), String> {
    let (target, level) = match part.split_once('=') {
        Some((target, level)) => (Some(target), Some(level)),
        None if LEVELS.contains(&part.to_ascii_lowercase().as_str()) => (None, Some(part)),
        None => (Some(part), None),
    };
    if let Some(level) = level.filter(|level| !LEVELS.contains(&level.to_ascii_lowercase().as_str())) {
        return Err(format!("`{level}` is no level; there are {}", LEVELS.join(", ")));
    }
    match target.filter(|target| !target.starts_with("catena")) {
        Some(target) if level.is_none() => {
            Err(format!("`{target}` is neither a level ({}) nor a part of Catena", LEVELS.join(", ")))
        }
        Some(target) => Err(format!(
            "`{target}` is no part of Catena; there are catena_engine, catena_store, catena_runners"
        )),
        None => Ok(()),
    }
}

/// Writes lines above what is shown live.
struct Above;

impl<'a> MakeWriter<'a> for Above {
    type Writer = Lines;

    fn make_writer(&'a self) -> Lines {
        Lines
    }
}

struct Lines;

impl std::io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        // One write is one event; what a step or a path has put into it moves no cursor.
        let text = String::from_utf8_lossy(bytes);
        for line in text.trim_end().lines() {
            talk!("{}", crate::view::clean(line));
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// How warnings look to somebody who asked for no log.
struct Warnings;

impl<S, N> FormatEvent<S, N> for Warnings
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        writer.write_str("warning: ")?;
        context.format_fields(writer.by_ref(), event)?;
        writeln!(writer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_that_would_show_nothing_by_mistake_is_refused() {
        let check = |text: &str, problem: &str| match filter(Some(text)) {
            Ok(_) => assert_eq!(problem, "", "{text}"),
            Err(why) => assert!(!problem.is_empty() && why.contains(problem), "{text}: {why}"),
        };
        check("info", "");
        check("DEBUG", "");
        check("catena_engine=debug, catena_store=trace,warn", "");
        check("catena_engine::host=info", "");
        check("off", "");
        check("inof", "`inof` is neither a level (off, error,");
        check("engine=debug", "`engine` is no part of Catena");
        check("catena_engine=loud", "`loud` is no level");
        check("catena_engine=", "`` is no level");
        check("info,=", "no level");
    }
}
