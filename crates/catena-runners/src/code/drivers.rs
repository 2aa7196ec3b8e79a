//! The drivers on disk, where interpreters find them: below a folder named after their text, so that another version of
//! Catena has its own. Python keeps the bytecode of the greater part beside it.

use std::{
    hash::{DefaultHasher, Hash as _, Hasher as _},
    io,
    path::PathBuf,
    sync::OnceLock,
};

use catena_core::chain::CodeLanguage;

use crate::{
    Places,
    file::{Stored, put},
};

const PYTHON: &[(&str, &str)] = &[
    ("_catena_driver.py", include_str!("_catena_driver.py")),
    ("catena_step.py", include_str!("catena_step.py")),
];
const JAVASCRIPT: &[(&str, &str)] = &[("catena_step.cjs", include_str!("catena_step.cjs"))];

/// The program that an interpreter is given; written where it is not there yet.
pub(super) fn driver(language: CodeLanguage, places: &Places) -> io::Result<PathBuf> {
    let files = match language {
        CodeLanguage::Python => PYTHON,
        CodeLanguage::JavaScript => JAVASCRIPT,
    };
    let mut last = PathBuf::new();
    for (name, text) in files {
        let stored = Stored { digest: version(), name: name.as_ref() };
        last = put(&places.drivers(), &stored, || Ok(text.as_bytes().to_vec()))?;
    }
    Ok(last)
}

fn version() -> &'static str {
    static VERSION: OnceLock<String> = OnceLock::new();
    VERSION.get_or_init(|| {
        let mut hasher = DefaultHasher::new();
        (PYTHON, JAVASCRIPT).hash(&mut hasher);
        format!("{}-{:016x}", env!("CARGO_PKG_VERSION"), hasher.finish())
    })
}
