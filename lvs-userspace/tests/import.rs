//! `lvsctl import`, which needs no daemon.
#![expect(clippy::unwrap_used, reason = "a test that can't go on should say where")]

use std::{
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
};

use lvs_userspace::config::Config;

fn import(format: &str, file: &str) -> Command {
    let mut lvsctl = Command::new(env!("CARGO_BIN_EXE_lvsctl"));
    lvsctl.args(["--socket", "/nowhere/lvsd.sock", "import", format, file]);
    lvsctl
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn every_example_becomes_a_configuration() {
    for (format, file, n, left_out) in [
        ("ipvsadm", "ipvsadm.rules", 5, "5: -m: there is direct routing alone (-g)"),
        ("keepalived", "keepalived.conf", 6, "66: omega: there is nothing like it"),
        ("lvs.conf", "lvs.conf", 1, "4: monfile is of mon; lvsd checks by itself"),
    ] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config").join(file);
        let path = path.display().to_string();
        let output = import(format, &path).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{file}");
        let errors = text(&output.stderr);
        let expected = format!("lvsctl: {path}:{left_out}");
        assert!(errors.lines().any(|it| it == expected), "{errors}");
        let toml = text(&output.stdout);
        assert!(toml.starts_with("# Not carried over, or not as it was:\n#   line "), "{toml}");
        let config = Config::parse(toml, "imported").unwrap();
        assert_eq!(config.virtual_services.len(), n, "{toml}");
    }
}

#[test]
fn what_is_wrong_is_said_and_nothing_printed() {
    let cases: [(&str, &[u8], &str); 4] = [
        ("ipvsadm", b"-A -t 192.0.2.10:80\n-a -t", "2: -t: missing argument"),
        ("keepalived", b"a {\n}\n}\n", "3: this brace closes none"),
        // Latin-1, as old files have it.
        ("keepalived", b"# \xe9\n}\n", "2: this brace closes none"),
        ("lvs.conf", b"lvshost \xe9\n", "1: \"\u{fffd}\" is no address of a host"),
    ];
    for (format, file, error) in cases {
        let mut lvsctl = import(format, "-");
        lvsctl.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = lvsctl.spawn().unwrap();
        child.stdin.take().unwrap().write_all(file).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!((output.status.code(), text(&output.stdout)), (Some(2), ""), "{format}");
        let errors = text(&output.stderr);
        assert!(errors.lines().any(|it| it == format!("lvsctl: -:{error}")), "{errors}");
    }
}
