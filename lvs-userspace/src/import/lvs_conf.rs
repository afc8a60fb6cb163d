//! The lvs.conf of the monograph, which its configure.pl made a table, and a configuration of mon,
//! from:
//!
//! ```text
//! monfile /etc/mon/mon.cf        # and cfbasedir, mondir, alertdir
//! lvshost 192.168.45.26          # the VIP of all services
//! service udp 177 wrr {          # protocol, port, scheduler
//!     192.168.45.13 1            # real server, weight
//! }
//! ```

use std::net::IpAddr;

use super::{ADJUST_INTERFACES, Draft, Line, scheduler};
use crate::{
    config::{Config, RealServer, VirtualService, can_be_a_host},
    health::{Check, Kind},
    model::{Protocol, Scheduler, ServiceId, Weight},
};

/// Where mon and its parts were.
const PATHS: [&str; 4] = ["monfile", "cfbasedir", "mondir", "alertdir"];
const LOAD: &str =
    "Real servers are asked for their load at TCP port 2357; lvs-realserver answers.";
const ALERTS: &str = "/var/log/lvs/alerts.log";

struct Service {
    protocol: Protocol,
    port: u16,
    scheduler: Scheduler,
    /// Each with its line.
    real_servers: Vec<(usize, RealServer)>,
}

#[derive(Default)]
struct Reading {
    vip: Option<IpAddr>,
    services: Vec<Service>,
    /// The line of the service whose brace is open.
    open: Option<usize>,
    left_out: Vec<Line>,
    errors: Vec<Line>,
}

pub(super) fn import(text: &str, director: &str) -> Result<Draft, Vec<Line>> {
    let mut reading = Reading::default();
    let mut last = 0;
    for (number, line) in (1..).zip(text.lines()) {
        last = number;
        let words: Vec<&str> =
            line.split('#').next().unwrap_or_default().split_whitespace().collect();
        if let Err(message) = reading.line(&words, number) {
            reading.errors.push(Line { number, message });
        }
    }
    if let Some(open) = reading.open {
        let message = "the brace of this service is never closed".to_owned();
        reading.errors.push(Line { number: open, message });
    }
    let Some(vip) = reading.vip.filter(|_| reading.errors.is_empty()) else {
        if reading.vip.is_none() {
            let message = "there is no lvshost, the address of the services".to_owned();
            reading.errors.push(Line { number: last.max(1), message });
        }
        return Err(reading.errors);
    };
    let mut draft = Draft::new(director);
    draft.config.alerts.file = Some(ALERTS.into());
    draft.notes = vec![ADJUST_INTERFACES, LOAD];
    draft.left_out = reading.left_out;
    let mut errors = Vec::new();
    for service in reading.services {
        errors.extend(service.add(vip, &mut draft.config));
    }
    if errors.is_empty() { Ok(draft) } else { Err(errors) }
}

impl Service {
    /// Adds it to a configuration; says which of its real servers can't be.
    fn add(self, vip: IpAddr, config: &mut Config) -> Option<Line> {
        let Self { protocol, port, scheduler, real_servers } = self;
        if let Some((number, _)) = real_servers.iter().find(|(_, it)| it.address == vip) {
            let message = "this is the lvshost; expected the real server's own address".to_owned();
            return Some(Line { number: *number, message });
        }
        // As mon did.
        let check = Some(Check::new(match protocol {
            Protocol::Tcp => Kind::Tcp,
            Protocol::Udp => Kind::Ping,
        }));
        let real_servers = real_servers.into_iter();
        config.virtual_services.push(VirtualService {
            scheduler,
            follow_load: true,
            real_servers: real_servers
                .map(|(_, it)| RealServer { check: check.clone(), ..it })
                .collect(),
            check,
            ..VirtualService::new(ServiceId { protocol, address: vip, port })
        });
        None
    }
}

impl Reading {
    fn line(&mut self, words: &[&str], number: usize) -> Result<(), String> {
        match (words, self.open.is_some()) {
            ([], _) => Ok(()),
            (["}"], true) => {
                self.open = None;
                Ok(())
            }
            ([address, weight], true) => self.real_server(address, weight, number),
            (_, true) => Err("expected a real server and its weight, or }".to_owned()),
            ([path, _], false) if PATHS.contains(path) => {
                let message = format!("{path} is of mon; lvsd checks by itself");
                self.left_out.push(Line { number, message });
                Ok(())
            }
            (["lvshost", address], false) => {
                let address = address.split('/').next().unwrap_or_default();
                if self.vip.replace(self::address(address)?).is_some() {
                    return Err("there is a second lvshost".to_owned());
                }
                Ok(())
            }
            (["service", protocol, port, scheduler, "{"], false) => {
                self.open = Some(number);
                self.service(protocol, port, scheduler, number)
            }
            (["service", ..], false) => {
                Err("expected `service PROTOCOL PORT SCHEDULER {`".to_owned())
            }
            ([word, ..], false) => {
                Err(format!("{word:?} is none of {}, lvshost, service", PATHS.join(", ")))
            }
        }
    }

    fn service(
        &mut self,
        protocol: &str,
        port: &str,
        scheduler: &str,
        number: usize,
    ) -> Result<(), String> {
        // So that its real servers have somewhere to go, whatever is wrong with it.
        let mut service = Service {
            protocol: Protocol::Tcp,
            port: 0,
            scheduler: Scheduler::Wrr,
            real_servers: Vec::new(),
        };
        let result = (|| {
            service.protocol = Protocol::ALL
                .into_iter()
                .find(|it| it.name() == protocol)
                .ok_or_else(|| format!("{protocol:?} is neither tcp nor udp"))?;
            service.port = port
                .parse()
                .ok()
                .filter(|&port| port > 0)
                .ok_or_else(|| format!("{port:?} is no port from 1 to 65535"))?;
            let (scheduler, other) = self::scheduler(scheduler)?;
            service.scheduler = scheduler;
            self.left_out.extend(other.map(|message| Line { number, message }));
            let twice = |it: &Service| (it.protocol, it.port) == (service.protocol, service.port);
            if self.services.iter().any(twice) {
                return Err(format!("{protocol} {port} is there twice"));
            }
            Ok(())
        })();
        self.services.push(service);
        result
    }

    fn real_server(&mut self, address: &str, weight: &str, line: usize) -> Result<(), String> {
        let address = self::address(address)?;
        let weight = weight.parse().map_err(|_| format!("{weight:?} is no weight up to 65535"))?;
        if self.vip.is_some_and(|vip| vip.is_ipv4() != address.is_ipv4()) {
            return Err(format!("{address} is not of the kind of the lvshost"));
        }
        let Some(service) = self.services.last_mut() else { return Ok(()) };
        if service.real_servers.iter().any(|(_, it)| it.address == address) {
            return Err(format!("{address} is there twice"));
        }
        service.real_servers.push((line, RealServer::new(address, Weight(weight))));
        Ok(())
    }
}

fn address(text: &str) -> Result<IpAddr, String> {
    let address = text.parse().map_err(|_| format!("{text:?} is no address of a host"))?;
    can_be_a_host(address)
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use proptest::prelude::*;

    use crate::{
        config::Config,
        import::{
            Format, import,
            tests::{is_ours_or_refused, show},
        },
    };

    /// The file of the monograph.
    const IME: &str = include_str!("../../../config/lvs.conf");

    #[test]
    fn the_network_of_the_monograph() {
        expect![[r##"
            # Not carried over, or not as it was:
            #   line 4: monfile is of mon; lvsd checks by itself
            #   line 5: cfbasedir is of mon; lvsd checks by itself
            #   line 6: mondir is of mon; lvsd checks by itself
            #   line 7: alertdir is of mon; lvsd checks by itself

            # Adjust interfaces: where clients and real servers are.
            # Real servers are asked for their load at TCP port 2357; lvs-realserver answers.

            [director]
            name = "midas"
            interfaces = ["eth0"]

            [alerts]
            file = "/var/log/lvs/alerts.log"

            [[virtual_service]]
            address = "192.168.45.26"
            port = 177
            protocol = "udp"
            scheduler = "wrr"
            follow_load = true
            check = { type = "ping" }

            [[virtual_service.real_server]]
            address = "192.168.45.13"
            weight = 1

            [[virtual_service.real_server]]
            address = "192.168.45.43"
            weight = 1
        "##]]
        .assert_eq(&show(Format::LvsConf, IME));
    }

    /// What is imported are the services of our own example of that network.
    #[test]
    fn the_services_are_those_of_the_example() {
        let toml = import(Format::LvsConf, IME, "midas").unwrap().toml;
        let imported = Config::parse(&toml, "imported").unwrap();
        let example = include_str!("../../../config/ime.toml");
        let example = Config::parse(example, "ime.toml").unwrap();
        let services = |config: &Config| -> Vec<_> {
            let services = config.virtual_services.iter();
            services
                .map(|it| {
                    let mut servers: Vec<_> =
                        it.real_servers.iter().map(|it| (it.address, it.weight)).collect();
                    servers.sort();
                    (it.id, it.scheduler, it.follow_load, servers)
                })
                .collect()
        };
        assert_eq!(services(&imported), services(&example));
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        let text = "\
lvshost 192.168.45.26/32
lvshost 192.168.45.27
lvshos 192.168.45.26
service sctp 80 rr {
192.168.45.13 1
}
service tcp 0 rr {
}
service tcp 80 best {
192.168.45.13
192.168.45.300 1
192.168.45.13 heavy
192.168.45.13 1
192.168.45.13 2
2001:db8::1 1
}
service tcp 22
service udp 53 lblc { # never ends
";
        expect![[r#"
            2: there is a second lvshost
            3: "lvshos" is none of monfile, cfbasedir, mondir, alertdir, lvshost, service
            4: "sctp" is neither tcp nor udp
            7: "0" is no port from 1 to 65535
            9: "best" is none of the schedulers rr, wrr, lc, wlc, sed, nq, sh, dh, mh, fastest
            10: expected a real server and its weight, or }
            11: "192.168.45.300" is no address of a host
            12: "heavy" is no weight up to 65535
            14: 192.168.45.13 is there twice
            15: 2001:db8::1 is not of the kind of the lvshost
            17: expected `service PROTOCOL PORT SCHEDULER {`
            18: the brace of this service is never closed
        "#]]
        .assert_eq(&show(Format::LvsConf, text));
        expect![[r#"
            1: there is no lvshost, the address of the services
        "#]]
        .assert_eq(&show(Format::LvsConf, ""));
        let dh = "lvshost 192.0.2.1\nservice udp 53 lblc {\n}\n";
        expect![[r##"
            # Not carried over, or not as it was:
            #   line 2: there is no lblc; dh is nearest

            # Adjust interfaces: where clients and real servers are.
            # Real servers are asked for their load at TCP port 2357; lvs-realserver answers.

            [director]
            name = "midas"
            interfaces = ["eth0"]

            [alerts]
            file = "/var/log/lvs/alerts.log"

            [[virtual_service]]
            address = "192.0.2.1"
            port = 53
            protocol = "udp"
            scheduler = "dh"
            follow_load = true
            check = { type = "ping" }
        "##]]
        .assert_eq(&show(Format::LvsConf, dh));
    }

    #[test]
    fn a_whole_that_makes_no_sense_is_refused() {
        let text = "service tcp 80 rr {\n192.0.2.1 1\n}\nlvshost 192.0.2.1\n";
        expect![[r#"
            2: this is the lvshost; expected the real server's own address
        "#]]
        .assert_eq(&show(Format::LvsConf, text));
    }

    proptest! {
        #[test]
        fn any_text_is_ours_or_refused(text in "((lvshost|service|monfile|tcp|udp|rr|wlc|\\{|\\}|10\\.0\\.0\\.[1-9]|[0-9]{1,5}|#|\"|\\\\|[a-z])[ \n]){0,40}") {
            is_ours_or_refused(Format::LvsConf, &text);
        }
    }
}
