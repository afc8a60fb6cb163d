//! What is wrong, each with its evidence and what to do. Pure.

mod failover;
mod maps;
mod network;
mod real_servers;

use std::{collections::BTreeSet, fmt, net::IpAddr};

use clap::ValueEnum;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Evidence;

/// What the doctor has found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Diagnosis {
    /// So many things were looked at.
    pub checks: usize,
    /// Those that are wrong, the worst first.
    pub findings: Vec<Finding>,
}

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// Its name, the same for ever.
    pub name: Name,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong.
    pub what: String,
    /// What was seen of it.
    pub evidence: String,
    /// What to do.
    pub advice: String,
    /// The real servers that it is about, if it is about some.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub real_servers: Vec<IpAddr>,
}

/// How bad it is.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Packets are lost.
    Problem,
    /// Packets may be lost, or something will go wrong sooner or later.
    Warning,
}

/// What is wrong, in a word.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    JsonSchema,
    ValueEnum,
)]
#[schemars(rename = "FindingName")]
#[serde(rename_all = "kebab-case")]
pub enum Name {
    /// An interface of the director is gone
    InterfaceGone,
    /// An interface of the director is down
    InterfaceDown,
    /// An interface of the director has another MAC than when lvsd started
    InterfaceMacChanged,
    /// An interface that should run the XDP program runs none
    XdpMissing,
    /// An interface that should run the XDP program runs another
    XdpNotOurs,
    /// The XDP program runs in generic mode, and the driver could run it
    XdpGeneric,
    /// An interface does not take frames that the XDP program sends to it
    ExitWithoutXdp,
    /// Frames are merged before the XDP program sees them
    FramesMerged,
    /// VLAN tags are taken off before the XDP program sees them
    TagsHidden,
    /// Frames that come in by one interface are too long for another
    MtuDiffers,
    /// A VIP is on an interface of the director
    VipOnDirector,
    /// The director drops what real servers answer to checks
    RpFilter,
    /// The pins are not on a BPF file system
    NoBpffs,
    /// What is pinned is not what is in use
    Pins,
    /// The maps are not as large as the configuration says
    MapSizes,
    /// The maps are not what they should be
    MapsOutOfSync,
    /// A connection table is nearly full
    ConnectionTableFull,
    /// The clock is wrong
    ClockBehind,
    /// Nothing keeps the clock right
    ClockNotSynchronised,
    /// A virtual service has no real server in service
    NoRealServer,
    /// A real server is out of service
    RealServerDown,
    /// There is no way to a real server
    NoWay,
    /// The MAC of a real server is not known
    MacUnknown,
    /// A real server does not have the VIP
    VipMissing,
    /// Nobody knows whether a real server has the VIP
    VipUnverified,
    /// A real server has the VIP, but nobody listens there
    ServiceRefused,
    /// A real server does not get packets as long as the director sends them
    MtuPath,
    /// A real server says on the network that it has the VIP
    VipAnsweredByRealServer,
    /// Somebody else says on the network that he has the VIP
    VipAnsweredByStranger,
    /// Something that this director needs as a master is wrong
    DirectorUnfit,
    /// Nobody would take over from this director
    NoOtherDirector,
    /// A backup does not know the connections of the master
    StandbyOutOfDate,
    /// Another director has other virtual services
    ServicesDiffer,
    /// Advertisements are not signed
    AdvertisementsNotSigned,
    /// Something was not taken for an advertisement
    AdvertisementsRefused,
    /// Two directors were master at the same time
    SplitBrain,
    /// Advertisements come late
    LateAdvertisements,
    /// Advertisements don't go out by one of the ways
    FailoverWay,
    /// Failover has no real-time priority
    NotRealTime,
    /// Something could not be looked at
    NotLookedAt,
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_possible_value().map_or(Ok(()), |value| f.write_str(value.get_name()))
    }
}

/// What explains that a real server is out of service.
const CAUSES: [Name; 5] =
    [Name::VipOnDirector, Name::RpFilter, Name::NoWay, Name::MacUnknown, Name::VipMissing];

/// Finds what is wrong.
#[must_use]
pub fn examine(evidence: &Evidence) -> Diagnosis {
    let looks: Vec<Look> = network::looks(evidence)
        .into_iter()
        .chain(maps::looks(evidence))
        .chain(real_servers::looks(evidence))
        .chain(failover::looks(evidence))
        .collect();
    let checks = looks.len();
    let mut findings: Vec<_> = looks.into_iter().flatten().collect();
    let causes = findings.iter().filter(|it| CAUSES.contains(&it.name));
    let explained: BTreeSet<_> = causes.flat_map(|it| it.real_servers.clone()).collect();
    findings.retain(|it| {
        it.name != Name::RealServerDown
            || !it.real_servers.iter().all(|address| explained.contains(address))
    });
    findings.sort_by_key(|it| it.severity);
    Diagnosis { checks, findings }
}

/// One thing that was looked at, and what was wrong with it.
type Look = Option<Finding>;

impl Finding {
    fn problem(name: Name, what: String, evidence: String, advice: String) -> Self {
        Self { name, severity: Severity::Problem, what, evidence, advice, real_servers: Vec::new() }
    }

    fn warning(name: Name, what: String, evidence: String, advice: String) -> Self {
        Self { severity: Severity::Warning, ..Self::problem(name, what, evidence, advice) }
    }

    fn about(self, real_servers: impl IntoIterator<Item = IpAddr>) -> Self {
        Self { real_servers: real_servers.into_iter().collect(), ..self }
    }
}

#[cfg(test)]
mod tests;
