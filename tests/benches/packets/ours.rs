//! The program that all of it is about, with the maps as lvsd fills them.

use std::{net::IpAddr, path::PathBuf, time::Duration};

use anyhow::Result;
use lvs_common::{
    abi::Traffic,
    fate::Fate,
    limits,
    names::{CONNECTIONS, CONNECTIONS_V6, HALF_OPEN, HALF_OPEN_V6},
};
use lvs_userspace::{
    config::Persistence,
    dataplane::{
        Dataplane as _, Placement, Service, Tables,
        bpf::{BpfDataplane, Sizes},
        plan,
    },
    model::{Protocol, Scheduler, ServiceId},
};

use crate::{
    bench::{Bench, Run, run},
    memory::Memory,
    plan::Plan,
    services::{place, service},
    world,
};

/// Ports of the services.
pub(crate) mod port {
    /// TCP and UDP, over IPv4 and IPv6: wrr over four real servers.
    pub(crate) const WRR: u16 = 80;
    /// wlc over 16.
    pub(crate) const WLC: u16 = 81;
    /// wlc over 1,024.
    pub(crate) const LARGE_WLC: u16 = 82;
    /// mh over 16.
    pub(crate) const MH: u16 = 83;
    /// wrr over four; clients stay.
    pub(crate) const STICKY: u16 = 84;
    /// UDP, each datagram scheduled for itself.
    pub(crate) const ONE_PACKET: u16 = 85;
    /// TCP over IPv4, at [`STATELESS_VIP`](super::STATELESS_VIP): mh over 16, and nothing is remembered.
    pub(crate) const STATELESS: u16 = 86;
    /// No service.
    pub(crate) const NONE: u16 = 8080;
}

/// Another VIP, so that packets for the first are looked up as where all services remember.
pub(crate) const STATELESS_VIP: [u8; 4] = [10, 77, 0, 101];

/// The program, its tables, and what packets are shown to it with.
pub(crate) struct Ours {
    dataplane: BpfDataplane,
    bench: Bench,
    services: Vec<u32>,
    connections: Vec<Memory>,
}

/// What became of packets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Of all services.
    pub(crate) traffic: Traffic,
    /// In the order of [`Fate::ALL`].
    pub(crate) fates: Vec<u64>,
}

impl Ours {
    /// With tables of this size.
    pub(crate) fn load(name: &str, sizes: Sizes) -> Result<Self> {
        let pins = PathBuf::from(format!("/sys/fs/bpf/lvs-bench-{}-{name}", std::process::id()));
        let mut dataplane = BpfDataplane::load(&pins, sizes, 0)?;
        let mut placement = Placement::new(limits::REAL_SERVERS as u32);
        let tables = place(&mut placement, &services());
        for write in plan(&tables, &Tables::default()) {
            dataplane.write(&write)?;
        }
        dataplane.copy_services(&tables.services);
        let mut bench = Bench::load(1)?;
        bench.aim(dataplane.program()?.fd()?)?;
        Ok(Self {
            connections: [CONNECTIONS, HALF_OPEN, CONNECTIONS_V6, HALF_OPEN_V6]
                .into_iter()
                .map(|name| Memory::of(&pins.join(name.to_lowercase())))
                .collect::<Result<_>>()?,
            services: tables.services.values().map(|it| it.id).collect(),
            dataplane,
            bench,
        })
    }

    /// Shows it so many packets of these plans.
    pub(crate) fn show(&mut self, plans: [Plan; 2], frame: &[u8], packets: u32) -> Result<Run> {
        self.bench.show(plans, frame, packets)
    }

    /// Runs it on a frame that it does not change.
    pub(crate) fn run(&mut self, frame: &[u8], packets: u32) -> Result<Run> {
        run(self.dataplane.program()?, frame, packets)
    }

    /// Whether connections that begin when there are too many are not recorded.
    pub(crate) fn limit_beginnings(&self, limits: bool) {
        self.dataplane.share_half_open_among(limits.into());
    }

    /// Forgets all connections.
    pub(crate) fn forget(&self) {
        self.connections.iter().for_each(Memory::clear);
    }

    pub(crate) fn counts(&self) -> Result<Counts> {
        let mut traffic = Traffic::default();
        for &id in &self.services {
            traffic += self.dataplane.service_traffic(id)?.all;
        }
        let fates = Fate::ALL.iter().map(|&fate| self.dataplane.fate(fate));
        Ok(Counts { traffic, fates: fates.collect::<Result<_, _>>()? })
    }
}

fn services() -> Vec<Service> {
    let (v4, v6): (IpAddr, IpAddr) = (world::VIP.into(), world::VIP_V6.into());
    let at = |protocol, port, service: Service| Service {
        id: ServiceId { protocol, port, ..service.id },
        ..service
    };
    let (tcp, udp) = (Protocol::Tcp, Protocol::Udp);
    let wrr = |vip| service(vip, Scheduler::Wrr, &[(1, 3), (2, 2), (3, 1), (4, 1)]);
    let of = |scheduler, n| {
        service(v4, scheduler, &(1..=n).map(|number| (number, 1)).collect::<Vec<_>>())
    };
    let persistence = Persistence { timeout: Duration::from_secs(300), granularity: 32 };
    let sticky = Service { persistence: Some(persistence), ..wrr(v4) };
    let one_packet = Service { one_packet: true, ..wrr(v4) };
    let sixteen: Vec<_> = (1..=16).map(|number| (number, 1)).collect();
    let stateless = service(STATELESS_VIP.into(), Scheduler::Mh, &sixteen);
    let stateless = Service { stateless: true, ..stateless };
    vec![
        at(tcp, port::WRR, wrr(v4)),
        at(tcp, port::WRR, wrr(v6)),
        at(udp, port::WRR, wrr(v4)),
        at(udp, port::WRR, wrr(v6)),
        at(tcp, port::WLC, of(Scheduler::Wlc, 16)),
        at(tcp, port::LARGE_WLC, of(Scheduler::Wlc, 1024)),
        at(tcp, port::MH, of(Scheduler::Mh, 16)),
        at(tcp, port::STICKY, sticky),
        at(udp, port::ONE_PACKET, one_packet),
        at(tcp, port::STATELESS, stateless),
    ]
}
