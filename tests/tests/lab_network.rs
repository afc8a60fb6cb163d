//! The lab itself, without lvsd: what it promises to the other tests.

use std::{fs, time::Duration};

use anyhow::Result;
use lvs_tests::lab::{Host, Lab, Options, VIP, is_up};

#[test]
fn every_host_reaches_every_other_by_both_protocols() -> Result<()> {
    let lab = Lab::up(Options::default())?;
    for to in Host::ALL {
        for address in [to.address().to_string(), to.address_v6().to_string()] {
            lab.run(Host::Client, &["ping", "-c", "1", "-W", "2", &address])?;
        }
    }
    Ok(())
}

#[test]
fn web_servers_answer_their_name_and_keep_connections() -> Result<()> {
    let lab = Lab::up(Options::default())?;
    for server in Host::REAL_SERVERS {
        let url = format!("http://{}/", server.address());
        assert_eq!(lab.curl(&[&url])?, format!("{server}\n"));
        let mut connection = lab.connect_to(server.address())?;
        for _ in 0..3 {
            assert_eq!(connection.request()?, server.name());
        }
    }
    Ok(())
}

/// Nobody answers ARP for the VIP, but a frame for it that reaches a real server is answered.
#[test]
fn real_servers_have_the_vip_and_are_quiet_about_it() -> Result<()> {
    let lab = Lab::up(Options::default())?;
    let vip = VIP.to_string();
    assert!(lab.curl(&["--max-time", "0.2", "http://10.77.0.100/"]).is_err());

    for server in Host::REAL_SERVERS {
        // What the director will do, done by hand at the client.
        lab.run(
            Host::Client,
            &["ip", "neigh", "replace", &vip, "lladdr", &server.mac(), "dev", "eth0"],
        )?;
        assert_eq!(lab.curl(&["http://10.77.0.100/"])?, format!("{server}\n"));
    }
    Ok(())
}

#[test]
fn the_macs_are_as_said() -> Result<()> {
    let lab = Lab::up(Options::default())?;
    for host in Host::ALL {
        let link = lab.run(host, &["ip", "-br", "link", "show", "eth0"])?;
        assert!(link.contains(&host.mac()), "{host}: {link}");
    }
    Ok(())
}

#[test]
fn it_leaves_nothing_and_removes_what_a_killed_run_left() -> Result<()> {
    let lab = Lab::up(Options::default())?;
    let mut stray = lab.spawn(lab.command(Host::Rs2, "sleep").arg("1000"))?;
    // As if killed: nothing of it is cleaned up.
    lab.keep();
    assert!(is_up());

    let lab = Lab::up(Options::default())?;
    stray.wait(Duration::from_secs(1))?;
    assert_eq!(lab.curl(&["http://10.77.0.12/"])?, "rs2\n");
    drop(lab);
    assert!(!is_up());
    assert!(!fs::exists("/run/lvs/lab")?);
    Ok(())
}

#[test]
fn two_runs_do_not_mix() -> Result<()> {
    let lab = Lab::up(Options::default())?;
    let error = Lab::up(Options { wait: Duration::ZERO }).expect_err("it is in use");
    let expected = format!("the lab is in use by process {}: end that first", std::process::id());
    assert_eq!(error.to_string(), expected);
    drop(lab);
    Ok(())
}
