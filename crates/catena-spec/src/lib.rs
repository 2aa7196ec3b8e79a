//! From text to chain: reads a definition in YAML or JSON, finds every problem at once with its exact place, and
//! lowers it into the chain that the core runs. It does no I/O: step files come through [`Files`].

mod code;
pub mod limits;
mod node;
mod parse;
mod problem;
mod source;
mod suggest;
mod textmap;

pub use code::{Code, explain};
pub use problem::{Problem, Severity};
pub use source::{Position, Source, Span};

#[cfg(test)]
mod probe {
    use super::*;
    #[test]
    fn probe() {
        for t in [
            "a: 1\nb: [1, {c: d}]\ns: |\n  abc\n  de\n\nt: >-\n  x\n  y\nz: \"q\\n\"\n",
            "a: {weather}", "a: b: c", "a:\n\tb: 1", "a: 'x", "", "# c\n", "---\na: 1\n---\nb: 1", "a: 1\na: 2\nb: 1\nb: 2", "a: *x",
            "a: &x [*x]", "{\"a\": \"\\ud83d\\ude00 \\/\", \n\t\"b\": 1}", "a: 1e999", "1: 2\ntrue: 3\n~: 4", "? [a]\n: 1", "a: [", "a: !foo bar", "- a\nb: 1", "base: &b {x: 1}\nc: {<<: *b, y: 2}", "a: 12345678901234567890123", "a: {x: 1", "a: @x", "größe: [ä, 'ö'] # c\nb: 1e3", "steps:\n- shell: {a} b\n",
            "a: \"x\ny: 1\n", "a: True\nb: yes\nc: 007\nd: 0x10\ne: 1_000\nf: 12:30:00\ng: 2024-01-01",
        ] {
            let s = Source::new("x", t);
            let mut p = problem::Problems::default();
            let n = parse::parse(&s, &mut p);
            println!("=== {t:?}");
            if let Some(n) = n { show(&n, &s, 1); }
            for p in p.into_sorted().0 { println!("  {} {:?} {} | {:?} {:?}", p.code, s.position(p.span.start), p.message, p.help, s.slice(p.span)); }
        }
    }
    fn show(n: &node::Node, s: &Source, d: usize) {
        println!("{}{} {:?}", "  ".repeat(d), n.kind(), s.slice(n.span));
        match &n.value {
            node::Value::Seq(v) => v.iter().for_each(|n| show(n, s, d + 1)),
            node::Value::Map(v) => v.iter().for_each(|e| { println!("{}.{} {:?}", "  ".repeat(d), e.key.text, s.slice(e.key.span)); show(&e.value, s, d + 1) }),
            _ => {}
        }
    }
}
