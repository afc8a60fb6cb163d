//! What a follower is told: everything, then what is new, and now and then again what goes on.

use std::{
    convert::Infallible,
    net::SocketAddr,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::{
        Semaphore,
        broadcast::{
            self,
            error::{RecvError, TryRecvError},
        },
        mpsc, watch,
    },
    task::spawn_local,
    time::{MissedTickBehavior, error::Elapsed, interval, timeout},
};
use tracing::{debug, info, warn};

use super::{
    Status, Subscriber,
    message::{self, Message},
    peer::{PeerError, Reader, Writer, meet},
    record,
    run::TICK,
    seal::Speaker,
    shared::Shared,
    tell::{Batch, all_templates, connection, template_record},
};
use crate::dataplane::store::Cursor;

/// So many may follow at a time.
const MOST: usize = 8;
/// So long one may take to prove who it is.
const PROOF: Duration = Duration::from_secs(3);
/// So many conversations there may be, those included that have not proved yet who they are.
const CONVERSATIONS: usize = 32;
/// Buckets that are looked at at once: 768 connections at most, a millisecond.
const BUCKETS: usize = 256;
/// Templates that are looked at at once.
const TEMPLATES: usize = 256;
/// A clock of about a second can be off by so much, twice.
const CLOCKS: Duration = Duration::from_secs(3);

/// Takes in followers for as long as it is polled.
pub(super) async fn listen(shared: Rc<Shared>, listener: TcpListener) {
    let conversations = Arc::new(Semaphore::new(CONVERSATIONS));
    loop {
        // It is never closed. Whoever is one too many waits in the kernel's queue.
        let Ok(permit) = Arc::clone(&conversations).acquire_owned().await else { return };
        let (stream, address) = match listener.accept().await {
            Ok(accepted) => accepted,
            // Of this process or the other end; the next is another.
            Err(error) => {
                warn!(%error, "can't take in a director that wants to follow");
                tokio::time::sleep(TICK).await;
                continue;
            }
        };
        let address = SocketAddr::new(address.ip().to_canonical(), address.port());
        if let Some(reason) = refusal(&shared, address) {
            shared.complain(address, reason);
            continue;
        }
        let shared = Rc::clone(&shared);
        spawn_local(async move {
            let _permit = permit;
            let Err(error) = serve(&shared, stream, address).await;
            match error {
                Ended::Stranger(error) => shared.complain(address, &error.to_string()),
                Ended::Follower(error) => info!(%address, %error, "a director follows no more"),
            }
        });
    }
}

fn refusal(shared: &Shared, address: SocketAddr) -> Option<&'static str> {
    let settings = shared.settings();
    if shared.subscribers() >= MOST {
        return Some("too many follow already");
    }
    let is_stranger = settings.keys.is_none()
        && settings.peers.as_ref().is_some_and(|it| !it.contains(&address.ip()));
    is_stranger.then_some("it is none of the [failover] peers")
}

/// Why a conversation has ended: with whom was not known yet, or with a follower.
enum Ended {
    Stranger(PeerError),
    Follower(PeerError),
}

/// A follower, who is forgotten when this goes.
struct Joined<'a>(&'a Shared, SocketAddr);

impl Drop for Joined<'_> {
    fn drop(&mut self) {
        self.0.leave(self.1);
    }
}

/// Until the conversation ends, one way or another.
async fn serve(
    shared: &Rc<Shared>,
    stream: TcpStream,
    address: SocketAddr,
) -> Result<Infallible, Ended> {
    let mut settings = shared.watch_settings();
    let keys = settings.borrow_and_update().keys.clone();
    // Before it has proved who it is, it is told nothing.
    let proved = timeout(PROOF, async {
        let (mut reader, writer) = meet(stream, keys, Speaker::Server).await?;
        let status = status(&reader.receive().await?)?;
        Ok((reader, writer, status))
    });
    let (reader, writer, status) = match proved.await {
        Ok(Ok(proved)) => proved,
        Ok(Err(error)) => return Err(Ended::Stranger(error)),
        Err(Elapsed { .. }) => return Err(Ended::Stranger(PeerError::Silent)),
    };
    info!(%address, director = status.name, "a director follows this one's connections");
    let _joined = Joined(shared, address);
    let batches =
        shared.join(Subscriber { address, since: Instant::now(), is_in_sync: false, status });
    let (sender, statuses) = mpsc::channel(1);
    let mut ears = spawn_local(hear(reader, sender));
    let mut voice = Voice { shared, writer, batches, address, spoke: Instant::now() };
    let result = tokio::select! {
        result = voice.speak(statuses) => result,
        ended = &mut ears => Err(match ended {
            Ok(error) => error,
            Err(error) => std::io::Error::other(error).into(),
        }),
        // With other keys, say, it is another conversation.
        _ = settings.changed() => Err(std::io::Error::other("the configuration has changed").into()),
    };
    ears.abort();
    result.map_err(Ended::Follower)
}

fn status(message: &[u8]) -> Result<Status, PeerError> {
    match Message::decode(message) {
        Some((_, Message::Status(status))) => Ok(status),
        Some((_, Message::Records(_) | Message::AllTold)) | None => Err(PeerError::Nonsense),
    }
}

/// A follower says what it is, again and again.
async fn hear(mut reader: Reader, statuses: mpsc::Sender<Status>) -> PeerError {
    loop {
        let status = match reader.receive().await {
            Ok(message) => status(&message),
            Err(error) => Err(error),
        };
        match status {
            // An earlier one that was not looked at yet says as much.
            Ok(status) => drop(statuses.try_send(status)),
            Err(error) => return error,
        }
    }
}

struct Voice<'a> {
    shared: &'a Rc<Shared>,
    writer: Writer,
    batches: broadcast::Receiver<Batch>,
    address: SocketAddr,
    /// When it last said what this director is.
    spoke: Instant,
}

/// What has become of a part.
enum Went {
    Well,
    /// It was too slow: something was left out.
    Behind,
}

impl Voice<'_> {
    async fn speak(
        &mut self,
        mut statuses: mpsc::Receiver<Status>,
    ) -> Result<Infallible, PeerError> {
        loop {
            let began = Instant::now();
            self.shared.in_sync(self.address, false);
            self.status(false).await?;
            if matches!(self.everything(Duration::MAX, false).await?, Went::Behind) {
                self.behind().await;
                continue;
            }
            let told = self.shared.encode(&Message::AllTold, Instant::now());
            self.writer.send(&told).await?;
            self.shared.in_sync(self.address, true);
            debug!(address = %self.address, took = ?began.elapsed(), "a follower was told everything");
            self.go_on(&mut statuses, began).await?;
            self.behind().await;
        }
    }

    async fn behind(&mut self) {
        self.shared.in_sync(self.address, false);
        self.shared.resync();
        info!(address = %self.address, "a follower was too slow; it is told everything again");
        // Not at once: what is too much for it just now would be so again.
        tokio::time::sleep(TICK).await;
        self.batches = self.batches.resubscribe();
    }

    /// What this director is, and whether the follower knows all.
    async fn status(&mut self, all_told: bool) -> Result<(), PeerError> {
        self.spoke = Instant::now();
        let status = Status { all_told, ..self.shared.local() };
        self.writer.send(&self.shared.encode(&Message::Status(status), self.spoke)).await
    }

    /// All connections and clients that were seen within a time, and between them what is new.
    async fn everything(&mut self, within: Duration, all_told: bool) -> Result<Went, PeerError> {
        let mut cursor = Cursor::default();
        loop {
            let mut records = Vec::new();
            let (mut count, names, now) = (0, self.shared.names(), Instant::now());
            let more = self.shared.store.walk(&mut cursor, BUCKETS, within, now, &mut |known| {
                if let Some(record) = connection(known, &names) {
                    record.encode(&mut records);
                    count += 1;
                }
            });
            self.records(now, &records, count).await?;
            if matches!(self.news().await?, Went::Behind) {
                return Ok(Went::Behind);
            }
            if !more {
                return self.clients(within).await;
            }
            // In large tables with little in them there may be nothing else to say for long.
            if self.spoke.elapsed() >= TICK {
                self.status(all_told).await?;
            }
            tokio::task::yield_now().await;
        }
    }

    /// Where clients stay.
    async fn clients(&mut self, within: Duration) -> Result<Went, PeerError> {
        let shared = Rc::clone(self.shared);
        let mut templates = all_templates(&shared.templates).peekable();
        while templates.peek().is_some() {
            let (mut records, mut count) = (Vec::new(), 0);
            let (now, names) = (Instant::now(), shared.names());
            for template in templates.by_ref().take(TEMPLATES) {
                if shared.store.age_of_template(template.1.seen, now) <= within
                    && let Some(record) = template_record(&shared.store, &names, template, now)
                {
                    record.encode(&mut records);
                    count += 1;
                }
            }
            self.records(now, &records, count).await?;
            if matches!(self.news().await?, Went::Behind) {
                return Ok(Went::Behind);
            }
            tokio::task::yield_now().await;
        }
        Ok(Went::Well)
    }

    /// All that is new by now.
    async fn news(&mut self) -> Result<Went, PeerError> {
        loop {
            match self.batches.try_recv() {
                Ok(batch) => self.writer.send(&batch).await?,
                Err(TryRecvError::Lagged(_)) => return Ok(Went::Behind),
                Err(TryRecvError::Empty | TryRecvError::Closed) => return Ok(Went::Well),
            }
        }
    }

    async fn records(&mut self, now: Instant, records: &[u8], count: u64) -> Result<(), PeerError> {
        const { assert!(record::LONGEST * 3 * BUCKETS < message::LONGEST) };
        if count > 0 {
            self.shared.told(count);
            self.writer.send(&self.shared.encode(&Message::Records(records), now)).await?;
        }
        Ok(())
    }

    /// Tells what is new as it comes, and what goes on, until it was too slow.
    async fn go_on(
        &mut self,
        statuses: &mut mpsc::Receiver<Status>,
        began: Instant,
    ) -> Result<(), PeerError> {
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut last_round = began;
        loop {
            tokio::select! {
                biased;
                batch = self.batches.recv() => match batch {
                    Ok(batch) => self.writer.send(&batch).await?,
                    Err(RecvError::Lagged(_)) => return Ok(()),
                    Err(RecvError::Closed) => {
                        return Err(std::io::Error::other("this director stops").into());
                    }
                },
                Some(status) = statuses.recv() => self.shared.heard(self.address, status),
                _ = tick.tick() => {
                    self.status(true).await?;
                    let now = Instant::now();
                    if now.duration_since(last_round) >= self.shared.settings().refresh {
                        let within = now.duration_since(last_round) + CLOCKS;
                        last_round = now;
                        if matches!(self.everything(within, true).await?, Went::Behind) {
                            return Ok(());
                        }
                    }
                }
            }
        }
    }
}

/// Watches for another configuration.
pub(super) type SettingsWatch = watch::Receiver<Arc<super::Settings>>;
