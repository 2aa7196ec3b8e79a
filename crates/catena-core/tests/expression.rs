//! Expressions from outside: every built-in does what its line in the table says, values keep their type, what is
//! undefined is a failure, and nothing costs more than it may.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    sync::atomic::{AtomicUsize, Ordering},
};

use catena_core::expr::{Expr, FILTERS, FUNCTIONS, Scope, TESTS, to_jinja};
use catena_core::{Failure, Value, value::VALUE_MAX_BYTES};
use proptest::prelude::*;
use serde_json::{Value as Json, json};

/// Counts what is allocated, to tell bounded memory from unbounded.
struct Counting;

static NOW: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

#[expect(unsafe_code, reason = "an allocator is unsafe by nature; this one only counts and passes on")]
// SAFETY: every call is passed on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let now = NOW.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        PEAK.fetch_max(now, Ordering::Relaxed);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

struct Names(Json);

impl Scope for Names {
    fn get(&self, root: &str, _paths: &[&str]) -> Option<minijinja::Value> {
        self.0.get(root).map(|json| to_jinja(&Value::from(json.clone())))
    }
}

fn eval(source: &str, names: &Json) -> Result<Json, Failure> {
    let expr = Expr::parse(source).unwrap_or_else(|error| panic!("{source}: {error}"));
    expr.eval(&Names(names.clone())).map(|value| value.as_json().clone())
}

fn names() -> Json {
    json!({
        "weather": {"temperature": 20.6, "tags": ["a", "b"]},
        "n": 3,
        "none_at_all": null,
        "o": {"items": 1, "keys": [2], "get": "g", "length": {"items": 3}, "0": "zero"},
        "text": "abc",
    })
}

#[track_caller]
fn check(source: &str, expected: Result<Json, &str>) {
    match (eval(source, &names()), expected) {
        (Ok(value), Ok(expected)) => assert_eq!(value.to_string(), expected.to_string(), "{source}"),
        (Err(failure), Err(part)) => assert!(failure.message.contains(part), "{source}: {failure}"),
        (got, _) => panic!("{source}: {got:?}"),
    }
}

#[test]
fn every_example_gives_what_it_says() {
    for list in [FILTERS, TESTS, FUNCTIONS] {
        let names: std::collections::BTreeSet<_> = list.iter().map(|builtin| builtin.name).collect();
        assert_eq!(names.len(), list.len(), "a name stands twice");
    }
    for builtin in FILTERS.iter().chain(TESTS).chain(FUNCTIONS) {
        assert!(!builtin.doc.is_empty(), "{}", builtin.name);
        assert!(builtin.example.contains(builtin.name), "{}", builtin.name);
        match eval(builtin.example, &json!({})) {
            Ok(value) => assert_eq!(value.to_string(), builtin.result, "{}", builtin.example),
            Err(failure) => panic!("{failure}"),
        }
    }
}

/// The reference's tables of what there is are these lists, word for word.
#[test]
fn the_reference_lists_what_there_is() {
    let reference = include_str!("../../../docs/reference/language.md");
    for (what, list) in [("filter", FILTERS), ("test", TESTS), ("function", FUNCTIONS)] {
        let mut table = format!("| {what} | does | example |\n| --- | --- | --- |\n");
        for builtin in list {
            let example = format!("`{}` → `{}`", builtin.example, builtin.result).replace('|', "\\|");
            table.push_str(&format!("| `{}` | {} | {example} |\n", builtin.signature(), builtin.doc));
        }
        assert!(
            reference.contains(&format!("\n\n{table}\n")),
            "write this into docs/reference/language.md:\n{table}"
        );
    }
}

#[test]
fn values_keep_their_type_and_calculation_is_exact() {
    check("weather.temperature | round | int", Ok(json!(21)));
    check("weather.tags[0] ~ n", Ok(json!("a3")));
    check("weather", Ok(json!({"temperature": 20.6, "tags": ["a", "b"]})));
    check("weather.tags | json", Ok(json!("[\"a\",\"b\"]")));
    check("9007199254740993 + 1", Ok(json!(9_007_199_254_740_994_u64)));
    check("18446744073709551615", Ok(json!(u64::MAX)));
    check("18446744073709551615 + 1", Err("too large"));
    check("-9223372036854775808 - 1", Err("too large"));
    check("9007199254740993 == 9007199254740992.0", Ok(json!(false)));
    check("7 // -2", Ok(json!(-4)));
    check("-7 // 2", Ok(json!(-4)));
    check("-7 // -2", Ok(json!(3)));
    check("-7 % 3", Ok(json!(2)));
    check("7 % -3", Ok(json!(-2)));
    check("7 / 2", Ok(json!(3.5)));
    check("2 ** 10", Ok(json!(1024)));
    check("range(2) == [0, 1] and [0] + [1] == range(2) and [0] * 2 == [0, 0]", Ok(json!(true)));
    check("weather.tags == ['a', 'b'] and weather.tags == ('a', 'b')", Ok(json!(true)));
    check("(weather.tags | map('upper')) == ['A', 'B'] and ['a'] != 'a'", Ok(json!(true)));
    check("{'a': [1, 2]} == {'a': range(1, 3)} and {'a': 1} != {'a': 1, 'b': 2}", Ok(json!(true)));
    check("[9007199254740993] == [9007199254740992.0]", Ok(json!(false)));
    check("[1, 'a', none] == [1.0, 'a', none]", Ok(json!(true)));
    check("1 == true or 0 == false or none == false or '' == none", Ok(json!(false)));
    check("2 ** -1", Ok(json!(0.5)));
    check("-text[1:]", Err("has no negative"));
    check("text[::-1]", Ok(json!("cba")));
    check("text[-2:]", Ok(json!("bc")));
    check("[1, 2, 3, 4][1:3]", Ok(json!([2, 3])));
    check("text[-1]", Ok(json!("c")));
    check("1 < n <= 3", Ok(json!(true)));
    check("'b' in weather.tags and 'x' not in weather", Ok(json!(true)));
    check("'yes' if n > 2 else 'no'", Ok(json!("yes")));
    check("1 / 0", Err("division by zero"));
    check("1 % 0", Err("division by zero"));
    check("1e308 * 10", Err("too large"));
    check("'10' < 9", Err("cannot order text and a number"));
    check("none_at_all > 1", Err("cannot order"));
    check("n + '1'", Err("cannot calculate"));
    check("['b', 1] | sort", Err("cannot order"));
}

#[test]
fn fields_are_data_whatever_they_are_called() {
    check("o.items", Ok(json!(1)));
    check("o.keys[0]", Ok(json!(2)));
    check("o.get", Ok(json!("g")));
    check("o.length.items", Ok(json!(3)));
    check("o['0']", Ok(json!("zero")));
    check("o | items | length", Ok(json!(5)));
}

#[test]
fn what_is_undefined_is_a_failure() {
    check("wether", Err("`wether` is not defined"));
    check("weather.wind", Err("`weather.wind` is not defined"));
    check("weather.wind.speed", Err("`weather.wind` is not defined"));
    check("weather.tags[7]", Err("`weather.tags[7]` is not defined"));
    check("weather.wind.speed | default(0)", Ok(json!(0)));
    check("wether | default('x') | upper", Ok(json!("X")));
    check("wether is defined or weather.wind is undefined", Ok(json!(true)));
    check("[wether]", Err("not defined"));
    check("{'a': wether}", Err("not defined"));
    check("{wether: 1}", Err("not defined"));
    check("wether | length", Err("not defined"));
    check("wether | json", Err("not defined"));
    check("weather.tags | map(attribute='x')", Err("an item has no `x`"));
    check("n | default(wether)", Err("not defined"));
    check("wether == wether", Err("not defined"));
    check("wether and n", Err("not defined"));
    check("not wether", Err("not defined"));
    check("n if wether else n", Err("not defined"));
    check("n if n > 5", Err("not defined"));
    check("(n if n > 5) | default(1)", Ok(json!(1)));
    check("[] | first", Err("not defined"));
    check("[] | max", Err("not defined"));
    check("'x' ~ wether", Err("not defined"));
    check("wether in [1]", Err("not defined"));
    let condition = Expr::parse("wether").expect("a name is an expression");
    assert!(condition.eval_condition(&Names(names())).is_err());
}

#[test]
fn text_becomes_a_number_as_a_whole_or_not_at_all() {
    for wrong in
        ["''", "'1.0'", "'1_000'", "'0x10'", "'abc'", "'99999999999999999999999999'", "none", "true", "[]"]
    {
        check(&format!("{wrong} | int"), Err("cannot evaluate"));
    }
    for wrong in ["''", "'1e400'", "'inf'", "'nan'", "'1,5'", "none", "true"] {
        check(&format!("{wrong} | float"), Err("no number"));
    }
    check("'-7' | int", Ok(json!(-7)));
    check("3.9 | int", Ok(json!(3)));
    check("1e300 | int", Err("too large"));
    check("'1e3' | float", Ok(json!(1000.0)));
    check("'10 MiB' | bytes", Ok(json!(10_485_760)));
    check("'1.5GB' | bytes", Ok(json!(1_500_000_000)));
    check("512 | bytes", Ok(json!(512)));
    check("'10 miles' | bytes", Err("no size"));
    check("'-1 B' | bytes", Err("no size"));
    check("'1h30m' | duration", Ok(json!(5400)));
    check("'250ms' | duration", Ok(json!(0.25)));
    check("90 | duration", Ok(json!(90)));
    check("'30m1h' | duration", Err("no duration"));
    check("'1' | duration", Err("no duration"));
    check("'' | duration", Err("no duration"));
    check("'99999999999999999999d' | duration", Err("no duration"));
}

#[test]
fn times_are_texts_days_or_seconds() {
    check("0 | date('%Y-%m-%dT%H:%M:%SZ')", Ok(json!("1970-01-01T00:00:00Z")));
    check("1.5 | in_zone('UTC')", Ok(json!("1970-01-01T00:00:01.500000Z")));
    check("'2026-11-20' | date('%d.%m.')", Ok(json!("20.11.")));
    check("'2026-11-20' | add('-1d') | date", Ok(json!("2026-11-19")));
    check("'2026-11-20T23:30:00+01:00' | date('%H:%M')", Ok(json!("23:30")));
    check("'2026-11-20T23:30:00+01:00' | in_zone('UTC')", Ok(json!("2026-11-20T22:30:00Z")));
    // Both sides of the change of clocks in Rome, at 01:00 UTC of 2026-03-29.
    check("'2026-03-29T00:59:59Z' | in_zone('Europe/Rome')", Ok(json!("2026-03-29T01:59:59+01:00")));
    check("'2026-03-29T01:00:00Z' | in_zone('Europe/Rome')", Ok(json!("2026-03-29T03:00:00+02:00")));
    check("'2026-11-20T23:30:00' | date", Err("does not say where"));
    check("'2026-02-30' | date", Err("no time"));
    check("'now' | date", Err("no time"));
    check("0 | in_zone('Europe/Rom')", Err("no time zone"));
    check("0 | add('9999999d')", Err("beyond the years"));
    check("1e300 | date", Err("cannot evaluate"));
    check("0 | date('%Q-%!')", Err("no pattern"));
}

#[test]
fn what_there_is_not_is_said_when_a_chain_is_read() {
    for (source, message, at) in [
        ("n | rund", "there is no filter `rund`, did you mean `round`?", "rund"),
        ("text | upper | uper", "there is no filter `uper`, did you mean `upper`?", "uper"),
        ("n is od", "there is no test `od`, did you mean `odd`?", "od"),
        ("rang(3)", "there is no function `rang`, did you mean `range`?", "rang"),
        ("debug()", "there is no function `debug`", "debug"),
        ("text | safe", "there is no filter `safe`", "safe"),
        ("[text] | map('uper')", "there is no filter `uper`, did you mean `upper`?", "uper"),
        ("[text] | select('od')", "there is no test `od`, did you mean `odd`?", "od"),
    ] {
        let error = Expr::parse(source).expect_err(source);
        assert_eq!(error.message, message, "{source}");
        assert_eq!(&source[error.range.expect("it has a place")], at, "{source}");
    }
    for (source, part) in [
        ("o.items()", "values have no methods such as `items`: write `… | items`"),
        ("text.__class__()", "values have no methods"),
        ("text | replace('a')", "it is `replace(from, to)`"),
        ("text | replace('a', 'b', 'c')", "it is `replace(from, to)`"),
        ("n | round(digit=1)", "it is `round(digits?)`"),
        ("[n] | map(text)", "must be written out"),
        ("n | round(*[1])", "not part of the language"),
    ] {
        let error = Expr::parse(source).expect_err(source);
        assert!(error.message.contains(part), "{source}: {error}");
    }
}

#[test]
fn nothing_behind_a_text_is_overlooked() {
    assert!(Expr::parse("weather == \"x\" && n").is_err());
    assert!(Expr::parse("weather != 'a && b'").is_ok());
}

#[test]
fn an_expression_knows_what_it_reads() {
    let expr = Expr::parse("steps.a.result + steps.b.error.type ~ city ~ range(n)[0] ~ steps['c'].x")
        .expect("valid");
    assert_eq!(expr.roots().collect::<Vec<_>>(), ["city", "n", "steps"]);
    assert_eq!(expr.paths("steps").collect::<Vec<_>>(), ["", "a.result", "b.error.type"]);
}

/// What would cost much: each fails, or gives little, within the limits of memory. That it ends soon is seen by the
/// test ending at all; the steps are counted by the evaluation itself.
#[test]
fn costly_expressions_are_bounded() {
    let long = "x".repeat(60_000);
    let items: Vec<usize> = (0..10_000).collect();
    let names = json!({"long": long, "items": items});
    let costly = [
        "'a' * 10**9",
        "'a' * 10**18 * 10**18",
        "10**9 * ['a']",
        "[[]] * 10**9",
        "[] * 10**9",
        "range(10**9)",
        "range(10**9) | list",
        "range(-10**18, 10**18)",
        "range(300000) | sum",
        "long | replace('x', long)",
        "long | replace('', long)",
        "long | list | join(long)",
        "items | join(long)",
        "items | map('string') | map('replace', '', long)",
        "(long * 200) ~ (long * 200)",
        "(long * 100) * 100",
        "[long * 100, long * 100, long * 100, long * 100] | json",
        "'%999999999d' | format(1)",
        "'%*d' | format(999999999, 1)",
        "('%999d' * 5000) | format(1)",
        "items | batch(1) | map('batch', 10**9, long)",
        "[1] | batch(10**9, 0)",
        "[1] | slice(10**9)",
        "2 ** 10 ** 9",
        "10 ** 10 ** 10",
        "items | json(16) | json | json | json | json | json | json",
        "('[' * 100000) | from_json",
        "('[1,' * 100000) | from_json",
        "('1,' * 3000000) | from_json",
        "items | zip(items) | map('json') | map('replace', '0', long) | join",
        "(items * 1000) | sort",
        "(items * 19) | unique",
        "[long, long] * 5000 == [long, long] * 5000",
        "0 | date('%Y' * 300)",
        "long | trim(long)",
        "long | split('') | length",
        "long | upper | title | capitalize | lower | reverse",
        "(items * 10) | groupby('a')",
        "items | map('add', '1d')",
    ];
    for source in costly {
        let expr = Expr::parse(source).unwrap_or_else(|error| panic!("{source}: {error}"));
        let scope = Names(names.clone());
        let before = NOW.load(Ordering::Relaxed);
        PEAK.store(before, Ordering::Relaxed);
        let result = expr.eval(&scope);
        let used = PEAK.load(Ordering::Relaxed).saturating_sub(before);
        assert!(used < 64 << 20, "{source}: {used} bytes");
        match result {
            Ok(value) => assert!(value.to_text().len() <= VALUE_MAX_BYTES, "{source}"),
            Err(failure) => assert!(failure.message.len() < 2_000, "{source}: {}", failure.message.len()),
        }
    }
    check("'a' * 10**9", Err("have more than 16777216 bytes"));
    check("range(10**9)", Err("more than 200000 steps"));
    // The value is made twice: for the expression, and as its result.
    check("'x' * 9000000", Err("have more than 16777216 bytes"));
    check("range(140000) | list", Err("more than 200000 steps"));
}

/// Texts that would need the stack of a giant: refused at once, and what is just within the limits works on the small
/// stack of a thread, in a build that is not optimised.
#[test]
fn deep_expressions_are_refused_before_the_stack_ends() {
    let run = || {
        let refused = [
            "(".repeat(50_000) + &")".repeat(50_000),
            "[".repeat(30_000) + &"]".repeat(30_000),
            "(".repeat(60_000),
            "a".to_owned() + &".a".repeat(30_000),
            "a".to_owned() + &"[0]".repeat(20_000),
            "not ".repeat(15_000) + "a",
            "-".repeat(60_000) + "1",
            "1".to_owned() + &"+1".repeat(30_000),
            "1".to_owned() + &"~1".repeat(30_000),
            "1".to_owned() + &" if 1 else 1".repeat(5_000),
            "1".to_owned() + &" if 1".repeat(5_000),
            "a".to_owned() + &"|abs".repeat(10_000),
            "a".to_owned() + &" is odd".repeat(8_000),
            "a".to_owned() + &"()".repeat(20_000),
            "1".to_owned() + &"<1".repeat(30_000),
            "{1:".repeat(20_000),
            "x".repeat(100_000),
        ];
        for source in &refused {
            let error = Expr::parse(source).expect_err(&source[..20]);
            assert!(error.message.len() < 200, "{}", error.message);
        }
        for source in [
            "[".repeat(24) + &"]".repeat(24),
            "(".repeat(24) + "1" + &")".repeat(24),
            "-".repeat(200) + "1",
            "not ".repeat(200) + "true",
            "1".to_owned() + &"+1".repeat(200),
            "1".to_owned() + &" if 1 else 1".repeat(100),
            "1".to_owned() + &"|abs".repeat(200),
            "[".repeat(12) + "1" + &"|abs".repeat(150) + &"]".repeat(12),
        ] {
            let expr = Expr::parse(&source).unwrap_or_else(|error| panic!("{source}: {error}"));
            expr.eval(&Names(json!({}))).unwrap_or_else(|failure| panic!("{failure}"));
        }
    };
    let thread = std::thread::Builder::new().stack_size(2 << 20);
    let thread = thread.spawn(run).expect("a thread starts");
    thread.join().expect("nothing overflows");
}

fn any_json() -> impl Strategy<Value = Json> {
    let number = prop_oneof![
        any::<i64>().prop_map(Json::from),
        any::<u64>().prop_map(Json::from),
        any::<f64>().prop_filter_map("JSON has no such number", |f| serde_json::Number::from_f64(f)
            .map(Json::Number)),
        prop::sample::select(vec![0.0, -0.0, 5e-324, 1.7976931348623157e308]).prop_map(Json::from),
        Just(Json::from((1_u64 << 53) + 1)),
    ];
    let word = prop_oneof![
        any::<String>(),
        prop::sample::select(vec!["items", "keys", "get", "length", "", "$catena", "0", "a.b", "{x}"])
            .prop_map(str::to_owned),
    ];
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        number,
        word.clone().prop_map(Json::from),
    ];
    leaf.prop_recursive(5, 40, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Json::from),
            prop::collection::vec((word.clone(), inner), 0..5)
                .prop_map(|fields| Json::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_value_passes_unchanged(value in any_json()) {
        let names = json!({ "x": value });
        // Compared as text, too: there -0.0 is not 0.0, and fields have an order.
        for source in ["x", "[x][0]", "{'k': x}.k", "x | json | from_json"] {
            let got = eval(source, &names).expect("a small value passes");
            prop_assert_eq!(got.to_string(), value.to_string(), "{}", source);
        }
    }

    #[test]
    fn no_text_makes_it_panic(words in prop::collection::vec(prop::sample::select(WORDS), 1..24)) {
        if let Ok(expr) = Expr::parse(&words.concat()) {
            _ = expr.eval(&Names(names()));
            _ = expr.eval_condition(&Names(names()));
        }
    }
}

const WORDS: &[&str] = &[
    "weather",
    "n",
    "o",
    "text",
    ".",
    ".items",
    "[",
    "]",
    "(",
    ")",
    "{",
    "}",
    ",",
    ":",
    " + ",
    " - ",
    " * ",
    " ** ",
    " // ",
    " % ",
    " ~ ",
    " == ",
    " < ",
    " in ",
    " not ",
    " and ",
    " if ",
    " else ",
    " is ",
    " | ",
    "default",
    "round",
    "sort",
    "map",
    "'upper'",
    "range",
    "1",
    "-1",
    "0",
    "0.5",
    "'a'",
    "''",
    "none",
    "true",
    "9223372036854775807",
    "\"",
    "\\",
    "é",
    "🦀",
    "\n",
    "date",
    "'%Y'",
    "add",
    "'1d'",
    "batch",
    "slice",
    "join",
    "format",
    "'%5d'",
    "replace",
    "odd",
    "=",
];
