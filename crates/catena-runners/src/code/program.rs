//! Which program runs code, and whether it is there: a look along the search path, no process.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    fmt,
    path::Path,
};

use catena_core::{
    Chain,
    chain::{CodeLanguage, CodeStep, Interpreter, Process, Step, Work},
    template::Template,
};
use rustix::fs::{Access, access};

/// Where programs are looked for when the environment has no `PATH`, as the helper does it.
const PATH_DEFAULT: &str = "/usr/local/bin:/usr/bin:/bin";

/// How the process of a step finds programs.
#[derive(Clone, Copy)]
pub(crate) struct Search<'a> {
    pub(crate) path: Option<&'a OsStr>,
    pub(crate) cwd: &'a Path,
}

impl Search<'_> {
    /// The program that runs the code, with its arguments. Where none is there, the first that was looked for.
    pub(crate) fn interpreter(&self, code: &CodeStep) -> Vec<String> {
        if let Some(Interpreter(words)) = code.interpreter.as_ref().filter(|words| !words.0.is_empty()) {
            return words.clone();
        }
        let names = programs(code.language);
        let found = names.iter().find(|name| self.has(name)).unwrap_or(&names[0]);
        vec![(*found).to_owned()]
    }

    /// What a relative path says may be made by an earlier step.
    fn missing(&self, code: &CodeStep) -> Option<String> {
        let program = self.interpreter(code).swap_remove(0);
        let may_come = program.contains('/') && !program.starts_with('/');
        (!may_come && !self.has(&program)).then_some(program)
    }

    fn has(&self, program: &str) -> bool {
        let is_program = |path: &Path| path.is_file() && access(path, Access::EXEC_OK).is_ok();
        if program.contains('/') {
            return is_program(&self.cwd.join(program));
        }
        std::env::split_paths(self.path.unwrap_or(OsStr::new(PATH_DEFAULT)))
            .any(|folder| is_program(&self.cwd.join(folder).join(program)))
    }
}

fn programs(language: CodeLanguage) -> &'static [&'static str] {
    match language {
        CodeLanguage::Python => &["python3", "python"],
        CodeLanguage::JavaScript => &["node"],
    }
}

/// A program that steps of a chain need and that is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProgramMissing {
    pub program: String,
    pub language: CodeLanguage,
    /// The id of the first step that needs it, and how many more do.
    pub step: String,
    pub others: usize,
}

impl std::error::Error for ProgramMissing {}

impl fmt::Display for ProgramMissing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { program, language, step, others } = self;
        let more = match others {
            0 => String::new(),
            1 => " and one more".to_owned(),
            n => format!(" and {n} more"),
        };
        let place = if program.contains('/') { "does not exist or cannot be run" } else { "is not in PATH" };
        let product = match language {
            CodeLanguage::Python => "Python 3.8 or later",
            CodeLanguage::JavaScript => "Node.js 18 or later",
        };
        write!(
            f,
            "`{program}`, which runs step `{step}`{more}, {place}: install {product}, put it in PATH, or name \
             another one with `interpreter:` in the step"
        )
    }
}

/// The interpreters that the code of a chain needs and that processes over `environment` would not find. What a step
/// names by a relative path may be made by an earlier step, so it is not looked for.
pub fn missing_programs(
    chain: &Chain,
    environment: &[(OsString, OsString)],
    root: &Path,
) -> Vec<ProgramMissing> {
    let mut missing: BTreeMap<String, ProgramMissing> = BTreeMap::new();
    // Ten thousand steps that run the same way are one look.
    let mut seen = BTreeMap::new();
    let inherited = environment.iter().rev().find(|(name, _)| name == "PATH").map(|(_, value)| value);
    for (_, step) in chain.steps() {
        let Work::Code { code, process } = &step.work else { continue };
        let own = own_path(chain, process);
        let words = code.interpreter.as_ref().map(|words| words.0.clone());
        let way = (code.language.as_str(), words, own.clone(), process.workdir.clone());
        let program = seen.entry(way).or_insert_with(|| {
            let path = own.as_deref().map(OsStr::new).or(inherited.map(OsString::as_os_str));
            let cwd = chain.workdir.as_deref().map_or(root, Path::new);
            let cwd = process.workdir.as_ref().map_or_else(|| cwd.to_owned(), |own| cwd.join(own));
            Search { path, cwd: &cwd }.missing(code)
        });
        if let Some(program) = program {
            note(&mut missing, program, code.language, step);
        }
    }
    missing.into_values().collect()
}

fn note(missing: &mut BTreeMap<String, ProgramMissing>, program: &str, language: CodeLanguage, step: &Step) {
    let first =
        || ProgramMissing { program: program.to_owned(), language, step: step.id.to_string(), others: 0 };
    missing.entry(program.to_owned()).and_modify(|known| known.others += 1).or_insert_with(first);
}

/// The `PATH` that chain or step set: constant, since it takes no data.
fn own_path(chain: &Chain, process: &Process) -> Option<String> {
    match process.env.get("PATH").or_else(|| chain.env.get("PATH"))? {
        Template::Const(value) => Some(value.to_text()),
        Template::Expr(_)
        | Template::Secret(_)
        | Template::Text(_)
        | Template::List(_)
        | Template::Map(_) => None,
    }
}
