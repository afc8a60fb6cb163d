//! What a backup does: it finds the master among those that it hears, connects to it, and takes in what it
//! is told.

use std::{
    io,
    net::{IpAddr, SocketAddr, SocketAddrV6},
    rc::Rc,
    time::{Duration, Instant},
};

use socket2::{Domain, SockRef};
use tokio::{
    net::{TcpSocket, TcpStream},
    time::{MissedTickBehavior, error::Elapsed, interval, sleep, timeout},
};
use tracing::{debug, info, warn};

use super::{
    lateness::Lateness,
    link::send_far,
    message::Message,
    peer::{PeerError, Reader, Writer, meet},
    record::Record,
    run::TICK,
    seal::Speaker,
    shared::Shared,
};
use crate::{
    dataplane::{
        bpf::Templates,
        store::{Known, Put},
    },
    failover::machine::State,
    patience::Complaints,
};

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(2);
/// How soon it is tried again.
const RETRY: Duration = Duration::from_millis(500);
/// How often it is looked whether there is another master.
const LOOK: Duration = Duration::from_millis(50);
/// So long a new master goes on to hear the one before: what that still forwards comes late.
const TAIL: Duration = Duration::from_secs(5);

/// Follows whoever is master, for as long as it is polled.
pub(super) async fn follow(shared: Rc<Shared>, mut templates: Templates) {
    let mut complaints = Complaints::default();
    let mut settings = shared.watch_settings();
    loop {
        let Some(master) = shared.master(None) else {
            shared.follow_nobody();
            sleep(LOOK).await;
            continue;
        };
        settings.mark_unchanged();
        let result = tokio::select! {
            result = hear(&shared, master, &mut templates) => result,
            _ = settings.changed() => Ok(()),
        };
        match result {
            Ok(()) => {
                complaints = Complaints::default();
                shared.follow_nobody();
            }
            Err(error) => {
                let was_in_sync = shared.followed(&error);
                // A master that stops hangs up; then there will be another.
                if was_in_sync {
                    info!(master = %master, %error, "no longer in sync with the master");
                } else if complaints.is_due(Instant::now()) {
                    warn!(master = %master, %error, "can't follow the master's connections");
                }
                sleep(RETRY).await;
            }
        }
    }
}

/// Until there is another master, or something is wrong.
async fn hear(
    shared: &Rc<Shared>,
    master: SocketAddr,
    templates: &mut Templates,
) -> Result<(), PeerError> {
    shared.begin(master);
    let connected = timeout(CONNECT, connect(master));
    let stream = connected.await.map_err(|Elapsed { .. }| PeerError::Silent)??;
    let keys = shared.settings().keys.clone();
    let (reader, writer) = meet(stream, keys, Speaker::Follower).await?;
    tokio::select! {
        result = take_in(shared, reader, templates) => result,
        result = speak(shared, writer) => result,
        () = until_another(shared, master) => Ok(()),
        () = until_more_is_known(shared) => Ok(()),
    }
}

async fn connect(master: SocketAddr) -> io::Result<TcpStream> {
    let socket = if master.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    send_far(&SockRef::from(&socket), Domain::for_address(master))?;
    socket.connect(master).await
}

/// Says each second what this director is.
async fn speak(shared: &Shared, mut writer: Writer) -> Result<(), PeerError> {
    let mut tick = interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        let status = Message::Status(shared.local());
        writer.send(&shared.encode(&status, Instant::now())).await?;
    }
}

async fn until_another(shared: &Shared, master: SocketAddr) {
    let mut is_master_since = None;
    loop {
        sleep(LOOK).await;
        if shared.role() == State::Master {
            let since = *is_master_since.get_or_insert_with(Instant::now);
            if since.elapsed() > TAIL {
                return;
            }
        } else if shared.master(Some(master)).is_some_and(|it| it != master) {
            return;
        }
    }
}

/// Until there are real servers that were not known when they were told of: then all is to be told again.
async fn until_more_is_known(shared: &Shared) {
    shared.missed.set(false);
    let mut names = shared.watch_names();
    names.mark_unchanged();
    while names.changed().await.is_ok() {
        if shared.missed.get() {
            return;
        }
    }
    // There will be no others.
    std::future::pending().await
}

async fn take_in(
    shared: &Shared,
    mut reader: Reader,
    templates: &mut Templates,
) -> Result<(), PeerError> {
    let began = Instant::now();
    let mut lateness = Lateness::default();
    loop {
        let message = reader.receive().await?;
        let now = Instant::now();
        let (said, message) = Message::decode(&message).ok_or(PeerError::Nonsense)?;
        let late = lateness.of(said, now.duration_since(began));
        match message {
            Message::Status(status) => {
                if shared.master_says(status) {
                    info!("no longer in sync with the master: it has more to tell than was heard");
                }
            }
            Message::Records(records) => take_records(shared, records, (now, late), templates)?,
            Message::AllTold => {
                if shared.all_heard() {
                    info!(took = ?began.elapsed(), "in sync with the master's connections");
                }
            }
        }
    }
}

fn take_records(
    shared: &Shared,
    mut records: &[u8],
    (now, late): (Instant, Duration),
    templates: &mut Templates,
) -> Result<(), PeerError> {
    let names = shared.names();
    // What this director's own program notes is better than what is as old.
    let own_is_better = shared.role() == State::Master;
    // Recorded or updated, older, unknown, without room.
    let mut counts = [0; 4];
    while !records.is_empty() {
        let (record, rest) = Record::decode(records).ok_or(PeerError::Nonsense)?;
        records = rest;
        let at = match record.later(late) {
            Record::Connection { flow, state, age, real_server } => {
                let service = names.service_of(&flow).filter(|_| flow.is_like(real_server));
                match service.and_then(|it| names.real_server(it, real_server)) {
                    None => 2,
                    Some(real_server) => {
                        let known = Known { flow, real_server, state, age };
                        match shared.store.put(&known, own_is_better, now) {
                            Put::Recorded | Put::Updated => 0,
                            Put::Older => 1,
                            Put::NoRoom => 3,
                        }
                    }
                }
            }
            Record::Template { client, service, age, real_server } => {
                let place = names
                    .template(client, &service)
                    .and_then(|key| Some((key, names.real_server(key.service, real_server)?)));
                match place {
                    None => 2,
                    Some((key, _))
                        if templates
                            .get(&key)
                            .is_some_and(|it| shared.store.age_of_template(it.seen, now) < age) =>
                    {
                        1
                    }
                    Some((key, real_server)) => {
                        let seen = shared.store.stamp_of_template(age, now);
                        let template = lvs_common::abi::Template { real_server, seen };
                        match templates.set(&key, template) {
                            Ok(()) => 0,
                            Err(error) => {
                                debug!(%error, "can't note where a client stays");
                                3
                            }
                        }
                    }
                }
            }
        };
        counts[at] += 1;
    }
    shared.took(counts);
    let [_, _, unknown, _] = counts;
    if unknown > 0 {
        shared.missed.set(true);
    }
    Ok(())
}

/// Where to connect to; an address of one link alone needs to say which link.
pub(super) fn endpoint(address: IpAddr, port: u16, link: u32) -> SocketAddr {
    match address {
        IpAddr::V6(v6) if v6.is_unicast_link_local() => SocketAddrV6::new(v6, port, 0, link).into(),
        IpAddr::V4(_) | IpAddr::V6(_) => SocketAddr::new(address, port),
    }
}
