//! Python and JavaScript: a driver, which is a program of this folder, runs the stored text of the step under the name
//! of the user's file, calls its entry function and leaves what that returns or raises.

mod answer;
mod drivers;
mod program;

use std::path::{Path, PathBuf};

use catena_core::{
    Failure,
    chain::{CodeLanguage, CodeSource, CodeStep, Step},
    value,
};

pub use self::program::{ProgramMissing, missing_programs};
pub(crate) use self::{
    answer::{Left, left},
    program::Search,
};
use crate::{
    Places,
    file::{Stored, put},
    prepare::{Invocation, cannot_start},
    process_runner::Files,
};

/// Where the code of an attempt runs.
pub(crate) struct Ground<'a> {
    pub(crate) places: &'a Places,
    pub(crate) files: &'a dyn Files,
    pub(crate) search: Search<'a>,
}

pub(crate) fn invocation(step: &Step, code: &CodeStep, ground: &Ground<'_>) -> Result<Invocation, Failure> {
    let driver = drivers::driver(code.language, ground.places).map_err(|error| {
        cannot_start(format!("cannot write the driver of {}: {error}", code.language.as_str()))
    })?;
    let (source, name, folder) = source(step, code, ground)?;
    let mut words = ground.search.interpreter(code);
    words.extend(flags(code.language).iter().map(|flag| (*flag).to_owned()));
    let result = if step.keeps_result() { "keep" } else { "drop" };
    let paths = [driver, source, name.into(), folder].map(|path| path.display().to_string());
    words.extend(paths.into_iter().chain([result.to_owned()]));
    if code.language == CodeLanguage::JavaScript {
        words.push(if code.calls_entry { "called" } else { "call" }.to_owned());
    }
    let mut words = words.into_iter();
    let program = words.next().expect("an interpreter has at least its program");
    Ok(Invocation { program, args: words.collect() })
}

/// Nothing but this flag lets stored modules run under another path than their own.
fn flags(language: CodeLanguage) -> &'static [&'static str] {
    match language {
        CodeLanguage::Python => &[],
        CodeLanguage::JavaScript => &["--experimental-vm-modules"],
    }
}

/// The stored text, the name that tracebacks have for it, and the folder where its modules are looked for.
fn source(step: &Step, code: &CodeStep, ground: &Ground<'_>) -> Result<(PathBuf, String, PathBuf), Failure> {
    let (stored, name, folder) = match &code.source {
        CodeSource::Text(text) => {
            let digest = value::digest(text.as_bytes());
            let stored = Stored { digest: &digest, name: "step".as_ref() };
            let copy = put(&ground.places.files(), &stored, || Ok(text.clone().into_bytes()));
            (copy, format!("<step {}>", step.id), ground.search.cwd.to_owned())
        }
        CodeSource::File { path, digest } => {
            let at = Path::new(path);
            let stored = Stored { digest, name: at.file_name().unwrap_or_else(|| "step".as_ref()) };
            let read = || ground.files.read(digest).map_err(std::io::Error::other);
            let copy = put(&ground.places.files(), &stored, read);
            (copy, path.clone(), at.parent().unwrap_or(Path::new("/")).to_owned())
        }
    };
    let stored =
        stored.map_err(|error| cannot_start(format!("cannot make the stored copy of {name}: {error}")))?;
    Ok((stored, name, folder))
}
