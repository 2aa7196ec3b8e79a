//! In which order the steps of a block come, and what that says about a result: whether it is there, may be, or cannot
//! be there yet.

use std::cell::{Cell, RefCell};

/// Steps that all the walks through one block may look at; beyond it nobody is warned any more.
const LOOKED_AT_MAX: usize = 20_000_000;

/// From where in a block a result is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Here {
    /// A step that runs.
    At(usize),
    /// A step that has ended: where to go next is asked then.
    Behind(usize),
    /// A step of which an iteration has completed: whether there is another one is asked then.
    Iterated(usize),
    /// A step that has completed and is taken back.
    Undoing(usize),
    /// Behind the whole block.
    End,
}

impl Default for Here {
    fn default() -> Self {
        Here::At(0)
    }
}

impl Here {
    pub(crate) fn position(self) -> Option<usize> {
        match self {
            Here::At(position)
            | Here::Behind(position)
            | Here::Iterated(position)
            | Here::Undoing(position) => Some(position),
            Here::End => None,
        }
    }
}

#[derive(Debug, Default)]
pub(crate) enum Order {
    #[default]
    Line,
    /// A sequence in which steps jump.
    Jumps(Ways),
    /// What each step waits for, and why that may have left nothing.
    Graph { waits_for: Vec<Vec<(usize, Option<Doubt>)>>, seen: RefCell<Vec<bool>> },
}

/// Where each step of a sequence may go; the end of the block is one place more.
#[derive(Debug)]
pub(crate) struct Ways {
    next: Vec<Vec<usize>>,
    seen: RefCell<Vec<bool>>,
    looked_at: Cell<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Relation {
    Before,
    Perhaps(Doubt),
    After,
}

/// Why a result may be missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Doubt {
    /// Its step may be skipped.
    When,
    /// Its step may fail, and the chain goes on.
    Continue,
    /// A jump may pass its step over.
    Jump,
    /// Nothing makes this step wait for it.
    NotWaitedFor,
    /// This step starts when any one of several has ended.
    Any,
    /// This step waits for an end that leaves no result.
    Ended,
}

impl Doubt {
    pub(crate) fn because(self) -> &'static str {
        match self {
            Doubt::When => "its step may be skipped",
            Doubt::Continue => "its step may fail and be passed over",
            Doubt::Jump => "a jump may pass its step over",
            Doubt::NotWaitedFor => "nothing makes this step wait for it",
            Doubt::Any => "this step does not wait for all that it depends on",
            Doubt::Ended => "this step also runs when that one has not completed",
        }
    }
}

impl Order {
    pub(crate) fn graph(waits_for: Vec<Vec<(usize, Option<Doubt>)>>) -> Order {
        Order::Graph { waits_for, seen: RefCell::default() }
    }

    /// A sequence, with the places that each step may go to.
    pub(crate) fn ways(next: Vec<Vec<usize>>) -> Order {
        Order::Jumps(Ways { next, seen: RefCell::default(), looked_at: Cell::new(0) })
    }

    /// The places that nothing leads to.
    pub(crate) fn unreachable(&self) -> Vec<usize> {
        let Order::Jumps(ways) = self else { return Vec::new() };
        let mut seen = vec![false; ways.next.len() + 1];
        let mut open = vec![0];
        while let Some(place) = open.pop() {
            if !std::mem::replace(&mut seen[place], true) {
                open.extend(ways.next.get(place).into_iter().flatten());
            }
        }
        (0..ways.next.len()).filter(|place| !seen[*place]).collect()
    }

    /// The places that are come to and from which no way leads out of the block.
    pub(crate) fn trapped(&self) -> Vec<usize> {
        let Order::Jumps(ways) = self else { return Vec::new() };
        let end = ways.next.len();
        let mut before: Vec<Vec<usize>> = vec![Vec::new(); end + 1];
        for (from, to) in ways.next.iter().enumerate() {
            to.iter().for_each(|to| before[*to].push(from));
        }
        // What ends the chain leads nowhere, and out.
        let mut open: Vec<usize> =
            (0..end).filter(|place| ways.next[*place].is_empty()).chain([end]).collect();
        let mut leaves = vec![false; end + 1];
        while let Some(place) = open.pop() {
            if !std::mem::replace(&mut leaves[place], true) {
                open.extend(&before[place]);
            }
        }
        let unreachable = self.unreachable();
        (0..end).filter(|place| !leaves[*place] && unreachable.binary_search(place).is_err()).collect()
    }

    /// What is known of what any of these steps has left, each of which leaves the same thing.
    pub(crate) fn relation(&self, steps: &[usize], here: Here) -> Relation {
        match (self, here) {
            (Order::Jumps(ways), here) => {
                let at = here.position().unwrap_or(ways.next.len());
                ways.relation(steps, at)
            }
            (Order::Line | Order::Graph { .. }, Here::End) => Relation::Before,
            (Order::Line, Here::At(at) | Here::Behind(at) | Here::Iterated(at) | Here::Undoing(at)) => {
                if steps.iter().any(|step| *step < at) {
                    Relation::Before
                } else {
                    Relation::After
                }
            }
            (
                Order::Graph { .. },
                Here::At(at) | Here::Behind(at) | Here::Iterated(at) | Here::Undoing(at),
            ) => {
                let relations = steps.iter().map(|step| self.waited_for(*step, at));
                relations.reduce(better).unwrap_or(Relation::After)
            }
        }
    }

    fn waited_for(&self, step: usize, at: usize) -> Relation {
        match self.leads_to(at, step) {
            Some(None) => Relation::Before,
            Some(Some(doubt)) => Relation::Perhaps(doubt),
            None if step == at || self.leads_to(step, at).is_some() => Relation::After,
            None => Relation::Perhaps(Doubt::NotWaitedFor),
        }
    }

    /// Whether a step waits for another one, directly or not; and if so, why that one may have left nothing.
    fn leads_to(&self, from: usize, to: usize) -> Option<Option<Doubt>> {
        let Order::Graph { waits_for, seen } = self else { return None };
        let mut seen = seen.borrow_mut();
        seen.clear();
        seen.resize(waits_for.len(), false);
        // What is waited for without a doubt comes first, so that a step is seen at its best.
        let (mut open, mut doubtful) = (vec![from], Vec::new());
        let mut doubt = None;
        loop {
            while let Some(step) = open.pop() {
                for (next, why) in waits_for.get(step).into_iter().flatten() {
                    match why.filter(|_| doubt.is_none()) {
                        Some(why) => doubtful.push((*next, why)),
                        None if *next == to => return Some(doubt),
                        None if !std::mem::replace(&mut seen[*next], true) => open.push(*next),
                        None => {}
                    }
                }
            }
            let (next, why) = doubtful.pop()?;
            if next == to {
                return Some(Some(why));
            }
            doubt = Some(why);
            if !std::mem::replace(&mut seen[next], true) {
                open.push(next);
            }
        }
    }
}

fn better(one: Relation, other: Relation) -> Relation {
    match (one, other) {
        (Relation::Before, _) | (_, Relation::Before) => Relation::Before,
        (Relation::Perhaps(doubt), _) | (_, Relation::Perhaps(doubt)) => Relation::Perhaps(doubt),
        (Relation::After, Relation::After) => Relation::After,
    }
}

impl Ways {
    fn relation(&self, steps: &[usize], at: usize) -> Relation {
        let in_line = || match steps.iter().any(|step| *step < at) {
            true => Relation::Before,
            false => Relation::After,
        };
        if self.looked_at.get() > LOOKED_AT_MAX || !self.leads(&[0], at, &[]) {
            // Too large to tell, or nothing ever comes here: the order of the text is as good as any.
            return in_line();
        }
        let behind: Vec<usize> = steps.iter().flat_map(|step| self.next[*step].iter().copied()).collect();
        if !self.leads(&behind, at, &[]) {
            return Relation::After;
        }
        match self.leads(&[0], at, steps) {
            true => Relation::Perhaps(Doubt::Jump),
            false => Relation::Before,
        }
    }

    /// Whether there is a way from one of some places to another that goes past none of some steps, which are sorted.
    fn leads(&self, from: &[usize], to: usize, past: &[usize]) -> bool {
        let mut seen = self.seen.borrow_mut();
        seen.clear();
        seen.resize(self.next.len() + 1, false);
        let mut open = from.to_vec();
        self.looked_at.set(self.looked_at.get() + seen.len() / 64);
        while let Some(place) = open.pop() {
            self.looked_at.set(self.looked_at.get() + 1);
            if place == to {
                return true;
            }
            if !std::mem::replace(&mut seen[place], true) && past.binary_search(&place).is_err() {
                open.extend(self.next.get(place).into_iter().flatten());
            }
        }
        false
    }
}
