use expect_test::{Expect, expect};
use proptest::prelude::*;

use crate::import::{
    Format,
    tests::{damaged, is_ours_or_refused, said, show},
};

const SAMPLE: &str = include_str!("../../../../config/keepalived.conf");

const WORDS: &[&str] = &[
    "virtual_server ",
    "virtual_server 192.0.2.10 80 {\nlb_kind DR\nprotocol TCP\n",
    "virtual_server_group ",
    "group ",
    "real_server ",
    "real_server 192.0.2.11 80 {\n",
    "lb_kind ",
    "DR ",
    "HTTP_GET {\nurl {\n",
    "TCP_CHECK {\n",
    "MISC_CHECK {\nmisc_path ",
    "UDP_CHECK {\npayload ",
    "path ",
    "weight ",
    "delay_loop ",
    "quorum ",
    "192.0.2.11 ",
    "192.0.2.1-9 ",
    "2001:db8::/126 ",
    "80 ",
    "65536 ",
    "-1 ",
    "0.0000001 ",
    "}\n",
    "}\n",
    "}\n",
    "{",
    "\n",
    "\n",
    "\"",
    "'",
    "\\",
    "#",
    "!",
    "$A",
    "${A}",
    "$A=",
    "@a ",
    "~SEQ(",
    "\u{7}é ",
];

fn check(text: &str, expected: Expect) {
    expected.assert_eq(&show(Format::Keepalived, text));
}

/// A service by direct routing, with this in its braces.
fn service(block: &str) -> String {
    format!("virtual_server 192.0.2.10 80 {{; protocol TCP; lb_kind DR; {block}; }}; ")
}

/// What a checker becomes, and what is said of it; its own line is the fifth.
fn checker(text: &str) -> String {
    let text = lines(&service(&format!("real_server 192.0.2.11 80 {{; {text}; }}")));
    let toml = show(Format::Keepalived, &text);
    let check = toml.lines().find(|it| it.starts_with("check")).unwrap_or("no check");
    format!("{check}\n{}", said(Format::Keepalived, &text))
}

/// The text with an end of the line for each semicolon.
fn lines(text: &str) -> String {
    text.replace("; ", "\n")
}

#[test]
fn the_sample() {
    check(
        SAMPLE,
        expect![[r##"
            # Not carried over, or not as it was:
            #   line 5: notification_email: see [alerts.mail]
            #   line 8: notification_email_from: see [alerts.mail]
            #   line 9: smtp_server: see [alerts.mail]
            #   line 10: smtp_connect_timeout: see [alerts.mail]
            #   line 12: enable_script_security: there is nothing like it
            #   line 17: $ASK: a definition of several lines is not expanded
            #   line 21: include: no other file is read; import it too
            #   line 23: vrrp_script: there is nothing like it
            #   line 30: state: there is no failover yet
            #   line 32: virtual_router_id: there is no failover yet
            #   line 33: priority: there is no failover yet
            #   line 34: @croesus: not for "midas", this machine
            #   line 35: advert_int: there is no failover yet
            #   line 36: nopreempt: there is no failover yet
            #   line 37: unicast_peer: there is no failover yet
            #   line 40: virtual_ipaddress: lvsd answers for the addresses of its services by itself
            #   line 44: track_script: there is no failover yet
            #   line 50: state: there is no failover yet
            #   line 52: virtual_router_id: there is no failover yet
            #   line 53: priority: there is no failover yet
            #   line 66: omega: there is nothing like it
            #   line 69: quorum_up: see hooks in [alerts]
            #   line 70: quorum_down: see hooks in [alerts]
            #   line 78: notify_down: see hooks in [alerts]
            #   line 83: digest: there is nothing like it
            #   line 85: url: a check asks for one, the first
            #   line 102: PING_CHECK: a real server has one check, that of line 95
            #   line 105: real_server: port 8080: direct routing can't change the service's, 80
            #   line 114: mh-port: there is nothing like it
            #   line 123: warmup: the first checks are spread over half a second
            #   line 132: real_server: lvs_method TUN type ipip: there is direct routing (DR) alone
            #   line 142: inhibit_on_failure: it is so for all real servers of a service, or for none
            #   line 143: HTTP_GET: status_code 200-399: a check expects one, or 200-299
            #   line 152: bindto: there is nothing like it
            #   line 162: fwmark: there are no firewall marks
            #   line 165: virtual_server: udp 192.0.2.22:5353: it has no real servers
            #   line 171: real_server: port 53: direct routing can't change the service's, 5353
            #   line 177: real_server: port 53: direct routing can't change the service's, 5353
            #   line 187: lb_algo: there is no twos; wlc is nearest
            #   line 198: misc_path: it gets the real server's address as one more argument
            #   line 200: misc_dynamic: weights follow load reports, see follow_load
            #   line 201: user: the program runs as lvsd does
            #   line 205: BFD_CHECK: there is nothing like it
            #   line 222: virtual_server: lb_kind NAT: there is direct routing (DR) alone
            #   line 232: virtual_server: there are no firewall marks

            [director]
            name = "midas"
            interfaces = ["bond0", "bond0.200"]

            [connections]
            tcp_established = "2h"
            tcp_fin_wait = "1m"
            udp = "30s"

            [[virtual_service]]
            address = "192.0.2.10"
            port = 80
            protocol = "tcp"
            scheduler = "wlc"
            persistence_timeout = "5m"
            persistence_granularity = 24
            inhibit_on_failure = true
            sorry_server = "192.0.2.99"
            quorum = 2
            quorum_hysteresis = 1
            check = { type = "http", interval = "6s", fast_interval = "2s", timeout = "3s", rise = 1, fall = 4, path = "/health?deep=1", host = "www.example.org", status = 200 }

            [[virtual_service.real_server]]
            address = "192.0.2.11"
            weight = 3
            upper_threshold = 2000
            lower_threshold = 1500

            [[virtual_service.real_server]]
            address = "192.0.2.12"
            weight = 1

            [[virtual_service]]
            address = "192.0.2.10"
            port = 443
            protocol = "tcp"
            scheduler = "mh"
            check = { type = "https", interval = "2500ms", fast_interval = "3s", timeout = "4s", rise = 1, fall = 2, path = "/", host = "secure.example.org", body = "all is well", verify = false }

            [[virtual_service.real_server]]
            address = "192.0.2.11"
            weight = 1

            [[virtual_service.real_server]]
            address = "192.0.2.14"
            weight = 0
            check = { type = "tcp", port = 8443, interval = "2500ms", fast_interval = "250ms", timeout = "4s", rise = 1, fall = 2 }

            [[virtual_service]]
            address = "192.0.2.20"
            port = 53
            protocol = "udp"
            scheduler = "rr"
            one_packet = true
            check = { type = "dns", interval = "10s", fast_interval = "10s", timeout = "5s", rise = 1, fall = 4, name = "www.example.org", record = "A" }

            [[virtual_service.real_server]]
            address = "192.0.2.31"
            weight = 1

            [[virtual_service.real_server]]
            address = "192.0.2.32"
            weight = 1
            check = { type = "udp", interval = "10s", fast_interval = "1s", timeout = "4s", rise = 1, fall = 2, send = "ping", expect = "pong" }

            [[virtual_service]]
            address = "192.0.2.21"
            port = 53
            protocol = "udp"
            scheduler = "rr"
            one_packet = true
            check = { type = "dns", interval = "10s", fast_interval = "10s", timeout = "5s", rise = 1, fall = 4, name = "www.example.org", record = "A" }

            [[virtual_service.real_server]]
            address = "192.0.2.31"
            weight = 1

            [[virtual_service.real_server]]
            address = "192.0.2.32"
            weight = 1
            check = { type = "udp", interval = "10s", fast_interval = "1s", timeout = "4s", rise = 1, fall = 2, send = "ping", expect = "pong" }

            [[virtual_service]]
            address = "2001:db8::10"
            port = 25
            protocol = "tcp"
            scheduler = "wlc"
            check = { type = "smtp", interval = "1m", fast_interval = "1s", timeout = "10s", rise = 1, fall = 2, helo = "director.example.org" }

            [[virtual_service.real_server]]
            address = "2001:db8::11"
            weight = 1

            [[virtual_service.real_server]]
            address = "2001:db8::12"
            weight = 1
            check = { type = "exec", interval = "1m", fast_interval = "1s", timeout = "20s", rise = 1, fall = 1, command = ["/usr/local/bin/check_mail", "-q", "a queue", "2001:db8::12"] }

            [[virtual_service.real_server]]
            address = "2001:db8::13"
            weight = 1
            check = { type = "none" }

            [[virtual_service]]
            address = "192.0.2.40"
            port = 0
            protocol = "tcp"
            scheduler = "sh"
            persistence_timeout = "6m"
            persistence_granularity = 32
            check = { type = "ping", interval = "1m", fast_interval = "1s", timeout = "5s", rise = 1, fall = 2 }

            [[virtual_service.real_server]]
            address = "192.0.2.41"
            weight = 1
        "##]],
    );
}

#[test]
fn checkers_become_checks() {
    for (text, expected) in [
        (
            "TCP_CHECK {; }",
            expect![[r#"
                check = { type = "tcp", interval = "1m", fast_interval = "1s", timeout = "5s", rise = 1, fall = 2 }
            "#]],
        ),
        (
            "delay_loop 7.5; TCP_CHECK {; connect_timeout 90; retry 500; connect_port 80; }",
            expect![[r#"
                check = { type = "tcp", interval = "7500ms", fast_interval = "1s", timeout = "1m", rise = 1, fall = 100 }
                7: connect_timeout: 90s becomes 60s
                8: retry: 500 becomes 99
            "#]],
        ),
        (
            "TCP_CHECK {; connect_ip 192.0.2.11; alpha; log_all_failures; fwmark 3; }",
            expect![[r#"
                check = { type = "tcp", interval = "1m", fast_interval = "1s", timeout = "5s", rise = 1, fall = 2 }
                8: log_all_failures: there is nothing like it
                9: fwmark: there is nothing like it
            "#]],
        ),
        (
            "TCP_CHECK {; connect_ip 192.0.2.12; bindto 192.0.2.1; }; PING_CHECK {; }; TCP_CHECK {; }",
            expect![[r#"
                check = { type = "ping", interval = "1m", fast_interval = "1s", timeout = "5s", rise = 1, fall = 2 }
                5: TCP_CHECK: connect_ip: the real server's own address is asked
                11: TCP_CHECK: a real server has one check, that of line 9
            "#]],
        ),
        (
            "HTTP_GET {; connect_timeout 1; }",
            expect![[r#"
            no check
            5: HTTP_GET: it has no url
        "#]],
        ),
        (
            "HTTP_GET {; http_protocol 1.0; virtualhost a; url {; path /a b; }; }",
            expect![[r#"
            no check
            9: path: expected one value
        "#]],
        ),
        (
            "HTTP_GET {; http_protocol 1.1; virtualhost a; url {; path '/a b'; }; }",
            expect![[r#"
            no check
            5: HTTP_GET: path: found "/a b"; expected a path, like "/health"
        "#]],
        ),
        (
            "HTTP_GET {; virtualhost a; url {; virtualhost b; status_code 200 301; }; }",
            expect![[r#"
                no check
                5: HTTP_GET: status_code 200 301: a check expects one, or 200-299
            "#]],
        ),
        (
            "HTTP_GET {; virtualhost a; url {; virtualhost b; status_code 302; regex ^a; }; }",
            expect![[r#"
                check = { type = "http", interval = "1m", fast_interval = "3s", timeout = "5s", rise = 1, fall = 2, path = "/", host = "b", status = 302 }
                10: regex: a body is looked through for a text alone
            "#]],
        ),
        (
            "SSL_GET {; enable_sni; url {; regex fine; regex_no_match; }; }",
            expect![[r#"
                check = { type = "https", interval = "1m", fast_interval = "3s", timeout = "5s", rise = 1, fall = 2, path = "/", verify = false }
                8: regex: a body is looked through for a text alone
                9: regex_no_match: there is nothing like it
            "#]],
        ),
        (
            "SSL_GET {; url {; status_code 2000; }; }",
            expect![[r#"
            no check
            5: SSL_GET: status: found 2000; expected an HTTP status from 100 to 599
        "#]],
        ),
        (
            "DNS_CHECK {; }",
            expect![[r#"
                check = { type = "dns", interval = "1m", fast_interval = "1m", timeout = "5s", rise = 1, fall = 4, name = ".", record = "SOA" }
            "#]],
        ),
        (
            "delay_loop 5; DNS_CHECK {; type mx; name example.org; retry 1; }",
            expect![[r#"
            check = { type = "dns", interval = "5s", fast_interval = "5s", timeout = "5s", rise = 1, fall = 2, name = "example.org", record = "MX" }
        "#]],
        ),
        (
            "DNS_CHECK {; type ANY; }",
            expect![[r#"
            no check
            5: DNS_CHECK: type ANY: it can't be asked for
        "#]],
        ),
        (
            "SMTP_CHECK {; host {; connect_ip 192.0.2.11; }; }",
            expect![[r#"
                check = { type = "smtp", interval = "1m", fast_interval = "1s", timeout = "5s", rise = 1, fall = 2, helo = "lvs" }
                6: host: there is nothing like it
            "#]],
        ),
        (
            "SMTP_CHECK {; helo_name 'a b'; }",
            expect![[r#"
            no check
            5: SMTP_CHECK: helo: found "a b"; expected the name of a host, like "director.example.org"
        "#]],
        ),
        (
            "MISC_CHECK {; misc_path /bin/true; misc_timeout 3; }",
            expect![[r#"
                check = { type = "exec", interval = "1m", fast_interval = "1s", timeout = "3s", rise = 1, fall = 1, command = ["/bin/true"] }
                6: misc_path: it gets the real server's address as one more argument
            "#]],
        ),
        (
            "delay_loop 90; MISC_CHECK {; misc_path \"/bin/a 'b c'  d'' \"; misc_dynamic; }",
            expect![[r#"
                check = { type = "exec", interval = "90s", fast_interval = "1s", timeout = "1m", rise = 1, fall = 1, command = ["/bin/a", "b c", "d"] }
                7: misc_path: it gets the real server's address as one more argument
                8: misc_dynamic: weights follow load reports, see follow_load
            "#]],
        ),
        (
            "MISC_CHECK {; misc_path true; }",
            expect![[r#"
            no check
            5: MISC_CHECK: command: found an array; expected a program with its full path and its arguments, like ["/usr/bin/check", "-v"]
        "#]],
        ),
        (
            "MISC_CHECK {; }",
            expect![[r#"
            no check
            5: MISC_CHECK: it has no misc_path
        "#]],
        ),
        (
            "UDP_CHECK {; payload ff; }",
            expect![[r#"
            no check
            5: UDP_CHECK: payload: a check sends text alone
        "#]],
        ),
        (
            "UDP_CHECK {; payload 'a 41 4'; require_reply 4X; min_reply_length 1; }",
            expect![[r#"
                check = { type = "udp", interval = "1m", fast_interval = "1s", timeout = "5s", rise = 1, fall = 2, send = """
                7: require_reply: an answer is required if it is a text, and always the same
                8: min_reply_length: there is nothing like it
            "#]],
        ),
        (
            "UDP_CHECK {; require_reply 41; }",
            expect![[r#"
                check = { type = "udp", interval = "1m", fast_interval = "1s", timeout = "5s", rise = 1, fall = 2, expect = "A" }
            "#]],
        ),
        (
            "FILE_CHECK {; track_file a; }; BFD_CHECK {; name b; }; NEW_CHECK {; }",
            expect![[r#"
            no check
            5: FILE_CHECK: there is nothing like it
            8: BFD_CHECK: there is nothing like it
            11: NEW_CHECK: there is nothing like it
        "#]],
        ),
    ] {
        expected.assert_eq(&checker(text));
    }
}

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

#[test]
fn what_is_wrong_is_said_with_its_line() {
    let wrong = service(
        "delay_loop soon
lb_algo best
lb_kind DIRECT
persistence_granularity 255.0.255.0
inhibit_on_failure maybe
quorum -1
weight 3 4
sorry_server web 80
real_server 192.0.2.300 80 {
}
real_server 192.0.2.11 http {
weight heavy
HTTP_GET {
retry many
url {
}
}
}
real_server {
}",
    );
    check(
        &wrong.replace("; ", "\n"),
        expect![[r#"
            4: delay_loop: "soon" is no time in seconds
            5: lb_algo: "best" is none of the schedulers rr, wrr, lc, wlc, sed, nq, sh, dh, mh, fastest
            6: lb_kind: expected NAT, DR or TUN
            7: persistence_granularity: "255.0.255.0" is neither a mask nor the length of a prefix
            8: inhibit_on_failure: "maybe" is no yes or no
            9: quorum: "-1" is no number
            10: weight: expected one value
            11: sorry_server: "web" is no IP address
            12: real_server: "192.0.2.300" is no IP address
            14: real_server: "http" is no port
            22: real_server: expected ADDRESS PORT
        "#]],
    );
    check(
        "virtual_server {\n}\nvirtual_server_group X Y {\n}\nvirtual_server_group X {\n192.0.2.9-1 80\n192.0.2.1 80 81\n}\nglobal_defs {\nrouter_id ''\nlvs_timeouts tcp 3 sctp 4\n}\nvrrp_instance A {\ninterface eth0:1\n}",
        expect![[r#"
            1: virtual_server: expected ADDRESS PORT
            3: virtual_server_group: expected one value
            6: 192.0.2.9-1: "192.0.2.9-1" has no addresses in it
            7: 192.0.2.1: expected ADDRESS PORT
            10: router_id: it is empty
            11: lvs_timeouts: "sctp 4" is none
            14: interface: "eth0:1" can't be the name of a network interface
        "#]],
    );
    // Of the syntax.
    check(
        "virtual_server 192.0.2.10 80 {\nreal_server 192.0.2.11 80\n{\n",
        expect![[r#"
        1: the brace of virtual_server is never closed
        2: the brace of real_server is never closed
    "#]],
    );
    check(
        "{\n}\n}\na {\n}\n{\n}",
        expect![[r#"
        1: there is no keyword before this brace
        3: this brace closes none
        6: there is no keyword before this brace
    "#]],
    );
    check(
        "a \"b\nc 'd\n",
        expect![[r#"
        1: the quote (") is never closed
        2: the quote (') is never closed
    "#]],
    );
    check(
        &"a {\n".repeat(1000),
        expect![[r#"
        17: more than 16 braces within one another
    "#]],
    );
    check(
        "$A=$A\nb $A",
        expect![[r#"
        2: $A stands for itself, or for too much
    "#]],
    );
    check(
        "$A=${B}${B}\n$B=${C}${C}${C}${C}\n$C=xxxx\nb $A\n$C=${A}\nb $A",
        expect![[r#"
        6: $B stands for itself, or for too much
    "#]],
    );
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

#[test]
fn conditions_and_definitions() {
    let text = "\
@midas $N=11
@croesus $N=12
$IF=@midas
$NET=192.0.${X}
$X=2 # what ${X} is
virtual_server ${NET}.10 80 { # here '{' and \" are no syntax
lb_kind DR ! nor here }
@^croesus protocol TCP
@^midas protocol UDP
$IF lb_algo rr
$UNKNOWN
$X=3
real_server \"192\".0.2.$N 80 { weight 3 }
real_server 192.0.2.${N} 80{
}
$BLOCK= \\
real_server 192.0.2.14 80 { \\

}
~SEQ(I, 20, 22) sorry_server 192.0.2.${I} 80
}
includea '/etc/keepalived/{a,b}.conf'
";
    check(
        text,
        expect![[r##"
            # Not carried over, or not as it was:
            #   line 2: @croesus: not for "midas", this machine
            #   line 9: @^midas: not for "midas", this machine
            #   line 11: $UNKNOWN: there is nothing like it
            #   line 14: real_server: 192.0.2.11 is there twice
            #   line 16: $BLOCK: a definition of several lines is not expanded
            #   line 20: ~SEQ: is not expanded
            #   line 22: includea: no other file is read; import it too

            # Adjust interfaces: where clients and real servers are.

            [director]
            name = "midas"
            interfaces = ["eth0"]

            [[virtual_service]]
            address = "192.0.2.10"
            port = 80
            protocol = "tcp"
            scheduler = "rr"

            [[virtual_service.real_server]]
            address = "192.0.2.11"
            weight = 3
        "##]],
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_characters_are_ours_or_refused(text in "\\PC{0,200}") {
        is_ours_or_refused(Format::Keepalived, &text);
    }

    #[test]
    fn any_words_are_ours_or_refused(
        words in prop::collection::vec(prop::sample::select(WORDS), 0..60),
    ) {
        is_ours_or_refused(Format::Keepalived, &words.concat());
    }

    #[test]
    fn a_damaged_file_is_ours_or_refused(text in damaged(SAMPLE)) {
        is_ours_or_refused(Format::Keepalived, &text);
    }
}
