//! The syntax, and what is wrong with a file.

use super::*;

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
