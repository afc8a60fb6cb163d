//! How the hash schedulers share clients (and, dh, virtual addresses) out: by the weights, as far as
//! chance goes, and always in the same way.

use std::{collections::BTreeMap, net::Ipv4Addr};

use lvs_userspace::{dataplane::Placement, model::Scheduler};
use proptest::prelude::*;

use crate::{
    Runner as _, frames as f,
    host::HostTables,
    services::{number, place, service},
    world::VIP,
};

const SERVERS: [(u16, u16); 5] = [(1, 1), (2, 2), (3, 3), (4, 1), (5, 3)];

/// The number of the real server that a new connection goes to.
fn server(host: &mut HostTables, client: [u8; 4], vip: [u8; 4], port: u16) -> u16 {
    let mut frame = f::patched(f::tcp_to(vip, port, 80, f::SYN, b""), 26, &client);
    host.run(&mut frame);
    number(&frame)
}

/// How far counts are from shares by weight: chi-square, which for four degrees of freedom is more
/// than 23.5 by chance once in ten thousand times.
fn chi_square(counts: &BTreeMap<u16, u32>) -> f64 {
    let weights: u16 = SERVERS.iter().map(|(_, weight)| weight).sum();
    let total: u32 = counts.values().sum();
    let term = |&(number, weight): &(u16, u16)| {
        let expected = f64::from(total) * f64::from(weight) / f64::from(weights);
        let count = counts.get(&number).copied().unwrap_or_default();
        (f64::from(count) - expected).powi(2) / expected
    };
    SERVERS.iter().map(term).sum()
}

/// Clients as they are: neighbours in a few networks.
fn clients() -> impl Iterator<Item = [u8; 4]> {
    (0..20_000u32).map(|n| (0xc633_6400 + (n / 200) * 0x0001_1000 + n % 200).to_be_bytes())
}

#[test]
fn sh_and_mh_share_clients_out_by_weight() {
    for scheduler in [Scheduler::Sh, Scheduler::Mh] {
        let services = [service(VIP.into(), scheduler, &SERVERS)];
        let mut host = HostTables::new(place(&mut Placement::new(100), &services));
        let mut counts = BTreeMap::new();
        for client in clients() {
            *counts.entry(server(&mut host, client, VIP, 1000)).or_insert(0) += 1;
        }
        // sh has 256 slots, as IPVS has, which give each weight to within half a slot.
        let limit = if scheduler == Scheduler::Sh { 60.0 } else { 23.5 };
        assert!(chi_square(&counts) < limit, "{scheduler}: {counts:?}");
    }
}

#[test]
fn dh_shares_virtual_addresses_out_by_weight() {
    let vips: Vec<_> = (0..2_000u32).map(|n| Ipv4Addr::from(0x0a50_0000 + n)).collect();
    let services: Vec<_> =
        vips.iter().map(|&vip| service(vip.into(), Scheduler::Dh, &SERVERS)).collect();
    let mut host = HostTables::new(place(&mut Placement::new(20_000), &services));
    let mut counts = BTreeMap::new();
    for vip in &vips {
        let first = server(&mut host, [198, 51, 100, 1], vip.octets(), 1000);
        for client in [2, 3] {
            let next = server(&mut host, [198, 51, 100, client], vip.octets(), 1001);
            assert_eq!(next, first, "all clients of {vip} go to one real server");
        }
        *counts.entry(first).or_insert(0) += 1;
    }
    assert!(chi_square(&counts) < 30.0, "{counts:?}");
}

/// What Maglev is for: when a real server goes, hardly a client of the others moves.
#[test]
fn mh_moves_few_clients() {
    let before = [service(VIP.into(), Scheduler::Mh, &SERVERS)];
    let after = [service(VIP.into(), Scheduler::Mh, &SERVERS[1..])];
    let mut before = HostTables::new(place(&mut Placement::new(100), &before));
    let mut after = HostTables::new(place(&mut Placement::new(100), &after));
    let (mut stayed, mut moved) = (0, 0);
    for client in clients() {
        let old = server(&mut before, client, VIP, 1000);
        let new = server(&mut after, client, VIP, 1000);
        match old {
            1 => {}
            _ if old == new => stayed += 1,
            _ => moved += 1,
        }
    }
    assert!(moved * 20 < stayed, "{moved} moved, {stayed} stayed");
}

proptest! {
    /// A client goes to the same real server from every port, on every director.
    #[test]
    fn a_hash_is_a_hash(client in any::<[u8; 4]>(), ports in any::<[u16; 2]>()) {
        for scheduler in [Scheduler::Sh, Scheduler::Mh] {
            let services = [service(VIP.into(), scheduler, &SERVERS)];
            let servers = ports.map(|port| {
                let mut host = HostTables::new(place(&mut Placement::new(100), &services));
                server(&mut host, client, VIP, port)
            });
            prop_assert_eq!(servers[0], servers[1]);
            prop_assert!(SERVERS.iter().any(|&(number, _)| number == servers[0]));
        }
    }
}
