//! `real_server`, and what else a service may send packets to.

use std::net::IpAddr;

use super::{
    checker::{self, Timing},
    report::Report,
    syntax::Statement,
};
use crate::{
    config::{RealServer, can_be_a_host},
    model::{ServiceId, Weight},
};

pub(super) const NOT_DIRECT: &str = "there is direct routing (DR) alone";

/// The address that something is sent to.
pub(super) struct Elsewhere<'a> {
    pub(super) statement: &'a Statement,
    pub(super) address: IpAddr,
    pub(super) port: Option<u16>,
}

/// What a `real_server` says.
pub(super) struct Real<'a> {
    pub(super) at: Elsewhere<'a>,
    pub(super) server: RealServer,
    pub(super) inhibit: Option<(&'a Statement, bool)>,
}

/// What real servers have from their `virtual_server` unless they say otherwise.
pub(super) struct Usual<'a> {
    pub(super) is_direct: bool,
    pub(super) weight: u16,
    pub(super) virtualhost: Option<&'a str>,
    pub(super) timing: Timing,
}

impl<'a> Elsewhere<'a> {
    pub(super) fn read(statement: &'a Statement, report: &mut Report) -> Option<Self> {
        let (address, port) = statement.address(report)?;
        Some(Self { statement, address, port })
    }

    /// The address, if a service can send there.
    pub(super) fn of(&self, service: ServiceId, report: &mut Report) -> Option<IpAddr> {
        let Self { statement, address, port } = self;
        if let Some(port) = port.filter(|&port| port != service.port) {
            let its = service.port;
            let message = format!("port {port}: direct routing can't change the service's, {its}");
            report.leave_out(statement, message);
            return None;
        }
        if address.is_ipv4() != service.address.is_ipv4() {
            report.leave_out(statement, format!("{address} is not of the service's kind"));
            return None;
        }
        can_be_a_host(*address).map_err(|why| report.leave_out(statement, why)).ok()
    }
}

impl<'a> Real<'a> {
    pub(super) fn read(
        statement: &'a Statement,
        usual: &Usual<'_>,
        report: &mut Report,
    ) -> Result<Self, String> {
        let at = Elsewhere::read(statement, report).ok_or("it has no address")?;
        let mut method = None;
        let mut direct = usual.is_direct;
        let mut weight = usual.weight;
        let mut virtualhost = usual.virtualhost;
        let mut timing = Timing::default();
        let mut inhibit = None;
        let mut upper_threshold = 0;
        let mut lower_threshold = None;
        let mut checkers = Vec::new();
        for it in &statement.block {
            match it.keyword.as_str() {
                _ if timing.take(it, report) => {}
                "lvs_method" => {
                    method = Some(it);
                    direct = is_direct(it, report);
                }
                "weight" => weight = it.number(0..=u16::MAX, report).unwrap_or(weight),
                "inhibit_on_failure" => inhibit = Some((it, it.yes(report))),
                "uthreshold" => upper_threshold = it.number(0..=u32::MAX, report).unwrap_or(0),
                "lthreshold" => {
                    lower_threshold = it.number(0..=u32::MAX, report).map(|lower| (it, lower));
                }
                "virtualhost" => virtualhost = it.one(report),
                "alpha" => checker::alpha(it, report),
                keyword if checker::is_checker(keyword) => checkers.push(it),
                _ => report.nothing_like(it),
            }
        }
        if !direct {
            let method = method.map_or("as the service".to_owned(), said);
            return Err(format!("{method}: {NOT_DIRECT}"));
        }
        // As IPVS: three quarters of the upper one.
        let usual_lower = upper_threshold - upper_threshold / 4;
        let lower_threshold = match lower_threshold {
            Some((it, lower)) if lower > upper_threshold => {
                report.leave_out(it, "it is more than uthreshold");
                usual_lower
            }
            Some((_, lower)) if lower > 0 => lower,
            Some(_) | None => usual_lower,
        };
        let timing = timing.or(usual.timing);
        let mut check = None;
        for it in checkers {
            match &check {
                Some((line, _)) => {
                    let message = format!("a real server has one check, that of line {line}");
                    report.leave_out(it, message);
                }
                None => {
                    let read = report.carry(it, |report| {
                        checker::read(it, at.address, timing, virtualhost, report)
                    });
                    check = read.map(|check| (it.line, check));
                }
            }
        }
        let server = RealServer {
            upper_threshold,
            lower_threshold,
            check: check.map(|(_, check)| check),
            ..RealServer::new(at.address, Weight(weight))
        };
        Ok(Self { at, server, inhibit })
    }
}

/// A statement without what its braces hold.
pub(super) fn said(statement: &Statement) -> String {
    format!("{} {}", statement.keyword, statement.arguments.join(" "))
}

/// Whether a method of forwarding is ours.
pub(super) fn is_direct(statement: &Statement, report: &mut Report) -> bool {
    match statement.arguments.first().map(String::as_str) {
        Some("DR") => true,
        Some("NAT" | "TUN") => false,
        _ => {
            report.error(statement.line, format!("{}: expected NAT, DR or TUN", statement.keyword));
            // So that the rest is looked at.
            true
        }
    }
}
