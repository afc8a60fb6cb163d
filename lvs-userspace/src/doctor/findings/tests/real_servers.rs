//! The real servers and the services.

use super::*;

#[test]
fn services_without_real_servers() {
    let down = |known: &mut Known| {
        known.services[0].members[0].state = State::Drained;
        known.services[0].members[0].weight = 0;
        known.services[0].members[1] = Member {
            state: State::Down,
            weight: 0,
            why: Some("it fails its checks".into()),
            ..member("192.0.2.12")
        };
    };
    check(
        |known, _| down(known),
        expect![[r#"
        Problem no-real-server: tcp 192.0.2.10:80 has no real server that takes connections
          192.0.2.11 is drained, weight 0; 192.0.2.12 is down, weight 0: it fails its checks
          see what keeps them out, below or in lvsctl list, or add one
        Warning real-server-down [192.0.2.12]: 192.0.2.12 is out of service for tcp 192.0.2.10:80
          it fails its checks
          lvsd has logged the reason; on the real server: lvs-realserver check
    "#]],
    );
    check(
        |known, _| {
            down(known);
            known.services[0].sorry_server = Some(ip("192.0.2.13"));
            known.services[2].members.clear();
        },
        expect![[r#"
            Problem no-real-server: tcp [2001:db8::10]:80 has no real server that takes connections
              it has none
              see what keeps them out, below or in lvsctl list, or add one
            Warning no-real-server: tcp 192.0.2.10:80 has only its sorry server 192.0.2.13
              192.0.2.11 is drained, weight 0; 192.0.2.12 is down, weight 0: it fails its checks
              see what keeps them out, below or in lvsctl list, or add one
            Warning real-server-down [192.0.2.12]: 192.0.2.12 is out of service for tcp 192.0.2.10:80
              it fails its checks
              lvsd has logged the reason; on the real server: lvs-realserver check
        "#]],
    );
}

#[test]
fn real_servers_that_are_not_found() {
    let lose = |known: &mut Known, at: usize| {
        known.real_servers[at].mac = None;
        let address = known.real_servers[at].address;
        for member in known.services.iter_mut().flat_map(|it| &mut it.members) {
            if member.address == address {
                member.state = State::Down;
                member.why = Some("its MAC is not known".into());
            }
        }
    };
    check(
        |known, seen| {
            lose(known, 0);
            seen.tried.remove(0);
            seen.reached.remove(0);
        },
        expect![[r#"
            Problem mac-unknown [192.0.2.11]: nobody knows the MAC of 192.0.2.11
              it does not answer ARP on eth0
              see whether it is up, in the network of eth0, and has that address
        "#]],
    );
    check(
        |known, seen| {
            lose(known, 1);
            known.real_servers[1].way = None;
            seen.no_way.insert(ip("192.0.2.12"), "192.0.2.12 is behind router 192.0.2.1".into());
            seen.tried.remove(1);
            seen.reached.remove(1);
        },
        expect![[r#"
            Problem no-way [192.0.2.12]: there is no way to 192.0.2.12
              192.0.2.12 is behind router 192.0.2.1
              direct routing needs it on a network of the director: give the director an address there
        "#]],
    );
}

#[test]
fn real_servers_without_the_vip() {
    let silent = |seen: &mut Seen, at: usize| {
        seen.tried[at].echo = false;
        seen.tried[at].syn.values_mut().for_each(|syn| *syn = Syn::Silence);
    };
    check(
        |_, seen| silent(seen, 0),
        expect![[r#"
            Problem vip-missing [192.0.2.11]: 192.0.2.11 does not have the VIP 192.0.2.10, or drops what comes for it
              asked by 192.0.2.3 in frames to 02:00:00:00:00:0b on eth0: no answer to an echo of 192.0.2.10, nor to SYNs to port 80; 192.0.2.11 answers an echo
              on 192.0.2.11: lvs-realserver run --vip 192.0.2.10, or ip addr add 192.0.2.10/32 dev lo; if it is there: its firewall, and its rp_filter
        "#]],
    );
    // Its checks fail for the same reason.
    check(
        |known, seen| {
            silent(seen, 3);
            known.services[2].members[0].state = State::Down;
            known.services[2].members.push(member("2001:db8::12"));
        },
        expect![[r#"
            Problem vip-missing [2001:db8::11]: 2001:db8::11 does not have the VIP 2001:db8::10, or drops what comes for it
              asked by 2001:db8::3 in frames to 02:00:00:00:00:0b on eth0: no answer to an echo of 2001:db8::10, nor to SYNs to port 80; 2001:db8::11 answers an echo
              on 2001:db8::11: lvs-realserver run --vip 2001:db8::10, or ip addr add 2001:db8::10/128 dev lo; if it is there: its firewall, and its rp_filter
        "#]],
    );
    // It answers no echo at all, but a SYN.
    check(
        |_, seen| {
            seen.tried[0].echo = false;
            seen.reached[0].echo = false;
            seen.reached[0].long_echo = false;
        },
        expect![[""]],
    );
    let no_echo = |seen: &mut Seen, at: usize| {
        silent(seen, at);
        seen.reached[at].echo = false;
        seen.reached[at].long_echo = false;
    };
    check(
        |_, seen| no_echo(seen, 0),
        expect![[r#"
            Problem vip-missing [192.0.2.11]: 192.0.2.11 does not have the VIP 192.0.2.10, or drops what comes for it
              asked by 192.0.2.3 in frames to 02:00:00:00:00:0b on eth0: no answer to an echo of 192.0.2.10, nor to SYNs to port 80; 192.0.2.11 does not answer an echo either
              on 192.0.2.11: lvs-realserver run --vip 192.0.2.10, or ip addr add 192.0.2.10/32 dev lo; if it is there: its firewall, and its rp_filter
        "#]],
    );
    // There is nobody to whom a SYN could be sent.
    check(
        |_, seen| no_echo(seen, 2),
        expect![[r#"
        Warning vip-unverified [192.0.2.13]: nobody knows whether 192.0.2.13 has the VIP 192.0.2.10
          asked by 192.0.2.3 in frames to 02:00:00:00:00:0d on eth0: no answer to an echo of 192.0.2.10; 192.0.2.13 does not answer an echo either
          on 192.0.2.13: lvs-realserver check --vip 192.0.2.10, or let it answer echo
    "#]],
    );
}

#[test]
fn services_that_do_not_listen_on_the_vip() {
    let refuse = |seen: &mut Seen| seen.tried[1].syn.extend([(80, Syn::Refused)]);
    check(
        |_, seen| refuse(seen),
        expect![[r#"
        Problem service-refused [192.0.2.12]: on 192.0.2.12 nobody listens on port 80 of the VIP 192.0.2.10
          a SYN by 192.0.2.3 in a frame to 02:00:00:00:00:0c on eth0 was answered with RST
          on 192.0.2.12: start the service, and have it listen on 192.0.2.10 or on all addresses
    "#]],
    );
    // Its checks have found it out.
    check(
        |known, seen| {
            refuse(seen);
            let member = &mut known.services[0].members[1];
            member.state = State::Down;
            member.why = Some("it fails its checks".into());
        },
        expect![[r#"
            Warning real-server-down [192.0.2.12]: 192.0.2.12 is out of service for tcp 192.0.2.10:80
              it fails its checks
              lvsd has logged the reason; on the real server: lvs-realserver check
        "#]],
    );
}

#[test]
fn long_packets() {
    check(
        |_, seen| seen.reached[1].long_echo = false,
        expect![[r#"
        Problem mtu-path [192.0.2.12]: long packets do not get to 192.0.2.12
          in frames to 02:00:00:00:00:0c on eth0: a short echo is answered, one of 1500 bytes, the interface's MTU, is not
          give the director, 192.0.2.12 and the switches between them the same MTU
    "#]],
    );
}

#[test]
fn others_that_answer_for_a_vip() {
    let answer = |seen: &mut Seen, at: usize, last: u8| {
        seen.asked[at].answered.insert(mac(last));
    };
    // The director itself, by an interface of its own.
    check(|_, seen| answer(seen, 0, 4), expect![[""]]);
    check(
        |_, seen| answer(seen, 0, 11),
        expect![[r#"
            Problem vip-answered-by-real-server [192.0.2.11]: 192.0.2.11 says on the network that it has the VIP 192.0.2.10, so clients go past the director
              an ARP request for 192.0.2.10, sent on eth0, was answered by 02:00:00:00:00:0b
              on 192.0.2.11: lvs-realserver run --vip 192.0.2.10, or sysctl -w net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.all.arp_announce=2
        "#]],
    );
    check(
        |_, seen| answer(seen, 1, 11),
        expect![[r#"
            Problem vip-answered-by-real-server [2001:db8::11]: 2001:db8::11 says on the network that it has the VIP 2001:db8::10, so clients go past the director
              a neighbour solicitation for 2001:db8::10, sent on eth0, was answered by 02:00:00:00:00:0b
              on 2001:db8::11: 2001:db8::10 is to be on lo, and on no other interface
        "#]],
    );
    check(
        |_, seen| {
            answer(seen, 0, 98);
            answer(seen, 0, 12);
        },
        expect![[r#"
            Problem vip-answered-by-real-server [192.0.2.12]: 192.0.2.12 says on the network that it has the VIP 192.0.2.10, so clients go past the director
              an ARP request for 192.0.2.10, sent on eth0, was answered by 02:00:00:00:00:0c
              on 192.0.2.12: lvs-realserver run --vip 192.0.2.10, or sysctl -w net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.all.arp_announce=2
            Problem vip-answered-by-stranger: 02:00:00:00:00:62 says on the network that it has the VIP 192.0.2.10, so clients go past the director
              an ARP request for 192.0.2.10, sent on eth0, was answered by 02:00:00:00:00:62
              find out who that is (ip neigh, the switch's table of MACs), and take 192.0.2.10 from it, or have it keep quiet; another director with this VIP: stop one
        "#]],
    );
}
