//! `cargo xtask run`: the load balancer at work, in the lab or on this machine's own interfaces.

use std::{
    fmt::Write as _,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::Command,
    sync::mpsc,
};

use anyhow::{Context as _, Result, ensure};
use lvs_tests::lab::{self, Host, Lab, URL};

use crate::{build, lab as lab_verb, privilege};

/// How many requests the client makes.
const REQUESTS: usize = 60;

/// Where to run it.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Show who answered and end
    #[arg(long, conflicts_with = "config")]
    once: bool,
    /// Run lvsd with this file on this machine's own interfaces, without the lab
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Interface to attach to, in place of those of the file (can be repeated)
    #[arg(long, value_name = "NAME", requires = "config")]
    interface: Vec<String>,
}

/// Sets up, builds and runs it.
pub(crate) fn main(options: Options) -> Result<()> {
    let programs = build::run(&build::Options::default())?;
    privilege::elevate()?;
    match options.config {
        Some(config) => on_this_machine(&programs, &config, &options.interface),
        None => in_the_lab(options.once),
    }
}

/// In the place of this process, so that signals and exit status are lvsd's own.
fn on_this_machine(programs: &Path, config: &Path, interfaces: &[String]) -> Result<()> {
    let lvsd = programs.join("lvsd");
    let mut command = Command::new(&lvsd);
    command.arg("--config").arg(config);
    for interface in interfaces {
        command.arg("--interface").arg(interface);
    }
    Err(command.exec()).with_context(|| format!("cannot run {}", lvsd.display()))
}

#[expect(clippy::print_stdout, reason = "the tables are the command's result")]
fn in_the_lab(once: bool) -> Result<()> {
    // From here on a Ctrl-C must not end this before the lab is taken down.
    let (sender, interrupt) = mpsc::channel();
    ctrlc::set_handler(move || {
        // Nobody listens any more when all is being taken down already.
        sender.send(()).ok();
    })?;
    eprintln!("run: brings up the lab: a client, two directors, three web servers, one switch");
    let lab = Lab::up(lab_verb::AT_ONCE)?;
    eprintln!("run: starts lvsd on the director");
    let lvsd = lab.start_lvsd(Host::Director, &lab::config_of_both(Host::Director))?;
    lvsd.wait_until_up()?;

    eprintln!("run: the client makes {REQUESTS} requests to {URL}");
    let answers = lab.requests(REQUESTS)?;
    let list = lab.lvsctl(&["list"])?;
    ensure!(list.status.success(), "lvsctl list: {}", String::from_utf8_lossy(&list.stderr).trim());
    println!("\nWho answered, as the client saw it:\n\n{}", who_answered(&answers));
    println!(
        "What the director counted (lvsctl list):\n\n{}",
        String::from_utf8_lossy(&list.stdout)
    );

    if !once {
        eprintln!("run: stays up until Ctrl-C; meanwhile, in another terminal:");
        eprintln!("{}", lab_verb::hints()?);
        interrupt.recv()?;
        eprintln!("\nrun: takes all down");
    }
    let log = lvsd.log();
    let status = lvsd.stop()?;
    ensure!(status.success(), "lvsd did not end well, {status}:\n{log}");
    Ok(())
}

fn who_answered(answers: &[String]) -> String {
    let mut table = format!("{:<8}{:>8}{:>10}{:>8}\n", "server", "weight", "requests", "share");
    for (server, weight) in Host::REAL_SERVERS.into_iter().zip(lab::WEIGHTS) {
        let requests = answers.iter().filter(|answer| *answer == server.name()).count();
        let percent = 100.0 * requests as f64 / answers.len().max(1) as f64;
        let share = format!("{percent:.1} %");
        writeln!(table, "{:<8}{weight:>8}{requests:>10}{share:>8}", server.name())
            .expect("a String takes all");
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_counts_each_server() {
        let answers = ["rs1", "rs2", "rs1", "rs3", "rs2", "rs1"].map(str::to_owned);
        let expected = "\
server    weight  requests   share
rs1            3         3  50.0 %
rs2            2         2  33.3 %
rs3            1         1  16.7 %
";
        assert_eq!(who_answered(&answers), expected);
    }
}
