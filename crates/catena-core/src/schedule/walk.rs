//! From the calendar to real time: the instants at which a zone's clocks show what the fields name.

use jiff::{
    SignedDuration, Timestamp as Instant, ToSpan,
    civil::DateTime,
    tz::{AmbiguousOffset, Offset, TimeZone},
};

use super::fields::{Clock, Fields};

/// More than the clocks of any zone ever moved at once, and more than any zone is ahead or behind.
const CHANGE_MAX: SignedDuration = SignedDuration::from_hours(48);

/// The first instant strictly after `after`.
pub(super) fn next(fields: &Fields, zone: &TimeZone, after: Instant) -> Option<Instant> {
    match fields.clock {
        Clock::Fixed => next_fixed(fields, zone, after),
        Clock::Running => next_running(fields, zone, after),
    }
}

/// Each date and time is one instant. Later ones on the calendar are never earlier instants, so the first one that is
/// later than `after` is the answer; those passed over stand in the fold or the gap that `after` stands in.
fn next_fixed(fields: &Fields, zone: &TimeZone, after: Instant) -> Option<Instant> {
    let mut from = second_after(zone.to_datetime(after))?;
    loop {
        let found = fields.next(from)?;
        let at = instant_of(zone, found)?;
        if at > after {
            return Some(at);
        }
        from = second_after(found)?;
    }
}

/// Goes from change to change of the clocks; between two of them real time and the calendar run alike.
fn next_running(fields: &Fields, zone: &TimeZone, after: Instant) -> Option<Instant> {
    let mut at = Instant::from_second(after.as_microsecond().div_euclid(1_000_000) + 1).ok()?;
    loop {
        let offset = zone.to_offset(at);
        let found = offset.to_timestamp(fields.next(offset.to_datetime(at))?).ok()?;
        let change = match zone.following(at).next() {
            Some(transition) if transition.timestamp() <= found => transition.timestamp(),
            Some(_) | None => return Some(found),
        };
        // From two days on, no fold shows again what has been searched; until two days before what was found, no
        // gap can have led there. So the changes in between show nothing that is named.
        let near = found - CHANGE_MAX;
        at = if change - CHANGE_MAX.abs() >= at && near > change { near } else { change };
    }
}

/// When the clocks show a date and time: at the end of the gap that it falls into, in the first pass of a fold.
pub(super) fn instant_of(zone: &TimeZone, local: DateTime) -> Option<Instant> {
    match zone.to_ambiguous_timestamp(local).offset() {
        AmbiguousOffset::Unambiguous { offset } => offset.to_timestamp(local).ok(),
        AmbiguousOffset::Fold { before, after: _ } => before.to_timestamp(local).ok(),
        AmbiguousOffset::Gap { before, after } => end_of_gap(zone, local, before, after),
    }
}

/// The change of the clocks that swallows `local`: it comes after the instant that the later offset would make of it,
/// and not after the one that the earlier offset does.
fn end_of_gap(zone: &TimeZone, local: DateTime, before: Offset, after: Offset) -> Option<Instant> {
    let (earliest, latest) = (after.to_timestamp(local).ok()?, before.to_timestamp(local).ok()?);
    let mut changes = zone.following(earliest).take_while(|change| change.timestamp() <= latest);
    let change = changes.find(|change| change.offset() == after);
    Some(change.map_or(latest, |change| change.timestamp()))
}

/// The next whole second of the calendar.
pub(super) fn second_after(local: DateTime) -> Option<DateTime> {
    let whole = local.with().subsec_nanosecond(0).build().ok()?;
    whole.checked_add(1.second()).ok()
}
