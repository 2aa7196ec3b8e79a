//! The kinds that hold code: `python`, `javascript`, `code` with its `language`, and files in these languages. The text
//! is constant; what it names of the chain is told by parsing, so that nobody pays for what it does not name.

use std::path::Path;

use base64::Engine as _;
use catena_core::chain::{CodeLanguage, CodeSource, CodeStep, Work};
use catena_core::template::Template;

use super::context::Context;
use super::outline::StepOutline;
use super::process::lift;
use super::script_argument::Reads;
use crate::code::Code;
use crate::code_facts::{Facts, facts};
use crate::names::is_blank;
use crate::node::Node;
use crate::problem::Problem;

/// What is shorter and does not decode is a word of a program: `pass`.
const BASE64_MIN_CHARS: usize = 8;

impl Context<'_> {
    /// `python` and `javascript`: the text as it stands.
    pub(crate) fn code_text<B>(
        &mut self,
        language: CodeLanguage,
        node: &Node,
        step: &StepOutline<'_>,
    ) -> Option<Work<B>> {
        let text = self.full_text(node);
        if let Some(text) = &text {
            let reads = match language {
                CodeLanguage::Python => Reads::Python,
                CodeLanguage::JavaScript => Reads::JavaScript,
            };
            self.check_script_where(text, node, reads, |at| is_in_plain_string(text, at));
        }
        self.code_step(language, text, step)
    }

    /// `code`: plain or in Base64, in the language beside it.
    pub(crate) fn code<B>(&mut self, node: &Node, step: &StepOutline<'_>) -> Option<Work<B>> {
        let text = self.full_text(node).and_then(|text| self.decoded(&text, node));
        let language = step.get("language").map(|entry| self.text(&entry.value));
        match lift(language)?.map(|word| word.to_lowercase()).as_deref() {
            None | Some("python") => self.code_step(CodeLanguage::Python, text, step),
            Some("javascript") => self.code_step(CodeLanguage::JavaScript, text, step),
            Some("shell") => self.shell_code(text, node, step),
            // The structure check has said so.
            Some(_) => None,
        }
    }

    fn shell_code<B>(
        &mut self,
        text: Option<String>,
        node: &Node,
        step: &StepOutline<'_>,
    ) -> Option<Work<B>> {
        // In Base64 nothing can be taken for a template.
        let is_plain = text.is_some() && text == self.full_text(node);
        if let Some(text) = text.as_deref().filter(|_| is_plain) {
            self.check_script(text, node, Reads::Shell);
        }
        self.idle_parameters(step, "shell text");
        let interpreter = self.interpreter(step);
        let process = self.process(step);
        Some(Work::Shell { script: text?, interpreter: interpreter?, process: process? })
    }

    fn code_step<B>(
        &mut self,
        language: CodeLanguage,
        text: Option<String>,
        step: &StepOutline<'_>,
    ) -> Option<Work<B>> {
        let facts = text.as_deref().map(|text| facts(language, text)).unwrap_or_default();
        self.finish_code(language, text.map(CodeSource::Text), facts, step)
    }

    /// A file in one of the languages, whose bytes go with the version.
    pub(crate) fn code_file<B>(
        &mut self,
        language: CodeLanguage,
        (path, digest): (String, String),
        bytes: &[u8],
        step: &StepOutline<'_>,
    ) -> Option<Work<B>> {
        let facts = facts(language, &String::from_utf8_lossy(bytes));
        self.finish_code(language, Some(CodeSource::File { path, digest }), facts, step)
    }

    fn finish_code<B>(
        &mut self,
        language: CodeLanguage,
        source: Option<CodeSource>,
        facts: Facts,
        step: &StepOutline<'_>,
    ) -> Option<Work<B>> {
        let interpreter = self.interpreter(step);
        let parameters = self.parameters(step);
        let process = self.process(step);
        let mut process = process?;
        process.context |= facts.names_context;
        let code = CodeStep {
            language,
            source: source?,
            interpreter: interpreter?,
            parameters: lift(parameters)?,
            calls_entry: facts.calls_entry && language == CodeLanguage::JavaScript,
        };
        Some(Work::Code { code, process })
    }

    /// Data by name. A secret goes by `env`: what is given here stands in the journal.
    fn parameters(&mut self, step: &StepOutline<'_>) -> Option<Option<Template>> {
        step.get("parameters").map(|entry| self.template(&entry.value))
    }

    pub(crate) fn idle_parameters(&mut self, step: &StepOutline<'_>, what: &str) {
        let Some(entry) = step.get("parameters") else { return };
        // What stands in it is checked all the same.
        self.template(&entry.value);
        let problem =
            Problem::new(Code::IdleKey, entry.key.span, format!("`parameters` does nothing for {what}"));
        self.add(problem.label("does nothing").help("give the data by `env` or `stdin`"));
    }

    fn decoded(&mut self, text: &str, node: &Node) -> Option<String> {
        match decode(text) {
            Decoded::Plain => Some(text.to_owned()),
            Decoded::Text(text) if is_blank(&text) => {
                let problem = Problem::new(Code::EmptyValue, node.span, "the code is empty");
                self.add(problem.help("write the code, or its Base64"));
                None
            }
            Decoded::Text(text) => Some(text),
            Decoded::Broken(why) => {
                let message = format!("this looks like Base64 and {why}");
                let problem = Problem::new(Code::BadBase64, node.span, message);
                self.add(
                    problem.help("encode the whole file, as `base64 FILE` does, or write the code itself"),
                );
                None
            }
        }
    }
}

/// Whether a brace stands in a string that has no expressions of its own. Anywhere else braces are the language's: a
/// set, a block, an f-string, what `.format` fills in. Strings over several lines are left alone.
fn is_in_plain_string(text: &str, at: usize) -> bool {
    let line = &text[text[..at].rfind('\n').map_or(0, |end| end + 1)..at];
    let mut quote = None;
    let mut before = ' ';
    let mut letters = line.chars().peekable();
    while let Some(letter) = letters.next() {
        match quote {
            Some(_) if letter == '\\' => drop(letters.next()),
            Some((open, _)) if letter == open => quote = None,
            Some(_) => {}
            None if letter == '#' || (letter == '/' && letters.peek() == Some(&'/')) => return false,
            None if matches!(letter, '"' | '\'' | '`') => {
                quote = Some((letter, matches!(before, 'f' | 'F' | 't' | 'T')));
            }
            None => {}
        }
        before = letter;
    }
    let Some((open, false)) = quote else { return false };
    let behind = text[at..].split('\n').next().unwrap_or_default();
    let after = behind.split_once(open).map_or("", |(_, after)| after);
    !after.trim_start_matches(open).starts_with(".format")
}

/// The language that the name of a file says.
pub(crate) fn language_of(path: &Path) -> Option<CodeLanguage> {
    match path.extension()?.to_str()? {
        "py" => Some(CodeLanguage::Python),
        "js" | "mjs" | "cjs" => Some(CodeLanguage::JavaScript),
        _ => None,
    }
}

/// What a text that may be Base64 is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Decoded {
    /// No Base64.
    Plain,
    Text(String),
    Broken(&'static str),
}

/// Code has spaces, brackets or dots; what has none of them over its whole length is Base64.
pub(crate) fn decode(text: &str) -> Decoded {
    let lines: Vec<&str> = text.split(['\n', '\r']).map(str::trim).collect();
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte);
    if !lines.iter().all(|line| line.bytes().all(is_letter)) {
        return Decoded::Plain;
    }
    let letters = lines.concat();
    let broken = |why| if letters.len() < BASE64_MIN_CHARS { Decoded::Plain } else { Decoded::Broken(why) };
    match base64::engine::general_purpose::STANDARD.decode(&letters) {
        Err(_) => broken("does not decode"),
        Ok(bytes) => match String::from_utf8(bytes) {
            Ok(text) => Decoded::Text(text),
            Err(_) => broken("does not decode to UTF-8 text"),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &Decoded) {
        assert_eq!(&decode(text), expected, "{text:?}");
    }

    #[test]
    fn only_a_plain_string_could_mean_an_expression() {
        let cases = [
            (true, "print(\"{city}\")"),
            (true, "a = f'x' + '{city}'"),
            (true, "x = 1\nconsole.log(`in {city}`)"),
            (false, "print(f\"{city}\")"),
            (false, "print(rf'{d[\"a\"]} {city}')"),
            (false, "'{city}'.format(city=1)"),
            (false, "x = {city}"),
            (false, "const a = {city}"),
            (false, "# don't {city}"),
            (false, "// it's {city}"),
            (false, "'''\nin {city}\n'''"),
        ];
        for (expected, text) in cases {
            let at = text.find("{city}").unwrap();
            assert_eq!(is_in_plain_string(text, at), expected, "{text}");
        }
    }

    #[test]
    fn what_is_base64_is_told_from_code() {
        let text = |text: &str| Decoded::Text(text.to_owned());
        check("cHJpbnQoMSk=", &text("print(1)"));
        check("cHJp\n  bnQo\r\nMSk=\n", &text("print(1)"));
        check("eD0x", &text("x=1"));
        check("print(1)", &Decoded::Plain);
        check("pass", &Decoded::Plain);
        check("x = 1", &Decoded::Plain);
        check("cHJpbnQoMSk", &Decoded::Broken("does not decode"));
        check("cHJpbnQoMSk=cHJp", &Decoded::Broken("does not decode"));
        check("/////////////w==", &Decoded::Broken("does not decode to UTF-8 text"));
    }
}
