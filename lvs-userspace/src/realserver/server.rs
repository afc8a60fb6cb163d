//! Serves the reports over TCP: a line for each connection, whatever the client sends or not.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    os::fd::AsFd as _,
    sync::Arc,
    time::Duration,
};

use nix::sys::socket::{setsockopt, sockopt};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpSocket, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot},
    time::{sleep, timeout},
};
use tracing::warn;

use super::reporter::Question;

/// So many connections may wait for an answer at a time. None waits for its client.
const ANSWERING: usize = 256;
/// So many more may wait for their client to close.
const LINGERING: usize = 64;
/// How long one does.
const LINGER: Duration = Duration::from_secs(1);
/// A client that takes so long for a line is not waited for.
const WRITE: Duration = Duration::from_secs(5);

/// Listens, on IPv4 and IPv6 both if the address is that of all.
pub(super) fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    match bind(address) {
        // A machine without IPv6.
        Err(error)
            if address.is_ipv6()
                && address.ip().is_unspecified()
                && matches!(
                    error.raw_os_error(),
                    Some(libc::EAFNOSUPPORT | libc::EADDRNOTAVAIL)
                ) =>
        {
            bind((Ipv4Addr::UNSPECIFIED, address.port()).into())
        }
        result => result,
    }
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    if address.is_ipv6() {
        // Whatever net.ipv6.bindv6only says.
        setsockopt(&socket.as_fd(), sockopt::Ipv6V6Only, &false)?;
    }
    socket.bind(address)?;
    socket.listen(1024)
}

/// Answers for ever.
///
/// A line fits into any socket's buffer, so what takes time is making the report, not the client.
pub(super) async fn serve(listener: TcpListener, questions: mpsc::Sender<Question>) {
    let answering = Arc::new(Semaphore::new(ANSWERING));
    let lingering = Arc::new(Semaphore::new(LINGERING));
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Too few file descriptors, most likely: some will be given back.
                warn!(%error, "can't accept a connection");
                sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        // All are short, so the others can wait in the kernel's queue. It is never closed.
        let Ok(permit) = answering.clone().acquire_owned().await else { return };
        tokio::spawn(answer(stream, questions.clone(), permit, lingering.clone()));
    }
}

async fn answer(
    mut stream: TcpStream,
    questions: mpsc::Sender<Question>,
    permit: OwnedSemaphorePermit,
    lingering: Arc<Semaphore>,
) {
    let (question, answer) = oneshot::channel();
    if questions.send(question).await.is_err() {
        return;
    }
    // No report is told by no line: an agent check that says nothing changes nothing.
    let Ok(Some(report)) = answer.await else { return };
    let line = format!("{report}\n");
    let written = timeout(WRITE, async {
        stream.write_all(line.as_bytes()).await?;
        stream.shutdown().await
    });
    let written = written.await;
    drop(permit);
    if !matches!(written, Ok(Ok(()))) {
        return;
    }
    // To close with something unread would reset the connection, and could take the answer away
    // from who has sent something.
    let Ok(_permit) = lingering.try_acquire() else { return };
    let mut rest = [0; 512];
    let read = async { while stream.read(&mut rest).await.is_ok_and(|n| n > 0) {} };
    timeout(LINGER, read).await.ok();
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server whose reports are all the same.
    async fn start() -> SocketAddr {
        let listener = listen("[::]:0".parse().unwrap()).unwrap();
        let port = listener.local_addr().unwrap().port();
        let (questions, mut asked) = mpsc::channel::<Question>(8);
        tokio::spawn(serve(listener, questions));
        tokio::spawn(async move {
            while let Some(question) = asked.recv().await {
                question.send(Some("ready up 42%".to_owned())).ok();
            }
        });
        (Ipv4Addr::LOCALHOST, port).into()
    }

    async fn ask(address: SocketAddr, send: &[u8]) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(send).await.unwrap();
        let mut text = String::new();
        let read = timeout(Duration::from_secs(5), stream.read_to_string(&mut text));
        read.await.expect("in time").expect("an answer");
        text
    }

    #[tokio::test]
    async fn a_line_whatever_is_sent() {
        let address = start().await;
        for send in [&b""[..], b"hello\n", &[b'x'; 100_000]] {
            assert_eq!(ask(address, send).await, "ready up 42%\n");
        }
    }

    #[tokio::test]
    async fn who_says_nothing_is_in_nobodys_way() {
        let address = start().await;
        let mut idle = Vec::new();
        for _ in 0..ANSWERING + LINGERING + 100 {
            idle.push(TcpStream::connect(address).await.unwrap());
        }
        assert_eq!(ask(address, b"").await, "ready up 42%\n");
        for mut stream in idle {
            let mut text = String::new();
            stream.read_to_string(&mut text).await.unwrap();
            assert_eq!(text, "ready up 42%\n");
        }
    }
}
