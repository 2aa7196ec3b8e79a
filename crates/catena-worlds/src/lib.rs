//! Worlds: the whole engine on one thread, with a clock, a store, a helper and people that a seed determines. Anything
//! that can happen between two of its steps does: it goes down, the machine does, the store refuses or keeps silent, the
//! clock is set, answers come late, twice, or not at all. When the world comes to rest, the promises are looked at. A
//! seed says everything, so that what has failed once fails again.

mod helper;
mod plan;
mod random;
mod store;
mod trouble;
mod verdict;
mod world;

/// Seeds whose worlds were broken once.
pub fn kept_seeds() -> impl Iterator<Item = u64> {
    let lines = include_str!("../kept_seeds.txt").lines();
    lines.filter_map(|line| line.split_whitespace().next()?.parse().ok())
}

pub use self::{
    trouble::Trouble,
    verdict::Violation,
    world::{Report, run},
};
