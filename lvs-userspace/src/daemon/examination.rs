//! Has the doctor look at everything: gathers what lvsd knows, and lets him ask for the rest in a task of
//! its own, because that takes its time.

use std::{path::Path, sync::Arc, time::Instant};

use tokio::sync::Semaphore;

use super::{agent::AttachedLink, reach::Reach};
use crate::{
    config::VirtualService,
    control::{Reply, api::ApiError},
    dataplane::{
        OutOfSync,
        bpf::{BpfDataplane, Sizes},
        check_bpffs,
    },
    director::Director,
    doctor::{self, Attached, Diagnosis, Known, Member, Service},
    health::Via,
    net::netlink::Netlink,
};

/// One examination at a time: each asks the whole network.
pub(super) struct Examinations(Arc<Semaphore>);

impl Default for Examinations {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(1)))
    }
}

impl Examinations {
    /// Begins one when it is its turn.
    pub(super) fn begin(&self, known: Known, netlink: Netlink, reply: Reply<Diagnosis>) {
        let turns = Arc::clone(&self.0);
        tokio::spawn(async move {
            let _turn = turns.acquire().await;
            // Who asked may have had enough meanwhile.
            if reply.is_closed() {
                return;
            }
            let evidence = doctor::collect(known, &netlink).await;
            let diagnosis = evidence
                .map(|it| doctor::examine(&it))
                .map_err(|error| ApiError { error: format!("can't look at the network: {error}") });
            drop(reply.send(diagnosis));
        });
    }
}

/// All that lvsd knows at this moment. `in_tables` is how many connections there are.
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
        // The role knows of that.
        failover: None,
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
