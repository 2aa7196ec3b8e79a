//! What a person sees of executions that go on. A pure model (what is to be shown), a pure layout (the rows of it), a
//! pure painter (what brings a terminal from one picture to the next), and a thread that draws at a bounded rate.

mod keyboard;
mod layout;
mod lines;
mod list;
mod live;
mod logs;
mod model;
mod painter;
mod text;

use catena_core::State;
use catena_store::Entry;

pub(crate) use self::{
    list::List,
    live::{View, question, redraw, rescue, say, suspend, tell_of_panics},
    text::clean,
};

/// What an event that `state` has folded means to a person, as plain text.
pub(crate) fn words(state: &State, entry: &Entry) -> Vec<String> {
    let plain = |line: &text::Line| line.render(text::Colour::Off);
    lines::of(state, entry, None).iter().map(plain).collect()
}
