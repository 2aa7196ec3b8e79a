//! One life of the engine as the seed has it: what is asked of it, and when it is killed.

use std::time::{Duration, Instant};

use super::{
    chains::{Draft, Reporting},
    random::Random,
};

/// A moment that does not come is not waited for longer.
const ROUND_MAX: Duration = Duration::from_millis(2_500);
/// In each of so many rounds a second host takes the store from the first, which is held up meanwhile.
const OVERTAKE_EVERY: u32 = 6;

/// When the engine is killed.
#[derive(Clone, Copy, Debug)]
pub(super) enum Moment {
    /// So long after the first process was started.
    StartUp(Duration),
    /// So long after the first acknowledgement.
    Later(Duration),
    /// So long after an acknowledgement of a new start.
    Acknowledged(Duration),
    /// So long after the oracle was told so many things.
    Reported(u32, Duration),
    /// Held up, overtaken by a second host, let go after so long; then both are killed.
    Overtaken(Duration),
}

/// What becomes of the helper in a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HelperFate {
    Lives,
    /// Killed so long after the round begins, while the engine runs.
    Killed(Duration),
    /// Killed with the engine.
    KilledToo,
}

impl HelperFate {
    /// In three of ten rounds, so that a short run has some of each.
    fn draw(number: u32, random: &mut Random) -> Self {
        match number % 10 {
            1 | 5 => Self::Killed(random.millis(0, 1_500)),
            7 => Self::KilledToo,
            _ => Self::Lives,
        }
    }
}

/// One life of the engine, as the seed has it.
pub(super) struct Round {
    pub(super) moment: Moment,
    /// The new chain is started before the keeper, so that its own process becomes the host.
    pub(super) is_direct: bool,
    pub(super) starts: Vec<(Duration, Draft)>,
    /// Start once more what was acknowledged; which one of all.
    pub(super) repeat: Option<u64>,
    /// Cancel an unfinished execution; when, and which.
    pub(super) cancel: Option<(Duration, u64)>,
    /// Approve, and send a signal to, an execution that waits; when, and which.
    pub(super) answer: Option<(Duration, u64)>,
    /// What a host is asked to start while it is held up.
    pub(super) late: Option<Draft>,
    pub(super) helper: HelperFate,
    /// Run the chain with a schedule; when.
    pub(super) tick: Option<Duration>,
    /// Pause an unfinished execution; when, and which.
    pub(super) hold: Option<(Duration, u64)>,
    pub(super) pause: Duration,
}

impl Round {
    pub(super) fn draw(number: u32, kinds: &mut usize, random: &mut Random, reporting: &Reporting) -> Self {
        let moment = match random.between(0, 9) {
            _ if number % OVERTAKE_EVERY == 2 => Moment::Overtaken(random.millis(50, 600)),
            0 => Moment::StartUp(random.millis(0, 120)),
            1 | 2 => Moment::Later(random.millis(0, 150)),
            3 | 4 => Moment::Later(random.millis(150, 1_200)),
            5 | 6 => Moment::Acknowledged(random.millis(0, 4)),
            7 => Moment::Acknowledged(random.millis(0, 60)),
            _ => Moment::Reported(u32::try_from(random.between(1, 8)).unwrap_or(1), random.millis(0, 12)),
        };
        let wants = if random.one_in(4) { 2 } else { 1 };
        let mut draft = |random: &mut Random| {
            *kinds += 1;
            Draft::draw(*kinds - 1, random, reporting)
        };
        let starts = (0..wants).map(|_| (random.millis(0, 250), draft(random))).collect();
        Self {
            moment,
            starts,
            late: matches!(moment, Moment::Overtaken(_)).then(|| draft(random)),
            is_direct: random.one_in(3),
            helper: HelperFate::draw(number, random),
            tick: (number == 0 || random.one_in(4)).then(|| random.millis(0, 400)),
            hold: (number.is_multiple_of(4)).then(|| (random.millis(50, 700), random.between(0, 1_000))),
            repeat: random.one_in(4).then(|| random.between(0, 1_000)),
            answer: random.one_in(2).then(|| (random.millis(0, 900), random.between(0, 1_000))),
            cancel: random.one_in(3).then(|| (random.millis(100, 700), random.between(0, 1_000))),
            pause: if random.one_in(2) { random.millis(0, 20) } else { random.millis(100, 500) },
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Order {
    Start(usize),
    Cancel(u64),
    KillHelper,
    Answer(u64),
    Tick,
    Pause(u64),
    /// All that were paused so far.
    Resume,
}

/// What is to be done in a round, by time.
#[derive(Default)]
pub(super) struct Orders(Vec<(Duration, Order)>);

impl Orders {
    pub(super) fn add(&mut self, after: Duration, order: Order) {
        let place = self.0.partition_point(|(other, _)| *other <= after);
        self.0.insert(place, (after, order));
    }

    pub(super) fn pop_first_due(&mut self, elapsed: Duration) -> Option<(Duration, Order)> {
        let is_due = self.0.first().is_some_and(|(after, _)| *after <= elapsed);
        is_due.then(|| self.0.remove(0))
    }
}

/// Says when the moment of a round has come.
pub(super) struct RoundClock {
    moment: Moment,
    pub(super) begun: Instant,
    first: Option<Instant>,
    new_start: Option<Instant>,
    reported: Option<Instant>,
}

impl RoundClock {
    pub(super) fn new(moment: Moment) -> Self {
        Self { moment, begun: Instant::now(), first: None, new_start: None, reported: None }
    }

    pub(super) fn acknowledged(&mut self, is_chain: bool) {
        self.first.get_or_insert_with(Instant::now);
        if is_chain {
            self.new_start.get_or_insert_with(Instant::now);
        }
    }

    pub(super) fn has_come(&mut self, reports: u32) -> bool {
        let passed = |since: Option<Instant>, time| since.is_some_and(|since| since.elapsed() >= time);
        let has_come = match self.moment {
            Moment::StartUp(after) => self.begun.elapsed() >= after,
            Moment::Later(after) => passed(self.first, after),
            Moment::Acknowledged(after) => passed(self.new_start, after),
            Moment::Reported(count, after) => {
                if reports >= count {
                    self.reported.get_or_insert_with(Instant::now);
                }
                passed(self.reported, after)
            }
            // Time enough for some attempts to be under way and some retries to wait.
            Moment::Overtaken(_) => passed(self.first, Duration::from_millis(400)),
        };
        has_come || self.begun.elapsed() > ROUND_MAX
    }
}
