//! Slots for attempts, of pools and without one, granted round-robin over executions.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use catena_core::{ExecutionId, chain::Pool, command::Slots as Offer};

/// What belongs to no pool takes the slots of `None`.
type Key = Option<Pool>;

pub(crate) struct Slots {
    pools: HashMap<Key, Places>,
}

#[derive(Default)]
struct Places {
    total: u32,
    /// Attempts that run; after a recovery there may be more of them than slots.
    live: u32,
    /// Executions with a visit that waits for a slot, the longest waiting first.
    queue: VecDeque<ExecutionId>,
    queued: HashSet<ExecutionId>,
}

/// How many attempts began and ended, by pool.
#[derive(Default)]
pub(crate) struct Moved(pub(crate) BTreeMap<Key, (u32, u32)>);

impl Moved {
    pub(crate) fn began(&mut self, pool: Option<&Pool>) {
        self.0.entry(pool.cloned()).or_default().0 += 1;
    }

    pub(crate) fn ended(&mut self, pool: Option<&Pool>) {
        self.0.entry(pool.cloned()).or_default().1 += 1;
    }
}

impl Slots {
    pub(crate) fn new(total: u32, pools: &BTreeMap<String, u32>) -> Self {
        let named = pools.iter().map(|(name, total)| (Some(Pool::new(name)), *total));
        let places = named.chain([(None, total)]);
        Self { pools: places.map(|(key, total)| (key, Places { total, ..Places::default() })).collect() }
    }

    /// The places of a pool. One that is not configured any more has a single slot: what is unfinished goes on.
    fn places(&mut self, pool: Option<&Pool>) -> &mut Places {
        self.pools.entry(pool.cloned()).or_insert_with(|| Places { total: 1, ..Places::default() })
    }

    /// How many slots a decision of `execution` may fill, `freed` being the pool of one that comes back in it. While
    /// others wait, it has to queue like them.
    pub(crate) fn offer(&self, execution: ExecutionId, freed: Option<Option<&Pool>>) -> Offer {
        let mut offer = Offer::default();
        for (key, places) in &self.pools {
            let freed = u32::from(freed == Some(key.as_ref()));
            let free = places.offer(execution, freed);
            match key {
                None => offer.free = free,
                Some(pool) => drop(offer.pools.insert(pool.clone(), free)),
            }
        }
        offer
    }

    pub(crate) fn settle(&mut self, moved: Moved) {
        for (pool, (began, ended)) in moved.0 {
            let places = self.places(pool.as_ref());
            places.live = (places.live + began).saturating_sub(ended);
        }
    }

    pub(crate) fn wait(&mut self, execution: ExecutionId, pool: Option<&Pool>) {
        let places = self.places(pool);
        if places.queued.insert(execution) {
            places.queue.push_back(execution);
        }
    }

    pub(crate) fn forget(&mut self, execution: ExecutionId) {
        for places in self.pools.values_mut() {
            if places.queued.remove(&execution) {
                places.queue.retain(|waiting| *waiting != execution);
            }
        }
    }

    /// The execution whose turn it is, with the one slot that it may fill.
    pub(crate) fn next(&mut self) -> Option<(ExecutionId, Offer)> {
        let (key, execution) =
            self.pools.iter_mut().find_map(|(key, places)| Some((key.clone(), places.next()?)))?;
        let offer = match key {
            None => Offer::of(1),
            Some(pool) => Offer { free: 0, pools: BTreeMap::from([(pool, 1)]) },
        };
        Some((execution, offer))
    }
}

impl Places {
    fn offer(&self, execution: ExecutionId, freed: u32) -> u32 {
        let others_wait = self.queue.iter().any(|waiting| *waiting != execution);
        if others_wait { 0 } else { self.total.saturating_sub(self.live.saturating_sub(freed)) }
    }

    fn next(&mut self) -> Option<ExecutionId> {
        if self.live >= self.total {
            return None;
        }
        let execution = self.queue.pop_front()?;
        self.queued.remove(&execution);
        Some(execution)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moved(began: u32, ended: u32, pool: Option<&Pool>) -> Moved {
        Moved(BTreeMap::from([(pool.cloned(), (began, ended))]))
    }

    #[test]
    fn executions_take_turns() {
        let (a, b) = (ExecutionId(1), ExecutionId(2));
        let mut slots = Slots::new(1, &BTreeMap::new());
        assert_eq!(slots.offer(a, None), Offer::of(1));
        slots.settle(moved(1, 0, None));
        slots.wait(a, None);
        slots.wait(b, None);
        slots.wait(a, None);
        assert_eq!(slots.next(), None);
        // The end of an attempt of `a` frees a slot, but `b` waits too.
        assert_eq!(slots.offer(a, Some(None)), Offer::of(0));
        slots.settle(moved(0, 1, None));
        assert_eq!(slots.next(), Some((a, Offer::of(1))));
        slots.settle(moved(1, 0, None));
        slots.wait(a, None);
        slots.settle(moved(0, 1, None));
        assert_eq!(slots.next(), Some((b, Offer::of(1))));
    }

    #[test]
    fn a_pool_has_slots_of_its_own() {
        let (a, b) = (ExecutionId(1), ExecutionId(2));
        let gpu = Pool::new("gpu");
        let mut slots = Slots::new(4, &BTreeMap::from([("gpu".to_owned(), 1)]));
        assert_eq!(slots.offer(a, None).pools[&gpu], 1);
        slots.settle(moved(1, 0, Some(&gpu)));
        slots.wait(b, Some(&gpu));
        assert_eq!(slots.next(), None);
        assert_eq!(slots.offer(b, None), Offer { free: 4, pools: BTreeMap::from([(gpu.clone(), 0)]) });
        slots.settle(moved(0, 1, Some(&gpu)));
        assert_eq!(slots.next(), Some((b, Offer { free: 0, pools: BTreeMap::from([(gpu, 1)]) })));
    }
}
