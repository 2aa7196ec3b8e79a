//! The JSON Schema and the parser agree on structure: over every fixture, and over every fixture with any one of its
//! values replaced, any of its keys renamed, dropped or added.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first thing that is not as it should be")]
#![expect(clippy::disallowed_methods, reason = "fixtures are files")]

mod places;

use std::fs;
use std::path::Path;

use catena_spec::{NoFiles, Source, check, has_structure, schema};
use jsonschema::Validator;
use places::places;
use serde_json::{Value, json};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../");

/// The fixtures as JSON, as far as they can be read at all.
fn fixtures() -> Vec<(String, Value)> {
    let folders = ["valid", "broken"].map(|name| Path::new(ROOT).join("fixtures/chains").join(name));
    let files =
        folders.iter().flat_map(|folder| fs::read_dir(folder).unwrap()).map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = files.filter(|path| path.is_file()).collect();
    files.sort();
    let read = |path: &std::path::PathBuf| {
        let text = String::from_utf8(fs::read(path).unwrap()).ok()?;
        let json: Value = serde_saphyr::from_str(&text).ok()?;
        Some((path.file_name().unwrap().to_string_lossy().into_owned(), json))
    };
    files.iter().filter_map(read).collect()
}

struct Agreement {
    validator: Validator,
    compared: usize,
    valid: usize,
}

impl Agreement {
    fn compare(&mut self, name: &str, json: &Value) {
        let text = serde_json::to_string(json).unwrap();
        let source = Source::new("chain.json", &text);
        let (parser, schema) = (has_structure(&source), self.validator.is_valid(json));
        self.compared += 1;
        self.valid += usize::from(schema);
        if parser != schema {
            let problems: Vec<_> =
                check(&source, &NoFiles).problems.into_iter().map(|p| (p.code, p.message)).collect();
            let errors: Vec<_> =
                self.validator.iter_errors(json).map(|e| format!("{} at {}", e, e.instance_path())).collect();
            panic!("{name}: {text}\nparser {parser}: {problems:?}\nschema {schema}: {errors:#?}");
        }
    }
}

#[test]
fn the_schema_and_the_parser_agree_on_structure() {
    let validator = jsonschema::validator_for(&schema()).unwrap();
    let mut agreement = Agreement { validator, compared: 0, valid: 0 };
    let replacements = [
        json!(null),
        json!(true),
        json!(0),
        json!(3),
        json!(-1),
        json!(1.5),
        json!(2.0),
        json!(1e12),
        json!(1e300),
        json!(""),
        json!("\u{85}\u{feff}"),
        json!("all"),
        json!("STOP"),
        json!("1h30m"),
        json!("0s"),
        json!("0.0004s"),
        json!("A-b"),
        json!("{x}"),
        json!([]),
        json!(["a"]),
        json!({}),
        json!({"x": null}),
        json!({"shell": "true"}),
        json!([{"shell": "true"}]),
        json!({"steps": [{"wait": {"for": 1}}], "if_started": true}),
    ];
    let keys = [
        "shell",
        "notify",
        "wait",
        "chain",
        "execution_mode",
        "task_description",
        "steps",
        "x",
        "if_started",
        "interpreter",
        "on",
        "id",
    ];
    for (name, json) in fixtures() {
        agreement.compare(&name, &json);
        let mut found = Vec::new();
        places(&json, "", &mut found);
        // The bombs are large and all the same.
        for place in found.iter().take(400) {
            for replacement in &replacements {
                let mut changed = json.clone();
                *changed.pointer_mut(place).unwrap() = replacement.clone();
                agreement.compare(&format!("{name}{place}"), &changed);
            }
            let Some(Value::Object(fields)) = json.pointer(place) else { continue };
            for key in fields.keys() {
                let mut changed = json.clone();
                let fields = changed.pointer_mut(place).unwrap().as_object_mut().unwrap();
                let value = fields.shift_remove(key).unwrap();
                agreement.compare(&format!("{name}{place} without {key}"), &changed);
                let fields = changed.pointer_mut(place).unwrap().as_object_mut().unwrap();
                fields.insert(format!("{key}x"), value);
                agreement.compare(&format!("{name}{place} with {key}x"), &changed);
            }
            for key in keys {
                for value in [json!(true), json!("orchestrated"), json!({"for": 5}), json!(["echo"])] {
                    let mut changed = json.clone();
                    let fields = changed.pointer_mut(place).unwrap().as_object_mut().unwrap();
                    fields.insert(key.to_owned(), value);
                    agreement.compare(&format!("{name}{place} and {key}"), &changed);
                }
            }
        }
    }
    assert!(agreement.compared > 10_000, "{} compared", agreement.compared);
    assert!(agreement.valid > 1_000, "{} of them valid", agreement.valid);
}
