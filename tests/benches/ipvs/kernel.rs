//! The kernel's own IPVS in the director's network: direct routing, weighted round robin.

use std::{fmt::Write as _, process::Command};

use anyhow::{Context as _, Result, ensure};
use lvs_tests::lab::{Host, Lab, VIP, WEIGHTS};

use crate::wire::{
    Contender, Traffic,
    cable::{NAME, in_words, mac},
    frames::PORT,
};

/// As many places in the table of connections as IPVS takes, 2 to the power of this: with the usual 12
/// it would be slower with many connections.
const CONNECTION_TABLE_BITS: u32 = 20;

/// It forwards what no program takes before.
pub(crate) struct Ipvs(&'static str);

impl Ipvs {
    /// Sets it up, with the lab's service. It goes with the lab's network.
    pub(crate) fn set_up(lab: &Lab, name: &'static str) -> Result<Self> {
        let bits = format!("conn_tab_bits={CONNECTION_TABLE_BITS}");
        let modprobe = Command::new("modprobe").args(["ip_vs", &bits]).output()?;
        ensure!(
            modprobe.status.success(),
            "this kernel has no IPVS: {}",
            String::from_utf8_lossy(&modprobe.stderr).trim()
        );
        lab.run(Host::Director, &["sh", "-ec", &script()])?;
        Ok(Self(name))
    }
}

impl Contender for Ipvs {
    fn name(&self) -> &'static str {
        self.0
    }

    fn attach(&mut self, _lab: &Lab, _traffic: Traffic) -> Result<()> {
        Ok(())
    }

    fn detach(&mut self, _lab: &Lab) -> Result<()> {
        Ok(())
    }

    fn forwarded(&self, lab: &Lab) -> Result<Option<u64>> {
        // The totals there and elsewhere are made every two seconds; those of each CPU are as of now.
        let text = lab.run(Host::Director, &["cat", "/proc/net/ip_vs_stats_percpu"])?;
        let unreadable = || format!("/proc/net/ip_vs_stats_percpu reads:\n{text}");
        packets(&text).with_context(unreadable).map(Some)
    }

    fn expect_connections(&self, lab: &Lab, wanted: u32) -> Result<()> {
        let table = lab.run(Host::Director, &["cat", "/proc/net/ip_vs"])?;
        let servers = table.lines().filter_map(|line| line.trim().strip_prefix("-> "));
        // Address, way, weight, active, inactive; the first line has no numbers.
        let active = servers.filter_map(|it| it.split_whitespace().nth(3)?.parse::<u32>().ok());
        let active: u32 = active.sum();
        ensure!(active == wanted, "{active} connections of {wanted} are established:\n{table}");
        Ok(())
    }
}

/// The real servers have no more than a MAC, and nobody asks for it.
fn script() -> String {
    let mut script = format!(
        "echo 1 >/proc/sys/net/ipv4/ip_forward\n\
         ip addr add 10.78.0.1/24 dev {NAME}\n\
         ip addr add {VIP}/32 dev {NAME}\n\
         ipvsadm --add-service --tcp-service {VIP}:{PORT} --scheduler wrr\n"
    );
    for (host, weight) in Host::REAL_SERVERS.into_iter().zip(WEIGHTS) {
        let mac = mac(host);
        let address = format!("10.78.0.{}", mac[5]);
        writeln!(
            script,
            "ip neigh add {address} lladdr {} dev {NAME} nud permanent\n\
             ipvsadm --add-server --tcp-service {VIP}:{PORT} --real-server {address}:{PORT} \
             --gatewaying --weight {weight}",
            in_words(mac)
        )
        .ok();
    }
    script
}

/// Adds up what each CPU has had: its number, connections and packets, in hexadecimal. Two lines of
/// headings are before, and totals are behind.
fn packets(text: &str) -> Option<u64> {
    let number = |word: &str| u64::from_str_radix(word, 16).ok();
    let cpus = text.lines().skip(2).map_while(|line| {
        let mut words = line.split_whitespace();
        number(words.next()?)?;
        Some(words.nth(1).and_then(number))
    });
    cpus.sum()
}
