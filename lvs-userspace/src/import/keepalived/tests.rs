mod checkers;
mod errors;
mod services;
mod vrrp;

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
    "vrrp_instance A {\nvirtual_router_id 5\n",
    "vrrp_script B {\nscript /bin/true\n",
    "advert_int ",
    "unicast_peer {\n",
    "track_script {\nB ",
    "virtual_ipaddress {\n",
    "interface eth0\n",
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
            #   line 34: @croesus: not for "midas", this machine
            #   line 49: vrrp_instance: INSIDE: there is one [failover], that of OUTSIDE, and this is another virtual_router_id
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

            # As long as others are keepalived: sync = false in [failover] here, and vrrp_version 3 there.
            # When all are lvsd: a key_file in [failover], so that nobody else can take over.

            [director]
            name = "midas"
            interfaces = ["bond0", "bond0.200"]

            [failover]
            vrid = 51
            priority = 150
            peers = ["192.0.2.4"]
            preempt = false

            [[failover.track]]
            type = "interface"
            interface = "bond0"

            [[failover.track]]
            type = "program"
            command = ["/usr/bin/pgrep", "lvsd"]
            interval = "2s"
            timeout = "2s"
            rise = 1
            fall = 1

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
