//! Promise 2: an attempt stands in the journal before its process starts, its end is accepted once, and it is
//! alone.

use std::{collections::BTreeMap, path::Path};

use anyhow::Result;
use catena_core::event::Answer;

use super::{
    super::{
        driver::Kills,
        ledger::{Life, Role},
    },
    Findings, LATE_US, Promise,
    store::{Attempt, Stored},
};

/// The longest time between TERM and KILL.
const GRACE_US: i64 = 5_000_000;

/// Checks every attempt; how many of them outlived an engine and were attached to.
pub(super) fn check(lives: &[Life], stored: &Stored, kills: &Kills, findings: &mut Findings) -> usize {
    let journals: BTreeMap<u64, _> =
        stored.executions.iter().map(|(number, execution)| (*number, execution.attempts())).collect();
    for life in lives {
        let key = (life.who.address.clone(), life.who.attempt);
        match journals.get(&life.who.execution).and_then(|attempts| attempts.get(&key)) {
            Some(attempt) => {
                check_life(life, attempt, findings);
                check_limit(life, attempt, findings);
            }
            None => {
                let detail = format!("{} has run and has no start there", name(life));
                findings.add(Promise::AttemptsOnce, "who runs is in the journal", detail);
            }
        }
    }
    check_numbers(lives, findings);
    check_alone(lives, findings);
    for (execution, attempts) in &journals {
        for ((address, number), attempt) in attempts {
            let has_ended = !stored.executions[execution].ends().is_empty();
            check_journal(&format!("{execution} {address}.{number}"), attempt, has_ended, kills, findings);
        }
    }
    check_answers(lives, &journals, findings);
    lives.iter().filter(|life| is_attached(life, &journals, kills)).count()
}

/// It was at work before and after a kill of the engine, and what it came to is in the journal.
fn is_attached(life: &Life, journals: &Journals, kills: &Kills) -> bool {
    let who = &life.who;
    let attempts = journals.get(&who.execution);
    let attempt = attempts.and_then(|attempts| attempts.get(&(who.address.clone(), who.attempt)));
    let has_succeeded =
        attempt.is_some_and(|attempt| matches!(attempt.ended.first(), Some((_, Answer::Succeeded { .. }))));
    let is_within = |at: &i64| life.sent_us < *at && life.after_us.is_some_and(|after_us| *at < after_us);
    who.role == Role::Step && has_succeeded && kills.engines.iter().any(is_within)
}

/// The helper minds the limit whether there is an engine or not. What it left when it was killed is dead sooner.
fn check_limit(life: &Life, attempt: &Attempt, findings: &mut Findings) {
    let Some((_, Answer::TimedOut { limit_ms })) = attempt.ended.first() else { return };
    let limit_us = i64::try_from(limit_ms.saturating_mul(1_000)).unwrap_or(i64::MAX);
    let lived_us = life.died_us.unwrap_or(life.sent_us) - life.sent_us;
    if lived_us > limit_us.saturating_add(GRACE_US + LATE_US) {
        let detail = format!("{} had {limit_ms} ms and lived {} ms", name(life), lived_us / 1_000);
        findings.add(Promise::AttemptsOnce, "time limits are kept", detail);
    }
}

fn name(life: &Life) -> String {
    let who = &life.who;
    format!("{} {}.{} (process {}, {:?})", who.execution, who.address, who.attempt, who.pid, who.role)
}

fn check_life(life: &Life, attempt: &Attempt, findings: &mut Findings) {
    if life.journalled == Some(false) || attempt.started_us.iter().all(|at| *at > life.sent_us) {
        let detail = format!("{} ran before its start was committed", name(life));
        findings.add(Promise::AttemptsOnce, "the journal comes first", detail);
    }
    let Some((ended_us, answer)) = attempt.ended.first() else { return };
    // No time of death: the driver has told of it.
    if life.died_us.is_some_and(|died_us| died_us > ended_us + LATE_US) {
        let late_ms = (life.died_us.unwrap_or(*ended_us) - ended_us) / 1_000;
        let detail = format!("{} lived {late_ms} ms longer than its end ({answer:?})", name(life));
        findings.add(Promise::AttemptsOnce, "who has ended is dead", detail);
    }
}

/// An attempt has one process, and a number of its own.
fn check_numbers(lives: &[Life], findings: &mut Findings) {
    let mut seen: BTreeMap<(u64, &str, u32), u32> = BTreeMap::new();
    for life in lives.iter().filter(|life| life.who.role == Role::Step) {
        let who = &life.who;
        if let Some(first) = seen.insert((who.execution, &who.address, who.attempt), who.pid) {
            let detail = format!("{} had the number before: process {first}", name(life));
            findings.add(Promise::AttemptsOnce, "a number is one attempt's", detail);
        }
    }
}

/// Of one visit at most one attempt lives, with all it has started; by the order in which the oracle saw it.
fn check_alone(lives: &[Life], findings: &mut Findings) {
    let mut visits: BTreeMap<(u64, &str), Vec<&Life>> = BTreeMap::new();
    for life in lives {
        visits.entry((life.who.execution, &life.who.address)).or_default().push(life);
    }
    for mut visit in visits.into_values() {
        visit.sort_by_key(|life| life.born);
        for (place, later) in visit.iter().enumerate() {
            for earlier in &visit[..place] {
                let is_other = earlier.who.attempt != later.who.attempt || earlier.who.role == later.who.role;
                let overlaps = earlier.died.is_none_or(|died| died > later.born);
                if is_other && overlaps {
                    let detail = format!("{} beside {}", name(later), name(earlier));
                    findings.add(Promise::AttemptsOnce, "an attempt is alone", detail);
                }
            }
        }
    }
}

fn check_journal(name: &str, attempt: &Attempt, has_ended: bool, kills: &Kills, findings: &mut Findings) {
    let Attempt { started_us, ended } = attempt;
    if started_us.len() != 1 || ended.len() > 1 || (has_ended && ended.is_empty()) {
        let detail = format!("{name} has {} starts and {} ends", started_us.len(), ended.len());
        findings.add(Promise::AttemptsOnce, "one start, one end", detail);
    }
    if let Some((ended_us, Answer::Lost { message })) = ended.first() {
        let is_within =
            |at: &i64| started_us.first().is_some_and(|started| started - LATE_US < *at) && at < ended_us;
        if kills.helpers.iter().any(is_within) {
            return;
        }
        // A helper that lives always knows.
        let detail = format!("{name} was given up although its helper lives: {message}");
        findings.add(Promise::AttemptsOnce, "nothing is lost", detail);
    }
}

type Journals = BTreeMap<u64, BTreeMap<(String, u32), Attempt>>;

/// A success that was accepted was one, and a step that came to its end is not run again.
fn check_answers(lives: &[Life], journals: &Journals, findings: &mut Findings) {
    for (execution, attempts) in journals {
        for ((address, number), attempt) in attempts {
            let Some((_, Answer::Succeeded { .. })) = attempt.ended.first() else { continue };
            let is_it = |life: &&Life| {
                let who = &life.who;
                who.role == Role::Step
                    && (who.execution, &who.address, who.attempt) == (*execution, address, *number)
            };
            if !lives.iter().filter(is_it).any(|life| life.after_us.is_some()) {
                let detail = format!("{execution} {address}.{number} succeeded and had not finished");
                findings.add(Promise::AttemptsOnce, "a success is one", detail);
            }
        }
    }
}

/// Each attempt has had its effect once at most.
pub(super) fn check_effects(folder: &Path, findings: &mut Findings) -> Result<()> {
    for file in std::fs::read_dir(folder)? {
        let file = file?;
        let mut seen: BTreeMap<String, u32> = BTreeMap::new();
        for line in std::fs::read_to_string(file.path())?.lines() {
            let attempt = line.rsplit_once(' ').map_or(line, |(attempt, _)| attempt);
            *seen.entry(attempt.to_owned()).or_default() += 1;
        }
        for (attempt, count) in seen.iter().filter(|(_, count)| **count > 1) {
            let execution = file.file_name();
            let detail = format!("{} {attempt} had its effect {count} times", execution.display());
            findings.add(Promise::AttemptsOnce, "an attempt has its effect once", detail);
        }
    }
    Ok(())
}
