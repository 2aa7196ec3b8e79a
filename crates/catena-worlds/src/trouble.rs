//! What can go wrong in a world.

use crate::random::Random;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The engine is killed: what is not written is gone, what runs goes on.
    Crash,
    /// The same between two of the things that follow from one commit.
    CrashMidway,
    /// The machine goes down with all that runs on it.
    PowerCut,
    /// The helper is killed with all that it has started.
    HelperDies,
    /// For a while nothing is written.
    DiskRefuses,
    /// What is written is said not to be, and then nothing is for a while.
    DiskLies,
    /// For a while nothing is read.
    DiskBlind,
    /// Somebody sets the clock.
    ClockSet,
    /// An end that was told is told once more.
    ToldTwice,
}

impl Trouble {
    const ALL: [Self; 9] = [
        Self::Crash,
        Self::CrashMidway,
        Self::PowerCut,
        Self::HelperDies,
        Self::DiskRefuses,
        Self::DiskLies,
        Self::DiskBlind,
        Self::ClockSet,
        Self::ToldTwice,
    ];

    pub(crate) fn draw(random: &mut Random) -> Self {
        match random.one_in(2) {
            // Engines go down more often than anything else.
            true => [Self::Crash, Self::CrashMidway][random.place(2)],
            false => Self::ALL[random.place(Self::ALL.len())],
        }
    }
}
