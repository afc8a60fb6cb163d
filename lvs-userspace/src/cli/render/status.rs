//! A director: itself, what it is to others, and what they tell each other of connections.

use std::time::Duration;

use super::{fates, out_of_sync};
use crate::control::api::{self, File, Status};

/// `lvsctl status`.
pub(in crate::cli) fn status(status: &Status) -> String {
    let mut text = format!("director {} (lvsd {})\n", status.director, status.version);
    for interface in &status.interfaces {
        let api::Interface { name, mac, xdp_mode } = interface;
        text += &format!("interface {name} {mac}, {xdp_mode} XDP\n");
    }
    text += &out_of_sync(status.out_of_sync.as_deref());
    if status.checks.made > 0 {
        let api::Checks { made, late, not_asked, latest_ms } = status.checks;
        text += &format!(
            "checks {made}: {late} late, the latest of the last minute by {latest_ms} ms; \
             {not_asked} could not be made\n"
        );
    }
    let File { path, differs } = &status.file;
    match differs {
        Some(false) => {}
        Some(true) => {
            text += &format!("what is running is not what {path} says: see `lvsctl diff`\n");
        }
        None => text += &format!("{path} can't be read: see `lvsctl diff`\n"),
    }
    if let Some(it) = &status.failover {
        text += &format!("\n{}", failover(it));
    }
    text + "\n" + &fates(status)
}

/// What a director is to others.
fn failover(failover: &api::Failover) -> String {
    let api::Failover {
        role,
        since_s,
        vrid,
        priority,
        by_hand,
        has_resigned,
        signed,
        wrong,
        peers,
        ways,
        sent,
        received,
        late,
        refused,
        splits,
        takeovers,
        announcements,
        sync,
    } = failover;
    let since = humantime::format_duration(Duration::from_secs(*since_s));
    let mut text = format!("failover: {role} for {since}, vrid {vrid}, priority {priority}");
    for (is_so, words) in [
        (*by_hand, ", by its operator's wish"),
        (*has_resigned, ", has handed over by its operator's wish"),
        (!signed, ", ADVERTISEMENTS ARE NOT SIGNED"),
    ] {
        text += if is_so { words } else { "" };
    }
    text += "\n";
    for why in wrong {
        text += &format!("  WRONG: {why}\n");
    }
    for api::FailoverPeer {
        address,
        priority,
        last_advertisement_ms,
        advertisements,
        has_other_vips,
    } in peers
    {
        let heard = match (priority, last_advertisement_ms) {
            (Some(priority), Some(ms)) => {
                let age = humantime::format_duration(Duration::from_millis(*ms));
                format!("heard {age} ago with priority {priority}, {advertisements} in all")
            }
            _ => "never heard (a backup is silent)".to_owned(),
        };
        let other = if *has_other_vips { "; IT ANSWERS FOR OTHER ADDRESSES" } else { "" };
        text += &format!("  peer {address}: {heard}{other}\n");
    }
    for api::FailoverWay { name, sent, error } in ways {
        let error = error.as_ref().map(|it| format!("; FAILS: {it}")).unwrap_or_default();
        text += &format!("  way {name}: {sent} sent{error}\n");
    }
    text += &format!(
        "  advertisements: {sent} sent, {received} received, {late} late; {takeovers} takeovers, \
         {splits} splits, {announcements} announcements\n"
    );
    for api::Refused { name, meaning, packets } in refused {
        text += &format!("  refused {name}: {packets} ({meaning})\n");
    }
    match sync {
        Some(sync) => text + &synchronisation(sync),
        None => text + "  connections are not told to other directors (sync = false)\n",
    }
}

/// What directors tell each other of connections.
fn synchronisation(sync: &api::Synchronisation) -> String {
    let api::Synchronisation {
        follows,
        followers,
        told,
        taken,
        older,
        unknown,
        no_room,
        resyncs,
        floods,
    } = sync;
    let mut text = String::new();
    if let Some(api::Followed { address, is_in_sync, error, director }) = follows {
        let state = match (is_in_sync, error) {
            (true, _) => "in sync".to_owned(),
            (false, None) => "NOT IN SYNC YET".to_owned(),
            (false, Some(error)) => format!("NOT IN SYNC: {error}"),
        };
        text += &format!("  follows {address}: {state}\n");
        text += &director.as_ref().map(other_director).unwrap_or_default();
    }
    for api::Follower { since_s, director } in followers {
        let since = humantime::format_duration(Duration::from_secs(*since_s));
        let state = if director.is_in_sync { "in sync" } else { "NOT IN SYNC YET" };
        text += &format!("  followed by {} for {since}: {state}\n", director.address);
        text += &other_director(director);
    }
    text += &format!(
        "  connections: {told} told, {taken} taken in, {older} known better, {unknown} of unknown real \
         servers, {no_room} without room; {resyncs} resyncs, {floods} floods\n"
    );
    text
}

fn other_director(director: &api::OtherDirector) -> String {
    let api::OtherDirector { name, version, role, services, real_servers, connections, .. } =
        director;
    let other = if director.has_other_tables {
        "; ITS SERVICES ARE NOT THOSE OF THIS DIRECTOR"
    } else {
        ""
    };
    format!(
        "    {name} (lvsd {version}): {role}, {services} services, {real_servers} real servers, \
         {connections} connections{other}\n"
    )
}

#[cfg(test)]
mod tests;
