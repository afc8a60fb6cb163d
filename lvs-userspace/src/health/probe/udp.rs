//! A datagram, and its answer.

use std::time::Duration;

use tokio::time::timeout;

use super::peer::Peer;
use crate::health::{Failure, Udp};

/// The longest answer that is looked at, in bytes.
const LONGEST: usize = 65_535;

pub(super) async fn probe(peer: Peer, udp: &Udp, limit: Duration) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::io(format_args!("can't ask {peer}"), &error);
    let socket = peer.datagrams().await?;
    socket.send(udp.send.as_bytes()).await.map_err(failed)?;
    let mut answer = vec![0; LONGEST];
    match (timeout(limit.mul_f64(0.9), socket.recv(&mut answer)).await, &udp.expect) {
        (Ok(Ok(length)), Some(expected)) => {
            let answer = answer.get(..length).unwrap_or_default();
            if contains(answer, expected.as_bytes()) {
                Ok(())
            } else {
                let answer = String::from_utf8_lossy(&answer[..answer.len().min(60)]);
                let reason = format!("{peer} answered {answer:?}, without {expected:?} in it");
                Err(Failure::Failed(reason))
            }
        }
        (Ok(Ok(_)), None) | (Err(_), None) => Ok(()),
        (Ok(Err(error)), _) => Err(failed(error)),
        (Err(_), Some(_)) => Err(Failure::Failed(format!("{peer} did not answer"))),
    }
}

pub(super) fn contains(text: &[u8], part: &[u8]) -> bool {
    part.is_empty() || text.windows(part.len()).any(|window| window == part)
}
