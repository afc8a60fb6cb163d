//! What the configuration says of failover.

use std::{collections::BTreeMap, net::IpAddr, path::PathBuf, time::Duration};

use super::{Interval, announce, machine};
use crate::model::ServiceId;

/// The `[failover]` section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The number of the virtual router; the same at all its directors.
    pub vrid: u8,
    /// From one advertisement to the next.
    pub advert_interval: Interval,
    /// Whether to take over from a living master of lower priority.
    pub preempt: bool,
    /// How long to wait before that.
    pub preempt_delay: Duration,
    /// How much longer to listen at the start before taking over from nobody.
    pub start_delay: Duration,
    /// Where the keys are that advertisements are signed with; `None`: they are not.
    pub key_file: Option<PathBuf>,
    /// The TCP port at which directors tell each other of connections; `None`: they do not.
    pub sync_port: Option<u16>,
    /// How the VIPs are announced.
    pub announce: announce::Settings,
    /// What a director must have to be master; `None`: the links that it was given.
    pub track: Option<Vec<Track>>,
    /// What each director has to itself, unless its own part says otherwise.
    pub common: Part,
    /// The parts of directors, by their names.
    pub nodes: BTreeMap<String, Part>,
}

/// What can be another at each director.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// 1 to 254; the highest is master.
    pub priority: Option<u8>,
    /// Whom advertisements are sent to; none: all, by multicast.
    pub peers: Option<Vec<IpAddr>>,
    /// The interfaces that multicast goes out of; `None`: those of the director.
    pub interfaces: Option<Vec<String>>,
}

/// Something that is tracked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Track {
    /// What.
    pub what: Tracked,
    /// So much lower is the priority while it is wrong; `None`: the director is at fault.
    pub priority_step: Option<u8>,
}

/// What can be tracked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tracked {
    /// The link of an interface.
    Interface(String),
    /// The exit status of a program.
    Program(Program),
    /// Whether a service has enough real servers.
    Quorum(ServiceId),
}

/// A program whose exit status is tracked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// The program with its arguments.
    pub command: Vec<String>,
    /// From its end until it is run again.
    pub interval: Duration,
    /// It is killed after so long, which counts as a failure.
    pub timeout: Duration,
    /// So many successes in a row make it right again.
    pub rise: u32,
    /// So many failures in a row make it wrong.
    pub fall: u32,
}

/// How advertisements get to the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ways {
    /// To each of these addresses.
    Unicast(Vec<IpAddr>),
    /// To all, out of each of these interfaces.
    Multicast(Vec<String>),
}

impl Settings {
    /// The port, unless the configuration names another: IPVS's for the same.
    pub const SYNC_PORT: u16 = 8848;

    /// The priority of a director, before anything lowers it.
    #[must_use]
    pub fn priority(&self, director: &str) -> Option<u8> {
        self.own(director).and_then(|it| it.priority).or(self.common.priority)
    }

    /// How the advertisements of a director with such interfaces get to the others.
    #[must_use]
    pub fn ways(&self, director: &str, interfaces: &[String]) -> Ways {
        let own = self.own(director);
        let peers = own.and_then(|it| it.peers.as_ref()).or(self.common.peers.as_ref());
        match peers {
            Some(peers) if !peers.is_empty() => Ways::Unicast(peers.clone()),
            Some(_) | None => {
                let named = own.and_then(|it| it.interfaces.as_ref());
                let named = named.or(self.common.interfaces.as_ref());
                Ways::Multicast(named.map_or_else(|| interfaces.to_vec(), Clone::clone))
            }
        }
    }

    /// What a director with such interfaces tracks.
    #[must_use]
    pub fn tracked(&self, interfaces: &[String]) -> Vec<Track> {
        self.track.clone().unwrap_or_else(|| {
            let interfaces = interfaces.iter().cloned().map(Tracked::Interface);
            interfaces.map(|what| Track { what, priority_step: None }).collect()
        })
    }

    /// What the state machine of a director goes by.
    #[must_use]
    pub fn machine(&self, director: &str) -> machine::Settings {
        machine::Settings {
            // The configuration was checked: there is one.
            priority: self.priority(director).unwrap_or(1),
            interval: self.advert_interval,
            preempt: self.preempt,
            preempt_delay: self.preempt_delay,
            start_delay: self.start_delay,
            peers_confirm: self.key_file.is_some(),
        }
    }

    /// Who takes over from a director that resigns, if all others can: the best of those that have parts
    /// of their own.
    #[must_use]
    pub fn heir(&self, director: &str) -> Option<&str> {
        let others = self.nodes.keys().filter(|name| *name != director);
        others.max_by_key(|name| self.priority(name)).map(String::as_str)
    }

    fn own(&self, director: &str) -> Option<&Part> {
        self.nodes.get(director)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(priority: Option<u8>, peers: Option<&str>) -> Part {
        let peers = peers.map(|it| vec![it.parse().unwrap()]);
        Part { priority, peers, interfaces: None }
    }

    fn settings() -> Settings {
        Settings {
            vrid: 26,
            advert_interval: Interval::SHORTEST,
            preempt: true,
            preempt_delay: Duration::ZERO,
            start_delay: Duration::ZERO,
            key_file: None,
            sync_port: None,
            announce: announce::Settings::default(),
            track: None,
            common: part(Some(100), None),
            nodes: BTreeMap::new(),
        }
    }

    #[test]
    fn a_directors_own_part_comes_first() {
        let interfaces = ["eth0".to_owned()];
        let mut settings = settings();
        assert_eq!(settings.priority("midas"), Some(100));
        assert_eq!(settings.ways("midas", &interfaces), Ways::Multicast(interfaces.to_vec()));
        settings.nodes = BTreeMap::from([
            ("midas".to_owned(), part(Some(200), Some("192.0.2.4"))),
            ("estepe".to_owned(), part(None, None)),
            ("third".to_owned(), part(Some(50), None)),
        ]);
        assert_eq!(settings.priority("midas"), Some(200));
        assert_eq!(settings.priority("estepe"), Some(100));
        let unicast = Ways::Unicast(vec!["192.0.2.4".parse().unwrap()]);
        assert_eq!(settings.ways("midas", &interfaces), unicast);
        assert_eq!(settings.ways("estepe", &interfaces), Ways::Multicast(interfaces.to_vec()));
        assert_eq!(settings.heir("midas"), Some("estepe"));
        assert_eq!(settings.heir("estepe"), Some("midas"));
    }

    #[test]
    fn without_a_word_the_links_are_tracked() {
        let mut settings = settings();
        let eth0 = Track { what: Tracked::Interface("eth0".to_owned()), priority_step: None };
        assert_eq!(settings.tracked(&["eth0".to_owned()]), [eth0]);
        settings.track = Some(Vec::new());
        assert_eq!(settings.tracked(&["eth0".to_owned()]), []);
    }
}
