//! Rules and routes for checks through VIPs.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use futures::TryStreamExt as _;
use rtnetlink::{
    IpVersion, RouteMessageBuilder,
    packet_route::{
        route::{RouteAttribute, RouteMessage},
        rule::{RuleAction, RuleAttribute, RuleMessage},
    },
};

use super::{NetError, Netlink, answer};
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
                answer(self.handle.route().add(route).replace().execute()).await
            }
            (Entry::Route { mark, vip, real_server, interface }, false) => {
                let route = route(mark, vip, real_server, interface);
                answer(self.handle.route().del(route).execute()).await
            }
        };
        match done {
            Err(error) if if add { error.is_there() } else { error.is_gone() } => Ok(()),
            done => done,
        }
    }

    /// Removes all rules and routes of ours, those of a killed lvsd too.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub async fn clear_vip_routes(&self) -> Result<(), NetError> {
        for ipv6 in [false, true] {
            // A kernel without policy routing, or without IPv6, has none of ours either.
            let Ok(rules) = self.rules(ipv6).await else { continue };
            for rule in rules.into_iter().filter(|rule| mark(rule).is_some_and(is_ours)) {
                self.remove_rule(rule).await?;
            }
            let all = match ipv6 {
                false => RouteMessageBuilder::<Ipv4Addr>::new().build(),
                true => RouteMessageBuilder::<Ipv6Addr>::new().build(),
            };
            let routes: Vec<_> =
                answer(self.handle.route().get(all).execute().try_collect()).await?;
            for route in routes.into_iter().filter(|route| table(route).is_some_and(is_ours)) {
                match answer(self.handle.route().del(route).execute()).await {
                    Err(error) if !error.is_gone() => return Err(error),
                    Ok(()) | Err(_) => {}
                }
            }
        }
        Ok(())
    }

    async fn rules(&self, ipv6: bool) -> Result<Vec<RuleMessage>, NetError> {
        let version = if ipv6 { IpVersion::V6 } else { IpVersion::V4 };
        answer(self.handle.rule().get(version).execute().try_collect()).await
    }

    async fn add_rule(&self, mark: u32, ipv6: bool) -> Result<(), NetError> {
        let rule = self.handle.rule().add();
        let rule = rule.fw_mark(mark).table_id(mark).priority(PRIORITY).action(RuleAction::ToTable);
        match ipv6 {
            false => answer(rule.v4().execute()).await,
            true => answer(rule.v6().execute()).await,
        }
    }

    async fn remove_rules(&self, number: u32, ipv6: bool) -> Result<(), NetError> {
        for rule in self.rules(ipv6).await?.into_iter().filter(|it| mark(it) == Some(number)) {
            self.remove_rule(rule).await?;
        }
        Ok(())
    }

    /// Removes a rule, unless somebody else was faster.
    async fn remove_rule(&self, rule: RuleMessage) -> Result<(), NetError> {
        match answer(self.handle.rule().del(rule).execute()).await {
            Err(error) if !error.is_gone() => Err(error),
            Ok(()) | Err(_) => Ok(()),
        }
    }
}

fn table(route: &RouteMessage) -> Option<u32> {
    route.attributes.iter().find_map(|attribute| match attribute {
        RouteAttribute::Table(table) => Some(*table),
        _ => None,
    })
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
