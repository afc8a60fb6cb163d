//! ICMP and ICMPv6 echo.

use std::{
    net::IpAddr,
    sync::atomic::{AtomicU16, Ordering},
    time::Duration,
};

use surge_ping::{Client, Config, ICMP, PingIdentifier, PingSequence, SurgeError};

use crate::health::Failure;

/// What the pings carry; 56 bytes, as ping(8) sends.
const PAYLOAD: [u8; 56] = *b"lvsd asks whether this real server is there. Thank you! ";

/// Sends pings: one socket for each address family, however many real servers there are.
pub(super) struct Pinger {
    v4: Result<Client, String>,
    v6: Result<Client, String>,
    /// Each ping has an identifier of its own, so that no answer is taken for another's.
    next: AtomicU16,
}

impl Default for Pinger {
    fn default() -> Self {
        let client = |kind| {
            Client::new(&Config::builder().kind(kind).build())
                .map_err(|error| format!("can't open a socket for pings: {error}"))
        };
        Self { v4: client(ICMP::V4), v6: client(ICMP::V6), next: AtomicU16::new(0) }
    }
}

impl Pinger {
    pub(super) async fn probe(&self, address: IpAddr, limit: Duration) -> Result<(), Failure> {
        let client = if address.is_ipv4() { &self.v4 } else { &self.v6 };
        let client = client.as_ref().map_err(Clone::clone)?;
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let mut pinger = client.pinger(address, PingIdentifier(number)).await;
        pinger.timeout(limit);
        match pinger.ping(PingSequence(number), &PAYLOAD).await {
            Ok(_) => Ok(()),
            Err(SurgeError::IOError(error)) => {
                Err(Failure::io(format_args!("can't send a ping to {address}"), &error))
            }
            Err(error) => {
                Err(Failure::Failed(format!("no answer to a ping of {address}: {error}")))
            }
        }
    }
}
