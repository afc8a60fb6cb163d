//! A datagram, and its answer.

use std::{
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use tokio::{net::UdpSocket, time::timeout};

use crate::health::Udp;

/// The longest answer that is looked at, in bytes.
const LONGEST: usize = 65_535;

pub(super) async fn probe(address: SocketAddr, udp: &Udp, limit: Duration) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("can't ask {address}: {error}");
    let any: SocketAddr = match address {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(any).await.map_err(failed)?;
    // Connected, so that the kernel tells when nobody listens there.
    socket.connect(address).await.map_err(failed)?;
    socket.send(udp.send.as_bytes()).await.map_err(failed)?;
    let mut answer = vec![0; LONGEST];
    match (timeout(limit.mul_f64(0.9), socket.recv(&mut answer)).await, &udp.expect) {
        (Ok(Ok(length)), Some(expected)) => {
            let answer = answer.get(..length).unwrap_or_default();
            if contains(answer, expected.as_bytes()) {
                Ok(())
            } else {
                let answer = String::from_utf8_lossy(&answer[..answer.len().min(60)]);
                Err(format!("{address} answered {answer:?}, without {expected:?} in it"))
            }
        }
        (Ok(Ok(_)), None) | (Err(_), None) => Ok(()),
        (Ok(Err(error)), _) => Err(failed(error)),
        (Err(_), Some(_)) => Err(format!("{address} did not answer")),
    }
}

pub(super) fn contains(text: &[u8], part: &[u8]) -> bool {
    part.is_empty() || text.windows(part.len()).any(|window| window == part)
}
