use std::net::Ipv4Addr;

use proptest::prelude::*;

use super::*;
use crate::{
    health::{Kind, Quarantine, Via},
    model::{Protocol, ServiceId},
};

const INTERVAL: Duration = Duration::from_secs(2);
const FAST: Duration = Duration::from_millis(500);

fn target(host: u8) -> Target {
    let service = ServiceId {
        protocol: Protocol::Tcp,
        address: Ipv4Addr::new(10, 77, 0, 100).into(),
        port: 80,
    };
    Target { service, real_server: Ipv4Addr::new(10, 77, 0, host).into() }
}

fn check() -> Check {
    Check {
        kind: Kind::Tcp,
        port: None,
        via: Via::Rip,
        interval: INTERVAL,
        fast_interval: FAST,
        timeout: Duration::from_secs(1),
        rise: 2,
        fall: 3,
        quarantine: None,
    }
}

/// Makes the next check of the only target; gives the time of it, and what changed.
fn step(monitors: &mut Monitors, outcome: &Outcome) -> (Instant, Option<Change>) {
    let at = monitors.next().expect("a check to come");
    let due = monitors.take_due(at);
    assert_eq!(due.len(), 1);
    assert_eq!(monitors.next(), None, "one at a time");
    (at, monitors.outcome(due[0].target, due[0].round, outcome, at))
}

fn good() -> Outcome {
    Ok(Duration::from_millis(3))
}

fn bad() -> Outcome {
    Err(Failure::Failed("refused".to_owned()))
}

#[test]
fn who_comes_and_goes_is_held_out() {
    let (within, hold) = (Duration::from_secs(60), Duration::from_secs(300));
    let quarantine = Some(Quarantine { failures: 3, within, hold });
    let mut monitors = Monitors::default();
    let check = Check { quarantine, ..check() };
    monitors.reconfigure([(target(11), check.clone(), Health::Up)], Instant::now());
    // Goes on until the state has changed; gives the time, and the change.
    let until = |monitors: &mut Monitors, outcome: &Outcome| loop {
        if let (at, Some(change)) = step(monitors, outcome) {
            break (at, change);
        }
    };
    let mut failed = Instant::now();
    for number in 1..=3 {
        let (at, change) = until(&mut monitors, &bad());
        let expected =
            if number < 3 { "refused" } else { "refused (failed 3 times: held out for 300s)" };
        assert_eq!((change.to, change.reason.as_str()), (Health::Down, expected));
        failed = at;
        if number < 3 {
            until(&mut monitors, &good());
        }
    }
    // Another configuration does not set it free.
    monitors.reconfigure([(target(11), Check { rise: 1, ..check }, Health::Up)], failed);
    let (back, change) = until(&mut monitors, &good());
    assert_eq!(change.to, Health::Up);
    let held = back - failed;
    assert!(held >= hold && held < hold + INTERVAL * 2, "{held:?}");
    // It begins anew, and failures that are far apart do not count.
    for _ in 0..5 {
        let (_, change) = until(&mut monitors, &bad());
        assert_eq!(change.reason, "refused");
        let (back, _) = until(&mut monitors, &good());
        while step(&mut monitors, &good()).0 < back + within {}
    }
}

/// An operator who takes the rule away sets free whom it held.
#[test]
fn who_is_held_out_is_let_go_without_a_quarantine() {
    let hold = Duration::from_secs(3600);
    let quarantine = Some(Quarantine { failures: 2, within: hold, hold });
    let mut monitors = Monitors::default();
    let check = Check { quarantine, ..check() };
    monitors.reconfigure([(target(11), check.clone(), Health::Up)], Instant::now());
    let mut failures = 0;
    while failures < 2 {
        let down = step(&mut monitors, &bad()).1.is_some();
        failures += u32::from(down);
        while down && failures < 2 && step(&mut monitors, &good()).1.is_none() {}
    }
    let mut now = Instant::now();
    for _ in 0..5 {
        let (at, change) = step(&mut monitors, &good());
        assert_eq!(change.map(|it| it.to), None, "held out");
        now = at;
    }
    let check = Check { quarantine: None, ..check };
    monitors.reconfigure([(target(11), check, Health::Down)], now);
    let changes: Vec<_> = (0..2).filter_map(|_| step(&mut monitors, &good()).1).collect();
    assert_eq!(changes.iter().map(|it| it.to).collect::<Vec<_>>(), [Health::Up]);
}

#[test]
fn rows_change_the_state_and_nothing_less() {
    use Health::{Checking, Down, Up};
    let mut monitors = Monitors::default();
    monitors.reconfigure([(target(11), check(), Health::Checking)], Instant::now());
    let steps = [
        (good(), Up, INTERVAL),
        (bad(), Up, FAST),
        (bad(), Up, FAST),
        (good(), Up, INTERVAL),
        (bad(), Up, FAST),
        (bad(), Up, FAST),
        (bad(), Down, INTERVAL),
        (bad(), Down, INTERVAL),
        (good(), Down, FAST),
        (bad(), Down, INTERVAL),
        (good(), Down, FAST),
        (good(), Up, INTERVAL),
    ];
    let mut before = Checking;
    for (number, (outcome, health, wait)) in steps.into_iter().enumerate() {
        let (at, change) = step(&mut monitors, &outcome);
        assert_eq!(monitors.health(&target(11)), Some(health), "step {number}");
        assert_eq!(
            change.map(|it| (it.from, it.to)),
            (before != health).then_some((before, health))
        );
        let waits = monitors.next().expect("a check to come") - at;
        assert!(waits <= wait && waits >= wait.mul_f64(0.9), "step {number}: {waits:?}");
        before = health;
    }
}

/// Neither for it nor against it; and it is tried again soon.
#[test]
fn a_check_that_could_not_be_made_says_nothing() {
    use Health::{Checking, Down, Up};
    let not_asked = || Err(Failure::NotAsked("too many open files".to_owned()));
    for (health, outcome, in_a_row) in [(Up, bad(), 3), (Down, good(), 2), (Checking, good(), 1)] {
        let mut monitors = Monitors::default();
        monitors.reconfigure([(target(11), check(), health)], Instant::now());
        for number in 1..=in_a_row {
            for _ in 0..5 {
                let (at, change) = step(&mut monitors, &not_asked());
                assert_eq!(change, None);
                let wait = monitors.next().expect("a check to come") - at;
                assert!(wait <= FAST, "{wait:?}");
            }
            let (_, change) = step(&mut monitors, &outcome);
            assert_eq!(change.is_some(), number == in_a_row, "{health} {number}");
        }
    }
}

#[test]
fn one_failure_is_enough_for_who_is_new() {
    let mut monitors = Monitors::default();
    monitors.reconfigure([(target(11), check(), Health::Checking)], Instant::now());
    let (_, change) = step(&mut monitors, &bad());
    let change = change.expect("a change");
    assert_eq!((change.from, change.to), (Health::Checking, Health::Down));
    assert_eq!(change.reason, "refused");
}

#[test]
fn the_state_is_kept_by_identity() {
    let now = Instant::now();
    let mut monitors = Monitors::default();
    monitors.reconfigure([11, 12].map(|it| (target(it), check(), Health::Checking)), now);
    for _ in 0..4 {
        let at = monitors.next().expect("a check to come");
        for due in monitors.take_due(at) {
            monitors.outcome(due.target, due.round, &good(), at);
        }
    }
    let late = monitors.take_due(now + INTERVAL * 10).remove(0);
    let slower = Check { interval: INTERVAL * 2, ..check() };
    monitors.reconfigure(
        [(target(11), slower, Health::Checking), (target(13), check(), Health::Up)],
        now,
    );
    assert_eq!(monitors.health(&target(11)), Some(Health::Up));
    assert_eq!(monitors.health(&target(12)), None);
    assert_eq!(monitors.health(&target(13)), Some(Health::Up), "as it was told");
    let change = monitors.outcome(late.target, late.round, &bad(), now);
    assert_eq!(change, None, "the outcome of a check that nobody waits for any more");
}

#[test]
fn checks_of_many_are_spread() {
    let start = Instant::now();
    for (count, spread) in [(200, SPREAD), (4000, 4000 * Duration::from_secs(1) / FIRST_CHECKS)] {
        let mut monitors = Monitors::default();
        let targets = |check: Check| {
            (0..count).map(move |number: u16| {
                let [high, low] = number.to_be_bytes();
                let real_server = Ipv4Addr::new(10, 77, high, low).into();
                (Target { real_server, ..target(0) }, check.clone(), Health::Checking)
            })
        };
        // At the start, and when all are checked in another way.
        for (number, check) in (0..).zip([check(), Check { kind: Kind::Ping, ..check() }]) {
            let now = start + spread * 2 * number;
            monitors.reconfigure(targets(check), now);
            let mut most = 0;
            let mut all = 0;
            for part in 1..=10 {
                let due = monitors.take_due(now + spread * part / 10).len();
                most = most.max(due);
                all += due;
            }
            assert_eq!(all, usize::from(count));
            assert!(most < all / 5, "{most} of {all} in a tenth of the time");
        }
    }
}

proptest! {
    /// However the outcomes fall: up only after `rise` successes in a row, down only after `fall`
    /// failures in a row (or after the very first of either), and there is always a next check.
    #[test]
    fn no_state_without_its_row(outcomes in prop::collection::vec(any::<bool>(), 1..60)) {
        let mut monitors = Monitors::default();
        monitors.reconfigure([(target(11), check(), Health::Checking)], Instant::now());
        for (number, &success) in outcomes.iter().enumerate() {
            let (_, change) = step(&mut monitors, &if success { good() } else { bad() });
            if let Some(change) = change {
                let needed = match (change.from, change.to) {
                    (Health::Checking, _) => 1,
                    (_, Health::Up) => 2,
                    _ => 3,
                };
                prop_assert!(number + 1 >= needed);
                let row = &outcomes[number + 1 - needed..=number];
                prop_assert!(row.iter().all(|&it| it == (change.to == Health::Up)));
            }
        }
    }

    /// Whenever a real server begins to hang, it is out within fall x interval + timeout.
    #[test]
    fn who_hangs_is_out_in_time(
        (interval, fast, timeout) in (100u64..3000).prop_flat_map(|interval| {
            (Just(interval), 1..=interval, 1..=interval)
        }),
        (fall, hangs_after, takes) in (1u32..5, 0u64..10_000, 0u64..50),
    ) {
        let ms = Duration::from_millis;
        let start = Instant::now();
        let hangs = start + ms(hangs_after);
        let check = Check {
            interval: ms(interval),
            fast_interval: ms(fast),
            timeout: ms(timeout),
            fall,
            ..check()
        };
        let mut monitors = Monitors::default();
        monitors.reconfigure([(target(11), check, Health::Up)], start);
        let out = loop {
            let at = monitors.next().expect("a check to come");
            let due = monitors.take_due(at).remove(0);
            let answers = at + ms(takes.min(timeout - 1));
            let (outcome, end) = match answers < hangs {
                true => (good(), answers),
                false => (bad(), at + ms(timeout)),
            };
            if monitors.outcome(due.target, due.round, &outcome, end).is_some() {
                break end;
            }
        };
        // The very first check is spread.
        let since = hangs.max(start + SPREAD);
        prop_assert!(out <= since + ms(interval) * fall + ms(timeout), "{:?}", out - since);
    }
}
