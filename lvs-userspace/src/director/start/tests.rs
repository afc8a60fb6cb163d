use proptest::prelude::*;

use super::*;
use crate::{
    config::{Config, LostConnections, VirtualService},
    dataplane::{Clock, Placement, restored},
    director::{
        Event, State,
        tests::{Bench, FIRST, SECOND, SERVICE, SORRY, THERE, check},
    },
    load::Admin,
    model::Weight,
};

/// The next director, which finds in the maps what this one has written.
fn restart(bench: &Bench, config: Config) -> Bench {
    let (now, services) = (bench.now, bench.director.wanted(bench.now));
    let clock = Clock::new(250, 0, now);
    let (tables, placed) = Placement::new(100).place(&services, &BTreeMap::new(), &clock, now);
    assert_eq!(placed, Ok(()));
    let director = Director::new(config, Start::From(restored(&tables)), now);
    let mut next = Bench { director, now };
    // One after the other, as they are found on the network.
    for &address in bench.director.neighbours.keys() {
        next.handle(Event::Neighbour(address, Some(THERE)));
    }
    next.director.begin();
    next
}

/// The same with the same configuration: nothing is otherwise.
fn restart_alike(bench: &Bench) -> Bench {
    let next = restart(bench, bench.director.config().clone());
    assert_eq!(next.director.wanted(next.now), bench.director.wanted(bench.now));
    assert_eq!(next.director.states, bench.director.states);
    next
}

fn checked(change: impl FnOnce(&mut VirtualService)) -> Bench {
    let mut bench = Bench::new(|it| {
        it.real_servers.iter_mut().for_each(|it| it.check = Some(check()));
        change(it);
    });
    for real_server in [FIRST, SECOND] {
        let target = Target { service: SERVICE, real_server };
        bench.handle(Event::Health(target, Health::Up, String::new()));
    }
    bench
}

fn admin(admin: Admin) -> Standing {
    Standing { admin, ..Standing::default() }
}

#[test]
fn without_a_memory_nobody_is_trusted_or_all_are() {
    let config = checked(|_| {}).director.config().clone();
    let now = Instant::now();
    for (start, health) in [(Start::Checking, Health::Checking), (Start::Trusting, Health::Up)] {
        let director = Director::new(config.clone(), start, now);
        assert!(director.checks().all(|(target, _)| director.health(&target) == health));
    }
}

#[test]
fn who_serves_fails_or_was_not_checked_yet_goes_on_so() {
    for health in [Health::Up, Health::Down] {
        let mut bench = checked(|_| {});
        bench.health(health);
        restart_alike(&bench);
    }
    let bench = Bench::new(|it| it.real_servers[0].check = Some(check()));
    let next = restart_alike(&bench);
    assert_eq!(next.effective().why.as_deref(), Some("not checked yet"));
}

/// Those whom the sorry server stands in for have no weight, and are well.
#[test]
fn a_lost_quorum_makes_nobody_fail() {
    for follow_load in [false, true] {
        let mut bench = checked(|it| {
            it.follow_load = follow_load;
            (it.sorry_server, it.quorum) = (Some(SORRY), 10);
        });
        let second = Target { service: SERVICE, real_server: SECOND };
        bench.handle(Event::Health(second, Health::Down, String::new()));
        assert_eq!(bench.weights(), [0, 0]);
        let mut next = restart_alike(&bench);
        assert_eq!((next.effective().state, next.first().is_down), (State::Up, false));
        next.handle(Event::Health(second, Health::Up, String::new()));
        assert!(next.weights().iter().all(|&weight| weight > 0));
    }
}

#[test]
fn who_fails_where_connections_are_kept_is_not_drained() {
    let mut bench = checked(|it| {
        (it.follow_load, it.lost_connections) = (true, LostConnections::Keep);
    });
    bench.health(Health::Down);
    let mut next = restart_alike(&bench);
    next.load(Standing::default());
    assert_eq!((next.effective().state, next.weights()[0]), (State::Down, 0));
}

#[test]
fn who_had_no_weight_by_the_old_file_has_some_by_the_new() {
    for change in
        [(|it: &mut VirtualService| it.real_servers[0].weight = Weight(0)) as fn(&mut _), |it| {
            it.real_servers[0].drain = true
        }]
    {
        let next = restart(&checked(change), checked(|_| {}).director.config().clone());
        assert_eq!((next.first().is_down, next.weights()), (false, vec![5, 5]));
    }
}

#[test]
fn what_operators_of_real_servers_want_holds_until_they_say_otherwise() {
    for is_checked in [false, true] {
        for standing in [
            admin(Admin::Maintenance),
            admin(Admin::Drain),
            Standing { is_down: true, ..Standing::default() },
        ] {
            let follow = |it: &mut VirtualService| it.follow_load = true;
            let mut bench = if is_checked { checked(follow) } else { Bench::new(follow) };
            bench.load(standing);
            let mut next = restart_alike(&bench);
            assert_eq!(next.weights()[0], 0, "{standing:?}");
            next.load(Standing::default());
            assert_eq!(next.weights()[0], 100, "{standing:?}");
        }
    }
}

#[test]
fn a_slow_start_goes_on() {
    for load in [100, 50] {
        let mut bench = checked(|it| {
            (it.follow_load, it.slow_start) = (true, Duration::from_secs(20));
        });
        bench.load(Standing { share: load, ..Standing::default() });
        bench.health(Health::Down);
        bench.health(Health::Up);
        bench.now += Duration::from_secs(8);
        bench.director.tick(bench.now);
        let mut next = restart_alike(&bench);
        assert_eq!(next.weights(), [load * 4 / 10, 100]);
        next.now += Duration::from_secs(12);
        assert!(next.director.tick(next.now));
        assert_eq!(next.weights(), [load, 100]);
    }
}

/// Ten are enough to come back, six to go on: with nine it depends.
#[test]
fn a_quorum_stays_as_it_was_between_its_limits() {
    for was_lost in [false, true] {
        let mut bench = checked(|it| {
            it.real_servers[1].weight = Weight(4);
            (it.sorry_server, it.quorum, it.quorum_hysteresis) = (Some(SORRY), 8, 2);
        });
        bench.director.without_quorum = was_lost.then_some(SERVICE).into_iter().collect();
        let next = restart_alike(&bench);
        assert_eq!(next.director.has_quorum(&SERVICE), !was_lost);
        // And it is lost no longer where there is to be none.
        let mut config = bench.director.config().clone();
        (config.virtual_services[0].quorum, config.virtual_services[0].quorum_hysteresis) = (0, 0);
        assert_eq!(restart(&bench, config).weights(), [5, 4]);
    }
}

fn some_event() -> impl Strategy<Value = Event> {
    let server = prop::sample::select(vec![FIRST, SECOND]);
    let health = prop::sample::select(vec![Health::Up, Health::Down]);
    let admin = prop::sample::select(vec![Admin::Ready, Admin::Drain, Admin::Maintenance]);
    let standing = (0u16..=20, admin, any::<bool>()).prop_map(|(share, admin, is_down)| Standing {
        share: share * 5,
        admin,
        is_down,
    });
    let word = String::new;
    (0..3, server, health, standing, any::<bool>()).prop_map(
        move |(kind, real_server, health, standing, is_there)| match kind {
            0 => Event::Health(Target { service: SERVICE, real_server }, health, word()),
            1 => Event::Load(real_server, standing, word()),
            _ => Event::Neighbour(real_server, is_there.then_some(THERE)),
        },
    )
}

proptest! {
    /// Whatever was, the next lvsd wants what this one wanted, and thinks what it thought.
    #[test]
    fn a_restart_changes_nothing(
        events in prop::collection::vec((some_event(), 0u64..15), 0..20),
        (checks, follow_load, keep, inhibit, sorry, slow) in any::<(bool, bool, bool, bool, bool, bool)>(),
        (quorum, quorum_hysteresis) in (0u32..12, 0u32..3),
        weights in (0u16..9, 1u16..9),
    ) {
        let mut bench = Bench::new(|it| {
            if checks {
                it.real_servers.iter_mut().for_each(|it| it.check = Some(check()));
            }
            (it.real_servers[0].weight, it.real_servers[1].weight) = (Weight(weights.0), Weight(weights.1));
            it.follow_load = follow_load;
            it.inhibit_on_failure = inhibit;
            it.sorry_server = sorry.then_some(SORRY);
            it.slow_start = Duration::from_secs(if slow { 30 } else { 0 });
            (it.quorum, it.quorum_hysteresis) = (quorum, quorum_hysteresis.min(quorum));
            if keep {
                it.lost_connections = LostConnections::Keep;
            }
        });
        for (event, seconds) in events {
            bench.now += Duration::from_secs(seconds);
            bench.director.tick(bench.now);
            // Nobody is asked who is not to be.
            let happens = match event {
                Event::Health(..) => checks,
                Event::Load(..) => follow_load,
                Event::Neighbour(..) | Event::Latency(..) => true,
            };
            if happens {
                bench.handle(event);
            }
        }
        restart_alike(&bench);
    }
}
