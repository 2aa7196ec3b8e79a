//! What the tests of all crates share. Nothing in here is part of the program.

pub mod draft;
pub mod model;
pub mod modelled;
pub mod proof;
pub mod random;
pub mod sim;
pub mod transitions;

pub use sim::{Recovery, Sim};
