//! Asks this machine's own services whether they are there.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::Duration,
};

use anyhow::{Context as _, ensure};
use tokio::{io::AsyncReadExt as _, net::TcpStream, time::timeout};

use super::{agent_check, plan::Seen};
use crate::config::realserver::Report;

/// How long a connection to oneself may take.
const CONNECT: Duration = Duration::from_secs(2);
/// So much of an answer is read, in bytes.
const LONGEST: u64 = 512;

/// The VIPs' ports at which nobody listens, in words.
pub(super) async fn services(vips: &[IpAddr], ports: &[u16], seen: &Seen) -> Vec<String> {
    let mut findings = Vec::new();
    for vip in vips {
        // Else it would be the director that is asked.
        if !seen.addresses.iter().any(|it| it.address == *vip) {
            continue;
        }
        for port in ports {
            let address = SocketAddr::new(*vip, *port);
            let why = match timeout(CONNECT, TcpStream::connect(address)).await {
                Ok(Ok(_)) => continue,
                Ok(Err(error)) => error.to_string(),
                Err(_) => "no answer".to_owned(),
            };
            findings.push(format!(
                "nothing listens on {address} ({why}): start the service, and have it listen on \
                 the VIP or on all addresses"
            ));
        }
    }
    findings
}

/// The report that is served at an address of this machine.
pub(super) async fn report(listen: SocketAddr, source: &Report) -> anyhow::Result<String> {
    let address = match listen.ip() {
        // IPv6 may be turned off, and all of its addresses are all of IPv4's besides.
        ip if ip.is_unspecified() => (Ipv4Addr::LOCALHOST, listen.port()).into(),
        IpAddr::V4(_) | IpAddr::V6(_) => listen,
    };
    let program = match source {
        Report::Busiest(_) => Duration::ZERO,
        Report::Exec { timeout, .. } => *timeout,
    };
    let asked = async {
        let mut text = String::new();
        TcpStream::connect(address).await?.take(LONGEST).read_to_string(&mut text).await?;
        Ok::<_, std::io::Error>(text)
    };
    let text = timeout(CONNECT + program, asked).await.context("no answer")??;
    let line = text.trim_end();
    ensure!(!line.is_empty(), "it has no report");
    ensure!(agent_check::is_answer(line), "{line:?} is not the text of an agent check");
    Ok(line.to_owned())
}
