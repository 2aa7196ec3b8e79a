//! Problems for people: like rustc, with the line, a caret, a label on the related place, and what to do.

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use crate::problem::{Problem, Severity};
use crate::source::{Source, Span};

/// Whether the text may hold terminal colours. The caller knows where it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    Off,
    On,
}

/// All problems one after another, an empty line between them.
pub fn render(problems: &[Problem], source: &Source, colour: Colour) -> String {
    let rendered: Vec<String> = problems.iter().map(|problem| render_one(problem, source, colour)).collect();
    rendered.join("\n")
}

/// One problem, ending with a line end.
pub fn render_one(problem: &Problem, source: &Source, colour: Colour) -> String {
    let level = match problem.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let title = level.primary_title(problem.message.as_str()).id(problem.code.as_str());
    let mut group = Group::with_title(title).element(snippet(problem, source));
    if let Some(help) = &problem.help {
        group = group.element(Level::HELP.message(help.as_str()));
    }
    let renderer = match colour {
        Colour::Off => Renderer::plain(),
        Colour::On => Renderer::styled(),
    };
    let mut text = renderer.render(&[group]);
    text.push('\n');
    text
}

fn snippet<'a>(problem: &'a Problem, source: &'a Source) -> Snippet<'a, annotate_snippets::Annotation<'a>> {
    let all = problem.related.iter().fold(problem.span, |all, (span, _)| all.to(*span));
    let window = whole_lines(all, source);
    let inside = |span: Span| {
        let span = source.clamp(first_line(span, source));
        span.start - window.start..span.end - window.start
    };
    let primary = AnnotationKind::Primary.span(inside(problem.span)).label(problem.label.as_deref());
    let related = problem.related.iter();
    let context =
        related.map(|(span, label)| AnnotationKind::Context.span(inside(*span)).label(label.as_str()));
    // Only the lines between the places are handed over: the rest of a large file would be searched for nothing.
    Snippet::source(source.slice(window))
        .line_start(source.position(window.start).line)
        .path(source.name())
        .annotation(primary)
        .annotations(context)
}

fn whole_lines(span: Span, source: &Source) -> Span {
    let span = source.clamp(span);
    let text = source.text();
    let start = text[..span.start].rfind('\n').map_or(0, |at| at + 1);
    let end = text[span.end..].find('\n').map_or(text.len(), |at| span.end + at);
    Span::new(start, end)
}

/// A caret under a whole block says no more than one under its first line, and takes the screen.
fn first_line(span: Span, source: &Source) -> Span {
    let span = source.clamp(span);
    let length = source.slice(span).lines().next().map_or(0, str::len);
    Span::new(span.start, span.start + length)
}
