//! lvsctl's end of the control socket.

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use http_body_util::{BodyExt as _, Full};
use hyper::{
    Request,
    body::Bytes,
    client::conn::http1,
    header::{self, HeaderValue},
};
use hyper_util::rt::TokioIo;
use serde::{Serialize, de::DeserializeOwned};
use tokio::{net::UnixStream, time::timeout};

use super::api::{
    self, ApiError, Configuration, Connections, Edited, Edits, Rates, Reload, Reloaded, Services,
    Status,
};
use crate::config::Edit;

/// How long to wait for an answer: longer than lvsd takes to say that it has none.
const ANSWER: Duration = Duration::from_secs(10);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody is there.
    #[error(
        "no lvsd answers on {}: is it running? (--socket or LVS_SOCKET chooses another)",
        .0.display()
    )]
    NoDaemon(PathBuf),
    /// The socket is for others.
    #[error("no rights to use {}: run as root or as a member of the group lvs", .0.display())]
    Rights(PathBuf),
    /// The connection broke.
    #[error("can't talk to lvsd on {}: {error}", path.display())]
    Connection {
        /// The socket.
        path: PathBuf,
        /// Why.
        error: String,
    },
    /// lvsd has refused.
    #[error(transparent)]
    Refused(ApiError),
}

/// Asks a running lvsd.
#[derive(Clone, Debug)]
pub struct Client {
    path: PathBuf,
}

impl Client {
    /// A client of the lvsd that listens on `path`.
    #[must_use]
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    /// The table with its counters.
    ///
    /// # Errors
    /// When there is no answer, or none that can be understood.
    pub async fn services(&self) -> Result<Services, ClientError> {
        self.get(api::SERVICES).await
    }

    /// How fast the counters go.
    ///
    /// # Errors
    /// When there is no answer, or none that can be understood.
    pub async fn rates(&self) -> Result<Rates, ClientError> {
        self.get(api::RATES).await
    }

    /// The connections that are remembered.
    ///
    /// # Errors
    /// When there is no answer, or none that can be understood.
    pub async fn connections(&self) -> Result<Connections, ClientError> {
        self.get(api::CONNECTIONS).await
    }

    /// The director itself.
    ///
    /// # Errors
    /// When there is no answer, or none that can be understood.
    pub async fn status(&self) -> Result<Status, ClientError> {
        self.get(api::STATUS).await
    }

    /// Has lvsd read its configuration file again.
    ///
    /// # Errors
    /// When there is no answer, or the file has errors; then nothing has changed.
    pub async fn reload(&self, reload: Reload) -> Result<Reloaded, ClientError> {
        self.post(api::RELOAD, &reload).await
    }

    /// Changes the running configuration.
    ///
    /// # Errors
    /// When there is no answer, or one of the changes can't be made; then none is.
    pub async fn edit(&self, edits: Vec<Edit>) -> Result<Edited, ClientError> {
        self.post(api::EDITS, &Edits { edits }).await
    }

    /// The running configuration.
    ///
    /// # Errors
    /// When there is no answer, or none that can be understood.
    pub async fn configuration(&self) -> Result<Configuration, ClientError> {
        self.get(api::CONFIGURATION).await
    }

    async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, ClientError> {
        let body = serde_json::to_vec(body).map_err(|error| self.broken(error))?;
        let request = Request::post(path)
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::from(body));
        self.ask(request.map_err(|error| self.broken(error))?).await
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        let request = Request::get(path).body(Full::default());
        self.ask(request.map_err(|error| self.broken(error))?).await
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<T, ClientError> {
        match timeout(ANSWER, self.exchange(request)).await {
            Ok(answer) => answer,
            Err(_) => Err(self.broken("no answer")),
        }
    }

    async fn exchange<T: DeserializeOwned>(
        &self,
        mut request: Request<Full<Bytes>>,
    ) -> Result<T, ClientError> {
        let stream = UnixStream::connect(&self.path).await.map_err(|error| self.refused(&error))?;
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|error| self.broken(error))?;
        let connection = tokio::spawn(connection);
        request.headers_mut().insert(header::HOST, HeaderValue::from_static("lvsd"));
        let response = sender.send_request(request).await.map_err(|error| self.broken(error))?;
        let status = response.status();
        let body = response.into_body().collect().await.map_err(|error| self.broken(error))?;
        connection.abort();

        let body = body.to_bytes();
        if status.is_success() {
            serde_json::from_slice(&body).map_err(|error| self.broken(error))
        } else {
            let error = serde_json::from_slice(&body)
                .unwrap_or_else(|_| ApiError { error: format!("lvsd answers {status}") });
            Err(ClientError::Refused(error))
        }
    }

    fn refused(&self, error: &io::Error) -> ClientError {
        let kind = error.kind();
        if kind == io::ErrorKind::NotFound || kind == io::ErrorKind::ConnectionRefused {
            ClientError::NoDaemon(self.path.clone())
        } else if kind == io::ErrorKind::PermissionDenied {
            ClientError::Rights(self.path.clone())
        } else {
            self.broken(error)
        }
    }

    fn broken(&self, error: impl std::fmt::Display) -> ClientError {
        ClientError::Connection { path: self.path.clone(), error: error.to_string() }
    }
}
