//! From the text of the configuration to settings: typed, and every mistake at once with its line.

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
};

use catena_core::SecretName;
use catena_spec::did_you_mean;
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{Setting, secrets::Source};

#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Parsed {
    pub(super) store: Option<Setting<PathBuf>>,
    pub(super) secrets: BTreeMap<SecretName, Setting<Source>>,
    pub(super) pools: BTreeMap<String, Setting<u32>>,
    pub(super) slots: Option<Setting<u32>>,
}

#[derive(Debug)]
pub(super) struct Problem {
    file: PathBuf,
    line: usize,
    message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file.display(), self.line, self.message)
    }
}

/// Relative paths begin at the folder of `file`.
pub(super) fn parse(text: &str, file: &Path) -> Result<Parsed, Vec<Problem>> {
    let mut reader = Reader { text, file, problems: Vec::new() };
    let parsed = match DeTable::parse(text) {
        Ok(table) => reader.settings(table.get_ref()),
        Err(error) => {
            // Its message alone: the whole would show the line, and with it perhaps a secret.
            let at = error.span().map_or(0, |span| span.start);
            reader.problem(at, error.message().to_owned());
            Parsed::default()
        }
    };
    reader.problems.sort_by_key(|problem| problem.line);
    if reader.problems.is_empty() { Ok(parsed) } else { Err(reader.problems) }
}

/// More slots than this are a typing error.
const SLOTS_MAX: u32 = 100_000;

struct Reader<'a> {
    text: &'a str,
    file: &'a Path,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    fn settings(&mut self, table: &DeTable<'_>) -> Parsed {
        let mut parsed = Parsed::default();
        for (key, value) in table {
            match key.get_ref().as_ref() {
                "store" => {
                    parsed.store =
                        self.text(value, "`store`").map(|text| self.setting(key, self.path(&text)));
                }
                "secrets" => parsed.secrets = self.secrets(value),
                "pools" => parsed.pools = self.pools(value),
                "slots" => {
                    parsed.slots = self.count(value, "`slots`").map(|count| self.setting(key, count));
                }
                other => self.unknown(key.span().start, other, &["store", "secrets", "pools", "slots"]),
            }
        }
        parsed
    }

    fn secrets(&mut self, value: &Spanned<DeValue<'_>>) -> BTreeMap<SecretName, Setting<Source>> {
        let mut secrets = BTreeMap::new();
        let Some(table) = value.get_ref().as_table() else {
            self.problem(value.span().start, "`secrets` must be a table: `[secrets]`".to_owned());
            return secrets;
        };
        for (key, value) in table {
            let source = self.source(key.get_ref(), value);
            match SecretName::parse(key.get_ref()) {
                Err(error) => self.problem(key.span().start, format!("`{}`: {error}", key.get_ref())),
                Ok(name) => {
                    secrets.extend(source.map(|source| (name, self.setting(key, source))));
                }
            }
        }
        secrets
    }

    /// How many slots each pool has.
    fn pools(&mut self, value: &Spanned<DeValue<'_>>) -> BTreeMap<String, Setting<u32>> {
        let Some(table) = value.get_ref().as_table() else {
            self.problem(value.span().start, "`pools` must be a table: `[pools]`".to_owned());
            return BTreeMap::new();
        };
        let mut pools = BTreeMap::new();
        for (key, value) in table {
            let name = key.get_ref().as_ref();
            if let Some(count) = self.count(value, &format!("the slots of the pool `{name}`")) {
                pools.insert(name.to_owned(), self.setting(key, count));
            }
        }
        pools
    }

    fn count(&mut self, value: &Spanned<DeValue<'_>>, what: &str) -> Option<u32> {
        let number = value.get_ref().as_integer().and_then(|number| number.as_str().parse::<u32>().ok());
        let count = number.filter(|count| (1..=SLOTS_MAX).contains(count));
        if count.is_none() {
            self.problem(value.span().start, format!("{what} must be a number from 1 to {SLOTS_MAX}"));
        }
        count
    }

    fn source(&mut self, name: &str, value: &Spanned<DeValue<'_>>) -> Option<Source> {
        let at = value.span().start;
        let Some(table) = value.get_ref().as_table() else {
            let message = format!(
                "`{name}` must say where its value is, not what it is: `{name} = {{ env = \"{name}\" }}` or \
                 `{name} = {{ file = \"/run/secrets/{}\" }}`",
                name.to_lowercase()
            );
            self.problem(at, message);
            return None;
        };
        let mut sources = Vec::new();
        for (key, value) in table {
            match key.get_ref().as_ref() {
                "env" => sources.push(self.text(value, "`env`").map(Source::Env)),
                "file" => sources.push(self.text(value, "`file`").map(|text| Source::File(self.path(&text)))),
                other => {
                    self.unknown(key.span().start, other, &["env", "file"]);
                    sources.push(None);
                }
            }
        }
        if sources.len() != 1 {
            self.problem(at, format!("`{name}` must have either `env` or `file`"));
            return None;
        }
        sources.remove(0)
    }

    fn text(&mut self, value: &Spanned<DeValue<'_>>, what: &str) -> Option<String> {
        let text = value.get_ref().as_str().filter(|text| !text.is_empty());
        if text.is_none() {
            self.problem(value.span().start, format!("{what} must be text"));
        }
        text.map(str::to_owned)
    }

    fn path(&self, text: &str) -> PathBuf {
        self.file.parent().unwrap_or(Path::new("")).join(text)
    }

    fn setting<K, T>(&self, key: &Spanned<K>, value: T) -> Setting<T> {
        Setting { value, line: self.line(key.span().start) }
    }

    fn unknown(&mut self, at: usize, key: &str, known: &[&str]) {
        let help = did_you_mean(key, known.iter().copied());
        let help = help.unwrap_or_else(|| format!("there are {}", known.join(" and ")));
        self.problem(at, format!("unknown key `{key}`; {help}"));
    }

    fn problem(&mut self, at: usize, message: String) {
        self.problems.push(Problem { file: self.file.to_owned(), line: self.line(at), message });
    }

    fn line(&self, at: usize) -> usize {
        self.text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[&str]) {
        let problems = parse(text, Path::new("/etc/c.toml")).expect_err(text);
        let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(told.len(), expected.len(), "{told:?}");
        for (told, expected) in told.iter().zip(expected) {
            assert!(told.starts_with("/etc/c.toml:") && told.contains(expected), "{told}");
            assert!(!told.contains("hunter2"), "{told}");
        }
    }

    #[test]
    fn settings_have_their_values_and_lines() {
        let text = "store = \"catena.db\"\n\n[secrets]\nKEY = { env = \"K\" }\nDB = { file = \"db\" }\n";
        let parsed = parse(text, Path::new("/etc/c.toml")).unwrap();
        assert_eq!(parsed.store, Some(Setting { value: "/etc/catena.db".into(), line: 1 }));
        let secret = |name| parsed.secrets[&SecretName::parse(name).unwrap()].clone();
        assert_eq!(secret("KEY"), Setting { value: Source::Env("K".into()), line: 4 });
        assert_eq!(secret("DB"), Setting { value: Source::File("/etc/db".into()), line: 5 });
        assert_eq!(parse("", Path::new("c.toml")).unwrap(), Parsed::default());
    }

    #[test]
    fn every_mistake_is_told_with_its_line_and_no_value() {
        check("stroe = 1", &["1: unknown key `stroe`; did you mean `store`?"]);
        check("banana = 1", &["1: unknown key `banana`; there are store and secrets and pools and slots"]);
        check("\nstore = 1\nsecrets = 2", &["2: `store` must be text", "3: `secrets` must be a table"]);
        check("[secrets]\nKEY = \"hunter2\"", &["2: `KEY` must say where its value is"]);
        check("[secrets]\nKEY = {}", &["2: `KEY` must have either"]);
        check("[secrets]\nKEY = { env = \"A\", file = \"b\" }", &["2: `KEY` must have either"]);
        check("[secrets]\nKEY = { evn = \"A\" }", &["2: unknown key `evn`; did you mean `env`?"]);
        check("[secrets]\n\"a b\" = { env = \"A\" }", &["2: `a b`: a secret's name has letters"]);
        check("[secrets]\nKEY = { env = \"\" }", &["2: `env` must be text"]);
        check("[secrets]\nKEY = hunter2\n", &["2: "]);
    }
}
