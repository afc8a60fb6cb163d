//! Checkers.

use super::*;

/// What a checker becomes, and what is said of it; its own line is the fifth.
fn checker(text: &str) -> String {
    let text = lines(&service(&format!("real_server 192.0.2.11 80 {{; {text}; }}")));
    let toml = show(Format::Keepalived, &text);
    let check = toml.lines().find(|it| it.starts_with("check")).unwrap_or("no check");
    format!("{check}\n{}", said(Format::Keepalived, &text))
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
