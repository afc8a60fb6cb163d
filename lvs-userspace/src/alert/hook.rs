//! Programs that are run for each change.
//!
//! Each gets LVS_TIME, LVS_DIRECTOR, LVS_PROTOCOL, LVS_VIP, LVS_PORT, LVS_ADDRESS (the real server;
//! empty if it is about the service), LVS_FROM, LVS_TO and LVS_REASON in its environment. Of one real
//! server they are never told two things at once, whatever its services, but one program after the other,
//! and one change after the other; of different ones they are.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
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

/// Runs the programs until there is nobody left to alert, and nothing left to tell.
pub(super) async fn run(
    commands: Vec<Vec<String>>,
    limit: Duration,
    mut alerts: mpsc::Receiver<Alert>,
) {
    let commands = Arc::new(commands);
    let mut waiting = Waiting::default();
    let mut running = JoinSet::new();
    let mut complaints: HashMap<String, Complaints> = HashMap::new();
    let mut is_open = true;
    loop {
        while running.len() < MOST
            && let Some(alert) = waiting.next()
        {
            let commands = Arc::clone(&commands);
            running.spawn(async move {
                let failures = run_all(&commands, limit, &alert).await;
                (alert, failures)
            });
        }
        tokio::select! {
            alert = alerts.recv(), if is_open => match alert {
                Some(alert) => waiting.add(alert),
                None => is_open = false,
            },
            Some(Ok((alert, failures))) = running.join_next() => {
                waiting.is_free(&alert);
                for (program, error) in failures {
                    if complaints.entry(program.clone()).or_default().is_due(Instant::now()) {
                        warn!(program, about = alert.about(), error, "hook failed");
                    }
                }
            }
            else => return,
        }
    }
}

/// One after the other; gives the programs that have failed, and why.
async fn run_all(
    commands: &[Vec<String>],
    limit: Duration,
    alert: &Alert,
) -> Vec<(String, String)> {
    let mut failures = Vec::new();
    for command in commands {
        let Some((program, arguments)) = command.split_first() else { continue };
        match run_once(program, arguments, limit, alert).await {
            Ok(()) => debug!(program, about = alert.about(), "hook done"),
            Err(error) => failures.push((program.clone(), error)),
        }
    }
    failures
}

async fn run_once(
    program: &str,
    arguments: &[String],
    limit: Duration,
    alert: &Alert,
) -> Result<(), String> {
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env("LVS_TIME", &alert.time)
        .env("LVS_DIRECTOR", &alert.director)
        .env("LVS_PROTOCOL", alert.protocol.map(|it| it.name()).unwrap_or_default())
        .env("LVS_VIP", alert.address.map(|it| it.to_string()).unwrap_or_default())
        .env("LVS_PORT", alert.port.map(|it| it.to_string()).unwrap_or_default())
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

/// What waits, by whom it is about.
#[derive(Default)]
struct Waiting {
    queues: HashMap<String, Queue>,
    /// Those whose turn it is.
    ready: VecDeque<String>,
    dropped: u64,
    complaints: Complaints,
}

#[derive(Default)]
struct Queue {
    alerts: VecDeque<Alert>,
    is_busy: bool,
}

impl Waiting {
    fn add(&mut self, alert: Alert) {
        let whom = alert.whom();
        let queue = self.queues.entry(whom.clone()).or_default();
        if queue.alerts.len() == WAITING {
            queue.alerts.pop_front();
            self.dropped += 1;
            if self.complaints.is_due(Instant::now()) {
                let dropped = self.dropped;
                warn!(whom, dropped, "too many alerts wait for the hooks: the oldest are dropped");
            }
        }
        if queue.alerts.is_empty() && !queue.is_busy {
            self.ready.push_back(whom);
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
        let whom = alert.whom();
        let Some(queue) = self.queues.get_mut(&whom) else { return };
        queue.is_busy = false;
        if queue.alerts.is_empty() {
            self.queues.remove(&whom);
        } else {
            self.ready.push_back(whom);
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
    fn one_real_server_of_two_services_is_one() {
        let mut waiting = Waiting::default();
        let other = Alert { port: Some(443), ..alert(11, "down") };
        waiting.add(alert(11, "down"));
        waiting.add(other.clone());
        assert_eq!(waiting.next(), Some(alert(11, "down")));
        assert_eq!(waiting.next(), None, "11 is busy");
        waiting.is_free(&alert(11, "down"));
        assert_eq!(waiting.next(), Some(other));
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
        assert_eq!(waiting.dropped, 84);
    }
}
