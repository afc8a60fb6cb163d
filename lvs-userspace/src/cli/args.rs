//! lvsctl's nouns and verbs.

use std::{
    env,
    ffi::{OsStr, OsString},
    path::PathBuf,
};

use clap::{Parser, Subcommand};

use crate::import::Format;

/// Shows what the director does.
///
/// ipvsadm's own options work too: lvsctl -L -n --stats.
///
/// The status is 0 when all is done, 1 when the answer is no, 2 for an error.
#[derive(Debug, Parser)]
#[command(name = "lvsctl", version)]
pub(super) struct Args {
    /// Control socket of lvsd
    #[arg(long, env = "LVS_SOCKET", value_name = "PATH", default_value = super::SOCKET, global = true)]
    pub(super) socket: PathBuf,
    #[command(subcommand)]
    pub(super) verb: Verb,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Show the virtual services, their real servers and counters
    List {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Show how fast connections, packets and bytes come
    Rates {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Show the connections that the director remembers
    Connections {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Have lvsd read its configuration file again: all of it, or if it has errors nothing
    Reload {
        /// Only show what would change
        #[arg(long)]
        dry_run: bool,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Print our configuration for what another program's says
    Import {
        /// What kind of file it is
        format: Format,
        /// The file; - for stdin
        file: PathBuf,
    },
    /// Show the director: interfaces, and what became of packets that were not forwarded
    Status {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
}

/// Takes `--socket` out of the arguments, wherever it stands, for both ways of speaking.
pub(super) fn take_socket(arguments: &mut Vec<OsString>) -> PathBuf {
    let default = || env::var_os("LVS_SOCKET").unwrap_or_else(|| super::SOCKET.into()).into();
    let Some(at) = arguments
        .iter()
        .position(|it| it == "--socket" || it.as_encoded_bytes().starts_with(b"--socket="))
    else {
        return default();
    };
    let given = arguments.get(at).and_then(|it| it.to_str()?.strip_prefix("--socket="));
    if let Some(path) = given.map(PathBuf::from) {
        arguments.remove(at);
        return path;
    }
    match arguments.get(at + 1).map(OsStr::new).map(PathBuf::from) {
        Some(path) => {
            arguments.drain(at..=at + 1);
            path
        }
        None => default(), // The parser will say that its value is missing.
    }
}
