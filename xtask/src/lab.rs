//! `cargo xtask lab`: the lab alone, which stays up until it is told to go.

use std::time::Duration;

use anyhow::{Result, bail};
use lvs_tests::lab::{self, Host, Lab, PairConfig, Part, URL, VIP_V6, program};

use crate::{build, privilege};

/// What to do with the lab.
#[derive(clap::Args)]
pub(crate) struct Options {
    #[command(subcommand)]
    action: Action,
}

#[derive(Clone, Copy, clap::Subcommand)]
enum Action {
    /// Bring it up, with web servers and lvsd on the director, and leave it running
    Up {
        /// With lvsd on the standby, too, which takes over when the director fails
        #[arg(long)]
        failover: bool,
    },
    /// Take it down, or what a killed run has left of it
    Down,
    /// Say what of it is up (exit status 1 if anything is not)
    Status,
}

/// A person is told at once that another run is using the lab.
pub(crate) const AT_ONCE: lab::Options = lab::Options { wait: Duration::ZERO };

/// Does it.
pub(crate) fn main(options: Options) -> Result<()> {
    match options.action {
        Action::Up { failover } => up(failover),
        Action::Down => down(),
        Action::Status => status(),
    }
}

fn up(failover: bool) -> Result<()> {
    build::run(&build::Options::default())?;
    privilege::elevate()?;
    if lab::is_up() {
        eprintln!("lab: takes the place of the one that is there");
    }
    let lab = Lab::up(AT_ONCE)?;
    let hints = if failover {
        lab.start_pair(PairConfig::default())?.detach();
        format!("{}\n{}", hints()?, failover_hints()?)
    } else {
        let lvsd = lab.start_lvsd(Host::Director, &lab::config_of_both(Host::Director))?;
        lvsd.wait_until_up()?;
        lvsd.detach();
        hints()?
    };
    eprintln!("lab: is up, until `cargo xtask lab down`");
    eprintln!("{hints}");
    lab.keep();
    Ok(())
}

fn down() -> Result<()> {
    privilege::elevate()?;
    if Lab::down(AT_ONCE)? {
        eprintln!("lab: is down");
    } else {
        eprintln!("lab: was not up");
    }
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the state is the command's result")]
fn status() -> Result<()> {
    privilege::elevate()?;
    let parts = lab::status();
    for Part { host, what, is_up } in &parts {
        // `host` as text, so that the width holds for it.
        println!("{:<10}{what:<12}{}", host.name(), if *is_up { "up" } else { "down" });
    }
    match parts.iter().filter(|part| !part.is_up).count() {
        0 => Ok(()),
        down if down == parts.len() => bail!("the lab is not up"),
        down => bail!("{down} of the lab's {} parts are down", parts.len()),
    }
}

/// What can be done with a lab that is up.
pub(crate) fn hints() -> Result<String> {
    Ok(format!(
        "  a request:   ip netns exec {} curl {URL} (or http://[{VIP_V6}]/)\n  \
           the table:   {} --socket {} list\n  \
           the maps:    bpftool map dump pinned {}/services",
        Host::Client.namespace(),
        program("lvsctl")?.display(),
        Host::Director.socket().display(),
        Host::Director.bpffs().display(),
    ))
}

/// What can be done with two directors besides.
fn failover_hints() -> Result<String> {
    let (lvsctl, director) = (program("lvsctl")?, Host::Director.socket());
    let (lvsctl, director) = (lvsctl.display(), director.display());
    Ok(format!(
        "  who it is:   {lvsctl} --socket {director} status\n  \
           the other:   {lvsctl} --socket {} status\n  \
           hand over:   {lvsctl} --socket {director} failover",
        Host::Standby.socket().display(),
    ))
}
