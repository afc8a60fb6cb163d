//! `lvsctl why`.

use super::minutes;
use crate::control::api::{Ended, Reason, Receiver, Remembered, Why};

/// The packet, what becomes of it and why, and who gets no new connections.
pub(in crate::cli) fn why(why: &Why) -> String {
    let mut text = format!("{}\n{}\n", why.packet, verdict(why));
    // Whose connection is there needs no other real server.
    if why.reason != Some(Reason::Connection) {
        for it in &why.unavailable {
            text += &format!("not to {}: {}\n", it.address, it.why);
        }
    }
    text
}

fn verdict(why: &Why) -> String {
    let place = match &why.real_server {
        Some(Receiver { address, mac: Some(mac), interface: Some(interface) }) => {
            format!("{address} ({mac}, {interface})")
        }
        Some(Receiver { address, .. }) => address.to_string(),
        None => "a real server that has just gone".to_owned(),
    };
    match (&why.fate, why.reason) {
        (None, reason) => format!("would go to {place}: {}", because(why, reason)),
        (Some(fate), None) => format!("would be {}", ending(fate)),
        (Some(fate), Some(_)) => {
            format!(
                "would go to {place}: {}\nbut would be {}",
                because(why, why.reason),
                ending(fate)
            )
        }
    }
}

fn because(why: &Why, reason: Option<Reason>) -> String {
    let new = match &why.connection {
        None => "a new connection".to_owned(),
        Some(Remembered { state, real_server: Some(before), .. }) => {
            format!("a new connection in place of that with {before} ({state})")
        }
        Some(Remembered { state, real_server: None, .. }) => {
            format!("a new connection in place of one with a real server that is gone ({state})")
        }
    };
    let scheduler = why.scheduler.map_or("the scheduler", |it| it.name());
    match (reason, &why.connection) {
        (Some(Reason::Connection), Some(Remembered { state, expires_in_s, .. })) => {
            format!("its connection is known ({state}, {} left)", minutes(*expires_in_s))
        }
        (Some(Reason::Connection) | None, _) => "its connection is known".to_owned(),
        (Some(Reason::Stray), _) => {
            "it is TCP of no connection and opens none; the real server resets it, unless it knows it".to_owned()
        }
        (Some(Reason::Persistence), _) => {
            format!("{new}, and the client stays there (persistence)")
        }
        (Some(Reason::Scheduler), _) => format!("{new}, for which {scheduler} picks it"),
        (Some(Reason::SorryServer), _) => {
            format!("{new}, and no real server takes any: this is the sorry server")
        }
        (Some(Reason::Unrecorded), _) => {
            "nothing is remembered of it, and the hash of an address picks it".to_owned()
        }
    }
}

/// As a part of a sentence: `dropped: the virtual service has no real server [..]`.
fn ending(fate: &Ended) -> String {
    let Ended { name, meaning } = fate;
    let mut letters = meaning.trim_end_matches('.').chars();
    let first = letters.next().map(|it| it.to_ascii_lowercase());
    format!("{}{} ({name})", first.map(String::from).unwrap_or_default(), letters.as_str())
}

#[cfg(test)]
mod tests;
