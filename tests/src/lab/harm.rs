//! What can befall a master, and how it is put right.

use std::{fmt, fs, path::Path};

use anyhow::{Context, Result, ensure};
use nix::sys::signal::Signal;

use super::{
    DIRECTORY, Host, Lab, Lvsd, Pair, bpf, host::enter, network::SWITCH, other, process::output,
};

/// The interface of the second way between the directors.
const CROSS: &str = "cross0";

/// Something that makes the other director take over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Harm {
    /// lvsd is killed (SIGKILL).
    Killed,
    /// lvsd is stopped (SIGSTOP), and goes on later.
    Frozen,
    /// The director's cable is pulled out.
    Unplugged,
    /// The director has no route to the other.
    NoRoute,
    /// lvsd ends in order (SIGTERM).
    CleanStop,
    /// Its operator hands over (`lvsctl failover`).
    HandedOver,
    /// The operator of the other takes over (`lvsctl failover --to`).
    TakenOver,
}

impl Harm {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Killed,
        Self::Frozen,
        Self::Unplugged,
        Self::NoRoute,
        Self::CleanStop,
        Self::HandedOver,
        Self::TakenOver,
    ];

    /// Whether the master knows that it gives way, and does so in order: then nothing is lost.
    #[must_use]
    pub const fn is_in_order(self) -> bool {
        match self {
            Self::CleanStop | Self::HandedOver | Self::TakenOver => true,
            Self::Killed | Self::Frozen | Self::Unplugged | Self::NoRoute => false,
        }
    }
}

impl fmt::Display for Harm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Killed => "kill -9",
            Self::Frozen => "kill -STOP",
            Self::Unplugged => "unplugged",
            Self::NoRoute => "no route",
            Self::CleanStop => "clean stop",
            Self::HandedOver => "lvsctl failover",
            Self::TakenOver => "lvsctl failover --to",
        })
    }
}

impl Lab {
    /// Lets it befall the master.
    pub fn harm(&self, pair: &mut Pair, master: Host, harm: Harm) -> Result<()> {
        match harm {
            Harm::Killed => drop(pair.take(master)?.stop_with(Signal::SIGKILL)?),
            Harm::Frozen => pair.of(master)?.signal(Signal::SIGSTOP)?,
            Harm::Unplugged => self.plug(master, false)?,
            Harm::NoRoute => drop(self.run(master, &["ip", "route", "del", "10.77.0.0/24"])?),
            Harm::CleanStop => drop(pair.take(master)?.stop()?),
            Harm::HandedOver => order(pair.of(master)?, &["failover"])?,
            Harm::TakenOver => take_over(pair, other(master)?)?,
        }
        Ok(())
    }

    /// Puts right what has befallen the one that was master; what an operator has wanted, another operator
    /// has to want otherwise.
    pub fn heal(&self, pair: &mut Pair, host: Host, harm: Harm) -> Result<()> {
        match harm {
            Harm::Killed | Harm::CleanStop => pair.start(host)?,
            Harm::Frozen => pair.of(host)?.signal(Signal::SIGCONT)?,
            Harm::Unplugged => self.plug(host, true)?,
            Harm::NoRoute => {
                let address = host.address().to_string();
                let route = ["ip", "route", "add", "10.77.0.0/24", "dev", "eth0", "src", &address];
                self.run(host, &route)?;
            }
            Harm::HandedOver | Harm::TakenOver => take_over(pair, host)?,
        }
        Ok(())
    }

    /// Puts the cable of a host into the switch, or pulls it out.
    pub fn plug(&self, host: Host, is_in: bool) -> Result<()> {
        let state = if is_in { "up" } else { "down" };
        self.run_on_switch(&["ip", "link", "set", "dev", host.name(), state])
    }

    /// Has the switch let no advertisements of a director through any more, or all again; all else comes
    /// and goes.
    pub fn hush(&self, host: Host, is_hushed: bool) -> Result<()> {
        let port = host.name();
        if !is_hushed {
            return self.run_on_switch(&["tc", "qdisc", "del", "dev", port, "clsact"]);
        }
        let file = Path::new(DIRECTORY).join("deaf.o");
        fs::write(&file, bpf::deaf()?)
            .with_context(|| format!("cannot write {}", file.display()))?;
        self.run_on_switch(&["tc", "qdisc", "add", "dev", port, "clsact"])?;
        let file = file.display().to_string();
        let add = ["tc", "filter", "add", "dev", port, "ingress"];
        let program = ["bpf", "direct-action", "object-file", &file, "section", "tc"];
        self.run_on_switch(&[&add[..], &program].concat())
    }

    /// A second way between the two directors, past the switch: `cross0` with 10.78.0.3 and 10.78.0.4.
    pub fn add_cross_cable(&self) -> Result<()> {
        let far = Host::Standby.namespace();
        let add =
            ["ip", "link", "add", CROSS, "type", "veth", "peer", "name", CROSS, "netns", &far];
        self.run(Host::Director, &add)?;
        for (host, address) in [(Host::Director, "10.78.0.3/24"), (Host::Standby, "10.78.0.4/24")] {
            self.run(host, &["ip", "addr", "add", address, "dev", CROSS])?;
            self.run(host, &["ip", "link", "set", "dev", CROSS, "up"])?;
        }
        Ok(())
    }

    /// Runs a command on the switch, which must succeed.
    pub(super) fn run_on_switch(&self, command: &[&str]) -> Result<()> {
        let [program, arguments @ ..] = command else { return Ok(()) };
        let output = output(enter(SWITCH, Path::new(program)).args(arguments))?;
        let error = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{} on the switch: {}", command.join(" "), error.trim());
        Ok(())
    }
}

fn take_over(pair: &mut Pair, host: Host) -> Result<()> {
    order(pair.of(host)?, &["failover", "--to", host.name()])
}

fn order(lvsd: &Lvsd, words: &[&str]) -> Result<()> {
    let output = lvsd.lvsctl(words)?;
    let error = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "lvsctl {}: {}", words.join(" "), error.trim());
    Ok(())
}
