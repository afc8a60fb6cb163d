//! lvsctl's end of the control socket.

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use http_body_util::{BodyExt as _, Full};
use hyper::{
    Request, Response,
    body::{Bytes, Incoming},
    client::conn::http1,
    header::{self, HeaderValue},
    http::request,
};
use hyper_util::rt::TokioIo;
use serde::{Serialize, de::DeserializeOwned};
use tokio::{net::UnixStream, time::timeout};
use tokio_util::task::AbortOnDropHandle;

use super::api::{
    self, ApiError, Configuration, Connections, Edited, Edits, Event, Filter, HandOver, HandedOver,
    Persistence, Question, Rates, Reload, Reloaded, Restore, Save, Saved, Services, Status,
    Unsaved, Why, Zero, Zeroed,
};
use crate::{config::Edit, doctor::Diagnosis, model::ServiceId};

/// How long to wait for an answer: longer than lvsd takes to say that it has none.
const ANSWER: Duration = Duration::from_secs(10);

/// The same where lvsd needs others' answers first.
const LONG_ANSWER: Duration = Duration::from_secs(30);

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

    /// The connections that are remembered, and meant.
    ///
    /// # Errors
    /// When there is no answer, or none that can be understood.
    pub async fn connections(&self, filter: &Filter) -> Result<Connections, ClientError> {
        let query = serde_urlencoded::to_string(filter).map_err(|error| self.broken(error))?;
        self.get(&format!("{}?{query}", api::CONNECTIONS)).await
    }

    /// Where clients stay.
    ///
    /// # Errors
    /// When there is no answer, or none that can be understood.
    pub async fn persistence(&self) -> Result<Persistence, ClientError> {
        self.get(api::PERSISTENCE).await
    }

    /// Counts from zero again, for a service or for all.
    ///
    /// # Errors
    /// When there is no answer, or no such service.
    pub async fn zero(&self, service: Option<ServiceId>) -> Result<Zeroed, ClientError> {
        self.post(api::ZERO, &Zero { service }).await
    }

    /// Where a packet would go now, and why.
    ///
    /// # Errors
    /// When there is no answer, or there can be no such packet.
    pub async fn why(&self, question: &Question) -> Result<Why, ClientError> {
        let query = serde_urlencoded::to_string(question).map_err(|error| self.broken(error))?;
        self.get(&format!("{}?{query}", api::WHY)).await
    }

    /// What happens from now on.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn events(&self) -> Result<Events, ClientError> {
        let request = Request::get(api::EVENTS).body(Full::default());
        let request = request.map_err(|error| self.broken(error))?;
        let sent = timeout(ANSWER, self.send(request)).await;
        let (response, connection) = sent.map_err(|_| self.broken("no answer"))??;
        Ok(Events {
            client: self.clone(),
            body: response.into_body(),
            read: Vec::new(),
            connection,
        })
    }

    /// The director itself.
    ///
    /// # Errors
    /// When there is no answer, or none that can be understood.
    pub async fn status(&self) -> Result<Status, ClientError> {
        self.get(api::STATUS).await
    }

    /// What is wrong.
    ///
    /// # Errors
    /// When there is no answer, or none that can be understood.
    pub async fn doctor(&self) -> Result<Diagnosis, ClientError> {
        self.get_within(LONG_ANSWER, api::DOCTOR).await
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

    /// Has lvsd run another configuration.
    ///
    /// # Errors
    /// When there is no answer, or the configuration has errors; then nothing has changed.
    pub async fn restore(&self, toml: String) -> Result<Edited, ClientError> {
        self.tell(Request::put(api::CONFIGURATION), &Restore { toml }).await
    }

    /// What is running and not in the configuration file.
    ///
    /// # Errors
    /// When there is no answer, or the file has errors.
    pub async fn difference(&self) -> Result<Unsaved, ClientError> {
        self.get(api::DIFFERENCE).await
    }

    /// Has another director take over, or this one.
    ///
    /// # Errors
    /// When there is no answer, or it can't be done.
    pub async fn hand_over(
        &self,
        to: Option<String>,
        force: bool,
    ) -> Result<HandedOver, ClientError> {
        self.post(api::FAILOVER, &HandOver { to, force }).await
    }

    /// Has lvsd write the running configuration to its file.
    ///
    /// # Errors
    /// When there is no answer, or the file can't be written.
    pub async fn save(&self) -> Result<Saved, ClientError> {
        self.post(api::SAVE, &Save {}).await
    }

    async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, ClientError> {
        self.tell(Request::post(path), body).await
    }

    async fn tell<T: DeserializeOwned>(
        &self,
        request: request::Builder,
        body: &impl Serialize,
    ) -> Result<T, ClientError> {
        let body = serde_json::to_vec(body).map_err(|error| self.broken(error))?;
        let request =
            request.header(header::CONTENT_TYPE, "application/json").body(Full::from(body));
        self.ask(ANSWER, request.map_err(|error| self.broken(error))?).await
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        self.get_within(ANSWER, path).await
    }

    async fn get_within<T: DeserializeOwned>(
        &self,
        limit: Duration,
        path: &str,
    ) -> Result<T, ClientError> {
        let request = Request::get(path).body(Full::default());
        self.ask(limit, request.map_err(|error| self.broken(error))?).await
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        limit: Duration,
        request: Request<Full<Bytes>>,
    ) -> Result<T, ClientError> {
        match timeout(limit, self.exchange(request)).await {
            Ok(answer) => answer,
            Err(_) => Err(self.broken("no answer")),
        }
    }

    async fn exchange<T: DeserializeOwned>(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<T, ClientError> {
        let (response, _connection) = self.send(request).await?;
        let body = response.into_body().collect().await.map_err(|error| self.broken(error))?;
        serde_json::from_slice(&body.to_bytes()).map_err(|error| self.broken(error))
    }

    /// Sends a request; gives an answer whose body is still to come, as long as the connection is kept.
    async fn send(
        &self,
        mut request: Request<Full<Bytes>>,
    ) -> Result<(Response<Incoming>, AbortOnDropHandle<()>), ClientError> {
        let stream = UnixStream::connect(&self.path).await.map_err(|error| self.refused(&error))?;
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|error| self.broken(error))?;
        // How it has ended, the answer says, too.
        let connection = AbortOnDropHandle::new(tokio::spawn(async { drop(connection.await) }));
        request.headers_mut().insert(header::HOST, HeaderValue::from_static("lvsd"));
        let response = sender.send_request(request).await.map_err(|error| self.broken(error))?;
        let status = response.status();
        if status.is_success() {
            return Ok((response, connection));
        }
        let body = response.into_body().collect().await.map_err(|error| self.broken(error))?;
        let error = serde_json::from_slice(&body.to_bytes())
            .unwrap_or_else(|_| ApiError { error: format!("lvsd answers {status}") });
        Err(ClientError::Refused(error))
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

/// What happens, as it happens.
#[derive(Debug)]
pub struct Events {
    client: Client,
    body: Incoming,
    /// What has come of the next line.
    read: Vec<u8>,
    /// Held as long as somebody listens.
    #[expect(dead_code, reason = "what it does is to be there")]
    connection: AbortOnDropHandle<()>,
}

impl Events {
    /// The next one; `None` if lvsd has ended.
    ///
    /// # Errors
    /// When the connection breaks, or what comes can't be understood.
    pub async fn next(&mut self) -> Result<Option<Event>, ClientError> {
        loop {
            if let Some(end) = self.read.iter().position(|&byte| byte == b'\n') {
                let line: Vec<u8> = self.read.drain(..=end).collect();
                let event = serde_json::from_slice(&line);
                return event.map(Some).map_err(|error| self.client.broken(error));
            }
            let Some(frame) = self.body.frame().await else { return Ok(None) };
            let frame = frame.map_err(|error| self.client.broken(error))?;
            self.read.extend_from_slice(&frame.into_data().unwrap_or_default());
        }
    }
}
