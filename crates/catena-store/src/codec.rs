//! The stored form of events: one line each, a checksum and the event as JSON. A checksum covers the one before
//! it, so an event cannot be changed, lost or moved without notice.

use catena_core::{Event, ExecutionId, Timestamp};
use sha2::{Digest, Sha256};

use crate::{Actor, Error, Lease};

/// An event with what the journal says about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub seq: u64,
    pub at: Timestamp,
    pub actor: Actor,
    /// The host that wrote it.
    pub lease: Lease,
    pub event: Event,
}

/// Where a journal ends: the last sequence number, and the checksum to chain the next event to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Head {
    pub seq: u64,
    pub sum: u64,
}

/// One row of a journal: events that were appended together.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) seq: u64,
    pub(crate) at: Timestamp,
    pub(crate) actor: Actor,
    pub(crate) lease: Lease,
    pub(crate) lines: String,
}

/// The checksum of the last line.
pub(crate) fn last_sum(lines: &str) -> Option<u64> {
    u64::from_str_radix(lines.lines().next_back()?.split_once(' ')?.0, 16).ok()
}

/// The lines of events appended behind `head`, which moves to the last of them.
pub(crate) fn encode(head: &mut Head, at: Timestamp, actor: &Actor, events: &[Event]) -> String {
    let mut lines = String::with_capacity(events.len() * 128);
    for event in events {
        let json = serde_json::to_string(event).expect("an event holds only what JSON can say");
        debug_assert_eq!(serde_json::from_str::<Event>(&json).ok().as_ref(), Some(event), "{json}");
        head.seq += 1;
        head.sum = chained(head.sum, head.seq, at, actor, &json);
        lines.push_str(&format!("{:016x} ", head.sum));
        lines.push_str(&json);
        lines.push('\n');
    }
    lines
}

/// The events of a row that stands behind `head`.
pub(crate) fn decode(execution: ExecutionId, head: &mut Head, row: &Row) -> Result<Vec<Entry>, Error> {
    let corrupt = |seq: u64, why: &str| Error::Corrupt(format!("event {seq} of execution {execution} {why}"));
    if row.seq != head.seq + 1 {
        return Err(corrupt(head.seq + 1, "is missing"));
    }
    let mut entries = Vec::new();
    for line in row.lines.lines() {
        head.seq += 1;
        let (sum, json) = line.split_once(' ').ok_or_else(|| corrupt(head.seq, "has no checksum"))?;
        head.sum = chained(head.sum, head.seq, row.at, &row.actor, json);
        if format!("{:016x}", head.sum) != sum {
            return Err(corrupt(head.seq, "does not have the checksum that it was written with"));
        }
        let event = serde_json::from_str(json)
            .map_err(|error| corrupt(head.seq, &format!("is of a kind or form not known here: {error}")))?;
        entries.push(Entry { seq: head.seq, at: row.at, actor: row.actor.clone(), lease: row.lease, event });
    }
    Ok(entries)
}

/// The first 64 bits of SHA-256 over all that an entry says and the checksum before it.
fn chained(before: u64, seq: u64, at: Timestamp, actor: &Actor, json: &str) -> u64 {
    let mut hash = Sha256::new();
    hash.update(before.to_le_bytes());
    hash.update(seq.to_le_bytes());
    hash.update(at.0.to_le_bytes());
    hash.update((actor.as_str().len() as u64).to_le_bytes());
    hash.update(actor.as_str());
    hash.update(json);
    let digest = hash.finalize();
    u64::from_be_bytes(digest[..8].try_into().expect("a digest has 32 bytes"))
}
