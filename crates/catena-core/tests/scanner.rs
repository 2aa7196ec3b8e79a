//! What in a text is an expression. The table below is the language's; the reference shows the same one, and each of its
//! examples is tried here.

use catena_core::Value;
use catena_core::expr::{Scope, to_jinja};
use catena_core::template::{ScanError, Template};
use proptest::prelude::*;
use serde_json::{Value as Json, json};

/// The cells as they stand in the reference, and what the examples of the left one do.
const TABLE: [(&str, &str, Means); 8] = [
    (
        r"`{weather}`, `{weather.temperature \| round}`, `{items[0] + 1}`",
        "an expression: it parses and starts with a known name",
        Means::Expression,
    ),
    ("exactly one expression and nothing else", "the JSON value itself, type kept", Means::Nothing),
    ("`{wether}`", "error: unknown name, did you mean `weather`", Means::UnknownName),
    ("`{weather.}`", "error: known name, does not parse", Means::NoExpression),
    ("`{= 1 + 2}`", "an expression, said outright", Means::Expression),
    (r#"`{"a": 1}`, `{n:02d}`, `{ return 1; }`, `{print $1}`, `{}`, `${HOME}`"#, "text", Means::Text),
    (r#"`{"city": "{city}"}`"#, "text with an expression inside it", Means::TextWithExpression),
    (
        "`{{x}}` around what would be an expression",
        "the text `{x}`; any other `{{` or `}}` stays as it is; a warning, since elsewhere it means `{x}`",
        Means::OneBraceLess,
    ),
];

#[derive(Clone, Copy)]
enum Means {
    Expression,
    UnknownName,
    NoExpression,
    Text,
    TextWithExpression,
    OneBraceLess,
    /// A rule without an example.
    Nothing,
}

struct Names;

fn names() -> Json {
    json!({"weather": {"temperature": 20.6}, "items": [1], "city": "Rome", "x": 7})
}

impl Scope for Names {
    fn get(&self, root: &str, _paths: &[&str]) -> Option<minijinja::Value> {
        names().get(root).map(|json| to_jinja(&Value::from(json.clone())))
    }
}

fn is_known(name: &str) -> bool {
    names().get(name).is_some()
}

/// The examples of a cell: what stands in backticks.
fn examples(cell: &str) -> Vec<String> {
    cell.split('`').skip(1).step_by(2).map(|example| example.replace(r"\|", "|")).collect()
}

fn check_example(text: &str, means: Means) {
    let scanned = Template::scan(text, &is_known);
    let template = scanned.as_ref().map(|scanned| &scanned.template);
    match means {
        Means::Expression => assert!(matches!(template, Ok(Template::Expr(_))), "{text}: {scanned:?}"),
        Means::UnknownName => {
            assert!(matches!(scanned, Err(ScanError::UnknownName { .. })), "{text}: {scanned:?}");
        }
        Means::NoExpression => {
            assert!(matches!(scanned, Err(ScanError::NoExpression { .. })), "{text}: {scanned:?}");
        }
        Means::Text => assert_eq!(template, Ok(&Template::constant(text)), "{text}"),
        Means::TextWithExpression => {
            assert!(matches!(template, Ok(Template::Text(_))), "{text}: {scanned:?}")
        }
        Means::OneBraceLess => {
            assert_eq!(template, Ok(&Template::constant(&text[1..text.len() - 1])), "{text}");
            let doubled = scanned.map(|scanned| scanned.doubled).unwrap_or_default();
            assert!(matches!(&doubled[..], [range] if *range == (0..text.len())), "{text}: {doubled:?}");
        }
        Means::Nothing => panic!("{text}: an example of a rule that has none"),
    }
}

#[test]
fn every_example_of_the_table_is_what_the_table_says() {
    for (left, _, means) in TABLE {
        for example in examples(left) {
            check_example(&example, means);
        }
    }
}

#[test]
fn the_reference_shows_the_same_table() {
    let reference = include_str!("../../../docs/reference/language.md");
    let head = "| text in a templated string | is |\n| --- | --- |\n";
    let rows: String = TABLE.iter().map(|(left, right, _)| format!("| {left} | {right} |\n")).collect();
    assert!(reference.contains(&format!("{head}{rows}\n")), "write this into the reference:\n{head}{rows}");
}

fn check(text: &str, expected: Result<Json, &str>) {
    match (Template::scan(text, &is_known), expected) {
        (Ok(scanned), Ok(value)) => {
            let got = scanned.template.eval(&Names).unwrap_or_else(|failure| panic!("{text}: {failure}"));
            assert_eq!(got.as_json(), &value, "{text}");
        }
        (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{text}: {error}"),
        (got, _) => panic!("{text}: {got:?}"),
    }
}

#[test]
fn a_text_is_what_the_table_says() {
    check("{weather}", Ok(json!({"temperature": 20.6})));
    check("{weather.temperature | round}", Ok(json!(21.0)));
    check("{items[0] + 1}", Ok(json!(2)));
    check("in {city}: {weather.temperature}°", Ok(json!("in Rome: 20.6°")));
    check("{= 1 + 2}", Ok(json!(3)));
    check(r#"{"city": "{city}"}"#, Ok(json!(r#"{"city": "Rome"}"#)));
    check("{{x}}", Ok(json!("{x}")));
    check("{{ nobody }} }} {{", Ok(json!("{{ nobody }} }} {{")));
    check(r#"{x ~ "}"}"#, Ok(json!("7}")));
    check(r#"{x ~ '"' ~ "}{"}}"#, Ok(json!("7\"}{}")));
    check("{= {'a': {'b': x}}.a.b}", Ok(json!(7)));
    check("${city}", Ok(json!("${city}")));
    check("a {b", Ok(json!("a {b")));
    check("{x's} {y's}", Err("known name"));
    check("{range(3) | sum}", Ok(json!(3)));
    // Whoever begins with a known name is told what is wrong; whoever misspelt both is told of the name.
    check("{x | rund}", Err("there is no filter `rund`, did you mean `round`?"));
    check("{wether | rund}", Err("unknown name `wether`"));
    check("{print(1)}", Ok(json!("{print(1)}")));
}

/// A definition may have sixteen million braces: each is looked at once, and not far.
#[test]
fn many_braces_are_no_burden() {
    for unit in
        ["{", "}", "{{", "{a ", "{a'", "{a\"{b'", "{a ]}", "{a(", "{= (", "{= '", "{{x", "{a {", "{y, }"]
    {
        let text = unit.repeat(200_000 / unit.len());
        if let Ok(scanned) = Template::scan(&text, &is_known) {
            assert_eq!(scanned.template, Template::constant(text), "{unit}");
        }
    }
}

fn texts() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        prop::sample::select(PIECES).prop_map(str::to_owned),
        any::<String>(),
        any::<char>().prop_map(String::from),
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn scanning_never_panics_and_ranges_are_of_the_text(text in texts()) {
        match Template::scan(&text, &is_known) {
            Ok(scanned) => {
                for range in scanned.doubled {
                    prop_assert!(text.get(range).is_some_and(|braces| braces.starts_with("{{") && braces.ends_with("}}")));
                }
                _ = scanned.template.eval(&Names);
            }
            Err(
                ScanError::UnknownName { range, .. }
                | ScanError::NoExpression { range, .. }
                | ScanError::SecretNotAlone { range },
            ) => {
                prop_assert!(text.get(range).is_some());
            }
        }
    }

    #[test]
    fn a_text_without_expressions_comes_back_byte_for_byte(text in texts()) {
        if let Ok(scanned) = Template::scan(&text, &is_known)
            && scanned.template.exprs().is_empty()
            && scanned.doubled.is_empty()
        {
            prop_assert_eq!(scanned.template, Template::constant(text.as_str()));
        }
        // No name is known: then there are only errors, what is said outright, and text.
        if !text.contains("{=")
            && let Ok(scanned) = Template::scan(&text, &|_| false)
            && !text.contains("range")
        {
            prop_assert_eq!(scanned.template, Template::constant(text));
        }
    }

    #[test]
    fn an_escaped_expression_is_its_text(expr in prop::sample::select(EXPRESSIONS), before in "[a-z ]{0,5}", after in "[a-z ]{0,5}") {
        let escaped = format!("{before}{{{{{expr}}}}}{after}");
        let scanned = Template::scan(&escaped, &is_known).expect("an escaped expression is text");
        prop_assert_eq!(scanned.template, Template::constant(format!("{before}{{{expr}}}{after}")));
    }
}

const EXPRESSIONS: &[&str] = &[
    "x",
    "weather.temperature | round",
    "items[0] + 1",
    "= 1 + 2",
    "x ~ '}'",
    "= {'a': 1}",
    " city ",
    "x if x else 1",
];

const PIECES: &[&str] = &[
    "{",
    "}",
    "{{",
    "}}",
    "{x}",
    "{{x}}",
    "{= 1}",
    "{city}",
    "{wether}",
    "{weather.}",
    "${",
    "$",
    "x",
    " | ",
    "round",
    "'",
    "\"",
    "\\",
    "{n:02d}",
    "{}",
    "{\"a\": ",
    "é",
    "🦀",
    "\n",
    "\u{0}",
    "range(3)",
    "[0]",
    ".",
    "(",
    ")",
    "{x ~ '}'}",
];
