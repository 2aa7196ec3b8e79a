//! What may stand behind `is`.

use minijinja::{Value as Jinja, value::ValueKind};

use crate::expr::{
    bounds::{Result, fault},
    builtin::{Builtin, Call},
    operators::{Comparison, Number, compare},
};

pub const TESTS: &[Builtin] = &[
    Builtin::new("defined", &[], |call| answer(!call.input.is_undefined()))
        .anything()
        .doc("There is such a value.")
        .example("{}.a is defined", "false"),
    Builtin::new("undefined", &[], |call| answer(call.input.is_undefined()))
        .anything()
        .doc("There is no such value.")
        .example("{}.a is undefined", "true"),
    Builtin::new("none", &[], |call| answer(call.input.is_none()))
        .doc("It is null.")
        .example("none is none", "true"),
    Builtin::new("boolean", &[], |call| kind(call, ValueKind::Bool))
        .doc("It is true or false.")
        .example("0 is boolean", "false"),
    Builtin::new("true", &[], |call| answer(call.input.kind() == ValueKind::Bool && call.input.is_true()))
        .doc("It is true itself.")
        .example("1 is true", "false"),
    Builtin::new("false", &[], |call| answer(call.input.kind() == ValueKind::Bool && !call.input.is_true()))
        .doc("It is false itself.")
        .example("false is false", "true"),
    Builtin::new("number", &[], |call| kind(call, ValueKind::Number))
        .doc("It is a number.")
        .example("1.5 is number", "true"),
    Builtin::new("integer", &[], |call| answer(matches!(Number::of(&call.input), Some(Number::Int(_)))))
        .doc("It is a number without a fraction.")
        .example("1.0 is integer", "false"),
    Builtin::new("float", &[], |call| answer(matches!(Number::of(&call.input), Some(Number::Float(_)))))
        .doc("It is a number with a fraction.")
        .example("1.0 is float", "true"),
    Builtin::new("string", &[], |call| kind(call, ValueKind::String))
        .doc("It is text.")
        .example("'1' is string", "true"),
    Builtin::new("sequence", &[], is_list).doc("It is a list.").example("[] is sequence", "true"),
    Builtin::new("mapping", &[], |call| kind(call, ValueKind::Map))
        .doc("It is an object.")
        .example("{} is mapping", "true"),
    Builtin::new("odd", &[], |call| divides(call, Some(2), 1))
        .doc("Not divisible by 2.")
        .example("3 is odd", "true"),
    Builtin::new("even", &[], |call| divides(call, Some(2), 0))
        .doc("Divisible by 2.")
        .example("3 is even", "false"),
    Builtin::new("divisibleby", &["by"], |call| {
        let by = call.int_arg(0)?;
        divides(call, by, 0)
    })
    .doc("Divisible without a rest.")
    .example("9 is divisibleby(3)", "true"),
    Builtin::new("startingwith", &["text"], |call| ends(call, |text, part| text.starts_with(part)))
        .doc("A text begins with another.")
        .example("'data.csv' is startingwith('data')", "true"),
    Builtin::new("endingwith", &["text"], |call| ends(call, |text, part| text.ends_with(part)))
        .doc("A text ends with another.")
        .example("'data.csv' is endingwith('.csv')", "true"),
    Builtin::new("in", &["container"], |call| {
        let container = call.arg(0).cloned().unwrap_or_default();
        answer(compare(Comparison::In, &call.input, &container, call.budget)?)
    })
    .doc("It is an item of a list, a key of an object or a part of a text.")
    .example("2 is in([1, 2])", "true"),
    Builtin::new("eq", &["other"], |call| against(call, Comparison::Eq))
        .doc("`==`")
        .example("1 is eq(1.0)", "true"),
    Builtin::new("ne", &["other"], |call| against(call, Comparison::Ne))
        .doc("`!=`")
        .example("1 is ne(2)", "true"),
    Builtin::new("lt", &["other"], |call| against(call, Comparison::Lt))
        .doc("`<`")
        .example("1 is lt(2)", "true"),
    Builtin::new("le", &["other"], |call| against(call, Comparison::Le))
        .doc("`<=`")
        .example("2 is le(2)", "true"),
    Builtin::new("gt", &["other"], |call| against(call, Comparison::Gt))
        .doc("`>`")
        .example("1 is gt(2)", "false"),
    Builtin::new("ge", &["other"], |call| against(call, Comparison::Ge))
        .doc("`>=`")
        .example("2 is ge(2)", "true"),
];

fn answer(yes: bool) -> Result<Jinja> {
    Ok(Jinja::from(yes))
}

fn kind(call: &mut Call<'_>, kind: ValueKind) -> Result<Jinja> {
    answer(call.input.kind() == kind)
}

fn is_list(call: &mut Call<'_>) -> Result<Jinja> {
    answer(matches!(call.input.kind(), ValueKind::Seq | ValueKind::Iterable))
}

fn divides(call: &mut Call<'_>, by: Option<i64>, rest: i128) -> Result<Jinja> {
    match (call.number()?, by) {
        (_, Some(0) | None) => fault("nothing is divisible by 0"),
        (Number::Int(int), Some(by)) => answer(int.rem_euclid(i128::from(by).abs()) == rest),
        (Number::Float(_), Some(_)) => fault("only integers are divisible"),
    }
}

fn ends(call: &mut Call<'_>, has: fn(&str, &str) -> bool) -> Result<Jinja> {
    let (text, part) = (call.text()?, call.text_arg(0)?.unwrap_or_default());
    answer(has(&text, &part))
}

fn against(call: &mut Call<'_>, op: Comparison) -> Result<Jinja> {
    let other = call.arg(0).cloned().unwrap_or_default();
    answer(compare(op, &call.input, &other, call.budget)?)
}
