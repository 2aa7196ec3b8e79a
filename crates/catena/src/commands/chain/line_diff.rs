//! What differs between two texts, line by line.

use serde::Serialize;

/// Beyond so many pairs of lines the middle is told as replaced whole.
const PAIRS_MAX: usize = 4_000_000;
/// Unchanged lines that are shown around a change.
const AROUND: usize = 3;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Op {
    Same,
    Removed,
    Added,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Line<'a> {
    pub(super) op: Op,
    /// Its number in the old text, from 1.
    pub(super) old: Option<usize>,
    /// Its number in the new text.
    pub(super) new: Option<usize>,
    pub(super) text: &'a str,
}

/// All lines of both texts in one order, with as few changes as there are.
pub(super) fn diff<'a>(old: &'a str, new: &'a str) -> Vec<Line<'a>> {
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let before = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let rest = old.len().min(new.len()) - before;
    let after = old.iter().rev().zip(new.iter().rev()).take(rest).take_while(|(a, b)| a == b).count();
    let (old_end, new_end) = (old.len() - after, new.len() - after);
    let mut lines: Vec<Line<'_>> = (0..before).map(|at| same(&old, at, at)).collect();
    lines.extend(middle(&old, &new, (before, old_end), (before, new_end)));
    lines.extend((0..after).map(|at| same(&old, old_end + at, new_end + at)));
    lines
}

fn same<'a>(old: &[&'a str], at: usize, new: usize) -> Line<'a> {
    Line { op: Op::Same, old: Some(at + 1), new: Some(new + 1), text: old[at] }
}

/// By the longest common subsequence.
fn middle<'a>(
    old: &[&'a str],
    new: &[&'a str],
    (mut i, old_end): (usize, usize),
    (mut j, new_end): (usize, usize),
) -> Vec<Line<'a>> {
    let (first_old, first_new) = (i, j);
    let (rows, columns) = (old_end - i, new_end - j);
    let is_small = rows.saturating_mul(columns) <= PAIRS_MAX;
    let width = columns + 1;
    let mut longest = vec![0_u32; if is_small { (rows + 1) * width } else { 0 }];
    if is_small {
        for row in (0..rows).rev() {
            for column in (0..columns).rev() {
                longest[row * width + column] = match old[first_old + row] == new[first_new + column] {
                    true => longest[(row + 1) * width + column + 1] + 1,
                    false => longest[(row + 1) * width + column].max(longest[row * width + column + 1]),
                };
            }
        }
    }
    let at = |i: usize, j: usize| if is_small { longest[(i - first_old) * width + j - first_new] } else { 0 };
    let mut lines = Vec::new();
    while i < old_end || j < new_end {
        if i < old_end && j < new_end && is_small && old[i] == new[j] {
            lines.push(same(old, i, j));
            (i, j) = (i + 1, j + 1);
        } else if i < old_end && (j == new_end || at(i + 1, j) >= at(i, j + 1)) {
            lines.push(Line { op: Op::Removed, old: Some(i + 1), new: None, text: old[i] });
            i += 1;
        } else {
            lines.push(Line { op: Op::Added, old: None, new: Some(j + 1), text: new[j] });
            j += 1;
        }
    }
    lines
}

/// The changes with the lines around them, as `diff -u` writes them.
pub(super) fn unified(lines: &[Line<'_>]) -> String {
    let mut text = String::new();
    let mut shown_until = 0;
    for (at, _) in lines.iter().enumerate().filter(|(_, line)| line.op != Op::Same) {
        let from = at.saturating_sub(AROUND).max(shown_until);
        let until = (at + AROUND + 1).min(lines.len());
        if from > shown_until || shown_until == 0 {
            text += &head(&lines[from]);
        }
        for line in lines.get(from..until).unwrap_or_default() {
            let mark = match line.op {
                Op::Same => ' ',
                Op::Removed => '-',
                Op::Added => '+',
            };
            text += &format!("{mark}{}\n", line.text);
        }
        shown_until = until.max(shown_until);
    }
    text
}

fn head(line: &Line<'_>) -> String {
    let number = line.new.or(line.old).unwrap_or(1);
    format!("@@ line {number} @@\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(old: &str, new: &str) -> String {
        let lines = diff(old, new);
        // Both texts can be read from the result, whatever it says has changed.
        let side = |keep: Op| -> Vec<&str> {
            lines.iter().filter(|line| line.op == Op::Same || line.op == keep).map(|line| line.text).collect()
        };
        assert_eq!(side(Op::Removed), old.lines().collect::<Vec<_>>());
        assert_eq!(side(Op::Added), new.lines().collect::<Vec<_>>());
        unified(&lines)
    }

    #[test]
    fn changes_are_shown_with_what_is_around_them() {
        assert_eq!(check("a\nb\n", "a\nb\n"), "");
        assert_eq!(check("", "a\n"), "@@ line 1 @@\n+a\n");
        assert_eq!(check("a\nb\nc\n", "a\nx\nc\n"), "@@ line 1 @@\n a\n-b\n+x\n c\n");
        let long: String = (1..=20).map(|n| format!("{n}\n")).collect();
        let changed = long.replace("\n3\n", "\nthree\n").replace("\n17\n", "\n");
        assert_eq!(
            check(&long, &changed),
            "@@ line 1 @@\n 1\n 2\n-3\n+three\n 4\n 5\n 6\n@@ line 14 @@\n 14\n 15\n 16\n-17\n 18\n 19\n 20\n"
        );
    }

    #[test]
    fn texts_without_a_common_line_are_replaced() {
        let (old, new): (String, String) = (
            (0..3_000).map(|n| format!("a{n}\n")).collect(),
            (0..3_000).map(|n| format!("b{n}\n")).collect(),
        );
        let text = check(&old, &new);
        assert_eq!(text.lines().count(), 6_001);
    }
}
