//! Promise 2: an attempt stands in the journal before its process starts, its end is accepted once, and it is
//! alone.

use std::{collections::BTreeMap, path::Path};

use anyhow::Result;
use catena_core::event::Answer;

use super::{
    super::ledger::{Life, Role},
    Findings, LATE_US, Promise,
    store::{Attempt, Stored},
};

pub(super) fn check(lives: &[Life], stored: &Stored, findings: &mut Findings) {
    let journals: BTreeMap<u64, _> =
        stored.executions.iter().map(|(number, execution)| (*number, execution.attempts())).collect();
    for life in lives {
        let key = (life.who.address.clone(), life.who.attempt);
        match journals.get(&life.who.execution).and_then(|attempts| attempts.get(&key)) {
            Some(attempt) => check_life(life, attempt, findings),
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
            check_journal(&format!("{execution} {address}.{number}"), attempt, findings);
        }
    }
    check_answers(lives, &journals, findings);
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

fn check_journal(name: &str, attempt: &Attempt, findings: &mut Findings) {
    let Attempt { started_us, ended } = attempt;
    if started_us.len() != 1 || ended.len() > 1 {
        let detail = format!("{name} has {} starts and {} ends", started_us.len(), ended.len());
        findings.add(Promise::AttemptsOnce, "one start, one end", detail);
    }
    if let Some((_, Answer::Lost { message })) = ended.first() {
        // Nobody touches the helper here, so it always knows.
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
