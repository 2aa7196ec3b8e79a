//! A picture as an indented tree: steps in order, and beside each what it waits for.

use std::{collections::BTreeMap, fmt::Write};

use catena_core::{StepIx, ids::StepId};

use super::model::{Area, Cell, Jump, Order, Picture};

pub(super) fn draw(picture: &Picture) -> String {
    let mut tree = Tree { text: String::new(), indent: String::new(), ids: BTreeMap::new() };
    note_ids(&picture.root, &mut tree.ids);
    picture.handlers.iter().for_each(|area| note_ids(area, &mut tree.ids));
    let _infallible = writeln!(tree.text, "{}{}", picture.title, order_of(&picture.root));
    tree.branches(&lines_of(&picture.root), &picture.handlers.iter().collect::<Vec<_>>());
    tree.text
}

/// A jump names a step of its own area, which may stand below.
fn note_ids<'a>(area: &'a Area, ids: &mut BTreeMap<StepIx, &'a str>) {
    for cell in &area.cells {
        ids.insert(cell.step, &cell.id);
        cell.inner.iter().chain(&cell.beside).for_each(|area| note_ids(area, ids));
    }
}

struct Tree<'a> {
    text: String,
    indent: String,
    ids: BTreeMap<StepIx, &'a str>,
}

/// A cell with what it waits for and where it jumps to.
struct Line<'a> {
    cell: &'a Cell,
    needs: Vec<String>,
    jumps: Vec<&'a Jump>,
}

fn lines_of(area: &Area) -> Vec<Line<'_>> {
    let mut needs: Vec<Vec<String>> = area.cells.iter().map(|_| Vec::new()).collect();
    if let Order::Graph(arrows) = &area.order {
        for arrow in arrows {
            let from = &area.cells[arrow.from].id;
            needs[arrow.to].push(match arrow.on {
                None => from.clone(),
                Some(on) => format!("{from} ({on})"),
            });
        }
    }
    let mut jumps: BTreeMap<StepIx, Vec<&Jump>> = BTreeMap::new();
    area.jumps.iter().for_each(|jump| jumps.entry(jump.from).or_default().push(jump));
    let cells = area.cells.iter().zip(needs);
    cells
        .map(|(cell, needs)| Line { cell, needs, jumps: jumps.remove(&cell.step).unwrap_or_default() })
        .collect()
}

fn order_of(area: &Area) -> &'static str {
    match area.order {
        Order::Sequence => "",
        Order::Graph(_) => " (graph)",
    }
}

impl Tree<'_> {
    /// Steps, then boxes below them.
    fn branches(&mut self, lines: &[Line<'_>], areas: &[&Area]) {
        let last = lines.len() + areas.len();
        for (at, line) in lines.iter().enumerate() {
            self.cell(line, at + 1 == last);
        }
        for (at, area) in areas.iter().enumerate() {
            let is_last = lines.len() + at + 1 == last;
            let heading = format!("{}{}", area.title.as_deref().unwrap_or("steps"), order_of(area));
            self.line(&heading, is_last);
            self.within(is_last, |tree| tree.branches(&lines_of(area), &[]));
        }
    }

    fn cell(&mut self, line: &Line<'_>, is_last: bool) {
        let cell = line.cell;
        self.line(&words_of(line), is_last);
        self.within(is_last, |tree| {
            for jump in &line.jumps {
                let to = jump.to.and_then(|to| tree.ids.get(&to).copied()).unwrap_or("the end");
                let has_more = !cell.inner.is_empty() || !cell.beside.is_empty();
                let rail = if has_more { "│ " } else { "  " };
                let _infallible = writeln!(tree.text, "{}{rail} ⇢ {to} {}", tree.indent, jump.label);
            }
            // The steps of a group stand below it without a line that says no more.
            let (bare, titled): (Vec<&Area>, Vec<&Area>) =
                cell.inner.iter().chain(&cell.beside).partition(|area| area.title.is_none());
            let lines: Vec<Line<'_>> = bare.iter().flat_map(|area| lines_of(area)).collect();
            tree.branches(&lines, &titled);
        });
    }

    fn line(&mut self, words: &str, is_last: bool) {
        let corner = if is_last { "└─" } else { "├─" };
        let _infallible = writeln!(self.text, "{}{corner} {words}", self.indent);
    }

    fn within(&mut self, is_last: bool, draw: impl FnOnce(&mut Self)) {
        let length = self.indent.len();
        self.indent.push_str(if is_last { "   " } else { "│  " });
        draw(self);
        self.indent.truncate(length);
    }
}

fn words_of(line: &Line<'_>) -> String {
    let cell = line.cell;
    let mut words = format!("{} [{}]", cell.id, cell.kind);
    // Where the id says the same as the name, it is said once.
    if StepId::from_name(&cell.name).is_ok_and(|id| id.as_str() != cell.id) {
        let _infallible = write!(words, " {}", cell.name);
    }
    if !line.needs.is_empty() {
        let join = cell.join.as_ref().map(|join| format!("{join}: ")).unwrap_or_default();
        let _infallible = write!(words, " ← {join}{}", line.needs.join(", "));
    }
    if let Some(when) = &cell.when {
        let _infallible = write!(words, " when {when}");
    }
    if let Some(standing) = &cell.standing {
        let _infallible = write!(words, ": {}", standing.words);
    }
    words
}
