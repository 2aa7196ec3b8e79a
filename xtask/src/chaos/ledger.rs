//! The oracle's account: a line for each thing that it was told or saw, in its own order and time.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader},
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

/// Microseconds since 1970, as in the journal.
pub(super) fn now_us() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

/// What a step says to the oracle.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Report {
    /// Its effect is to come. The first report of every process.
    Before { who: Who, sent_us: i64 },
    /// It has had its effect, and has nothing more to do.
    After { sent_us: i64 },
}

/// A process of an attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Who {
    pub(super) execution: u64,
    pub(super) address: String,
    pub(super) attempt: u32,
    pub(super) pid: u32,
    pub(super) role: Role,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Role {
    /// The step itself.
    Step,
    /// What it has left behind in the background.
    Leftover,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Line {
    pub(super) at_us: i64,
    /// One process, from its first report to its death.
    pub(super) life: u64,
    pub(super) what: What,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum What {
    Before {
        who: Who,
        sent_us: i64,
        /// Whether the attempt stood in the store in that moment, where it could be asked.
        journalled: Option<bool>,
    },
    After {
        sent_us: i64,
    },
    Died {},
}

/// All that the oracle knows of one process.
#[derive(Clone, Debug)]
pub(super) struct Life {
    pub(super) who: Who,
    pub(super) sent_us: i64,
    pub(super) journalled: Option<bool>,
    pub(super) after_us: Option<i64>,
    pub(super) died_us: Option<i64>,
    /// Place of the first report, and of the death, in the oracle's order.
    pub(super) born: usize,
    pub(super) died: Option<usize>,
}

/// The lives so far, in the order of their first reports.
pub(super) fn read(path: &Path) -> Result<Vec<Life>> {
    let file = std::fs::File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut lives: BTreeMap<u64, Life> = BTreeMap::new();
    for (place, line) in BufReader::new(file).lines().enumerate() {
        let Ok(line) = serde_json::from_str::<Line>(&line?) else { continue };
        match (line.what, lives.get_mut(&line.life)) {
            (What::Before { who, sent_us, journalled }, None) => {
                let life =
                    Life { who, sent_us, journalled, after_us: None, died_us: None, born: place, died: None };
                lives.insert(line.life, life);
            }
            (What::After { sent_us }, Some(life)) => life.after_us = Some(sent_us),
            (What::Died {}, Some(life)) => (life.died, life.died_us) = (Some(place), Some(line.at_us)),
            (What::Before { .. }, Some(_)) | (What::After { .. } | What::Died {}, None) => {}
        }
    }
    Ok(lives.into_values().collect())
}
