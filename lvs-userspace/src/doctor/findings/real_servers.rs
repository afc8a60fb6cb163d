//! The real servers, what they answer, and the services that need them.

use std::net::IpAddr;

use super::{Finding, Look, Name};
use crate::{
    director::State,
    doctor::{Asked, Evidence, Member, Reached, RealServer, Service, Syn, Tried},
    model::MacAddr,
    net::netlink::host_prefix,
};

pub(super) fn looks(evidence: &Evidence) -> Vec<Look> {
    let Evidence { known, seen } = evidence;
    let mut looks = Vec::new();
    for service in &known.services {
        looks.push(without_real_server(service, &known.real_servers));
        looks.extend(service.members.iter().map(|member| down(service, member)));
    }
    looks.extend(known.real_servers.iter().map(|it| lost(it, evidence)));
    for tried in &seen.tried {
        looks.push(vip_missing(tried, evidence));
        looks.extend(tried.syn.iter().map(|(port, syn)| refused(tried, *port, *syn, evidence)));
    }
    looks.extend(seen.reached.iter().filter(|it| it.echo).map(|it| too_long(it, evidence)));
    looks.extend(seen.asked.iter().flat_map(|it| answered_for(it, evidence)));
    looks
}

fn without_real_server(service: &Service, all: &[RealServer]) -> Look {
    if service.members.iter().any(|it| it.state == State::Up && it.weight > 0) {
        return None;
    }
    let states: Vec<_> = service
        .members
        .iter()
        .map(|it| {
            let why = it.why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
            format!("{} is {}, weight {}{why}", it.address, it.state, it.weight)
        })
        .collect();
    let evidence = if states.is_empty() { "it has none".into() } else { states.join("; ") };
    let sorry = service
        .sorry_server
        .filter(|address| all.iter().any(|it| it.address == *address && it.mac.is_some()));
    let advice = "see what keeps them out, below or in lvsctl list, or add one".into();
    Some(match sorry {
        None => Finding::problem(
            Name::NoRealServer,
            format!("{} has no real server that takes connections", service.id),
            evidence,
            advice,
        ),
        Some(address) => Finding::warning(
            Name::NoRealServer,
            format!("{} has only its sorry server {address}", service.id),
            evidence,
            advice,
        ),
    })
}

fn down(service: &Service, member: &Member) -> Look {
    (member.state == State::Down).then(|| {
        let Member { address, why, .. } = member;
        Finding::warning(
            Name::RealServerDown,
            format!("{address} is out of service for {}", service.id),
            why.clone().unwrap_or_else(|| "it is down".into()),
            "lvsd has logged the reason; on the real server: lvs-realserver check".into(),
        )
        .about([*address])
    })
}

fn lost(real_server: &RealServer, evidence: &Evidence) -> Look {
    let address = real_server.address;
    let finding = match (real_server.way, real_server.mac) {
        (None, _) => Finding::problem(
            Name::NoWay,
            format!("there is no way to {address}"),
            evidence.seen.no_way.get(&address).cloned().unwrap_or_else(|| "no route".into()),
            "direct routing needs it on a network of the director: give the director an address \
             there"
                .into(),
        ),
        (Some(way), None) => {
            let name = evidence.seen.name(way.interface);
            let asked = if address.is_ipv4() { "ARP" } else { "neighbour solicitations" };
            Finding::problem(
                Name::MacUnknown,
                format!("nobody knows the MAC of {address}"),
                format!("it does not answer {asked} on {name}"),
                format!("see whether it is up, in the network of {name}, and has that address"),
            )
        }
        (Some(_), Some(_)) => return None,
    };
    Some(finding.about([address]))
}

/// What was tried and how, in words.
fn trials(tried: &Tried, evidence: &Evidence) -> String {
    let Tried { real_server, vip, source, .. } = tried;
    let ports: Vec<_> = tried.syn.keys().map(ToString::to_string).collect();
    let syn = match &ports[..] {
        [] => String::new(),
        ports => format!(", nor to SYNs to port {}", ports.join(", ")),
    };
    let own = match reached(*real_server, evidence) {
        Some(Reached { echo: true, .. }) => "answers an echo",
        Some(_) | None => "does not answer an echo either",
    };
    format!(
        "asked by {source} in frames to {}: no answer to an echo of {vip}{syn}; {real_server} {own}",
        place(*real_server, evidence)
    )
}

fn reached(real_server: IpAddr, evidence: &Evidence) -> Option<Reached> {
    evidence.seen.reached.iter().find(|it| it.real_server == real_server).copied()
}

/// The MAC of a real server, and the interface that it is reached by.
fn place(real_server: IpAddr, evidence: &Evidence) -> String {
    let found = evidence.known.real_servers.iter().find(|it| it.address == real_server);
    match found.and_then(|it| Some((it.way?, it.mac?))) {
        Some((way, mac)) => format!("{mac} on {}", evidence.seen.name(way.interface)),
        None => "an unknown MAC".into(),
    }
}

/// Real servers may not answer echo at all: then what they say to a SYN counts.
fn vip_missing(tried: &Tried, evidence: &Evidence) -> Look {
    let Tried { real_server, vip, .. } = *tried;
    if tried.echo || tried.syn.values().any(|syn| *syn != Syn::Silence) {
        return None;
    }
    let prefix = host_prefix(vip);
    let on_it = format!(
        "on {real_server}: lvs-realserver run --vip {vip}, or ip addr add {vip}/{prefix} dev lo"
    );
    let answers = reached(real_server, evidence).is_some_and(|it| it.echo);
    let finding = if answers || !tried.syn.is_empty() {
        Finding::problem(
            Name::VipMissing,
            format!("{real_server} does not have the VIP {vip}, or drops what comes for it"),
            trials(tried, evidence),
            format!("{on_it}; if it is there: its firewall, and its rp_filter"),
        )
    } else {
        Finding::warning(
            Name::VipUnverified,
            format!("nobody knows whether {real_server} has the VIP {vip}"),
            trials(tried, evidence),
            format!("on {real_server}: lvs-realserver check --vip {vip}, or let it answer echo"),
        )
    };
    Some(finding.about([real_server]))
}

/// A real server that fails its checks is found anyway.
fn refused(tried: &Tried, port: u16, syn: Syn, evidence: &Evidence) -> Look {
    let Tried { real_server, vip, source, .. } = *tried;
    let members =
        evidence.known.services.iter().filter(|it| it.id.address == vip && it.id.port == port);
    let is_down = members
        .flat_map(|it| &it.members)
        .any(|it| it.address == real_server && it.state == State::Down);
    (syn == Syn::Refused && !is_down).then(|| {
        Finding::problem(
            Name::ServiceRefused,
            format!("on {real_server} nobody listens on port {port} of the VIP {vip}"),
            format!(
                "a SYN by {source} in a frame to {} was answered with RST",
                place(real_server, evidence)
            ),
            format!(
                "on {real_server}: start the service, and have it listen on {vip} or on all \
                 addresses"
            ),
        )
        .about([real_server])
    })
}

fn too_long(reached: &Reached, evidence: &Evidence) -> Look {
    let Reached { real_server, long_echo, mtu, .. } = *reached;
    (!long_echo).then(|| {
        Finding::problem(
            Name::MtuPath,
            format!("long packets do not get to {real_server}"),
            format!(
                "in frames to {}: a short echo is answered, one of {mtu} bytes, the interface's \
                 MTU, is not",
                place(real_server, evidence)
            ),
            format!("give the director, {real_server} and the switches between them the same MTU"),
        )
        .about([real_server])
    })
}

/// The director itself answers for the VIPs, and nobody else may.
fn answered_for(asked: &Asked, evidence: &Evidence) -> Vec<Look> {
    let Evidence { known, seen } = evidence;
    let own = |mac: &MacAddr| seen.interfaces.iter().any(|it| it.mac == Some(*mac));
    let mut looks: Vec<_> = asked
        .answered
        .iter()
        .filter(|mac| !own(mac))
        .map(|mac| Some(answers_for(asked, *mac, evidence, &known.real_servers)))
        .collect();
    if looks.is_empty() {
        looks.push(None);
    }
    looks
}

fn answers_for(asked: &Asked, mac: MacAddr, evidence: &Evidence, all: &[RealServer]) -> Finding {
    let vip = asked.vip;
    let name = evidence.seen.name(asked.interface);
    let how = if vip.is_ipv4() { "an ARP request" } else { "a neighbour solicitation" };
    let seen = format!("{how} for {vip}, sent on {name}, was answered by {mac}");
    let is_it = |it: &&RealServer| it.mac == Some(mac) && it.address.is_ipv4() == vip.is_ipv4();
    let real_servers: Vec<_> = all.iter().filter(is_it).map(|it| it.address).collect();
    let harm = "so clients go past the director";
    let Some(real_server) = real_servers.first() else {
        return Finding::problem(
            Name::VipAnsweredByStranger,
            format!("{mac} says on the network that it has the VIP {vip}, {harm}"),
            seen,
            format!(
                "find out who that is (ip neigh, the switch's table of MACs), and take {vip} from \
                 it, or have it keep quiet; another director with this VIP: stop one"
            ),
        );
    };
    let advice = if vip.is_ipv4() {
        format!(
            "on {real_server}: lvs-realserver run --vip {vip}, or sysctl -w \
             net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.all.arp_announce=2"
        )
    } else {
        format!("on {real_server}: {vip} is to be on lo, and on no other interface")
    };
    Finding::problem(
        Name::VipAnsweredByRealServer,
        format!("{real_server} says on the network that it has the VIP {vip}, {harm}"),
        seen,
        advice,
    )
    .about(real_servers)
}
