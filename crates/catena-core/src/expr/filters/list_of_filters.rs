//! Every filter, with an example that a test runs. The reference's table of filters is this list.

use super::{dates, json, lists, numbers, objects, text, units};
use crate::expr::builtin::Builtin;

pub const FILTERS: &[Builtin] = &[
    // Numbers.
    Builtin::new("abs", &[], numbers::abs).doc("The number without its sign.").example("-3 | abs", "3"),
    Builtin::new("ceil", &[], numbers::ceil).doc("The next integer above.").example("2.1 | ceil", "3"),
    Builtin::new("float", &[], numbers::float)
        .doc("A number, or text that is one, as a number with a fraction.")
        .example("'2.5' | float", "2.5"),
    Builtin::new("floor", &[], numbers::floor).doc("The next integer below.").example("-2.1 | floor", "-3"),
    Builtin::new("int", &[], numbers::int)
        .doc("An integer of a number, cut off, or of text that is an integer.")
        .example("' 42 ' | int", "42"),
    Builtin::new("round", &["digits?"], numbers::round)
        .doc("Rounds to so many digits, halves away from zero.")
        .example("2.345 | round(1)", "2.3"),
    // Text.
    Builtin::new("capitalize", &[], text::capitalize)
        .doc("The first letter large, the others small.")
        .example("'rOME' | capitalize", "\"Rome\""),
    Builtin::new("format", &["a?", "b?", "c?", "d?", "e?"], text::format)
        .doc("Fills in a printf pattern; widths have at most three digits.")
        .example("'%05.1f %s' | format(2.25, 'km')", "\"002.2 km\""),
    Builtin::new("lines", &[], text::lines)
        .doc("The lines of a text, without their ends.")
        .example("'a\\nb' | lines", "[\"a\",\"b\"]"),
    Builtin::new("lower", &[], text::lower).doc("All letters small.").example("'ROME' | lower", "\"rome\""),
    Builtin::new("replace", &["from", "to"], text::replace)
        .doc("Every `from` replaced.")
        .example("'a-b-c' | replace('-', '+')", "\"a+b+c\""),
    Builtin::new("split", &["separator?", "max?"], text::split)
        .doc("The parts between separators, or between white space; at most `max` cuts.")
        .example("'a,b,c' | split(',', 1)", "[\"a\",\"b,c\"]"),
    Builtin::new("string", &[], text::string)
        .doc("Text as it is, everything else as JSON.")
        .example("[1, none] | string", "\"[1,null]\""),
    Builtin::new("title", &[], text::title)
        .doc("Each word with a large first letter.")
        .example("'new york' | title", "\"New York\""),
    Builtin::new("trim", &["letters?"], text::trim)
        .doc("Without white space, or these letters, at both ends.")
        .example("'  a b ' | trim", "\"a b\""),
    Builtin::new("upper", &[], text::upper).doc("All letters large.").example("'rome' | upper", "\"ROME\""),
    // Lists, and what lists have in common with texts and objects.
    Builtin::new("batch", &["size", "fill?"], lists::batch)
        .doc("Lists of so many items; the last one is filled up.")
        .example("[1, 2, 3] | batch(2, 0)", "[[1,2],[3,0]]"),
    Builtin::new("count", &[], lists::length).doc("The same as `length`.").example("[1, 2] | count", "2"),
    Builtin::new("first", &[], lists::first)
        .doc("The first item or letter; undefined if there is none.")
        .example("[] | first | default(0)", "0"),
    Builtin::new("groupby", &["attribute"], lists::group_by)
        .doc("Lists of `{grouper, list}` of items whose attribute is the same, ordered by it.")
        .example(
            "[{'k': 2}, {'k': 1}, {'k': 2}] | groupby('k') | map(attribute='list') | map('length')",
            "[1,2]",
        ),
    Builtin::new("join", &["separator?", "attribute?"], lists::join)
        .doc("The items as one text.")
        .example("[1, 'b'] | join(', ')", "\"1, b\""),
    Builtin::new("last", &[], lists::last)
        .doc("The last item or letter; undefined if there is none.")
        .example("'abc' | last", "\"c\""),
    Builtin::new("length", &[], lists::length)
        .doc("How many items, fields or letters there are.")
        .example("'größe' | length", "5"),
    Builtin::new("list", &[], lists::list)
        .doc("The items of a list, the keys of an object, the letters of a text.")
        .example("'ab' | list", "[\"a\",\"b\"]"),
    Builtin::new("map", &["filter?", "a?", "b?", "c?", "attribute?", "default?"], lists::map)
        .doc("Each item through a filter, or an attribute of each.")
        .example("['a', 'b'] | map('upper')", "[\"A\",\"B\"]"),
    Builtin::new("max", &["attribute?"], lists::max)
        .doc("The largest item; undefined if there is none.")
        .example("[1, 3, 2] | max", "3"),
    Builtin::new("min", &["attribute?"], lists::min)
        .doc("The smallest item; undefined if there is none.")
        .example("[2, 1.5] | min", "1.5"),
    Builtin::new("reject", &["test?", "a?"], lists::reject)
        .doc("The items that do not pass a test.")
        .example("[1, 2, 3] | reject('odd')", "[2]"),
    Builtin::new("rejectattr", &["attribute", "test?", "a?"], lists::reject_attribute)
        .doc("The items whose attribute does not pass a test.")
        .example("[{'n': 1}, {'n': 2}] | rejectattr('n', 'eq', 1)", "[{\"n\":2}]"),
    Builtin::new("reverse", &[], lists::reverse)
        .doc("A list or text from its end.")
        .example("[1, 2] | reverse", "[2,1]"),
    Builtin::new("select", &["test?", "a?"], lists::select)
        .doc("The items that pass a test, or that are true.")
        .example("[0, 1, 2] | select", "[1,2]"),
    Builtin::new("selectattr", &["attribute", "test?", "a?"], lists::select_attribute)
        .doc("The items whose attribute passes a test, or is there and true.")
        .example("[{'n': 1}, {'n': 2}] | selectattr('n', 'gt', 1)", "[{\"n\":2}]"),
    Builtin::new("slice", &["count", "fill?"], lists::slice)
        .doc("The items in so many lists.")
        .example("[1, 2, 3] | slice(2)", "[[1,2],[3]]"),
    Builtin::new("sort", &["reverse?", "case_sensitive?", "attribute?"], lists::sort)
        .doc("The items in order; only numbers with numbers and text with text.")
        .example("['b', 'C', 'a'] | sort", "[\"a\",\"b\",\"C\"]"),
    Builtin::new("sum", &["attribute?"], lists::sum)
        .doc("All numbers added.")
        .example("[1, 2, 3] | sum", "6"),
    Builtin::new("unique", &["case_sensitive?", "attribute?"], lists::unique)
        .doc("Each item once, the first of its like.")
        .example("[1, 2, 1] | unique", "[1,2]"),
    Builtin::new("zip", &["other"], lists::zip)
        .doc("Pairs of the items of two lists, as long as both last.")
        .example("[1, 2] | zip(['a', 'b'])", "[[1,\"a\"],[2,\"b\"]]"),
    // Objects.
    Builtin::new("dictsort", &["case_sensitive?", "by?", "reverse?"], objects::dictsort)
        .doc("Pairs of key and value in the order of the keys, or of the values with `by='value'`.")
        .example("{'b': 1, 'a': 2} | dictsort", "[[\"a\",2],[\"b\",1]]"),
    Builtin::new("items", &[], objects::items)
        .doc("Pairs of key and value.")
        .example("{'a': 1} | items", "[[\"a\",1]]"),
    Builtin::new("keys", &[], objects::keys)
        .doc("The keys of an object.")
        .example("{'a': 1} | keys", "[\"a\"]"),
    Builtin::new("values", &[], objects::values)
        .doc("The values of an object.")
        .example("{'a': 1} | values", "[1]"),
    // JSON and what is missing.
    Builtin::new("bool", &[], json::truth)
        .doc("Whether it is true by the rules of `when`.")
        .example("'' | bool", "false"),
    Builtin::new("d", &["value?", "also_empty?"], json::default)
        .anything()
        .doc("The same as `default`.")
        .example("{}.a | d(1)", "1"),
    Builtin::new("default", &["value?", "also_empty?"], json::default)
        .anything()
        .doc("What is given if it is undefined, or, with `true` behind it, if it is empty, null or false.")
        .example("none | default('x', true)", "\"x\""),
    Builtin::new("from_json", &[], json::from_json)
        .doc("The value that a JSON text stands for.")
        .example("'[1, 2]' | from_json | last", "2"),
    Builtin::new("json", &["indent?"], json::to_json)
        .doc("JSON text, on one line or indented.")
        .example("{'a': [1]} | json", "\"{\\\"a\\\":[1]}\""),
    // Units and times.
    Builtin::new("add", &["duration"], dates::add)
        .doc("The time that much later, or earlier with a minus; a day has 24 hours.")
        .example("'2026-03-28T22:00:00Z' | add('1d12h')", "\"2026-03-30T10:00:00Z\""),
    Builtin::new("bytes", &[], units::bytes)
        .doc("Text with a unit as a number of bytes: `kB` is 1,000, `KiB` 1,024.")
        .example("'1.5 MiB' | bytes", "1572864"),
    Builtin::new("date", &["format?"], dates::date)
        .doc("A time by a strftime pattern, by default `%Y-%m-%d`.")
        .example("'2026-11-20T18:50:00Z' | date('%d.%m.%Y %H:%M')", "\"20.11.2026 18:50\""),
    Builtin::new("duration", &[], units::duration)
        .doc("Text such as `1h30m` as a number of seconds.")
        .example("'1h30m' | duration", "5400"),
    Builtin::new("epoch", &[], dates::epoch)
        .doc("A time as seconds since 1970.")
        .example("'1970-01-02T00:00:00Z' | epoch", "86400"),
    Builtin::new("in_zone", &["zone"], dates::in_zone)
        .doc("The same instant on the clocks of a zone of the IANA database.")
        .example("'2026-07-01T12:00:00Z' | in_zone('Europe/Rome')", "\"2026-07-01T14:00:00+02:00\""),
];
