//! Plain paths: expressions that only say where a value is, such as `big`, `steps.fetch.result` or `pages[0].text`.
//! What they name can be passed on as it is kept, without being read.

use crate::value::Value;

/// A name and the way from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    pub root: String,
    pub way: Vec<Segment>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Segment {
    Key(String),
    Index(usize),
}

impl Path {
    /// `None` for every other expression; for one that is not sure to be a path, too.
    pub fn parse(source: &str) -> Option<Self> {
        let (root, mut rest) = name(source.trim())?;
        let mut way = Vec::new();
        while !rest.is_empty() {
            let (segment, behind) = match rest.strip_prefix('.') {
                Some(behind) => name(behind).map(|(key, behind)| (Segment::Key(key.to_owned()), behind))?,
                None => bracketed(rest)?,
            };
            way.push(segment);
            rest = behind;
        }
        Some(Self { root: root.to_owned(), way })
    }
}

fn name(text: &str) -> Option<(&str, &str)> {
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    (!name.is_empty() && !name.starts_with(|c: char| c.is_ascii_digit())).then_some((name, rest))
}

fn bracketed(text: &str) -> Option<(Segment, &str)> {
    let (inside, rest) = text.strip_prefix('[')?.split_once(']')?;
    let quoted = |quote| inside.strip_prefix(quote).and_then(|inside: &str| inside.strip_suffix(quote));
    let segment = match quoted('"').or_else(|| quoted('\'')) {
        Some(key) if key.contains(['\\', '"', '\'']) => return None,
        Some(key) => Segment::Key(key.to_owned()),
        None => Segment::Index(inside.parse().ok()?),
    };
    Some((segment, rest))
}

impl Segment {
    /// The part of a value that the segment leads to; nothing of what a reference stands for.
    pub fn of(&self, value: &Value) -> Option<Value> {
        match self {
            Self::Key(key) => value.get(key),
            Self::Index(index) => value.at(*index),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(source: &str, root: &str, way: &[Segment]) {
        assert_eq!(Path::parse(source), Some(Path { root: root.into(), way: way.to_vec() }), "{source}");
    }

    #[test]
    fn only_what_says_where_is_a_path() {
        let key = |text: &str| Segment::Key(text.into());
        check(" big ", "big", &[]);
        check("steps.a.result", "steps", &[key("a"), key("result")]);
        check("pages[0][\"a b\"]['c']", "pages", &[Segment::Index(0), key("a b"), key("c")]);
        for other in
            ["1", "a + b", "a | length", "a[-1]", "a[b]", "a.0", "a(", "'text'", "a.b()", "a[\"b\\n\"]"]
        {
            assert_eq!(Path::parse(other), None, "{other}");
        }
    }
}
