//! Where things stand in a drawn picture: layers from top to bottom, boxes in boxes. Each step is measured once and placed
//! once, so that a picture costs what it shows.

use super::model::{Area, Cell, Order};

pub(super) const PADDING: u32 = 16;
pub(super) const HEADING: u32 = 26;
pub(super) const LINE: u32 = 16;
const GAP_ACROSS: u32 = 28;
const GAP_DOWN: u32 = 36;
/// As wide as letters of the font are on the average.
const LETTER: u32 = 7;
pub(super) const LABEL_MAX_CHARS: usize = 44;
const BOX_MIN: u32 = 90;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) width: u32,
    pub(super) height: u32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Rect {
    pub(super) x: u32,
    pub(super) y: u32,
    pub(super) size: Size,
}

/// An area with the sizes of all that is in it.
pub(super) struct Measured<'a> {
    pub(super) area: &'a Area,
    pub(super) size: Size,
    rows: Vec<Vec<MeasuredCell<'a>>>,
}

pub(super) struct MeasuredCell<'a> {
    pub(super) cell: &'a Cell,
    /// The box alone, and with what stands beside it.
    pub(super) own: Size,
    whole: Size,
    pub(super) inner: Vec<Measured<'a>>,
    pub(super) beside: Vec<Measured<'a>>,
}

impl<'a> Measured<'a> {
    pub(super) fn of(area: &'a Area) -> Self {
        let layers = layers_of(area);
        let count = layers.iter().max().map_or(0, |last| last + 1);
        let mut rows: Vec<Vec<MeasuredCell<'a>>> = (0..count).map(|_| Vec::new()).collect();
        for (cell, layer) in area.cells.iter().zip(&layers) {
            rows[*layer].push(MeasuredCell::of(cell));
        }
        let widths = rows.iter().map(|row| across(row.iter().map(|cell| cell.whole)).width);
        let heights: u32 = rows.iter().map(|row| across(row.iter().map(|cell| cell.whole)).height).sum();
        let gaps = GAP_DOWN * u32::try_from(rows.len().saturating_sub(1)).expect("a block is bounded");
        let heading = area.title.as_deref().map_or(0, width_of);
        let size = Size {
            width: widths.max().unwrap_or(0).max(heading) + 2 * PADDING,
            height: heights + gaps + HEADING + PADDING,
        };
        Self { area, size, rows }
    }

    /// The cells with where their boxes stand, in an area whose upper left corner is there.
    pub(super) fn placed(&self, x: u32, y: u32) -> Vec<(&MeasuredCell<'a>, Rect)> {
        let mut placed = Vec::new();
        let mut top = y + HEADING;
        for row in &self.rows {
            let size = across(row.iter().map(|cell| cell.whole));
            let mut left = x + self.size.width.saturating_sub(size.width) / 2;
            for cell in row {
                placed.push((cell, Rect { x: left, y: top, size: cell.own }));
                left += cell.whole.width + GAP_ACROSS;
            }
            top += size.height + GAP_DOWN;
        }
        placed
    }
}

impl<'a> MeasuredCell<'a> {
    fn of(cell: &'a Cell) -> Self {
        let inner: Vec<Measured<'a>> = cell.inner.iter().map(Measured::of).collect();
        let beside: Vec<Measured<'a>> = cell.beside.iter().map(Measured::of).collect();
        let labels = labels_of(cell);
        let text = Size {
            width: labels.iter().map(|label| width_of(label)).max().unwrap_or(0).max(BOX_MIN),
            height: LINE * u32::try_from(labels.len()).expect("a box has few lines") + LINE,
        };
        let own = match inner.is_empty() {
            true => text,
            false => {
                let within = across(inner.iter().map(|area| area.size));
                let width = text.width.max(within.width + 2 * PADDING);
                Size { width, height: text.height + within.height + PADDING }
            }
        };
        let whole = across([own].into_iter().chain(beside.iter().map(|area| area.size)));
        Self { cell, own, whole, inner, beside }
    }

    /// Where the areas within its box stand.
    pub(super) fn inner_at(&self, own: Rect) -> Vec<(&Measured<'a>, u32, u32)> {
        let lines = u32::try_from(labels_of(self.cell).len()).expect("a box has few lines");
        row_of(&self.inner, own.x + PADDING, own.y + LINE * lines + LINE)
    }

    /// Where the areas beside its box stand.
    pub(super) fn beside_at(&self, own: Rect) -> Vec<(&Measured<'a>, u32, u32)> {
        row_of(&self.beside, own.x + own.size.width + GAP_ACROSS, own.y)
    }
}

/// What is written in a box, line by line.
pub(super) fn labels_of(cell: &Cell) -> Vec<String> {
    let join = cell.join.as_ref().map(|join| format!("join: {join}"));
    let when = cell.when.as_ref().map(|when| format!("when {when}"));
    let standing = cell.standing.as_ref().map(|standing| standing.words.clone());
    let lines = [Some(cell.name.clone()), Some(cell.kind.clone()), join, when, standing];
    lines.into_iter().flatten().map(|line| shortened(&line)).collect()
}

fn shortened(text: &str) -> String {
    match text.chars().count() > LABEL_MAX_CHARS {
        true => text.chars().take(LABEL_MAX_CHARS - 1).chain(['…']).collect(),
        false => text.to_owned(),
    }
}

fn width_of(label: &str) -> u32 {
    u32::try_from(unicode_width::UnicodeWidthStr::width(label)).unwrap_or(u32::MAX / 64) * LETTER
        + 2 * PADDING
}

/// Side by side with gaps.
fn across(sizes: impl Iterator<Item = Size>) -> Size {
    let both = sizes.fold(None, |sum: Option<Size>, next| match sum {
        None => Some(next),
        Some(sum) => {
            Some(Size { width: sum.width + GAP_ACROSS + next.width, height: sum.height.max(next.height) })
        }
    });
    both.unwrap_or_default()
}

fn row_of<'s, 'a>(areas: &'s [Measured<'a>], mut x: u32, y: u32) -> Vec<(&'s Measured<'a>, u32, u32)> {
    let mut placed = Vec::new();
    for area in areas {
        placed.push((area, x, y));
        x += area.size.width + GAP_ACROSS;
    }
    placed
}

/// For each cell its layer: below all that it waits for.
fn layers_of(area: &Area) -> Vec<usize> {
    let arrows = match &area.order {
        Order::Sequence => return (0..area.cells.len()).collect(),
        Order::Graph(arrows) => arrows,
    };
    let mut waits_for = vec![0_usize; area.cells.len()];
    let mut feeds: Vec<Vec<usize>> = area.cells.iter().map(|_| Vec::new()).collect();
    for arrow in arrows {
        waits_for[arrow.to] += 1;
        feeds[arrow.from].push(arrow.to);
    }
    let mut layers = vec![0; area.cells.len()];
    let mut free: Vec<usize> = (0..area.cells.len()).filter(|at| waits_for[*at] == 0).collect();
    // A chain has no circles: every cell becomes free once.
    while let Some(at) = free.pop() {
        for to in &feeds[at] {
            layers[*to] = layers[*to].max(layers[at] + 1);
            waits_for[*to] -= 1;
            if waits_for[*to] == 0 {
                free.push(*to);
            }
        }
    }
    layers
}
