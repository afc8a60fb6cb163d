//! What holds between directors.

use proptest::{collection::vec, prelude::*};

use super::*;
use crate::failover::Interval;

const MS: Duration = Duration::from_millis(1);
const INTERVAL: Duration = Duration::from_millis(100);
/// How long the way of an advertisement is, at most: a third of the margin.
const DELAY: Duration = Duration::from_millis(2);

fn settings(priority: u8) -> Settings {
    Settings {
        priority,
        interval: Interval::from_duration(INTERVAL).unwrap(),
        preempt: true,
        preempt_delay: Duration::ZERO,
        start_delay: Duration::ZERO,
        peers_confirm: true,
    }
}

fn calm() -> Network {
    Network { delay: DELAY, ..Network::default() }
}

/// Two directors that run; the first is master.
fn pair(network: Network) -> Sim {
    let mut sim = Sim::new(&[settings(200), settings(100)], network, 1);
    sim.act(0, Deed::Start);
    sim.act(1, Deed::Start);
    sim.run(Duration::from_secs(2));
    assert_eq!(sim.owners(), [0]);
    sim.longest_nobody = Duration::ZERO;
    sim
}

#[test]
fn each_way_to_fail_and_come_back() {
    // The backup's skew of 61 ms, and the margin of 6 ms, in which it waits for objections.
    let told = 68 * MS + DELAY;
    // What its silence is longer than the lease: that, and the margin of the lease.
    let silent = 74 * MS + DELAY;
    for (fails, returns, most) in [
        (Deed::Stop, Deed::Start, told),
        (Deed::Kill, Deed::Start, silent),
        (Deed::Freeze, Deed::Thaw, silent),
        (Deed::Fault(true), Deed::Fault(false), told),
        (Deed::Resign, Deed::Take, told),
    ] {
        for after in (0..100).step_by(7) {
            let mut sim = pair(calm());
            sim.run(after * MS);
            sim.act(0, fails);
            sim.run(Duration::from_secs(1));
            assert_eq!(sim.owners(), [1], "{fails:?} after {after} ms");
            sim.act(0, returns);
            sim.run(Duration::from_secs(1));
            assert_eq!(sim.owners(), [0], "{returns:?} after {after} ms");
            assert_eq!(sim.both, Duration::ZERO);
            assert!(sim.longest_nobody <= most, "{fails:?}: {:?}", sim.longest_nobody);
            assert!(sim.nodes.iter().all(|it| it.machine.splits() == 0));
        }
    }
}

#[test]
fn the_role_comes_back_without_a_gap() {
    let mut sim = pair(calm());
    sim.act(0, Deed::Stop);
    sim.run(Duration::from_secs(1));
    sim.longest_nobody = Duration::ZERO;
    sim.act(0, Deed::Start);
    sim.run(Duration::from_secs(1));
    assert_eq!(sim.owners(), [0]);
    // From when the other gives way: its answer, and the margin.
    assert!(sim.longest_nobody <= DELAY + 7 * MS, "{:?}", sim.longest_nobody);
}

#[test]
fn who_is_not_to_preempt_waits_for_its_turn() {
    let patient = Settings { preempt: false, ..settings(200) };
    let mut sim = Sim::new(&[patient, settings(100)], calm(), 1);
    sim.act(1, Deed::Start);
    sim.run(Duration::from_secs(1));
    sim.act(0, Deed::Start);
    sim.run(Duration::from_secs(5));
    assert_eq!(sim.owners(), [1]);
    sim.act(1, Deed::Kill);
    sim.run(Duration::from_secs(1));
    assert_eq!(sim.owners(), [0]);
}

#[test]
fn between_equals_the_address_decides() {
    let mut sim = Sim::new(&[settings(100), settings(100)], calm(), 1);
    sim.act(0, Deed::Start);
    sim.act(1, Deed::Start);
    // Both have heard nothing, and act at once.
    sim.run(Duration::from_secs(2));
    assert_eq!(sim.owners(), [1]);
    // Who is there first stays.
    sim.act(1, Deed::Kill);
    sim.run(Duration::from_secs(1));
    sim.act(1, Deed::Start);
    sim.run(Duration::from_secs(2));
    assert_eq!(sim.owners(), [0]);
}

#[test]
fn a_partition_ends_with_one_master_who_announces_itself() {
    for both_ways in [true, false] {
        let mut sim = pair(calm());
        sim.network.parted = Some((0, 1));
        sim.network.both_ways = both_ways;
        sim.run(Duration::from_secs(5));
        assert!(sim.both > Duration::ZERO || !both_ways);
        let announced = sim.nodes[0].announced;
        sim.network.parted = None;
        let both = sim.both;
        sim.run(Duration::from_secs(1));
        assert_eq!(sim.owners(), [0], "{both_ways}");
        // It is over with the next advertisement.
        assert!(sim.both - both < INTERVAL + 2 * DELAY);
        assert!(sim.nodes[0].announced > announced);
        assert_eq!(sim.nodes[0].machine.splits(), 1);
    }
}

#[test]
fn by_hand_it_stays_where_it_was_put() {
    let mut sim = pair(calm());
    sim.act(1, Deed::Take);
    sim.run(Duration::from_secs(60));
    assert_eq!(sim.owners(), [1]);
    assert!(sim.longest_nobody <= DELAY + 7 * MS);
    // And back.
    sim.act(0, Deed::Take);
    sim.run(Duration::from_secs(60));
    assert_eq!(sim.owners(), [0]);
    sim.act(0, Deed::Resign);
    sim.run(Duration::from_secs(60));
    assert_eq!(sim.owners(), [1]);
    assert_eq!(sim.both, Duration::ZERO);
    // Until that one fails.
    sim.act(1, Deed::Kill);
    sim.run(Duration::from_secs(1));
    assert_eq!(sim.owners(), [0]);
}

/// Two are told to take over from a third that has just died: neither knows of the other's wish.
#[test]
fn of_two_that_are_told_to_take_over_one_does() {
    for apart in [Duration::ZERO, MS, 20 * MS, 150 * MS] {
        let mut sim = Sim::new(&[200, 150, 100].map(settings), calm(), 1);
        for node in 0..3 {
            sim.act(node, Deed::Start);
        }
        sim.run(Duration::from_secs(60));
        sim.act(0, Deed::Kill);
        sim.act(1, Deed::Take);
        sim.run(apart);
        sim.act(2, Deed::Take);
        sim.run(Duration::from_secs(10));
        assert_eq!(sim.owners().len(), 1, "{apart:?}");
        assert_eq!(sim.both, Duration::ZERO, "{apart:?}");
    }
}

fn any_deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        4 => Just(Deed::Start),
        2 => Just(Deed::Stop),
        2 => Just(Deed::Kill),
        2 => Just(Deed::Freeze),
        3 => Just(Deed::Thaw),
        1 => Just(Deed::Fault(true)),
        2 => Just(Deed::Fault(false)),
        1 => Just(Deed::Resign),
        1 => Just(Deed::Take),
    ]
}

/// Directors of such priorities, to which such things are done one after the other.
fn play(
    priorities: &[u8],
    deeds: &[(usize, Deed, u64)],
    drifts: &[i64],
    network: Network,
    chance: u64,
) -> Sim {
    let settings: Vec<_> = priorities.iter().map(|&it| settings(it)).collect();
    let mut sim = Sim::new(&settings, network, chance);
    for (node, drift) in sim.nodes.iter_mut().zip(drifts) {
        node.drift_ppm = *drift;
    }
    for (node, deed, ms) in deeds {
        sim.act(node % priorities.len(), *deed);
        sim.run(Duration::from_micros(*ms));
    }
    sim
}

/// In the end all run, undisturbed.
fn settle(sim: &mut Sim) {
    for node in 0..sim.nodes.len() {
        sim.act(node, Deed::Thaw);
        sim.act(node, Deed::Fault(false));
        sim.act(node, Deed::Start);
    }
    sim.run(Duration::from_secs(3));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    /// As long as the network works, two never answer, whatever happens to them, and when.
    #[test]
    fn two_never_answer(
        deeds in vec((0usize..2, any_deed(), 0u64..600_000), 1..60),
        drifts in [-200i64..200, -200..200],
        chance: u64,
    ) {
        let mut sim = play(&[200, 100], &deeds, &drifts, calm(), chance);
        prop_assert_eq!(sim.both, Duration::ZERO);
        settle(&mut sim);
        prop_assert_eq!(sim.both, Duration::ZERO);
        prop_assert_eq!(sim.owners().len(), 1);
    }

    /// Nor do two of three, however close their priorities are.
    #[test]
    fn of_three_two_never_answer(
        deeds in vec((0usize..3, any_deed(), 0u64..600_000), 1..60),
        drifts in [-200i64..200, -200..200, -200..200],
        chance: u64,
    ) {
        let mut sim = play(&[101, 100, 99], &deeds, &drifts, calm(), chance);
        prop_assert_eq!(sim.both, Duration::ZERO);
        settle(&mut sim);
        prop_assert_eq!(sim.both, Duration::ZERO);
        prop_assert_eq!(sim.owners().len(), 1);
    }

    /// A network that loses up to three of ten, delays, and parts them, makes two masters; but only for
    /// so long.
    #[test]
    fn whatever_the_network_does_one_is_left_in_the_end(
        deeds in vec((0usize..3, any_deed(), 0u64..600_000), 1..30),
        loss in 0u64..300,
        delay in 0u64..20_000,
        parted: Option<(bool, bool)>,
        chance: u64,
    ) {
        let network = Network {
            loss,
            delay: Duration::from_micros(delay),
            parted: parted.map(|(first, _)| if first { (0, 1) } else { (1, 2) }),
            both_ways: parted.is_some_and(|(_, both)| both),
        };
        let mut sim = play(&[200, 120, 40], &deeds, &[0; 3], network, chance);
        sim.network = calm();
        settle(&mut sim);
        prop_assert_eq!(sim.owners().len(), 1);
        let both = sim.both;
        sim.run(Duration::from_secs(5));
        prop_assert_eq!(sim.both, both);
        let masters = (0..3).filter(|&it| sim.state(it) == State::Master).count();
        prop_assert_eq!(masters, 1);
    }
}
