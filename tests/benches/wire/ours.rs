//! The real program on the director's end of the cable, with tables that nobody looks after.

use std::{net::Ipv4Addr, time::Duration};

use anyhow::{Result, ensure};
use lvs_common::{
    abi::{self, SAME_VLAN, real_server_state, scheduler},
    fate::Fate,
};
use lvs_tests::lab::{Host, Lab, VIP, WEIGHTS, wait_for};
use lvs_userspace::{
    config::XdpMode,
    dataplane::{
        Dataplane as _, Limits, Tables,
        bpf::{BpfDataplane, Sizes},
        plan,
    },
};

use super::{
    cable::{Cable, NAME, mac},
    contender::Contender,
    frames::PORT,
    traffic::Traffic,
};

/// The program and its maps.
pub(crate) struct Ours {
    name: &'static str,
    mode: XdpMode,
    interface: u32,
    dataplane: BpfDataplane,
}

impl Ours {
    /// Loads it, with the lab's service, for one way to run it.
    pub(crate) fn load(
        lab: &Lab,
        cable: Cable,
        (name, mode): (&'static str, XdpMode),
    ) -> Result<Self> {
        let interface = cable.at_director;
        // Where the lab looks for what is left of a run that was killed.
        let pins = match mode {
            XdpMode::Auto | XdpMode::Native => Host::Director.bpffs(),
            XdpMode::Generic => Host::Standby.bpffs(),
        };
        lab.within(Host::Director, || {
            let mut dataplane = BpfDataplane::load(&pins, Sizes::default(), 0)?;
            let tables = tables(interface);
            for write in plan(&tables, &Tables::default()) {
                dataplane.write(&write)?;
            }
            dataplane.copy_services(&tables.services);
            Ok(Self { name, mode, interface, dataplane })
        })?
    }

    fn fates(&self) -> Result<Vec<(&'static str, u64)>> {
        let counts = Fate::ALL.iter().map(|fate| Ok((fate.name(), self.dataplane.fate(*fate)?)));
        let counts: Result<Vec<_>> = counts.collect();
        Ok(counts?.into_iter().filter(|it| it.1 > 0).collect())
    }
}

impl Contender for Ours {
    fn name(&self) -> &'static str {
        self.name
    }

    fn attach(&mut self, lab: &Lab, _traffic: Traffic) -> Result<()> {
        let Self { mode, interface, dataplane, .. } = self;
        lab.within(Host::Director, || dataplane.attach(NAME, *interface, *mode))??;
        Ok(())
    }

    fn detach(&mut self, lab: &Lab) -> Result<()> {
        self.dataplane.detach_others(&[])?;
        // The kernel takes it off a moment after the last file is gone.
        wait_for("an interface without a program", Duration::from_secs(5), || {
            let shown = lab.run(Host::Director, &["ip", "link", "show", "dev", NAME]).ok()?;
            (!shown.contains("xdp")).then_some(())
        })
    }

    fn forwarded(&self, _lab: &Lab) -> Result<Option<u64>> {
        let counts = servers().map(|(index, ..)| self.dataplane.real_server_traffic(index));
        let packets: Result<u64> = counts.map(|traffic| Ok(traffic?.packets)).sum();
        packets.map(Some)
    }

    fn expect_connections(&self, _lab: &Lab, wanted: u32) -> Result<()> {
        let counts = servers().map(|(index, ..)| self.dataplane.counted(index));
        let (active, inactive) = counts
            .fold((0, 0), |(active, inactive), it| (active + it.active, inactive + it.inactive));
        // A bucket that is full makes room for another.
        ensure!(
            active >= wanted - wanted / 100,
            "{active} connections are established, {inactive} are not, of {wanted}; {:?}",
            self.fates()?
        );
        Ok(())
    }
}

/// The real servers' indexes, hosts and weights.
fn servers() -> impl Iterator<Item = (u32, Host, u16)> {
    (1..).zip(Host::REAL_SERVERS).zip(WEIGHTS).map(|((index, host), weight)| (index, host, weight))
}

/// One service, its real servers all behind one interface.
fn tables(interface: u32) -> Tables {
    let mut tables = Tables::default();
    let source_mac = mac(Host::Director);
    tables.interfaces.insert(interface, abi::Interface { mac: source_mac, reserved: [0; 2] });
    let mut slots = Vec::new();
    for (index, host, weight) in servers() {
        let weight = weight.into();
        let real_server = abi::RealServer {
            mac: mac(host),
            source_mac,
            interface,
            state: real_server_state::READY,
            service: 0,
            vlan: SAME_VLAN,
            weight,
            ..bytemuck::Zeroable::zeroed()
        };
        tables.real_servers.insert(index, real_server);
        let limits = Limits { weight, upper_threshold: 0, lower_threshold: 0 };
        tables.limits.insert(index, limits);
        slots.extend((0..weight).map(|_| index));
    }
    let service = abi::Service {
        id: 0,
        first_slot: 0,
        n_slots: slots.len() as u32,
        sorry_server: 0,
        persistence: 0,
        scheduler: scheduler::TURNS,
        flags: 0,
        granularity: 128,
    };
    tables.slots.insert(0, slots);
    let vip = Ipv4Addr::to_ipv6_mapped(&VIP).octets();
    let key = abi::ServiceKey { vip, port: PORT.to_be_bytes(), protocol: abi::TCP, reserved: 0 };
    tables.services.insert(key, service);
    tables.vips.insert(vip, abi::Vip { services: 1 });
    tables
}
