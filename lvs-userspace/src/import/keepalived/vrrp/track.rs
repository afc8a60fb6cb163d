//! `vrrp_script`, `track_script` and `track_interface`.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use super::{HOUR, refusal_of};
use crate::{
    failover::settings::{Program, Track, Tracked},
    import::keepalived::{checker::words, report::Report, syntax::Statement},
};

const SHORTEST: Duration = Duration::from_millis(10);
/// A script may take so long.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(60);
/// The most that a weight can be, either way.
const HEAVIEST: i16 = 253;
const HIGHEST_PRIORITY: u8 = 254;

/// The scripts by their names.
pub(super) struct Scripts<'a>(BTreeMap<&'a str, Script<'a>>);

struct Script<'a> {
    statement: &'a Statement,
    program: Program,
    weight: Weight,
}

/// What it means for the priority that something is right or wrong.
#[derive(Clone, Copy, Default)]
struct Weight {
    value: i16,
    is_reverse: bool,
}

impl<'a> Scripts<'a> {
    /// Reads all of them.
    pub(super) fn read(statements: &'a [Statement], report: &mut Report) -> Self {
        let mut scripts = BTreeMap::new();
        for statement in statements.iter().filter(|it| it.keyword == "vrrp_script") {
            let Some(name) = statement.one(report) else { continue };
            let script = report.carry(statement, |report| script(statement, report));
            scripts.extend(script.map(|it| (name, it)));
        }
        Self(scripts)
    }

    /// Says which of them mean nothing: those that are not among these.
    pub(super) fn complain(&self, used: &BTreeSet<String>, report: &mut Report) {
        for (name, script) in &self.0 {
            if !used.contains(*name) {
                report.leave_out(script.statement, format!("{name}: nothing tracks it"));
            }
        }
    }
}

fn script<'a>(statement: &'a Statement, report: &mut Report) -> Result<Script<'a>, String> {
    let mut program = Program {
        command: Vec::new(),
        interval: Duration::from_secs(1),
        timeout: Duration::ZERO,
        rise: 1,
        fall: 1,
    };
    let mut weight = Weight::default();
    let mut timeout = None;
    for it in &statement.block {
        match it.keyword.as_str() {
            "script" => {
                program.command = match it.arguments.as_slice() {
                    [command] => words(command),
                    command => command.to_vec(),
                }
            }
            "interval" => {
                program.interval = it.time(SHORTEST..=HOUR, report).unwrap_or(program.interval);
            }
            "timeout" => timeout = it.time(SHORTEST..=LONGEST_TIMEOUT, report),
            "rise" => program.rise = it.number(1..=100, report).unwrap_or(1),
            "fall" => program.fall = it.number(1..=100, report).unwrap_or(1),
            "weight" => weight = weight_of(it, &it.arguments, report).unwrap_or_default(),
            _ => report.nothing_like(it),
        }
    }
    if program.command.is_empty() {
        return Err("it has no script".to_owned());
    }
    // It is run again after that time at the latest.
    program.timeout = timeout.unwrap_or(program.interval.min(LONGEST_TIMEOUT));
    let track = Track { what: Tracked::Program(program.clone()), priority_step: None };
    match refusal_of(&track) {
        None => Ok(Script { statement, program, weight }),
        Some(why) => Err(why),
    }
}

/// What an instance tracks.
pub(super) struct Tracks {
    /// Its priority while all that raises it is right.
    pub(super) priority: u8,
    pub(super) tracks: Vec<Track>,
    pub(super) scripts: BTreeSet<String>,
}

impl Tracks {
    pub(super) fn new(priority: u8) -> Self {
        Self { priority, tracks: Vec::new(), scripts: BTreeSet::new() }
    }

    /// Takes in a `track_interface` or a `track_script`.
    pub(super) fn take(
        &mut self,
        statement: &Statement,
        scripts: &Scripts<'_>,
        report: &mut Report,
    ) {
        for it in &statement.block {
            let own = match it.arguments.split_first() {
                None => None,
                Some((word, rest)) if word == "weight" => {
                    let Some(weight) = weight_of(it, rest, report) else { continue };
                    Some(weight)
                }
                Some((word, _)) => {
                    report.leave_out(it, format!("{word}: there is nothing like it"));
                    None
                }
            };
            let (what, weight) = if statement.keyword == "track_interface" {
                (Tracked::Interface(it.keyword.clone()), own.unwrap_or_default())
            } else {
                let Some(script) = scripts.0.get(it.keyword.as_str()) else {
                    report.leave_out(it, "there is no vrrp_script of that name that can be run");
                    continue;
                };
                self.scripts.insert(it.keyword.clone());
                (Tracked::Program(script.program.clone()), own.unwrap_or(script.weight))
            };
            self.add(it, what, weight, report);
        }
    }

    fn add(&mut self, statement: &Statement, what: Tracked, weight: Weight, report: &mut Report) {
        let Weight { value, is_reverse } = weight;
        if is_reverse {
            return report.leave_out(statement, "reverse: what is wrong can't be worth more");
        }
        let step = u8::try_from(value.unsigned_abs()).ok().filter(|it| *it > 0);
        let track = Track { what, priority_step: step };
        if let Some(why) = refusal_of(&track) {
            return report.leave_out(statement, why);
        }
        if self.tracks.contains(&track) {
            return;
        }
        // More while it is right is less while it is wrong, of what it is then.
        if let Some(step) = step.filter(|_| value > 0) {
            match self.priority.checked_add(step).filter(|it| *it <= HIGHEST_PRIORITY) {
                Some(priority) => {
                    report.leave_out(
                        statement,
                        format!(
                            "weight {value}: the priority is {priority}, and {step} less without it"
                        ),
                    );
                    self.priority = priority;
                }
                None => {
                    let why = format!("weight {value}: the priority would be above 254");
                    return report.leave_out(statement, why);
                }
            }
        }
        self.tracks.push(track);
    }
}

/// Reads a number and what may stand behind it.
fn weight_of(statement: &Statement, arguments: &[String], report: &mut Report) -> Option<Weight> {
    let (number, rest) =
        arguments.split_first().map_or(("", [].as_slice()), |(a, b)| (a.as_str(), b));
    let value = number.parse().ok().filter(|it: &i16| (-HEAVIEST..=HEAVIEST).contains(it));
    let Some(value) = value else {
        let message = format!("{}: {number:?} is no weight from -253 to 253", statement.keyword);
        report.error(statement.line, message);
        return None;
    };
    Some(Weight { value, is_reverse: rest.iter().any(|it| it == "reverse") })
}
