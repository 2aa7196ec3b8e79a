//! The configuration file: where it is, and what it sets. A file that is not there sets nothing.

mod parse;
mod secrets;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use self::parse::Parsed;
pub(crate) use self::secrets::ConfiguredSecrets;
use crate::exit::{Code, Failure};

/// A larger file is no configuration.
const CONFIG_MAX_BYTES: u64 = 1024 * 1024;
/// Names the file, which must then exist.
const CONFIG_VARIABLE: &str = "CATENA_CONFIG";

/// What the configuration says, and where it says so.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) file: ConfigFile,
    pub(crate) store: Option<Setting<PathBuf>>,
    pub(crate) secrets: Arc<ConfiguredSecrets>,
    /// How many slots each pool has, and how many there are for steps without a pool.
    pub(crate) pools: BTreeMap<String, Setting<u32>>,
    pub(crate) slots: Option<Setting<u32>>,
}

#[derive(Clone, Debug)]
pub(crate) struct ConfigFile {
    /// None on a machine that has no place for it.
    pub(crate) path: Option<PathBuf>,
    pub(crate) origin: &'static str,
    pub(crate) exists: bool,
}

/// A value, and the line that sets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Setting<T> {
    pub(crate) value: T,
    pub(crate) line: usize,
}

impl Config {
    pub(crate) fn load() -> Result<Self, Failure> {
        let mut file = ConfigFile::find(|name| std::env::var_os(name).filter(|value| !value.is_empty()));
        let text = match &file.path {
            None => None,
            Some(path) => read(path, &file)?,
        };
        file.exists = text.is_some();
        let path = file.path.clone().unwrap_or_default();
        let parsed = match text {
            None => Parsed::default(),
            Some(text) => parse::parse(&text, &path).map_err(|problems| invalid(&problems))?,
        };
        let secrets = Arc::new(ConfiguredSecrets::new(path, parsed.secrets));
        Ok(Self { file, store: parsed.store, secrets, pools: parsed.pools, slots: parsed.slots })
    }

    /// A line of the file as a person finds it.
    pub(crate) fn place(&self, line: usize) -> String {
        format!("{}:{line}", self.file.path.clone().unwrap_or_default().display())
    }
}

impl ConfigFile {
    fn find(variable: impl Fn(&str) -> Option<std::ffi::OsString>) -> Self {
        let found = |path: PathBuf, origin| Self {
            path: Some(std::path::absolute(&path).unwrap_or(path)),
            origin,
            exists: false,
        };
        let file = Path::new("catena/config.toml");
        if let Some(path) = variable(CONFIG_VARIABLE) {
            return found(path.into(), CONFIG_VARIABLE);
        }
        let folder = variable("XDG_CONFIG_HOME").map(PathBuf::from).filter(|folder| folder.is_absolute());
        if let Some(folder) = folder {
            return found(folder.join(file), "XDG_CONFIG_HOME");
        }
        match variable("HOME") {
            Some(home) => found(Path::new(&home).join(".config").join(file), "default"),
            None => Self { path: None, origin: "default", exists: false },
        }
    }
}

/// None where there is no file and none was asked for.
fn read(path: &Path, file: &ConfigFile) -> Result<Option<String>, Failure> {
    use std::io::Read as _;
    let failed = |error: std::io::Error| {
        let message = format!("cannot read the configuration {}: {error}", path.display());
        Failure::new(Code::Environment, message)
            .next(format!("name another file, or none: {CONFIG_VARIABLE}=FILE"))
    };
    let mut text = String::new();
    let opened = match std::fs::File::open(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && file.origin != CONFIG_VARIABLE => {
            return Ok(None);
        }
        opened => opened.map_err(failed)?,
    };
    opened.take(CONFIG_MAX_BYTES + 1).read_to_string(&mut text).map_err(failed)?;
    if text.len() as u64 > CONFIG_MAX_BYTES {
        return Err(failed(std::io::ErrorKind::FileTooLarge.into()));
    }
    Ok(Some(text))
}

fn invalid(problems: &[parse::Problem]) -> Failure {
    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    Failure::new(Code::Environment, format!("the configuration has errors\n  {}", lines.join("\n  ")))
        .next("edit the file, then `catena config show`")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(variables: &[(&str, &str)], path: Option<&str>, origin: &str) {
        let variable = |name: &str| variables.iter().find(|(n, _)| *n == name).map(|(_, v)| v.into());
        let file = ConfigFile::find(variable);
        assert_eq!((file.path.as_deref(), file.origin), (path.map(Path::new), origin));
    }

    #[test]
    fn the_file_is_found_in_order() {
        let home = ("HOME", "/home/eve");
        let xdg = ("XDG_CONFIG_HOME", "/xdg");
        check(&[home, xdg, (CONFIG_VARIABLE, "/c.toml")], Some("/c.toml"), CONFIG_VARIABLE);
        check(&[home, xdg], Some("/xdg/catena/config.toml"), "XDG_CONFIG_HOME");
        check(
            &[home, ("XDG_CONFIG_HOME", "relative")],
            Some("/home/eve/.config/catena/config.toml"),
            "default",
        );
        check(&[], None, "default");
    }
}
