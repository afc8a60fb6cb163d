//! The configuration file: what is read, and what is said of everything that is wrong.

mod checks;
mod examples;
mod failover;
mod services;
mod values;
mod written;

use std::path::{Path, PathBuf};

use expect_test::{Expect, expect};
use lvs_userspace::config::Config;
use proptest::prelude::*;

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../config").join(name)
}

fn check_errors(text: &str, expected: Expect) {
    let errors = Config::parse(text, "lvs.toml").expect_err("a bad configuration");
    expected.assert_eq(&errors.to_string());
}

#[test]
fn all_errors_at_once() {
    check_errors(
        r#"
[director]
nmae = "midas"
interfaces = ["eth0", "eth0"]
xdp_mode = "fast"

[[virtual_service]]
address = "192.0.2.10:80"
port = 0
protocol = "sctp"
scheduler = "wlcc"
persistence = true

[[virtual_service.real_server]]
address = 7
weight = 65536

[[virtual_service]]
address = "192.0.2.20"
port = 80
protocol = "tcp"
[[virtual_service.real_server]]
address = "192.0.2.20"
[[virtual_service.real_server]]
address = "192.0.2.21"
weight = -1
[[virtual_service.real_server]]
address = "192.0.2.21"

[[virtual_service]]
address = "192.0.2.20"
port = 80
protocol = "tcp"
"#,
        expect![[r#"
            lvs.toml:3:1: director.nmae: there is no such key; did you mean name?
            lvs.toml:4:14: director.interfaces: "eth0" is there twice
            lvs.toml:5:12: director.xdp_mode: found "fast"; expected one of "auto", "native", "generic"
            lvs.toml:8:11: virtual_service[1].address: found "192.0.2.10:80"; expected an IP address, like "192.0.2.10"
            lvs.toml:10:12: virtual_service[1].protocol: found "sctp"; expected one of "tcp", "udp"
            lvs.toml:11:13: virtual_service[1].scheduler: found "wlcc"; expected one of "rr", "wrr", "lc", "wlc", "sed", "nq", "sh", "dh", "mh", "fastest"
            lvs.toml:12:1: virtual_service[1].persistence: there is no such key; expected one of address, check, follow_load, inhibit_on_failure, lost_connections, one_packet, persistence_granularity, persistence_timeout, port, protocol, quorum, quorum_hysteresis, real_server, scheduler, slow_start, sorry_server, stateless
            lvs.toml:15:11: virtual_service[1].real_server[1].address: found 7; expected an IP address, like "192.0.2.10"
            lvs.toml:16:10: virtual_service[1].real_server[1].weight: found 65536; expected a weight from 0 to 65535
            lvs.toml:23:11: virtual_service[2].real_server[1].address: this is the virtual address; expected the real server's own
            lvs.toml:26:10: virtual_service[2].real_server[2].weight: found -1; expected a weight from 0 to 65535
            lvs.toml:28:11: virtual_service[2].real_server[3].address: 192.0.2.21 is there twice; the first is in line 25
            lvs.toml:31:11: virtual_service[3]: tcp 192.0.2.20:80 is there twice; the first is in line 19"#]],
    );
}

#[test]
fn the_wrong_shape() {
    check_errors("", expect!["lvs.toml:1:1: the section [director] is missing"]);
    check_errors(
        "director = 1\nvirtual_service = 2",
        expect![[r#"
        lvs.toml:1:12: director: found integer; expected a section
        lvs.toml:2:19: virtual_service: found integer; expected [[virtual_service]] sections"#]],
    );
    check_errors(
        "virtual_service = [1, {}]\n[director]\nname = \" \"\ninterfaces = []\n",
        expect![[r#"
            lvs.toml:1:20: virtual_service: found integer; expected [[virtual_service]] sections
            lvs.toml:1:23: virtual_service[2]: the key address is missing
            lvs.toml:1:23: virtual_service[2]: the key port is missing
            lvs.toml:1:23: virtual_service[2]: the key protocol is missing
            lvs.toml:3:8: director.name: found " "; expected a name, like "midas"
            lvs.toml:4:14: director.interfaces: found an array; expected names of network interfaces, like ["eth0"]"#]],
    );
}

#[test]
fn broken_syntax() {
    check_errors(
        "[director\nname = \"midas\"\ninterfaces = [\"eth0\"\n",
        expect![[r#"
        lvs.toml:1:10: unclosed table, expected `]`
        lvs.toml:3:21: unclosed array, expected `]`"#]],
    );
}

#[test]
fn a_file_that_is_not_there() {
    let errors = Config::load(Path::new("/nowhere/lvs.toml")).unwrap_err();
    assert_eq!(
        errors.to_string(),
        "/nowhere/lvs.toml: can't read it: No such file or directory (os error 2)"
    );
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,200}") {
        drop(Config::parse(&text, "f"));
    }

    #[test]
    fn a_damaged_file_is_read_or_refused_with_a_reason(
        damage in prop::collection::vec((any::<prop::sample::Index>(), "[\\[\\]=\"a-z0-9.\n]{0,3}"), 1..5),
    ) {
        let mut text = std::fs::read_to_string(example("lvs.reference.toml")).unwrap();
        for (at, new) in damage {
            let boundaries: Vec<_> = text.char_indices().map(|(at, _)| at).collect();
            let at = *at.get(&boundaries);
            text.replace_range(at..=at, &new);
        }
        if let Err(errors) = Config::parse(&text, "f") {
            prop_assert!(!errors.0.is_empty());
        }
    }
}
