//! Pictures of chains: one model, and one file for each form in which it is drawn.

mod layout;
mod mermaid;
mod model;
mod svg;
mod text;

use catena_core::{Chain, State};

use self::model::Picture;

/// How a picture is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Drawing {
    Text,
    Mermaid,
    Svg,
}

/// The chain as it is defined.
pub(crate) fn of_chain(chain: &Chain, drawing: Drawing) -> String {
    draw(&Picture::of_chain(chain), drawing)
}

/// The chain of an execution, with how each of its steps stands.
pub(crate) fn of_execution(state: &State, drawing: Drawing) -> String {
    draw(&Picture::of_execution(state), drawing)
}

fn draw(picture: &Picture, drawing: Drawing) -> String {
    match drawing {
        Drawing::Text => text::draw(picture),
        Drawing::Mermaid => mermaid::draw(picture),
        Drawing::Svg => svg::draw(picture),
    }
}
