//! What the other end, in the daemon, wants of the thread.

use std::{sync::mpsc::TryRecvError, time::Instant};

use super::Driver;
use crate::failover::{
    Order,
    driver::{condition::Need, handle::Command},
    machine::{Event, State},
};

impl Driver {
    pub(super) fn obey_all(&mut self, now: Instant) {
        // It only says that there is something.
        self.seams.waker.read().ok();
        loop {
            match self.seams.commands.try_recv() {
                Ok(command) => self.obey(command, now),
                Err(TryRecvError::Empty) => return,
                Err(TryRecvError::Disconnected) => return self.obey(Command::Stop, now),
            }
            if self.is_over {
                return;
            }
        }
    }

    fn obey(&mut self, command: Command, now: Instant) {
        match command {
            Command::Vips(vips) => {
                let more = vips.iter().any(|it| !self.vips.contains(it));
                self.vips = vips;
                if more && self.machine.state() == State::Master {
                    self.announcer.start(now);
                }
            }
            Command::Ready(is_ready) => self.handle(Event::Ready(is_ready), now),
            Command::PeersConfirm => self.handle(Event::PeersConfirm, now),
            Command::Track(number, wrong) => {
                let Some(track) = self.settings.track.get(number) else { return };
                let step = track.priority_step;
                self.note(Need::Track(number), wrong, step, now);
            }
            Command::Configure(settings) => {
                if self.settings.track != settings.track {
                    self.wrong.forget_tracks();
                }
                self.announcer.reconfigure(settings.announce);
                self.settings = *settings;
                self.handle(Event::Reconfigured(self.settings.machine), now);
                self.handle(Event::Tracked(self.wrong.condition()), now);
            }
            Command::Obey(order, reply) => {
                match order {
                    Order::Resign => self.handle(Event::Resign, now),
                    Order::Take => self.handle(Event::Take, now),
                    Order::Nothing => {}
                }
                // Who asked may have gone away.
                reply.send(self.machine.state()).ok();
            }
            Command::Stop => {
                self.handle(Event::Stop, now);
                self.is_over = true;
            }
        }
    }
}
