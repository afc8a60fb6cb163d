//! lvsd's end of the control socket.

use std::{
    fs, io,
    os::unix::{
        fs::{FileTypeExt as _, PermissionsExt as _},
        net::UnixStream as StdUnixStream,
    },
    path::{Path, PathBuf},
    pin::pin,
    sync::Arc,
    time::Duration,
};

use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use nix::unistd::{Group, chown};
use tokio::{
    net::{UnixListener, UnixStream},
    sync::{OwnedSemaphorePermit, Semaphore, broadcast, mpsc},
    time::{sleep, timeout},
};
use tokio_io_timeout::TimeoutStream;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{debug, warn};

use super::{
    api::Event,
    peer::Peer,
    request::Request,
    routes::{Doors, router},
};

/// Who may use the socket besides root.
const GROUP: &str = "lvs";

/// Clients at a time; more wait.
const CLIENTS: usize = 128;

/// So long a client may take to say what it wants, and to take in what it is told.
const PATIENCE: Duration = Duration::from_secs(10);

/// So long answers may take that are under way when lvsd ends.
const GOODBYE: Duration = Duration::from_millis(500);

/// Why the socket can't be had.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// It is in use.
    #[error("somebody answers on {} already, maybe another lvsd; stop it or choose another socket with --socket", .0.display())]
    InUse(PathBuf),
    /// There is something else in its place.
    #[error("{} is there already and is no socket; remove it, or choose another with --socket", .0.display())]
    NoSocket(PathBuf),
    /// Anything else.
    #[error("can't make the control socket {}: {error}", path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

/// Makes the socket.
///
/// # Errors
/// When another lvsd has it, or the file can't be made.
pub fn bind(path: &Path) -> Result<UnixListener, BindError> {
    let failed = |error| BindError::Io { path: path.to_owned(), error };
    if StdUnixStream::connect(path).is_ok() {
        return Err(BindError::InUse(path.to_owned()));
    }
    match fs::symlink_metadata(path) {
        Ok(file) if file.file_type().is_socket() => fs::remove_file(path).map_err(failed)?,
        Ok(_) => return Err(BindError::NoSocket(path.to_owned())),
        Err(_) => {} // Nothing there; if it is something worse, binding will say so.
    }
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory).map_err(failed)?;
    }
    let listener = UnixListener::bind(path).map_err(failed)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o660)).map_err(failed)?;
    // Without such a group the socket is root's alone.
    if let Ok(Some(group)) = Group::from_name(GROUP) {
        chown(path, None, Some(group.gid)).map_err(|errno| failed(errno.into()))?;
    }
    Ok(listener)
}

/// Answers until `shutdown`.
///
/// # Errors
/// When the socket fails.
pub async fn serve(
    listener: UnixListener,
    requests: mpsc::Sender<Request>,
    events: broadcast::Sender<Event>,
    shutdown: CancellationToken,
) -> io::Result<()> {
    let router = router(Doors { requests, events });
    let room = Arc::new(Semaphore::new(CLIENTS));
    let clients = TaskTracker::new();
    loop {
        let (stream, place) = tokio::select! {
            () = shutdown.cancelled() => break,
            accepted = accept(&listener, &room) => match accepted? {
                Some(accepted) => accepted,
                None => continue,
            },
        };
        let (router, shutdown) = (router.clone(), shutdown.clone());
        clients.spawn(async move {
            talk(stream, router, shutdown).await;
            drop(place);
        });
    }
    clients.close();
    clients.wait().await;
    Ok(())
}

/// The next client, once there is room for one; `None` if it has gone again.
async fn accept(
    listener: &UnixListener,
    room: &Arc<Semaphore>,
) -> io::Result<Option<(UnixStream, OwnedSemaphorePermit)>> {
    let place = Arc::clone(room).acquire_owned().await.map_err(io::Error::other)?;
    match listener.accept().await {
        Ok((stream, _)) => Ok(Some((stream, place))),
        // ECONNABORTED and the like are of one client (accept(2)); out of files is for a while.
        Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => Ok(None),
        Err(error) if matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE)) => {
            warn!(%error, "can't accept a client of the control socket");
            sleep(Duration::from_secs(1)).await;
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Serves one client, as long as it keeps speaking and listening.
async fn talk(stream: UnixStream, router: Router, shutdown: CancellationToken) {
    let router = router.layer(Extension(Peer::of(&stream)));
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(PATIENCE));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .serve_connection(TokioIo::new(Box::pin(stream)), TowerToHyperService::new(router));
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = &mut connection => ended,
        () = shutdown.cancelled() => {
            connection.as_mut().graceful_shutdown();
            // Who listens to events would listen for ever.
            match timeout(GOODBYE, connection).await {
                Ok(ended) => ended,
                Err(_) => return,
            }
        }
    };
    if let Err(error) = ended {
        debug!(%error, "a client of the control socket");
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    /// Says this, and gives what comes until the other end hangs up.
    async fn answer(says: &[u8]) -> String {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("lvsd.sock");
        let (requests, _) = mpsc::channel(1);
        let (events, _) = broadcast::channel(1);
        let server = serve(bind(&path).unwrap(), requests, events, CancellationToken::new());
        let server = tokio::spawn(server);
        let mut stream = UnixStream::connect(&path).await.unwrap();
        stream.write_all(says).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        server.abort();
        answer
    }

    /// Time goes on by itself here while everybody waits.
    #[tokio::test(start_paused = true)]
    async fn who_never_finishes_is_hung_up_on() {
        assert_eq!(answer(b"GET /v1/serv").await, "");
        let half = b"POST /v1/edits HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\
                     content-type: application/json\r\ncontent-length: 9\r\n\r\n{";
        let answer = answer(half).await;
        assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    }
}
