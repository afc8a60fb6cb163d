//! Two directors with failover between them: director, the master as long as nothing is wrong, and
//! standby.

use std::{fs, time::Duration};

use anyhow::{Context, Result, bail};

use super::{Host, Lab, Lvsd, LvsdCommand, config_of_both, process::wait_for};

/// So long a change of roles may take before it is thought that it never comes.
const SOON: Duration = Duration::from_secs(20);

/// What both are told; `{host}` stands for the name of each.
#[derive(Clone, Debug)]
pub struct PairConfig {
    /// Lines of `[failover]`.
    pub keys: String,
    /// The addresses that each tells, of director and of standby; none: by multicast.
    pub peers: [Vec<String>; 2],
    /// What there is besides, after all else.
    pub more: String,
}

impl Default for PairConfig {
    /// An advertisement each 100 ms, to the other's IPv4 address; who has the higher priority takes over.
    fn default() -> Self {
        Self {
            keys: "vrid = 26\nadvert_interval = \"100ms\"\n".to_owned(),
            peers: [Host::Standby, Host::Director].map(|it| vec![it.address().to_string()]),
            more: String::new(),
        }
    }
}

impl PairConfig {
    /// The usual, with further lines of `[failover]`.
    #[must_use]
    pub fn with(keys: &str) -> Self {
        let usual = Self::default();
        Self { keys: format!("{}{keys}\n", usual.keys), ..usual }
    }

    /// The whole configuration of one of them: the lab's services, of both address families.
    #[must_use]
    pub fn text(&self, host: Host) -> String {
        let Self { keys, peers: [director, standby], more } = self;
        // As many connections as a client that asks 200 times a second makes in five minutes.
        let services = config_of_both(host).replace("size = 1024", "size = 65536");
        let mut text = format!("{services}\n[failover]\n{keys}");
        for (name, priority, peers) in [("director", 200, director), ("standby", 100, standby)] {
            text += &format!("\n[failover.node.{name}]\npriority = {priority}\n");
            if !peers.is_empty() {
                text += &format!("peers = {peers:?}\n");
            }
        }
        (text + more).replace("{host}", host.name())
    }
}

/// The two, as far as they run.
#[derive(Debug)]
pub struct Pair {
    config: PairConfig,
    director: Option<Lvsd>,
    standby: Option<Lvsd>,
}

impl Lab {
    /// Starts an lvsd on each director, and waits until director is master and standby knows it. The web
    /// servers answer at once from now on, whatever else the machine does.
    pub fn start_pair(&self, config: PairConfig) -> Result<Pair> {
        self.hurry_web_servers()?;
        let mut pair = Pair { config, director: None, standby: None };
        pair.start(Host::Director)?;
        pair.wait_for(Host::Director, "master")?;
        pair.start(Host::Standby)?;
        pair.wait_until_settled(Host::Director)?;
        Ok(pair)
    }
}

impl Pair {
    /// What they are told from their next start on.
    pub fn reconfigure(&mut self, config: PairConfig) {
        self.config = config;
    }

    /// Starts the one of a host, which must not run.
    pub fn start(&mut self, host: Host) -> Result<()> {
        let lvsd = LvsdCommand::new(host, &self.config.text(host))?.start()?;
        lvsd.wait_until_up()?;
        *self.place(host) = Some(lvsd);
        Ok(())
    }

    /// The one of a host, which must run.
    pub fn of(&mut self, host: Host) -> Result<&mut Lvsd> {
        self.place(host).as_mut().with_context(|| format!("no lvsd on {host}"))
    }

    /// The one of a host, to be ended.
    pub fn take(&mut self, host: Host) -> Result<Lvsd> {
        self.place(host).take().with_context(|| format!("no lvsd on {host}"))
    }

    /// What the one of a host says of failover.
    pub fn failover(&self, host: Host) -> Result<serde_json::Value> {
        let lvsd = self.look(host).with_context(|| format!("no lvsd on {host}"))?;
        Ok(lvsd.status()?["failover"].clone())
    }

    /// Whether the one of a host says that it is this.
    #[must_use]
    pub fn is(&self, host: Host, role: &str) -> bool {
        self.failover(host).is_ok_and(|it| it["role"] == role)
    }

    /// Waits until the one of a host says that it is this.
    pub fn wait_for(&self, host: Host, role: &str) -> Result<()> {
        let waited =
            wait_for(&format!("{host} as {role}"), SOON, || self.is(host, role).then_some(()));
        waited.with_context(|| self.story())
    }

    /// Waits until this one is master, and the other hears it.
    pub fn wait_until_settled(&self, master: Host) -> Result<()> {
        self.wait_for(master, "master")?;
        let backup = other(master)?;
        self.wait_for(backup, "backup")?;
        let hears = || {
            let peers = self.failover(backup).ok()?["peers"].clone();
            let recent = |it: &serde_json::Value| it["last_advertisement_ms"].as_u64() < Some(150);
            let any = peers
                .as_array()?
                .iter()
                .any(|it| it["last_advertisement_ms"].is_u64() && recent(it));
            any.then_some(())
        };
        wait_for(&format!("{backup} to hear {master}"), SOON, hears)
            .with_context(|| self.story())?;
        self.wait_until_in_sync(backup)
    }

    /// Waits until the one of a host knows all connections of the other, if it is to know them.
    pub fn wait_until_in_sync(&self, backup: Host) -> Result<()> {
        let knows = || {
            let sync = self.failover(backup).ok()?["sync"].clone();
            (sync.is_null() || sync["follows"]["is_in_sync"] == true).then_some(())
        };
        wait_for(&format!("{backup} to be in sync"), SOON, knows).with_context(|| self.story())
    }

    /// What both have logged, for when something is wrong.
    #[must_use]
    pub fn story(&self) -> String {
        let logs = [Host::Director, Host::Standby].map(|host| {
            let log = fs::read_to_string(super::lvsd::log(host)).unwrap_or_default();
            let lines: Vec<_> = log.lines().rev().take(40).collect();
            let lines: Vec<_> = lines.into_iter().rev().collect();
            format!("{host} said:\n{}", lines.join("\n"))
        });
        logs.join("\n")
    }

    fn look(&self, host: Host) -> Option<&Lvsd> {
        if host == Host::Standby { self.standby.as_ref() } else { self.director.as_ref() }
    }

    fn place(&mut self, host: Host) -> &mut Option<Lvsd> {
        if host == Host::Standby { &mut self.standby } else { &mut self.director }
    }

    /// Lets both run on after this is gone.
    pub fn detach(self) {
        for lvsd in [self.director, self.standby].into_iter().flatten() {
            lvsd.detach();
        }
    }
}

/// The other director.
pub fn other(host: Host) -> Result<Host> {
    match host {
        Host::Director => Ok(Host::Standby),
        Host::Standby => Ok(Host::Director),
        Host::Client | Host::Rs1 | Host::Rs2 | Host::Rs3 => bail!("{host} is no director"),
    }
}
