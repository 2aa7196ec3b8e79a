//! Which texts expressions can say as names.

/// Words of the expression language that are no names.
pub(crate) const WORDS: &[&str] =
    &["not", "and", "or", "in", "is", "if", "else", "true", "false", "none", "True", "False", "None"];

/// Whether expressions can say the name.
pub(crate) fn is_identifier(name: &str) -> bool {
    let mut letters = name.chars();
    letters.next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
        && letters.all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
        && !WORDS.contains(&name)
}

/// The identifier that a name nearly is: `my-city` is `my_city`.
pub(crate) fn as_identifier(name: &str) -> Option<String> {
    let written = name.trim().replace(['-', ' ', '.'], "_");
    is_identifier(&written).then_some(written)
}

/// Text that says something, as a regular expression for the JSON Schema. What [`is_blank`] says no to is what it
/// matches: its dialect and Unicode differ on two characters.
pub(crate) const NOT_BLANK: &str = r"[^\s\u0085]";

pub(crate) fn is_blank(text: &str) -> bool {
    text.chars().all(|letter| letter.is_whitespace() || letter == '\u{feff}')
}
