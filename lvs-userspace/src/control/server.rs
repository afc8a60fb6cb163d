//! lvsd's end of the control socket.

use std::{
    fs, io,
    os::unix::{
        fs::{FileTypeExt as _, PermissionsExt as _},
        net::UnixStream as StdUnixStream,
    },
    path::{Path, PathBuf},
    time::Duration,
};

use axum::{
    Json, Router,
    extract::{State, rejection::JsonRejection},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use nix::unistd::{Group, chown};
use tokio::{
    net::UnixListener,
    sync::{mpsc, oneshot},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use super::api::{self, ApiError, Request};

/// Who may use the socket besides root.
const GROUP: &str = "lvs";

/// How long the daemon may take for an answer.
const ANSWER: Duration = Duration::from_secs(5);

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
    shutdown: CancellationToken,
) -> io::Result<()> {
    let router = Router::new()
        .route(api::SERVICES, get(async |state| ask(state, Request::Services).await))
        .route(api::RATES, get(async |state| ask(state, Request::Rates).await))
        .route(api::CONNECTIONS, get(async |state| ask(state, Request::Connections).await))
        .route(api::STATUS, get(async |state| ask(state, Request::Status).await))
        .route(api::CONFIGURATION, get(async |state| ask(state, Request::Configuration).await))
        .route(api::RELOAD, post(async |state, body| tell(state, body, Request::Reload).await))
        .route(api::EDITS, post(async |state, body| tell(state, body, Request::Edit).await))
        .fallback(async || refuse(StatusCode::NOT_FOUND, "there is no such path"))
        .method_not_allowed_fallback(async || {
            refuse(StatusCode::METHOD_NOT_ALLOWED, "that can't be done here")
        })
        .with_state(requests);
    axum::serve(listener, router)
        .with_graceful_shutdown(async move { shutdown.cancelled().await })
        .await
}

/// Passes a body on.
async fn tell<B, T: serde::Serialize>(
    state: State<mpsc::Sender<Request>>,
    body: Result<Json<B>, JsonRejection>,
    request: impl FnOnce(B, oneshot::Sender<Result<T, ApiError>>) -> Request,
) -> Response {
    match body {
        Ok(Json(body)) => ask(state, |reply| request(body, reply)).await,
        Err(error) => refuse(error.status(), &error.body_text()),
    }
}

async fn ask<T: serde::Serialize>(
    State(requests): State<mpsc::Sender<Request>>,
    request: impl FnOnce(oneshot::Sender<Result<T, ApiError>>) -> Request,
) -> Response {
    let (reply, answer) = oneshot::channel();
    let asked = async {
        requests.send(request(reply)).await.ok()?;
        answer.await.ok()
    };
    match timeout(ANSWER, asked).await {
        Ok(Some(Ok(answer))) => Json(answer).into_response(),
        Ok(Some(Err(error))) => (StatusCode::INTERNAL_SERVER_ERROR, Json(error)).into_response(),
        Ok(None) | Err(_) => refuse(StatusCode::SERVICE_UNAVAILABLE, "lvsd is too busy to answer"),
    }
}

fn refuse(status: StatusCode, error: &str) -> Response {
    (status, Json(ApiError { error: error.to_owned() })).into_response()
}
