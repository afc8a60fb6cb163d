//! What an operator does with lvsctl while requests come: change, drain, save, watch.

use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead as _, BufReader},
    os::unix::fs::PermissionsExt as _,
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use lvs_tests::lab::{Host, Lab, Lvsd, LvsdCommand, Options, WEIGHTS, config, program, wait_for};

const SERVICE: [&str; 2] = ["tcp", "10.77.0.100:80"];

/// Runs lvsctl, which must exit with this status, and gives what it says.
fn lvsctl(lvsd: &Lvsd, words: &[&str], status: i32) -> Result<String> {
    let mut command = Command::new(program("lvsctl")?);
    let output = command.arg("--socket").arg(&lvsd.socket).args(words).output()?;
    let [out, err] = [&output.stdout, &output.stderr].map(|it| String::from_utf8_lossy(it));
    ensure!(output.status.code() == Some(status), "{words:?}: {}: {out}{err}", output.status);
    Ok(out.into_owned() + &err)
}

fn who_answers(lab: &Lab) -> Result<BTreeSet<String>> {
    Ok(lab.requests(30)?.into_iter().collect())
}

fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

/// A lab whose connections are soon forgotten once they have ended.
fn start() -> Result<(Lab, Lvsd, String)> {
    let lab = Lab::up(Options::default())?;
    let soon = "[connections]\ntcp_fin_wait = \"1s\"\ntcp_closed = \"1s\"\n";
    let text = config(Host::Director, WEIGHTS).replace("[connections]\n", soon);
    let lvsd = lab.start_lvsd(Host::Director, &text)?;
    lvsd.wait_until_up()?;
    Ok((lab, lvsd, text))
}

#[test]
fn services_and_real_servers_follow_lvsctl() -> Result<()> {
    let (lab, lvsd, _) = start()?;
    let server = |verb, host: Host, keys: &[&str]| {
        let address = host.address().to_string();
        lvsctl(&lvsd, &[&["server", verb], &SERVICE[..], &[&address], keys].concat(), 0)
    };
    server("delete", Host::Rs3, &[])?;
    assert_eq!(who_answers(&lab)?, names(&["rs1", "rs2"]));
    server("edit", Host::Rs1, &["--weight", "0"])?;
    assert_eq!(who_answers(&lab)?, names(&["rs2"]));
    server("add", Host::Rs3, &["--weight", "1"])?;
    server("edit", Host::Rs2, &["--weight", "2"])?;
    lvsd.wait_until_up()?;
    let answers = lab.requests(30)?;
    let n = |name: &str| answers.iter().filter(|it| *it == name).count();
    assert_eq!((n("rs1"), n("rs2"), n("rs3")), (0, 20, 10));

    // Another service, and none at all.
    lvsctl(&lvsd, &["service", "delete", SERVICE[0], SERVICE[1]], 0)?;
    assert!(lab.curl(&["--max-time", "1", "http://10.77.0.100/"]).is_err());
    lvsctl(&lvsd, &["-A", "-t", SERVICE[1], "-s", "rr"], 0)?;
    lvsctl(&lvsd, &["-a", "-t", SERVICE[1], "-r", "10.77.0.12", "-g"], 0)?;
    lvsd.wait_until_up()?;
    assert_eq!(who_answers(&lab)?, names(&["rs2"]));
    Ok(())
}

/// Who is there already stays, and the wait is over when they have gone.
#[test]
fn a_real_server_is_drained_until_its_last_connection_is_gone() -> Result<()> {
    let (lab, lvsd, _) = start()?;
    let mut open = Vec::new();
    let mut on_rs1 = loop {
        let mut connection = lab.connect()?;
        if connection.request()? == "rs1" {
            break connection;
        }
        open.push(connection);
        ensure!(open.len() < 20, "rs1 gets no connections");
    };
    let drain = [&["server", "drain"], &SERVICE[..], &["10.77.0.11"]].concat();
    let waiting = [&drain[..], &["--wait", "--timeout", "500ms"]].concat();
    let said = lvsctl(&lvsd, &waiting, 1)?;
    assert!(said.contains("10.77.0.11 still has "), "{said}");
    assert_eq!(who_answers(&lab)?, names(&["rs2", "rs3"]));
    assert_eq!(on_rs1.request()?, "rs1", "the old connection goes on");
    let list = lvsctl(&lvsd, &["list"], 0)?;
    assert!(list.contains("0 of 3  drained") && list.ends_with("\n"), "{list}");

    drop(on_rs1);
    drop(open);
    let said = lvsctl(&lvsd, &[&drain[..], &["--wait", "--timeout", "60s"]].concat(), 0)?;
    assert_eq!(said, "10.77.0.11 has no connections of tcp 10.77.0.100:80 left\n");
    lvsctl(&lvsd, &[&["server", "resume"], &SERVICE[..], &["10.77.0.11"]].concat(), 0)?;
    assert_eq!(who_answers(&lab)?, names(&["rs1", "rs2", "rs3"]));
    Ok(())
}

/// A change lives until the file is read again, unless it is saved there.
#[test]
fn changes_are_lost_or_saved_and_one_sees_which() -> Result<()> {
    let (lab, mut lvsd, text) = start()?;
    let weight = [&["server", "edit"], &SERVICE[..], &["10.77.0.11", "--weight", "7"]].concat();
    let is = |lvsd: &Lvsd, weight: u64| -> Result<bool> {
        Ok(lvsd.services()?["services"][0]["real_servers"][0]["weight"] == weight)
    };
    assert!(lvsctl(&lvsd, &["diff"], 0)?.starts_with("what is running is what "));
    lvsctl(&lvsd, &weight, 0)?;
    let diff = lvsctl(&lvsd, &["diff"], 1)?;
    assert!(diff.starts_with("~ tcp 10.77.0.100:80 10.77.0.11: weight 3 -> 7\n"), "{diff}");
    assert!(lvsctl(&lvsd, &["status"], 0)?.contains("what is running is not what "));
    lvsctl(&lvsd, &["reload"], 0)?;
    assert!(is(&lvsd, 3)?, "the file holds again");

    lvsctl(&lvsd, &weight, 0)?;
    let said = lvsctl(&lvsd, &["save"], 0)?;
    assert!(said.contains("; what stood there is in "), "{said}");
    lvsctl(&lvsd, &["diff"], 0)?;
    let command = LvsdCommand::new(Host::Director, &text)?;
    let old = command.config.with_extension("toml.old");
    assert_eq!(fs::read_to_string(&old)?, text);
    lvsctl(&lvsd, &["save"], 0)?;
    lvsd.hang_up()?;
    assert!(lvsd.stop()?.success());
    let lvsd = command.start()?;
    assert!(is(&lvsd, 7)?, "also after a restart");
    let saved = fs::read_to_string(&command.config)?;

    fs::write(&command.config, saved.replace("weight = 7", "weight = 3"))?;
    assert!(lvsctl(&lvsd, &["diff"], 1)?.starts_with("~ tcp 10.77.0.100:80 10.77.0.11: weight 3 "));
    fs::write(&command.config, "nonsense")?;
    let said = lvsctl(&lvsd, &["status"], 0)?;
    assert!(said.contains(".toml can't be read: see `lvsctl diff`"), "{said}");
    assert!(lvsctl(&lvsd, &["diff"], 2)?.contains("director.toml:1:"));
    fs::remove_file(&old)?;
    drop(lab);
    Ok(())
}

#[test]
fn who_watches_sees_what_happens_and_who_did_it() -> Result<()> {
    let (lab, lvsd, _) = start()?;
    let mut watcher = Command::new(program("lvsctl")?)
        .arg("--socket")
        .arg(&lvsd.socket)
        .arg("watch")
        .stdout(Stdio::piped())
        .spawn()?;
    let mut lines = BufReader::new(watcher.stdout.take().context("stdout")?).lines();
    let drain = [&["server", "drain"], &SERVICE[..], &["10.77.0.12"]].concat();
    let resume = [&["server", "resume"], &SERVICE[..], &["10.77.0.12"]].concat();
    // It may take a moment until it listens.
    let end = std::thread::scope(|scope| -> Result<Vec<String>> {
        let reader = scope.spawn(move || {
            let mut seen: Vec<String> = Vec::new();
            for line in &mut lines {
                let line = line.unwrap_or_default();
                // It may have begun to listen between an edit and what that led to.
                let is_last = line.contains("up -> drained")
                    && seen.iter().any(|it| it.contains("drain false -> true"));
                seen.push(line);
                if is_last {
                    break;
                }
            }
            seen
        });
        wait_for("an event", Duration::from_secs(10), || {
            lvsctl(&lvsd, &drain, 0).ok()?;
            lvsctl(&lvsd, &resume, 0).ok()?;
            reader.is_finished().then_some(())
        })?;
        Ok(reader.join().unwrap_or_default())
    })?;
    watcher.kill()?;
    watcher.wait()?;
    let text = end.join("\n");
    assert!(
        text.contains("~ tcp 10.77.0.100:80 10.77.0.12: drain false -> true (by root"),
        "{text}"
    );
    assert!(text.contains("tcp 10.77.0.100:80 10.77.0.12: up -> drained: "), "{text}");
    let log = lvsd.log();
    assert!(log.contains("drain false -> true by=\"root (uid 0, pid "), "{log}");
    drop(lab);
    Ok(())
}

/// Who is not an administrator may look, and no more.
#[test]
fn a_stranger_may_look_and_change_nothing() -> Result<()> {
    let (_lab, lvsd, _) = start()?;
    // As if it were in the group of the socket.
    fs::set_permissions(&lvsd.socket, fs::Permissions::from_mode(0o666))?;
    let as_nobody = |arguments: &[&str]| -> Result<String> {
        let output = Command::new("setpriv")
            .args(["--reuid=65534", "--regid=65534", "--clear-groups", "curl", "--silent"])
            .args(["--max-time", "5", "--unix-socket"])
            .arg(&lvsd.socket)
            .args(arguments)
            .output()?;
        Ok(String::from_utf8(output.stdout)?)
    };
    assert!(as_nobody(&["http://lvsd/v1/services"])?.contains("10.77.0.100"));
    let clear = r#"{"edits": [{"edit": "clear"}]}"#;
    let json = "Content-Type: application/json";
    let said = as_nobody(&["--json", clear, "http://lvsd/v1/edits"])?;
    let refusal = "only root and members of the group lvs-admin may change anything";
    assert!(said.contains(refusal), "{said}");
    assert!(
        as_nobody(&["-X", "POST", "-H", json, "-d", "{}", "http://lvsd/v1/save"])?
            .contains(refusal)
    );
    assert!(!lvsd.services()?["services"].as_array().context("services")?.is_empty());
    Ok(())
}
