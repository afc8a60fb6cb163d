//! What `lvs-realserver` can be told on its command line.

use std::{
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
};

use clap::{Parser, Subcommand};

use super::operator::OperatorState;
use crate::config::realserver::{RealServerConfig, Report, vip};

/// Where the configuration is, if nothing else is said.
const CONFIG: &str = "/etc/lvs/realserver.toml";

/// Makes this machine a real server: puts the virtual IP addresses (VIPs) on loopback, keeps the
/// network from hearing of them, and tells directors how loaded the machine is.
///
/// Exit status: 0 done, or all is well; 1 the answer is no; 2 error. What it logs is set by LVS_LOG
/// (error, warn, info, debug, trace).
#[derive(Debug, Parser)]
#[command(name = "lvs-realserver", version)]
pub struct Args {
    /// Where it is remembered what was changed; files beside it have the operator's state and a lock
    #[arg(long, global = true, value_name = "FILE", default_value = "/run/lvs/realserver.json")]
    pub(super) state: PathBuf,
    #[command(subcommand)]
    pub(super) verb: Verb,
}

impl Args {
    /// What is logged unless LVS_LOG says otherwise.
    #[must_use]
    pub fn log(&self) -> &'static str {
        match self.verb {
            Verb::Run(_) | Verb::Down => "info",
            Verb::Check(_) | Verb::Report(_) | Verb::SetState { .. } | Verb::Status => "error",
        }
    }
}

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Be a real server until SIGTERM, SIGINT or `down`, then put everything back
    Run(Settings),
    /// Put everything back: end the `run` that runs, or clear up after one that was killed
    Down,
    /// Say what is wrong on this machine, a line each, with what to do
    Check(Settings),
    /// Print one load report, for inetd and the like
    Report(Settings),
    /// Say whether this machine is to take connections; the next load report says so
    SetState {
        /// ready: as loaded as it is; drain: no new connections; maint: out of service
        #[arg(value_name = "STATE")]
        wanted: OperatorState,
    },
    /// Show whether it runs, its VIPs and its load report
    Status,
}

/// The configuration, and what takes its place.
#[derive(Debug, clap::Args)]
pub(super) struct Settings {
    /// Configuration file [default: /etc/lvs/realserver.toml, unless there are VIPs]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Virtual IP address, in place of those of the configuration (can be repeated)
    #[arg(long, value_name = "ADDRESS", value_parser = vip)]
    vip: Vec<IpAddr>,
    /// Where load reports are served, or none; if nothing is said, port 2357 of all addresses
    #[arg(long, value_name = "ADDRESS:PORT", value_parser = listen)]
    listen: Option<Listen>,
    /// What they say: cpu, load, memory, several of them with commas, or exec=PROGRAM [default: cpu]
    #[arg(long, value_name = "SOURCE", value_parser = Report::from_argument)]
    report: Option<Report>,
}

/// Where to listen, or nowhere.
#[derive(Clone, Copy, Debug)]
struct Listen(Option<SocketAddr>);

fn listen(text: &str) -> Result<Listen, String> {
    if text == "none" {
        return Ok(Listen(None));
    }
    let address = text.parse().map_err(|_| "expected an address and a port, or none".to_owned());
    address.map(|address| Listen(Some(address)))
}

impl Settings {
    /// The configuration that they make; it may have no VIPs.
    pub(super) fn resolve(self) -> anyhow::Result<RealServerConfig> {
        let usual = Path::new(CONFIG);
        let file = self
            .config
            .or_else(|| (self.vip.is_empty() && usual.exists()).then(|| usual.to_owned()));
        let mut config = match file {
            Some(file) => RealServerConfig::load(&file)?,
            None => RealServerConfig::default(),
        };
        if !self.vip.is_empty() {
            config.vips.clear();
            for vip in self.vip {
                if !config.vips.contains(&vip) {
                    config.vips.push(vip);
                }
            }
        }
        if let Some(Listen(listen)) = self.listen {
            config.listen = listen;
        }
        config.report = self.report.unwrap_or(config.report);
        Ok(config)
    }

    /// The same, with VIPs.
    pub(super) fn resolve_with_vips(self) -> anyhow::Result<RealServerConfig> {
        let config = self.resolve()?;
        anyhow::ensure!(
            !config.vips.is_empty(),
            "no VIPs: name them with --vip, or in {CONFIG} or another file (--config)"
        );
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(arguments: &[&str]) -> anyhow::Result<RealServerConfig> {
        let args = Args::try_parse_from([&["lvs-realserver", "run"], arguments].concat())?;
        let Verb::Run(settings) = args.verb else { panic!("{args:?}") };
        settings.resolve_with_vips()
    }

    #[test]
    fn arguments_take_the_place_of_the_file() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../config/realserver.toml");
        let plain = settings(&["--config", file]).unwrap();
        let vips = ["--vip", "192.0.2.77", "--vip", "2001:db8::77", "--vip", "192.0.2.77"];
        let arguments = [&["--config", file, "--listen", "none", "--report", "load"], &vips[..]];
        let config = settings(&arguments.concat()).unwrap();
        assert_eq!(config.vips.len(), 2);
        assert_eq!(config.listen, None);
        assert_eq!(config.report, Report::from_argument("load").unwrap());
        assert_eq!(config.services, plain.services);
    }

    #[test]
    fn nonsense_is_refused() {
        for arguments in [
            &["--vip", "127.0.0.1"][..],
            &["--vip", "fe80::1"],
            &["--vip", "192.0.2.1", "--listen", "2357"],
            &["--vip", "192.0.2.1", "--report", "disk"],
        ] {
            settings(arguments).expect_err("nonsense");
        }
    }
}
