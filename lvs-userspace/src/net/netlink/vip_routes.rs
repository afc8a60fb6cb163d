//! Rules and routes for checks through VIPs.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use futures::TryStreamExt as _;
use rtnetlink::{
    IpVersion, RouteMessageBuilder,
    packet_core::ErrorMessage,
    packet_route::{
        route::RouteMessage,
        rule::{RuleAction, RuleAttribute, RuleMessage},
    },
};

use super::{NetError, Netlink};
use crate::net::vip_routes::{Entry, Step, is_ours};

/// Before the main table's rule, and after those that administrators mostly make.
const PRIORITY: u32 = 32_000;

impl Netlink {
    /// Makes a change.
    ///
    /// # Errors
    /// When the kernel refuses. What is there already, or gone already, is no error.
    pub async fn change_vip_route(&self, step: &Step) -> Result<(), NetError> {
        let (entry, add) = match step {
            Step::Add(entry) => (entry, true),
            Step::Remove(entry) => (entry, false),
        };
        let done = match (*entry, add) {
            (Entry::Rule { mark, ipv6 }, true) => self.add_rule(mark, ipv6).await,
            (Entry::Rule { mark, ipv6 }, false) => self.remove_rules(mark, ipv6).await,
            (Entry::Route { mark, vip, real_server, interface }, true) => {
                let route = route(mark, vip, real_server, interface);
                self.handle.route().add(route).replace().execute().await
            }
            (Entry::Route { mark, vip, real_server, interface }, false) => {
                let route = route(mark, vip, real_server, interface);
                self.handle.route().del(route).execute().await
            }
        };
        match done {
            Err(rtnetlink::Error::NetlinkError(error)) if is_done(&error, add) => Ok(()),
            done => done.map_err(NetError::from),
        }
    }

    /// Removes all rules of ours, those of a killed lvsd too. Its tables are then used by nobody, and
    /// what is in them is replaced.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub async fn clear_vip_routes(&self) -> Result<(), NetError> {
        for ipv6 in [false, true] {
            let version = if ipv6 { IpVersion::V6 } else { IpVersion::V4 };
            // A kernel without policy routing has none of ours either.
            let Ok(rules) = self.handle.rule().get(version).execute().try_collect::<Vec<_>>().await
            else {
                continue;
            };
            for rule in rules {
                if mark(&rule).is_some_and(is_ours) {
                    self.handle.rule().del(rule).execute().await?;
                }
            }
        }
        Ok(())
    }

    async fn add_rule(&self, mark: u32, ipv6: bool) -> Result<(), rtnetlink::Error> {
        let rule = self.handle.rule().add();
        let rule = rule.fw_mark(mark).table_id(mark).priority(PRIORITY).action(RuleAction::ToTable);
        if ipv6 { rule.v6().execute().await } else { rule.v4().execute().await }
    }

    async fn remove_rules(&self, number: u32, ipv6: bool) -> Result<(), rtnetlink::Error> {
        let version = if ipv6 { IpVersion::V6 } else { IpVersion::V4 };
        let rules: Vec<_> = self.handle.rule().get(version).execute().try_collect().await?;
        for rule in rules.into_iter().filter(|rule| mark(rule) == Some(number)) {
            self.handle.rule().del(rule).execute().await?;
        }
        Ok(())
    }
}

fn mark(rule: &RuleMessage) -> Option<u32> {
    rule.attributes.iter().find_map(|attribute| match attribute {
        RuleAttribute::FwMark(mark) => Some(*mark),
        _ => None,
    })
}

fn route(table: u32, vip: IpAddr, real_server: IpAddr, interface: u32) -> RouteMessage {
    match (vip, real_server) {
        (IpAddr::V4(vip), IpAddr::V4(real_server)) => RouteMessageBuilder::<Ipv4Addr>::new()
            .destination_prefix(vip, 32)
            .gateway(real_server)
            .output_interface(interface)
            .table_id(table)
            .build(),
        (vip, real_server) => RouteMessageBuilder::<Ipv6Addr>::new()
            .destination_prefix(v6(vip), 128)
            .gateway(v6(real_server))
            .output_interface(interface)
            .table_id(table)
            .build(),
    }
}

/// Service and real server are of the same family, so this changes nothing.
fn v6(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    }
}

/// Whether an error says that it was done before.
fn is_done(error: &ErrorMessage, add: bool) -> bool {
    let errno = error.raw_code().abs();
    if add { errno == libc::EEXIST } else { [libc::ESRCH, libc::ENOENT].contains(&errno) }
}
