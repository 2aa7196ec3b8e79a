//! What the code of a step names and calls: found in its tree, so that comments, strings and attributes do not count.

use catena_core::chain::CodeLanguage;
use tree_sitter::Node;

use super::{javascript::JavaScript, python::Python, tell::parse};
use crate::code_facts::{CONTEXT_NAME, CONTEXT_VARIABLE, Facts};

/// Of code that takes too long to parse everything is taken to be true that costs only time.
pub(crate) fn facts(language: CodeLanguage, source: &str) -> Facts {
    let tree = match language {
        CodeLanguage::Python => parse::<Python>(source),
        CodeLanguage::JavaScript => parse::<JavaScript>(source),
    };
    let Some(tree) = tree else { return Facts { names_context: true, calls_entry: false } };
    let mut facts = Facts::default();
    let mut open = vec![(tree.root_node(), false)];
    // Without recursion, like all that walks code of any depth.
    while let Some((node, within_entry)) = open.pop() {
        let text = || &source[node.byte_range()];
        facts.names_context |= match node.kind() {
            "identifier" | "shorthand_property_identifier" | "shorthand_property_identifier_pattern" => {
                text() == CONTEXT_NAME && !is_name_of_something_else(node)
            }
            // The variable is read as a string or, in JavaScript, as a property.
            "string_content" | "string_fragment" | "property_identifier" => text() == CONTEXT_VARIABLE,
            _ => false,
        };
        facts.calls_entry |= !within_entry && is_call_of_entry(node, source);
        let within = within_entry || is_entry(node, source);
        let mut cursor = node.walk();
        open.extend(node.children(&mut cursor).map(|child| (child, within)));
    }
    facts
}

/// An attribute, the name of an argument, or of a module.
fn is_name_of_something_else(node: Node<'_>) -> bool {
    let Some(parent) = node.parent() else { return false };
    let is_field = |name| parent.child_by_field_name(name) == Some(node);
    match parent.kind() {
        "attribute" => is_field("attribute"),
        "keyword_argument" => is_field("name"),
        "dotted_name" | "aliased_import" => true,
        _ => false,
    }
}

fn is_entry_name(name: &str) -> bool {
    matches!(name, "async_task" | "main")
}

fn is_call_of_entry(node: Node<'_>, source: &str) -> bool {
    let function = node.child_by_field_name("function").filter(|_| node.kind() == "call_expression");
    function.is_some_and(|function| is_entry_name(&source[function.byte_range()]))
}

/// The entry function itself may call itself: that is no call from the top level.
fn is_entry(node: Node<'_>, source: &str) -> bool {
    let is_function = matches!(
        node.kind(),
        "function_declaration" | "generator_function_declaration" | "variable_declarator"
    );
    let name = node.child_by_field_name("name").filter(|_| is_function);
    name.is_some_and(|name| is_entry_name(&source[name.byte_range()]))
}

#[cfg(test)]
mod tests {
    use CodeLanguage::{JavaScript, Python};

    use super::*;

    fn check(language: CodeLanguage, cases: &[(bool, bool, &str)]) {
        for (names_context, calls_entry, code) in cases {
            let expected = Facts { names_context: *names_context, calls_entry: *calls_entry };
            assert_eq!(facts(language, code), expected, "{code}");
        }
    }

    #[test]
    fn what_is_named_and_called_is_told_from_words() {
        check(
            Python,
            &[
                (true, false, "def main():\n    return context['results']"),
                (true, false, "def main(context): ..."),
                (true, false, "open(os.environ['CATENA_CONTEXT'])"),
                (false, false, "# context\nx = 'context'; y = ssl.context; f(context=1)"),
                (false, false, "import context\nfrom a.context import b"),
                (false, false, "'''CATENA_CONTEXT is not written'''"),
            ],
        );
        check(
            JavaScript,
            &[
                (true, false, "function main() { return context.results }"),
                (true, false, "const main = ({a}) => ({context})"),
                (true, false, "fs.readFileSync(process.env.CATENA_CONTEXT)"),
                (false, false, "// context\nlet x = `context`; x.context = 1; f({context: 1})"),
                (false, true, "function main() {}\nmain()"),
                (false, true, "async function main() {}\nmain().catch(e => 1)"),
                (false, true, "if (require.main === module) { main() }"),
                (false, false, "function main() { return n > 0 ? main(n - 1) : 0 }"),
                (false, false, "// main()\nconst main = () => 'main()'; x.main()"),
            ],
        );
    }
}
