//! What the configuration says of failover, as the driver, the synchronisation and other directors are told.

use std::{fs, net::IpAddr, os::unix::fs::MetadataExt as _, path::Path, time::Duration};

use tracing::warn;

use super::FailoverError;
use crate::{
    config::{Config, Timeouts},
    dataplane::Lease,
    failover::{
        auth::Keys,
        driver::Settings,
        lease,
        settings::{Settings as Configured, Track, Tracked, Ways},
        sync::{self, Status},
    },
    model::ServiceId,
};

pub(super) fn settings(
    config: &Config,
    configured: &Configured,
) -> Result<Settings, FailoverError> {
    let keys = match &configured.key_file {
        Some(path) => Some(read_keys(path)?),
        None => None,
    };
    Ok(Settings {
        machine: configured.machine(&config.director.name),
        announce: configured.announce,
        keys,
        track: configured.tracked(&config.director.interfaces),
        is_told: configured.sync_port.is_some(),
    })
}

/// What the synchronisation goes by, if there is to be one.
pub(super) fn sync_settings(
    config: &Config,
    configured: &Configured,
    keys: Option<Keys>,
) -> Option<sync::Settings> {
    let peers = match configured.ways(&config.director.name, &config.director.interfaces) {
        Ways::Unicast(peers) => Some(peers),
        Ways::Multicast(_) => None,
    };
    let Timeouts { established, fin_wait, udp, .. } = config.connections.timeouts;
    // Often enough that a backup forgets nothing that is alive.
    let refresh = established.min(fin_wait).min(udp) / 3;
    let refresh = refresh.clamp(Duration::from_secs(1), Duration::from_secs(60));
    Some(sync::Settings { port: configured.sync_port?, keys, peers, refresh })
}

/// What this director says of itself to others, but for what changes all the time.
pub(super) fn own_status(config: &Config) -> Status {
    let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    Status {
        name: config.director.name.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        services: count(config.virtual_services.len()),
        real_servers: count(config.virtual_services.iter().map(|it| it.real_servers.len()).sum()),
        tables: config.hash_of_services(),
        ..Status::default()
    }
}

fn read_keys(path: &Path) -> Result<Keys, FailoverError> {
    let unreadable = |error| FailoverError::KeyFile { path: path.to_owned(), error };
    let text = fs::read_to_string(path).map_err(unreadable)?;
    let mode = fs::metadata(path).map_err(unreadable)?.mode();
    if mode & 0o077 != 0 {
        let path = path.display();
        warn!(%path, "others can read the keys: `chmod 600 {path}`");
    }
    Keys::parse(&text).map_err(|error| FailoverError::Keys { path: path.to_owned(), error })
}

/// A lease that is shorter than two intervals can end between two advertisements that are in time.
pub(super) fn warn_of_short_leases(configured: &Configured, lease: &Lease) {
    let interval = configured.advert_interval;
    let least = lease::length(interval).saturating_sub(2 * lease.tick());
    if least < 2 * interval.duration() {
        warn!(
            tick = ?lease.tick(), interval = ?interval.duration(),
            "the kernel's clock is too coarse for so short an advert_interval: now and then the VIPs will \
             not be answered for"
        );
    }
}

pub(super) fn vips(config: &Config) -> Vec<IpAddr> {
    let mut vips: Vec<_> = config.virtual_services.iter().map(|it| it.id.address).collect();
    vips.sort_unstable();
    vips.dedup();
    vips
}

pub(super) fn quorums(track: &[Track]) -> Vec<(usize, ServiceId, Option<bool>)> {
    let quorum = |(number, track): (usize, &Track)| match track.what {
        Tracked::Quorum(service) => Some((number, service, None)),
        Tracked::Interface(_) | Tracked::Program(_) => None,
    };
    track.iter().enumerate().filter_map(quorum).collect()
}
