//! The checks themselves: each asks one real server once.

mod dns;
mod exec;
mod http;
mod peer;
mod ping;
mod smtp;
mod tls;
mod udp;

use std::{net::SocketAddr, time::Instant};

use tokio::time::timeout;

use super::{Check, Failure, Kind, Outcome, Target, Via};
use peer::Peer;
use ping::Pinger;
use tls::Connectors;

/// What the checks have in common: sockets for pings, and whom to trust.
#[derive(Default)]
pub struct Tools {
    pinger: Pinger,
    connectors: Connectors,
}

/// Asks a real server, within the check's timeout; `mark` is what packets to a VIP at that real server
/// carry.
pub async fn probe(target: Target, check: &Check, mark: Option<u32>, tools: &Tools) -> Outcome {
    let port = check.port.unwrap_or(target.service.port);
    let peer = match (check.via, mark) {
        (Via::Rip, _) => Peer { address: SocketAddr::new(target.real_server, port), mark: None },
        (Via::Vip, Some(_)) => {
            Peer { address: SocketAddr::new(target.service.address, port), mark }
        }
        (Via::Vip, None) => {
            return Err(Failure::Failed("there is no way to it through the VIP".to_owned()));
        }
    };
    let start = Instant::now();
    let asked = async {
        match &check.kind {
            Kind::Tcp => peer.connect().await.map(drop),
            Kind::Ping => tools.pinger.probe(target.real_server, check.timeout).await,
            Kind::Http(http) => {
                http::probe(peer, target.service.address, http, &tools.connectors).await
            }
            Kind::Udp(udp) => udp::probe(peer, udp, check.timeout).await,
            Kind::Dns(dns) => dns::probe(peer, dns, check.timeout).await,
            Kind::Smtp(helo) => smtp::probe(peer, helo).await,
            Kind::Exec(command) => exec::probe(target, port, command).await,
        }
    };
    match timeout(check.timeout, asked).await {
        Ok(Ok(())) => Ok(start.elapsed()),
        Ok(Err(reason)) => Err(reason),
        Err(_) => Err(Failure::Failed(format!("no answer within {:?}", check.timeout))),
    }
}

#[cfg(test)]
mod tests;
