//! Objects against their table of keys: what is unknown, what is known but comes later.

use super::context::Context;
use crate::code::Code;
use crate::keys::{self, Key, Since};
use crate::node::{Entry, Node};
use crate::problem::Problem;
use crate::suggest::{did_you_mean, elsewhere};

impl Context<'_> {
    /// The entries of an object whose keys are in the table and run in this version; the others are reported.
    pub(crate) fn known_entries<'n>(
        &mut self,
        node: &'n Node,
        what: &str,
        table: &[Key],
    ) -> Option<Vec<&'n Entry>> {
        let entries = self.object(node, what)?;
        Some(entries.iter().filter(|entry| self.is_known_key(entry, what, table)).collect())
    }

    fn is_known_key(&mut self, entry: &Entry, what: &str, table: &[Key]) -> bool {
        match keys::find(table, &entry.key.text) {
            Some(key) if key.since == Since::Now => true,
            Some(_) => {
                self.key_later(entry);
                false
            }
            None => {
                self.unknown_key(entry, what, help_from(table, &entry.key.text));
                false
            }
        }
    }

    pub(crate) fn unknown_key(&mut self, entry: &Entry, what: &str, help: Option<String>) {
        let message = format!("{what} has no key `{}`", entry.key.text);
        self.add(
            Problem::new(Code::UnknownKey, entry.key.span, message).label("unknown key").maybe_help(help),
        );
    }

    pub(crate) fn key_later(&mut self, entry: &Entry) {
        let name = &entry.key.text;
        let message = format!("`{name}` is part of the language but this version does not run it yet");
        self.add(Problem::new(Code::KeyLater, entry.key.span, message).label("not yet"));
    }
}

/// The nearest key; where there are only a few, all of them.
fn help_from(table: &[Key], typed: &str) -> Option<String> {
    let names = || table.iter().map(|key| key.name);
    let few =
        (table.len() <= 8).then(|| names().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "));
    elsewhere(typed, names())
        .or_else(|| did_you_mean(typed, names()))
        .or_else(|| few.map(|few| format!("it has {few}")))
}
