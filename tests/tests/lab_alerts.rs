//! Who is told of a real server that fails, while forwarding goes on whatever becomes of them.

use std::{fs, time::Duration};

use anyhow::{Context, Result};
use lvs_tests::lab::{Host, Lab, Options, config, wait_for};
use nix::sys::signal::Signal;

const SOON: Duration = Duration::from_secs(20);

#[test]
fn each_change_is_told_once_to_each_and_nobody_is_in_the_way() -> Result<()> {
    let mut lab = Lab::up(Options::default())?;
    let (file, told, hook) =
        ("/run/lvs/lab/alerts.log", "/run/lvs/lab/told", "/run/lvs/lab/hook.sh");
    let script = format!(
        "#!/bin/sh\necho $LVS_TIME $LVS_DIRECTOR $LVS_PROTOCOL $LVS_VIP $LVS_PORT $LVS_ADDRESS \
         $LVS_FROM $LVS_TO $LVS_REASON >> {told}\n"
    );
    fs::write(hook, script)?;
    lab.run(Host::Director, &["chmod", "+x", hook])?;
    // Nobody answers on the ports of mail and web hook; one hook is missing, and one hangs.
    let alerts = format!(
        r#"[alerts]
file = "{file}"
hooks = [["{hook}"], ["/nowhere/hook"], ["/bin/sleep", "1000"]]
hook_timeout = "300ms"
webhook = "http://10.77.0.2:9/alerts"
[alerts.mail]
server = "10.77.0.2"
encryption = "none"
from = "lvs@director.lab"
to = ["ops@client.lab"]
gather = "100ms"
retry = "100ms"

[[virtual_service]]"#
    );
    let check = "check = { type = \"http\", interval = \"200ms\", timeout = \"300ms\", fall = 2 }";
    let text = config(Host::Director, [1, 1, 1])
        .replacen("[[virtual_service]]", &alerts, 1)
        .replace("scheduler = \"wrr\"", check);
    let lvsd = lab.start_lvsd(Host::Director, &text)?;
    lvsd.wait_until_up()?;
    lab.signal_web_server(Host::Rs2, Signal::SIGKILL)?;
    let lines = |file: &str, about: &str| {
        let text = fs::read_to_string(file).unwrap_or_default();
        text.lines().filter(|line| line.contains(about)).map(str::to_owned).collect::<Vec<_>>()
    };
    wait_for("the failure", SOON, || {
        (lines(file, "10.77.0.12: up -> down").len() == 1).then_some(())
    })?;
    assert_eq!(lab.requests(30)?.len(), 30);
    lab.restart_web_server(Host::Rs2)?;
    wait_for("the recovery", SOON, || (lines(file, "10.77.0.12").len() == 3).then_some(()))
        .with_context(|| fs::read_to_string(file).unwrap_or_default())?;
    // As up.logger and down.logger wrote: when, which service, which real server.
    let written = lines(file, "10.77.0.12");
    let story = ["checking -> up", "up -> down", "down -> up"];
    for (line, change) in written.iter().zip(story) {
        assert!(
            line.contains(&format!("Z director tcp 10.77.0.100:80 10.77.0.12: {change}: ")),
            "{line}"
        );
    }
    wait_for("the hook", SOON, || (lines(told, "10.77.0.12").len() == 3).then_some(()))?;
    let last = lines(told, "10.77.0.12").pop().unwrap_or_default();
    assert!(
        last.contains("director tcp 10.77.0.100 80 10.77.0.12 down up the http check"),
        "{last}"
    );

    for words in [
        "can't run it",
        "killed, because it took longer",
        "the web hook does not take",
        "can't send mail",
    ] {
        wait_for(words, SOON, || lvsd.log().contains(words).then_some(()))?;
    }
    // Of every change it fails, but that is said only now and then.
    let log = lvsd.log();
    let of_hook = |line: &&str| line.contains("hook failed") && line.contains("/nowhere/hook");
    assert_eq!(log.lines().filter(of_hook).count(), 1, "{log}");
    assert_eq!(lab.requests(30)?.len(), 30);
    Ok(())
}
