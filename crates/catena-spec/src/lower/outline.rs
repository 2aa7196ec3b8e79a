//! The outline of a chain: its blocks and steps, the kind and the id of each, before anything else is read.

use std::collections::BTreeMap;

use catena_core::ids::StepId;

use super::context::Context;
use super::scope::Frame;
use crate::code::Code;
use crate::keys::{self, Kind, Since};
use crate::node::{Entry, Key, Node, Value};
use crate::problem::Problem;
use crate::source::Span;
use crate::suggest::{kind_elsewhere, nearest};

#[derive(Debug)]
pub(crate) struct BlockOutline<'n> {
    pub(crate) number: usize,
    pub(crate) steps: Vec<StepOutline<'n>>,
}

#[derive(Debug)]
pub(crate) struct StepOutline<'n> {
    pub(crate) entries: &'n [Entry],
    pub(crate) name: String,
    /// Where a message about the step points at: its name, else its kind.
    pub(crate) place: Span,
    /// None where the step's kind could not be told; that is reported.
    pub(crate) kind: Option<(&'static Kind, &'n Node)>,
    pub(crate) bodies: Vec<Body<'n>>,
    pub(crate) undo: Option<BlockOutline<'n>>,
    /// The step is written as the undo of another one itself, and may say `if_started` for it.
    pub(crate) is_undo: bool,
    /// A key that was taken for a kind, and reported.
    pub(crate) misspelt_kind: Option<Span>,
    explicit_id: Option<StepId>,
    id: Option<StepId>,
}

/// A block inside a step: a branch by its name, or the only body, which has none.
#[derive(Debug)]
pub(crate) struct Body<'n> {
    pub(crate) name: Option<(String, Span)>,
    pub(crate) block: BlockOutline<'n>,
}

/// All steps of the chain by id and by name.
#[derive(Debug, Default)]
pub(crate) struct StepIndex {
    places: BTreeMap<StepId, Place>,
    by_name: BTreeMap<String, StepId>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) span: Span,
    pub(crate) block: usize,
}

impl StepOutline<'_> {
    pub(crate) fn id(&self) -> &StepId {
        self.id.as_ref().expect("ids are given before any step is lowered")
    }

    pub(crate) fn get(&self, key: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.key.text == key)
    }
}

impl StepIndex {
    /// Ids are looked at before names.
    pub(crate) fn find(&self, text: &str) -> Option<(&StepId, Place)> {
        let by_id = StepId::parse(text).ok().and_then(|id| self.places.get_key_value(&id));
        let found = by_id.or_else(|| self.places.get_key_value(self.by_name.get(text)?));
        found.map(|(id, place)| (id, *place))
    }

    pub(crate) fn has_id(&self, text: &str) -> bool {
        StepId::parse(text).is_ok_and(|id| self.places.contains_key(&id))
    }

    pub(crate) fn ids(&self) -> impl Iterator<Item = &str> {
        self.places.keys().map(StepId::as_str)
    }
}

/// Draws the outline of the chain's steps and fills the index.
pub(crate) fn outline<'n>(steps: &'n [Node], ctx: &mut Context<'_>) -> BlockOutline<'n> {
    let mut outliner = Outliner { ctx, blocks: 0, explicit: BTreeMap::new() };
    let mut root = outliner.block(steps);
    let mut numbering =
        Numbering { taken: outliner.explicit, last: BTreeMap::new(), index: StepIndex::default() };
    numbering.block(&mut root);
    ctx.index = numbering.index;
    root
}

struct Outliner<'c, 'a> {
    ctx: &'c mut Context<'a>,
    blocks: usize,
    explicit: BTreeMap<StepId, Span>,
}

impl Outliner<'_, '_> {
    fn block<'n>(&mut self, steps: &'n [Node]) -> BlockOutline<'n> {
        let number = self.blocks;
        self.blocks += 1;
        let steps = steps.iter().filter_map(|node| self.step(node)).collect();
        BlockOutline { number, steps }
    }

    /// A list of steps where a key asks for one.
    fn list<'n>(&mut self, key: &Key, node: &'n Node) -> Option<BlockOutline<'n>> {
        let steps = self.ctx.list_of_steps(key, node)?;
        self.full(steps, key);
        Some(self.block(steps))
    }

    fn full(&mut self, steps: &[Node], key: &Key) {
        if steps.is_empty() {
            let message = format!("`{}` holds no step", key.text);
            self.ctx.add(
                Problem::new(Code::EmptyValue, key.span, message).help("give it a step, or leave it out"),
            );
        }
    }

    fn step<'n>(&mut self, node: &'n Node) -> Option<StepOutline<'n>> {
        let Value::Map(entries) = &node.value else {
            self.no_step(node);
            return None;
        };
        let kind = self.kind(entries, node);
        let name = self.name(entries, kind);
        let named = entries.iter().find(|entry| entry.key.text == "name").map(|entry| entry.value.span);
        let first = entries.first().map_or(node.span, |entry| entry.key.span);
        let place = named.or(kind.map(|(_, entry)| entry.key.span)).unwrap_or(first);
        Some(StepOutline {
            entries,
            name,
            place,
            kind: kind.map(|(kind, entry)| (kind, &entry.value)),
            explicit_id: self.explicit_id(entries),
            id: None,
            is_undo: false,
            misspelt_kind: kind.is_none().then(|| misspelt_kind(entries).map(|(key, _)| key.span)).flatten(),
            bodies: kind.map(|(kind, entry)| self.bodies(kind, entry)).unwrap_or_default(),
            undo: self.undo(entries),
        })
    }

    fn no_step(&mut self, node: &Node) {
        let problem = match &node.value {
            Value::String(_) => {
                let message = "a step in plain words is `execution_mode: orchestrated`, which this version does not run yet";
                Problem::new(Code::KindLater, node.span, message)
                    .help("to run it as a command, write `shell: …`")
            }
            _ => Problem::new(
                Code::WrongType,
                node.span,
                format!("a step must be an object, not {}", node.kind()),
            )
            .help("the smallest step is `shell: echo hello`"),
        };
        self.ctx.add(problem);
    }

    /// The one kind of a step. A kind of which nothing runs yet is reported here, once for the step.
    fn kind<'n>(&mut self, entries: &'n [Entry], node: &Node) -> Option<(&'static Kind, &'n Entry)> {
        let kinds = kinds_of(entries);
        let [(kind, entry)] = kinds.as_slice() else {
            match kinds.as_slice() {
                [] => self.no_kind(entries, node),
                several => self.many_kinds(several),
            }
            return None;
        };
        if kind.since == Since::Later {
            self.kind_later(&entry.key);
        }
        Some((kind, entry))
    }

    fn kind_later(&mut self, key: &Key) {
        let name = &key.text;
        let message =
            format!("`{name}` steps are part of the language but this version does not run them yet");
        let problem = Problem::new(Code::KindLater, key.span, message).label("not yet");
        let now =
            keys::KINDS.iter().filter(|kind| kind.since == Since::Now).map(|kind| format!("`{}`", kind.name));
        self.ctx.add(problem.help(format!("it runs {}", now.collect::<Vec<_>>().join(", "))));
    }

    fn no_kind(&mut self, entries: &[Entry], node: &Node) {
        if let Some(notify) = entries.iter().find(|entry| entry.key.text == "notify") {
            return self.kind_later(&notify.key);
        }
        if let Some((key, kind)) = misspelt_kind(entries) {
            let message = format!("there is no kind of step `{}`", key.text);
            let problem = Problem::new(Code::UnknownKind, key.span, message).label("unknown kind");
            return self.ctx.add(problem.help(format!("did you mean `{kind}`?")));
        }
        let span = entries.first().map_or(node.span, |entry| entry.key.span);
        let help = "add what it does: `shell: …`, `command: […]`, `file: …`, `set: …`, `steps: […]`";
        self.ctx.add(Problem::new(Code::NoKind, span, "this step does not say what to do").help(help));
    }

    fn many_kinds(&mut self, kinds: &[(&Kind, &Entry)]) {
        let names: Vec<String> = kinds.iter().map(|(kind, _)| format!("`{}`", kind.name)).collect();
        let message = format!("a step does one thing, this one has {}", names.join(" and "));
        let mut problem = Problem::new(Code::ManyKinds, kinds[1].1.key.span, message)
            .help("make a step of each")
            .related(kinds[0].1.key.span, "the first kind");
        for (_, entry) in &kinds[2..] {
            problem = problem.related(entry.key.span, "another one");
        }
        self.ctx.add(problem);
    }

    fn name(&mut self, entries: &[Entry], kind: Option<(&Kind, &Entry)>) -> String {
        let named = entries.iter().find(|entry| entry.key.text == "name");
        if let Some(entry) = named {
            return self.ctx.full_text(&entry.value, "a step's `name`").unwrap_or_default();
        }
        match kind {
            Some((
                Kind { name: "file", .. },
                Entry { value: Node { value: Value::String(path), .. }, .. },
            )) => path.trim_end_matches('/').rsplit('/').next().unwrap_or(path).to_owned(),
            Some((kind, _)) => kind.name.to_owned(),
            None => "step".to_owned(),
        }
    }

    fn explicit_id(&mut self, entries: &[Entry]) -> Option<StepId> {
        let entry = entries.iter().find(|entry| entry.key.text == "id")?;
        let text = self.ctx.full_text(&entry.value, "`id`")?;
        let id = match StepId::parse(&text) {
            Ok(id) => id,
            Err(error) => {
                self.ctx.bad_id(&text, &error, entry.value.span);
                return None;
            }
        };
        if let Some(first) = self.explicit.insert(id.clone(), entry.value.span) {
            let problem =
                Problem::new(Code::DuplicateId, entry.value.span, format!("the id `{id}` is taken"));
            let problem = problem.related(first, "by this step").help("ids are unique in the whole chain");
            self.ctx.add(problem);
            return None;
        }
        Some(id)
    }

    fn bodies<'n>(&mut self, kind: &Kind, entry: &'n Entry) -> Vec<Body<'n>> {
        match kind.name {
            "steps" => self.body(&entry.key, &entry.value),
            "for_each" => match entry.value.get("steps") {
                Some(steps) => self.body(&steps.key, &steps.value),
                None => self.missing("steps", "`for_each`", entry),
            },
            "parallel" => match entry.value.get("branches") {
                Some(branches) => self.branches(branches),
                None if matches!(entry.value.value, Value::Seq(_)) => self.branches(entry),
                None => self.missing("branches", "`parallel`", entry),
            },
            _ => Vec::new(),
        }
    }

    fn missing<'n>(&mut self, key: &str, what: &str, entry: &Entry) -> Vec<Body<'n>> {
        if matches!(entry.value.value, Value::Map(_)) {
            self.ctx.say(Code::MissingKey, entry.key.span, format!("{what} needs the key `{key}`"));
        } else {
            self.ctx.wrong_type(&entry.value, what, "an object");
        }
        Vec::new()
    }

    fn body<'n>(&mut self, key: &Key, node: &'n Node) -> Vec<Body<'n>> {
        self.list(key, node).map(|block| Body { name: None, block }).into_iter().collect()
    }

    /// Branches by name, or a list of steps of which each is a branch with the step's name.
    fn branches<'n>(&mut self, entry: &'n Entry) -> Vec<Body<'n>> {
        match &entry.value.value {
            Value::Map(entries) => entries.iter().filter_map(|branch| self.branch(branch)).collect(),
            Value::Seq(steps) => {
                self.full(steps, &entry.key);
                let body = |node| Body { name: None, block: self.block(std::slice::from_ref(node)) };
                steps.iter().map(body).collect()
            }
            _ => {
                self.ctx.wrong_type(
                    &entry.value,
                    "`branches`",
                    "an object of lists of steps, or a list of steps",
                );
                Vec::new()
            }
        }
    }

    fn branch<'n>(&mut self, entry: &'n Entry) -> Option<Body<'n>> {
        let block = self.list(&entry.key, &entry.value)?;
        Some(Body { name: Some((entry.key.text.clone(), entry.key.span)), block })
    }

    /// `undo` is a step, a list of steps, or an object with `steps`.
    fn undo<'n>(&mut self, entries: &'n [Entry]) -> Option<BlockOutline<'n>> {
        let entry = entries.iter().find(|entry| entry.key.text == "undo")?;
        match (&entry.value.value, entry.value.get("steps")) {
            (Value::Seq(_), _) => self.list(&entry.key, &entry.value),
            (_, Some(steps)) => self.list(&steps.key, &steps.value),
            (Value::Map(_), None) => {
                let mut block = self.block(std::slice::from_ref(&entry.value));
                block.steps.iter_mut().for_each(|step| step.is_undo = true);
                Some(block)
            }
            _ => {
                self.ctx.wrong_type(&entry.value, "`undo`", "a step or a list of steps");
                None
            }
        }
    }
}

impl Context<'_> {
    pub(crate) fn list_of_steps<'n>(&mut self, key: &Key, node: &'n Node) -> Option<&'n [Node]> {
        if let Value::Seq(steps) = &node.value {
            return Some(steps);
        }
        let message = format!("`{}` must be a list of steps, not {}", key.text, node.kind());
        let help = "write each step behind a dash: `- shell: echo hello`";
        self.add(Problem::new(Code::WrongType, node.span, message).help(help));
        None
    }
}

/// The kinds that the keys of a step name. `execution_mode` beside another kind only says how that one is done.
fn kinds_of(entries: &[Entry]) -> Vec<(&'static Kind, &Entry)> {
    let mut kinds = Vec::new();
    for entry in entries {
        kinds.extend(keys::find_kind(&entry.key.text).map(|kind| (kind, entry)));
    }
    if kinds.len() > 1 {
        kinds.retain(|(kind, _)| kind.name != "execution_mode");
    }
    kinds
}

/// A key that is no key but nearly a kind.
fn misspelt_kind(entries: &[Entry]) -> Option<(&Key, &'static str)> {
    let unknown = entries.iter().filter(|entry| keys::find(keys::STEP_KEYS, &entry.key.text).is_none());
    let kinds = || keys::KINDS.iter().map(|kind| kind.name);
    let near =
        |entry: &'_ Entry| kind_elsewhere(&entry.key.text).or_else(|| nearest(&entry.key.text, kinds()));
    unknown.filter_map(|entry| Some((&entry.key, near(entry)?))).next()
}

/// Gives every step its id, in the order of the text, and enters it in the index.
struct Numbering {
    /// The ids that steps ask for: no generated one may take them.
    taken: BTreeMap<StepId, Span>,
    /// The last number that was tried behind a name, so that a thousand steps of one name stay linear.
    last: BTreeMap<StepId, u32>,
    index: StepIndex,
}

impl Numbering {
    fn block(&mut self, block: &mut BlockOutline<'_>) {
        for step in &mut block.steps {
            let id = match step.explicit_id.take() {
                Some(id) => id,
                None => self.generate(&step.name),
            };
            self.index.places.insert(id.clone(), Place { span: step.place, block: block.number });
            self.index.by_name.entry(step.name.clone()).or_insert_with(|| id.clone());
            step.id = Some(id);
            for body in &mut step.bodies {
                self.block(&mut body.block);
            }
            if let Some(undo) = &mut step.undo {
                self.block(undo);
            }
        }
    }

    fn generate(&mut self, name: &str) -> StepId {
        // A name without a letter or a digit gives no id that says anything.
        let base = StepId::from_name(name).or_else(|_| StepId::from_name("step")).expect("`step` is an id");
        let mut id = base.clone();
        while self.taken.contains_key(&id) {
            let number = self.last.entry(base.clone()).or_insert(1);
            *number += 1;
            id = numbered(&base, *number);
        }
        self.taken.insert(id.clone(), Span::default());
        id
    }
}

fn numbered(base: &StepId, number: u32) -> StepId {
    let suffix = format!("_{number}");
    let mut text = base.as_str().to_owned();
    while text.len() + suffix.len() > StepId::MAX_BYTES {
        text.pop();
    }
    StepId::parse(&(text + &suffix)).expect("an id with digits behind it is an id")
}

/// The names that the steps of a block leave for each other.
pub(crate) fn names_of(block: &BlockOutline<'_>) -> Frame {
    let mut frame = Frame::default();
    for (position, step) in block.steps.iter().enumerate() {
        frame.has_jumps |= step.get("next_step_logic").is_some();
        for name in names_of_step(step) {
            frame.add(name, position, step.place);
        }
    }
    frame
}

fn names_of_step(step: &StepOutline<'_>) -> Vec<String> {
    let output_key = step.get("output_key").and_then(|entry| match &entry.value.value {
        Value::String(name) => Some(name.clone()),
        _ => None,
    });
    let set = step.get("set").map(|entry| match &entry.value.value {
        Value::Map(entries) => entries.iter().map(|entry| entry.key.text.clone()).collect(),
        _ => Vec::new(),
    });
    output_key.into_iter().chain(set.unwrap_or_default()).collect()
}
