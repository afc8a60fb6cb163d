//! Whether the maps have room for what the configuration wants.

use lvs_common::limits;

use super::{VirtualService, reader::Reader};

/// Notes the services that there is no room for; each is given with its section.
pub(super) fn room<'a>(
    services: impl Iterator<Item = (&'a Reader<'a>, &'a VirtualService)>,
    max_real_servers: u32,
) {
    let room = max_real_servers as usize;
    let mut n_real_servers = 0;
    for (number, (section, service)) in (1..).zip(services) {
        if number == limits::SERVICES + 1 {
            let message = format!("there is room for {} virtual services", limits::SERVICES);
            section.complain("address", &message);
        }

        let (n, most) = (service.real_servers.len(), service.scheduler.most_real_servers());
        if n > most {
            let message = match service.scheduler.compares() {
                true => format!("can't compare {n} real servers, only {most}; use wrr or mh"),
                false => format!("found {n} real servers; expected no more than {most}"),
            };
            let key = if service.scheduler.compares() { "scheduler" } else { "real_server" };
            section.complain(key, &message);
        }

        let before = n_real_servers;
        n_real_servers += n + usize::from(service.sorry_server.is_some());
        if before <= room && n_real_servers > room {
            let message = format!(
                "with these there are {n_real_servers} real servers in all services; \
                 max_real_servers in [director] allows {room}"
            );
            section.complain("real_server", &message);
        }
    }
}
