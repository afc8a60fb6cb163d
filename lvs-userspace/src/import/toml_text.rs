//! Our TOML, with comments for who goes on from there.

use std::net::IpAddr;

use super::Line;
use crate::model::{Protocol, Scheduler};

/// A virtual service, as far as others know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Service {
    pub(super) protocol: Protocol,
    pub(super) port: u16,
    pub(super) scheduler: Scheduler,
    /// Real servers with their weights.
    pub(super) real_servers: Vec<(IpAddr, u16)>,
}

impl Default for Service {
    fn default() -> Self {
        let (protocol, scheduler) = (Protocol::Tcp, Scheduler::Wrr);
        Self { protocol, port: 0, scheduler, real_servers: Vec::new() }
    }
}

/// A whole configuration.
pub(super) fn configuration(
    director: &str,
    vip: IpAddr,
    services: &[Service],
    left_out: &[Line],
) -> String {
    let mut text = String::new();
    if !left_out.is_empty() {
        text += "# Not carried over:\n";
        for line in left_out {
            text += &format!("#   line {line}\n");
        }
        text += "\n";
    }
    let name = toml::Value::from(director);
    text += &format!(
        "[director]\nname = {name}\ninterfaces = [\"eth0\"] # adjust: where clients and real \
         servers are\n\n\
         # Each real server is asked for its load at TCP port 2357; lvs-realserver answers.\n\
         [load]\ninterval = \"5s\"\n\n\
         [alerts]\nfile = \"/var/log/lvs/alerts.log\"\n"
    );
    for service in services {
        let Service { protocol, port, scheduler, real_servers } = service;
        // As mon did.
        let check = match protocol {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "ping",
        };
        text += &format!(
            "\n[[virtual_service]]\naddress = \"{vip}\"\nport = {port}\nprotocol = \"{protocol}\"\n\
             scheduler = \"{scheduler}\"\nfollow_load = true\ncheck = {{ type = \"{check}\" }}\n"
        );
        for (address, weight) in real_servers {
            text += &format!(
                "\n[[virtual_service.real_server]]\naddress = \"{address}\"\nweight = {weight}\n"
            );
        }
    }
    text
}
