//! `virtual_server`.

use std::{collections::BTreeSet, net::Ipv4Addr, time::Duration};

use lvs_common::limits;

use super::{
    checker::{self, Timing},
    group::{Addresses, Groups},
    real_server::{Elsewhere, NOT_DIRECT, Real, Usual, is_direct, said},
    report::Report,
    syntax::Statement,
};
use crate::{
    config::{Config, Persistence, RealServer, VirtualService},
    health::Check,
    import::{refusal, scheduler},
    model::{Protocol, Scheduler, ServiceId},
};

/// What `persistence_timeout` alone means, in seconds.
const PERSISTENCE: u32 = 360;
const LONGEST_PERSISTENCE: u32 = 31 * 86_400;
const HIGHEST_QUORUM: u32 = u32::MAX / 2;

/// Adds services to a configuration.
pub(super) struct Servers<'a> {
    config: &'a mut Config,
    groups: &'a Groups,
    seen: BTreeSet<ServiceId>,
    /// What there is room for.
    services: usize,
    real_servers: usize,
}

impl<'a> Servers<'a> {
    pub(super) fn new(config: &'a mut Config, groups: &'a Groups) -> Self {
        let (services, real_servers) = (limits::SERVICES, limits::REAL_SERVERS);
        Self { config, groups, seen: BTreeSet::new(), services, real_servers }
    }

    /// Adds what a `virtual_server` says: a service at each of its addresses.
    pub(super) fn add(&mut self, statement: &Statement, report: &mut Report) {
        let carried = report.carry(statement, |report| {
            let everywhere = addresses(statement, self.groups, report)?;
            Ok((everywhere, VirtualServer::read(statement, report)?))
        });
        let Some((everywhere, server)) = carried else { return };
        let n: usize = everywhere.iter().map(|it| it.count(limits::SERVICES + 1)).sum();
        let per_service = server.real_servers.len() + usize::from(server.sorry_server.is_some());
        let n_real_servers = n.saturating_mul(per_service);
        let (Some(services), Some(real_servers)) =
            (self.services.checked_sub(n), self.real_servers.checked_sub(n_real_servers))
        else {
            let (services, real_servers) = (limits::SERVICES, limits::REAL_SERVERS);
            let message = format!(
                "with it there are more than {services} services, or {real_servers} real servers in them"
            );
            return report.error(statement.line, message);
        };
        (self.services, self.real_servers) = (services, real_servers);
        for addresses in everywhere {
            for address in addresses.iter() {
                let id = ServiceId { protocol: server.protocol, address, port: addresses.port };
                if !self.seen.insert(id) {
                    report.leave_out(statement, format!("{id} is there twice"));
                    continue;
                }
                let service = server.at(id, report);
                if service.real_servers.is_empty() {
                    report.leave_out(statement, format!("{id}: it has no real servers"));
                } else if let Some(why) = refusal(&service) {
                    report.leave_out(statement, why);
                } else {
                    self.config.virtual_services.push(service);
                }
            }
        }
    }
}

/// Where a `virtual_server` is.
fn addresses(
    statement: &Statement,
    groups: &Groups,
    report: &mut Report,
) -> Result<Vec<Addresses>, String> {
    let arguments: Vec<_> = statement.arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["fwmark", ..] => Err("there are no firewall marks".to_owned()),
        ["group", name] => {
            groups.get(*name).cloned().ok_or_else(|| format!("there is no group {name:?}"))
        }
        _ => {
            let (address, port) = statement.address(report).ok_or("it has no address")?;
            Ok(vec![Addresses::one(address, port.unwrap_or(0))])
        }
    }
}

/// What a `virtual_server` says.
struct VirtualServer<'a> {
    protocol: Protocol,
    scheduler: Scheduler,
    one_packet: bool,
    persistence_timeout: Option<u32>,
    persistence_granularity: Option<u8>,
    inhibit: bool,
    quorum: Option<(&'a Statement, u32)>,
    hysteresis: Option<(&'a Statement, u32)>,
    sorry_server: Option<Elsewhere<'a>>,
    real_servers: Vec<Real<'a>>,
}

impl<'a> VirtualServer<'a> {
    fn read(statement: &'a Statement, report: &mut Report) -> Result<Self, String> {
        let mut usual =
            Usual { is_direct: false, weight: 1, virtualhost: None, timing: Timing::default() };
        let mut server = Self {
            protocol: Protocol::Udp,
            scheduler: Scheduler::Wlc,
            one_packet: false,
            persistence_timeout: None,
            persistence_granularity: None,
            inhibit: false,
            quorum: None,
            hysteresis: None,
            sorry_server: None,
            real_servers: Vec::new(),
        };
        let (mut method, mut protocol) = (None, None);
        let mut one_packet = None;
        let mut sorry_server_is_direct = None;
        for it in &statement.block {
            match it.keyword.as_str() {
                _ if usual.timing.take(it, report) => {}
                "protocol" => protocol = it.one(report),
                "lb_kind" | "lvs_method" => {
                    method = Some(it);
                    usual.is_direct = is_direct(it, report);
                }
                "lb_algo" | "lvs_sched" => {
                    let name = it.one(report).and_then(|name| it.or_error(scheduler(name), report));
                    let Some((scheduler, other)) = name else { continue };
                    server.scheduler = scheduler;
                    if let Some(other) = other {
                        report.leave_out(it, other);
                    }
                }
                "ops" => one_packet = Some(it),
                "persistence_timeout" if it.arguments.is_empty() => {
                    server.persistence_timeout = Some(PERSISTENCE);
                }
                "persistence_timeout" => {
                    let timeout = it.number(0..=LONGEST_PERSISTENCE, report);
                    server.persistence_timeout = timeout.filter(|&it| it > 0);
                }
                "persistence_granularity" => {
                    let length = it.one(report).and_then(|text| it.or_error(prefix(text), report));
                    server.persistence_granularity = length;
                }
                "inhibit_on_failure" => server.inhibit = it.yes(report),
                "weight" => usual.weight = it.number(0..=u16::MAX, report).unwrap_or(1),
                "quorum" => {
                    server.quorum =
                        it.number(1..=HIGHEST_QUORUM, report).map(|quorum| (it, quorum));
                }
                "hysteresis" => {
                    let hysteresis = it.number(0..=HIGHEST_QUORUM, report);
                    server.hysteresis = hysteresis.map(|hysteresis| (it, hysteresis));
                }
                "sorry_server" => server.sorry_server = Elsewhere::read(it, report),
                "sorry_server_lvs_method" => sorry_server_is_direct = Some(is_direct(it, report)),
                "virtualhost" => usual.virtualhost = it.one(report),
                "alpha" => checker::alpha(it, report),
                "real_server" => {}
                _ => report.nothing_like(it),
            }
        }
        let servers = || statement.block.iter().filter(|it| it.keyword == "real_server");
        let direct = |it: &Statement| it.keyword == "lvs_method" && it.arguments == ["DR"];
        if !usual.is_direct && !servers().any(|it| it.block.iter().any(direct)) {
            let method = method.map_or("NAT, as it is not said".to_owned(), said);
            return Err(format!("{method}: {NOT_DIRECT}"));
        }
        server.protocol = match protocol.map(str::to_ascii_uppercase).as_deref() {
            Some("TCP") => Protocol::Tcp,
            Some("UDP") => Protocol::Udp,
            Some(_) => return Err("its protocol is neither TCP nor UDP".to_owned()),
            None => {
                report.leave_out(statement, "it has no protocol, which means UDP");
                Protocol::Udp
            }
        };
        server.one_packet = one_packet.is_some() && server.protocol == Protocol::Udp;
        if let Some(it) = one_packet.filter(|_| !server.one_packet) {
            report.leave_out(it, "it is for UDP alone");
        }
        let sorry_is_direct = sorry_server_is_direct.unwrap_or(usual.is_direct);
        if let Some(it) = server.sorry_server.take_if(|_| !sorry_is_direct) {
            report.leave_out(it.statement, NOT_DIRECT);
        }
        server.real_servers = servers()
            .filter_map(|it| report.carry(it, |report| Real::read(it, &usual, report)))
            .collect();
        Ok(server)
    }

    /// The service at one of its addresses.
    fn at(&self, id: ServiceId, report: &mut Report) -> VirtualService {
        let whole = if id.address.is_ipv4() { 32 } else { 128 };
        // Without a port, or with a granularity, there is persistence.
        let needed = id.port == 0 || self.persistence_granularity.is_some();
        let timeout = self.persistence_timeout.or(needed.then_some(PERSISTENCE));
        let mut service = VirtualService {
            scheduler: self.scheduler,
            persistence: timeout.map(|seconds| Persistence {
                timeout: Duration::from_secs(seconds.into()),
                granularity: self.persistence_granularity.unwrap_or(whole),
            }),
            one_packet: self.one_packet,
            sorry_server: self.sorry_server.as_ref().and_then(|it| it.of(id, report)),
            ..VirtualService::new(id)
        };
        let mut inhibit = Vec::new();
        let mut seen = BTreeSet::new();
        for Real { at, server, inhibit: own } in &self.real_servers {
            let Some(address) = at.of(id, report) else { continue };
            if !seen.insert(address) {
                report.leave_out(at.statement, format!("{address} is there twice"));
                continue;
            }
            if address == id.address {
                report.leave_out(at.statement, "this is the virtual address");
                continue;
            }
            let mut server = server.clone();
            if let Some(check) = server.check.as_mut().filter(|it| it.port == Some(id.port)) {
                check.port = None;
            }
            let without_port = |it: &mut Check| id.port == 0 && it.asks_service_port();
            if server.check.take_if(without_port).is_some() {
                report.leave_out(at.statement, "its check has no port to ask, nor has the service");
            }
            service.real_servers.push(server);
            inhibit.push(*own);
        }
        service.check = service.real_servers.iter().find_map(|it| it.check.clone());
        service.inhibit_on_failure = self.inhibit(&inhibit, report);
        (service.quorum, service.quorum_hysteresis) = self.quorum(&service.real_servers, report);
        service
    }

    /// Whether real servers that fail are kept, given what each of them says of it.
    fn inhibit(&self, own: &[Option<(&Statement, bool)>], report: &mut Report) -> bool {
        let each = || own.iter().map(|it| it.map_or(self.inhibit, |(_, inhibit)| inhibit));
        let all = each().next().filter(|first| each().all(|it| it == *first));
        let inhibit = all.unwrap_or(self.inhibit);
        for (statement, _) in own.iter().flatten().filter(|(_, own)| *own != inhibit) {
            report.leave_out(statement, "it is so for all real servers of a service, or for none");
        }
        inhibit
    }

    /// The quorum and its hysteresis; as keepalived has them, no more than can be.
    fn quorum(&self, real_servers: &[RealServer], report: &mut Report) -> (u32, u32) {
        let total: u64 = real_servers.iter().map(|it| u64::from(it.weight.0)).sum();
        let total = u32::try_from(total).unwrap_or(u32::MAX);
        let quorum = self.quorum.map_or(0, |(statement, wanted)| {
            let quorum = wanted.min(total);
            if quorum < wanted {
                report
                    .leave_out(statement, format!("{wanted} becomes {quorum}, the weight of all"));
            }
            quorum
        });
        let hysteresis = self.hysteresis.map_or(0, |(statement, wanted)| {
            let hysteresis = wanted.min(quorum.saturating_sub(1));
            if hysteresis < wanted {
                let message = format!("{wanted} becomes {hysteresis}, less than the quorum");
                report.leave_out(statement, message);
            }
            hysteresis
        });
        (quorum, hysteresis)
    }
}

/// The length of a prefix, or the mask that means it.
fn prefix(text: &str) -> Result<u8, String> {
    let length = match text.parse::<Ipv4Addr>().map(u32::from) {
        Ok(mask) => Some(mask.leading_ones()).filter(|it| *it == mask.count_ones()),
        Err(_) => text.parse().ok().filter(|it| (1..=128).contains(it)),
    };
    let length = length.and_then(|it| u8::try_from(it).ok());
    length.ok_or_else(|| format!("{text:?} is neither a mask nor the length of a prefix"))
}
