//! Problems as annotations of a GitHub workflow: `::error file=…,line=…::message`, a command of its runner.

use std::fmt::Write;

use crate::problem::ProblemEntry;

/// Whether this command runs in a workflow, whose runner shows annotations beside the code.
pub(crate) fn is_wanted() -> bool {
    std::env::var_os("GITHUB_ACTIONS").is_some_and(|value| value == "true")
}

/// One line. Columns go from 1 as the runner counts them; it ignores them where a problem has several lines.
pub(crate) fn annotation(problem: &ProblemEntry) -> String {
    let (command, properties, message) = match problem {
        ProblemEntry::Definition(problem) => {
            let mut properties = format!("file={}", property(&problem.file));
            let places = [
                ("line", problem.line),
                ("col", problem.column),
                ("endLine", problem.end_line),
                ("endColumn", problem.end_column),
            ];
            for (name, place) in places {
                write!(properties, ",{name}={place}").expect("text can be written");
            }
            write!(properties, ",title={}", property(problem.code)).expect("text can be written");
            (problem.severity, properties, &problem.message)
        }
        ProblemEntry::Elsewhere(problem) => {
            let file = problem.file.as_deref().map(|file| format!("file={}", property(file)));
            ("error", file.unwrap_or_default(), &problem.message)
        }
    };
    let space = if properties.is_empty() { "" } else { " " };
    format!("::{command}{space}{properties}::{}", data(message))
}

/// What would end the line, and the escape itself.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// In a property also what ends properties.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use catena_spec::dto::ProblemDto;

    use super::*;
    use crate::exit::{Code, Failure};

    fn check(severity: &'static str, file: &str, message: &str, expected: &str) {
        let problem = ProblemDto {
            code: "C0201",
            severity,
            message: message.to_owned(),
            file: file.to_owned(),
            line: 3,
            column: 5,
            end_line: 4,
            end_column: 9,
            help: None,
        };
        assert_eq!(annotation(&ProblemEntry::Definition(problem)), expected);
    }

    fn check_elsewhere(file: Option<&str>, message: &str, expected: &str) {
        let entries = ProblemEntry::of_failure(&Failure::new(Code::NotFound, message), file);
        assert_eq!(entries.iter().map(annotation).collect::<Vec<_>>(), [expected]);
    }

    #[test]
    fn a_problem_is_a_line_with_its_place() {
        let place = "file=a.yaml,line=3,col=5,endLine=4,endColumn=9,title=C0201";
        check("error", "a.yaml", "no key `x`", &format!("::error {place}::no key `x`"));
        check("warning", "a.yaml", "no key `x`", &format!("::warning {place}::no key `x`"));
        check_elsewhere(Some("a.yaml"), "cannot read it", "::error file=a.yaml::cannot read it");
        check_elsewhere(None, "no store", "::error::no store");
    }

    #[test]
    fn what_means_something_to_the_runner_is_escaped() {
        let place = "file=50%25%2Ca%3Ab%0D%0A.yaml,line=3,col=5,endLine=4,endColumn=9,title=C0201";
        check("error", "50%,a:b\r\n.yaml", "%0A,:\r\n::b", &format!("::error {place}::%250A,:%0D%0A::b"));
        check_elsewhere(Some("a,b.yaml"), "x:\n50%", "::error file=a%2Cb.yaml::x:%0A50%25");
    }
}
