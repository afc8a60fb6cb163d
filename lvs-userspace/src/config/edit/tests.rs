//! What changes do, and what they may not do.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::model::{Protocol, Scheduler, Weight};

fn config() -> Config {
    let text = r#"
        director = { name = "midas", interfaces = ["eth0"] }
        [[virtual_service]]
        address = "192.0.2.10"
        port = 80
        protocol = "tcp"
        check = { type = "tcp" }
        [[virtual_service.real_server]]
        address = "192.0.2.11"
        weight = 3
    "#;
    Config::parse(text, "").unwrap()
}

fn service(port: u16) -> ServiceId {
    ServiceId { protocol: Protocol::Tcp, address: [192, 0, 2, 10].into(), port }
}

fn server(host: u8) -> IpAddr {
    [192, 0, 2, host].into()
}

/// An edit as it comes over the socket; `S80` and `R11` stand for a service and a real server.
fn edit(text: &str) -> Edit {
    let mut text = text.to_owned();
    for port in 80..83 {
        let id = serde_json::to_string(&service(port)).unwrap();
        text = text.replace(&format!("S{port}"), &format!("\"service\": {id}"));
    }
    for host in 10..14 {
        let address = format!("\"real_server\": \"{}\"", server(host));
        text = text.replace(&format!("R{host}"), &address);
    }
    serde_json::from_str(&format!("{{ \"edit\": {text} }}")).unwrap()
}

#[test]
fn services_and_real_servers_come_change_and_go() {
    let mut config = config();
    let mut make = |text: &str| {
        config = config.edited(&[edit(text)]).unwrap();
        config.clone()
    };
    let made = make(r#""add_service", S81, "keys": { "persistence_timeout": "5m" }"#);
    let new = &made.virtual_services[1];
    assert_eq!((new.scheduler, new.persistence.unwrap().granularity), (Scheduler::Wrr, 32));
    let made = make(r#""edit_service", S81, "keys": { "scheduler": "rr" }"#);
    assert!(made.virtual_services[1].persistence.is_some(), "what is not said stays");
    let made = make(r#""edit_service", S81, "keys": { "persistence_timeout": null }"#);
    assert_eq!(made.virtual_services[1].persistence, None);

    let made =
        make(r#""add_real_server", S80, R12, "keys": {"weight": 5, "upper_threshold": 100}"#);
    let new = &made.virtual_services[0].real_servers[1];
    assert_eq!((new.weight, new.lower_threshold), (Weight(5), 75));
    assert!(new.check.is_some(), "checked as the others are");
    let made = make(r#""edit_real_server", S80, R12, "keys": { "weight": 0 }"#);
    let new = &made.virtual_services[0].real_servers[1];
    assert_eq!((new.weight, new.upper_threshold), (Weight(0), 100));
    let made = make(r#""edit_real_server", S80, R12, "keys": { "upper_threshold": 8 }"#);
    assert_eq!(made.virtual_services[0].real_servers[1].lower_threshold, 6);
    let made = make(r#""edit_service", S80, "keys": { "check": { "type": "ping", "rise": 7 } }"#);
    let of = |at: usize| made.virtual_services[0].real_servers[at].check.as_ref().unwrap().rise;
    assert_eq!((of(0), of(1)), (7, 7), "those without a check of their own");

    make(r#""delete_real_server", S80, R11"#);
    let made = make(r#""delete_service", S81"#);
    assert_eq!(made.virtual_services.len(), 1);
    assert_eq!(make(r#""clear""#).virtual_services, []);
}

#[test]
fn what_can_not_be_is_said() {
    let cases = [
        (r#""add_service", S80"#, "Service already exists"),
        (r#""edit_service", S81"#, "No such service"),
        (r#""delete_service", S81"#, "No such service"),
        (r#""add_real_server", S81, R11"#, "Service not defined"),
        (r#""add_real_server", S80, R11"#, "Destination already exists"),
        (r#""edit_real_server", S80, R12"#, "No such destination"),
        (r#""delete_real_server", S80, R12"#, "No such destination"),
        (
            r#""add_real_server", S80, R10"#,
            "tcp 192.0.2.10:80 192.0.2.10: address: this is the virtual address; expected the real \
             server's own",
        ),
        (
            r#""add_real_server", S80, "real_server": "2001:db8::1""#,
            "tcp 192.0.2.10:80 2001:db8::1: address: found 2001:db8::1; expected an IPv4 address, \
             as the service has",
        ),
        (
            r#""edit_real_server", S80, R11, "keys": { "weight": -1 }"#,
            "tcp 192.0.2.10:80 192.0.2.11: weight: found -1; expected a weight from 0 to 65535",
        ),
        (
            r#""add_service", S82, "keys": { "one_packet": true }"#,
            "tcp 192.0.2.10:82: one_packet: only for UDP",
        ),
        (
            r#""add_service", S82, "keys": { "stateless": true }"#,
            "tcp 192.0.2.10:82: stateless: needs a scheduler that goes by a hash (mh, sh, dh): the others \
             decide only once for a connection",
        ),
        (
            r#""edit_service", S80, "keys": { "sheduler": "rr" }"#,
            "tcp 192.0.2.10:80: sheduler: there is no such key; did you mean scheduler?",
        ),
        (
            r#""edit_service", S80, "keys": { "port": 81 }"#,
            "port: can't be changed: delete it, and add another",
        ),
    ];
    for (text, error) in cases {
        assert_eq!(config().edited(&[edit(text)]).unwrap_err().to_string(), error, "{text}");
    }
    let edits = [edit(r#""clear""#), edit(r#""delete_service", S80"#)];
    assert_eq!(config().edited(&edits).unwrap_err().to_string(), "change 2: No such service");
}

fn some_edit() -> impl Strategy<Value = Edit> {
    let service = (78u16..82).prop_map(service);
    let server = (9u8..14).prop_map(server);
    let value = || {
        prop_oneof![
            Just(json!(null)),
            (0u32..70_000).prop_map(|it| json!(it)),
            "[0-9]{0,3}[smhd]?".prop_map(|it| json!(it)),
            any::<bool>().prop_map(|it| json!(it)),
        ]
    };
    let names = [
        "scheduler",
        "persistence_timeout",
        "persistence_granularity",
        "quorum",
        "one_packet",
        "stateless",
        "weight",
        "upper_threshold",
        "lower_threshold",
        "drain",
    ];
    let keys = prop::collection::btree_map(prop::sample::select(names.to_vec()), value(), 0..3);
    let keys = keys.prop_map(|keys| Keys(keys.into_iter().map(|(k, v)| (k.into(), v)).collect()));
    (0..6, service, server, keys).prop_map(|(which, service, real_server, keys)| match which {
        0 => Edit::AddService { service, keys },
        1 => Edit::EditService { service, keys },
        2 => Edit::DeleteService { service },
        3 => Edit::AddRealServer { service, real_server, keys },
        4 => Edit::EditRealServer { service, real_server, keys },
        _ => Edit::DeleteRealServer { service, real_server },
    })
}

proptest! {
    /// Whatever is changed, a file might say it; and all at once is the same as one after the other.
    #[test]
    fn any_edits_leave_a_good_configuration(edits in prop::collection::vec(some_edit(), 0..30)) {
        let mut config = config();
        let mut made = Vec::new();
        for edit in edits {
            let Ok(edited) = config.edited(std::slice::from_ref(&edit)) else { continue };
            let again = Config::parse(&edited.to_toml(), "");
            prop_assert_eq!(again.as_ref(), Ok(&edited));
            config = edited;
            made.push(edit);
        }
        prop_assert_eq!(self::config().edited(&made), Ok(config));
    }
}
