//! How the two directors hear of each other: by two ways, by none, and from others who pretend to be one
//! of them.

use std::{
    fs,
    net::{IpAddr, Ipv4Addr},
    os::unix::fs::PermissionsExt as _,
    thread::sleep,
    time::{Duration, Instant, SystemTime},
};

use anyhow::{Context, Result, ensure};
use etherparse::{IpHeaders, IpNumber, Ipv4Header, PacketBuilder};
use lvs_tests::{
    failover::{Outcome, Plan, Trial},
    lab::{Harm, Host, Lab, Options, Pair, PairConfig, RawSocket, VIP, wait_for},
    takeover::Takeover,
};
use lvs_userspace::failover::{
    BY_HAND, Interval, STOPS,
    auth::{Keys, Signer},
    packet::{Advert, Checksum, Ends, HOP_LIMIT, PROTOCOL},
};

const SOON: Duration = Duration::from_secs(20);
/// More than a backup waits for.
const LONG: Duration = Duration::from_secs(1);

/// Nothing has happened: not a request, not a connection was lost.
fn check_calm(outcome: &Outcome, pair: &Pair) -> Result<()> {
    let story =
        || format!("{outcome}\n{:?} {:?}\n{}", outcome.failed, outcome.broken, pair.story());
    ensure!(outcome.two_owners.is_none() && outcome.owners.len() == 1, "owners: {}", story());
    ensure!(
        outcome.failed.is_empty() && outcome.broken.is_empty(),
        "something was lost: {}",
        story()
    );
    check_calm_so_far(pair)
}

/// The same, as far as the directors know.
fn check_calm_so_far(pair: &Pair) -> Result<()> {
    for (host, takeovers) in [(Host::Director, 1), (Host::Standby, 0)] {
        let failover = pair.failover(host)?;
        let is_calm = failover["takeovers"] == takeovers && failover["splits"] == 0;
        ensure!(is_calm, "{host}: {failover}\n{}", pair.story());
    }
    Ok(())
}

/// With two ways between them the death of one is no reason to take over, and who has lost the client's
/// says so by the other.
#[test]
fn one_dead_cable_of_two_is_no_split_brain() -> Result<()> {
    let lab = Lab::up(Options::default())?;
    lab.add_cross_cable()?;
    let peers = [["10.77.0.4", "10.78.0.4"], ["10.77.0.3", "10.78.0.3"]];
    let peers = peers.map(|it| it.map(str::to_owned).to_vec());
    let mut pair = lab.start_pair(PairConfig { peers, ..PairConfig::default() })?;
    let trial = Trial::start(Host::Client, &Plan::to(VIP))?;
    for host in [Host::Director, Host::Standby] {
        lab.hush(host, true)?;
    }
    sleep(LONG);
    for host in [Host::Director, Host::Standby] {
        lab.hush(host, false)?;
    }
    sleep(LONG / 2);
    lab.run(Host::Director, &["ip", "link", "set", "dev", "cross0", "down"])?;
    sleep(LONG);
    lab.run(Host::Director, &["ip", "link", "set", "dev", "cross0", "up"])?;
    sleep(LONG / 2);
    check_calm(&trial.stop()?, &pair)?;

    let unplug = |pair: &mut Pair| lab.harm(pair, Host::Director, Harm::Unplugged);
    let away = Takeover::measure("unplugged", &Plan::to(VIP), &mut pair, Host::Standby, unplug)?;
    away.check()?;
    let plug = |pair: &mut Pair| lab.heal(pair, Host::Director, Harm::Unplugged);
    let back = Takeover::measure("plugged in", &Plan::to(VIP), &mut pair, Host::Director, plug)?;
    back.check()
}

/// Nobody needs the backup as long as the master is there.
#[test]
fn a_backup_that_comes_and_goes_is_not_noticed() -> Result<()> {
    let lab = Lab::up(Options::default())?;
    let mut pair = lab.start_pair(PairConfig::default())?;
    let trial = Trial::start(Host::Client, &Plan::to(VIP))?;
    for harm in [Harm::Frozen, Harm::Unplugged, Harm::NoRoute, Harm::CleanStop, Harm::Killed] {
        lab.harm(&mut pair, Host::Standby, harm)?;
        sleep(LONG);
        lab.heal(&mut pair, Host::Standby, harm)?;
        pair.wait_until_settled(Host::Director).with_context(|| harm.to_string())?;
    }
    sleep(LONG / 2);
    check_calm(&trial.stop()?, &pair)
}

/// Who has its cable back hears the master before it would take over, though the master's kernel has
/// forgotten where it is, and asks for it once a second.
#[test]
fn one_that_is_back_hears_the_master_at_once() -> Result<()> {
    let lab = Lab::up(Options::default())?;
    let mut pair = lab.start_pair(PairConfig::default())?;
    let trial = Trial::start(Host::Client, &Plan::to(VIP))?;
    let (master, back) = (Host::Director, Host::Standby);
    for out in [400, 600, 800, 1000] {
        lab.harm(&mut pair, back, Harm::Unplugged)?;
        pair.wait_for(back, "fault")?;
        let address = back.address().to_string();
        lab.run(master, &["ip", "neigh", "del", &address, "dev", "eth0"])?;
        sleep(Duration::from_millis(out));
        lab.heal(&mut pair, back, Harm::Unplugged)?;
        pair.wait_for(back, "backup")?;
        sleep(LONG);
        check_calm_so_far(&pair).with_context(|| format!("out for {out} ms"))?;
    }
    check_calm(&trial.stop()?, &pair)
}

/// The last word of a master without a cable does not come when it is back, and another is master.
#[test]
fn a_cable_that_is_out_for_a_moment_is_no_split_brain() -> Result<()> {
    let lab = Lab::up(Options::default())?;
    let mut pair = lab.start_pair(PairConfig::with("preempt = false"))?;
    for (before, master) in [(Host::Director, Host::Standby), (Host::Standby, Host::Director)] {
        lab.harm(&mut pair, before, Harm::Unplugged)?;
        pair.wait_for(master, "master")?;
        sleep(LONG / 2);
        lab.heal(&mut pair, before, Harm::Unplugged)?;
        pair.wait_until_settled(master)?;
        sleep(LONG);
        for host in [before, master] {
            assert_eq!(pair.failover(host)?["splits"], 0, "{host}\n{}", pair.story());
        }
        assert!(pair.is(master, "master"), "{}", pair.story());
    }
    Ok(())
}

/// When they can't hear each other, and clients can hear both, there are two masters: there is no way to
/// know. When they hear each other again the lesser is silent at once, and the better tells everybody.
#[test]
fn a_split_is_over_when_they_hear_each_other() -> Result<()> {
    let lab = Lab::up(Options::default())?;
    let more = "\n[alerts]\nfile = \"/run/lvs/lab/alerts-{host}.log\"\n".to_owned();
    let pair = lab.start_pair(PairConfig { more, ..PairConfig::default() })?;
    let plan = Plan { connections: 0, download: None, ..Plan::to(VIP) };
    let trial = Trial::start(Host::Client, &plan)?;
    for host in [Host::Director, Host::Standby] {
        lab.hush(host, true)?;
    }
    pair.wait_for(Host::Standby, "master")?;
    sleep(LONG);
    assert!(pair.is(Host::Director, "master"), "{}", pair.story());
    for host in [Host::Standby, Host::Director] {
        lab.hush(host, false)?;
    }
    let healed = Instant::now();
    pair.wait_until_settled(Host::Director)?;
    let settled = Instant::now();
    sleep(LONG);
    let records = trial.records()?;

    let outcome = Outcome::of(&records);
    // Else this test, and all that say that there were never two, would show nothing.
    assert!(outcome.two_owners.is_some(), "{outcome}");
    let director = Host::Director.mac();
    let late = |it: &&lvs_tests::failover::Claim| it.at > settled && it.mac.to_string() != director;
    assert_eq!(
        records.claims.iter().find(late),
        None,
        "after {:?}",
        settled.duration_since(healed)
    );
    let announced = records.claims.iter().filter(|it| it.at > healed && it.answers.is_none());
    assert!(announced.clone().any(|it| it.mac.to_string() == director), "no announcement");
    let after = records.requests.iter().filter(|it| it.sent > settled);
    let (mut answered, mut failed) = (0, Vec::new());
    for request in after {
        match &request.result {
            Ok(_) => answered += 1,
            Err(why) => failed.push(why),
        }
    }
    assert!(answered > 100 && failed.is_empty(), "{answered} answered; {failed:?}");

    let splits = pair.failover(Host::Director)?["splits"].clone();
    assert_eq!(splits, 1, "{}", pair.story());
    let alerts = || {
        let text = fs::read_to_string("/run/lvs/lab/alerts-director.log").ok()?;
        text.contains("split brain").then_some(())
    };
    wait_for("the alert", SOON, alerts).with_context(|| pair.story())
}

/// An advertisement in the name of one director, for the other.
struct Forged<'a> {
    from: Host,
    to: Host,
    priority: u8,
    keys: Option<&'a Keys>,
}

impl Forged<'_> {
    /// The frame; from the MAC of who really sends it, so that the switch is not confused.
    fn frame(&self, mac: [u8; 6]) -> Result<Vec<u8>> {
        let (source, destination) = (self.from.address(), self.to.address());
        let ends = Ends { source: source.into(), destination: destination.into() };
        let advert = Advert {
            vrid: 26,
            priority: self.priority,
            interval: Interval::from_duration(Duration::from_millis(100)).context("interval")?,
            addresses: vec![IpAddr::from(VIP)],
        };
        let mut message = advert.encode(ends, Checksum::Message);
        if let Some(keys) = self.keys {
            let unix = SystemTime::UNIX_EPOCH.elapsed()?;
            let signature = Signer::default().sign(keys, &message, ends, unix);
            message.extend(signature);
        }
        packet(mac, self.to, source, destination, &message)
    }
}

fn packet(
    mac: [u8; 6],
    to: Host,
    source: Ipv4Addr,
    destination: Ipv4Addr,
    message: &[u8],
) -> Result<Vec<u8>> {
    let protocol = IpNumber(PROTOCOL);
    let (from, to) = (source.octets(), to.mac_octets());
    let length = u16::try_from(message.len())?;
    let header = Ipv4Header::new(length, HOP_LIMIT, protocol, from, destination.octets())?;
    let builder = PacketBuilder::ethernet2(mac, to);
    let builder = builder.ip(IpHeaders::Ipv4(header, etherparse::Ipv4Extensions::default()));
    let mut frame = Vec::new();
    builder.write(&mut frame, protocol, message)?;
    Ok(frame)
}

/// An advertisement that has come to a host.
fn overhear(lab: &Lab, host: Host) -> Result<Vec<u8>> {
    let socket = lab.within(host, || RawSocket::open("eth0"))??;
    let mut buffer = [0; 2048];
    wait_for("an advertisement", SOON, || {
        let frame = socket.receive(&mut buffer).ok()??;
        let is_advert = frame.get(12..14)? == [8, 0] && *frame.get(23)? == PROTOCOL;
        (is_advert && frame.get(..6)? == host.mac_octets()).then(|| frame.to_vec())
    })
}

/// How many packets a host has refused for a reason.
fn refused(pair: &Pair, host: Host, name: &str) -> Result<u64> {
    let failover = pair.failover(host)?;
    let all = failover["refused"].as_array().context("no counters")?;
    let packets = all.iter().find(|it| it["name"] == name).map(|it| it["packets"].as_u64());
    Ok(packets.flatten().unwrap_or_default())
}

/// Who has no key has no say: neither by what it makes up, nor by what it has recorded.
#[test]
fn who_has_no_key_can_change_nothing() -> Result<()> {
    let lab = Lab::up(Options::default())?;
    let (file, key) = ("/run/lvs/lab/failover.keys", "1 0123456789abcdef0123456789abcdef");
    fs::write(file, key)?;
    fs::set_permissions(file, fs::Permissions::from_mode(0o600))?;
    let pair = lab.start_pair(PairConfig::with(&format!("key_file = \"{file}\"")))?;
    assert_eq!(pair.failover(Host::Standby)?["signed"], true);
    let recorded = overhear(&lab, Host::Standby)?;
    let trial = Trial::start(Host::Client, &Plan::to(VIP))?;

    let liar = lab.within(Host::Client, || RawSocket::open("eth0"))??;
    let mac = liar.mac();
    let other = Keys::parse(&key.replace('f', "e"))?;
    let unknown = Keys::parse(&key.replace("1 ", "2 "))?;
    let mut again = recorded.clone();
    again[6..12].copy_from_slice(&mac);
    // That the master stops; and that another is master, who has the last word.
    let (director, standby) = (Host::Director, Host::Standby);
    let mut lies = vec![again];
    for keys in [None, Some(&other), Some(&unknown)] {
        let stops = Forged { from: director, to: standby, priority: STOPS, keys };
        let rules = Forged { from: standby, to: director, priority: BY_HAND, keys };
        lies.extend([stops.frame(mac)?, rules.frame(mac)?]);
    }
    for _ in 0..10 {
        lies.iter().try_for_each(|lie| liar.send(lie))?;
        sleep(Duration::from_millis(30));
    }
    sleep(LONG);
    check_calm(&trial.stop()?, &pair)?;
    for (host, reasons) in [
        (standby, &["not_signed", "bad_signature", "unknown_key", "replayed"][..]),
        (director, &["not_signed", "bad_signature", "unknown_key"]),
    ] {
        for reason in reasons {
            assert_eq!(refused(&pair, host, reason)?, 10, "{host}: {reason}\n{}", pair.story());
        }
    }
    assert!(pair.story().contains("not taken for an advertisement"), "{}", pair.story());
    assert_eq!(pair.failover(director)?["splits"], 0);
    Ok(())
}
