//! lvsctl and the control socket, with a daemon's loop that answers as it is told.
#![expect(clippy::unwrap_used, reason = "a test that can't go on should say where")]

mod answers;
mod changes;
mod questions;
mod socket;
mod terminal;

use std::{
    io::{Read as _, Write as _},
    os::unix::net::UnixStream,
    path::PathBuf,
    process::{Command, Output},
};

use lvs_userspace::{
    config::{Config, difference},
    control::{Request, api, server},
    failover::machine::State,
};
use tokio::{
    runtime::Runtime,
    sync::{broadcast, mpsc},
};
use tokio_util::sync::CancellationToken;

use answers::{
    CONFIG, adopted, connections, diagnosis, persistence, rates, reloaded, services, status, why,
    zero,
};

/// A control socket with a loop behind it.
struct Daemon {
    directory: tempfile::TempDir,
    events: broadcast::Sender<api::Event>,
    shutdown: CancellationToken,
    /// Has the tasks running.
    runtime: Runtime,
}

impl Daemon {
    fn start() -> Self {
        Self::start_with(Ok(status()))
    }

    /// One that answers with this status.
    fn start_with(status: Result<api::Status, api::ApiError>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let runtime = Runtime::new().unwrap();
        let shutdown = CancellationToken::new();
        let (sender, mut requests) = mpsc::channel(8);
        let path = directory.path().join("run/lvsd.sock");
        let _guard = runtime.enter();
        let listener = server::bind(&path).unwrap();
        let (events, _) = broadcast::channel(8);
        runtime.spawn(server::serve(listener, sender, events.clone(), shutdown.clone()));
        let file = directory.path().join("lvs.toml").display().to_string();
        let mut config = Config::parse(CONFIG, "").unwrap();
        let out_of_sync = status.as_ref().ok().and_then(|it| it.out_of_sync.clone());
        runtime.spawn(async move {
            while let Some(request) = requests.recv().await {
                match request {
                    Request::Services(reply) => drop(reply.send(Ok(services()))),
                    Request::Rates(reply) => drop(reply.send(Ok(rates()))),
                    Request::Connections(filter, reply) => {
                        drop(reply.send(Ok(connections(&filter))));
                    }
                    Request::Why(question, reply) => drop(reply.send(Ok(why(question)))),
                    Request::Status(reply) => drop(reply.send(status.clone())),
                    Request::Doctor(reply) => drop(reply.send(Ok(diagnosis()))),
                    Request::Reload(reload, _, reply) => drop(reply.send(reloaded(reload))),
                    Request::Edit(edits, _, reply) => {
                        let next = config.edited(&edits.edits).map_err(|it| it.to_string());
                        drop(reply.send(adopted(&mut config, next, out_of_sync.clone())));
                    }
                    Request::Restore(api::Restore { toml }, _, reply) => {
                        let next = Config::parse(&toml, "it").map_err(|it| it.to_string());
                        drop(reply.send(adopted(&mut config, next, out_of_sync.clone())));
                    }
                    Request::Difference(reply) => {
                        let running = Config::parse(CONFIG, "").unwrap();
                        let changes = difference(&running, &config).changes;
                        let file = file.clone();
                        let unsaved = api::Unsaved { file, changes, needs_restart: vec![] };
                        drop(reply.send(Ok(unsaved)));
                    }
                    Request::Persistence(reply) => drop(reply.send(Ok(persistence()))),
                    Request::Zero(api::Zero { service }, _, reply) => {
                        drop(reply.send(zero(service)))
                    }
                    Request::HandOver(api::HandOver { to: None, .. }, _, reply) => {
                        drop(reply.send(Ok(api::HandedOver { role: State::Backup })));
                    }
                    Request::HandOver(api::HandOver { to: Some(to), .. }, _, reply) => {
                        drop(reply.send(Err(api::ApiError { error: format!("{to} can't") })));
                    }
                    Request::Save(api::Save {}, _, reply) => {
                        drop(reply.send(Ok(api::Saved { file: file.clone(), before: None })));
                    }
                    Request::Configuration(reply) => {
                        let (toml, file) = (config.to_toml(), file.clone());
                        drop(reply.send(Ok(api::Configuration { toml, file })));
                    }
                }
            }
        });
        drop(_guard);
        Self { directory, events, shutdown, runtime }
    }

    fn socket(&self) -> PathBuf {
        self.directory.path().join("run/lvsd.sock")
    }

    fn lvsctl(&self, arguments: &[&str]) -> Output {
        lvsctl().arg("--socket").arg(self.socket()).args(arguments).output().unwrap()
    }

    /// Sends bytes, and gives what comes back.
    fn exchange(&self, request: &str) -> String {
        let mut stream = UnixStream::connect(self.socket()).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }
}

fn lvsctl() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lvsctl"));
    command.env_remove("LVS_SOCKET");
    command
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}
