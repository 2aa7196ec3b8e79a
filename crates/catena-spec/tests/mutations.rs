//! Every fixture with some of its keys renamed, its values exchanged and its steps moved: `check` always ends, and the
//! structure check and the lowering never differ on whether there is a chain (which `check` asserts itself).

#![expect(clippy::unwrap_used, reason = "a test may stop at the first thing that is not as it should be")]
#![expect(clippy::disallowed_methods, reason = "fixtures are files")]

mod places;

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use catena_spec::language::{CHAIN_KEYS, KINDS, STEP_KEYS};
use catena_spec::{Colour, NoFiles, Source, check, render};
use places::places;
use serde_json::{Map, Value, json};

/// How long it goes on. What is tried first is the same each time; how far it comes is the machine's.
const TIME: Duration = Duration::from_secs(4);

/// Splitmix: small, and the same numbers everywhere.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % bound.max(1) as u64).unwrap()
    }

    fn of<'v, T>(&mut self, values: &'v [T]) -> &'v T {
        &values[self.below(values.len())]
    }
}

fn definitions() -> Vec<Value> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/chains");
    let folders = ["valid", "broken", "mistakes"];
    let files = folders.iter().flat_map(|name| fs::read_dir(root.join(name)).unwrap());
    let mut paths: Vec<_> = files.map(|entry| entry.unwrap().path()).filter(|path| path.is_file()).collect();
    paths.sort();
    let texts = paths.iter().filter_map(|path| fs::read_to_string(path).ok());
    // The bombs take their time and show nothing here.
    let texts = texts.filter(|text| text.len() < 20_000);
    texts.filter_map(|text| serde_saphyr::from_str(&text).ok()).collect()
}

fn some_value(chance: &mut Chance) -> Value {
    let values = [
        json!(null),
        json!(true),
        json!(false),
        json!(0),
        json!(1),
        json!(-1),
        json!(2.0),
        json!(-0.0),
        json!(0.0004),
        json!(1e300),
        json!(u64::MAX),
        json!(i64::MIN),
        json!(""),
        json!(" "),
        json!("\u{0}"),
        json!("end"),
        json!("END"),
        json!("all"),
        json!("ANY"),
        json!("graph"),
        json!("RETRY"),
        json!("continue"),
        json!("alternative"),
        json!("1h30m"),
        json!("0.0004s"),
        json!("9999999999999999999d"),
        json!("{"),
        json!("{{x}}"),
        json!("{x}"),
        json!("{= 1}"),
        json!("{steps.a.result}"),
        json!("{secrets.KEY}"),
        json!("steps.steps.result.x"),
        json!("loop.index"),
        json!("{city | default(none)}"),
        json!("größe"),
        json!("a b"),
        json!("."),
        json!("-c"),
        json!("env"),
        json!("bash"),
        json!("node"),
        json!([]),
        json!({}),
        json!([[]]),
        json!({"": null}),
        json!({"x": null}),
        json!({"step": "a", "on": "failed"}),
        json!({"shell": "true"}),
        json!([{"shell": "true", "output_key": "x"}]),
        json!(["a", "b"]),
        json!({"conditions": [{"if": "true", "next": "a"}], "default": "end"}),
        json!({"steps": [{"set": {"x": "{x}"}}], "if_started": true}),
        json!({"wait": {"for": 1}}),
        json!({"items": "[1]", "steps": [{"set": {"x": "{item}"}}]}),
        json!({"branches": {"a": [{"shell": "x"}], "b": [{"shell": "y"}]}, "wait_for": 3}),
    ];
    chance.of(&values).clone()
}

fn some_key(chance: &mut Chance) -> String {
    let names = || KINDS.iter().map(|kind| kind.name).chain(STEP_KEYS.iter().map(|key| key.name));
    let mut keys: Vec<&str> = names().chain(CHAIN_KEYS.iter().map(|key| key.name)).collect();
    keys.extend(["if", "next", "default", "as", "items", "branches", "on", "type", "", "<<", "größe", "x y"]);
    (*chance.of(&keys)).to_owned()
}

/// One change: a value exchanged, a key renamed, a key added, an item doubled, or one place copied to another.
fn change(definition: &mut Value, chance: &mut Chance) {
    let mut found = Vec::new();
    places(definition, "", &mut found);
    let (from, to): (&String, &String) = (chance.of(&found), chance.of(&found));
    let other = definition.pointer(from).unwrap().clone();
    let place = definition.pointer_mut(to).unwrap();
    match (chance.below(6), place) {
        (0, place) => *place = some_value(chance),
        (1, place) => *place = other,
        (2, Value::Object(fields)) => {
            let renamed = chance.below(fields.len());
            *fields = std::mem::take(fields)
                .into_iter()
                .enumerate()
                .map(|(at, (key, value))| (if at == renamed { some_key(chance) } else { key }, value))
                .collect::<Map<_, _>>();
        }
        (3, Value::Array(items)) if !items.is_empty() => {
            let item = chance.of(items).clone();
            items.insert(chance.below(items.len()), item);
        }
        (4, Value::Array(items)) => items.push(some_value(chance)),
        (_, Value::Object(fields)) => {
            let value = if chance.below(2) == 0 { other } else { some_value(chance) };
            fields.insert(some_key(chance), value);
        }
        (_, place) => *place = some_value(chance),
    }
}

#[test]
fn no_change_of_a_definition_makes_it_panic() {
    let definitions = definitions();
    let mut chance = Chance(1);
    let (start, mut tried, mut chains) = (Instant::now(), 0, 0);
    while start.elapsed() < TIME {
        let mut definition = chance.of(&definitions).clone();
        for _ in 0..=chance.below(4) {
            change(&mut definition, &mut chance);
        }
        let text = serde_json::to_string(&definition).unwrap();
        // So that a definition that makes it panic can be read off the test.
        let source = Source::new("t.json", &text);
        let checked = std::panic::catch_unwind(|| check(&source, &NoFiles));
        let checked = checked.unwrap_or_else(|_| panic!("after {tried}: {text}"));
        render(&checked.problems, &source, Colour::Off);
        tried += 1;
        chains += usize::from(checked.chain.is_some());
    }
    assert!(tried > 100 && chains > 10, "{tried} tried, {chains} of them chains");
}
