//! Who answers for the VIP: asks all the time, and hears what is said to all.

use std::{
    net::IpAddr,
    os::fd::{AsFd as _, AsRawFd as _, OwnedFd},
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use nix::{
    errno::Errno,
    ifaddrs::getifaddrs,
    poll::{PollFd, PollFlags, ppoll},
    sys::{
        socket::{
            self, AddressFamily, LinkAddr, MsgFlags, SockFlag, SockProtocol, SockType, bind, recv,
            send, setsockopt, sockopt,
        },
        time::TimeSpec,
    },
};

use super::{
    Claim, Mac,
    frames::{ASKERS, probe, said},
};

/// From one question to the next.
const EVERY: Duration = Duration::from_millis(10);
/// Memory for frames that wait to be looked at, in bytes.
const WAITING: usize = 16 << 20;

/// Sees all frames of an interface, and asks over it.
pub(super) struct Watch {
    socket: OwnedFd,
    mac: Mac,
    vip: IpAddr,
    asked: usize,
    claims: Vec<Claim>,
}

impl Watch {
    /// In the network of this thread.
    pub(super) fn open(interface: &str, vip: IpAddr) -> Result<Self> {
        let address = link_address(interface)?;
        let mac = Mac(address.addr().with_context(|| format!("{interface} has no MAC"))?);
        let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
        let protocol = SockProtocol::EthAll;
        let socket = socket::socket(AddressFamily::Packet, SockType::Raw, flags, protocol)?;
        setsockopt(&socket, sockopt::RcvBufForce, &WAITING)?;
        bind(socket.as_raw_fd(), &address)?;
        Ok(Self { socket, mac, vip, asked: 0, claims: Vec::new() })
    }

    /// Asks and listens until it is told to stop. `began` is called at the first answer.
    pub(super) fn run(mut self, stop: &AtomicBool, began: impl FnOnce()) -> Result<Vec<Claim>> {
        let mut began = Some(began);
        let mut next = Instant::now();
        while !stop.load(Ordering::Relaxed) {
            if next <= Instant::now() {
                self.ask();
                next += EVERY;
            }
            self.wait(next)?;
            self.listen()?;
            if !self.claims.is_empty()
                && let Some(began) = began.take()
            {
                began();
            }
        }
        Ok(self.claims)
    }

    fn ask(&mut self) {
        let frame = probe(self.vip, self.mac, self.asked % ASKERS);
        // One that can't be sent has no answer.
        send(self.socket.as_raw_fd(), &frame, MsgFlags::MSG_DONTWAIT).ok();
        self.asked += 1;
    }

    fn wait(&self, until: Instant) -> Result<()> {
        let mut source = [PollFd::new(self.socket.as_fd(), PollFlags::POLLIN)];
        let pause = until.saturating_duration_since(Instant::now());
        match ppoll(&mut source, Some(TimeSpec::from(pause)), None) {
            Ok(_) | Err(Errno::EINTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn listen(&mut self) -> Result<()> {
        let mut frame = [0; 2048];
        loop {
            let length = match recv(self.socket.as_raw_fd(), &mut frame, MsgFlags::MSG_DONTWAIT) {
                Ok(length) => length,
                Err(Errno::EAGAIN | Errno::EINTR | Errno::ENETDOWN) => return Ok(()),
                Err(error) => return Err(error.into()),
            };
            let frame = frame.get(..length).unwrap_or_default();
            if let Some(said) = said(frame, self.vip)
                && said.mac != self.mac
            {
                let answers = said.asker.and_then(|it| latest(self.asked, it));
                self.claims.push(Claim { at: Instant::now(), mac: said.mac, answers });
            }
        }
    }
}

/// The latest of so many questions that this asker has put.
fn latest(asked: usize, asker: usize) -> Option<usize> {
    let last = asked.checked_sub(1)?;
    last.checked_sub((last + ASKERS - asker) % ASKERS)
}

fn link_address(interface: &str) -> Result<LinkAddr> {
    let mut all = getifaddrs()?.filter(|it| it.interface_name == interface);
    all.find_map(|it| it.address?.as_link_addr().copied())
        .with_context(|| format!("there is no interface {interface}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_asker_is_that_of_its_latest_question() {
        assert_eq!(latest(0, 0), None);
        assert_eq!(latest(1, 0), Some(0));
        assert_eq!(latest(1, 1), None);
        assert_eq!(latest(ASKERS, ASKERS - 1), Some(ASKERS - 1));
        assert_eq!(latest(ASKERS + 1, 0), Some(ASKERS));
        assert_eq!(latest(ASKERS + 1, 1), Some(1));
        assert_eq!(latest(3 * ASKERS + 7, 7), Some(2 * ASKERS + 7));
    }
}
