//! Services, real servers and groups.

use super::*;

#[test]
fn what_services_and_real_servers_leave_out() {
    let servers =
        "real_server 192.0.2.11 80 {; weight 2; }; real_server 192.0.2.12 80 {; weight 1; }";
    for (text, expected) in [
        // Of the forwarding method.
        ("virtual_server 192.0.2.10 80 {; protocol TCP; real_server 192.0.2.11 80 {; }; }".to_owned(), expect![[r#"
            1: virtual_server: NAT, as it is not said: there is direct routing (DR) alone
        "#]]),
        ("virtual_server 192.0.2.10 80 {; protocol TCP; warmup 1; real_server 192.0.2.11 80 {; lvs_method DR; }; real_server 192.0.2.12 80 {; warmup 1; }; }".to_owned(), expect![[r#"
            3: warmup: the first checks are spread over half a second
            7: real_server: as the service: there is direct routing (DR) alone
        "#]]),
        (service("sorry_server 192.0.2.12 80; sorry_server_lvs_method NAT; real_server 192.0.2.11 80 {; }"), expect![[r#"
            4: sorry_server: there is direct routing (DR) alone
        "#]]),
        // Of what there is none.
        (service(""), expect![[r#"
            1: virtual_server: tcp 192.0.2.10:80: it has no real servers
        "#]]),
        ("virtual_server 192.0.2.10 80 {; protocol SCTP; lb_kind DR; }; virtual_server fwmark 3 {; }; virtual_server group X {; }".to_owned(), expect![[r#"
            1: virtual_server: its protocol is neither TCP nor UDP
            5: virtual_server: there are no firewall marks
            7: virtual_server: there is no group "X"
        "#]]),
        ("virtual_server_group X {; fwmark 1; }; virtual_server group X {; lb_kind DR; }".to_owned(), expect![[r#"
            2: fwmark: there are no firewall marks
            4: virtual_server: it has no protocol, which means UDP
        "#]]),
        ("virtual_server 192.0.2.10 80 {; lb_kind DR; real_server 192.0.2.11 {; }; }".to_owned(), expect![[r#"
            1: virtual_server: it has no protocol, which means UDP
        "#]]),
        // Of what does not go together.
        (service("ops; real_server 192.0.2.11 80 {; }; real_server 192.0.2.11 80 {; }; real_server 192.0.2.10 80 {; }; real_server 2001:db8::1 80 {; }; real_server 192.0.2.12 81 {; }; sorry_server 192.0.2.99 81"), expect![[r#"
            4: ops: it is for UDP alone
            7: real_server: 192.0.2.11 is there twice
            9: real_server: this is the virtual address
            11: real_server: 2001:db8::1 is not of the service's kind
            13: real_server: port 81: direct routing can't change the service's, 80
            15: sorry_server: port 81: direct routing can't change the service's, 80
        "#]]),
        (format!("{0}{0}", service(servers)), expect![[r#"
            11: virtual_server: tcp 192.0.2.10:80 is there twice
        "#]]),
        (service(&format!("quorum 5; hysteresis 4; {servers}")), expect![[r#"
            4: quorum: 5 becomes 3, the weight of all
            5: hysteresis: 4 becomes 2, less than the quorum
        "#]]),
        (service(&format!("hysteresis 4; {servers}")), expect![[r#"
            4: hysteresis: 4 becomes 0, less than the quorum
        "#]]),
        (service("real_server 192.0.2.11 80 {; uthreshold 10; lthreshold 11; }"), expect![[r#"
            6: lthreshold: it is more than uthreshold
        "#]]),
        (service("inhibit_on_failure; alpha off; real_server 192.0.2.11 80 {; }; real_server 192.0.2.12 80 {; inhibit_on_failure no; }"), expect![[r#"
            5: alpha: a new real server is out of service until it passes a check
            9: inhibit_on_failure: it is so for all real servers of a service, or for none
        "#]]),
        (service("real_server 192.0.2.11 80 {; inhibit_on_failure; }; real_server 192.0.2.12 80 {; inhibit_on_failure yes; }"), expect![[""]]),
        (
            service("real_server 192.0.2.11 {; TCP_CHECK {; }; }").replace("192.0.2.10 80", "192.0.2.10"),
            expect![[r#"
                4: real_server: its check has no port to ask, nor has the service
            "#]],
        ),
        // Of values that are not ours.
        (service(&format!("persistence_timeout 99999999; delay_loop 0; {servers}")), expect![[r#"
            4: persistence_timeout: 99999999 becomes 2678400
            5: delay_loop: 0ns becomes 10ms
        "#]]),
        (service(&format!("persistence_granularity 64; {servers}")), expect![[r#"
            1: virtual_server: persistence_granularity: found 64; expected a prefix length up to 32
        "#]]),
        (service("real_server 127.0.0.1 80 {; }"), expect![[r#"
            1: virtual_server: tcp 192.0.2.10:80: it has no real servers
            4: real_server: 127.0.0.1 is a loopback address; expected the address of a host
        "#]]),
    ] {
        expected.assert_eq(&said(Format::Keepalived, &lines(&text)));
    }
}

/// What is too much for the maps is not even made.
#[test]
fn a_group_may_be_too_large() {
    let text = "virtual_server_group ALL {\n2001:db8::/32 80\n}\nvirtual_server group ALL {\nlb_kind DR\nprotocol TCP\nreal_server 2001:db9::1 80 {\n}\n}";
    check(
        text,
        expect![[r#"
        4: with it there are more than 16384 services, or 131072 real servers in them
    "#]],
    );
}
