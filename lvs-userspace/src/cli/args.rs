//! Nouns and verbs.

mod edits;
mod packet;

use std::{
    env,
    ffi::{OsStr, OsString},
    net::IpAddr,
    path::PathBuf,
};

use clap::{Parser, Subcommand};
use clap_complete::engine::ArgValueCompleter;

pub(super) use edits::{ServerVerb, ServiceVerb};
pub(super) use packet::Packet;

use super::complete;
use crate::{doctor::Name, import::Format};

/// Shows what the director does, and changes it.
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
    List(Json),
    /// Show what went through the services and real servers, and what became of the rest
    Stats(Json),
    /// Show how fast connections, packets and bytes come
    Rates(Json),
    /// Show the connections that the director remembers
    Connections {
        /// Only those of this client
        #[arg(long, value_name = "ADDRESS")]
        client: Option<IpAddr>,
        /// Only those of this real server
        #[arg(long, value_name = "ADDRESS", add = ArgValueCompleter::new(complete::real_servers))]
        server: Option<IpAddr>,
        /// Only those in this state, like ESTABLISHED
        #[arg(long)]
        state: Option<String>,
        #[command(flatten)]
        json: Json,
    },
    /// Say where a packet would go now, and why; the exit status is 1 if it is not forwarded
    ///
    /// The program that forwards is asked, and nothing changes by it: no connection begins, and the
    /// next client gets the real server that it would have got anyway.
    Why {
        #[command(flatten)]
        packet: Packet,
        #[command(flatten)]
        json: Json,
    },
    /// Show the director: interfaces, and what became of packets that were not forwarded
    ///
    /// The exit status is 1 if the maps are not what they should be.
    Status(Json),
    /// Have another director take over the VIPs from this one, which must be master
    ///
    /// It stays backup until the other fails, or it is told to take over again; a restart of lvsd
    /// forgets that.
    Failover {
        /// The director that is to take over: this one, or the one that would be next
        #[arg(long, value_name = "NAME")]
        to: Option<String>,
        /// Although who takes over does not know all connections: they break then
        #[arg(long)]
        force: bool,
        #[command(flatten)]
        json: Json,
    },
    /// Look for all that makes direct routing fail, and say what to do
    ///
    /// The exit status is 1 if anything was found.
    Doctor {
        /// Say nothing of findings of this name
        #[arg(long, value_name = "NAME")]
        ignore: Vec<Name>,
        #[command(flatten)]
        json: Json,
    },
    /// Show what happens, as it happens, until Ctrl-C
    Watch(Json),
    /// Add, change or delete a virtual service, until lvsd reads its file again (see save)
    Service {
        /// What to do
        #[command(subcommand)]
        what: ServiceVerb,
    },
    /// Add, change, drain or delete a real server, until lvsd reads its file again (see save)
    Server {
        /// What to do
        #[command(subcommand)]
        what: ServerVerb,
    },
    /// Show what is running and not in lvsd's file; the exit status is 1 if there is anything
    Diff(Json),
    /// Write the running configuration to lvsd's file; the comments there are lost
    ///
    /// What stood there is kept beside it, in a file whose name ends in .old.
    Save {
        /// Another file, as whoever calls this; - for stdout
        file: Option<PathBuf>,
    },
    /// Have lvsd run what a file says that `save` has written: all of it, or if it has errors nothing
    Restore {
        /// The file; - for stdin
        file: PathBuf,
    },
    /// Have lvsd read its configuration file again: all of it, or if it has errors nothing
    Reload {
        /// Only show what would change
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        json: Json,
    },
    /// Say what is wrong with a configuration file; the exit status is 1 if anything is
    CheckConfig {
        /// The file
        #[arg(default_value = "/etc/lvs/lvs.toml")]
        file: PathBuf,
    },
    /// Print our configuration for what another program's says
    Import {
        /// What kind of file it is
        format: Format,
        /// The file; - for stdin
        file: PathBuf,
    },
    /// Print what makes a shell complete services and real servers, too
    Completions {
        /// bash, zsh, fish or elvish; to be read at its start, like: source <(lvsctl completions bash)
        shell: String,
    },
    /// Write the manual pages
    Man {
        /// Where to
        directory: PathBuf,
    },
}

/// How the answer is to look.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(super) struct Json {
    /// As JSON
    #[arg(long)]
    pub(super) json: bool,
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
