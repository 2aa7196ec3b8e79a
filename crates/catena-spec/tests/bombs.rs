//! Small texts that would grow without end, and large ones: each is refused with a position, in memory that has a bound.
//! Memory is counted by the allocator; time is not measured, a bomb that went off would be seen by the test not ending.

#![expect(unsafe_code, reason = "an allocator is unsafe by nature; this one only counts and passes on")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use catena_spec::{Checked, Code, NoFiles, Source, check, limits};

struct Counting;

static NOW: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

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

/// What a refused text may take while it is read: one of some bytes, and one of some megabytes.
const SMALL_MEMORY_MAX_BYTES: usize = 64 << 20;
const LARGE_MEMORY_MAX_BYTES: usize = 512 << 20;

/// Checks a text; gives what was found and how much memory it took beside the text.
fn measured(text: &str) -> (Source, Checked, usize) {
    let source = Source::new("bomb.yaml", text);
    let before = NOW.load(Ordering::Relaxed);
    PEAK.store(before, Ordering::Relaxed);
    let checked = check(&source, &NoFiles);
    let used = PEAK.load(Ordering::Relaxed).saturating_sub(before);
    (source, checked, used)
}

fn refused(name: &str, text: &str, code: Code, line: usize) {
    let (source, checked, used) = measured(text);
    assert!(checked.chain.is_none(), "{name} is accepted");
    let problem = checked.problems.iter().find(|problem| problem.code == code);
    let problem = problem.unwrap_or_else(|| panic!("{name}: {:.500?}", checked.problems.first()));
    assert_eq!(source.position(problem.span.start).line, line, "{name}: {problem:.500?}");
    let small = text.len() < 1 << 20;
    let max = if small { SMALL_MEMORY_MAX_BYTES } else { LARGE_MEMORY_MAX_BYTES };
    assert!(used <= max, "{name} took {used} bytes");
}

/// Each level names the one before nine times.
fn laughs(first: &str, level: impl Fn(String) -> String) -> String {
    let levels = (1..40).map(|n| format!("a{n}: &a{n} {}\n", level(format!("*a{}", n - 1))));
    format!("a0: &a0 {first}\n{}", levels.collect::<String>())
}

fn nine(item: impl Fn(usize) -> String) -> String {
    (0..9).map(item).collect::<Vec<_>>().join(", ")
}

/// A step more under it each time, deeper than anybody writes.
fn staircase() -> String {
    let stair = |depth: usize| format!("{}a:\n", " ".repeat(depth));
    format!("steps:\n{}", (1..2_000).map(stair).collect::<String>())
}

#[test]
fn bombs_are_refused_in_bounded_memory_with_a_position() {
    let in_lists = laughs("[x, x]", |alias| format!("[{}]", nine(|_| alias.clone())));
    let in_objects = laughs("{x: 1}", |alias| format!("{{{}}}", nine(|at| format!("k{at}: {alias}"))));
    let merge = "  - {<<: *base, c: {<<: *base}}\n".repeat(40_000);
    refused("aliases in lists", &in_lists, Code::TooLarge, 6);
    refused("aliases in objects", &in_objects, Code::TooLarge, 6);
    refused("merges", &format!("base: &base {{a: 1, b: 2}}\nsteps:\n{merge}"), Code::TooLarge, 5_003);
    refused("itself", "name: n\nsteps: &a [*a]\n", Code::Syntax, 2);

    let below = |unit: &str| format!("name: n\nsteps:\n  {}", unit.repeat(100_000));
    refused("deep lists", &below("["), Code::TooLarge, 3);
    refused("deep dashes", &below("- "), Code::TooLarge, 3);
    refused("deep objects", &below("{a: "), Code::TooLarge, 3);
    refused("a staircase", &staircase(), Code::TooLarge, limits::MAX_DEPTH + 1);

    let giant = |unit: &str| unit.repeat(limits::MAX_BYTES + 1);
    refused("a giant text", &format!("name: n\ndescription: {}\n", giant("x")), Code::TooLarge, 1);
    refused("a giant key", &format!("name: n\n{}: 1\n", "k".repeat(4 << 20)), Code::Syntax, 2);
    refused("a giant number", &format!("name: n\ntimeout: {}\n", "9".repeat(1 << 20)), Code::Syntax, 2);
    let steps = "- shell: x\n".repeat(1_000_000);
    refused("a million steps", &format!("steps:\n{steps}"), Code::TooLarge, 333_334);
    let documents = "---\na: 1\n".repeat(100_000);
    refused("documents", &format!("steps: [{{shell: x}}]\n{documents}"), Code::ManyDocuments, 3);
    let keys = "  a: 1\n".repeat(20_000);
    refused("the same key", &format!("name: n\nvariables:\n{keys}"), Code::DuplicateKey, 4);

    let braces = "{x".repeat(100_000);
    let texts = format!("params: {{x: {{}}}}\nsteps:\n  - set: {{a: \"{braces}\", b: \"{{y}}\"}}\n");
    refused("braces", &texts, Code::UnknownName, 3);
    let condition = |when: String| format!("steps:\n  - when: \"{when}\"\n    shell: x\n");
    let brackets = "(".repeat(4_000) + &")".repeat(4_000);
    refused("an expression of brackets", &condition(brackets), Code::BadExpression, 2);
    let dots = "execution".to_owned() + &".a".repeat(40_000);
    refused("an expression of dots", &condition(dots), Code::BadExpression, 2);
}
