//! Looks at the director and asks the real servers: what lvsd knows becomes evidence.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
};

use tokio::net::TcpSocket;

use super::{
    Asked, Clock, Evidence, Known, Reached, RealServer, Seen, Syn, Tried,
    packets::{Asker, Question, everybody},
    probes::{self, Answer, Answered, Probe},
};
use crate::{
    model::{MacAddr, Protocol},
    net::{
        netlink::{Drivers, NetError, Netlink},
        settings,
    },
};

/// A short echo: as long as those of ping(8), with 56 bytes of data.
const SHORT: u32 = 84;
/// A port to which nothing is sent (RFC 863 would throw it away).
const SHOWS_WAY: u16 = 9;

/// Collects the evidence. This takes a second or two.
///
/// # Errors
/// When the kernel does not even tell its interfaces.
pub async fn collect(known: Known, netlink: &Netlink) -> Result<Evidence, NetError> {
    let interfaces = netlink.interfaces().await?;
    let addresses = netlink.addresses().await?;
    let mut seen = Seen {
        interfaces,
        addresses,
        offloads: BTreeMap::new(),
        xdp: BTreeMap::new(),
        rp_filter: BTreeMap::new(),
        routes: BTreeMap::new(),
        no_way: BTreeMap::new(),
        clock: Clock::look(),
        asked: Vec::new(),
        reached: Vec::new(),
        tried: Vec::new(),
        unasked: BTreeMap::new(),
    };
    look(&known, netlink, &mut seen).await?;
    let mut sources = Sources::default();
    let probes = plan(&known, &mut seen, &mut sources);
    let (answered, failed) = probes::ask(probes).await;
    seen.unasked.extend(failed);
    understand(answered, &mut seen);
    Ok(Evidence { known, seen })
}

/// Looks at interfaces, settings and routes.
async fn look(known: &Known, netlink: &Netlink, seen: &mut Seen) -> Result<(), NetError> {
    let mut drivers = Drivers::open()?;
    for interface in &seen.interfaces {
        let rp_filter = settings::effective(&interface.name, "rp_filter", |file| {
            settings::read(file).ok().flatten()
        });
        seen.rp_filter.extend(rp_filter.map(|value| (interface.index, value)));
        let abilities = drivers.xdp(interface.index).await;
        seen.xdp.extend(abilities.map(|abilities| (interface.index, abilities)));
        let offloads = drivers.offloads(&interface.name).await;
        seen.offloads.extend(offloads.map(|offloads| (interface.index, offloads)));
    }
    for vip in vips(known) {
        let towards = netlink.interface_towards(vip).await.ok();
        seen.routes.extend(towards.map(|interface| (vip, interface)));
    }
    for address in known.real_servers.iter().filter(|it| it.way.is_none()).map(|it| it.address) {
        if let Err(error) = netlink.interface_to(address).await {
            seen.no_way.insert(address, error.to_string());
        }
    }
    Ok(())
}

fn vips(known: &Known) -> BTreeSet<IpAddr> {
    known.services.iter().map(|it| it.id.address).collect()
}

/// The VIPs that each real server must have, and the TCP ports that it serves there.
fn duties(known: &Known) -> BTreeMap<IpAddr, BTreeMap<IpAddr, BTreeSet<u16>>> {
    let mut duties: BTreeMap<_, BTreeMap<_, BTreeSet<u16>>> = BTreeMap::new();
    for service in &known.services {
        let members = service.members.iter().map(|it| it.address).chain(service.sorry_server);
        for address in members {
            let ports = duties.entry(address).or_default().entry(service.id.address).or_default();
            if service.id.protocol == Protocol::Tcp && service.id.port != 0 {
                ports.insert(service.id.port);
            }
        }
    }
    duties
}

/// What is to be asked, all of it on interfaces where there are real servers.
fn plan(known: &Known, seen: &mut Seen, sources: &mut Sources) -> Vec<Probe> {
    let mut probes = Vec::new();
    let duties = duties(known);
    // Everybody is asked once on each interface.
    let mut everybody_is_asked = BTreeSet::new();
    for &RealServer { address, way, mac } in &known.real_servers {
        let Some(interface) = way.and_then(|way| seen.interface(way.interface)) else { continue };
        // A packet has two bytes for its length.
        let (index, mtu) = (interface.index, interface.mtu.min(u16::MAX.into()));
        let Some(own) = interface.mac else { continue };
        let asker = match sources.asker(address, own) {
            Ok(asker) => asker,
            Err(error) => {
                seen.unasked.insert(index, format!("no address to ask {address} from: {error}"));
                continue;
            }
        };
        let probe =
            |question, to| Probe { question, asker, real_server: address, interface: index, to };
        for (vip, ports) in duties.get(&address).into_iter().flatten() {
            if everybody_is_asked.insert((index, *vip)) {
                probes.push(probe(Question::Who(*vip), everybody(*vip)));
            }
            let Some(to) = mac else { continue };
            let syn = |port: &u16| Question::Syn(SocketAddr::new(*vip, *port));
            let questions = ports.iter().map(syn).chain([Question::Echo(*vip, SHORT)]);
            probes.extend(questions.map(|question| probe(question, to)));
        }
        if let Some(to) = mac {
            let questions = [SHORT, mtu].map(|length| Question::Echo(address, length));
            probes.extend(questions.map(|question| probe(question, to)));
        }
    }
    probes
}

/// The director's own addresses that questions come from, each with a port that is nobody else's as
/// long as this is there.
#[derive(Default)]
struct Sources(BTreeMap<IpAddr, TcpSocket>);

impl Sources {
    /// As whom a real server is asked.
    fn asker(&mut self, real_server: IpAddr, mac: MacAddr) -> io::Result<Asker> {
        // Without a packet this shows the address that the kernel would take.
        let socket = UdpSocket::bind((any(real_server), 0))?;
        socket.connect((real_server, SHOWS_WAY))?;
        let address = socket.local_addr()?.ip();
        let port = match self.0.get(&address) {
            Some(socket) => socket.local_addr()?.port(),
            None => {
                let socket = match address {
                    IpAddr::V4(_) => TcpSocket::new_v4()?,
                    IpAddr::V6(_) => TcpSocket::new_v6()?,
                };
                socket.bind((address, 0).into())?;
                let port = socket.local_addr()?.port();
                self.0.insert(address, socket);
                port
            }
        };
        Ok(Asker { mac, address, port })
    }
}

fn any(like: IpAddr) -> IpAddr {
    match like {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    }
}

/// Sorts the answers by what they are about.
fn understand(answered: Answered, seen: &mut Seen) {
    let mut reached: BTreeMap<IpAddr, Reached> = BTreeMap::new();
    let mut tried: BTreeMap<(IpAddr, IpAddr), Tried> = BTreeMap::new();
    for (Probe { question, asker, real_server, interface, .. }, answers) in answered {
        let untried = |vip| Tried {
            real_server,
            vip,
            source: asker.address,
            echo: false,
            syn: BTreeMap::new(),
        };
        match question {
            Question::Who(vip) => {
                let owners = answers.into_iter().filter_map(|answer| match answer {
                    Answer::Owner(mac) => Some(mac),
                    Answer::Echo | Answer::Syn(_) => None,
                });
                seen.asked.push(Asked { interface, vip, answered: owners.collect() });
            }
            Question::Echo(of, length) if of == real_server => {
                let nothing = Reached { real_server, echo: false, long_echo: false, mtu: length };
                let reached = reached.entry(real_server).or_insert(nothing);
                reached.mtu = reached.mtu.max(length);
                let answer =
                    if length == SHORT { &mut reached.echo } else { &mut reached.long_echo };
                *answer = !answers.is_empty();
            }
            Question::Echo(vip, _) => {
                let tried = tried.entry((real_server, vip)).or_insert_with(|| untried(vip));
                tried.echo = !answers.is_empty();
            }
            Question::Syn(to) => {
                let answer = answers.iter().find_map(|answer| match answer {
                    Answer::Syn(syn) => Some(*syn),
                    Answer::Owner(_) | Answer::Echo => None,
                });
                let vip = to.ip();
                let tried = tried.entry((real_server, vip)).or_insert_with(|| untried(vip));
                tried.syn.insert(to.port(), answer.unwrap_or(Syn::Silence));
            }
            Question::Reset(_) => {}
        }
    }
    seen.reached = reached.into_values().collect();
    seen.tried = tried.into_values().collect();
}
