//! A conversation with another director over TCP: greetings, then messages, signed if there are keys.

use std::{io, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    time::{error::Elapsed, timeout},
};

use super::{
    message::LONGEST,
    seal::{Distrust, GREETING, Nonce, Seal, Speaker, TRAILER, greeted, greeting},
};
use crate::failover::auth::Keys;

/// Both say something each second; who is silent for so long is gone.
const SILENCE: Duration = Duration::from_secs(5);
/// Who reads nothing for so long is gone, too.
const STUCK: Duration = Duration::from_secs(20);

/// Why a conversation has ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum PeerError {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("it says nothing any more")]
    Silent,
    #[error("it reads nothing any more")]
    Stuck,
    #[error(transparent)]
    Distrust(#[from] Distrust),
    #[error("it has sent a message of {0} bytes, more than there can be")]
    TooLong(u32),
    #[error("it has sent something that means nothing")]
    Nonsense,
}

/// The end that hears.
#[derive(Debug)]
pub(super) struct Reader {
    stream: OwnedReadHalf,
    keys: Option<Keys>,
    seal: Seal,
}

/// The end that speaks.
#[derive(Debug)]
pub(super) struct Writer {
    stream: OwnedWriteHalf,
    keys: Option<Keys>,
    seal: Seal,
}

/// Begins a conversation, as this speaker.
pub(super) async fn meet(
    mut stream: TcpStream,
    keys: Option<Keys>,
    speaker: Speaker,
) -> Result<(Reader, Writer), PeerError> {
    stream.set_nodelay(true)?;
    let ours = nonce()?;
    stream.write_all(&greeting(keys.is_some(), ours)).await?;
    let mut bytes = [0; GREETING];
    timeout(SILENCE, stream.read_exact(&mut bytes))
        .await
        .map_err(|Elapsed { .. }| PeerError::Silent)??;
    let theirs = greeted(&bytes, keys.is_some())?;
    let (other, [follower, server]) = match speaker {
        Speaker::Follower => (Speaker::Server, [ours, theirs]),
        Speaker::Server => (Speaker::Follower, [theirs, ours]),
    };
    let (reader, writer) = stream.into_split();
    let seal = |speaker| Seal::new(speaker, follower, server);
    Ok((
        Reader { stream: reader, keys: keys.clone(), seal: seal(other) },
        Writer { stream: writer, keys, seal: seal(speaker) },
    ))
}

fn nonce() -> io::Result<Nonce> {
    let mut nonce = [0; size_of::<Nonce>()];
    getrandom::fill(&mut nonce).map_err(io::Error::other)?;
    Ok(nonce)
}

impl Reader {
    /// The next message. Not to be dropped while it is awaited, or what follows can't be read.
    pub(super) async fn receive(&mut self) -> Result<Vec<u8>, PeerError> {
        timeout(SILENCE, self.read()).await.map_err(|Elapsed { .. }| PeerError::Silent)?
    }

    async fn read(&mut self) -> Result<Vec<u8>, PeerError> {
        let length = self.stream.read_u32().await?;
        let bytes = usize::try_from(length).ok().filter(|it| *it <= LONGEST);
        let mut body = vec![0; bytes.ok_or(PeerError::TooLong(length))?];
        self.stream.read_exact(&mut body).await?;
        if let Some(keys) = &self.keys {
            let mut trailer = [0; TRAILER];
            self.stream.read_exact(&mut trailer).await?;
            self.seal.verify(keys, &body, &trailer)?;
        }
        Ok(body)
    }
}

impl Writer {
    /// Says something.
    pub(super) async fn send(&mut self, body: &[u8]) -> Result<(), PeerError> {
        let length = u32::try_from(body.len()).map_err(|_| PeerError::TooLong(u32::MAX))?;
        let mut frame = Vec::with_capacity(4 + body.len() + TRAILER);
        frame.extend(length.to_be_bytes());
        frame.extend(body);
        if let Some(keys) = &self.keys {
            frame.extend(self.seal.sign(keys, body));
        }
        let written = timeout(STUCK, self.stream.write_all(&frame));
        Ok(written.await.map_err(|Elapsed { .. }| PeerError::Stuck)??)
    }
}
