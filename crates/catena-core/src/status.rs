//! The words for where a step and an execution stand.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($variant:ident = $word:literal),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum $name {
            $(#[serde(rename = $word)] $variant),*
        }

        impl $name {
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word),*
                }
            }

            pub fn parse(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|status| status.as_str() == word)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }
    };
}

words!(
    StepStatus {
        Pending = "pending",
        Waiting = "waiting",
        Running = "running",
        Completed = "completed",
        Failed = "failed",
        Skipped = "skipped",
        Cancelled = "cancelled",
        InDoubt = "in_doubt",
        Quarantined = "quarantined",
        Undone = "undone",
    }
);

words!(
    ExecutionStatus {
        Queued = "queued",
        Running = "running",
        Waiting = "waiting",
        Paused = "paused",
        Undoing = "undoing",
        Stuck = "stuck",
        InDoubt = "in_doubt",
        Quarantined = "quarantined",
        Completed = "completed",
        CompletedWithErrors = "completed_with_errors",
        Failed = "failed",
        Cancelled = "cancelled",
        RolledBack = "rolled_back",
    }
);

words!(
    /// How an execution ends; exactly one per execution.
    End {
        Completed = "completed",
        CompletedWithErrors = "completed_with_errors",
        Failed = "failed",
        Cancelled = "cancelled",
        RolledBack = "rolled_back",
    }
);

impl From<End> for ExecutionStatus {
    fn from(end: End) -> Self {
        match end {
            End::Completed => Self::Completed,
            End::CompletedWithErrors => Self::CompletedWithErrors,
            End::Failed => Self::Failed,
            End::Cancelled => Self::Cancelled,
            End::RolledBack => Self::RolledBack,
        }
    }
}

impl ExecutionStatus {
    pub fn is_end(self) -> bool {
        match self {
            Self::Queued
            | Self::Running
            | Self::Waiting
            | Self::Paused
            | Self::Undoing
            | Self::Stuck
            | Self::InDoubt
            | Self::Quarantined => false,
            Self::Completed
            | Self::CompletedWithErrors
            | Self::Failed
            | Self::Cancelled
            | Self::RolledBack => true,
        }
    }
}

words!(
    /// What starts an execution of a schedule.
    FireKind {
        Scheduled = "scheduled",
        CatchUp = "catch_up",
        RunNow = "run_now",
        Backfill = "backfill",
    }
);

words!(
    /// What became of an instant of a schedule. `waiting` is the only one that changes.
    FireOutcome {
        Waiting = "waiting",
        Started = "started",
        Late = "late",
        Skipped = "skipped",
        Missed = "missed",
    }
);

words!(
    /// Why nothing started, or not at once.
    FireReason {
        Running = "running",
        QueueFull = "queue_full",
        Superseded = "superseded",
        Paused = "paused",
        ChainPaused = "chain_paused",
        Archived = "archived",
        TooLate = "too_late",
        LaterDue = "later_due",
        TooMany = "too_many",
        StartedByRun = "started_by_run",
        HasExecution = "has_execution",
        Changed = "changed",
        Params = "params",
    }
);

words!(
    ScheduleStatus {
        Active = "active",
        Paused = "paused",
        Exhausted = "exhausted",
        Ended = "ended",
    }
);

words!(
    ChainStatus {
        Active = "active",
        Paused = "paused",
        Archived = "archived",
    }
);
