//! `-S`: a command for each service and real server, to be read by `-R`.

use std::net::SocketAddr;

use super::{List, show::sorted, values::mask};
use crate::{
    cli::names::named,
    control::api::{Service, Services},
};

pub(super) fn save(services: Services, numeric: bool) -> String {
    let show = |address: SocketAddr, service: &Service| {
        if numeric { address.to_string() } else { named(address, service.protocol) }
    };
    let mut text = String::new();
    for service in &sorted(services, &List::default()).services {
        let address = SocketAddr::new(service.address, service.port);
        let name = format!("-{} {}", &service.protocol.name()[..1], show(address, service));
        text += &format!("-A {name} -s {}", service.scheduler);
        if let Some(timeout) = service.persistence_timeout_s {
            text += &format!(" -p {timeout}");
        }
        match service.persistence_granularity {
            Some(length) if address.is_ipv4() && length < 32 => {
                text += &format!(" -M {}", mask(length));
            }
            Some(length) if address.is_ipv6() && length < 128 => text += &format!(" -M {length}"),
            Some(_) | None => {}
        }
        text += if service.one_packet { " -o\n" } else { "\n" };
        for it in &service.real_servers {
            let address = show(SocketAddr::new(it.address, it.port), service);
            text += &format!("-a {name} -r {address} -g -w {}", it.weight);
            if it.upper_threshold > 0 {
                text += &format!(" -x {} -y {}", it.upper_threshold, it.lower_threshold);
            }
            text.push('\n');
        }
    }
    text
}
