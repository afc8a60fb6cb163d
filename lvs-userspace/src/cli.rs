//! lvsctl, the operator's hand. It speaks two ways: nouns and verbs (`args`), and ipvsadm's own
//! options to the letter (`ipvsadm`).

mod args;
mod complete;
mod drain;
mod ipvsadm;
mod names;
mod render;
mod verbs;

use std::{
    ffi::OsString,
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{CommandFactory as _, Parser as _};
use clap_complete::CompleteEnv;

use crate::{
    config::Config,
    control::{
        api::{self, Configuration},
        client::{Client, ClientError},
    },
};
use args::{Args, Verb};

/// What we are called.
const NAME: &str = "lvsctl";

/// Where lvsd listens if nobody says otherwise.
const SOCKET: &str = "/run/lvs/lvsd.sock";

/// Why there is nothing to show.
#[derive(Debug, thiserror::Error)]
enum CliError {
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error("{0}")]
    Usage(#[from] ipvsadm::UsageError),
    #[error("{0}")]
    Argument(String),
    #[error("{0}")]
    File(String),
    #[error("No such service")]
    NoService,
    #[error("can't write the answer: {0}")]
    Output(#[source] io::Error),
    #[error("can't start: {0}")]
    Runtime(#[source] io::Error),
}

/// Runs lvsctl. The first argument is the name that it was called by.
///
/// The status is 0 when all is done, 1 when the answer is no, 2 for an error.
#[must_use]
pub fn main(arguments: Vec<OsString>) -> ExitCode {
    // A shell asks what could stand there, by an environment variable.
    CompleteEnv::with_factory(Args::command).complete();
    let answer = match Call::parse(arguments) {
        Ok(call) => run(call),
        Err(Usage::Clap(error)) => error.exit(),
        Err(Usage::Ipvsadm(error)) => Err(error.into()),
    };
    let written = answer.and_then(|Answer { text, is_no }| {
        let mut stdout = io::stdout().lock();
        let written = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
        written.map(|()| is_no).map_err(CliError::Output)
    });
    match written {
        Ok(false) => ExitCode::SUCCESS,
        Ok(true) => ExitCode::FAILURE,
        // Who reads has seen enough (`lvsctl list | head -1`).
        Err(CliError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            ExitCode::SUCCESS
        }
        Err(error) => {
            // If nobody can read stderr either, the status still tells.
            for line in error.to_string().lines() {
                drop(writeln!(io::stderr(), "lvsctl: {line}"));
            }
            ExitCode::from(2)
        }
    }
}

/// What was asked for.
enum Call {
    Verb { socket: PathBuf, verb: Verb },
    Ipvsadm { socket: PathBuf, command: ipvsadm::Command },
}

enum Usage {
    Clap(clap::Error),
    Ipvsadm(ipvsadm::UsageError),
}

impl Call {
    fn parse(mut arguments: Vec<OsString>) -> Result<Self, Usage> {
        let called_ipvsadm = arguments
            .first()
            .is_some_and(|name| Path::new(name).file_name() == Some("ipvsadm".as_ref()));
        let socket = args::take_socket(&mut arguments);
        let rest: Vec<String> =
            arguments.iter().skip(1).map(|it| it.to_string_lossy().into_owned()).collect();
        if called_ipvsadm || ipvsadm::is_meant(&rest) {
            let command = ipvsadm::parse(&rest).map_err(Usage::Ipvsadm)?;
            return Ok(Self::Ipvsadm { socket, command });
        }
        let Args { verb, socket: _ } = Args::try_parse_from(&arguments).map_err(Usage::Clap)?;
        Ok(Self::Verb { socket, verb })
    }
}

/// What is printed.
struct Answer {
    text: String,
    /// Whether it is a no, or tells of something that is not as it should be.
    is_no: bool,
}

impl From<String> for Answer {
    fn from(text: String) -> Self {
        Self { text, is_no: false }
    }
}

fn run(call: Call) -> Result<Answer, CliError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(CliError::Runtime)?;
    runtime.block_on(async {
        match call {
            Call::Verb { socket, verb } => verbs::answer(&Client::new(&socket), verb).await,
            Call::Ipvsadm { socket, command } => {
                answer_ipvsadm(&Client::new(&socket), &command).await.map(Answer::from)
            }
        }
    })
}

async fn answer_ipvsadm(client: &Client, command: &ipvsadm::Command) -> Result<String, CliError> {
    match command {
        ipvsadm::Command::Version => Ok(format!("lvsctl {}\n", env!("CARGO_PKG_VERSION"))),
        ipvsadm::Command::Edit(edit) => {
            client.edit(vec![edit.clone()]).await?;
            Ok(String::new())
        }
        ipvsadm::Command::Save { numeric } => {
            let Configuration { toml, .. } = client.configuration().await?;
            let config = Config::parse(&toml, "lvsd's configuration")
                .map_err(|errors| CliError::File(errors.to_string()))?;
            Ok(ipvsadm::save(&config, *numeric))
        }
        ipvsadm::Command::Restore => {
            let mut text = String::new();
            let read = io::stdin().lock().read_to_string(&mut text);
            read.map_err(|error| CliError::File(format!("stdin: {error}")))?;
            let edits = ipvsadm::parse_saved(&text).map_err(CliError::File)?;
            client.edit(edits).await?;
            Ok(String::new())
        }
        ipvsadm::Command::List(list) if list.connections => Ok(render::ipvsadm_connections(
            &client.connections(&api::Filter::default()).await?,
            list,
        )),
        ipvsadm::Command::List(list) if list.rate => {
            let mut rates = client.rates().await?;
            if let Some(only) = &list.service {
                rates.services.retain(|it| only.is(it.protocol, it.address, it.port));
                if rates.services.is_empty() {
                    return Err(CliError::NoService);
                }
            }
            let size = client.status().await?.connection_table_size;
            Ok(render::ipvsadm_rates(&rates, size, list))
        }
        ipvsadm::Command::List(list) => {
            let mut services = client.services().await?;
            if let Some(only) = &list.service {
                services.services.retain(|it| only.is(it.protocol, it.address, it.port));
                if services.services.is_empty() {
                    return Err(CliError::NoService);
                }
            }
            let size = client.status().await?.connection_table_size;
            Ok(render::ipvsadm(&services, size, list))
        }
    }
}
