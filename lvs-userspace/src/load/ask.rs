//! Asks an agent.

use std::{net::SocketAddr, time::Duration};

use tokio::{io::AsyncReadExt as _, net::TcpStream, time::timeout};

use super::Report;

/// A line may be so long, in bytes; what follows is not looked at.
const LONGEST: usize = 1024;

/// Asks for a report. Who talks on after its line, or never hangs up, is not waited for.
///
/// # Errors
/// Why there is none.
pub async fn ask(agent: SocketAddr, patience: Duration) -> Result<Report, String> {
    match timeout(patience, read(agent)).await {
        Ok(Ok(answer)) => Report::parse(&answer).map_err(|error| error.to_string()),
        Ok(Err(error)) => Err(error),
        Err(_) => Err(format!("no whole line from the agent within {patience:?}")),
    }
}

async fn read(agent: SocketAddr) -> Result<Vec<u8>, String> {
    let mut stream = TcpStream::connect(agent)
        .await
        .map_err(|error| format!("can't connect to the agent: {error}"))?;
    let mut answer = Vec::with_capacity(64);
    let mut part = [0; LONGEST];
    while !answer.contains(&b'\n') && answer.len() < LONGEST {
        match stream.read(&mut part).await {
            Ok(0) => break,
            Ok(length) => answer.extend_from_slice(&part[..length]),
            // What was said before counts.
            Err(error) if answer.is_empty() => {
                return Err(format!("the agent hung up: {error}"));
            }
            Err(_) => break,
        }
    }
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use tokio::{io::AsyncWriteExt as _, net::TcpListener};

    use super::*;

    /// An agent that says this, and then holds the connection open, or not.
    async fn agent(text: &'static [u8], hangs_up: bool) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            // Who asked may have had enough.
            stream.write_all(text).await.ok();
            if !hangs_up {
                std::future::pending::<()>().await;
            }
        });
        address
    }

    #[tokio::test]
    async fn agents_that_behave_and_others() {
        let patience = Duration::from_millis(300);
        let expected = Ok(Report { share: Some(75), ..Report::default() });
        for (text, hangs_up) in
            [(&b"75%\n"[..], true), (b"75%\n", false), (b"75%", true), (b"75%\nmore\n", false)]
        {
            assert_eq!(ask(agent(text, hangs_up).await, patience).await, expected);
        }
        static ENDLESS: [u8; 100_000] = [b'7'; 100_000];
        for (text, hangs_up, error) in [
            (&b"75%"[..], false, "no whole line from the agent within 300ms"),
            (b"", false, "no whole line from the agent within 300ms"),
            (b"", true, "the agent said nothing"),
            (&ENDLESS, false, "which is no word of a report"),
        ] {
            let answer = ask(agent(text, hangs_up).await, patience).await.unwrap_err();
            assert!(answer.contains(error), "{answer}");
        }
        let nobody = ask("127.0.0.1:1".parse().unwrap(), patience).await.unwrap_err();
        assert!(nobody.contains("can't connect to the agent"), "{nobody}");
    }
}
