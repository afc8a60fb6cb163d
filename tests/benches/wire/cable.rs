//! A cable from the lab's client straight to its director, past the switch.

use std::{thread::sleep, time::Duration};

use anyhow::{Context as _, Result};
use lvs_tests::lab::{Host, Lab};

/// Its name at both ends.
pub(crate) const NAME: &str = "bench0";

/// The MAC of an end.
pub(crate) const fn mac(host: Host) -> [u8; 6] {
    let mut mac = host.mac_octets();
    // Beside that of the lab's own interface.
    mac[3] = 78;
    mac
}

/// A MAC in words.
pub(crate) fn in_words(mac: [u8; 6]) -> String {
    mac.map(|it| format!("{it:02x}")).join(":")
}

/// The interfaces' indexes. The cable goes with the lab.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cable {
    pub(crate) at_client: u32,
    pub(crate) at_director: u32,
}

impl Cable {
    /// Lays it. One queue, so that all happens on one CPU; the kernel says and asks nothing by it.
    pub(crate) fn lay(lab: &Lab) -> Result<Self> {
        let [client, director] = [Host::Client, Host::Director].map(|it| in_words(mac(it)));
        let script = format!(
            "ip link add {NAME} address {client} numtxqueues 1 numrxqueues 1 type veth \
             peer name {NAME} address {director} numtxqueues 1 numrxqueues 1 netns {}\n",
            Host::Director.namespace(),
        );
        lab.run(Host::Client, &["sh", "-ec", &script])?;
        for host in [Host::Client, Host::Director] {
            // GRO gives a veth the receiving side of a driver: without it frames that were redirected to
            // its peer get lost where no program is attached.
            let script = format!(
                "echo 1 >/proc/sys/net/ipv6/conf/{NAME}/disable_ipv6\n\
                 ethtool -K {NAME} gro on rxvlan off txvlan off\n\
                 ip link set {NAME} up\n"
            );
            lab.run(host, &["sh", "-ec", &script])?;
        }
        // What an interface does when it comes up is over soon.
        sleep(Duration::from_millis(200));
        Ok(Self { at_client: index(lab, Host::Client)?, at_director: index(lab, Host::Director)? })
    }
}

fn index(lab: &Lab, host: Host) -> Result<u32> {
    let text = lab.run(host, &["sh", "-c", &format!("ip -o link show dev {NAME}")])?;
    let number = text.split(':').next().and_then(|it| it.trim().parse().ok());
    number.with_context(|| format!("{NAME} on {host} has no index: {text}"))
}
