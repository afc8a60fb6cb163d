//! A greeting of a mail server, and its answer to ours (RFC 5321, sections 3.1 and 4.1.1.1).

use std::time::Duration;

use tokio::{
    io::{
        AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _,
        BufReader,
    },
    time::timeout,
};

use super::peer::Peer;
use crate::health::Failure;

/// A line may be so long, in bytes; twice what section 4.5.3.1.5 allows.
const LONGEST: u64 = 1024;
/// A reply may have so many lines.
const LINES: usize = 100;
/// So long the answer to our good-bye is waited for, when all is known already.
const GOOD_BYE: Duration = Duration::from_secs(1);

pub(super) async fn probe(peer: Peer, helo: &str) -> Result<(), Failure> {
    let stream = peer.connect().await?;
    let talked = converse(BufReader::new(stream), helo).await;
    talked.map_err(|error| Failure::Failed(format!("{peer} {error}")))
}

async fn converse<S>(mut stream: S, helo: &str) -> Result<(), String>
where
    S: AsyncBufRead + AsyncWrite + Unpin + Send + 'static,
{
    let greeting = reply(&mut stream).await?;
    if greeting.code != 220 {
        return Err(format!("greets with {:?}", greeting.first));
    }
    let mut answer = command(&mut stream, &format!("EHLO {helo}")).await?;
    if [500, 502].contains(&answer.code) {
        answer = command(&mut stream, &format!("HELO {helo}")).await?;
    }
    if answer.code != 250 {
        return Err(format!("answers our greeting with {:?}", answer.first));
    }
    tokio::spawn(async move {
        drop(timeout(GOOD_BYE, command(&mut stream, "QUIT")).await);
    });
    Ok(())
}

async fn command<S>(stream: &mut S, command: &str) -> Result<Reply, String>
where
    S: AsyncBufRead + AsyncWrite + Unpin,
{
    let sent = stream.write_all(format!("{command}\r\n").as_bytes()).await;
    sent.map_err(|error| format!("hung up: {error}"))?;
    reply(stream).await
}

/// A reply: its code, and its first line.
#[derive(Debug, PartialEq, Eq)]
struct Reply {
    code: u16,
    first: String,
}

async fn reply(stream: &mut (impl AsyncBufRead + Unpin)) -> Result<Reply, String> {
    let mut first: Option<(u16, String)> = None;
    for _ in 0..LINES {
        let mut line = Vec::new();
        let read = (&mut *stream).take(LONGEST).read_until(b'\n', &mut line).await;
        read.map_err(|error| format!("hung up: {error}"))?;
        if line.is_empty() {
            return Err("hung up".to_owned());
        }
        let text: String = String::from_utf8_lossy(&line)
            .trim_end()
            .chars()
            .map(|it| if it.is_control() { ' ' } else { it })
            .take(80)
            .collect();
        let Some((code, is_last)) = line_code(&line) else {
            return Err(format!("says {text:?}, which is no SMTP"));
        };
        let (its_code, first) = first.get_or_insert((code, text));
        if code != *its_code {
            return Err(format!("says {first:?}, and goes on with {code}"));
        }
        if is_last {
            return Ok(Reply { code, first: first.clone() });
        }
    }
    Err(format!("does not end its reply {:?}", first.unwrap_or_default().1))
}

/// The code of a whole line, and whether it is the last of its reply.
fn line_code(line: &[u8]) -> Option<(u16, bool)> {
    let (end, digits) = match line.strip_suffix(b"\n")? {
        [a, b, c, end, ..] => (*end, [*a, *b, *c]),
        [a, b, c] => (b' ', [*a, *b, *c]),
        _ => return None,
    };
    let is_last = match end {
        b' ' | b'\r' => true,
        b'-' => false,
        _ => return None,
    };
    let digit =
        |code: u16, digit: u8| Some(code * 10 + u16::from((digit as char).to_digit(10)? as u8));
    Some((digits.into_iter().try_fold(0, digit)?, is_last))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tokio::io::{AsyncReadExt as _, duplex};

    use super::*;

    /// What the check says of a server that says this, whatever it hears, and what that hears.
    async fn server(says: &[u8]) -> (Result<(), String>, String) {
        let (client, mut server) = duplex(1 << 20);
        server.write_all(says).await.unwrap();
        let check = converse(BufReader::new(client), "lvs");
        let hears = async {
            let mut heard = Vec::new();
            // It waits for ever where the other wants to hear more.
            let all =
                async { while server.read_buf(&mut heard).await.is_ok_and(|length| length > 0) {} };
            drop(timeout(Duration::from_millis(300), all).await);
            String::from_utf8_lossy(&heard).into_owned()
        };
        let limited = timeout(Duration::from_millis(200), check);
        let (outcome, heard) = tokio::join!(limited, hears);
        (outcome.unwrap_or_else(|_| Err("silence".to_owned())), heard)
    }

    #[tokio::test]
    async fn mail_servers_that_work() {
        for says in [
            &b"220 mail.example.org ESMTP\r\n250-mail greets you\r\n250-SIZE\r\n250 HELP\r\n221 bye\r\n"[..],
            b"220-one\r\n220 two\r\n250 ok\r\n",
            b"220\r\n500 what?\r\n250 old\r\n",
            b"220 no carriage return\n250 ok\n",
        ] {
            let (outcome, heard) = server(says).await;
            assert_eq!(outcome, Ok(()), "{}", String::from_utf8_lossy(says));
            assert!(heard.starts_with("EHLO lvs\r\n") && heard.ends_with("QUIT\r\n"), "{heard}");
        }
    }

    #[tokio::test]
    async fn mail_servers_that_do_not() {
        let endless = [b'2'; 5000];
        let many = b"220-more\r\n".repeat(200);
        for (says, reason) in [
            (&b"421 too busy\r\n"[..], "greets with \"421 too busy\""),
            (b"554 go away\r\n", "greets with \"554 go away\""),
            (b"220 hello\r\n554-no\r\n554 really\r\n", "answers our greeting with \"554-no\""),
            (b"SSH-2.0-OpenSSH\r\n", "says \"SSH-2.0-OpenSSH\", which is no SMTP"),
            (b"220\x07\x1b[2J\r\n", "says \"220  [2J\", which is no SMTP"),
            (b"2x0 hello\r\n", "says \"2x0 hello\", which is no SMTP"),
            (&many, "does not end its reply \"220-more\""),
            (b"554-no\r\n220 ok\r\n", "says \"554-no\", and goes on with 220"),
            (b"", "silence"),
            (b"220 hello\r\n", "silence"),
        ] {
            let (outcome, _) = server(says).await;
            assert_eq!(outcome, Err(reason.to_owned()));
        }
        let (outcome, _) = server(&endless).await;
        assert!(outcome.unwrap_err().ends_with("which is no SMTP"));
    }

    #[tokio::test]
    async fn one_that_closes_at_once() {
        let (client, server) = duplex(64);
        drop(server);
        assert_eq!(converse(BufReader::new(client), "lvs").await, Err("hung up".to_owned()));
    }

    proptest! {
        #[test]
        fn any_reply_is_read(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            // All that counts is that there is an answer, whatever it is.
            drop(runtime.block_on(reply(&mut BufReader::new(&bytes[..]))));
        }

        #[test]
        fn any_line_is_read(line in prop::collection::vec(any::<u8>(), 0..20)) {
            if let Some((code, _)) = line_code(&line) {
                prop_assert!(code <= 999 && line.ends_with(b"\n"));
            }
        }
    }
}
