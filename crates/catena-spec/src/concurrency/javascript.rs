//! JavaScript: what of its grammar tells sync from async, in modules and in CommonJS.

use tree_sitter::Node;

use super::tell::{DEFAULT_EXPORT, Grammar, Meaning, Names, Own, all_parts, has_token};

pub(super) struct JavaScript;

impl Grammar for JavaScript {
    fn language() -> tree_sitter::Language {
        tree_sitter_javascript::LANGUAGE.into()
    }

    fn suspends(at: Own<'_>) -> bool {
        match at.node.kind() {
            "await_expression" | "yield_expression" => true,
            // `for await (…)`, `await using …`
            "for_in_statement" | "using_declaration" => has_token(at.node, "await"),
            _ => false,
        }
    }

    fn parts<'t>(at: Own<'t>, parts: &mut Vec<Own<'t>>) {
        match at.node.kind() {
            "function_declaration"
            | "generator_function_declaration"
            | "function_expression"
            | "generator_function"
            | "arrow_function"
            | "class_static_block" => {}
            // A name in brackets is computed where the class or object is made.
            "method_definition" => fields(at, &["name", "decorator"], parts),
            "field_definition" => fields(at, &["property", "decorator"], parts),
            _ => all_parts(at, parts),
        }
    }

    fn bind<'t>(node: Node<'t>, names: &mut Names<'t>) {
        let field = |name| node.child_by_field_name(name);
        match node.kind() {
            "function_declaration" | "generator_function_declaration" => {
                names.add_node(field("name"), Some(node));
            }
            "variable_declarator" => names.add_node(field("name"), field("value")),
            "assignment_expression" => bind_assigned(node, names),
            "export_statement" if has_token(node, "default") => {
                if let Some(value) = field("value").or(field("declaration")) {
                    names.add(DEFAULT_EXPORT, value);
                }
            }
            "export_specifier" => names.add_node(field("alias"), field("name")),
            _ => {}
        }
    }

    fn meaning(value: Node<'_>) -> Meaning<'_> {
        let inner = match value.kind() {
            "generator_function_declaration" | "generator_function" => return Meaning::Declared,
            "function_declaration" | "function_expression" | "arrow_function" | "method_definition" => {
                if has_token(value, "async") || has_token(value, "*") {
                    return Meaning::Declared;
                }
                value.child_by_field_name("body").map(Meaning::Body)
            }
            "parenthesized_expression" => value.named_child(0).map(Meaning::Same),
            // `module.exports.main = main = …`
            "assignment_expression" => value.child_by_field_name("right").map(Meaning::Same),
            "identifier" | "shorthand_property_identifier" => Some(Meaning::Name(value)),
            _ => None,
        };
        inner.unwrap_or(Meaning::Unknown)
    }
}

fn fields<'t>(at: Own<'t>, names: &[&str], parts: &mut Vec<Own<'t>>) {
    let mut cursor = at.node.walk();
    for name in names {
        parts.extend(at.node.children_by_field_name(name, &mut cursor).map(|node| Own { node, ..at }));
    }
}

/// `main = …`, and what CommonJS modules export.
fn bind_assigned<'t>(node: Node<'t>, names: &mut Names<'t>) {
    let (left, right) = (node.child_by_field_name("left"), node.child_by_field_name("right"));
    let (Some(left), Some(right)) = (left, right) else { return };
    match (left.kind(), names.text(left)) {
        ("identifier", name) => names.add(name, right),
        (_, "module.exports") if right.kind() == "object" => bind_members(right, names),
        (_, "module.exports") => names.add(DEFAULT_EXPORT, right),
        ("member_expression", path) => {
            let (object, name) = path.rsplit_once('.').unwrap_or_default();
            if ["exports", "module.exports", "globalThis"].contains(&object) {
                names.add(name, right);
            }
        }
        _ => {}
    }
}

fn bind_members<'t>(object: Node<'t>, names: &mut Names<'t>) {
    let mut cursor = object.walk();
    for member in object.named_children(&mut cursor) {
        match member.kind() {
            "pair" => {
                let (key, value) = (member.child_by_field_name("key"), member.child_by_field_name("value"));
                if let (Some(key), Some(value)) = (key, value) {
                    names.add(names.text(key).trim_matches(['"', '\'']), value);
                }
            }
            "method_definition" => names.add_node(member.child_by_field_name("name"), Some(member)),
            // `{ main }`: the name means what it meant before.
            _ => {}
        }
    }
}
