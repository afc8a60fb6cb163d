use std::{net::Ipv4Addr, time::Duration};

use super::*;
use crate::{
    alert, config, dataplane,
    health::{Kind, Via},
    load::{self, Admin},
    model::{MacAddr, Protocol, Weight},
};

pub(super) const FIRST: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 77, 0, 11));
pub(super) const SECOND: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 77, 0, 12));
pub(super) const SORRY: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 77, 0, 99));
pub(super) const SERVICE: ServiceId = ServiceId {
    protocol: Protocol::Tcp,
    address: IpAddr::V4(Ipv4Addr::new(10, 77, 0, 100)),
    port: 80,
};
pub(super) const TARGET: Target = Target { service: SERVICE, real_server: FIRST };
pub(super) const THERE: Neighbour = Neighbour {
    mac: MacAddr([2, 0, 0, 0, 0, 11]),
    interface: 2,
    source_mac: MacAddr([2, 0, 0, 0, 0, 3]),
    vlan: None,
};

/// Two real servers of weight 5, and what is changed of that.
pub(super) fn config(change: impl FnOnce(&mut VirtualService)) -> Config {
    let real_server = |address| RealServer {
        address,
        weight: Weight(5),
        upper_threshold: 0,
        lower_threshold: 0,
        drain: false,
        check: None,
    };
    let mut service = VirtualService {
        id: SERVICE,
        scheduler: Scheduler::Wrr,
        persistence: None,
        one_packet: false,
        stateless: false,
        lost_connections: config::LostConnections::Reschedule,
        sorry_server: None,
        inhibit_on_failure: false,
        follow_load: false,
        slow_start: Duration::ZERO,
        quorum: 0,
        quorum_hysteresis: 0,
        check: None,
        real_servers: vec![real_server(FIRST), real_server(SECOND)],
    };
    change(&mut service);
    Config {
        director: config::Director {
            name: "director".to_owned(),
            interfaces: vec!["eth0".to_owned()],
            xdp_mode: config::XdpMode::Auto,
            max_real_servers: 10,
            on_restart: config::OnRestart::Keep,
        },
        failover: None,
        connections: config::Connections::default(),
        load: load::Settings::default(),
        alerts: alert::Settings::default(),
        virtual_services: vec![service],
    }
}

/// A check that is never made here.
pub(super) fn check() -> Check {
    Check {
        kind: Kind::Tcp,
        port: None,
        via: Via::Rip,
        interval: Duration::from_secs(2),
        fast_interval: Duration::from_secs(1),
        timeout: Duration::from_secs(1),
        rise: 2,
        fall: 3,
        quarantine: None,
    }
}

/// The director, on a clock of its own.
pub(super) struct Bench {
    pub(super) director: Director,
    pub(super) now: Instant,
}

impl Bench {
    /// All neighbours are known.
    pub(super) fn new(change: impl FnOnce(&mut VirtualService)) -> Self {
        let director = Director::new(config(change), Start::Checking, Instant::now());
        let mut bench = Self { director, now: Instant::now() };
        for address in [FIRST, SECOND, SORRY] {
            bench.handle(Event::Neighbour(address, Some(THERE)));
        }
        bench.director.take_changes();
        bench
    }

    pub(super) fn handle(&mut self, event: Event) -> bool {
        self.director.handle(event, self.now)
    }

    pub(super) fn health(&mut self, health: Health) -> bool {
        self.handle(Event::Health(TARGET, health, "so it is".to_owned()))
    }

    pub(super) fn load(&mut self, standing: Standing) -> bool {
        self.handle(Event::Load(FIRST, standing, "it says so".to_owned()))
    }

    pub(super) fn weights(&self) -> Vec<u16> {
        let service = &self.director.wanted(self.now)[0];
        service.real_servers.iter().map(|it| it.weight.0).collect()
    }

    pub(super) fn first(&self) -> dataplane::RealServer {
        self.director.wanted(self.now)[0].real_servers[0]
    }

    pub(super) fn effective(&self) -> Effective {
        let service = &self.director.config.virtual_services[0];
        self.director.effective(service, &service.real_servers[0], self.now)
    }

    pub(super) fn changes(&mut self) -> Vec<(Option<IpAddr>, State, State)> {
        let changes = self.director.take_changes();
        changes.into_iter().map(|it| (it.real_server, it.from, it.to)).collect()
    }
}

#[test]
fn a_real_server_takes_connections_while_it_can_be_reached() {
    let now = Instant::now();
    let director = Director::new(config(|_| {}), Start::Checking, now);
    let mut bench = Bench { director, now };
    assert_eq!(bench.weights(), [0, 0]);

    assert!(bench.handle(Event::Neighbour(FIRST, Some(THERE))));
    assert_eq!(bench.weights(), [5, 0]);
    assert_eq!(bench.first().neighbour, Some(THERE));
    assert_eq!(bench.changes(), [(Some(FIRST), State::Checking, State::Up)]);

    assert!(!bench.handle(Event::Neighbour(FIRST, Some(THERE))), "nothing new");
    assert!(!bench.handle(Event::Neighbour(SECOND, None)), "nothing new");

    let moved = Neighbour { mac: MacAddr([2, 0, 0, 0, 0, 99]), ..THERE };
    assert!(bench.handle(Event::Neighbour(FIRST, Some(moved))));
    assert_eq!(bench.first().neighbour, Some(moved));
    assert_eq!(bench.changes(), [], "it is up as before");

    assert!(bench.handle(Event::Neighbour(FIRST, None)));
    assert_eq!(bench.weights(), [0, 0]);
    assert_eq!(bench.changes(), [(Some(FIRST), State::Up, State::Down)]);
    assert_eq!(bench.effective().why.as_deref(), Some("its MAC is not known"));
}

#[test]
fn who_is_not_there_at_the_start_is_told() {
    let config = config(|it| it.real_servers[1].check = Some(check()));
    let now = Instant::now();
    let director = Director::new(config, Start::Checking, now);
    let mut bench = Bench { director, now };
    bench.director.begin();
    let second = Target { service: SERVICE, real_server: SECOND };
    bench.handle(Event::Health(second, Health::Down, "no answer".to_owned()));
    assert_eq!(bench.changes(), [(Some(SECOND), State::Checking, State::Down)], "it fails");
    bench.now += Duration::from_secs(4);
    assert!(!bench.director.tick(bench.now), "too early to say");
    bench.now += Duration::from_secs(1);
    assert!(bench.director.tick(bench.now));
    assert_eq!(bench.changes(), [(Some(FIRST), State::Checking, State::Down)]);
    assert_eq!(bench.effective().why.as_deref(), Some("its MAC is not known"));
    assert!(!bench.director.tick(bench.now), "once");

    bench.handle(Event::Neighbour(FIRST, Some(THERE)));
    assert_eq!(bench.changes(), [(Some(FIRST), State::Down, State::Up)]);
    // Who is new in a configuration has as much time, and who was missing before has none.
    let mut more = bench.director.config.clone();
    let third = RealServer { address: SORRY, ..more.virtual_services[0].real_servers[0].clone() };
    more.virtual_services[0].real_servers.push(third);
    bench.director.reconfigure(more, bench.now);
    assert_eq!(bench.changes(), []);
    bench.now += Duration::from_secs(5);
    bench.director.tick(bench.now);
    assert_eq!(bench.changes(), [(Some(SORRY), State::Checking, State::Down)]);
}

#[test]
fn a_real_server_that_is_checked_must_pass() {
    let mut bench = Bench::new(|it| it.real_servers[0].check = Some(check()));
    assert_eq!(bench.director.checks().map(|(target, _)| target).collect::<Vec<_>>(), [TARGET]);
    // Down until the first success; its connections go elsewhere, unless that is inhibited.
    assert_eq!(bench.weights(), [0, 5]);
    assert!(bench.first().is_down);
    assert_eq!(bench.effective().why.as_deref(), Some("not checked yet"));
    assert!(bench.health(Health::Up));
    assert!(!bench.health(Health::Up), "nothing new");
    assert_eq!(bench.weights(), [5, 5]);
    assert!(!bench.first().is_down);
    assert_eq!(bench.effective().why, None);

    bench.director.config.virtual_services[0].inhibit_on_failure = true;
    assert!(bench.health(Health::Down));
    assert_eq!(bench.weights(), [0, 5]);
    assert!(!bench.first().is_down);
    assert_eq!(bench.effective().why.as_deref(), Some("it fails its checks"));
    let [up, down] = bench.director.take_changes().try_into().expect("two changes");
    assert_eq!((up.from, up.to), (State::Checking, State::Up));
    assert_eq!((down.from, down.to, down.reason.as_str()), (State::Up, State::Down, "so it is"));
}

#[test]
fn latency_matters_to_who_goes_by_it_and_only_if_it_has_changed() {
    let mut bench = Bench::new(|_| {});
    assert!(!bench.handle(Event::Latency(TARGET, 900)), "wrr does not care");
    bench.director.config.virtual_services[0].scheduler = Scheduler::Fastest;
    assert!(!bench.handle(Event::Latency(TARGET, 950)), "noise");
    assert!(bench.handle(Event::Latency(TARGET, 300)));
    assert_eq!(bench.first().latency_us, Some(300));
}

#[test]
fn load_reports_share_weights_finely_where_they_are_followed() {
    let share = |share| Standing { share, ..Standing::default() };
    let mut bench = Bench::new(|it| {
        it.follow_load = true;
        it.real_servers[0].weight = Weight(1);
        it.real_servers[1].weight = Weight(1);
    });
    assert_eq!(bench.director.load_agents(), BTreeSet::from([FIRST, SECOND]));
    assert_eq!(bench.weights(), [20, 20]);
    assert!(bench.load(share(35)));
    assert!(!bench.load(share(35)), "nothing new");
    assert_eq!(bench.weights(), [7, 20]);
    let effective = bench.effective();
    assert_eq!((effective.weight, effective.why.as_deref()), (1, Some("load report: 35 %")));
    assert!(bench.load(share(0)));
    assert_eq!(bench.weights(), [0, 20]);
    assert_eq!(bench.effective().weight, 0);
    assert_eq!(bench.changes(), [], "busy is not a state");

    let mut others = Bench::new(|it| it.real_servers[0].weight = Weight(60_000));
    others.load(share(50));
    assert_eq!(others.weights(), [60_000, 5], "not followed");
    let mut heavy = Bench::new(|it| {
        it.follow_load = true;
        it.real_servers[0].weight = Weight(60_000);
    });
    heavy.load(share(50));
    assert_eq!(heavy.weights(), [30_000, 5], "as finely as the numbers allow");
}

#[test]
fn operators_of_real_servers_have_their_way() {
    let mut bench = Bench::new(|it| it.follow_load = true);
    let all = 5 * 20;
    for (admin, is_down, state, weights, lost) in [
        (Admin::Drain, false, State::Drained, [0, all], false),
        (Admin::Maintenance, false, State::Maintenance, [0, all], true),
        (Admin::Ready, true, State::Down, [0, all], true),
        (Admin::Ready, false, State::Up, [all, all], false),
    ] {
        bench.load(Standing { admin, is_down, share: 100 });
        assert_eq!((bench.effective().state, bench.weights()), (state, weights.to_vec()));
        assert_eq!(bench.first().is_down, lost, "{state}");
        let changes = bench.changes();
        assert_eq!(changes.len(), 1, "{changes:?}");
        assert_eq!(changes[0].2, state);
    }
}

#[test]
fn who_is_back_from_a_failure_begins_slowly() {
    let mut bench = Bench::new(|it| {
        it.real_servers[0].check = Some(check());
        it.slow_start = Duration::from_secs(20);
    });
    bench.health(Health::Up);
    assert_eq!(bench.weights(), [100, 100], "at the start there is no hurry");
    bench.health(Health::Down);
    assert!(bench.health(Health::Up));
    let mut weights = Vec::new();
    for _ in 0..=5 {
        weights.push(bench.weights()[0]);
        assert_eq!(bench.effective().why.is_some(), *weights.last().unwrap() < 100);
        bench.now += Duration::from_secs(4);
        assert_eq!(bench.director.tick(bench.now), weights.len() <= 5, "{weights:?}");
        assert!(!bench.director.tick(bench.now), "nothing new");
    }
    assert_eq!(weights, [5, 20, 40, 60, 80, 100]);

    // Whatever the failure was.
    bench.handle(Event::Neighbour(FIRST, None));
    bench.handle(Event::Neighbour(FIRST, Some(THERE)));
    assert_eq!(bench.weights(), [5, 100]);
    bench.now += Duration::from_secs(20);
    bench.director.tick(bench.now);
    assert_eq!(bench.weights(), [100, 100]);

    // With a load report besides.
    bench.director.config.virtual_services[0].follow_load = true;
    bench.load(Standing { share: 50, ..Standing::default() });
    bench.health(Health::Down);
    bench.health(Health::Up);
    bench.now += Duration::from_secs(8);
    assert_eq!(bench.weights(), [20, 100]);
    assert_eq!(bench.effective().why.as_deref(), Some("load report: 50 %, slow start: 40 %"));
    bench.load(Standing { is_down: true, ..Standing::default() });
    bench.load(Standing::default());
    assert_eq!(bench.weights(), [5, 100]);
}

#[test]
fn with_too_few_real_servers_the_sorry_server_serves() {
    let mut bench = Bench::new(|it| {
        it.sorry_server = Some(SORRY);
        it.real_servers[0].check = Some(check());
        (it.quorum, it.quorum_hysteresis) = (8, 2);
    });
    // One of weight 5 is up: too few.
    assert_eq!(bench.weights(), [0, 0]);
    assert!(!bench.director.has_quorum(&SERVICE));
    bench.health(Health::Up);
    assert_eq!(bench.weights(), [5, 5], "ten are two more than eight");
    let gained = (None, State::NoQuorum, State::Quorum);
    assert_eq!(bench.changes(), [(Some(FIRST), State::Checking, State::Up), gained]);
    bench.health(Health::Down);
    assert_eq!(bench.weights(), [0, 0]);
    assert!(bench.director.wanted(bench.now)[0].sorry_server.is_some());
    let lost = (None, State::Quorum, State::NoQuorum);
    assert_eq!(bench.changes(), [(Some(FIRST), State::Up, State::Down), lost]);

    // Six are not too few to go on, and not enough to come back.
    for (had, weight) in [(true, 1), (false, 0)] {
        let mut config = config(|it| {
            it.sorry_server = Some(SORRY);
            it.real_servers[1].weight = Weight(1);
            (it.quorum, it.quorum_hysteresis) = (8, 2);
        });
        let mut bench = Bench::new(|_| {});
        bench.director.without_quorum =
            if had { BTreeSet::new() } else { BTreeSet::from([SERVICE]) };
        config.virtual_services[0].real_servers[0].weight = Weight(5);
        bench.director.reconfigure(config, bench.now);
        assert_eq!(bench.weights()[1], weight);
    }
    // Nobody else can serve: then those few do.
    let bench = Bench::new(|it| it.quorum = 100);
    assert_eq!(bench.weights(), [5, 5]);
    assert!(!bench.director.has_quorum(&SERVICE));
}

#[test]
fn who_has_a_quorum_no_longer_is_not_without_it() {
    let with_quorum = |quorum| {
        move |it: &mut VirtualService| {
            it.sorry_server = Some(SORRY);
            it.quorum = quorum;
        }
    };
    let mut bench = Bench::new(with_quorum(11));
    assert_eq!(bench.weights(), [0, 0]);
    bench.director.reconfigure(config(with_quorum(0)), bench.now);
    assert_eq!(bench.weights(), [5, 5]);
    assert_eq!(bench.changes(), [(None, State::NoQuorum, State::Quorum)]);
}

#[test]
fn at_most_everybody_is_there_and_up() {
    let config = config(|it| {
        it.sorry_server = Some(SORRY);
        it.real_servers[0].check = Some(check());
        (it.quorum, it.quorum_hysteresis) = (8, 2);
        (it.follow_load, it.slow_start) = (true, Duration::from_secs(20));
    });
    let [service] = &Director::at_most(config, Instant::now())[..] else { panic!("one service") };
    assert!(service.sorry_server.is_some());
    let weights: Vec<_> = service.real_servers.iter().map(|it| it.weight.0).collect();
    assert_eq!(weights, [100, 100]);
}
