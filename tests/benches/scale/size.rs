//! How much there is of everything, and its names.

use std::{
    fmt::Write as _,
    fs,
    net::{Ipv4Addr, SocketAddrV4},
};

use anyhow::{Context as _, Result, ensure};
use lvs_tests::lab::Host;
use serde::Serialize;

/// Virtual services of one VIP: ports 80 and so on.
const OF_A_VIP: u32 = 10;
/// Half-open connections that there is room for: as many as it takes to begin all of them soon.
pub(crate) const HALF_OPEN: u32 = 1 << 19;
/// The first VIP.
const VIPS: u32 = u32::from_be_bytes([10, 79, 0, 0]);
/// The first real server.
const REAL_SERVERS: u32 = u32::from_be_bytes([10, 64, 0, 0]);

/// How much there is of everything.
#[derive(Clone, Debug, clap::Args, Serialize)]
pub(crate) struct Size {
    /// Virtual services
    #[arg(long, default_value_t = 10_000)]
    pub(crate) services: u32,
    /// Real servers of each
    #[arg(long, default_value_t = 10)]
    pub(crate) real_servers: u32,
    /// IPv4 connections, of all services
    #[arg(long, default_value_t = 4_000_000)]
    pub(crate) connections: u32,
}

impl Size {
    /// Whether it can be measured, and there is memory for it.
    pub(crate) fn check(&self) -> Result<()> {
        let Self { services, real_servers, connections } = *self;
        ensure!(services > 0 && real_servers > 0 && connections >= 2048, "that is too little");
        ensure!(
            connections.is_multiple_of(self.busy()),
            "not as many connections for each service"
        );
        // Twice 43 bytes for a connection, and as much again for lvsd and all else.
        let needed = u64::from(connections) * 128 / 1024 + 2 * 1024 * 1024;
        let memory = fs::read_to_string("/proc/meminfo")?;
        let free = memory.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
        let free = free.and_then(|it| it.split_whitespace().next()).context("no MemAvailable")?;
        ensure!(
            free.parse::<u64>()? >= needed,
            "{free} KiB of memory are free, it takes {needed}: say --connections"
        );
        Ok(())
    }

    /// Where a service is.
    pub(crate) fn service(&self, number: u32) -> SocketAddrV4 {
        let port = 80 + (number % OF_A_VIP) as u16;
        SocketAddrV4::new(Ipv4Addr::from(VIPS + number / OF_A_VIP), port)
    }

    /// The first real server of a service.
    pub(crate) fn real_server(&self, service: u32) -> Ipv4Addr {
        Ipv4Addr::from(REAL_SERVERS + service * self.real_servers)
    }

    /// Services that have connections. A run of a program takes the kernel some 10 ms, however few packets
    /// it is shown, so not all of them do.
    pub(crate) fn busy(&self) -> u32 {
        self.services.min(500)
    }

    /// Connections of each of those.
    pub(crate) fn of_each(&self) -> u32 {
        self.connections / self.busy()
    }

    /// The configuration, with this weight for the first real server of the first service.
    pub(crate) fn config(&self, weight: u16) -> String {
        let mut text = format!(
            "[director]\nname = \"director\"\ninterfaces = [\"eth0\"]\n\n\
             [connections]\nsize = {}\nhalf_open = {HALF_OPEN}\nipv6_size = 1024\nipv6_half_open = 1024\n",
            self.connections
        );
        for number in 0..self.services {
            let service = self.service(number);
            let (vip, port) = (service.ip(), service.port());
            text += &format!(
                "\n[[virtual_service]]\naddress = \"{vip}\"\nport = {port}\nprotocol = \"tcp\"\n\
                 scheduler = \"wrr\"\n"
            );
            for at in 0..self.real_servers {
                let address = Ipv4Addr::from(u32::from(self.real_server(number)) + at);
                let weight = if (number, at) == (0, 0) { weight } else { 1 };
                // Writing to a string can't fail.
                writeln!(
                    text,
                    "[[virtual_service.real_server]]\naddress = \"{address}\"\nweight = {weight}"
                )
                .ok();
            }
        }
        text
    }

    /// Commands for `ip -batch` that say where the real servers are.
    pub(crate) fn neighbours(&self) -> String {
        let mac = Host::Rs1.mac();
        let all = (0..self.services * self.real_servers).map(|it| {
            let address = Ipv4Addr::from(REAL_SERVERS + it);
            format!("neigh replace {address} lladdr {mac} nud permanent dev eth0\n")
        });
        "route add 10.64.0.0/12 dev eth0\n".to_owned() + &all.collect::<String>()
    }
}
