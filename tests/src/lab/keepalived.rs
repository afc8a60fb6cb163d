//! keepalived on a director of the lab: the VRRP that others run.

use std::{
    fmt::Write as _,
    fs,
    net::IpAddr,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};

use super::{
    DIRECTORY, Host, Lab,
    process::{Process, output, wait_for},
};

/// A virtual router of keepalived: its `vrrp_instance`, for the addresses of one family.
#[derive(Clone, Debug)]
pub struct Instance {
    /// Its name.
    pub name: String,
    /// 1 to 254.
    pub priority: u8,
    /// Whom advertisements are sent to; none: all, by multicast.
    pub peers: Vec<IpAddr>,
    /// The addresses that its master has.
    pub vips: Vec<IpAddr>,
    /// What else it is told, a line each.
    pub lines: Vec<String>,
}

impl Instance {
    /// One that speaks to all.
    #[must_use]
    pub fn new(name: &str, priority: u8, vip: IpAddr) -> Self {
        let (peers, lines) = (Vec::new(), Vec::new());
        Self { name: name.to_owned(), priority, peers, vips: vec![vip], lines }
    }

    /// It speaks to this one alone.
    #[must_use]
    pub fn with_peer(mut self, peer: IpAddr) -> Self {
        self.peers.push(peer);
        self
    }

    /// It is told this, too.
    #[must_use]
    pub fn with(mut self, line: &str) -> Self {
        self.lines.push(line.to_owned());
        self
    }

    fn text(&self, host: Host, vrid: u8) -> String {
        let Self { name, priority, peers, vips, lines } = self;
        let mut text = format!(
            "vrrp_instance {name} {{\n interface eth0\n state BACKUP\n virtual_router_id {vrid}\n \
             priority {priority}\n advert_int 0.1\n"
        );
        if let Some(&peer) = peers.first() {
            writeln!(text, " unicast_src_ip {}\n unicast_peer {{", host.address_like(peer)).ok();
            for peer in peers {
                writeln!(text, "  {peer}").ok();
            }
            // By itself it sends IPv6 with a hop limit of 64, which the RFC has others refuse.
            text += " }\n unicast_ttl 255\n";
        }
        for line in lines {
            writeln!(text, " {line}").ok();
        }
        text += " virtual_ipaddress {\n";
        for vip in vips {
            let length = if vip.is_ipv4() { 32 } else { 128 };
            writeln!(text, "  {vip}/{length} dev eth0").ok();
        }
        text + " }\n}\n"
    }
}

/// A configuration: version 3, an advertisement each 100 ms, and all instances of one `vrid` that follow
/// one another.
#[must_use]
pub fn keepalived_config(host: Host, vrid: u8, instances: &[Instance]) -> String {
    let mut text = format!("global_defs {{\n router_id {host}\n vrrp_version 3\n}}\n");
    if instances.len() > 1 {
        let names: Vec<_> = instances.iter().map(|it| it.name.as_str()).collect();
        writeln!(text, "vrrp_sync_group all {{\n group {{ {} }}\n}}", names.join("\n ")).ok();
    }
    for instance in instances {
        text += &instance.text(host, vrid);
    }
    text
}

/// A running keepalived with its children; all are killed when this is dropped.
#[derive(Debug)]
pub struct Keepalived {
    process: Process,
    host: Host,
    log: PathBuf,
}

impl Lab {
    /// Starts keepalived on a director with this configuration, and waits until it takes part in VRRP.
    /// `arguments` are those that it has besides.
    pub fn start_keepalived(
        &self,
        host: Host,
        config: &str,
        arguments: &[&str],
    ) -> Result<Keepalived> {
        let path = |name: &str| Path::new(DIRECTORY).join(format!("{host}-keepalived{name}"));
        let (file, log) = (path(".conf"), path(".log"));
        fs::write(&file, config).with_context(|| format!("cannot write {}", file.display()))?;
        let output =
            fs::File::create(&log).with_context(|| format!("cannot create {}", log.display()))?;
        let mut command = host.command(Path::new("keepalived"));
        // In the foreground, and all of its own under the lab's directory.
        command.args(["--dont-fork", "--log-console", "--log-detail", "--no-syslog"]);
        command.arg("--use-file").arg(&file).arg("--pid").arg(path(".pid"));
        command.arg("--vrrp_pid").arg(path("-vrrp.pid"));
        command.arg("--checkers_pid").arg(path("-checkers.pid")).args(arguments);
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        let mut keepalived = Keepalived { process: Process::spawn(&mut command)?, host, log };
        let started =
            wait_for("keepalived", Duration::from_secs(10), || match keepalived.process.exited() {
                Ok(Some(status)) => Some(Err(status)),
                Ok(None) | Err(_) => {
                    keepalived.log().contains("Entering BACKUP STATE").then_some(Ok(()))
                }
            });
        match started {
            Ok(Ok(())) => Ok(keepalived),
            Ok(Err(status)) => bail!("keepalived ended, {status}:\n{}", keepalived.log()),
            Err(error) => Err(error.context(keepalived.log())),
        }
    }
}

impl Keepalived {
    /// What it has logged.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Whether its host has an address, as that of a master has the VIP.
    pub fn has(&self, vip: IpAddr) -> Result<bool> {
        let mut command = self.host.command(Path::new("ip"));
        let output = output(command.args(["-oneline", "addr", "show", "dev", "eth0"]))?;
        let address = format!(" {vip}/");
        Ok(String::from_utf8_lossy(&output.stdout).contains(&address))
    }

    /// Sends a signal to all of its processes.
    pub fn signal(&mut self, signal: Signal) -> Result<()> {
        // Not reaped yet, so the group is still its own.
        if self.process.exited()?.is_none() {
            killpg(Pid::from_raw(self.process.pid().cast_signed()), signal)?;
        }
        Ok(())
    }

    /// Stops it as an init system does: it is told, and ends its children.
    pub fn stop(mut self) -> Result<()> {
        self.process.signal(Signal::SIGTERM)?;
        self.process.wait(Duration::from_secs(10)).with_context(|| self.log())?;
        Ok(())
    }

    /// Kills all of its processes at once. What it has done to the network stays.
    pub fn kill(mut self) -> Result<()> {
        self.signal(Signal::SIGKILL)?;
        self.process.wait(Duration::from_secs(5))?;
        Ok(())
    }
}

impl Drop for Keepalived {
    fn drop(&mut self) {
        // It fails only when all have ended, and that is what is wanted.
        self.signal(Signal::SIGKILL).ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::{VIP, VIP_V6};

    #[test]
    fn instances_of_two_families_fail_over_together() {
        let peer = Host::Director.address().into();
        let four = Instance::new("four", 100, VIP.into()).with_peer(peer).with("nopreempt");
        let alone = keepalived_config(Host::Standby, 26, std::slice::from_ref(&four));
        let expected = "\
global_defs {
 router_id standby
 vrrp_version 3
}
vrrp_instance four {
 interface eth0
 state BACKUP
 virtual_router_id 26
 priority 100
 advert_int 0.1
 unicast_src_ip 10.77.0.4
 unicast_peer {
  10.77.0.3
 }
 unicast_ttl 255
 nopreempt
 virtual_ipaddress {
  10.77.0.100/32 dev eth0
 }
}
";
        assert_eq!(alone, expected);
        let six = Instance::new("six", 100, VIP_V6.into());
        let both = keepalived_config(Host::Standby, 26, &[four, six]);
        assert!(both.contains("vrrp_sync_group all {\n group { four\n six }\n}"), "{both}");
        assert!(both.contains("  fd77::100/128 dev eth0\n"), "{both}");
    }
}
