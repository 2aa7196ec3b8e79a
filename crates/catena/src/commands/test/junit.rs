//! The report that build servers read.

use std::{fmt::Write as _, path::Path};

use catena_spec::{Colour, render};

use super::{FileReport, Report};
use crate::exit::{Code, Failure};

pub(super) fn write(path: &Path, report: &Report) -> Result<(), Failure> {
    std::fs::write(path, text(report)).map_err(|error| {
        Failure::new(Code::Environment, format!("cannot write {}: {error}", path.display()))
            .next("--junit FILE, in a folder that can be written to")
    })
}

/// A suite for each file, a test for each case.
fn text(report: &Report) -> String {
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"catena\">\n");
    for file in &report.files {
        suite(&mut text, file);
    }
    text.push_str("</testsuites>\n");
    text
}

fn suite(text: &mut String, file: &FileReport) {
    let name = escaped(&file.path.display().to_string());
    let failures = file.cases.iter().filter(|case| !case.problems.is_empty()).count();
    let messages = file.refused.as_ref().map(Failure::messages).unwrap_or_default();
    let unread = usize::from(file.refused.is_some() || !file.problems.is_empty());
    let (tests, errors) = (file.cases.len() + unread, unread);
    line(
        text,
        &format!(
            "  <testsuite name=\"{name}\" tests=\"{tests}\" failures=\"{failures}\" errors=\"{errors}\">"
        ),
    );
    let shown = |problems: &[catena_spec::Problem]| {
        file.source.as_ref().map(|source| render(problems, source, Colour::Off)).unwrap_or_default()
    };
    if unread > 0 {
        let why = [messages.join("\n"), shown(&file.problems)].concat();
        line(text, &format!("    <testcase name=\"{name}\" classname=\"{name}\">"));
        line(
            text,
            &format!("      <error message=\"the file cannot be tested\">{}</error>", escaped(why.trim())),
        );
        line(text, "    </testcase>");
    }
    for case in &file.cases {
        let case_name = escaped(&case.name);
        if case.problems.is_empty() {
            line(text, &format!("    <testcase name=\"{case_name}\" classname=\"{name}\"/>"));
            continue;
        }
        let first = case.problems.first().map(|problem| escaped(&problem.message)).unwrap_or_default();
        let all = escaped(shown(&case.problems).trim_end());
        line(text, &format!("    <testcase name=\"{case_name}\" classname=\"{name}\">"));
        line(text, &format!("      <failure message=\"{first}\">{all}</failure>"));
        line(text, "    </testcase>");
    }
    line(text, "  </testsuite>");
}

fn line(text: &mut String, line: &str) {
    writeln!(text, "{line}").expect("a string takes everything");
}

/// Text for XML, without the characters that XML cannot say.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\n' | '\t' => escaped.push(c),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}
