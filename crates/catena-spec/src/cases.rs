//! From text to cases: what a chain is given, and what is expected of it, with the places of both.

use std::collections::BTreeMap;

use catena_core::{
    BlockIx, Chain, StepIx, Timestamp, Value,
    chain::{Nested, ParamProblem, Part, Step, Wait, Work, schema::mismatches},
    expr::instant_of_text,
};
use serde_json::Value as Json;

use crate::code::Code;
use crate::context::{ContextFile, read_context};
use crate::language::cases::CASES;
use crate::node::{Entry, Node};
use crate::parse::parse;
use crate::problem::{Problem, Problems};
use crate::source::{Source, Span};
use crate::structure;
use crate::suggest::did_you_mean;

/// Where each case starts that says nothing else.
const BEGIN: Timestamp = Timestamp(1_767_225_600_000_000);

/// A value and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Placed<T> {
    pub value: T,
    pub span: Span,
}

/// A file of cases.
#[derive(Clone, Debug, PartialEq)]
pub struct CaseFile {
    /// The path of the definition, from the folder of the file.
    pub chain: Placed<String>,
    pub seed: u64,
    pub cases: Vec<Case>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Case {
    pub name: Placed<String>,
    pub at: Timestamp,
    pub given: Given,
    pub expect: Expect,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Given {
    pub params: Vec<(Placed<String>, Placed<Json>)>,
    /// By what the file calls a step: its id, its name, or an address.
    pub steps: Vec<(Placed<String>, GivenStep)>,
    /// The only step that runs.
    pub only: Option<Placed<String>>,
    /// What steps find in place of what others would have left.
    pub(crate) context: Option<Node>,
    pub signals: Vec<GivenSignal>,
    pub cancel: Option<GivenCancel>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct GivenStep {
    /// Of its tries, one after another.
    pub results: Vec<Placed<Json>>,
    pub fail: Option<GivenFailure>,
    pub takes_ms: Option<u64>,
    /// So many attempts are lost first.
    pub lost: u32,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct GivenFailure {
    /// All tries fail where it is absent.
    pub times: Option<u32>,
    pub kind: Option<String>,
    pub message: Option<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct GivenSignal {
    pub name: Placed<String>,
    pub at_ms: u64,
    pub value: Json,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GivenCancel {
    pub at_ms: u64,
    pub rollback: bool,
    pub force: bool,
}

type Addresses = Placed<Vec<Placed<String>>>;

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Expect {
    pub status: Option<Placed<String>>,
    pub error: Option<Placed<String>>,
    pub output: Option<Placed<Json>>,
    pub path: Option<Addresses>,
    pub results: Vec<(Placed<String>, Placed<Json>)>,
    pub attempts: Vec<(Placed<String>, Placed<u32>)>,
    pub skipped: Vec<Placed<String>>,
    pub undone: Option<Addresses>,
    pub times: Vec<(Placed<String>, Placed<u64>)>,
    pub took: Option<Placed<u64>>,
}

/// Reads a file of cases. There is one exactly if nothing is wrong with it.
pub fn check_cases(source: &Source) -> (Option<CaseFile>, Vec<Problem>) {
    let mut problems = Problems::default();
    let mut file = None;
    if let Some(node) = parse(source, &mut problems) {
        structure::check_object(&node, &CASES, source, &mut problems);
        if !problems.has_error() {
            file = Reader { source, problems: &mut problems }.file(&node);
        }
    }
    let is_sound = !problems.has_error();
    let (problems, _) = problems.into_sorted();
    (file.filter(|_| is_sound), problems)
}

impl CaseFile {
    /// What does not fit the chain: steps that it does not have, results and parameters that it cannot take.
    pub fn check_against(&self, chain: &Chain) -> Vec<Problem> {
        self.cases.iter().flat_map(|case| case.check_against(chain)).collect()
    }
}

impl Case {
    fn check_against(&self, chain: &Chain) -> Vec<Problem> {
        let (given, expect) = (&self.given, &self.expect);
        let results = given
            .steps
            .iter()
            .flat_map(|(step, given)| given.results.iter().map(move |result| (step, result)));
        let mut problems: Vec<Problem> = results
            .chain(expect.results.iter().map(|(step, result)| (step, result)))
            .filter_map(|(step, result)| unfit_result(chain, step, result))
            .collect();
        let lists = [&expect.path, &expect.undone].into_iter().flatten().flat_map(|list| &list.value);
        let steps = given.steps.iter().map(|(step, _)| step);
        let expected = expect.results.iter().map(|(step, _)| step);
        let counted = expect.attempts.iter().map(|(step, _)| step);
        let timed = expect.times.iter().map(|(step, _)| step);
        let all = steps.chain(expected).chain(counted).chain(timed).chain(&expect.skipped).chain(lists);
        problems.extend(all.filter_map(|step| unknown_step(chain, step)));
        problems.extend(given.steps.iter().filter_map(|(step, _)| idle_step(chain, step)));
        problems.extend(given.signals.iter().filter_map(|signal| unknown_signal(chain, &signal.name)));
        problems.extend(given.only.iter().filter_map(|step| unknown_step(chain, step)));
        let (context, wrong) = self.context(chain);
        problems.extend(wrong);
        problems.extend(self.unfit_params(chain, context.params));
        problems
    }

    /// The part of the chain that runs, where it is not all of it.
    pub fn part(&self, chain: &Chain) -> Option<Part> {
        step_meant(chain, &self.given.only.as_ref()?.value).map(Part::Only)
    }

    /// What is given of what steps see, and what is wrong with it.
    pub fn context(&self, chain: &Chain) -> (ContextFile, Vec<Problem>) {
        let only = self.given.only.as_ref().and_then(|step| step_meant(chain, &step.value));
        match &self.given.context {
            None => (ContextFile::default(), Vec::new()),
            Some(node) => read_context(node, chain, only),
        }
    }

    fn unfit_params(&self, chain: &Chain, mut params: BTreeMap<String, Value>) -> Vec<Problem> {
        let own = self.given.params.iter();
        params.extend(own.map(|(name, value)| (name.value.clone(), value.value.clone().into())));
        let Err(wrong) = chain.resolve_params(params) else { return Vec::new() };
        let problem = |wrong: &ParamProblem| {
            let (ParamProblem::Missing(name)
            | ParamProblem::TooLarge(name)
            | ParamProblem::Unknown { name, .. }
            | ParamProblem::Unfit { name, .. }) = wrong;
            let place = self.given.params.iter().find(|(given, _)| given.value == *name);
            let span = place.map_or(self.name.span, |(_, value)| value.span);
            Problem::new(Code::WrongType, span, wrong.to_string())
        };
        wrong.iter().map(problem).collect()
    }
}

/// The step that an address, an id or a name means.
pub fn step_meant(chain: &Chain, word: &str) -> Option<StepIx> {
    let by_name = || chain.steps().find(|(_, step)| step.name == word).map(|(ix, _)| ix);
    chain.step_by_id(word).or_else(by_name).or_else(|| chain.step_of_address(word))
}

/// Whether what is outside says what a step comes to; all else follows from the chain.
pub fn is_asked(work: &Work<BlockIx>) -> bool {
    let waits = matches!(work, Work::Wait { wait: Wait::Signal { .. } | Wait::Approval(_) });
    work.makes_attempts() || work.is_call() || waits
}

/// What in an address is neither a step nor a branch of the chain.
pub fn unknown_part<'w>(chain: &Chain, word: &'w str) -> Option<&'w str> {
    let is_known = |id: &str| {
        let is_branch = |step: &Step| match step.work.nested() {
            Some(Nested::Parallel(branches, _)) => branches.iter().any(|branch| branch.name.as_str() == id),
            _ => false,
        };
        chain.step_by_id(id).is_some() || chain.steps().any(|(_, step)| is_branch(step))
    };
    let parts = word.split('/').map(|part| part.split(['~', '.', '[']).next().unwrap_or(part));
    let is_address = word.contains(['/', '[', '~']) && !chain.steps().any(|(_, step)| step.name == word);
    // Handlers stand in the chain itself.
    parts.filter(|_| is_address).find(|part| *part != "chain" && !is_known(part))
}

fn unknown_step(chain: &Chain, word: &Placed<String>) -> Option<Problem> {
    if let Some(part) = unknown_part(chain, &word.value).filter(|_| step_meant(chain, &word.value).is_some())
    {
        let message = format!("`{}` is no address: the chain has no `{part}`", word.value);
        return Some(Problem::new(Code::UnknownStep, word.span, message).label("nothing is there"));
    }
    if step_meant(chain, &word.value).is_some() {
        return None;
    }
    let help = did_you_mean(&word.value, chain.steps().map(|(_, step)| step.id.as_str()));
    let message = format!("the chain has no step `{}`", word.value);
    Some(Problem::new(Code::UnknownStep, word.span, message).label("no such step").maybe_help(help))
}

/// What is said of a step that nobody asks has no effect.
fn idle_step(chain: &Chain, word: &Placed<String>) -> Option<Problem> {
    let step = chain.step(step_meant(chain, &word.value)?);
    if is_asked(&step.work) {
        return None;
    }
    let message = format!("step `{}` makes no attempts: what it comes to follows from the rest", step.id);
    let problem = Problem::new(Code::UnknownStep, word.span, message).label("has no effect");
    Some(problem.help("say what the steps that stand in it, or come before it, come to"))
}

fn unknown_signal(chain: &Chain, name: &Placed<String>) -> Option<Problem> {
    let known: Vec<&str> = chain
        .steps()
        .filter_map(|(_, step)| match &step.work {
            Work::Wait { wait: Wait::Signal { name, .. } } => Some(name.as_str()),
            _ => None,
        })
        .collect();
    if known.contains(&name.value.as_str()) {
        return None;
    }
    let message = format!("no step of the chain waits for a signal `{}`", name.value);
    let help = did_you_mean(&name.value, known);
    Some(Problem::new(Code::UnknownName, name.span, message).label("nobody hears it").maybe_help(help))
}

fn unfit_result(chain: &Chain, step: &Placed<String>, result: &Placed<Json>) -> Option<Problem> {
    let schema = chain.step(step_meant(chain, &step.value)?).output.as_ref()?;
    let wrong = mismatches(schema, &result.value).into_iter().next()?;
    let message = format!("the result of `{}`{} {}", step.value, wrong.path, wrong.message);
    Some(Problem::new(Code::WrongType, result.span, message).label("does not fit the step's `output`"))
}

/// Reads a tree that has the structure of a file of cases.
struct Reader<'a> {
    source: &'a Source,
    problems: &'a mut Problems,
}

impl Reader<'_> {
    fn file(&mut self, node: &Node) -> Option<CaseFile> {
        let at = self.instant(node)?.unwrap_or(BEGIN);
        let cases = node.get("cases")?.value.as_list()?;
        let cases: Vec<Option<Case>> = cases.iter().map(|case| self.case(case, at)).collect();
        let seed = node.get("seed").and_then(|entry| entry.value.whole_number()).unwrap_or(0);
        Some(CaseFile {
            chain: self.text(node, "chain")?,
            seed,
            cases: cases.into_iter().collect::<Option<_>>()?,
        })
    }

    fn case(&mut self, node: &Node, at: Timestamp) -> Option<Case> {
        let given = node.get("given").map(|entry| &entry.value);
        let own = given.map_or(Some(None), |given| self.instant(given))?;
        Some(Case {
            name: self.text(node, "name")?,
            at: own.unwrap_or(at),
            given: given.map(|given| self.given(given)).unwrap_or_default(),
            expect: self.expect(&node.get("expect")?.value),
        })
    }

    /// `at`, where it is there.
    fn instant(&mut self, node: &Node) -> Option<Option<Timestamp>> {
        let Some(entry) = node.get("at") else { return Some(None) };
        match instant_of_text(&entry.value.text(self.source)?) {
            Ok(at) => Some(Some(at)),
            Err(why) => {
                let problem = Problem::new(Code::BadInstant, entry.value.span, why).label("no instant");
                self.problems
                    .add(problem.help("write it with its offset, as in `2026-12-24T18:00:00+01:00`"));
                None
            }
        }
    }

    fn given(&self, node: &Node) -> Given {
        let signals = node.get("signals").and_then(|entry| entry.value.as_list()).unwrap_or_default();
        let cancel = node.get("cancel").map(|entry| &entry.value);
        Given {
            params: entries(node, "params").map(|entry| (named(entry), placed(&entry.value))).collect(),
            steps: entries(node, "steps")
                .map(|entry| (named(entry), self.given_step(&entry.value)))
                .collect(),
            only: self.text(node, "only"),
            context: node.get("context").map(|entry| entry.value.clone()),
            signals: signals.iter().filter_map(|signal| self.signal(signal)).collect(),
            cancel: cancel.and_then(cancel_of),
        }
    }

    fn given_step(&self, node: &Node) -> GivenStep {
        GivenStep {
            results: match (node.get("result"), node.get("results")) {
                (Some(entry), _) => vec![placed(&entry.value)],
                (None, Some(entry)) => entry.value.as_list().unwrap_or_default().iter().map(placed).collect(),
                (None, None) => Vec::new(),
            },
            fail: node.get("fail").and_then(|entry| self.failure(&entry.value)),
            takes_ms: duration(node, "takes"),
            lost: node.get("lost").and_then(|entry| entry.value.as_count()).unwrap_or(0),
        }
    }

    fn failure(&self, node: &Node) -> Option<GivenFailure> {
        if let Some(fails) = node.as_bool() {
            return fails.then(GivenFailure::default);
        }
        if let Some(times) = node.as_count() {
            return Some(GivenFailure { times: Some(times), ..GivenFailure::default() });
        }
        if node.as_object().is_none() {
            return Some(GivenFailure { kind: node.text(self.source), ..GivenFailure::default() });
        }
        let text = |key: &str| node.get(key).and_then(|entry| entry.value.text(self.source));
        let times = node.get("times").and_then(|entry| entry.value.as_count());
        Some(GivenFailure { times, kind: text("type"), message: text("message") })
    }

    fn signal(&self, node: &Node) -> Option<GivenSignal> {
        Some(GivenSignal {
            name: self.text(node, "name")?,
            at_ms: duration(node, "at").unwrap_or(0),
            value: node.get("value").map_or(Json::Null, |entry| entry.value.to_json()),
        })
    }

    fn expect(&self, node: &Node) -> Expect {
        let list = |key: &str| node.get(key).map(|entry| self.addresses(&entry.value));
        let count = |entry: &Entry| Some((named(entry), at(&entry.value, entry.value.as_count()?)));
        let time = |entry: &Entry| Some((named(entry), at(&entry.value, entry.value.as_duration_ms()?)));
        let word = |key: &str| self.text(node, key).map(|word| at_span(word.span, word.value.to_lowercase()));
        Expect {
            status: word("status"),
            error: self.text(node, "error"),
            output: node.get("output").map(|entry| placed(&entry.value)),
            path: list("path"),
            results: entries(node, "results").map(|entry| (named(entry), placed(&entry.value))).collect(),
            attempts: entries(node, "attempts").filter_map(count).collect(),
            skipped: list("skipped").map(|list| list.value).unwrap_or_default(),
            undone: list("undone"),
            times: entries(node, "times").filter_map(time).collect(),
            took: node.get("took").and_then(|entry| Some(at(&entry.value, entry.value.as_duration_ms()?))),
        }
    }

    fn addresses(&self, node: &Node) -> Addresses {
        let items = node.as_list().unwrap_or_default();
        let address = |item: &Node| Some(at(item, item.text(self.source)?));
        at(node, items.iter().filter_map(address).collect())
    }

    fn text(&self, node: &Node, key: &str) -> Option<Placed<String>> {
        let value = &node.get(key)?.value;
        Some(at(value, value.text(self.source)?))
    }
}

fn at<T>(node: &Node, value: T) -> Placed<T> {
    at_span(node.span, value)
}

fn at_span<T>(span: Span, value: T) -> Placed<T> {
    Placed { value, span }
}

fn placed(node: &Node) -> Placed<Json> {
    at(node, node.to_json())
}

fn named(entry: &Entry) -> Placed<String> {
    at_span(entry.key.span, entry.key.text.clone())
}

fn entries<'n>(node: &'n Node, key: &str) -> impl Iterator<Item = &'n Entry> {
    node.get(key).and_then(|entry| entry.value.as_object()).into_iter().flatten()
}

fn duration(node: &Node, key: &str) -> Option<u64> {
    node.get(key)?.value.as_duration_ms()
}

fn cancel_of(node: &Node) -> Option<GivenCancel> {
    let is_on = |key: &str| node.get(key).and_then(|entry| entry.value.as_bool()).unwrap_or(false);
    match node.as_duration_ms() {
        Some(at_ms) => Some(GivenCancel { at_ms, rollback: false, force: false }),
        None => Some(GivenCancel {
            at_ms: duration(node, "at")?,
            rollback: is_on("rollback"),
            force: is_on("force"),
        }),
    }
}
