//! The secrets of the configuration: each is an environment variable of this process, or a file.

use std::{
    collections::BTreeMap,
    fmt,
    io::Read as _,
    path::{Path, PathBuf},
};

use catena_core::SecretName;
use catena_engine::{Secret, SecretMissing, Secrets};

use super::Setting;

/// A larger file is no secret.
const SECRET_MAX_BYTES: u64 = 64 * 1024;

/// Where a secret's value is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Env(String),
    File(PathBuf),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "env {name}"),
            Self::File(path) => write!(f, "file {}", path.display()),
        }
    }
}

#[derive(Debug)]
pub(crate) struct ConfiguredSecrets {
    /// The configuration file, also where it does not exist yet.
    config: PathBuf,
    sources: BTreeMap<SecretName, Setting<Source>>,
}

impl ConfiguredSecrets {
    pub(super) fn new(config: PathBuf, sources: BTreeMap<SecretName, Setting<Source>>) -> Self {
        Self { config, sources }
    }

    pub(crate) fn sources(&self) -> impl Iterator<Item = (&SecretName, &Setting<Source>)> {
        self.sources.iter()
    }

    /// Whether a variable of this process's environment holds a secret: steps get those they ask for, no others.
    pub(crate) fn is_source(&self, variable: &std::ffi::OsStr) -> bool {
        self.sources
            .values()
            .any(|source| matches!(&source.value, Source::Env(name) if variable == name.as_str()))
    }

    fn unknown(&self, name: &SecretName) -> String {
        let config = self.config.display();
        format!("is not configured: write `{name} = {{ env = \"{name}\" }}` under `[secrets]` in {config}")
    }
}

impl Secrets for ConfiguredSecrets {
    fn resolve(&self, name: &SecretName) -> Result<Secret, SecretMissing> {
        let missing = |why| SecretMissing { name: name.clone(), why };
        let Some(Setting { value: source, line }) = self.sources.get(name) else {
            return Err(missing(self.unknown(name)));
        };
        let read = match source {
            Source::Env(variable) => read_variable(variable),
            Source::File(path) => read_file(path),
        };
        let read = read.and_then(|value| match value.is_empty() {
            true => Err(format!("is empty in its source, {source}")),
            false => Ok(Secret::new(value)),
        });
        read.map_err(|why| missing(format!("{why}; see {}:{line}", self.config.display())))
    }
}

fn read_variable(name: &str) -> Result<String, String> {
    match std::env::var(name) {
        Ok(value) => Ok(value),
        Err(std::env::VarError::NotPresent) => Err(format!("has no value: `{name}` is not set")),
        Err(std::env::VarError::NotUnicode(_)) => Err(format!("is no UTF-8 text in `{name}`")),
    }
}

/// One newline at its end belongs to the file, not to the secret.
fn read_file(path: &Path) -> Result<String, String> {
    let failed = |error: std::io::Error| format!("cannot be read from {}: {error}", path.display());
    let file = std::fs::File::open(path).map_err(failed)?;
    let mut text = String::new();
    file.take(SECRET_MAX_BYTES + 1).read_to_string(&mut text).map_err(failed)?;
    if text.len() as u64 > SECRET_MAX_BYTES {
        return Err(failed(std::io::ErrorKind::FileTooLarge.into()));
    }
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(source: Option<Source>, expected: Result<&str, &str>) {
        let name = SecretName::parse("KEY").unwrap();
        let sources = source.map(|value| (name.clone(), Setting { value, line: 3 }));
        let secrets = ConfiguredSecrets::new("/etc/c.toml".into(), sources.into_iter().collect());
        match (secrets.resolve(&name), expected) {
            (Ok(secret), Ok(value)) => assert_eq!(secret.expose(), value),
            (Err(missing), Err(part)) => assert!(missing.to_string().contains(part), "{missing}"),
            (got, _) => panic!("{:?}", got.map(|_| "a value")),
        }
    }

    #[test]
    fn a_secret_is_a_file_or_a_variable() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            Some(Source::File(path))
        };
        check(file("a", b"two\nlines\n\n"), Ok("two\nlines\n"));
        check(file("b", b"plain"), Ok("plain"));
        check(file("c", b"\r\n"), Err("secret `KEY` is empty"));
        check(file("d", b"\xff"), Err("cannot be read from"));
        check(file("e", &[b'x'; 65_537]), Err("cannot be read from"));
        check(Some(Source::File("/nowhere/at all".into())), Err("/etc/c.toml:3"));
        check(Some(Source::Env("CARGO_PKG_NAME".into())), Ok("catena"));
        check(Some(Source::Env("CATENA_TEST_NOT_SET".into())), Err("`CATENA_TEST_NOT_SET` is not set"));
        check(None, Err("write `KEY = { env = \"KEY\" }` under `[secrets]` in /etc/c.toml"));
    }
}
