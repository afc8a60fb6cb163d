//! VRRP.

use super::*;

/// The section that comes of this, with a service at the usual address, and what is said.
fn failover(text: &str) -> String {
    let servers = "real_server 192.0.2.11 80 {; }";
    let text = lines(&format!("{text}; {}", service(servers)));
    let toml = show(Format::Keepalived, &text);
    let section = toml.split_once("\n[failover]\n").map_or("none\n", |(_, it)| it);
    let section = section.split("\n[[virtual_service]]").next().unwrap_or_default();
    format!("{}\n{}", section.trim(), said(Format::Keepalived, &text))
}

#[test]
fn an_instance_becomes_the_section() {
    for (text, expected) in [
        (
            "vrrp_instance A {; interface eth0; virtual_router_id 51; virtual_ipaddress {; 192.0.2.10/32 dev eth0; }; }",
            expect![[r#"
                vrid = 51
                priority = 100
            "#]],
        ),
        (
            "global_defs {; vrrp_version 3; vrrp_startup_delay 5.5; vrrp_garp_master_repeat 3; }; vrrp_instance A {; state MASTER; interface eth0; virtual_router_id 51; priority 255; advert_int 0.125; nopreempt; preempt_delay 4.12; garp_master_delay 10; garp_master_refresh 60; garp_master_refresh_repeat 2; garp_lower_prio_repeat 1; version 2; authentication {; auth_type PASS; auth_pass secret; }; unicast_src_ip 192.0.2.3; unicast_peer {; 192.0.2.4; 192.0.2.4; 192.0.2.5 min_ttl 255; fe80::1; }; notify_master /bin/true; }",
            expect![[r#"
                vrid = 51
                priority = 254
                peers = ["192.0.2.4", "192.0.2.5"]
                advert_interval = "120ms"
                preempt = false
                preempt_delay = "4120ms"
                start_delay = "5500ms"

                [failover.announce]
                burst = 3
                repeat_after = "10s"
                refresh = "1m"
                7: state: lvsd begins as backup, and listens first
                10: priority: 255 becomes 254
                11: advert_int: 125ms becomes 120ms
                16: garp_master_refresh_repeat: what is refreshed is announced once each time
                17: garp_lower_prio_repeat: it is announced then as at a takeover
                18: version: lvsd speaks version 3 alone, and so must the others
                19: authentication: see key_file in [failover]
                23: unicast_src_ip: the routes to the peers say it
                27: 192.0.2.5: min_ttl 255: what comes through a router is always refused
                28: unicast_peer: fe80::1 is a link-local address; expected the address of a host
                30: notify_master: see hooks in [alerts]
            "#]],
        ),
        // Other interfaces than the director's.
        (
            "vrrp_instance A {; interface eth0; virtual_router_id 51; }; vrrp_instance B {; interface eth1; virtual_router_id 51; priority 100; }",
            expect![[r#"
                vrid = 51
                priority = 100
            "#]],
        ),
        (
            "vrrp_instance A {; interface eth0; virtual_router_id 51; }; vrrp_instance B {; interface eth1; virtual_router_id 52; }",
            expect![[r#"
                vrid = 51
                priority = 100
                interfaces = ["eth0"]
                5: vrrp_instance: B: there is one [failover], that of A, and this is another virtual_router_id
            "#]],
        ),
    ] {
        expected.assert_eq(&failover(text));
    }
}

#[test]
fn several_instances_are_one_or_are_left_out() {
    for (text, expected) in [
        // The families of one router.
        (
            "vrrp_instance V4 {; interface eth0; virtual_router_id 51; unicast_peer {; 192.0.2.4; }; }; vrrp_instance V6 {; interface eth0; virtual_router_id 51; unicast_peer {; 2001:db8::4; }; virtual_ipaddress {; 2001:db8::10; }; }",
            expect![[r#"
                vrid = 51
                priority = 100
                peers = ["192.0.2.4", "2001:db8::4"]
                15: virtual_ipaddress 2001:db8::10: no virtual service has it, so lvsd does not answer for it
            "#]],
        ),
        // The second has the VIP.
        (
            "vrrp_instance GATEWAY {; interface eth0; virtual_router_id 50; priority 120; nopreempt; virtual_ipaddress {; 192.0.2.1; }; }; vrrp_instance WEB {; interface eth0; virtual_router_id 51; virtual_ipaddress {; 192.0.2.10; }; }; vrrp_sync_group ALL {; group {; GATEWAY; WEB; }; }",
            expect![[r#"
                vrid = 51
                priority = 100
                1: vrrp_instance: GATEWAY: there is one [failover], that of WEB, and this is another virtual_router_id
                7: virtual_ipaddress 192.0.2.1: no virtual service has it, so lvsd does not answer for it
                17: vrrp_sync_group: [failover] is one role for all services
            "#]],
        ),
        (
            "vrrp_instance A {; virtual_router_id 51; }; vrrp_instance B {; virtual_router_id 51; priority 99; state X; }; vrrp_instance C {; virtual_router_id 51; advert_int 2; }; vrrp_instance D {; virtual_router_id 51; nopreempt; }; vrrp_instance E {; virtual_router_id 51; unicast_peer {; 192.0.2.4; }; }; vrrp_instance F {; priority 3; }",
            expect![[r#"
                vrid = 51
                priority = 100
                4: vrrp_instance: B: there is one [failover], that of A, and this has another priority
                9: vrrp_instance: C: there is one [failover], that of A, and this has another advert_int
                13: vrrp_instance: D: there is one [failover], that of A, and this preempts otherwise
                17: vrrp_instance: E: there is one [failover], that of A, and of the two only one has peers
                23: vrrp_instance: it has no virtual_router_id
            "#]],
        ),
    ] {
        expected.assert_eq(&failover(text));
    }
}

#[test]
fn what_is_tracked() {
    let script = "vrrp_script S {; script \"/bin/test -e '/tmp/a b'\"; interval 0.5; rise 2; fall 3; user nobody; init_fail; }; ";
    for (tracks, expected) in [
        (
            "dont_track_primary",
            expect![[r#"
            vrid = 51
            priority = 100
            track = []
            1: vrrp_script: S: nothing tracks it
            6: user: the program runs as lvsd does
            7: init_fail: there is nothing like it
        "#]],
        ),
        (
            "track_script {; S; }",
            expect![[r#"
            vrid = 51
            priority = 100

            [[failover.track]]
            type = "interface"
            interface = "eth0"

            [[failover.track]]
            type = "program"
            command = ["/bin/test", "-e", "/tmp/a b"]
            interval = "500ms"
            timeout = "500ms"
            rise = 2
            fall = 3
            6: user: the program runs as lvsd does
            7: init_fail: there is nothing like it
        "#]],
        ),
        (
            "track_script {; S weight -20; }; dont_track_primary",
            expect![[r#"
            vrid = 51
            priority = 100

            [[failover.track]]
            type = "program"
            command = ["/bin/test", "-e", "/tmp/a b"]
            interval = "500ms"
            timeout = "500ms"
            rise = 2
            fall = 3
            priority_step = 20
            6: user: the program runs as lvsd does
            7: init_fail: there is nothing like it
        "#]],
        ),
        (
            "track_interface {; eth1; eth2 weight -10; eth3 weight 5; eth0:1; eth4 weight -1 reverse; }; priority 50",
            expect![[r#"
                vrid = 51
                priority = 55

                [[failover.track]]
                type = "interface"
                interface = "eth0"

                [[failover.track]]
                type = "interface"
                interface = "eth1"

                [[failover.track]]
                type = "interface"
                interface = "eth2"
                priority_step = 10

                [[failover.track]]
                type = "interface"
                interface = "eth3"
                priority_step = 5
                1: vrrp_script: S: nothing tracks it
                6: user: the program runs as lvsd does
                7: init_fail: there is nothing like it
                15: eth3: weight 5: the priority is 55, and 5 less without it
                16: eth0:1: interface: "eth0:1" can't be the name of a network interface
                17: eth4: reverse: what is wrong can't be worth more
            "#]],
        ),
        (
            "priority 250; track_interface {; eth1 weight 5; eth2 weight 253; }",
            expect![[r#"
            vrid = 51
            priority = 250
            1: vrrp_script: S: nothing tracks it
            6: user: the program runs as lvsd does
            7: init_fail: there is nothing like it
            14: eth1: weight 5: the priority would be above 254
            15: eth2: weight 253: the priority would be above 254
        "#]],
        ),
        (
            "track_script {; T; }; track_file {; F; }",
            expect![[r#"
            vrid = 51
            priority = 100
            1: vrrp_script: S: nothing tracks it
            6: user: the program runs as lvsd does
            7: init_fail: there is nothing like it
            13: T: there is no vrrp_script of that name that can be run
            15: track_file: there is nothing like it
        "#]],
        ),
    ] {
        let instance =
            format!("vrrp_instance A {{; interface eth0; virtual_router_id 51; {tracks}; }}");
        expected.assert_eq(&failover(&format!("{script}{instance}")));
    }
}

#[test]
fn scripts() {
    for (script, expected) in [
        (
            "script /bin/true -v 'a b'; timeout 3; weight -30",
            expect![[r#"
            vrid = 51
            priority = 100

            [[failover.track]]
            type = "program"
            command = ["/bin/true", "-v", "a b"]
            interval = "1s"
            timeout = "3s"
            rise = 1
            fall = 1
            priority_step = 30
        "#]],
        ),
        (
            "interval 90; script /bin/true; weight 0 reverse",
            expect![[r#"
            vrid = 51
            priority = 100
            track = []
            10: S: reverse: what is wrong can't be worth more
        "#]],
        ),
        (
            "script pgrep",
            expect![[r#"
            vrid = 51
            priority = 100
            track = []
            1: vrrp_script: command: found an array; expected a program with its full path and its arguments, like ["/usr/bin/check", "-v"]
            8: S: there is no vrrp_script of that name that can be run
        "#]],
        ),
        (
            "interval 1",
            expect![[r#"
            vrid = 51
            priority = 100
            track = []
            1: vrrp_script: it has no script
            8: S: there is no vrrp_script of that name that can be run
        "#]],
        ),
    ] {
        let text = format!(
            "vrrp_script S {{; {script}; }}; vrrp_instance A {{; virtual_router_id 51; dont_track_primary; track_script {{; S; }}; }}"
        );
        expected.assert_eq(&failover(&text));
    }
}

#[test]
fn what_is_wrong_with_it() {
    check(
        &lines(
            "vrrp_script A B {; }; vrrp_script S {; script /bin/true; weight heavy; }; vrrp_instance A {; virtual_router_id 256; priority high; advert_int soon; interface eth0:1; unicast_peer {; peer; }; virtual_ipaddress {; vip/32; }; track_script {; S weight 254; }; }",
        ),
        expect![[r#"
            1: vrrp_script: expected one value
            5: weight: "heavy" is no weight from -253 to 253
            8: virtual_router_id: "256" is no number from 1 to 255
            9: priority: "high" is no number
            10: advert_int: "soon" is no time in seconds
            11: interface: "eth0:1" can't be the name of a network interface
            13: unicast_peer: "peer" is no IP address
            16: virtual_ipaddress: "vip" is no IP address
            19: S: "254" is no weight from -253 to 253
        "#]],
    );
}
