//! lvs-realserver: a machine that becomes a real server, and stops being one.

use std::collections::BTreeSet;

use anyhow::Result;
use lvs_tests::lab::{Host, Lab, Options, VIP, VIP_V6, config};
use nix::sys::signal::Signal;

/// A lab in which rs1 is not yet a real server, and its network as it then is.
fn lab() -> Result<(Lab, String)> {
    let lab = Lab::up(Options::default())?;
    lab.forget_vips(Host::Rs1)?;
    let before = lab.own_network(Host::Rs1)?;
    Ok((lab, before))
}

#[test]
fn it_serves_as_one_set_up_by_hand_does() -> Result<()> {
    let (lab, before) = lab()?;
    let wrong = lab.real_server(Host::Rs1, "check", &[])?;
    assert_eq!(wrong.status.code(), Some(1), "{wrong:?}");
    assert!(String::from_utf8_lossy(&wrong.stdout).contains("is not on lo"), "{wrong:?}");

    let server = lab.start_real_server(Host::Rs1)?;
    let right = lab.real_server(Host::Rs1, "check", &[])?;
    assert_eq!(right.status.code(), Some(0), "{right:?}");

    let lvsd = lab.start_lvsd(Host::Director, &config(Host::Director, [1, 1, 1]))?;
    lvsd.wait_until_up()?;
    let answered: BTreeSet<_> = lab.requests(30)?.into_iter().collect();
    assert_eq!(answered, ["rs1", "rs2", "rs3"].map(str::to_owned).into());

    assert!(server.stop_with(Signal::SIGTERM)?.success());
    assert_eq!(lab.own_network(Host::Rs1)?, before);
    Ok(())
}

#[test]
fn the_network_does_not_hear_of_the_vips() -> Result<()> {
    let (lab, _) = lab()?;
    let _server = lab.start_real_server(Host::Rs1)?;
    // No director is there to answer for them.
    for vip in [VIP.to_string(), VIP_V6.to_string()] {
        let ping = lab.exec(Host::Client, &["ping", "-c", "1", "-W", "1", &vip])?;
        assert!(!ping.status.success(), "{ping:?}");
    }
    Ok(())
}

#[test]
fn one_that_was_killed_is_cleared_up_after() -> Result<()> {
    let (lab, before) = lab()?;
    for end in ["down", "run"] {
        let server = lab.start_real_server(Host::Rs1)?;
        server.stop_with(Signal::SIGKILL)?;
        assert_ne!(lab.own_network(Host::Rs1)?, before);
        if end == "run" {
            let server = lab.start_real_server(Host::Rs1)?;
            assert!(server.log().contains("an earlier one was killed"), "{}", server.log());
            server.stop_with(Signal::SIGINT)?;
        } else {
            let down = lab.real_server(Host::Rs1, "down", &[])?;
            assert!(down.status.success(), "{down:?}");
        }
        assert_eq!(lab.own_network(Host::Rs1)?, before);
    }
    Ok(())
}

#[test]
fn directors_are_told_the_load_and_the_operators_word() -> Result<()> {
    let (lab, _) = lab()?;
    let _server = lab.start_real_server(Host::Rs1)?;
    let report = || lab.load_report(Host::Director, Host::Rs1);
    let is_load = |text: &str| text.starts_with("ready up ") && text.ends_with("%\n");
    assert!(is_load(&report()?), "{:?}", report()?);
    for state in ["drain", "maint", "ready"] {
        let set = lab.real_server(Host::Rs1, "set-state", &[state])?;
        assert!(set.status.success(), "{set:?}");
        let text = report()?;
        assert!(if state == "ready" { is_load(&text) } else { text.trim() == state }, "{text:?}");
    }
    Ok(())
}
