//! The rules that ipvsadm has saved (`ipvsadm -S`): a command in each line. They know of no checks. Of
//! what `-S` without `-n` writes, the names of ports are understood.

use std::{collections::BTreeSet, net::IpAddr};

use super::{ADJUST_INTERFACES, Draft, Line, scheduler};
use crate::{
    cli::parse_saved_line,
    config::{Config, Edit, VirtualService},
    model::ServiceId,
};

const NO_CHECKS: &str =
    "Without a check a real server is taken to be up, whatever it does: add some.";
/// Name services that are none of TCP or UDP at an address and a port.
const OTHER_SERVICES: [&str; 3] = ["-f", "--fwmark-service", "--sctp-service"];
/// Reach a real server otherwise than by direct routing.
const OTHER_FORWARDING: [&str; 4] = ["-m", "--masquerading", "-i", "--ipip"];
/// With a value each; what a service does without.
const DISPENSABLE: [&str; 3] = ["-b", "--sched-flags", "--pe"];

/// Have a host and its port as their value.
const HOSTS: [&str; 6] = ["-t", "--tcp-service", "-u", "--udp-service", "-r", "--real-server"];

/// What is read, line by line.
#[derive(Default)]
struct Reading {
    left_out: Vec<Line>,
    errors: Vec<Line>,
    /// With their lines.
    edits: Vec<(usize, Edit)>,
    /// Services that miss a real server.
    reduced: BTreeSet<ServiceId>,
}

pub(super) fn import(text: &str, director: &str) -> Result<Draft, Vec<Line>> {
    let mut reading = Reading::default();
    for (number, line) in (1..).zip(text.lines()) {
        if let Err(message) = reading.line(line, number) {
            reading.errors.push(Line { number, message });
        }
    }
    let mut draft = Draft::new(director);
    draft.notes = vec![ADJUST_INTERFACES, NO_CHECKS];
    reading.apply(&mut draft.config);
    reading.drop_empty_services(&mut draft.config);
    draft.left_out = reading.left_out;
    if reading.errors.is_empty() { Ok(draft) } else { Err(reading.errors) }
}

impl Reading {
    fn leave_out(&mut self, number: usize, message: String) {
        self.left_out.push(Line { number, message });
    }

    fn line(&mut self, line: &str, number: usize) -> Result<(), String> {
        let mut words: Vec<&str> = line.split_whitespace().collect();
        if let Some(option) = words.iter().find(|it| OTHER_SERVICES.contains(it)) {
            self.leave_out(number, format!("{option}: services are of TCP or UDP, at an address"));
            return Ok(());
        }
        while let Some(at) = words.iter().position(|it| DISPENSABLE.contains(it)) {
            let option: Vec<_> = words.drain(at..words.len().min(at + 2)).collect();
            self.leave_out(number, format!("{}: there is nothing like it", option.join(" ")));
        }
        let name = words.iter().position(|it| ["-s", "--scheduler"].contains(it));
        if let Some(name) = name.and_then(|at| words.get_mut(at + 1))
            && let Ok((nearest, Some(message))) = scheduler(name)
        {
            *name = nearest.name();
            self.leave_out(number, message);
        }
        let forwarding = words.iter().position(|it| OTHER_FORWARDING.contains(it));
        if let Some(at) = forwarding {
            self.leave_out(number, format!("{}: there is direct routing alone (-g)", words[at]));
            words[at] = "-g";
            // The options of a tunnel are the last.
            let tunnel = words.iter().position(|it| it.starts_with("--tun-"));
            words.truncate(tunnel.unwrap_or(words.len()));
        }
        for (option, value) in words.iter().zip(words.iter().skip(1)) {
            if HOSTS.contains(option) && !is_numeric(value) {
                return Err(format!("{value}: no name server is asked; save it with -n"));
            }
        }
        match (parse_saved_line(&words.join(" "))?, forwarding) {
            (
                Some(Edit::AddRealServer { service, .. } | Edit::EditRealServer { service, .. }),
                Some(_),
            ) => drop(self.reduced.insert(service)),
            (edit, _) => self.edits.extend(edit.map(|edit| (number, edit))),
        }
        Ok(())
    }

    /// Makes the changes.
    fn apply(&mut self, config: &mut Config) {
        let edits: Vec<_> = self.edits.iter().map(|(_, edit)| edit.clone()).collect();
        if let Ok(edited) = config.edited(&edits) {
            *config = edited;
            return;
        }
        // One after the other, to find each that can't be made.
        for (number, edit) in &self.edits {
            match config.edited(std::slice::from_ref(edit)) {
                Ok(edited) => *config = edited,
                Err(error) => {
                    self.errors.push(Line { number: *number, message: error.to_string() });
                }
            }
        }
    }

    /// Leaves out the services that none of their real servers is left of.
    fn drop_empty_services(&mut self, config: &mut Config) {
        let is_empty =
            |it: &VirtualService| self.reduced.contains(&it.id) && it.real_servers.is_empty();
        let empty = config.virtual_services.extract_if(.., |it| is_empty(it));
        let empty: Vec<_> = empty.map(|it| it.id).collect();
        for (number, edit) in &self.edits {
            if let Edit::AddService { service, .. } = edit
                && empty.contains(service)
            {
                let message = format!("{service}: none of its real servers is left");
                self.left_out.push(Line { number: *number, message });
            }
        }
    }
}

/// Whether a host is an address, with a port or without.
fn is_numeric(host: &str) -> bool {
    let is_address = |it: &str| it.trim_matches(['[', ']']).parse::<IpAddr>().is_ok();
    is_address(host) || host.rsplit_once(':').is_some_and(|(address, _)| is_address(address))
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use proptest::prelude::*;

    use crate::import::{
        Format,
        tests::{damaged, is_ours_or_refused, show},
    };

    const RULES: &str = include_str!("../../../config/ipvsadm.rules");

    #[test]
    fn a_table_of_many_kinds() {
        expect![[r##"
            # Not carried over, or not as it was:
            #   line 5: -m: there is direct routing alone (-g)
            #   line 6: -b sh-fallback,sh-port: there is nothing like it
            #   line 8: --pe sip: there is nothing like it
            #   line 10: there is no lblcr; dh is nearest
            #   line 14: tcp 192.0.2.20:25: none of its real servers is left
            #   line 15: -i: there is direct routing alone (-g)
            #   line 16: -f: services are of TCP or UDP, at an address
            #   line 17: -f: services are of TCP or UDP, at an address

            # Adjust interfaces: where clients and real servers are.
            # Without a check a real server is taken to be up, whatever it does: add some.

            [director]
            name = "midas"
            interfaces = ["eth0"]

            [[virtual_service]]
            address = "192.0.2.10"
            port = 80
            protocol = "tcp"
            scheduler = "wlc"
            persistence_timeout = "5m"
            persistence_granularity = 24

            [[virtual_service.real_server]]
            address = "192.0.2.11"
            weight = 3

            [[virtual_service.real_server]]
            address = "192.0.2.12"
            weight = 1

            [[virtual_service]]
            address = "192.0.2.10"
            port = 443
            protocol = "tcp"
            scheduler = "sh"

            [[virtual_service.real_server]]
            address = "192.0.2.11"
            weight = 1

            [[virtual_service]]
            address = "192.0.2.10"
            port = 5060
            protocol = "udp"
            scheduler = "rr"
            one_packet = true

            [[virtual_service.real_server]]
            address = "192.0.2.12"
            weight = 1

            [[virtual_service]]
            address = "192.0.2.10"
            port = 3128
            protocol = "tcp"
            scheduler = "dh"

            [[virtual_service.real_server]]
            address = "192.0.2.13"
            weight = 0

            [[virtual_service]]
            address = "2001:db8::10"
            port = 80
            protocol = "tcp"
            scheduler = "wrr"
            persistence_timeout = "6m"
            persistence_granularity = 64

            [[virtual_service.real_server]]
            address = "2001:db8::11"
            weight = 2
        "##]]
        .assert_eq(&show(Format::Ipvsadm, RULES));
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        let text = "\
-A -t 192.0.2.10:80 -s best
-A -t 192.0.2.10:no-such-port -s rr
-A -t www.example.org:80 -s rr
-a -t 192.0.2.10:81 -r 192.0.2.11:81 -g -w 1
-A -t 192.0.2.10:82 -s rr
-A -t 192.0.2.10:82 -s rr
-a -t 192.0.2.10:82 -r 192.0.2.10:82 -g -w 1
-a -t 192.0.2.10:82 -r 192.0.2.11:82 -g -w heavy
-a -t 192.0.2.10:82 -i
-L
root:x:0:0
";
        expect![[r#"
            1: Scheduler or persistence engine not found
            2: illegal virtual server address[:port] specified
            3: www.example.org:80: no name server is asked; save it with -n
            4: Service not defined
            6: Service already exists
            7: tcp 192.0.2.10:82 192.0.2.10: address: this is the virtual address; expected the real server's own
            8: illegal weight specified
            9: You need to supply the 'real-server' option for the 'add-server' command
            10: "-L" changes nothing
            11: Try `ipvsadm -h' or 'ipvsadm --help' for more information.
        "#]].assert_eq(&show(Format::Ipvsadm, text));
    }

    proptest! {
        #[test]
        fn any_characters_are_ours_or_refused(text in "\\PC{0,100}") {
            is_ours_or_refused(Format::Ipvsadm, &text);
        }

        #[test]
        fn a_damaged_file_is_ours_or_refused(text in damaged(RULES)) {
            is_ours_or_refused(Format::Ipvsadm, &text);
        }
    }
}
