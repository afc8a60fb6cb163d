//! Failover: what is wrong, and the parts for one director each.

use expect_test::expect;
use lvs_userspace::{config::Config, failover::settings::Ways};

use crate::{check_errors, example};

#[test]
fn failover_that_makes_no_sense() {
    check_errors(
        r#"
[director]
name = "midas"
interfaces = ["eth0"]
[failover]
vrid = 256
advert_interval = "125ms"
preemt = true
peers = ["192.0.2.4", "192.0.2.4", "estepe"]
interfaces = ["eth0"]
preempt_delay = "2h"
key_file = "keys"
[failover.announce]
burst = 0
refresh = "1 m"
[[failover.track]]
type = "interface"
command = ["/bin/true"]
[[failover.track]]
type = "program"
command = ["true"]
priority_step = 254
[[failover.track]]
type = "quorum"
address = "192.0.2.10"
port = 81
protocol = "tcp"
[[failover.track]]
type = "quorum"
address = "192.0.2.10"
port = 80
protocol = "tcp"
[failover.node.estepe]
priority = 255
name = "estepe"
[failover.node]
third = 3
[[virtual_service]]
address = "192.0.2.10"
port = 80
protocol = "tcp"
"#,
        expect![[r#"
            lvs.toml:6:8: failover.vrid: found 256; expected a virtual router id from 1 to 255
            lvs.toml:7:19: failover.advert_interval: expected a multiple of "10ms"
            lvs.toml:8:1: failover.preemt: there is no such key; did you mean preempt?
            lvs.toml:9:23: failover.peers: 192.0.2.4 is there twice
            lvs.toml:9:36: failover.peers: found "estepe"; expected an IP address, like "192.0.2.10"
            lvs.toml:10:14: failover.interfaces: with peers this means nothing: the routes to them say where to send
            lvs.toml:11:17: failover.preempt_delay: found "2h"; expected a time from "0ms" to "3600s", like "500ms" or "2s"
            lvs.toml:12:12: failover.key_file: found "keys"; expected the full path of a file
            lvs.toml:14:9: failover.announce.burst: found 0; expected a number of announcements from 1 to 100
            lvs.toml:15:11: failover.announce.refresh: found "1 m"; expected a time from "0ms" to "3600s", like "500ms" or "2s"
            lvs.toml:16:1: failover.track[1]: the key interface is missing
            lvs.toml:18:11: failover.track[1].command: means nothing to a track of type "interface"
            lvs.toml:21:11: failover.track[2].command: found an array; expected a program with its full path and its arguments, like ["/usr/bin/check", "-v"]
            lvs.toml:22:17: failover.track[2].priority_step: found 254; expected a priority from 1 to 253
            lvs.toml:25:11: failover.track[3].address: there is no virtual service tcp 192.0.2.10:81
            lvs.toml:30:11: failover.track[4].address: tcp 192.0.2.10:80 has no quorum that could be lost
            lvs.toml:34:12: failover.node.estepe.priority: found 255; expected a priority from 1 to 254
            lvs.toml:35:1: failover.node.estepe.name: there is no such key; expected one of interfaces, peers, priority
            lvs.toml:37:9: failover.node.third: found integer; expected a section"#]],
    );
    check_errors(
        "[director]\nname = \"midas\"\ninterfaces = [\"eth0\"]\n[failover]\nvrid = 1\n\
         [failover.node.estepe]\npriority = 1\n",
        expect![[
            r#"lvs.toml:6:11: failover.node: there is no part for this director, "midas"; there are those of estepe"#
        ]],
    );
    check_errors(
        "[director]\nname = \"midas\"\ninterfaces = [\"eth0\"]\n[failover]\nvrid = 1\n\
         [failover.node.midas]\n",
        expect!["lvs.toml:4:1: failover: the key priority is missing"],
    );
}

#[test]
fn the_same_file_for_two_directors() {
    let text = std::fs::read_to_string(example("ime.toml")).unwrap();
    for (name, priority, peer) in
        [("midas", 200, "192.168.45.204"), ("estepe", 100, "192.168.45.23")]
    {
        let config = Config::parse(&text.replace("\"midas\"", &format!("{name:?}")), "").unwrap();
        let failover = config.failover.unwrap();
        assert_eq!(failover.priority(&config.director.name), Some(priority));
        let ways = failover.ways(&config.director.name, &config.director.interfaces);
        assert_eq!(ways, Ways::Unicast(vec![peer.parse().unwrap()]));
    }
}
