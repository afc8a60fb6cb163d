//! The checks, in a task of their own: so they begin in time, whatever else the agent has to do.

use std::{
    collections::{BTreeMap, VecDeque},
    net::IpAddr,
    time::{Duration, Instant},
};

use tokio::sync::{mpsc, oneshot, watch};

use super::{Change, Check, Checker, Done, Health, Punctuality, Target};

/// What has been found and may wait to be taken in. Changes that do not fit wait elsewhere.
const FOUND: usize = 4096;
/// Outcomes that are judged at once.
const MANY: usize = 256;

/// What checks have found.
#[derive(Debug)]
pub enum Found {
    /// What is thought of a real server has changed.
    Change(Change),
    /// So fast a real server answers, smoothed.
    Latency(Target, Duration),
}

enum Order {
    Reconfigure(Vec<(Target, Check, Health)>),
    Punctuality(oneshot::Sender<Punctuality>),
}

/// What is checked. The checks end with this.
pub struct Checks {
    orders: mpsc::UnboundedSender<Order>,
    marks: watch::Sender<BTreeMap<IpAddr, u32>>,
}

impl Checks {
    /// Checks nothing yet; and where comes what is found. To be called where tasks can be started.
    #[must_use]
    pub fn new() -> (Self, mpsc::Receiver<Found>) {
        let (orders, receiver) = mpsc::unbounded_channel();
        let (sender, found) = mpsc::channel(FOUND);
        let (marks, of_vips) = watch::channel(BTreeMap::new());
        tokio::spawn(run(receiver, of_vips, sender));
        (Self { orders, marks }, found)
    }

    /// Checks these from now on; each with what is thought of it if it was not checked before.
    pub fn reconfigure(&self, targets: Vec<(Target, Check, Health)>) {
        self.order(Order::Reconfigure(targets));
    }

    /// The marks of packets to VIPs at real servers, of those that there is a way to.
    pub fn set_marks(&self, marks: BTreeMap<IpAddr, u32>) {
        self.marks.send_if_modified(|before| {
            let is_new = *before != marks;
            *before = marks;
            is_new
        });
    }

    /// How late checks begin.
    pub async fn punctuality(&self) -> Punctuality {
        let (reply, answer) = oneshot::channel();
        self.order(Order::Punctuality(reply));
        answer.await.unwrap_or_default()
    }

    fn order(&self, order: Order) {
        // If the task is gone, the end of what it finds says so.
        self.orders.send(order).ok();
    }
}

async fn run(
    mut orders: mpsc::UnboundedReceiver<Order>,
    marks: watch::Receiver<BTreeMap<IpAddr, u32>>,
    found: mpsc::Sender<Found>,
) {
    let (mut checker, mut outcomes) = Checker::new();
    let mut done = Vec::new();
    let mut changes = VecDeque::new();
    loop {
        let next = checker.next();
        tokio::select! {
            order = orders.recv() => match order {
                Some(Order::Reconfigure(targets)) => checker.reconfigure(targets, Instant::now()),
                Some(Order::Punctuality(reply)) => drop(reply.send(checker.punctuality().clone())),
                None => return,
            },
            () = at(next) => {
                let marks = marks.borrow();
                checker.start_due(Instant::now(), |real_server| marks.get(&real_server).copied());
            }
            1.. = outcomes.recv_many(&mut done, MANY) => {
                let now = Instant::now();
                done.drain(..).for_each(|done| take(&mut checker, &done, now, &found, &mut changes));
            }
            Ok(permit) = found.reserve(), if !changes.is_empty() => {
                if let Some(change) = changes.pop_front() {
                    permit.send(Found::Change(change));
                }
            }
        }
    }
}

/// Takes in what a check has found. A change is told in any case, how fast the answer was if there is room.
fn take(
    checker: &mut Checker,
    done: &Done,
    now: Instant,
    found: &mpsc::Sender<Found>,
    changes: &mut VecDeque<Change>,
) {
    let (target, change, latency) = checker.finish(done, now);
    changes.extend(change);
    if let Some(latency) = latency {
        found.try_send(Found::Latency(target, latency)).ok();
    }
}

/// Ends at a moment, or never.
async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment.into()).await,
        None => std::future::pending().await,
    }
}
