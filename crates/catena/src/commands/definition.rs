//! Reading a definition with its step files from disk.

use std::{
    io::Read,
    path::{Path, PathBuf},
};

use catena_core::schedule::Schedule;
use catena_spec::{Checked, Colour, Files, Source, dto::ProblemDto, render};
use catena_store::{StepFile, Version};

use crate::{
    exit::{Code, Failure},
    output,
    problem::ProblemEntry,
};

/// The longest definition that is read: beyond it the parser refuses anyway.
const DEFINITION_MAX_BYTES: u64 = 64 * 1024 * 1024;

/// Why a definition cannot be started.
pub(crate) enum Refusal {
    Wrong,
    /// It is sound; each thing that is asked for and not there yet, with its lines.
    NotYet(Vec<String>),
}

pub(crate) struct Definition {
    pub(crate) source: Source,
    pub(crate) checked: Checked,
}

impl Definition {
    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        let bytes = read_limited(path, DEFINITION_MAX_BYTES).map_err(|error| {
            unreadable(path, &error)
                .next("catena init, which writes a definition to begin with, or the path of yours")
        })?;
        Ok(Self::of(Source::from_bytes(path.display().to_string(), &bytes), path))
    }

    /// The chain of one step file: named after it, and what the step leaves is what it leaves.
    pub(crate) fn of_step_file(path: &Path) -> Result<Self, Failure> {
        let next = "catena run --file FILE, with the path of a step file";
        std::fs::File::open(path).map_err(|error| unreadable(path, &error).next(next))?;
        let text = |part: Option<&std::ffi::OsStr>| part.unwrap_or_default().to_string_lossy().into_owned();
        let definition = serde_json::json!({
            "name": text(path.file_stem()),
            "steps": [{"file": text(path.file_name()), "output_key": "output"}],
            "output": "{output}",
        });
        Ok(Self::of(Source::new(format!("chain of {}", path.display()), &definition.to_string()), path))
    }

    /// Relative paths in the definition start at the folder of `path`.
    fn of(source: Source, path: &Path) -> Self {
        let folder = std::path::absolute(path).ok().and_then(|path| path.parent().map(Path::to_owned));
        let checked = catena_spec::check(&source, &Disk { folder });
        Self { source, checked }
    }

    pub(crate) fn problems(&self) -> Vec<ProblemEntry> {
        let problems = self.checked.problems.iter();
        problems.map(|problem| ProblemEntry::Definition(ProblemDto::new(problem, &self.source))).collect()
    }

    /// When executions start by themselves, as the definition says.
    pub(crate) fn schedules(&self) -> &[Schedule] {
        self.checked.preview.as_ref().map(|preview| &*preview.schedules).unwrap_or_default()
    }

    /// Shows the problems as a person reads them.
    pub(crate) fn tell_problems(&self) {
        let colour = if output::stderr_colour() { Colour::On } else { Colour::Off };
        if !self.checked.problems.is_empty() {
            talk!("{}", render(&self.checked.problems, &self.source, colour).trim_end());
        }
        if self.checked.left_out > 0 {
            talk!("… and {} more", self.checked.left_out);
        }
    }

    /// Refuses a definition that is wrong, or that asks for what this version does not run yet.
    pub(crate) fn expect_startable(&self) -> Result<(), Refusal> {
        if self.checked.has_error() {
            return Err(Refusal::Wrong);
        }
        let mut missing: Vec<(&str, Vec<usize>)> = Vec::new();
        for problem in self.checked.not_yet() {
            let name = problem.message.split('`').nth(1).unwrap_or(&problem.message);
            let line = self.source.position(problem.span.start).line;
            match missing.iter_mut().find(|(other, _)| *other == name) {
                Some((_, lines)) if lines.contains(&line) => {}
                Some((_, lines)) => lines.push(line),
                None => missing.push((name, vec![line])),
            }
        }
        match missing.is_empty() {
            true => Ok(()),
            false => {
                Err(Refusal::NotYet(missing.iter().map(|(name, lines)| in_lines(name, lines)).collect()))
            }
        }
    }

    /// The version that this definition is, if it has no error.
    pub(crate) fn into_version(self) -> Option<Version> {
        let files = self.checked.files.into_iter().map(|file| StepFile::new(file.bytes)).collect();
        Some(Version::new(self.checked.chain?, self.source.text().to_owned(), files))
    }
}

fn in_lines(name: &str, lines: &[usize]) -> String {
    let texts: Vec<String> = lines.iter().map(usize::to_string).collect();
    match texts.split_last() {
        Some((line, [])) => format!("`{name}` in line {line}"),
        Some((last, before)) => format!("`{name}` in lines {} and {last}", before.join(", ")),
        None => format!("`{name}`"),
    }
}

struct Disk {
    folder: Option<PathBuf>,
}

impl Files for Disk {
    fn folder(&self) -> Option<&Path> {
        self.folder.as_deref()
    }

    fn read(&self, path: &Path, limit: usize) -> std::io::Result<Vec<u8>> {
        read_limited(path, limit as u64 + 1)
    }
}

/// A text that is read as definitions are.
pub(super) fn read_source(path: &Path, limit: u64) -> Result<Source, Failure> {
    let bytes = read_limited(path, limit)
        .map_err(|error| unreadable(path, &error).next("the path of a file that can be read"))?;
    Ok(Source::from_bytes(path.display().to_string(), &bytes))
}

fn read_limited(path: &Path, limit: u64) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    let code = match error.kind() {
        std::io::ErrorKind::NotFound => Code::NotFound,
        _ => Code::Environment,
    };
    Failure::new(code, format!("cannot read {}: {error}", path.display()))
}
