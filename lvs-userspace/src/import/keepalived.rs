//! keepalived.conf: its virtual servers with their checkers, and its VRRP.
//!
//! What the keywords mean is in keepalived.conf(5); what they mean when they are not there, mostly in
//! what `keepalived --config-test` says. Real servers are those of direct routing alone.

mod checker;
mod group;
mod real_server;
mod report;
mod server;
mod syntax;
mod values;
mod vrrp;

use std::{net::IpAddr, time::Duration};

use super::{ADJUST_INTERFACES, Draft, Line};
use crate::config::{Config, Timeouts};
use group::Groups;
use report::Report;
use server::Servers;
use syntax::Statement;
use vrrp::{Globals, Instances};

/// How long a connection may be silent at most, in seconds.
const LONGEST_TIMEOUT: u64 = 6 * 3600;

pub(super) fn import(text: &str, director: &str) -> Result<Draft, Vec<Line>> {
    let mut report = Report::default();
    // The first part of the node's name, unless keepalived was started with --config-id.
    let machine = director.split('.').next().unwrap_or_default();
    let statements = syntax::parse(text, machine, &mut report);
    let mut draft = Draft::new(director);
    let config = &mut draft.config;
    let mut globals = Globals::default();
    let mut groups = Groups::new();
    for statement in &statements {
        match statement.keyword.as_str() {
            "global_defs" => global_defs(statement, config, &mut globals, &mut report),
            "virtual_server_group" => groups.extend(group::group(statement, &mut report)),
            "virtual_server" | "vrrp_instance" | "vrrp_script" => {}
            _ => report.nothing_like(statement),
        }
    }
    let instances = Instances::read(&statements, globals, &mut report);
    let interfaces = instances.interfaces();
    if interfaces.is_empty() {
        draft.notes.push(ADJUST_INTERFACES);
    } else {
        config.director.interfaces = interfaces;
    }
    let mut servers = Servers::new(config, &groups);
    for statement in statements.iter().filter(|it| it.keyword == "virtual_server") {
        servers.add(statement, &mut report);
    }
    instances.carry(&mut draft, &mut report);
    draft.left_out = report.left_out;
    if report.errors.is_empty() { Ok(draft) } else { Err(report.errors) }
}

fn global_defs(
    statement: &Statement,
    config: &mut Config,
    globals: &mut Globals,
    report: &mut Report,
) {
    for it in &statement.block {
        match it.keyword.as_str() {
            "router_id" => {
                let Some(name) = it.one(report) else { continue };
                if name.trim().is_empty() {
                    report.error(it.line, "router_id: it is empty".to_owned());
                } else {
                    config.director.name = name.to_owned();
                }
            }
            "lvs_timeouts" => timeouts(it, &mut config.connections.timeouts, report),
            _ if globals.take(it, report) => {}
            _ => report.nothing_like(it),
        }
    }
}

/// How long connections may be silent.
fn timeouts(statement: &Statement, timeouts: &mut Timeouts, report: &mut Report) {
    for pair in statement.arguments.chunks(2) {
        let timeout = match pair {
            [name, _] if name == "tcp" => &mut timeouts.established,
            [name, _] if name == "tcpfin" => &mut timeouts.fin_wait,
            [name, _] if name == "udp" => &mut timeouts.udp,
            _ => {
                let message = format!("lvs_timeouts: {:?} is none", pair.join(" "));
                return report.error(statement.line, message);
            }
        };
        if let Some(seconds) = statement.number_of(&pair[1], 1..=LONGEST_TIMEOUT, report) {
            *timeout = Duration::from_secs(seconds);
        }
    }
}

fn address(text: &str) -> Result<IpAddr, String> {
    text.parse().map_err(|_| format!("{text:?} is no IP address"))
}

fn port(text: &str) -> Result<u16, String> {
    text.parse().map_err(|_| format!("{text:?} is no port"))
}

#[cfg(test)]
mod tests;
