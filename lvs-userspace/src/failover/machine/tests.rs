mod laws;

use std::{cmp::Ordering, fmt::Write as _, time::Duration};

use expect_test::expect_file;

use super::*;

pub(super) const INTERVAL: Duration = Duration::from_millis(100);

pub(super) fn settings(priority: u8) -> Settings {
    Settings {
        priority,
        interval: Interval::from_duration(INTERVAL).unwrap(),
        preempt: true,
        preempt_delay: Duration::ZERO,
        start_delay: Duration::ZERO,
        peers_confirm: true,
    }
}

fn heard(priority: u8, sender: Ordering) -> Event {
    let interval = Interval::from_duration(INTERVAL).unwrap();
    Event::Heard(Heard { priority, interval, sender })
}

/// A machine of priority 100, and what it does while nobody disturbs it.
struct Alone {
    machine: Machine,
    now: Instant,
}

impl Alone {
    fn new(settings: Settings) -> Self {
        let now = Instant::now();
        Self { machine: Machine::new(settings, now), now }
    }

    /// As a driver does it: what is to be sent is sent at once.
    fn handle(&mut self, event: Event) -> Vec<Effect> {
        let mut effects = Vec::new();
        for effect in self.machine.handle(event, self.now) {
            effects.push(effect);
            if let Effect::Send(_) = effect {
                effects.extend(self.machine.handle(Event::Sent(self.now), self.now));
            }
        }
        effects
    }

    /// A moment later.
    fn later(mut self) -> Self {
        self.now += Duration::from_millis(1);
        self
    }

    fn after(mut self, events: &[Event]) -> Self {
        for &event in events {
            if event == Event::Deadline {
                self.now = self.machine.deadline().unwrap();
            }
            self.handle(event);
        }
        self
    }
}

const LOWER: Event =
    Event::Heard(Heard { priority: 50, interval: Interval::SHORTEST, sender: Ordering::Greater });

const STOP: Event = Event::Heard(Heard {
    priority: STOPS,
    interval: Interval::SHORTEST,
    sender: Ordering::Greater,
});

/// Each state, and what makes a difference in it.
fn states() -> Vec<(&'static str, Alone)> {
    let new = || Alone::new(settings(100));
    let patient = || Alone::new(Settings { preempt: false, ..settings(100) });
    let delayed = Settings { preempt_delay: Duration::from_secs(5), ..settings(100) };
    let at_fault = Event::Tracked(Condition { is_at_fault: true, penalty: 0 });
    let (start, ready) = (Event::Start, Event::Ready(true));
    vec![
        ("init", new()),
        ("backup", new().after(&[start, ready])),
        ("backup, not ready", new().after(&[start])),
        ("backup that does not preempt", patient().after(&[start, ready])),
        ("backup that waits to preempt", Alone::new(delayed).after(&[start, ready, LOWER])),
        ("backup after a stop", new().after(&[start, ready, STOP])),
        (
            "backup that has resigned",
            new().after(&[start, ready, Event::Deadline, Event::Deadline, Event::Resign]),
        ),
        ("claim of what is nobody's", new().after(&[start, ready, Event::Deadline])),
        ("claim against another", new().after(&[start, ready, LOWER])),
        ("claim that was given way to", new().after(&[start, ready, LOWER]).later().after(&[STOP])),
        ("claim by hand", new().after(&[start, Event::Take])),
        ("master", new().after(&[start, ready, Event::Deadline, Event::Deadline])),
        (
            "master for long",
            new().after(&[start, Event::Deadline, Event::Deadline, Event::Deadline]),
        ),
        (
            "master by hand",
            new().after(&[start, Event::Take]).later().after(&[STOP, Event::Deadline]),
        ),
        ("fault", new().after(&[start, at_fault])),
    ]
}

fn events(machine: &Machine, now: Instant) -> Vec<(&'static str, Event, Instant)> {
    let soon = now + Duration::from_millis(1);
    let due = machine.deadline().unwrap_or(soon);
    let late = due + 2 * INTERVAL;
    vec![
        ("start", Event::Start, soon),
        ("stop", Event::Stop, soon),
        ("deadline", Event::Deadline, due),
        ("deadline, two intervals late", Event::Deadline, late),
        ("deadline, a minute late", Event::Deadline, late + Duration::from_secs(60)),
        ("hears that another stops", heard(0, Ordering::Greater), soon),
        ("hears a lower priority", heard(50, Ordering::Greater), soon),
        ("hears its own, from a lower address", heard(100, Ordering::Less), soon),
        ("hears its own, from a higher address", heard(100, Ordering::Greater), soon),
        ("hears a higher priority", heard(200, Ordering::Less), soon),
        ("hears one by hand", heard(255, Ordering::Less), soon),
        ("has sent", Event::Sent(now), soon),
        ("is at fault", Event::Tracked(Condition { is_at_fault: true, penalty: 0 }), soon),
        ("is worth less", Event::Tracked(Condition { is_at_fault: false, penalty: 60 }), soon),
        ("is all right", Event::Tracked(Condition::default()), soon),
        ("is not ready", Event::Ready(false), soon),
        ("is to resign", Event::Resign, soon),
        ("is to take over", Event::Take, soon),
        ("is configured anew", Event::Reconfigured(settings(101)), soon),
    ]
}

/// What an effect is, without its time.
fn name(effect: &Effect) -> String {
    match effect {
        Effect::Send(priority) => format!("send {priority}"),
        Effect::Renew(_) => "renew".to_owned(),
        Effect::Silence => "silence".to_owned(),
        Effect::Announce => "announce".to_owned(),
        Effect::Split(_) => "split".to_owned(),
        Effect::Late(_) => "late".to_owned(),
        Effect::Changed(Change { to, edge, .. }) => format!("is {to} ({edge:?})"),
    }
}

/// Every event in every state.
#[test]
fn transitions() {
    let mut table = String::new();
    for (state, alone) in states() {
        writeln!(table, "{state}").unwrap();
        for (event, it, at) in events(&alone.machine, alone.now) {
            let mut alone = Alone { machine: alone.machine.clone(), now: at };
            let effects: Vec<_> = alone.handle(it).iter().map(name).collect();
            let waits = alone.machine.deadline().map(|it| it.duration_since(at));
            let waits = waits.map_or("-".to_owned(), |it| format!("{:.1}", it.as_secs_f64() * 1e3));
            writeln!(table, "  {event:38} {:36} next {waits}", effects.join(", ")).unwrap();
        }
    }
    expect_file!["tests/transitions.txt"].assert_eq(&table);
}

#[test]
fn every_edge_is_in_the_table() {
    let table = include_str!("tests/transitions.txt");
    for edge in [
        Edge::Started,
        Edge::Stopped,
        Edge::MasterSilent,
        Edge::MasterStopped,
        Edge::Preempts,
        Edge::Told,
        Edge::GaveWay,
        Edge::Unopposed,
        Edge::Outranked,
        Edge::Overslept,
        Edge::Resigned,
        Edge::Unfit,
        Edge::Fit,
    ] {
        assert!(table.contains(&format!("({edge:?})")), "{edge:?}");
    }
}

#[test]
fn a_backup_goes_by_the_interval_of_the_master() {
    let mut alone = Alone::new(settings(100)).after(&[Event::Start]);
    let interval = Interval::from_centiseconds(200).unwrap();
    alone.handle(Event::Heard(Heard { priority: 200, interval, sender: Ordering::Less }));
    assert_eq!(alone.machine.deadline(), Some(alone.now + interval.master_down(100)));
}

#[test]
fn at_the_start_it_listens_longer_if_it_is_told_to() {
    let start_delay = Duration::from_secs(30);
    let alone = Alone::new(Settings { start_delay, ..settings(100) }).after(&[Event::Start]);
    let waits = alone.machine.deadline().unwrap() - alone.now;
    assert_eq!(waits, start_delay + settings(100).interval.master_down(100));
}

#[test]
fn it_preempts_after_the_delay_and_not_while_a_better_one_is_there() {
    let delay = Duration::from_millis(450);
    let mut alone = Alone::new(Settings { preempt_delay: delay, ..settings(100) })
        .after(&[Event::Start, Event::Ready(true)]);
    let start = alone.now;
    let mut claims = Vec::new();
    for n in 0..20 {
        alone.now = start + n * INTERVAL;
        // At first now and then a better one, too.
        let priority = if n < 10 && n % 3 == 0 { 150 } else { 50 };
        alone.handle(heard(priority, Ordering::Less));
        let due = alone.machine.deadline().filter(|it| *it < alone.now + INTERVAL);
        if let Some(due) = due.filter(|_| alone.machine.state() == State::Backup) {
            alone.now = due;
            alone.handle(Event::Deadline);
        }
        if alone.machine.state() == State::Claim {
            claims.push(alone.now - start);
            break;
        }
    }
    // The last better one is heard after 900 ms.
    assert_eq!(claims, [10 * INTERVAL + delay]);
}

#[test]
fn a_split_is_counted_once_however_long_it_lasts() {
    let mut alone =
        Alone::new(settings(100)).after(&[Event::Start, Event::Deadline, Event::Deadline]);
    for (pause, splits) in [(INTERVAL, 1), (INTERVAL, 1), (3 * INTERVAL, 1), (9 * INTERVAL, 2)] {
        // It goes on to advertise meanwhile.
        let until = alone.now + pause;
        while let Some(due) = alone.machine.deadline().filter(|it| *it < until) {
            alone.now = due;
            alone.handle(Event::Deadline);
        }
        alone.now = until;
        let effects = alone.handle(heard(50, Ordering::Less));
        assert!(effects.contains(&Effect::Send(100)), "{effects:?}");
        assert!(effects.contains(&Effect::Announce), "{effects:?}");
        assert_eq!(alone.machine.splits(), splits);
    }
}

#[test]
fn a_late_advertisement_is_told() {
    let mut alone = Alone::new(settings(100)).after(&[Event::Start]);
    let mut late = Vec::new();
    for ms in [100, 100, 199, 201, 300, 100] {
        alone.now += Duration::from_millis(ms);
        let effects = alone.handle(heard(200, Ordering::Less));
        late.extend(effects.into_iter().filter(|it| matches!(it, Effect::Late(_))));
    }
    assert_eq!(late, [201, 300].map(|ms| Effect::Late(Duration::from_millis(ms))));
}

/// What was sent before a long stop makes nobody master after it.
#[test]
fn stopped_between_sending_and_noting_it() {
    let mut alone = Alone::new(settings(100)).after(&[Event::Start, Event::Deadline]);
    let sent = alone.machine.deadline().unwrap();
    let effects = alone.machine.handle(Event::Deadline, sent);
    assert_eq!(effects.last(), Some(&Effect::Send(100)));
    assert_eq!(alone.machine.state(), State::Master);
    let effects = alone.machine.handle(Event::Sent(sent), sent + Duration::from_secs(10));
    assert_eq!(alone.machine.state(), State::Backup);
    assert!(!effects.iter().any(|it| matches!(it, Effect::Renew(_) | Effect::Announce)));
}
