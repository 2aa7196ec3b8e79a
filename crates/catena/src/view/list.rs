//! Unfinished executions as a table that is drawn again and again.

use catena_core::{Timestamp, status::ExecutionStatus};
use catena_store::ExecutionRow;

use super::{
    layout::{Sight, elapsed},
    text::{Line, Style, width},
};

const HEADING: [&str; 4] = ["ID", "STATUS", "SINCE", "CHAIN"];
const GAP: &str = "  ";

#[derive(Clone, Debug, Default)]
pub(crate) struct List {
    rows: Vec<Row>,
    /// What a person should know besides.
    note: String,
}

#[derive(Clone, Debug)]
struct Row {
    id: String,
    status: ExecutionStatus,
    since: Timestamp,
    chain: String,
}

impl List {
    pub(crate) fn new(rows: &[ExecutionRow], note: String) -> Self {
        let row = |row: &ExecutionRow| Row {
            id: row.id.to_string(),
            status: row.status,
            since: row.started_at.unwrap_or(row.created_at),
            chain: row.chain.clone(),
        };
        Self { rows: rows.iter().map(row).collect(), note }
    }

    pub(super) fn moves(&self) -> bool {
        self.rows.iter().any(|row| match row.status {
            ExecutionStatus::Running | ExecutionStatus::Undoing => true,
            ExecutionStatus::Queued
            | ExecutionStatus::Waiting
            | ExecutionStatus::Paused
            | ExecutionStatus::Stuck
            | ExecutionStatus::InDoubt
            | ExecutionStatus::Quarantined
            | ExecutionStatus::Completed
            | ExecutionStatus::CompletedWithErrors
            | ExecutionStatus::Failed
            | ExecutionStatus::Cancelled
            | ExecutionStatus::RolledBack => false,
        })
    }

    pub(super) fn lines(&self, rows: usize, sight: &Sight) -> Vec<Line> {
        let note = Line::default().with(Style::Dim, &self.note);
        if self.rows.is_empty() {
            return vec![note];
        }
        let room = rows.saturating_sub(2);
        let shown = if self.rows.len() <= room { self.rows.len() } else { room.saturating_sub(1) };
        let mut cells = vec![HEADING.map(str::to_owned)];
        cells.extend(self.rows.iter().take(shown).map(|row| {
            [row.id.clone(), row.status.to_string(), elapsed(row.since, sight.now), row.chain.clone()]
        }));
        let wide = |column: usize| cells.iter().map(|row| width(&row[column])).max().unwrap_or(0);
        let widths = [wide(0), wide(1), wide(2), 0];
        let line = |row: &[String; 4]| {
            row.iter().zip(widths).fold(Line::default(), |line, (cell, wide)| {
                let from = line.width();
                line.with(Style::Plain, cell).padded(from + wide).with(Style::Plain, GAP)
            })
        };
        let mut lines: Vec<Line> = cells.iter().map(line).collect();
        if shown < self.rows.len() {
            let more = format!("… and {} more", self.rows.len() - shown);
            lines.push(Line::default().with(Style::Dim, &more));
        }
        lines.push(note);
        lines
    }
}
