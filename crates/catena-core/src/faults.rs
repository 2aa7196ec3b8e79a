//! Defects planted on purpose, to prove that the chaos test would notice them. In an ordinary build none can be
//! switched on and the questions cost nothing.

/// What can be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Effects start before their events are committed.
    ActBeforeCommit,
    /// A command is acknowledged before it is committed.
    AcknowledgeBeforeCommit,
    /// Commits are not synced.
    NoSync,
    /// A host that was overtaken goes on writing.
    StaleLease,
    /// Timers are forgotten when an engine comes up.
    TimerLost,
    /// The successor of an attempt gets its number.
    AttemptReused,
    /// Processes are left alone where they should be stopped.
    OrphanLeft,
    /// An execution that ends does so twice.
    EndTwice,
    /// Timers fire before their time.
    TimerEarly,
    /// Nobody minds the time limits of attempts.
    TimeLimitIgnored,
    /// What runs is started once more when an engine comes up.
    NotAttached,
    /// What a dead helper left goes on beside its successor's.
    StraysLeft,
    /// The start of an execution does not take the instant with it that it is for.
    InstantForgotten,
    /// A pause holds nothing up.
    PauseIgnored,
}

impl Fault {
    pub const ALL: [(Self, &'static str); 14] = [
        (Self::ActBeforeCommit, "act_before_commit"),
        (Self::AcknowledgeBeforeCommit, "acknowledge_before_commit"),
        (Self::NoSync, "no_sync"),
        (Self::StaleLease, "stale_lease"),
        (Self::TimerLost, "timer_lost"),
        (Self::AttemptReused, "attempt_reused"),
        (Self::OrphanLeft, "orphan_left"),
        (Self::EndTwice, "end_twice"),
        (Self::TimerEarly, "timer_early"),
        (Self::TimeLimitIgnored, "time_limit_ignored"),
        (Self::NotAttached, "not_attached"),
        (Self::StraysLeft, "strays_left"),
        (Self::InstantForgotten, "instant_forgotten"),
        (Self::PauseIgnored, "pause_ignored"),
    ];
}

#[cfg(feature = "faults")]
static ON: std::sync::OnceLock<Fault> = std::sync::OnceLock::new();

/// Switches on the fault of this name for the rest of the process; false if there is none of that name.
#[cfg(feature = "faults")]
pub fn switch_on(name: &str) -> bool {
    let fault = Fault::ALL.iter().find(|(_, known)| *known == name);
    fault.is_some_and(|(fault, _)| ON.set(*fault).is_ok())
}

/// Whether the fault is switched on.
#[cfg(feature = "faults")]
pub fn is_on(fault: Fault) -> bool {
    ON.get() == Some(&fault)
}

/// Whether the fault is switched on: not in this build.
#[cfg(not(feature = "faults"))]
#[inline]
pub fn is_on(_fault: Fault) -> bool {
    false
}
