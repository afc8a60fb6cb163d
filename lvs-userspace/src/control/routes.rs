//! What can be asked for: one table, of which both the router and the OpenAPI document are made.

use std::time::Duration;

use axum::{
    Extension, Json, Router,
    body::{Body, Bytes},
    extract::{
        DefaultBodyLimit, Query, Request as HttpRequest, State,
        rejection::{JsonRejection, QueryRejection},
    },
    http::{StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{self, MethodRouter},
};
use futures::stream;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Serialize, de::DeserializeOwned};
use tokio::{
    sync::{broadcast, mpsc, oneshot},
    time::timeout,
};

use super::{
    api::{self, ApiError, Event, What},
    openapi::openapi,
    peer::Peer,
    request::{Reply, Request},
};

/// How long the daemon may take for an answer.
const ANSWER: Duration = Duration::from_secs(5);

/// The same for one that needs others' answers first.
const LONG_ANSWER: Duration = Duration::from_secs(25);

/// How long a request may take, from its head to that of its answer.
const REQUEST: Duration = Duration::from_secs(30);

/// The longest body, in bytes: 100,000 edits fit in.
const LONGEST: usize = 32 << 20;

/// The ways into the daemon.
#[derive(Clone, Debug)]
pub(super) struct Doors {
    pub(super) requests: mpsc::Sender<Request>,
    pub(super) events: broadcast::Sender<Event>,
}

/// How a type looks as JSON.
pub(super) type SchemaOf = fn(&mut SchemaGenerator) -> Schema;

/// Something that can be asked for.
pub(super) struct Route {
    pub(super) path: &'static str,
    pub(super) method: &'static str,
    /// What it is, for who reads the document.
    pub(super) summary: &'static str,
    /// What may stand behind the `?`.
    pub(super) query: Option<SchemaOf>,
    pub(super) body: Option<SchemaOf>,
    /// What is answered; the second is whether it is one a line, without end.
    pub(super) answer: (SchemaOf, bool),
    handler: MethodRouter<Doors>,
}

/// All of them.
pub(super) fn routes() -> Vec<Route> {
    vec![
        read(
            api::SERVICES,
            "The table: every virtual service, with its counters",
            Request::Services,
        ),
        read(api::RATES, "How fast the counters go", Request::Rates),
        filtered(api::CONNECTIONS, "The connections that are remembered", Request::Connections),
        read(api::PERSISTENCE, "Where clients stay", Request::Persistence),
        filtered(api::WHY, "Where a packet would go now, and why", Request::Why),
        read(api::STATUS, "The director itself", Request::Status),
        read_within(
            LONG_ANSWER,
            api::DOCTOR,
            "What makes direct routing fail, and what to do",
            Request::Doctor,
        ),
        read(
            api::CONFIGURATION,
            "The running configuration, as the text of a file",
            Request::Configuration,
        ),
        change(
            api::CONFIGURATION,
            "put",
            "Another configuration in place of the running one, all or nothing",
            Request::Restore,
        ),
        read(
            api::DIFFERENCE,
            "What is running and not in the configuration file",
            Request::Difference,
        ),
        change(api::EDITS, "post", "Changes, all or none, in this order", Request::Edit),
        change(api::RELOAD, "post", "Reads the configuration file again", Request::Reload),
        change(api::ZERO, "post", "Counts from zero again", Request::Zero),
        change(api::FAILOVER, "post", "Has another director take over", Request::HandOver),
        change(api::SAVE, "post", "Writes the running configuration to the file", Request::Save),
        Route {
            path: api::EVENTS,
            method: "get",
            summary: "What happens from now on, an object a line, until you hang up",
            query: None,
            body: None,
            answer: (|schemas| schemas.subschema_for::<Event>(), true),
            handler: routing::get(async |State(doors): State<Doors>| events(&doors)),
        },
        Route {
            path: api::OPENAPI,
            method: "get",
            summary: "This document",
            query: None,
            body: None,
            answer: (|schemas| schemas.subschema_for::<serde_json::Value>(), false),
            handler: routing::get(async || Json(openapi())),
        },
    ]
}

/// All of them, and what is said to who asks for something else, too much, or too slowly.
pub(super) fn router(doors: Doors) -> Router {
    routes()
        .into_iter()
        .fold(Router::new(), |router, route| router.route(route.path, route.handler))
        .fallback(async || refuse(StatusCode::NOT_FOUND, "there is no such path"))
        .method_not_allowed_fallback(async || {
            refuse(StatusCode::METHOD_NOT_ALLOWED, "that can't be done here")
        })
        .layer(DefaultBodyLimit::max(LONGEST))
        .layer(middleware::from_fn(within_bounds))
        .with_state(doors)
}

/// Refuses what is too long before it has come, and what comes too slowly.
async fn within_bounds(request: HttpRequest, next: Next) -> Response {
    let length = request.headers().get(header::CONTENT_LENGTH);
    let length = length.and_then(|it| it.to_str().ok()?.parse::<usize>().ok());
    if length.is_some_and(|length| length > LONGEST) {
        return refuse(StatusCode::PAYLOAD_TOO_LARGE, "the request is too long");
    }
    match timeout(REQUEST, next.run(request)).await {
        Ok(response) => response,
        Err(_) => refuse(StatusCode::REQUEST_TIMEOUT, "the request took too long"),
    }
}

fn read<T: Serialize + JsonSchema + Send + 'static>(
    path: &'static str,
    summary: &'static str,
    request: fn(Reply<T>) -> Request,
) -> Route {
    read_within(ANSWER, path, summary, request)
}

fn read_within<T: Serialize + JsonSchema + Send + 'static>(
    limit: Duration,
    path: &'static str,
    summary: &'static str,
    request: fn(Reply<T>) -> Request,
) -> Route {
    Route {
        path,
        method: "get",
        summary,
        query: None,
        body: None,
        answer: (|schemas| schemas.subschema_for::<T>(), false),
        handler: routing::get(async move |State(doors): State<Doors>| {
            ask_within(limit, &doors, request).await
        }),
    }
}

fn filtered<Q, T>(
    path: &'static str,
    summary: &'static str,
    request: fn(Q, Reply<T>) -> Request,
) -> Route
where
    Q: DeserializeOwned + JsonSchema + Send + 'static,
    T: Serialize + JsonSchema + Send + 'static,
{
    type Asked<Q> = Result<Query<Q>, QueryRejection>;
    Route {
        path,
        method: "get",
        summary,
        query: Some(|schemas| schemas.subschema_for::<Q>()),
        body: None,
        answer: (|schemas| schemas.subschema_for::<T>(), false),
        handler: routing::get(
            async move |State(doors): State<Doors>, query: Asked<Q>| match query {
                Ok(Query(query)) => ask(&doors, |reply| request(query, reply)).await,
                Err(error) => refuse(error.status(), &error.body_text()),
            },
        ),
    }
}

fn change<B, T>(
    path: &'static str,
    method: &'static str,
    summary: &'static str,
    request: fn(B, Peer, Reply<T>) -> Request,
) -> Route
where
    B: DeserializeOwned + JsonSchema + Send + 'static,
    T: Serialize + JsonSchema + Send + 'static,
{
    type Body<B> = Result<Json<B>, JsonRejection>;
    let handler = async move |State(doors): State<Doors>,
                              Extension(peer): Extension<Option<Peer>>,
                              body: Body<B>| {
        let Some(peer) = peer.filter(Peer::may_change) else {
            let error = "only root and members of the group lvs-admin may change anything";
            return refuse(StatusCode::FORBIDDEN, error);
        };
        match body {
            Ok(Json(body)) => ask(&doors, |reply| request(body, peer, reply)).await,
            Err(error) => refuse(error.status(), &error.body_text()),
        }
    };
    Route {
        path,
        method,
        summary,
        query: None,
        body: Some(|schemas| schemas.subschema_for::<B>()),
        answer: (|schemas| schemas.subschema_for::<T>(), false),
        handler: if method == "put" { routing::put(handler) } else { routing::post(handler) },
    }
}

async fn ask<T: Serialize>(
    doors: &Doors,
    request: impl FnOnce(oneshot::Sender<Result<T, ApiError>>) -> Request,
) -> Response {
    ask_within(ANSWER, doors, request).await
}

async fn ask_within<T: Serialize>(
    limit: Duration,
    doors: &Doors,
    request: impl FnOnce(oneshot::Sender<Result<T, ApiError>>) -> Request,
) -> Response {
    let (reply, answer) = oneshot::channel();
    let asked = async {
        doors.requests.send(request(reply)).await.ok()?;
        answer.await.ok()
    };
    match timeout(limit, asked).await {
        Ok(Some(Ok(answer))) => Json(answer).into_response(),
        Ok(Some(Err(error))) => (StatusCode::UNPROCESSABLE_ENTITY, Json(error)).into_response(),
        Ok(None) | Err(_) => refuse(StatusCode::SERVICE_UNAVAILABLE, "lvsd is too busy to answer"),
    }
}

fn events(doors: &Doors) -> Response {
    let lines = stream::unfold(doors.events.subscribe(), async |mut events| {
        let event = match events.recv().await {
            Ok(event) => event,
            Err(broadcast::error::RecvError::Lagged(events)) => Event::now(What::Missed { events }),
            Err(broadcast::error::RecvError::Closed) => return None,
        };
        let line = serde_json::to_vec(&event).map(|mut line| {
            line.push(b'\n');
            Bytes::from(line)
        });
        Some((line, events))
    });
    let body = Body::from_stream(lines);
    ([(header::CONTENT_TYPE, "application/x-ndjson")], body).into_response()
}

fn refuse(status: StatusCode, error: &str) -> Response {
    (status, Json(ApiError { error: error.to_owned() })).into_response()
}
