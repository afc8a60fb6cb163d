//! What lvsd knows, gathered for the doctor.

use std::{path::Path, time::Instant};

use super::{agent::AttachedLink, reach::Reach};
use crate::{
    config::VirtualService,
    dataplane::{
        OutOfSync,
        bpf::{BpfDataplane, Sizes},
        check_bpffs,
    },
    director::Director,
    doctor::{Attached, Known, Member, Service},
    health::Via,
};

/// All of it, at this moment. `in_tables` is how many connections there are.
pub(super) fn known(
    director: &Director,
    links: &[AttachedLink],
    dataplane: &BpfDataplane,
    out_of_sync: Option<&OutOfSync>,
    reach: &Reach,
    in_tables: [u32; 4],
    bpffs: &Path,
) -> Known {
    let config = director.config();
    let attached =
        |it: &AttachedLink| Attached { link: it.link.clone(), attached_as: it.attached_as };
    let modes: Vec<_> =
        links.iter().filter_map(|it| Some((it.link.index, it.attached_as?))).collect();
    let no_bpffs = check_bpffs(bpffs).err().map(|error| error.to_string());
    Known {
        attached: links.iter().map(attached).collect(),
        xdp_mode: config.director.xdp_mode,
        program: dataplane.program_id(),
        out_of_sync: out_of_sync.cloned(),
        // Without that file system, all of them are missing.
        pin_faults: if no_bpffs.is_none() { dataplane.pin_faults(&modes) } else { Vec::new() },
        no_bpffs,
        sizes_followed: *dataplane.sizes() == Sizes::new(config),
        tables: dataplane.sizes().uses(in_tables).to_vec(),
        services: config.virtual_services.iter().map(|it| service(director, it)).collect(),
        real_servers: reach.places().collect(),
    }
}

fn service(director: &Director, service: &VirtualService) -> Service {
    let now = Instant::now();
    let members = service.real_servers.iter().map(|real_server| {
        let effective = director.effective(service, real_server, now);
        Member {
            address: real_server.address,
            state: effective.state,
            weight: effective.weight,
            why: effective.why,
            through_vip: real_server.check.as_ref().is_some_and(|it| it.via == Via::Vip),
        }
    });
    Service { id: service.id, members: members.collect(), sorry_server: service.sorry_server }
}
