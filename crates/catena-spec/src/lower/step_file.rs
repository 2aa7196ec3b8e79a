//! `file` steps: the file is read, its bytes go with the version, and its name or first line says what runs it.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use catena_core::chain::{CodeLanguage, FileStep, Interpreter, Work};

use super::code::language_of;
use super::context::Context;
use super::outline::StepOutline;
use super::process::split_words;
use crate::code::Code;
use crate::files::StepFile;
use crate::limits;
use crate::node::Node;
use crate::problem::Problem;

impl Context<'_> {
    pub(crate) fn file<B>(&mut self, node: &Node, step: &StepOutline<'_>) -> Option<Work<B>> {
        let language = self.full_text(node).and_then(|text| language_of(Path::new(&text)));
        // Who names an interpreter wants the file to be read by it and by nobody else.
        if let Some(language) = language.filter(|_| step.get("interpreter").is_none()) {
            return self.file_of_code(language, node, step);
        }
        self.idle_parameters(step, "a script file");
        let file = self.step_file(node, step);
        let process = self.process(step);
        Some(Work::File { file: file?, process: process? })
    }

    fn file_of_code<B>(
        &mut self,
        language: CodeLanguage,
        node: &Node,
        step: &StepOutline<'_>,
    ) -> Option<Work<B>> {
        let text = self.full_text(node)?;
        let path = self.files.folder().unwrap_or(Path::new("")).join(&text);
        let Some(()) = self.load(&path, &text, node) else {
            self.process(step);
            return None;
        };
        let file = self.step_files[&path].clone();
        self.code_file(language, (file.path, file.digest), &file.bytes, step)
    }

    fn step_file(&mut self, node: &Node, step: &StepOutline<'_>) -> Option<FileStep> {
        let named = self.interpreter(step);
        let text = self.full_text(node)?;
        let path = self.files.folder().unwrap_or(Path::new("")).join(&text);
        self.load(&path, &text, node)?;
        let file = &self.step_files[&path];
        let interpreter = named?.or_else(|| interpreter_of(&path, &file.bytes));
        let (path, digest) = (file.path.clone(), file.digest.clone());
        if interpreter.is_none() {
            self.no_interpreter(&text, node);
        }
        Some(FileStep { path, digest, interpreter: interpreter? })
    }

    /// Reads a file once, however many steps run it.
    fn load(&mut self, path: &PathBuf, text: &str, node: &Node) -> Option<()> {
        if self.step_files.contains_key(path) {
            return Some(());
        }
        let bytes = match self.files.read(path, limits::MAX_FILE_BYTES) {
            Ok(bytes) if bytes.len() > limits::MAX_FILE_BYTES => {
                let message = format!("`{text}` is larger than {} MiB", limits::MAX_FILE_BYTES >> 20);
                let help = "a version stores its step files; keep large data outside and read it in the step";
                self.add(Problem::new(Code::FileTooLarge, node.span, message).help(help));
                return None;
            }
            Ok(bytes) => bytes,
            Err(error) => {
                self.unreadable(&error, path, text, node);
                return None;
            }
        };
        self.step_files.insert(path.clone(), StepFile::new(path.to_string_lossy().into_owned(), bytes));
        Some(())
    }

    fn unreadable(&mut self, error: &std::io::Error, path: &Path, text: &str, node: &Node) {
        let problem = if error.kind() == ErrorKind::NotFound {
            let help = match path.parent().filter(|_| self.files.folder().is_some()) {
                _ if text.contains('{') => "`file` is constant: it takes no expressions".to_owned(),
                Some(folder) => {
                    format!("paths start at the definition's folder; looked in {}", folder.display())
                }
                None => "this definition lies in no folder, so it can have no step files".to_owned(),
            };
            Problem::new(Code::FileNotFound, node.span, format!("there is no file `{text}`")).help(help)
        } else {
            Problem::new(Code::FileUnreadable, node.span, format!("cannot read `{text}`: {error}"))
                .help("check that it is a file and that you may read it")
        };
        self.add(problem);
    }

    fn no_interpreter(&mut self, text: &str, node: &Node) {
        let message = format!("nothing says what runs `{text}`");
        let help = "name it `.py` or `.sh`, begin it with a line like `#!/bin/bash`, or add `interpreter: …` to the step";
        self.add(Problem::new(Code::UnknownFileType, node.span, message).help(help));
    }
}

/// A file of a language that has a driver does not come here, whatever its first line says: that line names the
/// interpreter of the machine it was written on.
fn interpreter_of(path: &Path, bytes: &[u8]) -> Option<Interpreter> {
    let extension = path.extension().and_then(|extension| extension.to_str());
    match extension {
        Some("sh") => Some(first_line(bytes).unwrap_or_else(|| interpreter(&["/bin/sh"]))),
        _ => first_line(bytes),
    }
}

fn interpreter(words: &[&str]) -> Interpreter {
    Interpreter(words.iter().map(|word| (*word).to_owned()).collect())
}

/// The program of a `#!` line. `env` is no interpreter but the way to one, so it is left out.
fn first_line(bytes: &[u8]) -> Option<Interpreter> {
    let line = bytes.strip_prefix(b"#!")?.split(|byte| *byte == b'\n').next()?;
    let mut words = split_words(std::str::from_utf8(line).ok()?);
    if words.first().is_some_and(|program| program.ends_with("/env")) {
        words.remove(0);
        words.retain(|word| word != "-S");
    }
    (!words.is_empty()).then_some(Interpreter(words))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, bytes: &str, expected: &[&str]) {
        let found = interpreter_of(Path::new(path), bytes.as_bytes()).map_or(Vec::new(), |found| found.0);
        assert_eq!(found, expected, "{path} with {bytes:?}");
    }

    #[test]
    fn name_and_first_line_say_what_runs_a_file() {
        check("a.sh", "echo", &["/bin/sh"]);
        check("a.sh", "#!/bin/bash -eu\necho", &["/bin/bash", "-eu"]);
        check("tool", "#!/usr/bin/env -S perl -w\r\n", &["perl", "-w"]);
        check("tool", "#!", &[]);
        check("a.txt", "hello", &[]);
    }
}
