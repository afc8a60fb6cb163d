//! Who is compared: both can be started, harmed and healed alike.

use std::fmt;

use anyhow::Result;
use lvs_tests::lab::{Harm, Host, IpvsPair, Lab, Pair, PairConfig};

/// A kind of director.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Contender {
    /// lvsd.
    Lvsd,
    /// keepalived with the kernel's IPVS.
    Ipvs,
}

impl Contender {
    /// All of them.
    pub(crate) const ALL: [Self; 2] = [Self::Lvsd, Self::Ipvs];

    /// Starts a pair of them, with director as master.
    pub(crate) fn start(self, lab: &Lab) -> Result<Running> {
        Ok(match self {
            Self::Lvsd => Running::Lvsd(lab.start_pair(PairConfig::default())?),
            Self::Ipvs => Running::Ipvs(lab.start_ipvs_pair()?),
        })
    }
}

impl fmt::Display for Contender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Lvsd => "lvsd",
            Self::Ipvs => "keepalived + IPVS",
        })
    }
}

/// A pair that runs.
#[derive(Debug)]
pub(crate) enum Running {
    /// Of lvsd.
    Lvsd(Pair),
    /// Of keepalived.
    Ipvs(IpvsPair),
}

impl Running {
    /// Lets something befall the master.
    pub(crate) fn harm(&mut self, lab: &Lab, master: Host, harm: Harm) -> Result<()> {
        match self {
            Self::Lvsd(pair) => lab.harm(pair, master, harm),
            Self::Ipvs(pair) => pair.harm(lab, master, harm),
        }
    }

    /// Puts right what has befallen it.
    pub(crate) fn heal(&mut self, lab: &Lab, host: Host, harm: Harm) -> Result<()> {
        match self {
            Self::Lvsd(pair) => lab.heal(pair, host, harm),
            Self::Ipvs(pair) => pair.heal(lab, host, harm),
        }
    }

    /// Waits until this one is master, and the other is not.
    pub(crate) fn wait_until_settled(&self, master: Host) -> Result<()> {
        match self {
            Self::Lvsd(pair) => pair.wait_until_settled(master),
            Self::Ipvs(pair) => pair.wait_until_settled(master),
        }
    }

    /// What both have logged.
    pub(crate) fn story(&self) -> String {
        match self {
            Self::Lvsd(pair) => pair.story(),
            Self::Ipvs(pair) => pair.story(),
        }
    }
}
