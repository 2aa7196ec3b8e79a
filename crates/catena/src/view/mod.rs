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

pub(crate) use self::{
    list::List,
    live::{View, question, redraw, rescue, say, suspend, tell_of_panics},
    text::clean,
};
