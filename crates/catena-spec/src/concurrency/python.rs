//! Python: what of its grammar tells sync from async.

use tree_sitter::Node;

use super::tell::{Grammar, Meaning, Names, Own, all_parts};

pub(super) struct Python;

impl Grammar for Python {
    fn language() -> tree_sitter::Language {
        tree_sitter_python::LANGUAGE.into()
    }

    fn suspends(at: Own<'_>) -> bool {
        match at.node.kind() {
            "await" => at.node.is_named(),
            "yield" => at.node.is_named() && at.yields,
            "for_statement" | "with_statement" | "for_in_clause" => begins_with_async(at.node),
            _ => false,
        }
    }

    fn parts<'t>(at: Own<'t>, parts: &mut Vec<Own<'t>>) {
        match at.node.kind() {
            // Defaults are evaluated where the function is defined, and so are the bases of a class.
            "function_definition" | "lambda" => fields(at, &["parameters", "return_type"], parts),
            "class_definition" => fields(at, &["superclasses"], parts),
            "list_comprehension"
            | "set_comprehension"
            | "dictionary_comprehension"
            | "generator_expression" => comprehension(at, parts),
            _ => all_parts(at, parts),
        }
    }

    fn bind<'t>(node: Node<'t>, names: &mut Names<'t>) {
        match node.kind() {
            "function_definition" => names.add_node(node.child_by_field_name("name"), Some(node)),
            "assignment" => {
                let target = node.child_by_field_name("left").filter(|left| left.kind() == "identifier");
                names.add_node(target, node.child_by_field_name("right"));
            }
            _ => {}
        }
    }

    fn meaning(value: Node<'_>) -> Meaning<'_> {
        let inner = match value.kind() {
            "function_definition" if begins_with_async(value) => return Meaning::Declared,
            "function_definition" | "lambda" => value.child_by_field_name("body").map(Meaning::Body),
            "parenthesized_expression" => value.named_child(0).map(Meaning::Same),
            // `main = run = …`
            "assignment" => value.child_by_field_name("right").map(Meaning::Same),
            "identifier" => Some(Meaning::Name(value)),
            _ => None,
        };
        inner.unwrap_or(Meaning::Unknown)
    }
}

fn begins_with_async(node: Node<'_>) -> bool {
    node.child(0).is_some_and(|first| first.kind() == "async")
}

fn fields<'t>(at: Own<'t>, names: &[&str], parts: &mut Vec<Own<'t>>) {
    let found = names.iter().filter_map(|name| at.node.child_by_field_name(name));
    parts.extend(found.map(|node| Own { node, ..at }));
}

/// A comprehension is a function of its own but for the first iterable, where a `yield` is one of the code around it.
/// What it awaits, the code around it awaits.
fn comprehension<'t>(at: Own<'t>, parts: &mut Vec<Own<'t>>) {
    let mut cursor = at.node.walk();
    let mut first = None;
    for node in at.node.children(&mut cursor) {
        if first.is_none() && node.kind() == "for_in_clause" {
            first = node.child_by_field_name("right");
        }
        parts.push(Own { node, yields: false });
    }
    parts.extend(first.map(|node| Own { node, ..at }));
}
