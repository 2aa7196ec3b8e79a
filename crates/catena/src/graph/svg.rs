//! A picture as SVG: well-formed XML that needs nothing but itself.

use std::{collections::BTreeMap, fmt::Write};

use catena_core::{StepIx, status::StepStatus};

use super::{
    layout::{HEADING, LINE, Measured, MeasuredCell, PADDING, Rect, Size, labels_of},
    model::{Area, Order, Picture},
};

/// Beyond the boxes, for the arrows of jumps.
const MARGIN: u32 = 60;

pub(super) fn draw(picture: &Picture) -> String {
    let areas: Vec<Measured<'_>> =
        [&picture.root].into_iter().chain(&picture.handlers).map(Measured::of).collect();
    let mut sheet = Sheet::default();
    let mut top = HEADING;
    for area in &areas {
        sheet.area(area, PADDING, top);
        top += area.size.height + PADDING;
    }
    let width = areas.iter().map(|area| area.size.width).max().unwrap_or(0) + 2 * PADDING + MARGIN;
    let title = escaped(&picture.title);
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{top}\" viewBox=\"0 0 {width} {top}\" \
         role=\"img\" font-family=\"sans-serif\" font-size=\"12\">\n<title>{title}</title>\n{ARROW_HEAD}\n\
         <rect width=\"{width}\" height=\"{top}\" fill=\"#ffffff\"/>\n\
         <text x=\"{PADDING}\" y=\"20\" font-weight=\"bold\">{title}</text>\n{}{}</svg>\n",
        sheet.boxes, sheet.arrows
    )
}

const ARROW_HEAD: &str = "<defs><marker id=\"head\" viewBox=\"0 0 10 10\" refX=\"9\" refY=\"5\" markerWidth=\"7\" \
     markerHeight=\"7\" orient=\"auto\"><path d=\"M0 0L10 5L0 10z\" fill=\"#555555\"/></marker></defs>";

/// Colours in which dark letters can be read.
pub(super) fn fill(status: StepStatus) -> &'static str {
    match status {
        StepStatus::Pending => "#f4f4f4",
        StepStatus::Waiting => "#fff4cc",
        StepStatus::Running => "#d6e8ff",
        StepStatus::Completed => "#d8f3d8",
        StepStatus::Failed => "#ffd6d6",
        StepStatus::Skipped => "#e6e6e6",
        StepStatus::Cancelled => "#e9dcf2",
        StepStatus::InDoubt | StepStatus::Quarantined => "#ffe0b3",
        StepStatus::Undone => "#d9e6e6",
    }
}

#[derive(Default)]
struct Sheet {
    boxes: String,
    /// Drawn over the boxes.
    arrows: String,
    at: BTreeMap<StepIx, Rect>,
}

#[derive(Clone, Copy)]
enum Stroke {
    Solid,
    Dotted,
}

impl Sheet {
    fn area(&mut self, area: &Measured<'_>, x: u32, y: u32) {
        if let Some(title) = &area.area.title {
            self.frame(Rect { x, y, size: area.size }, "#fafafa", Stroke::Dotted);
            self.words(x + PADDING, y + 17, title);
        }
        for (cell, rect) in area.placed(x, y) {
            self.cell(cell, rect);
        }
        self.arrows_of(area.area, x + area.size.width);
    }

    fn cell(&mut self, sized: &MeasuredCell<'_>, rect: Rect) {
        self.at.insert(sized.cell.step, rect);
        let colour = sized.cell.standing.as_ref().map_or("#eef3fb", |standing| fill(standing.status));
        self.frame(rect, colour, Stroke::Solid);
        let mut line = rect.y + LINE + 4;
        for label in labels_of(sized.cell) {
            self.words(rect.x + PADDING, line, &label);
            line += LINE;
        }
        for (area, x, y) in sized.inner_at(rect) {
            self.area(area, x, y);
        }
        for (area, x, y) in sized.beside_at(rect) {
            self.area(area, x, y);
            let from = (rect.x + rect.size.width, rect.y + rect.size.height / 2);
            self.arrow(from, (x, y + area.size.height.min(rect.size.height) / 2), Stroke::Dotted);
        }
    }

    fn arrows_of(&mut self, area: &Area, right: u32) {
        let at = |sheet: &Self, place: usize| sheet.at[&area.cells[place].step];
        match &area.order {
            Order::Sequence => {
                for place in 1..area.cells.len() {
                    let (from, to) = (at(self, place - 1), at(self, place));
                    self.arrow(foot(from), head(to), Stroke::Solid);
                }
            }
            Order::Graph(arrows) => {
                for arrow in arrows {
                    let (from, to) = (foot(at(self, arrow.from)), head(at(self, arrow.to)));
                    self.arrow(from, to, Stroke::Solid);
                    if let Some(on) = arrow.on {
                        self.words(u32::midpoint(from.0, to.0) + 4, u32::midpoint(from.1, to.1), on);
                    }
                }
            }
        }
        for jump in &area.jumps {
            let from = self.at[&jump.from];
            // The end of an area is below its last step.
            let to = jump.to.or(area.cells.last().map(|cell| cell.step)).map_or(from, |to| self.at[&to]);
            let to_y = if jump.to.is_some() { to.y + to.size.height / 2 } else { to.y + to.size.height + 8 };
            self.detour(side(from), (to.x + to.size.width, to_y), right, &jump.label);
        }
    }

    fn frame(&mut self, Rect { x, y, size: Size { width, height } }: Rect, fill: &str, stroke: Stroke) {
        let dashes = dashes(stroke);
        let _infallible = writeln!(
            self.boxes,
            "<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" rx=\"6\" fill=\"{fill}\" stroke=\"#777777\"{dashes}/>"
        );
    }

    fn words(&mut self, x: u32, y: u32, words: &str) {
        let _infallible = writeln!(self.boxes, "<text x=\"{x}\" y=\"{y}\">{}</text>", escaped(words));
    }

    fn arrow(&mut self, (x, y): (u32, u32), (to_x, to_y): (u32, u32), stroke: Stroke) {
        let dashes = dashes(stroke);
        let _infallible = writeln!(
            self.arrows,
            "<path d=\"M{x} {y}L{to_x} {to_y}\" fill=\"none\" stroke=\"#555555\"{dashes} marker-end=\"url(#head)\"/>"
        );
    }

    /// Around the right side of what lies between, with its words as a tooltip.
    fn detour(&mut self, (x, y): (u32, u32), (to_x, to_y): (u32, u32), right: u32, label: &str) {
        let (out, dashes, label) = (right + MARGIN / 2, dashes(Stroke::Dotted), escaped(label));
        let _infallible = writeln!(
            self.arrows,
            "<path d=\"M{x} {y}C{out} {y} {out} {to_y} {to_x} {to_y}\" fill=\"none\" stroke=\"#555555\"{dashes} \
             marker-end=\"url(#head)\"><title>{label}</title></path>"
        );
        let _infallible = writeln!(
            self.arrows,
            "<text x=\"{}\" y=\"{}\" font-size=\"10\">{label}</text>",
            x + 6,
            y.saturating_sub(4)
        );
    }
}

fn dashes(stroke: Stroke) -> &'static str {
    match stroke {
        Stroke::Solid => "",
        Stroke::Dotted => " stroke-dasharray=\"4 3\"",
    }
}

fn head(rect: Rect) -> (u32, u32) {
    (rect.x + rect.size.width / 2, rect.y)
}

fn foot(rect: Rect) -> (u32, u32) {
    (rect.x + rect.size.width / 2, rect.y + rect.size.height)
}

fn side(rect: Rect) -> (u32, u32) {
    (rect.x + rect.size.width, rect.y + rect.size.height / 2)
}

/// Text for XML. Names have no control characters any more; two more characters are not allowed at all.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            plain => escaped.push(plain),
        }
    }
    escaped
}
