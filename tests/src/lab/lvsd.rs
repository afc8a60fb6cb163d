//! lvsd on a director of the lab.

use std::{
    env, fs,
    net::IpAddr,
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Output, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::Signal;
use serde_json::Value;

use super::{
    DIRECTORY, Host, VIP, VIP_V6, WEIGHTS,
    process::{Process, output, wait_for},
};

/// So long lvsd may take to be ready: most of it the kernel's, to verify the program, and an emulated
/// processor is slow.
const READY: Duration = Duration::from_secs(60);

/// The lab's configuration: tcp port 80 of the VIP, wrr, with these weights.
#[must_use]
pub fn config(host: Host, weights: [u16; 3]) -> String {
    let mut text = format!(
        r#"[director]
name = "{host}"
interfaces = ["eth0"]
# Few, so that a dump of the tables can be read.
max_real_servers = 15

[connections]
size = 1024
# Room for all that begin when a client asks as fast as it can: else some are not recorded, as in a flood.
half_open = 16384

[[virtual_service]]
address = "{VIP}"
port = 80
protocol = "tcp"
scheduler = "wrr"
"#
    );
    text += &real_servers(VIP.into(), &with(weights));
    text
}

/// [`config`] with the usual weights, and the same service on IPv6.
#[must_use]
pub fn config_of_both(host: Host) -> String {
    let v6 = service(VIP_V6.into(), 80, "tcp", "scheduler = \"wrr\"", &with(WEIGHTS));
    config(host, WEIGHTS) + &v6
}

/// A virtual service for a configuration; `keys` are those that it has besides.
#[must_use]
pub fn service(
    vip: IpAddr,
    port: u16,
    protocol: &str,
    keys: &str,
    servers: &[(Host, u16)],
) -> String {
    format!(
        "\n[[virtual_service]]\naddress = \"{vip}\"\nport = {port}\nprotocol = \"{protocol}\"\n\
         {keys}\n{}",
        real_servers(vip, servers)
    )
}

fn real_servers(vip: IpAddr, servers: &[(Host, u16)]) -> String {
    let section = |(host, weight): &(Host, u16)| {
        let address = host.address_like(vip);
        format!("\n[[virtual_service.real_server]]\naddress = \"{address}\"\nweight = {weight}\n")
    };
    servers.iter().map(section).collect()
}

fn with(weights: [u16; 3]) -> [(Host, u16); 3] {
    std::array::from_fn(|at| (Host::REAL_SERVERS[at], weights[at]))
}

/// The path of a built program, `lvsd` or `lvsctl`: beside the running one.
pub fn program(name: &str) -> Result<PathBuf> {
    let running = env::current_exe().context("cannot find the running program's own path")?;
    // xtask lies beside it, a test one directory deeper.
    running
        .ancestors()
        .skip(1)
        .take(2)
        .map(|directory| directory.join(name))
        .find(|p| p.is_file())
        .with_context(|| {
            let directory = running.parent().unwrap_or(&running);
            format!(
                "{name} is not built (looked in {} and above): run `cargo xtask build`",
                directory.display()
            )
        })
}

/// Where the configuration of a host's lvsd is.
pub(super) fn configuration(host: Host) -> PathBuf {
    Path::new(DIRECTORY).join(format!("{host}.toml"))
}

/// Where the lvsd of a host logs to.
pub(super) fn log(host: Host) -> PathBuf {
    Path::new(DIRECTORY).join(format!("{host}.log"))
}

/// What an lvsd on `host` has set up and not removed, in words; empty when nothing is left of it.
pub fn traces(host: Host) -> Result<Vec<String>> {
    let mut traces = Vec::new();
    let links = output(host.command(Path::new("ip")).args(["-j", "link"]))?;
    let links: Value = serde_json::from_slice(&links.stdout).context("output of ip -j link")?;
    for link in links.as_array().into_iter().flatten() {
        if !link["xdp"].is_null() {
            traces.push(format!("XDP on {}", link["ifname"]));
        }
    }
    let bpffs = host.bpffs();
    if bpffs.exists() {
        traces.push(format!("{}", bpffs.display()));
    }
    let socket = host.socket();
    if socket.exists() {
        traces.push(format!("{}", socket.display()));
    }
    Ok(traces)
}

/// How lvsd is to be run; the defaults are those of the lab.
#[derive(Clone, Debug)]
pub struct LvsdCommand {
    /// On which director.
    pub host: Host,
    /// `--config`.
    pub config: PathBuf,
    /// `--socket`.
    pub socket: PathBuf,
    /// `--bpffs`.
    pub bpffs: PathBuf,
    /// A command that runs the one given to it, such as `setpriv`; empty: none.
    pub wrapper: Vec<String>,
    /// What else it is told.
    pub arguments: Vec<String>,
    /// Where its stderr goes, unless it is [run to its end](Self::output).
    pub log: PathBuf,
}

impl LvsdCommand {
    /// Writes the configuration to a file of the lab.
    pub fn new(host: Host, config: &str) -> Result<Self> {
        let file = configuration(host);
        fs::write(&file, config).with_context(|| format!("cannot write {}", file.display()))?;
        Ok(Self {
            host,
            config: file,
            socket: host.socket(),
            bpffs: host.bpffs(),
            wrapper: Vec::new(),
            arguments: Vec::new(),
            log: log(host),
        })
    }

    /// Starts it and waits until it answers.
    pub fn start(&self) -> Result<Lvsd> {
        let mut lvsd = self.spawn()?;
        lvsd.wait_until_ready()?;
        Ok(lvsd)
    }

    /// Starts it.
    pub fn spawn(&self) -> Result<Lvsd> {
        let log = fs::File::options()
            .create(true)
            .append(true)
            .open(&self.log)
            .with_context(|| format!("cannot open {}", self.log.display()))?;
        let process = Process::spawn(
            self.command()?.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log),
        )?;
        Ok(Lvsd { process, socket: self.socket.clone(), log: self.log.clone() })
    }

    /// Runs it to its end, for when it should not start.
    pub fn output(&self) -> Result<Output> {
        // The limit is for the case that it starts after all.
        let inner = self.command()?;
        let mut command = Command::new("timeout");
        command.arg("10").arg(inner.get_program()).args(inner.get_args());
        output(&mut command)
    }

    fn command(&self) -> Result<Command> {
        let lvsd = program("lvsd")?;
        let mut command = match self.wrapper.split_first() {
            None => self.host.command(&lvsd),
            Some((wrapper, arguments)) => {
                let mut command = self.host.command(Path::new(wrapper));
                command.args(arguments).arg(lvsd);
                command
            }
        };
        command.arg("--config").arg(&self.config).arg("--socket").arg(&self.socket);
        command.arg("--bpffs").arg(&self.bpffs).args(&self.arguments);
        Ok(command)
    }
}

/// A running lvsd; killed when this is dropped.
#[derive(Debug)]
pub struct Lvsd {
    process: Process,
    /// Where it answers.
    pub socket: PathBuf,
    log: PathBuf,
}

impl Lvsd {
    /// Waits until it answers.
    pub fn wait_until_ready(&mut self) -> Result<()> {
        let answer = wait_for("an answer from lvsd", READY, || match self.process.exited() {
            Ok(None) => self.services().ok().map(|_| Ok(())),
            Ok(Some(status)) => Some(Err(status)),
            Err(_) => None,
        });
        match answer {
            Ok(Ok(())) => Ok(()),
            Ok(Err(status)) => bail!("lvsd ended at once, {status}:\n{}", self.log()),
            Err(error) => Err(error.context(format!("lvsd said:\n{}", self.log()))),
        }
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// What it has written to stderr since the lab is up.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default().trim_end().to_owned()
    }

    /// Its table (`lvsctl list --json`).
    pub fn services(&self) -> Result<Value> {
        self.ask("list")
    }

    /// What it says of itself (`lvsctl status --json`).
    pub fn status(&self) -> Result<Value> {
        self.ask("status")
    }

    /// How fast its counters go (`lvsctl rates --json`).
    pub fn rates(&self) -> Result<Value> {
        self.ask("rates")
    }

    /// How many packets met a fate.
    pub fn fate(&self, name: &str) -> Result<u64> {
        let status = self.status()?;
        let fates = status["fates"].as_array().into_iter().flatten();
        let fate = fates.into_iter().find(|fate| fate["name"] == name);
        fate.and_then(|fate| fate["packets"].as_u64()).with_context(|| format!("no fate {name}"))
    }

    /// Runs lvsctl against it.
    pub fn lvsctl(&self, arguments: &[&str]) -> Result<Output> {
        output(Command::new(program("lvsctl")?).arg("--socket").arg(&self.socket).args(arguments))
    }

    /// What lvsctl says to this, as JSON.
    fn ask(&self, verb: &str) -> Result<Value> {
        let output = self.lvsctl(&[verb, "--json"])?;
        ensure!(
            output.status.success(),
            "lvsctl {verb} --json: {}: {}",
            output.status,
            String::from_utf8_lossy(&output.stderr).trim()
        );
        Ok(serde_json::from_slice(&output.stdout)?)
    }

    /// Waits until it can reach every real server.
    pub fn wait_until_up(&self) -> Result<()> {
        wait_for("reach of every real server", READY, || {
            let list = self.services().ok()?;
            let mut servers = list["services"]
                .as_array()?
                .iter()
                .flat_map(|service| service["real_servers"].as_array())
                .flatten();
            servers.all(|server| server["health"] == "up").then_some(())
        })
        .with_context(|| format!("lvsd said:\n{}", self.log()))
    }

    /// Sends it a signal.
    pub fn signal(&mut self, signal: Signal) -> Result<()> {
        self.process.signal(signal)
    }

    /// Has it read its configuration again.
    pub fn hang_up(&mut self) -> Result<()> {
        self.process.signal(Signal::SIGHUP)
    }

    /// Has it read a new configuration (SIGHUP), and waits until it goes by these weights.
    pub fn reload(&mut self, host: Host, weights: [u16; 3]) -> Result<()> {
        self.reload_text(host, &config(host, weights), |list| {
            let servers = list["services"][0]["real_servers"].as_array();
            let now = servers.into_iter().flatten().map(|server| server["weight"].as_u64());
            now.eq(weights.map(|weight| Some(weight.into())))
        })
    }

    /// Has it read a new configuration, and waits until its table is as it `should` be.
    pub fn reload_text(
        &mut self,
        host: Host,
        text: &str,
        should: impl Fn(&Value) -> bool,
    ) -> Result<()> {
        LvsdCommand::new(host, text)?;
        self.hang_up()?;
        wait_for("the new configuration", Duration::from_secs(5), || {
            should(&self.services().ok()?).then_some(())
        })
    }

    /// Waits for its end.
    pub fn wait(&mut self, within: Duration) -> Result<ExitStatus> {
        self.process.wait(within)
    }

    /// Sends a signal and waits for the end.
    pub fn stop_with(mut self, signal: Signal) -> Result<ExitStatus> {
        self.process.signal(signal)?;
        self.process.wait(Duration::from_secs(5))
    }

    /// Stops it as an init system does: SIGTERM.
    pub fn stop(self) -> Result<ExitStatus> {
        self.stop_with(Signal::SIGTERM)
    }

    /// Kills it, as a crash would.
    pub fn kill(self) -> Result<ExitStatus> {
        self.stop_with(Signal::SIGKILL)
    }

    /// Lets it run on after this is gone.
    pub fn detach(self) {
        self.process.detach();
    }
}
