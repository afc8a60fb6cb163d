//! lvsd: the agent of a director.

use std::{
    ffi::OsStr,
    fs::File,
    io::{self, IsTerminal as _},
    os::{fd::AsFd as _, unix::fs::MetadataExt as _},
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

use clap::{Parser, ValueEnum};
use lvs_userspace::{
    daemon::{self, Options},
    dataplane::bpf::detach_all,
    net::netlink::Netlink,
};
use tokio::{
    runtime::Runtime,
    signal::unix::{SignalKind, signal},
};
use tokio_util::sync::CancellationToken;
use tracing::info;
use tracing_subscriber::{EnvFilter, layer::SubscriberExt as _, util::SubscriberInitExt as _};

/// The agent of a director: loads the XDP program, fills its maps from the configuration and keeps
/// them true.
///
/// What it logs is set by LVS_LOG (error, warn, info, debug, trace; default info). It ends on
/// SIGTERM and SIGINT. The program goes on forwarding, and the next lvsd takes it over.
#[derive(Debug, Parser)]
#[command(version)]
struct Args {
    /// Configuration file
    #[arg(long, value_name = "FILE", default_value = "/etc/lvs/lvs.toml")]
    config: PathBuf,
    /// Control socket
    #[arg(long, env = "LVS_SOCKET", value_name = "PATH", default_value = "/run/lvs/lvsd.sock")]
    socket: PathBuf,
    /// Where the maps are pinned: a directory of its own
    #[arg(long, value_name = "DIR", default_value = "/sys/fs/bpf/lvs")]
    bpffs: PathBuf,
    /// Interface to attach to, in place of those of the configuration (can be repeated)
    #[arg(long, value_name = "NAME")]
    interface: Vec<String>,
    /// Take the XDP program off all interfaces, forget its maps and connections, and end
    #[arg(long)]
    detach_all: bool,
    /// How much the XDP program itself says (never more than a line a second and CPU)
    #[arg(long, value_enum, value_name = "LEVEL", default_value = "off")]
    program_log: ProgramLog,
}

/// So long lvsd waits at its end for what can't be called off.
const PATIENCE: Duration = Duration::from_secs(1);

/// In the order of aya-log's levels.
#[derive(Clone, Copy, Debug, ValueEnum)]
#[repr(u8)]
enum ProgramLog {
    Off,
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

fn main() -> ExitCode {
    let args = Args::parse();
    set_up_log();

    let done = Runtime::new().map_err(anyhow::Error::from).and_then(|runtime| {
        let done = runtime.block_on(async {
            if args.detach_all { detach(&args).await } else { run(args).await }
        });
        // A look-up or a file system that hangs is not waited for.
        runtime.shutdown_timeout(PATIENCE);
        done
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            #[expect(clippy::print_stderr, reason = "errors of a program go to stderr")]
            for line in format!("{error:#}").lines() {
                eprintln!("lvsd: {line}");
            }
            ExitCode::from(2)
        }
    }
}

/// To the journal with all fields, if that is where stderr goes (systemd.exec(5), JOURNAL_STREAM);
/// else to stderr.
fn set_up_log() {
    let filter = EnvFilter::try_from_env("LVS_LOG").unwrap_or_else(|_| "info".into());
    let is_journal = std::env::var_os("JOURNAL_STREAM").is_some_and(|it| is_stderr(&it));
    let journal = is_journal
        .then(|| tracing_journald::layer().ok())
        .flatten()
        .map(|layer| layer.with_field_prefix(Some("LVS".to_owned())));
    let plain = journal.is_none().then(|| {
        tracing_subscriber::fmt::layer()
            .with_writer(io::stderr)
            .with_ansi(io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none())
            .with_target(false)
    });
    tracing_subscriber::registry().with(filter).with(journal).with(plain).init();
}

/// Whether the journal's stream, as device and inode, is our stderr: somebody may have led that elsewhere.
fn is_stderr(stream: &OsStr) -> bool {
    let stderr = io::stderr().as_fd().try_clone_to_owned().and_then(|it| File::from(it).metadata());
    stderr.is_ok_and(|it| *stream == *format!("{}:{}", it.dev(), it.ino()))
}

async fn detach(args: &Args) -> anyhow::Result<()> {
    let bpffs = args.bpffs.display();
    let was_there = detach_all(&args.bpffs)?;
    // What an lvsd that was killed has left.
    Netlink::without_news()?.clear_vip_routes().await?;
    if was_there {
        info!(%bpffs, "took down the XDP program and its maps");
    } else {
        info!(%bpffs, "there is nothing to take down");
    }
    Ok(())
}

async fn run(args: Args) -> anyhow::Result<()> {
    let shutdown = CancellationToken::new();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let stop = shutdown.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        stop.cancel();
    });

    let options = Options {
        config: args.config,
        socket: args.socket,
        bpffs: args.bpffs,
        interfaces: args.interface,
        program_log: args.program_log as u8,
    };
    Ok(daemon::run(options, shutdown).await?)
}
