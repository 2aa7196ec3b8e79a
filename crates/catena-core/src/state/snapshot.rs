//! The state's serial form. A snapshot is a cache of the fold: delete all of them and nothing changes.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Record, State};
use crate::{chain::Chain, ids::ExecutionId, state::Agenda};

/// Another form is another number; a snapshot of an unknown form is not read but folded anew.
const FORMAT: u32 = 3;

#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    #[error("the snapshot has form {0}, this version reads form {FORMAT}")]
    OtherForm(u32),
    #[error("the snapshot cannot be read: {0}")]
    Unreadable(#[from] serde_json::Error),
}

#[derive(Serialize)]
struct Written<'a> {
    format: u32,
    record: &'a Record,
}

#[derive(Deserialize)]
struct Form {
    format: u32,
}

#[derive(Deserialize)]
struct Read {
    record: Record,
}

impl State {
    pub fn to_snapshot(&self) -> Vec<u8> {
        serde_json::to_vec(&Written { format: FORMAT, record: &self.record })
            .expect("a state holds only what JSON can say")
    }

    pub fn from_snapshot(id: ExecutionId, chain: Arc<Chain>, bytes: &[u8]) -> Result<Self, SnapshotError> {
        let Form { format } = serde_json::from_slice(bytes)?;
        if format != FORMAT {
            return Err(SnapshotError::OtherForm(format));
        }
        let Read { record } = serde_json::from_slice(bytes)?;
        let mut state = Self { id, chain, record, agenda: Agenda::default() };
        state.rebuild_agenda();
        Ok(state)
    }
}
