//! What lvsd itself needs for its checks: files, and time.

use std::{process::Command, thread, time::Duration};

use anyhow::{Result, ensure};
use lvs_tests::lab::{Host, Lab, Lvsd, Options, config, wait_for};

const SOON: Duration = Duration::from_secs(20);

/// How many files lvsd may open: the soft limit of that name becomes this.
fn limit_files(lvsd: &Lvsd, files: &str) -> Result<()> {
    let pid = lvsd.pid().to_string();
    let set = format!("--nofile={files}:");
    let output = Command::new("prlimit").args(["--pid", &pid, &set]).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// An lvsd that has no socket left to ask with does not take it out on the real servers.
#[test]
fn who_can_not_be_asked_stays_what_he_was() -> Result<()> {
    let lab = Lab::up(Options::default())?;
    let keys = "check = { type = \"http\", interval = \"200ms\", timeout = \"200ms\", fall = 2 }";
    let text = config(Host::Director, [1, 1, 1]).replace("scheduler = \"wrr\"", keys);
    let lvsd = lab.start_lvsd(Host::Director, &text)?;
    lvsd.wait_until_up()?;
    limit_files(&lvsd, "3")?;
    wait_for("the complaint", SOON, || {
        lvsd.log().contains("can't ask real servers").then_some(())
    })?;
    // Far more checks than would take them out.
    thread::sleep(Duration::from_secs(3));
    assert!(!lvsd.log().contains("out of service"), "{}", lvsd.log());
    assert_eq!(lvsd.log().matches("can't ask real servers").count(), 1, "{}", lvsd.log());
    assert_eq!(lab.requests(6)?.len(), 6);
    limit_files(&lvsd, "1024")?;
    lvsd.wait_until_up()?;
    assert_eq!(lab.requests(6)?.len(), 6);
    Ok(())
}

/// Its limit of open files is as high as it may be, whatever it was started with.
#[test]
fn it_may_open_as_many_files_as_it_can_have() -> Result<()> {
    let lab = Lab::up(Options::default())?;
    let mut command =
        lvs_tests::lab::LvsdCommand::new(Host::Director, &config(Host::Director, [1, 1, 1]))?;
    command.wrapper = ["prlimit", "--nofile=64:5000"].map(str::to_owned).into();
    let lvsd = command.start()?;
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", lvsd.pid()))?;
    let files = limits.lines().find(|line| line.starts_with("Max open files"));
    let files: Vec<_> = files.into_iter().flat_map(str::split_whitespace).collect();
    assert_eq!(files, ["Max", "open", "files", "5000", "5000", "files"]);
    drop(lab);
    Ok(())
}
