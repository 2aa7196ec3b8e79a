//! Sync or async, told by parsing a step's code: one table for each language, one case a line, with `_` for a line end
//! and `·` for a step of indentation where the code has several lines.
#![cfg(feature = "concurrency")]

use catena_spec::{Concurrency, Language, concurrency};

const SYNC: Concurrency = Concurrency::Sync;
const ASYNC: Concurrency = Concurrency::Async;

fn check(language: Language, cases: &[(&str, Concurrency, &str)]) {
    for (what, expected, code) in cases {
        let code = code.replace(" _ ", "\n").replace('·', "    ");
        assert_eq!(concurrency(language, &code), *expected, "{what}:\n{code}");
        let with_crlf = format!("\u{feff}{}", code.replace('\n', "\r\n"));
        assert_eq!(concurrency(language, &with_crlf), *expected, "{what}, as Windows writes it:\n{code}");
    }
}

#[test]
fn python_is_told_by_its_entry_and_its_top_level() {
    check(
        Language::Python,
        &[
            ("nothing", SYNC, ""),
            ("a script", SYNC, "import json _ print(json.dumps({'a': 1}))"),
            ("main", SYNC, "def main(): _ ·return 1"),
            ("async main", ASYNC, "async def main(): _ ·return 1"),
            ("async_task that yields", ASYNC, "def async_task(): _ ·x = yield 1 _ ·return x"),
            ("async_task that only returns", SYNC, "def async_task(): _ ·return 1"),
            ("yield from", ASYNC, "def main(): _ ·yield from other()"),
            (
                "a yield in an assignment deep inside",
                ASYNC,
                "def main(): _ ·if a: _ ··while b: _ ···c = f((yield))",
            ),
            ("async_task goes before main", SYNC, "async def main(): ... _ def async_task(): _ ·return 1"),
            (
                "async_task goes before main, either way",
                ASYNC,
                "async def async_task(): ... _ def main(): ...",
            ),
            ("the last definition counts", SYNC, "async def main(): ... _ def main(): _ ·return 1"),
            (
                "a definition in a branch",
                ASYNC,
                "try: _ ·import x _ except ImportError: _ ·async def main(): ...",
            ),
            ("an async helper beside main", SYNC, "async def helper(): _ ·await x _ def main(): _ ·return 1"),
            (
                "a helper that is run",
                SYNC,
                "import asyncio _ async def helper(): _ ·await x _ asyncio.run(helper())",
            ),
            ("a generator beside main", SYNC, "def rows(): _ ·yield 1 _ def main(): _ ·return list(rows())"),
            (
                "an async function inside main",
                SYNC,
                "def main(): _ ·async def inner(): _ ··await x _ ·return run(inner())",
            ),
            (
                "a generator inside main",
                SYNC,
                "def main(): _ ·def rows(): _ ··yield 1 _ ·return list(rows())",
            ),
            ("a lambda that yields", SYNC, "def main(): _ ·return map(lambda x: (yield x), [1])"),
            ("a comprehension that yields", SYNC, "def main(): _ ·return [(yield x) for x in y]"),
            ("the first iterable is main's own", ASYNC, "def main(): _ ·return [x for x in (yield)]"),
            (
                "a class inside main",
                SYNC,
                "def main(): _ ·class A: _ ··async def a(self): _ ···await x _ ·return A()",
            ),
            (
                "a default of an inner function",
                ASYNC,
                "def main(): _ ·def inner(a=(yield)): _ ··return a _ ·return inner",
            ),
            ("a method called main", SYNC, "class A: _ ·async def main(self): _ ··await x"),
            ("an async comprehension", ASYNC, "def main(): _ ·return (x async for x in y)"),
            ("an async comprehension in a list", ASYNC, "async def main(): _ ·return [x async for x in y]"),
            ("async with", ASYNC, "def main(): _ ·async with a as b: _ ··pass"),
            ("async for", ASYNC, "def main(): _ ·async for a in b: _ ··pass"),
            ("await at the top level", ASYNC, "import x _ y = await x.fetch()"),
            ("await in a branch of the top level", ASYNC, "if __name__ == '__main__': _ ·await main()"),
            ("async with at the top level", ASYNC, "async with a: _ ·pass"),
            ("words in a comment", SYNC, "def main(): _ ·# yield, await, async def main _ ·return 1"),
            (
                "words in a docstring",
                SYNC,
                "\"\"\"async def main(): await x\"\"\" _ def main(): _ ·\"\"\"yield\"\"\" _ ·return 1",
            ),
            ("words in strings", SYNC, "def main(): _ ·return 'await x' + r'yield' + \"async for\""),
            (
                "words in a string of many lines",
                SYNC,
                "x = ''' _ async def main(): _ ·await y _ ''' _ def main(): ...",
            ),
            (
                "words in names",
                SYNC,
                "def main(): _ ·awaited = yielded = asyncio_async = 1 _ ·return awaited",
            ),
            ("words as attributes", SYNC, "def main(): _ ·return loop.async_, x.yield_"),
            ("text of an f-string", SYNC, "def main(): _ ·return f'await {x} yield'"),
            ("an expression of an f-string", ASYNC, "def main(): _ ·return f'a {await x} b'"),
            ("a format of an f-string", ASYNC, "def main(): _ ·return f'{x:{await y}}'"),
            ("a decorated entry", ASYNC, "@retry(3) _ @trace _ async def main(): _ ·return 1"),
            ("a decorator that yields nothing", SYNC, "@retry(lambda: (yield)) _ def main(): _ ·return 1"),
            ("a lambda as entry", ASYNC, "main = lambda: (yield 1)"),
            ("another name for a function", ASYNC, "async def run(): ... _ main = run"),
            ("a name for a name for itself", SYNC, "main = run _ run = main"),
            ("an entry that nobody can see", SYNC, "from elsewhere import main"),
            (
                "a type alias and a match",
                SYNC,
                "type A = int _ def main(): _ ·match x: _ ··case 1: _ ···return 2",
            ),
            ("an error before the entry", ASYNC, "x = = 1 _ async def main(): _ ·return 1"),
            ("an error after the entry", ASYNC, "async def main(): _ ·return 1 _ x = = 1"),
            ("an error inside the entry", ASYNC, "async def main(): _ ·x = = 1 _ ·return 1"),
            ("an error in sync code", SYNC, "def main(: _ ·return 1"),
            ("no Python", SYNC, "%PDF-1.7 ����"),
        ],
    );
}

#[test]
fn javascript_is_told_by_its_entry_and_its_top_level() {
    check(
        Language::JavaScript,
        &[
            ("nothing", SYNC, ""),
            ("a script", SYNC, "console.log(JSON.stringify({a: 1}));"),
            ("main", SYNC, "function main() { return 1; }"),
            ("async main", ASYNC, "async function main() { return 1; }"),
            ("async_task", ASYNC, "async function async_task() {}"),
            ("async_task goes before main", SYNC, "async function main() {} _ function async_task() {}"),
            ("a generator", ASYNC, "function* main() { yield 1; }"),
            ("a constant", ASYNC, "const main = async () => { return 1; };"),
            ("a constant without braces", ASYNC, "const main = async x => x;"),
            ("a constant function", ASYNC, "let main = async function () {};"),
            ("a sync constant", SYNC, "const main = () => helper();"),
            ("an assignment", ASYNC, "var main; _ main = async () => 1;"),
            ("parentheses", ASYNC, "const main = (async () => 1);"),
            ("another name", ASYNC, "async function run() {} _ const main = run;"),
            ("an exported function", ASYNC, "export async function main() {}"),
            ("an exported constant", ASYNC, "export const main = async () => {};"),
            ("the default export", ASYNC, "export default async function () {}"),
            ("the default export, an arrow", ASYNC, "export default async () => 1;"),
            ("a sync default export", SYNC, "export default function main() { return 1; }"),
            (
                "a default export beside main",
                SYNC,
                "export default async () => 1; _ export function main() {}",
            ),
            ("exported under another name", ASYNC, "async function run() {} _ export { run as main };"),
            ("exported as the default", ASYNC, "async function run() {} _ export { run as default };"),
            ("CommonJS", ASYNC, "exports.main = async () => 1;"),
            ("CommonJS, the module", ASYNC, "module.exports = async () => 1;"),
            ("CommonJS, an object", ASYNC, "module.exports = { 'main': async () => 1 };"),
            ("CommonJS, a method", ASYNC, "module.exports = { async main() {} };"),
            ("CommonJS, a name", ASYNC, "async function main() {} _ module.exports = { main };"),
            ("await at the top level", ASYNC, "const x = await fetch('x');"),
            ("for await at the top level", ASYNC, "for await (const x of y) { print(x); }"),
            ("for await in main", ASYNC, "const main = function () { for await (const x of y) {} }"),
            (
                "an async helper beside main",
                SYNC,
                "async function helper() { await x; } _ function main() { return 1; }",
            ),
            ("a helper that is run", SYNC, "(async () => { await x; })();"),
            (
                "an async function inside main",
                SYNC,
                "function main() { return [1].map(async x => { await x; }); }",
            ),
            (
                "a generator inside main",
                SYNC,
                "function main() { function* g() { yield 1; } return [...g()]; }",
            ),
            ("a class inside main", SYNC, "function main() { return new class { async a() { await x; } }; }"),
            ("a method called main", SYNC, "class A { async main() { await x; } }"),
            (
                "a field of a class at the top level",
                SYNC,
                "class A { a = async () => { await x; }; static { f(); } }",
            ),
            ("a computed name", ASYNC, "class A { [await x]() {} }"),
            (
                "words in comments",
                SYNC,
                "// await x _ /* async function main() { yield } */ function main() {}",
            ),
            (
                "words in strings",
                SYNC,
                "function main() { return 'await x' + \"yield\" + `async ${1} await`; }",
            ),
            ("an expression of a template", ASYNC, "const x = `a ${await y} b`;"),
            (
                "words in a regular expression",
                SYNC,
                "function main() { return /await x; yield/.test('async'); }",
            ),
            ("words as properties", SYNC, "function main() { return {async: 1, await: 2, yield: 3}.async; }"),
            ("a script for a shell", ASYNC, "#!/usr/bin/env node _ export async function main() {}"),
            ("an error before the entry", ASYNC, "let = = 1; _ async function main() {}"),
            ("an error in sync code", SYNC, "function main( { return 1;"),
            ("no JavaScript", SYNC, "\u{1}\u{2} ����"),
        ],
    );
}

/// Code as large as a file may well be, and as deep as no one writes it: an answer, within the stack.
#[test]
fn large_and_hostile_code_has_an_answer() {
    let filled = |size: usize, line: &str| line.repeat(size * 1024 / line.len());
    let python = |code: String| concurrency(Language::Python, &code);
    let javascript = |code: String| concurrency(Language::JavaScript, &code);
    let rows = filled(1024, "rows = [1, 'await', {'yield': 3}]  # async\n");
    assert_eq!(python(format!("{rows}def main():\n    return rows\n")), SYNC);
    assert_eq!(python(format!("{rows}async def main():\n    return rows\n")), ASYNC);
    let rows = filled(1024, "rows = [1, 'await', {yield: 3}]; // async\n");
    assert_eq!(javascript(format!("{rows}export function main() {{}}\n")), SYNC);
    assert_eq!(javascript(format!("{rows}export async function main() {{}}\n")), ASYNC);
    for open in ["(", "[", "{", "f'{", "lambda: ", "not ", "a = ", "if a:", "@a\n", "\"", "'''"] {
        assert_eq!(python(format!("main = {}", filled(128, open))), SYNC, "{open} in Python");
    }
    for open in ["(", "[", "{", "`${", "()=>", "!", "a = ", "<a>", "/*", "class {"] {
        assert_eq!(javascript(format!("main = {}", filled(128, open))), SYNC, "{open} in JavaScript");
    }
}
