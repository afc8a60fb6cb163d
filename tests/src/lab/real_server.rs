//! lvs-realserver on a real server of the lab, in place of what the lab itself has set up there.

use std::{
    fs,
    io::Read as _,
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Output, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use nix::sys::signal::Signal;

use super::{
    DIRECTORY, Host, Lab, VIP, VIP_V6,
    lvsd::program,
    process::{Process, output, wait_for},
};

/// The settings of ARP that the lab gives a real server.
const SETTINGS: [&str; 2] = ["arp_ignore", "arp_announce"];
/// What they are given for.
const SCOPES: [&str; 3] = ["all", "lo", "eth0"];

/// A running lvs-realserver; killed when this is dropped.
#[derive(Debug)]
pub struct RealServer {
    process: Process,
    log: PathBuf,
}

impl Lab {
    /// Takes away what makes a host a real server.
    pub fn forget_vips(&self, host: Host) -> Result<()> {
        for address in [format!("{VIP}/32"), format!("{VIP_V6}/128")] {
            self.run(host, &["ip", "addr", "del", &address, "dev", "lo"])?;
        }
        let set = |(scope, setting)| format!("echo 0 > /proc/sys/net/ipv4/conf/{scope}/{setting}");
        let all = SCOPES.into_iter().flat_map(|scope| SETTINGS.map(|setting| (scope, setting)));
        let script: Vec<_> = all.map(set).collect();
        self.run(host, &["sh", "-e", "-c", &script.join("\n")])?;
        Ok(())
    }

    /// All that lvs-realserver may change on a host, to be compared with what it was before.
    pub fn own_network(&self, host: Host) -> Result<String> {
        let settings = "grep '' /proc/sys/net/ipv4/conf/*/arp_*";
        let script = format!("ip addr show; ip route show table local; {settings}");
        self.run(host, &["sh", "-c", &script])
    }

    /// Starts lvs-realserver on a host with the lab's VIPs, and waits until it has put them there.
    pub fn start_real_server(&self, host: Host) -> Result<RealServer> {
        self.start_real_server_with(host, &[])
    }

    /// The same with further arguments.
    pub fn start_real_server_with(&self, host: Host, arguments: &[&str]) -> Result<RealServer> {
        let log = Path::new(DIRECTORY).join(format!("{host}-realserver.log"));
        let file =
            fs::File::create(&log).with_context(|| format!("cannot create {}", log.display()))?;
        let mut command = real_server(host, "run")?;
        command.args(arguments);
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
        let mut server = RealServer { process: Process::spawn(&mut command)?, log };
        let started =
            wait_for("lvs-realserver", Duration::from_secs(10), || match server.process.exited() {
                Ok(Some(status)) => Some(Err(status)),
                Ok(None) | Err(_) => {
                    server.log().contains("serving load reports").then_some(Ok(()))
                }
            });
        match started {
            Ok(Ok(())) => Ok(server),
            Ok(Err(status)) => bail!("lvs-realserver ended at once, {status}:\n{}", server.log()),
            Err(error) => Err(error.context(server.log())),
        }
    }

    /// Runs a verb of lvs-realserver on a host to its end.
    pub fn real_server(&self, host: Host, verb: &str, arguments: &[&str]) -> Result<Output> {
        output(real_server(host, verb)?.args(arguments))
    }

    /// The load report of a host, as another gets it.
    pub fn load_report(&self, from: Host, of: Host) -> Result<String> {
        self.within(from, || {
            let address = SocketAddr::from((of.address(), 2357));
            let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(2))?;
            stream.set_read_timeout(Some(Duration::from_secs(5)))?;
            let mut text = String::new();
            stream.read_to_string(&mut text)?;
            Ok(text)
        })?
    }
}

impl RealServer {
    /// What it has logged.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Sends a signal and waits for the end.
    pub fn stop_with(mut self, signal: Signal) -> Result<ExitStatus> {
        self.process.signal(signal)?;
        self.process.wait(Duration::from_secs(5))
    }
}

fn real_server(host: Host, verb: &str) -> Result<Command> {
    let mut command = host.command(&program("lvs-realserver")?);
    command.arg("--state").arg(Path::new(DIRECTORY).join(format!("{host}-realserver.json")));
    command.arg(verb);
    if ["run", "check"].contains(&verb) {
        command.args(["--vip", &VIP.to_string(), "--vip", &VIP_V6.to_string()]);
    }
    Ok(command)
}
