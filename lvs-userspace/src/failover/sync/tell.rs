//! From the program's rings to what followers are told: the names that it writes are looked up, and each
//! becomes a record of what is known then.

use std::{
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{Names, message::Message, record::Record, shared::Shared};
use crate::dataplane::{
    bpf::{Change, Ring, Templates},
    store::{ConnectionStore, Known},
};

/// Records in a batch, at most.
const BATCH: usize = 256;
/// More beginnings than this in a second are a flood: then only what is established is told, which a
/// flood is not.
const FLOOD: u32 = 20_000;
/// So long a flood is waited out.
const PAUSE: Duration = Duration::from_secs(5);

/// A message of some records, as it goes over the wire.
pub(super) type Batch = Arc<[u8]>;

/// Reads the rings for as long as it is polled.
pub(super) async fn tell(
    shared: Rc<Shared>,
    changes: Ring,
    beginnings: Ring,
) -> std::io::Result<()> {
    let mut changes = changes.awaited()?;
    let mut beginnings = beginnings.awaited()?;
    let mut flood = Flood::new(Instant::now());
    loop {
        let read = tokio::select! {
            biased;
            ready = changes.readable_mut() => {
                let mut ready = ready?;
                let read = shared.read(ready.get_inner_mut());
                if read < BATCH {
                    ready.clear_ready();
                }
                0
            }
            ready = beginnings.readable_mut() => {
                let mut ready = ready?;
                let read = shared.read(ready.get_inner_mut());
                if read < BATCH {
                    ready.clear_ready();
                }
                read
            }
            // A flood ends although nothing is told meanwhile.
            () = tokio::time::sleep(PAUSE), if flood.until.is_some() => 0,
        };
        if let Some(is_flood) = flood.count(u32::try_from(read).unwrap_or(u32::MAX), Instant::now())
        {
            shared.flooded(is_flood);
        }
        // Others of this thread want to be heard, too.
        tokio::task::yield_now().await;
    }
}

impl Shared {
    /// Tells what a ring holds, a batch at most; says how many that were.
    fn read(&self, ring: &mut Ring) -> usize {
        let (now, names) = (Instant::now(), self.names());
        let (mut batch, mut read, mut records) = (Vec::new(), 0, 0);
        while read < BATCH {
            let Some(change) = ring.next() else { break };
            read += 1;
            if let Some(record) = change.and_then(|it| self.record(it, &names, now)) {
                record.encode(&mut batch);
                records += 1;
            }
        }
        if !batch.is_empty() {
            self.told(records);
            // Nobody may be listening just now.
            drop(self.batches.send(self.encode(&Message::Records(&batch), now).into()));
        }
        read
    }

    fn record(&self, change: Change, names: &Names, now: Instant) -> Option<Record> {
        match change {
            Change::Connection(flow) => connection(self.store.find(flow, now)?, names),
            Change::Template(key) => {
                let template = self.templates.get(&key)?;
                template_record(&self.store, names, (key, template), now)
            }
        }
    }
}

/// What is told of a connection.
pub(super) fn connection(known: Known, names: &Names) -> Option<Record> {
    let Known { flow, state, age, real_server } = known;
    let real_server = names.address(real_server)?;
    Some(Record::Connection { flow, state, age, real_server })
}

/// What is told of where a client stays.
pub(super) fn template_record(
    store: &ConnectionStore,
    names: &Names,
    (key, template): (lvs_common::abi::TemplateKey, lvs_common::abi::Template),
    now: Instant,
) -> Option<Record> {
    Some(Record::Template {
        client: key.client,
        service: names.service(key.service)?,
        age: store.age_of_template(template.seen, now),
        real_server: names.address(template.real_server)?,
    })
}

/// All templates, a batch at a time. While they change one may come twice, so there is an end to it.
pub(super) fn all_templates(
    templates: &Templates,
) -> impl Iterator<Item = (lvs_common::abi::TemplateKey, lvs_common::abi::Template)> {
    templates.each().take(2 * lvs_common::limits::TEMPLATES)
}

/// Tells a flood of beginnings from what comes on a busy day. Pure.
#[derive(Debug)]
struct Flood {
    /// When the second that is counted has begun.
    since: Instant,
    count: u32,
    /// When a flood is looked at again.
    until: Option<Instant>,
}

impl Flood {
    const fn new(now: Instant) -> Self {
        Self { since: now, count: 0, until: None }
    }

    /// Counts more beginnings; says if from now on there is a flood, or is none any more.
    fn count(&mut self, more: u32, now: Instant) -> Option<bool> {
        if let Some(until) = self.until {
            if now < until {
                return None;
            }
            *self = Self::new(now);
            return Some(false);
        }
        if now.duration_since(self.since) >= Duration::from_secs(1) {
            (self.since, self.count) = (now, 0);
        }
        self.count = self.count.saturating_add(more);
        if self.count <= FLOOD {
            return None;
        }
        self.until = Some(now + PAUSE);
        Some(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_waited_out() {
        let start = Instant::now();
        let mut flood = Flood::new(start);
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        assert_eq!(flood.count(FLOOD, at(0)), None);
        assert_eq!(flood.count(FLOOD, at(1)), None, "that is another second");
        assert_eq!(flood.count(1, at(1)), Some(true));
        assert_eq!(flood.count(0, at(5)), None);
        assert_eq!(flood.count(0, at(6)), Some(false));
        assert_eq!(flood.count(FLOOD, at(6)), None);
    }
}
