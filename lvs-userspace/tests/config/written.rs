//! A configuration that is written.

use lvs_userspace::config::Config;

use crate::example;

/// What is written is read again as it was, with every key and every type of check.
#[test]
fn what_is_written_is_read_again() {
    let checks = [
        "type = \"tcp\", port = 81, via = \"vip\", interval = \"1500ms\"",
        "type = \"ping\", quarantine = { failures = 3, within = \"10m\", hold = \"1h\" }",
        "type = \"http\", path = \"/a?b\", host = \"x\", status = 204, body = \"say \\\"ok\\\"\"",
        "type = \"https\", verify = false",
        "type = \"udp\", send = \"\\u0001\\n\", expect = \"ü\"",
        "type = \"udp\"",
        "type = \"dns\", name = \"example.org\", record = \"MX\", rcode = \"any\", expect = \"m\"",
        "type = \"smtp\", helo = \"me\"",
        "type = \"exec\", command = [\"/bin/a b\", \"'\\\"\"]",
        "type = \"none\"",
    ];
    let reference = std::fs::read_to_string(example("lvs.reference.toml")).unwrap();
    let mut texts = vec![reference.clone()];
    for name in ["lvs.toml", "ime.toml"] {
        texts.push(std::fs::read_to_string(example(name)).unwrap());
    }
    texts.extend(
        checks.iter().map(|it| {
            reference.replace("check = { type = \"tcp\" }", &format!("check = {{ {it} }}"))
        }),
    );
    for (from, to) in [
        ("peers = [\"192.0.2.4\", \"198.51.100.4\"]", "interfaces = [\"eth0\", \"eth1\"]"),
        (
            "[failover.node.director]",
            "[failover.node.\"a. b\"]\npeers = []\n[failover.node.director]",
        ),
        (
            "[failover.node.director]",
            "[[failover.track]]\ntype = \"quorum\"\naddress = \"192.0.2.10\"\nport = 80\n\
             protocol = \"tcp\"\n[failover.node.director]",
        ),
    ] {
        assert!(reference.contains(from));
        texts.push(reference.replace(from, to).replace("quorum = 0", "quorum = 2"));
    }
    let alone =
        "[director]\ninterfaces = [\"eth0\"]\n[failover]\nvrid = 1\npriority = 7\ntrack = []\n";
    texts.push(alone.to_owned());
    for text in texts {
        let config = Config::parse(&text, "").unwrap_or_else(|errors| panic!("{errors}"));
        let written = config.to_toml();
        let again = Config::parse(&written, "written");
        assert_eq!(again.as_ref(), Ok(&config), "{written}");
        for service in &config.virtual_services {
            assert!(written.contains(&service.to_toml()));
        }
    }
}
