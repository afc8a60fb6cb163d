//! The files in `config`: all of them are good, and references show the defaults.

use lvs_userspace::{
    config::{Config, XdpMode, realserver::RealServerConfig},
    model::{Scheduler, Weight},
};

use crate::example;

#[test]
fn every_example_is_good() {
    for name in ["lvs.toml", "ime.toml", "lvs.reference.toml"] {
        Config::load(&example(name)).unwrap_or_else(|errors| panic!("{name}: {errors}"));
    }
}

#[test]
fn the_example_of_a_real_server_shows_the_defaults() {
    let example = RealServerConfig::load(&example("realserver.toml")).unwrap();
    let shown = RealServerConfig { vips: Vec::new(), services: Vec::new(), ..example };
    assert_eq!(shown, RealServerConfig::default());
}

#[test]
fn the_reference_shows_the_defaults() {
    let reference = Config::load(&example("lvs.reference.toml")).unwrap();
    let text = std::fs::read_to_string(example("lvs.reference.toml")).unwrap();
    let without_optional: String = text
        .lines()
        .filter(|line| {
            let optional = [
                "xdp_mode",
                "max_",
                "scheduler",
                "weight",
                "one_packet",
                "stateless",
                "lost",
                "upper",
                "lower",
                "size",
                "half_open",
                "tcp_",
                "udp =",
                "persistence_granularity",
                "advert_interval",
                "preempt",
                "start_delay",
                "burst",
                "repeat_after",
                "refresh",
                "rise",
                "fall",
            ];
            !optional.iter().any(|it| line.starts_with(it))
        })
        .map(|line| format!("{line}\n"))
        .collect();
    assert_ne!(without_optional, text);
    assert_eq!(Config::parse(&without_optional, "").unwrap(), reference);
    assert_eq!(reference.load, lvs_userspace::load::Settings::default());
}

#[test]
fn what_is_read() {
    let config = Config::load(&example("ime.toml")).unwrap();
    assert_eq!(config.director.name, "midas");
    assert_eq!(config.director.interfaces, ["eth0"]);
    assert_eq!(config.director.xdp_mode, XdpMode::Auto);
    let [service] = &config.virtual_services[..] else { panic!("one service") };
    assert_eq!(service.id.to_string(), "udp 192.168.45.26:177");
    assert_eq!(service.scheduler, Scheduler::Wrr);
    assert!(service.follow_load);
    assert_eq!(config.load.port, 2357);
    let servers: Vec<_> =
        service.real_servers.iter().map(|rs| (rs.address.to_string(), rs.weight)).collect();
    assert_eq!(
        servers,
        [("192.168.45.43".to_owned(), Weight(1)), ("192.168.45.13".to_owned(), Weight(1))]
    );
}
