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
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{CommandFactory as _, Parser as _};
use clap_complete::CompleteEnv;

use crate::control::{
    api,
    client::{Client, ClientError},
};
use args::{Args, Verb};

pub(crate) use ipvsadm::parse_saved_line;

/// What we are called.
const NAME: &str = "lvsctl";

/// Where lvsd listens if nobody says otherwise.
const SOCKET: &str = "/run/lvs/lvsd.sock";

/// Why there is nothing to show.
#[derive(Debug, thiserror::Error)]
enum CliError {
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error(transparent)]
    Ipvsadm(#[from] ipvsadm::Failure),
    #[error("{0}")]
    Argument(String),
    #[error("{0}")]
    File(String),
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
        // What ipvsadm says, it says without its name.
        Err(CliError::Ipvsadm(ipvsadm::Failure { text, status })) => {
            drop(writeln!(io::stderr(), "{text}"));
            ExitCode::from(status)
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
    Ipvsadm { socket: PathBuf, ask: ipvsadm::Ask },
}

enum Usage {
    Clap(clap::Error),
    Ipvsadm(ipvsadm::Failure),
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
            let name = arguments.first().map_or(Path::new(NAME), Path::new);
            let ask = ipvsadm::parse(name, &rest).map_err(Usage::Ipvsadm)?;
            return Ok(Self::Ipvsadm { socket, ask });
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
            Call::Ipvsadm { socket, ask } => {
                ipvsadm::answer(&Client::new(&socket), &ask).await.map(Answer::from)
            }
        }
    })
}
