//! The outline of a chain: its blocks and steps, the kind and the id of each, before anything else is read.

use std::collections::BTreeMap;

use catena_core::ids::StepId;

use super::context::Context;
use crate::code::Code;
use crate::language::Kind;
use crate::node::{Entry, Node, Value};
use crate::problem::Problem;
use crate::source::Span;
use crate::structure::{StepKind, kind_of};

#[derive(Debug)]
pub(crate) struct BlockOutline<'n> {
    pub(crate) number: usize,
    /// What is said about the order of its steps.
    pub(crate) flow: Option<&'n Node>,
    pub(crate) steps: Vec<StepOutline<'n>>,
}

#[derive(Debug)]
pub(crate) struct StepOutline<'n> {
    pub(crate) entries: &'n [Entry],
    pub(crate) name: String,
    /// Where a message about the step points at: its name, else its kind.
    pub(crate) place: Span,
    /// None where the step's kind could not be told; that is reported.
    pub(crate) kind: Option<(&'static Kind, &'n Entry)>,
    pub(crate) bodies: Vec<Body<'n>>,
    pub(crate) undo: Option<BlockOutline<'n>>,
    pub(crate) alternative: Option<BlockOutline<'n>>,
    explicit_id: Option<StepId>,
    id: Option<StepId>,
}

/// A block inside a step: a branch by its name, or the only body, which has none.
#[derive(Debug)]
pub(crate) struct Body<'n> {
    pub(crate) name: Option<String>,
    pub(crate) block: BlockOutline<'n>,
}

/// All steps of the chain by id and by name.
#[derive(Debug, Default)]
pub(crate) struct StepIndex {
    places: BTreeMap<StepId, Place>,
    by_name: BTreeMap<String, StepId>,
    /// For each block the step that it stands in.
    owners: Vec<Option<Owner>>,
}

/// The step that a block stands in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Owner {
    pub(crate) block: usize,
    pub(crate) position: usize,
    pub(crate) role: Role,
}

/// What a block is to the step that it stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Body,
    /// One of several bodies that run at the same time.
    Branch,
    Undo,
    Alternative,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) span: Span,
    pub(crate) block: usize,
    pub(crate) position: usize,
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

    pub(crate) fn ids(&self) -> impl Iterator<Item = &str> {
        self.places.keys().map(StepId::as_str)
    }

    pub(crate) fn place(&self, id: &str) -> Option<Place> {
        self.places.get(&StepId::parse(id).ok()?).copied()
    }

    /// The step that a block stands in.
    pub(crate) fn owner(&self, block: usize) -> Option<Owner> {
        *self.owners.get(block)?
    }
}

/// The blocks of a chain.
pub(crate) struct ChainOutline<'n> {
    pub(crate) steps: BlockOutline<'n>,
    /// What runs after an outcome, in the order of the text.
    pub(crate) handlers: Vec<(&'static str, BlockOutline<'n>)>,
}

/// Draws the outline of the chain's steps and fills the index.
pub(crate) fn outline<'n>(
    steps: &'n [Node],
    handlers: &[(&'static str, &'n Node)],
    ctx: &mut Context<'_>,
) -> ChainOutline<'n> {
    let mut outliner = Outliner { ctx, owners: Vec::new(), explicit: BTreeMap::new() };
    let mut steps = outliner.block(steps, None);
    let mut handlers: Vec<_> =
        handlers.iter().filter_map(|(key, node)| Some((*key, outliner.list(node, None)?))).collect();
    let index = StepIndex { owners: outliner.owners, ..StepIndex::default() };
    let mut numbering = Numbering { taken: outliner.explicit, last: BTreeMap::new(), index };
    numbering.block(&mut steps);
    handlers.iter_mut().for_each(|(_, block)| numbering.block(block));
    ctx.index = numbering.index;
    ChainOutline { steps, handlers }
}

struct Outliner<'c, 'a> {
    ctx: &'c mut Context<'a>,
    owners: Vec<Option<Owner>>,
    explicit: BTreeMap<StepId, Span>,
}

impl Outliner<'_, '_> {
    fn block<'n>(&mut self, steps: &'n [Node], owner: Option<Owner>) -> BlockOutline<'n> {
        let number = self.owners.len();
        self.owners.push(owner);
        let steps = steps.iter().filter(|node| node.is_step()).enumerate();
        let steps = steps.map(|(position, node)| self.step(node, number, position)).collect();
        BlockOutline { number, flow: None, steps }
    }

    /// A list of steps where a key asks for one.
    fn list<'n>(&mut self, node: &'n Node, owner: Option<Owner>) -> Option<BlockOutline<'n>> {
        Some(self.block(node.as_list()?, owner))
    }

    fn step<'n>(&mut self, node: &'n Node, block: usize, position: usize) -> StepOutline<'n> {
        let entries = node.as_object().unwrap_or_default();
        let kind = match kind_of(entries) {
            StepKind::One(kind, entry) => Some((kind, entry)),
            StepKind::None | StepKind::Several(_) => None,
        };
        let get = |name: &str| entries.iter().find(|entry| entry.key.text == name);
        let named = get("name").map(|entry| entry.value.span);
        let first = entries.first().map_or(node.span, |entry| entry.key.span);
        let owner = |role| Some(Owner { block, position, role });
        let role =
            if kind.is_some_and(|(kind, _)| kind.name == "parallel") { Role::Branch } else { Role::Body };
        let mut bodies = kind.map(|(kind, entry)| self.bodies(kind, entry, owner(role))).unwrap_or_default();
        bodies.iter_mut().for_each(|body| body.block.flow = get("flow").map(|entry| &entry.value));
        StepOutline {
            entries,
            name: self.name(node, kind),
            place: named.or(kind.map(|(_, entry)| entry.key.span)).unwrap_or(first),
            kind,
            explicit_id: self.explicit_id(entries),
            id: None,
            bodies,
            undo: get("undo").and_then(|entry| self.undo(entry, owner(Role::Undo))),
            alternative: get("alternative")
                .and_then(|entry| self.one(&entry.value, owner(Role::Alternative))),
        }
    }

    fn one<'n>(&mut self, node: &'n Node, owner: Option<Owner>) -> Option<BlockOutline<'n>> {
        node.as_object()?;
        Some(self.block(std::slice::from_ref(node), owner))
    }

    fn name(&self, node: &Node, kind: Option<(&Kind, &Entry)>) -> String {
        if let Some(entry) = node.get("name") {
            return self.ctx.full_text(&entry.value).unwrap_or_default();
        }
        match kind {
            Some((
                Kind { name: "file", .. },
                Entry { value: Node { value: Value::String(path), .. }, .. },
            )) => path.trim_end_matches('/').rsplit('/').next().unwrap_or(path).to_owned(),
            Some((Kind { name: "settings", .. }, entry)) => {
                let inner = entry.value.as_object().and_then(<[Entry]>::first);
                inner.map_or("settings".to_owned(), |inner| inner.key.text.clone())
            }
            Some((Kind { name: "execution_mode", .. }, _)) => "orchestrated".to_owned(),
            Some((kind, _)) => kind.name.to_owned(),
            // A step in plain words is called by them.
            None => match &node.value {
                Value::String(words) => words.trim().to_owned(),
                _ => "step".to_owned(),
            },
        }
    }

    fn explicit_id(&mut self, entries: &[Entry]) -> Option<StepId> {
        let entry = entries.iter().find(|entry| entry.key.text == "id")?;
        let id = StepId::parse(&entry.value.id_text(self.ctx.source)?).ok()?;
        if let Some(first) = self.explicit.insert(id.clone(), entry.value.span) {
            let problem =
                Problem::new(Code::DuplicateId, entry.value.span, format!("the id `{id}` is taken"));
            let problem = problem.related(first, "by this step").help("ids are unique in the whole chain");
            self.ctx.add(problem);
            return None;
        }
        Some(id)
    }

    fn bodies<'n>(&mut self, kind: &Kind, entry: &'n Entry, owner: Option<Owner>) -> Vec<Body<'n>> {
        let node = &entry.value;
        match kind.name {
            "steps" => self.body(node, owner),
            "for_each" => node.get("steps").map(|steps| self.body(&steps.value, owner)).unwrap_or_default(),
            "parallel" => {
                let branches = node.get("branches").map_or(node, |entry| &entry.value);
                self.branches(branches, owner)
            }
            _ => Vec::new(),
        }
    }

    fn body<'n>(&mut self, node: &'n Node, owner: Option<Owner>) -> Vec<Body<'n>> {
        self.list(node, owner).map(|block| Body { name: None, block }).into_iter().collect()
    }

    /// Branches by name, or a list of steps of which each is a branch with the step's name.
    fn branches<'n>(&mut self, node: &'n Node, owner: Option<Owner>) -> Vec<Body<'n>> {
        let named = |entry: &'n Entry| {
            let block = self.list(&entry.value, owner)?;
            Some(Body { name: Some(entry.key.text.clone()), block })
        };
        match &node.value {
            Value::Map(entries) => entries.iter().filter_map(named).collect(),
            Value::Seq(steps) => {
                let body = |node| Body { name: None, block: self.block(std::slice::from_ref(node), owner) };
                steps.iter().map(body).collect()
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
        }
    }

    /// `undo` is a step, a list of steps, or an object with `steps`.
    fn undo<'n>(&mut self, entry: &'n Entry, owner: Option<Owner>) -> Option<BlockOutline<'n>> {
        match (&entry.value.value, entry.value.get("steps")) {
            (Value::Seq(_), _) => self.list(&entry.value, owner),
            (_, Some(steps)) => self.list(&steps.value, owner),
            _ => self.one(&entry.value, owner),
        }
    }
}

impl Node {
    /// What can be a step: an object, or plain words.
    fn is_step(&self) -> bool {
        matches!(self.value, Value::Map(_) | Value::String(_))
    }
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
        for (position, step) in block.steps.iter_mut().enumerate() {
            let id = match step.explicit_id.take() {
                Some(id) => id,
                None => self.generate(&step.name),
            };
            let place = Place { span: step.place, block: block.number, position };
            self.index.places.insert(id.clone(), place);
            self.index.by_name.entry(step.name.clone()).or_insert_with(|| id.clone());
            step.id = Some(id);
            for body in &mut step.bodies {
                self.block(&mut body.block);
            }
            for block in step.undo.iter_mut().chain(&mut step.alternative) {
                self.block(block);
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
