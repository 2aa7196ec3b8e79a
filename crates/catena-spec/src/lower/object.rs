//! Objects against their table of keys: what is unknown, what is known but comes later.

use super::context::Context;
use crate::code::Code;
use crate::keys::{self, Key, Since};
use crate::node::{Entry, Node};
use crate::problem::Problem;
use crate::suggest::did_you_mean;

impl Context<'_> {
    /// The entries of an object whose keys are in the table and run in this version; the others are reported.
    pub(crate) fn known_entries<'n>(&mut self, node: &'n Node, what: &str, table: &[Key]) -> Option<Vec<&'n Entry>> {
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
                let help = did_you_mean(&entry.key.text, table.iter().map(|key| key.name));
                self.unknown_key(entry, what, help);
                false
            }
        }
    }

    pub(crate) fn unknown_key(&mut self, entry: &Entry, what: &str, help: Option<String>) {
        let message = format!("{what} has no key `{}`", entry.key.text);
        self.add(Problem::new(Code::UnknownKey, entry.key.span, message).label("unknown key").maybe_help(help));
    }

    pub(crate) fn key_later(&mut self, entry: &Entry) {
        let name = &entry.key.text;
        let message = format!("`{name}` is part of the language but this version does not run it yet");
        self.add(Problem::new(Code::KeyLater, entry.key.span, message).label("not yet"));
    }
}
