//! Who answers for the VIP: asks all the time, and hears what is said to all.

use std::{
    net::IpAddr,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use anyhow::Result;

use super::{
    Claim, Mac,
    frames::{ASKERS, probe, said},
};
use crate::lab::RawSocket;

/// From one question to the next.
const EVERY: Duration = Duration::from_millis(10);

/// Sees all frames of an interface, and asks over it.
pub(super) struct Watch {
    socket: RawSocket,
    mac: Mac,
    vip: IpAddr,
    asked: usize,
    claims: Vec<Claim>,
}

impl Watch {
    /// In the network of this thread.
    pub(super) fn open(interface: &str, vip: IpAddr) -> Result<Self> {
        let socket = RawSocket::open(interface)?;
        let mac = Mac(socket.mac());
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
            self.socket.wait(next)?;
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
        self.socket.send(&frame).ok();
        self.asked += 1;
    }

    fn listen(&mut self) -> Result<()> {
        let mut frame = [0; 2048];
        while let Some(frame) = self.socket.receive(&mut frame)? {
            if let Some(said) = said(frame, self.vip)
                && said.mac != self.mac
            {
                let answers = said.asker.and_then(|it| latest(self.asked, it));
                self.claims.push(Claim { at: Instant::now(), mac: said.mac, answers });
            }
        }
        Ok(())
    }
}

/// The latest of so many questions that this asker has put.
fn latest(asked: usize, asker: usize) -> Option<usize> {
    let last = asked.checked_sub(1)?;
    last.checked_sub((last + ASKERS - asker) % ASKERS)
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
