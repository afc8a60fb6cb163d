//! Two directors as others have them: keepalived with the kernel's IPVS, for the services that
//! [`Pair`](super::Pair) has.

use std::{fmt::Write as _, path::Path, process::Command, time::Duration};

use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::Signal;

use super::{
    Harm, Host, Instance, Keepalived, Lab, VIP, VIP_V6, WEIGHTS, keepalived_config, other,
    process::{output, wait_for},
};

/// The virtual router.
const VRID: u8 = 26;
/// So long a change of roles may take before it is thought that it never comes.
const SOON: Duration = Duration::from_secs(20);

/// The two, as far as they run: director, the master as long as nothing is wrong, and standby.
#[derive(Debug)]
pub struct IpvsPair {
    director: Option<Keepalived>,
    standby: Option<Keepalived>,
}

impl Lab {
    /// Starts keepalived on each director, and waits until director is master.
    pub fn start_ipvs_pair(&self) -> Result<IpvsPair> {
        let modprobe = output(Command::new("modprobe").arg("ip_vs"))?;
        ensure!(
            modprobe.status.success(),
            "this kernel has no IPVS: {}",
            String::from_utf8_lossy(&modprobe.stderr).trim()
        );
        self.hurry_web_servers()?;
        let mut pair = IpvsPair { director: None, standby: None };
        pair.start(self, Host::Director)?;
        pair.start(self, Host::Standby)?;
        pair.wait_until_settled(Host::Director)?;
        Ok(pair)
    }
}

impl IpvsPair {
    /// Starts the one of a host, which must not run.
    pub fn start(&mut self, lab: &Lab, host: Host) -> Result<()> {
        let keepalived = lab.start_keepalived(host, &config(host)?, &[])?;
        let has_services = || {
            let table = lab.run(host, &["ipvsadm", "--save", "--numeric"]).ok()?;
            let servers = table.lines().filter(|line| line.starts_with("-a"));
            (servers.count() == 2 * WEIGHTS.len()).then_some(())
        };
        wait_for(&format!("the services of {host}"), SOON, has_services)
            .with_context(|| keepalived.log())?;
        *self.place(host) = Some(keepalived);
        Ok(())
    }

    /// Waits until this one is master, and the other is not.
    pub fn wait_until_settled(&self, master: Host) -> Result<()> {
        let backup = other(master)?;
        let has = |host| self.of(host).and_then(|it| it.has(VIP.into())).unwrap_or(false);
        wait_for(&format!("{master} as master"), SOON, || {
            (has(master) && !has(backup)).then_some(())
        })
        .with_context(|| self.story())
    }

    /// Lets it befall the master.
    pub fn harm(&mut self, lab: &Lab, master: Host, harm: Harm) -> Result<()> {
        match harm {
            Harm::Killed => self.take(master)?.kill(),
            Harm::Frozen => self.of_mut(master)?.signal(Signal::SIGSTOP),
            Harm::Unplugged => lab.plug(master, false),
            Harm::CleanStop => self.take(master)?.stop(),
            Harm::NoRoute | Harm::HandedOver | Harm::TakenOver => bail!("nothing for keepalived"),
        }
    }

    /// Puts right what has befallen the one that was master.
    pub fn heal(&mut self, lab: &Lab, host: Host, harm: Harm) -> Result<()> {
        match harm {
            Harm::Killed => {
                clean_up(lab, host)?;
                self.start(lab, host)
            }
            Harm::CleanStop => self.start(lab, host),
            Harm::Frozen => self.of_mut(host)?.signal(Signal::SIGCONT),
            Harm::Unplugged => lab.plug(host, true),
            Harm::NoRoute | Harm::HandedOver | Harm::TakenOver => bail!("nothing for keepalived"),
        }
    }

    /// What both have logged, for when something is wrong.
    #[must_use]
    pub fn story(&self) -> String {
        let logs = [Host::Director, Host::Standby].map(|host| {
            let log = self.of(host).map(Keepalived::log).unwrap_or_default();
            format!("{host} said:\n{log}")
        });
        logs.join("\n")
    }

    fn of(&self, host: Host) -> Result<&Keepalived> {
        let place = if host == Host::Standby { &self.standby } else { &self.director };
        place.as_ref().with_context(|| format!("no keepalived on {host}"))
    }

    fn of_mut(&mut self, host: Host) -> Result<&mut Keepalived> {
        self.place(host).as_mut().with_context(|| format!("no keepalived on {host}"))
    }

    fn take(&mut self, host: Host) -> Result<Keepalived> {
        self.place(host).take().with_context(|| format!("no keepalived on {host}"))
    }

    fn place(&mut self, host: Host) -> &mut Option<Keepalived> {
        if host == Host::Standby { &mut self.standby } else { &mut self.director }
    }
}

/// Takes away what one that was killed has left: its addresses, its services, and the kernel's thread
/// that tells of connections.
fn clean_up(lab: &Lab, host: Host) -> Result<()> {
    let script = format!(
        "ip addr del {VIP}/32 dev eth0; ip addr del {VIP_V6}/128 dev eth0; ipvsadm --clear; \
         ipvsadm --stop-daemon master; ipvsadm --stop-daemon backup; true"
    );
    lab.run(host, &["sh", "-c", &script]).map(drop)
}

/// Advertisements each 100 ms to the other's IPv4 address, connections told by multicast, and the lab's
/// services of both families.
fn config(host: Host) -> Result<String> {
    let priority = if host == Host::Director { 200 } else { 100 };
    // An instance is of one family; its master has the others, too.
    let excluded = format!("virtual_ipaddress_excluded {{\n  {VIP_V6}/128 dev eth0\n }}");
    let instance = Instance::new("lab", priority, VIP.into())
        .with_peer(other(host)?.address().into())
        .with(&excluded);
    let sync = format!("lvs_sync_daemon eth0 lab id {VRID}");
    let mut text = keepalived_config(host, VRID, &[instance]).replacen(
        "global_defs {",
        &format!("global_defs {{\n {sync}"),
        1,
    );
    for vip in [VIP.into(), VIP_V6.into()] {
        writeln!(text, "virtual_server {vip} 80 {{\n lb_algo wrr\n lb_kind DR\n protocol TCP").ok();
        for (server, weight) in Host::REAL_SERVERS.into_iter().zip(WEIGHTS) {
            let address = server.address_like(vip);
            writeln!(text, " real_server {address} 80 {{\n  weight {weight}\n }}").ok();
        }
        text += "}\n";
    }
    Ok(text)
}

/// The version of keepalived, as it tells it.
pub fn keepalived_version() -> Result<String> {
    let output = output(Command::new(Path::new("keepalived")).arg("--version"))?;
    // On stderr.
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let word = text.split_whitespace().nth(1);
    word.map(|it| it.trim_start_matches('v').to_owned()).context("keepalived tells no version")
}
