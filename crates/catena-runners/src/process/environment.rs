//! The base environment of a connection, kept as what differs from the environment this process has itself. The
//! standard library copies each variable that it is told of twice per start, and inherits the others at half of that.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::process::Command;

use super::protocol::{Launch, Variable};

/// Names the attempt in the environment of all it starts: how descendants that left the group are known.
pub(super) const MARK: &str = "CATENA_TOKEN";

pub(super) struct Environment {
    /// None is a variable that this process has and the base has not.
    changes: Vec<(OsString, Option<OsString>)>,
    path: Option<OsString>,
}

impl Environment {
    /// A later variable wins.
    pub(super) fn new(base: Vec<Variable>) -> Self {
        Self::over(std::env::vars_os(), base)
    }

    fn over(own: impl Iterator<Item = (OsString, OsString)>, base: Vec<Variable>) -> Self {
        let base: BTreeMap<OsString, OsString> =
            base.into_iter().map(|Variable(name, value)| (name, value)).collect();
        let path = base.get(OsStr::new("PATH")).cloned();
        let own: BTreeMap<OsString, OsString> = own.collect();
        let missing = own.keys().filter(|name| !base.contains_key(*name)).map(|name| (name.clone(), None));
        let mut changes: Vec<_> = missing.collect();
        let changed = base.into_iter().filter(|(name, value)| own.get(name) != Some(value));
        changes.extend(changed.map(|(name, value)| (name, Some(value))));
        Self { changes, path }
    }

    /// Gives `command` the base, what `launch` adds, and the mark.
    pub(super) fn apply(&self, command: &mut Command, launch: &Launch, mark: &str) {
        for (name, value) in &self.changes {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command.envs(launch.env.iter().map(|(name, value)| (name, value))).env(MARK, mark);
    }

    /// The `PATH` that a process of `launch` will see.
    pub(super) fn path<'a>(&'a self, launch: &'a Launch) -> Option<&'a OsStr> {
        let added = launch.env.iter().rev().find(|(name, _)| name == "PATH");
        added.map(|(_, value)| OsStr::new(value)).or(self.path.as_deref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(own: &[(&str, &str)], base: &[(&str, &str)], changes: &[(&str, Option<&str>)]) {
        let own = own.iter().map(|(name, value)| (name.into(), value.into()));
        let base = base.iter().map(|(name, value)| Variable(name.into(), value.into())).collect();
        let expected: Vec<(OsString, Option<OsString>)> =
            changes.iter().map(|(name, value)| (name.into(), value.map(OsString::from))).collect();
        assert_eq!(Environment::over(own, base).changes, expected);
    }

    #[test]
    fn only_differences_are_kept() {
        check(&[("A", "1")], &[("A", "1")], &[]);
        check(&[("A", "1")], &[("A", "2")], &[("A", Some("2"))]);
        check(&[("A", "1")], &[], &[("A", None)]);
        check(&[], &[("A", "1")], &[("A", Some("1"))]);
        check(&[("A", "1")], &[("A", "2"), ("A", "1")], &[]);
        check(
            &[("B", "1"), ("C", "1")],
            &[("A", ""), ("C", "")],
            &[("B", None), ("A", Some("")), ("C", Some(""))],
        );
    }
}
