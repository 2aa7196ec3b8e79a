//! A picture as a Mermaid flowchart, for Markdown pages and merge requests.

use std::fmt::Write;

use catena_core::{StepIx, status::StepStatus};

use super::model::{Area, Cell, Order, Picture};

pub(super) fn draw(picture: &Picture) -> String {
    let mut chart = Chart { text: String::new(), depth: 1, arrows: Vec::new(), classes: Vec::new() };
    // A JSON text is a YAML text too.
    let title = serde_json::Value::from(picture.title.as_str());
    let _infallible = write!(chart.text, "---\ntitle: {title}\n---\nflowchart TD\n");
    chart.cells(&picture.root);
    picture.handlers.iter().for_each(|area| chart.area(area));
    // Behind all boxes: an arrow would draw a step into the box in which it is named first.
    let Chart { mut text, arrows, classes, .. } = chart;
    for line in arrows.iter().chain(&classes).chain(&class_definitions(!classes.is_empty())) {
        let _infallible = writeln!(text, "  {line}");
    }
    text
}

struct Chart {
    text: String,
    depth: usize,
    arrows: Vec<String>,
    classes: Vec<String>,
}

impl Chart {
    fn line(&mut self, text: &str) {
        let _infallible = writeln!(self.text, "{:indent$}{text}", "", indent = self.depth * 2);
    }

    fn area(&mut self, area: &Area) {
        let title = escaped(area.title.as_deref().unwrap_or("steps"));
        self.line(&format!("subgraph {}[\"{title}\"]", area_key(area)));
        self.depth += 1;
        self.cells(area);
        self.depth -= 1;
        self.line("end");
    }

    fn cells(&mut self, area: &Area) {
        area.cells.iter().for_each(|cell| self.cell(cell));
        if area.jumps.iter().any(|jump| jump.to.is_none()) {
            self.line(&format!("{}_end((\"end\"))", area_key(area)));
        }
        self.arrows_of(area);
    }

    fn cell(&mut self, cell: &Cell) {
        let (key, label) = (key_of(cell.step), label_of(cell));
        if cell.inner.is_empty() {
            self.line(&format!("{key}[\"{label}\"]"));
        } else {
            self.line(&format!("subgraph {key}[\"{label}\"]"));
            self.depth += 1;
            for area in &cell.inner {
                match area.title {
                    None => self.cells(area),
                    Some(_) => self.area(area),
                }
            }
            self.depth -= 1;
            self.line("end");
        }
        for area in &cell.beside {
            self.area(area);
            let title = escaped(area.title.as_deref().unwrap_or_default());
            self.arrows.push(format!("{key} -. \"{title}\" .-> {}", area_key(area)));
        }
        if let Some(standing) = &cell.standing {
            self.classes.push(format!("class {key} {}", standing.status));
        }
    }

    fn arrows_of(&mut self, area: &Area) {
        match &area.order {
            Order::Sequence => {
                let pairs = area.cells.windows(2);
                self.arrows.extend(
                    pairs.map(|pair| format!("{} --> {}", key_of(pair[0].step), key_of(pair[1].step))),
                );
            }
            Order::Graph(arrows) => self.arrows.extend(arrows.iter().map(|arrow| {
                let (from, to) = (key_of(area.cells[arrow.from].step), key_of(area.cells[arrow.to].step));
                match arrow.on {
                    None => format!("{from} --> {to}"),
                    Some(on) => format!("{from} -->|\"{on}\"| {to}"),
                }
            })),
        }
        for jump in &area.jumps {
            let to = jump.to.map_or_else(|| format!("{}_end", area_key(area)), key_of);
            self.arrows.push(format!("{} -.->|\"{}\"| {to}", key_of(jump.from), escaped(&jump.label)));
        }
    }
}

fn key_of(step: StepIx) -> String {
    format!("s{step}")
}

fn area_key(area: &Area) -> String {
    format!("b{}", area.block)
}

fn label_of(cell: &Cell) -> String {
    let join = cell.join.as_ref().map(|join| format!("join: {join}"));
    let when = cell.when.as_ref().map(|when| format!("when {when}"));
    let standing = cell.standing.as_ref().map(|standing| standing.words.clone());
    let lines = [Some(cell.name.clone()), Some(cell.kind.clone()), join, when, standing];
    lines.into_iter().flatten().map(|line| escaped(&line)).collect::<Vec<_>>().join("<br/>")
}

/// Whatever could mean something to Mermaid, or to the HTML that it makes, stands as the number of its character.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter.is_alphanumeric() || !letter.is_ascii() || " _-.,:/=+!?".contains(letter) {
            true => escaped.push(letter),
            false => drop(write!(escaped, "#{};", u32::from(letter))),
        }
    }
    escaped
}

fn class_definitions(wanted: bool) -> Vec<String> {
    let colour = |status: StepStatus| {
        format!("classDef {status} fill:{},stroke:#333,color:#111", super::svg::fill(status))
    };
    let statuses = StepStatus::ALL.iter().copied();
    if wanted { statuses.map(colour).collect() } else { Vec::new() }
}
