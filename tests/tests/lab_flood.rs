//! A flood of SYNs from nowhere, while connections talk.

use std::{
    net::Ipv4Addr,
    os::fd::AsRawFd as _,
    sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow};
use etherparse::PacketBuilder;
use lvs_tests::lab::{Host, Lab, Options, VIP, config};
use nix::sys::{
    resource::{Resource, getrlimit, setrlimit},
    socket::{
        AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrIn, sendto, socket,
    },
};

const CONNECTIONS: usize = 1_000;
const TIME: Duration = Duration::from_secs(10);

/// Sends SYNs of random clients to the VIP until it is told to stop.
fn flood(stop: &AtomicBool, sent: &AtomicU64) -> Result<()> {
    let raw = socket(AddressFamily::Inet, SockType::Raw, SockFlag::empty(), SockProtocol::Raw)?;
    let [a, b, c, d] = VIP.octets();
    let to = SockaddrIn::new(a, b, c, d, 0);
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    while !stop.load(Relaxed) {
        // xorshift64*
        random ^= random >> 12;
        random ^= random << 25;
        random ^= random >> 27;
        let number = random.wrapping_mul(0x2545_f491_4f6c_dd1d);
        let client = Ipv4Addr::from(0x0b00_0000 | (number >> 40) as u32).octets();
        let mut packet = Vec::with_capacity(64);
        PacketBuilder::ipv4(client, VIP.octets(), 64)
            .tcp(number as u16, 80, 1, 64240)
            .syn()
            .write(&mut packet, &[])?;
        // A full queue is no reason to end.
        if sendto(raw.as_raw_fd(), &packet, &to, MsgFlags::empty()).is_ok() {
            sent.fetch_add(1, Relaxed);
        }
    }
    Ok(())
}

#[test]
fn a_flood_of_syns_costs_no_connection() -> Result<()> {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, most, most)?;
    let lab = Lab::up(Options::default())?;
    // The flood is of far more clients than there is room for.
    let text = config(Host::Director, [1, 1, 1])
        .replace("size = 1024", "size = 2048")
        .replace("half_open = 16384", "half_open = 1024");
    let lvsd = lab.start_lvsd(Host::Director, &text)?;
    lvsd.wait_until_up()?;
    let mut connections = Vec::new();
    for _ in 0..CONNECTIONS {
        let mut connection = lab.connect()?;
        let server = connection.request()?;
        connections.push((connection, server));
    }

    let (stop, sent) = (AtomicBool::new(false), AtomicU64::new(0));
    let rounds = thread::scope(|scope| -> Result<u32> {
        let flooding = scope.spawn(|| lab.within(Host::Client, || flood(&stop, &sent))?);
        let talked = talk(&mut connections);
        stop.store(true, Relaxed);
        flooding.join().map_err(|_| anyhow!("the flood panicked"))??;
        talked
    })?;

    // Enough of both, or nothing was shown.
    assert!(sent.load(Relaxed) > 20_000, "{sent:?} SYNs");
    assert!(rounds > 1);
    let rates = lvsd.rates()?;
    assert!(rates["services"][0]["connections_per_s"].as_u64() > Some(100), "{rates:#}");
    let list = lvsd.services()?;
    let active = |server: &serde_json::Value| server["active_connections"].as_u64();
    let servers = list["services"][0]["real_servers"].as_array().context("no servers")?;
    assert_eq!(servers.iter().filter_map(active).sum::<u64>(), CONNECTIONS as u64, "{list:#}");
    Ok(())
}

/// Has each connection ask again and again; the same server must answer. Says how often.
fn talk(connections: &mut [(lvs_tests::lab::Connection, String)]) -> Result<u32> {
    let start = Instant::now();
    let mut rounds = 0;
    while start.elapsed() < TIME {
        for (number, (connection, server)) in connections.iter_mut().enumerate() {
            let answer = connection.request().with_context(|| format!("connection {number}"))?;
            assert_eq!(answer, *server, "connection {number}");
        }
        rounds += 1;
    }
    Ok(rounds)
}
