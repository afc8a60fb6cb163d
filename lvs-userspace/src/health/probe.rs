//! The checks themselves: each asks one real server once.

mod exec;
mod http;
mod ping;
mod tcp;
mod tls;
mod udp;

use std::{net::SocketAddr, time::Instant};

use tokio::time::timeout;

pub(crate) use exec::ProcessGroup;

use super::{Check, Kind, Outcome, Target};
use ping::Pinger;
use tls::Connectors;

/// What the checks have in common: sockets for pings, and whom to trust.
#[derive(Default)]
pub struct Tools {
    pinger: Pinger,
    connectors: Connectors,
}

/// Asks a real server, within the check's timeout.
pub async fn probe(target: Target, check: &Check, tools: &Tools) -> Outcome {
    let port = check.port.unwrap_or(target.service.port);
    let address = SocketAddr::new(target.real_server, port);
    let start = Instant::now();
    let asked = async {
        match &check.kind {
            Kind::Tcp => tcp::probe(address).await,
            Kind::Ping => tools.pinger.probe(target.real_server, check.timeout).await,
            Kind::Http(http) => {
                http::probe(address, target.service.address, http, &tools.connectors).await
            }
            Kind::Udp(udp) => udp::probe(address, udp, check.timeout).await,
            Kind::Exec(command) => exec::probe(target, port, command).await,
        }
    };
    match timeout(check.timeout, asked).await {
        Ok(Ok(())) => Ok(start.elapsed()),
        Ok(Err(reason)) => Err(reason),
        Err(_) => Err(format!("no answer within {:?}", check.timeout)),
    }
}

#[cfg(test)]
mod tests;
