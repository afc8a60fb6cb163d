//! A program that is run for each change.
//!
//! It gets LVS_TIME, LVS_DIRECTOR, LVS_PROTOCOL, LVS_VIP, LVS_PORT, LVS_ADDRESS (the real server;
//! empty if it is about the service), LVS_FROM, LVS_TO and LVS_REASON in its environment. Of one real
//! server it is never told two things at once, and always in their order; of different ones it is.

use std::{
    collections::{HashMap, VecDeque},
    time::{Duration, Instant},
};

use tokio::{process::Command, sync::mpsc, task::JoinSet, time::timeout};
use tracing::{debug, warn};

use super::Alert;
use crate::{patience::Complaints, process};

/// Programs that may run at a time.
const MOST: usize = 32;
/// Changes of one real server that may wait for those before; what is older is dropped.
const WAITING: usize = 16;

/// Runs the program until there is nobody left to alert.
pub(super) async fn run(command: Vec<String>, limit: Duration, mut alerts: mpsc::Receiver<Alert>) {
    let Some((program, arguments)) = command.split_first() else { return };
    let mut waiting = Waiting::default();
    let mut running = JoinSet::new();
    let mut complaints = Complaints::default();
    loop {
        while running.len() < MOST
            && let Some(alert) = waiting.next()
        {
            let run = run_once(program.clone(), arguments.to_vec(), limit, alert.clone());
            running.spawn(async move { (alert, run.await) });
        }
        tokio::select! {
            alert = alerts.recv() => match alert {
                Some(alert) => waiting.add(alert),
                None => break,
            },
            Some(Ok((alert, result))) = running.join_next() => {
                waiting.is_free(&alert);
                match result {
                    Ok(()) => debug!(program, about = alert.about(), "hook done"),
                    Err(error) if complaints.is_due(Instant::now()) => {
                        warn!(program, about = alert.about(), error, "hook failed");
                    }
                    Err(_) => {}
                }
            }
        }
    }
}

async fn run_once(
    program: String,
    arguments: Vec<String>,
    limit: Duration,
    alert: Alert,
) -> Result<(), String> {
    let mut command = Command::new(&program);
    command
        .args(arguments)
        .env("LVS_TIME", &alert.time)
        .env("LVS_DIRECTOR", &alert.director)
        .env("LVS_PROTOCOL", alert.protocol.name())
        .env("LVS_VIP", alert.address.to_string())
        .env("LVS_PORT", alert.port.to_string())
        .env("LVS_ADDRESS", alert.real_server.map(|it| it.to_string()).unwrap_or_default())
        .env("LVS_FROM", &alert.from)
        .env("LVS_TO", &alert.to)
        .env("LVS_REASON", &alert.reason);
    match timeout(limit, process::run(&mut command)).await {
        Ok(Ok(ended)) if ended.status.success() => Ok(()),
        Ok(Ok(ended)) => Err(format!("{}: {}", ended.status, ended.last_line())),
        Ok(Err(error)) => Err(format!("can't run it: {error}")),
        Err(_) => Err(format!("killed, because it took longer than {limit:?}")),
    }
}

/// What waits, by what it is about.
#[derive(Default)]
struct Waiting {
    queues: HashMap<String, Queue>,
    /// Those whose turn it is.
    ready: VecDeque<String>,
}

#[derive(Default)]
struct Queue {
    alerts: VecDeque<Alert>,
    is_busy: bool,
}

impl Waiting {
    fn add(&mut self, alert: Alert) {
        let about = alert.about();
        let queue = self.queues.entry(about.clone()).or_default();
        if queue.alerts.len() == WAITING {
            queue.alerts.pop_front();
        }
        if queue.alerts.is_empty() && !queue.is_busy {
            self.ready.push_back(about);
        }
        queue.alerts.push_back(alert);
    }

    /// The next that can be told; of its real server nothing else is until it [is
    /// free](Self::is_free).
    fn next(&mut self) -> Option<Alert> {
        let queue = self.queues.get_mut(&self.ready.pop_front()?)?;
        queue.is_busy = true;
        queue.alerts.pop_front()
    }

    fn is_free(&mut self, alert: &Alert) {
        let about = alert.about();
        let Some(queue) = self.queues.get_mut(&about) else { return };
        queue.is_busy = false;
        if queue.alerts.is_empty() {
            self.queues.remove(&about);
        } else {
            self.ready.push_back(about);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::tests::alert;

    #[test]
    fn one_thing_at_a_time_about_one_real_server() {
        let mut waiting = Waiting::default();
        for (host, to) in [(11, "down"), (11, "up"), (12, "down")] {
            waiting.add(alert(host, to));
        }
        let first = waiting.next().unwrap();
        assert_eq!(first, alert(11, "down"));
        assert_eq!(waiting.next(), Some(alert(12, "down")));
        assert_eq!(waiting.next(), None, "11 is busy");
        waiting.is_free(&first);
        assert_eq!(waiting.next(), Some(alert(11, "up")));
        waiting.is_free(&alert(11, "up"));
        waiting.is_free(&alert(12, "down"));
        assert!(waiting.queues.is_empty() && waiting.ready.is_empty());
    }

    #[test]
    fn the_oldest_are_dropped_when_too_many_wait() {
        let mut waiting = Waiting::default();
        waiting.add(alert(11, "first"));
        waiting.next().unwrap();
        for number in 0..100 {
            waiting.add(alert(11, &number.to_string()));
        }
        waiting.is_free(&alert(11, "first"));
        assert_eq!(waiting.next(), Some(alert(11, "84")));
    }
}
