//! The lab: a client, two directors and three real servers in network namespaces of their own,
//! joined by a switch in another. The machine's own network is not touched.
//!
//! ```text
//!  lvs-client   lvs-director  lvs-standby   lvs-rs1      lvs-rs2      lvs-rs3
//!  10.77.0.2    10.77.0.3     10.77.0.4     10.77.0.11   10.77.0.12   10.77.0.13
//!  eth0         eth0          eth0          eth0         eth0         eth0
//!    |            |             |             |            |            |
//!  --+------------+-------------+-- switch ---+------------+------------+--
//! ```
//!
//! [`Lab::up`] builds it and dropping the [`Lab`] takes it down. What a killed run has left is
//! removed by the next one, and a lock keeps two runs from mixing.

mod bpf;
mod capture;
mod connection;
mod harm;
mod host;
mod hurry;
mod ipvs;
mod keepalived;
mod lock;
pub mod long_file;
mod lvsd;
mod network;
mod pair;
mod process;
mod raw_socket;
mod real_server;
mod status;
mod web;

use std::{
    env, fs, io,
    net::{Ipv4Addr, Ipv6Addr},
    path::Path,
    process::{Command, Output},
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::Signal;

pub use self::{
    capture::Capture,
    connection::Connection,
    harm::Harm,
    host::Host,
    hurry::hurry,
    ipvs::{IpvsPair, keepalived_version},
    keepalived::{Instance, Keepalived, keepalived_config},
    lvsd::{Lvsd, LvsdCommand, config, config_of_both, program, service, traces},
    pair::{Pair, PairConfig, other},
    process::{Process, wait_for},
    raw_socket::RawSocket,
    real_server::RealServer,
    status::{Part, status},
};
use self::{lock::Lock, process::output};

/// The virtual IP address that the real servers and [`config`] have.
pub const VIP: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 100);
/// The same as IPv6.
pub const VIP_V6: Ipv6Addr = Ipv6Addr::new(0xfd77, 0, 0, 0, 0, 0, 0, 0x100);
/// The usual weights of rs1, rs2 and rs3.
pub const WEIGHTS: [u16; 3] = [3, 2, 1];
/// What the client asks for to reach the virtual service.
pub const URL: &str = "http://10.77.0.100/";

/// Where the lab keeps its files while it is up.
const DIRECTORY: &str = "/run/lvs/lab";
/// Where its BPF maps can be pinned, each director's apart.
const BPF_FILE_SYSTEM: &str = "/sys/fs/bpf";

/// Programs of the machine that the lab runs.
const TOOLS: [&str; 13] = [
    "aiosmtpd",
    "bpftool",
    "bridge",
    "curl",
    "dnsmasq",
    "ethtool",
    "ip",
    "keepalived",
    "nginx",
    "nsenter",
    "ping",
    "tc",
    "tcpdump",
];

/// How a [`Lab`] is brought up.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How long to wait for another run to end; tests wait, a person is told at once.
    pub wait: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self { wait: Duration::from_secs(120) }
    }
}

/// The lab, up as long as this lives. Nothing runs on the directors until
/// [`start_lvsd`](Self::start_lvsd).
#[derive(Debug)]
pub struct Lab {
    web_servers: Vec<Process>,
    kept: bool,
    // Last, so that the lock is let go after all else is gone.
    _lock: Lock,
}

impl Lab {
    /// Brings the lab up, after removing what an earlier run has left.
    pub fn up(options: Options) -> Result<Self> {
        let lock = lock(options)?;
        remove_leftovers()?;
        fs::create_dir_all(DIRECTORY).with_context(|| format!("cannot create {DIRECTORY}"))?;

        // From here on, dropping it takes down what has been built.
        let mut lab = Self { web_servers: Vec::new(), kept: false, _lock: lock };
        network::build()?;
        lab.web_servers = web::start()?;
        Ok(lab)
    }

    /// Takes down a lab that was kept, or what is left of one; `false` if there was none.
    pub fn down(options: Options) -> Result<bool> {
        let _lock = lock(options)?;
        if !is_up() {
            return Ok(false);
        }
        remove_leftovers()?;
        Ok(true)
    }

    /// Leaves it running, for a later [`Lab::down`].
    pub fn keep(mut self) {
        self.kept = true;
        for server in self.web_servers.drain(..) {
            server.detach();
        }
    }

    /// A command on `host`, for the caller to complete.
    #[must_use]
    pub fn command(&self, host: Host, program: impl AsRef<Path>) -> Command {
        host.command(program.as_ref())
    }

    /// Runs a command on `host` to its end, whatever that is.
    pub fn exec(&self, host: Host, command: &[&str]) -> Result<Output> {
        let (program, arguments) = command.split_first().context("no command given")?;
        output(host.command(Path::new(program)).args(arguments))
    }

    /// Runs a command on `host`, which must succeed, and returns what it printed.
    pub fn run(&self, host: Host, command: &[&str]) -> Result<String> {
        let output = self.exec(host, command)?;
        ensure!(
            output.status.success(),
            "{} on {host}: {}: {}",
            command.join(" "),
            output.status,
            String::from_utf8_lossy(&output.stderr).trim(),
        );
        Ok(String::from_utf8(output.stdout)?)
    }

    /// Starts a command made by [`command`](Self::command); it is killed when the guard is dropped.
    pub fn spawn(&self, command: &mut Command) -> Result<Process> {
        Process::spawn(command)
    }

    /// Sends a signal to the web server of a real server.
    pub fn signal_web_server(&mut self, host: Host, signal: Signal) -> Result<()> {
        let at = Host::REAL_SERVERS.iter().position(|it| *it == host);
        let server = at.and_then(|at| self.web_servers.get_mut(at));
        server.with_context(|| format!("{host} has no web server"))?.signal(signal)
    }

    /// Gives the web servers real-time priority, so that they answer at once whatever else the machine does.
    pub fn hurry_web_servers(&self) -> Result<()> {
        let mut servers = self.web_servers.iter();
        servers.try_for_each(|it| hurry(it.pid())).context("real-time priority for web servers")
    }

    /// Starts the web server of a real server again.
    pub fn restart_web_server(&mut self, host: Host) -> Result<()> {
        let at = Host::REAL_SERVERS.iter().position(|it| *it == host);
        let server = at.and_then(|at| self.web_servers.get_mut(at));
        *server.with_context(|| format!("{host} has no web server"))? = web::restart(host)?;
        Ok(())
    }

    /// Calls `f` in the network of `host`: sockets that it opens stay there.
    pub fn within<T: Send>(&self, host: Host, f: impl FnOnce() -> T + Send) -> Result<T> {
        host.within(f)
    }

    /// Puts all that `host` sends into a VLAN, and takes what it receives out of one.
    pub fn tag(&self, host: Host, vlan: u16) -> Result<()> {
        self.run(host, &["tc", "qdisc", "add", "dev", "eth0", "clsact"])?;
        for (direction, object) in [("egress", bpf::push(vlan)?), ("ingress", bpf::pop()?)] {
            let file = Path::new(DIRECTORY).join(format!("{host}-{direction}.o"));
            fs::write(&file, object)?;
            let file = file.display().to_string();
            let add = ["tc", "filter", "add", "dev", "eth0", direction];
            let program = ["bpf", "direct-action", "object-file", &file, "section", "tc"];
            self.run(host, &[&add[..], &program].concat())?;
        }
        Ok(())
    }

    /// Runs curl on the client with these arguments; it must succeed. Returns what it received.
    pub fn curl(&self, arguments: &[&str]) -> Result<String> {
        let mut command = vec!["curl", "--silent", "--show-error", "--fail", "--max-time", "5"];
        command.extend(arguments);
        self.run(Host::Client, &command)
    }

    /// Makes `n` requests to the virtual service, each over a connection of its own, and returns
    /// who answered, in order. None may fail.
    pub fn requests(&self, n: usize) -> Result<Vec<String>> {
        if n == 0 {
            return Ok(Vec::new());
        }
        let urls = format!("{URL}?[1-{n}]");
        // Without --fail-early, curl's exit status is that of the last request alone.
        let bodies = self.curl(&["--fail-early", "--header", "Connection: close", &urls])?;
        let answers: Vec<_> = bodies.lines().map(str::to_owned).collect();
        ensure!(answers.len() == n, "{} answers to {n} requests: {answers:?}", answers.len());
        Ok(answers)
    }

    /// Starts lvsd on a director with this configuration and waits until it answers.
    pub fn start_lvsd(&self, host: Host, config: &str) -> Result<Lvsd> {
        LvsdCommand::new(host, config)?.start()
    }

    /// Has lvsd take down what another left on a director.
    pub fn detach_all(&self, host: Host) -> Result<Output> {
        let mut command = host.command(&program("lvsd")?);
        output(command.arg("--detach-all").arg("--bpffs").arg(host.bpffs()))
    }

    /// Runs lvsctl against the director's lvsd.
    pub fn lvsctl(&self, arguments: &[&str]) -> Result<Output> {
        output(
            Command::new(program("lvsctl")?)
                .arg("--socket")
                .arg(Host::Director.socket())
                .args(arguments),
        )
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if !self.kept {
            // A drop can't fail; the next run tries again and reports it.
            remove_leftovers().ok();
        }
    }
}

/// Whether a lab, or a part of one, is there.
#[must_use]
pub fn is_up() -> bool {
    Path::new(DIRECTORY).exists() || network::exists()
}

/// Checks that this can work at all, and keeps others out.
fn lock(options: Options) -> Result<Lock> {
    ensure!(nix::unistd::geteuid().is_root(), "the lab needs root: run it with sudo");
    let path = env::var_os("PATH").unwrap_or_default();
    let is_there = |tool: &&str| env::split_paths(&path).any(|dir| dir.join(tool).exists());
    let missing: Vec<_> = TOOLS.into_iter().filter(|tool| !is_there(tool)).collect();
    ensure!(
        missing.is_empty(),
        "the lab needs {}, not found in {}: `cargo xtask setup` installs what is missing",
        missing.join(", "),
        path.display(),
    );
    fs::create_dir_all("/run/lvs").context("cannot create /run/lvs")?;
    Lock::take(Path::new("/run/lvs/lab.lock"), options.wait)
}

/// Ends every process of the lab, then removes its networks, pins, sockets and files.
fn remove_leftovers() -> Result<()> {
    // The directory says that pins of lvsd's usual name are the lab's own.
    let ours = is_up();
    for host in [Host::Director, Host::Standby] {
        let bpffs = host.bpffs();
        if !ours && bpffs.exists() {
            bail!(
                "{} is in use, by an lvsd on this machine itself: stop it first \
                 (or, if there is none, remove that directory)",
                bpffs.display()
            );
        }
    }

    network::end_processes()?;
    for host in [Host::Director, Host::Standby] {
        remove_if_there(&host.bpffs(), |path| fs::remove_dir_all(path))?;
        remove_if_there(&host.socket(), |path| fs::remove_file(path))?;
    }
    network::remove()?;
    // Last: as long as it is there, what is left is known as the lab's.
    remove_if_there(Path::new(DIRECTORY), |path| fs::remove_dir_all(path))
}

/// Removes `path` if it is there.
fn remove_if_there(path: &Path, how: impl FnOnce(&Path) -> io::Result<()>) -> Result<()> {
    match how(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result.with_context(|| format!("cannot remove {}", path.display())),
    }
}
