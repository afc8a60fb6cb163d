//! Mail, and the servers that it goes to.

use std::{fs, sync::Arc};

use tokio::{
    io::{AsyncBufRead, AsyncBufReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader},
    net::TcpListener,
    time::{sleep, timeout},
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, crypto::ring, pki_types::PrivateKeyDer},
};

use super::*;

/// A mail server that takes one mail.
async fn sink(listener: TcpListener) -> String {
    let (stream, _) = listener.accept().await.unwrap();
    let mut stream = BufReader::new(stream);
    stream.write_all(b"220 sink\r\n").await.unwrap();
    take_mail(stream).await
}

async fn take_mail(mut stream: impl AsyncBufRead + AsyncWrite + Unpin) -> String {
    let (mut mail, mut line) = (String::new(), String::new());
    loop {
        line.clear();
        stream.read_line(&mut line).await.unwrap();
        let answer = match line.get(..4).unwrap_or_default() {
            "DATA" => {
                stream.write_all(b"354 go on\r\n").await.unwrap();
                while !mail.ends_with("\r\n.\r\n") {
                    stream.read_line(&mut mail).await.unwrap();
                }
                stream.write_all(b"250 thanks\r\n").await.unwrap();
                return mail;
            }
            _ => "250 yes\r\n",
        };
        stream.write_all(answer.as_bytes()).await.unwrap();
    }
}

fn mail(port: u16, encryption: Encryption) -> Mail {
    Mail {
        server: "127.0.0.1".to_owned(),
        port,
        encryption,
        ca_file: None,
        login: None,
        from: "lvs@midas.example".to_owned(),
        to: vec!["Ops <ops@example.net>".to_owned()],
        gather: Duration::from_millis(200),
        retry: Duration::from_millis(100),
    }
}

#[tokio::test]
async fn changes_that_come_together_are_one_mail() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let settings = Settings { mail: Some(mail(port, Encryption::None)), ..Settings::default() };
    let mut alerts = Alerts::new("midas", &settings);
    for host in 11..31 {
        alerts.tell(&change(host, State::Down));
    }
    let mail = timeout(SOON, sink(listener)).await.unwrap();
    assert!(mail.contains("Subject: [lvs midas] 20 changes"), "{mail}");
    assert!(
        mail.contains("To: Ops <ops@example.net>") || mail.contains("ops@example.net"),
        "{mail}"
    );
    assert_eq!(mail.matches("up -> down").count(), 20, "{mail}");
}

/// It is tried again, with what has happened meanwhile.
#[tokio::test]
async fn a_mail_server_that_is_away_gets_its_mail_when_it_is_back() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let settings =
        Settings { mail: Some(mail(address.port(), Encryption::None)), ..Settings::default() };
    let mut alerts = Alerts::new("midas", &settings);
    alerts.tell(&change(11, State::Down));
    sleep(Duration::from_millis(500)).await;
    alerts.tell(&change(11, State::Up));
    let listener = TcpListener::bind(address).await.unwrap();
    let mail = timeout(SOON, sink(listener)).await.unwrap();
    assert!(mail.contains("10.77.0.11: up -> down"), "{mail}");
}

/// Without STARTTLS there is no mail in the clear, and nobody waits for it.
#[tokio::test]
async fn a_mail_server_without_starttls_gets_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let settings = Settings { mail: Some(mail(port, Encryption::StartTls)), ..Settings::default() };
    let mut alerts = Alerts::new("midas", &settings);
    alerts.tell(&change(11, State::Down));
    let (stream, _) = timeout(SOON, listener.accept()).await.unwrap().unwrap();
    let mut stream = BufReader::new(stream);
    stream.write_all(b"220 sink\r\n").await.unwrap();
    let mut said = Vec::new();
    let mut line = String::new();
    while timeout(SOON, stream.read_line(&mut line)).await.unwrap().unwrap_or(0) > 0 {
        let word = line.split_whitespace().next().unwrap_or_default().to_owned();
        // It greets, hears that there is no STARTTLS, and goes.
        let answer: &[u8] = if word == "QUIT" { b"221 bye\r\n" } else { b"250 plain\r\n" };
        said.push(word);
        stream.write_all(answer).await.ok();
        line.clear();
    }
    assert!(said.iter().all(|word| ["EHLO", "QUIT"].contains(&word.as_str())), "{said:?}");
}

/// A mail server that speaks TLS after STARTTLS; gives `None` if the other does not like its
/// certificate.
async fn tls_sink(listener: TcpListener, acceptor: TlsAcceptor) -> Option<String> {
    let (stream, _) = listener.accept().await.unwrap();
    let mut stream = BufReader::new(stream);
    stream.write_all(b"220 sink\r\n").await.unwrap();
    for (word, answer) in [("EHLO", "250-sink\r\n250 STARTTLS\r\n"), ("STARTTLS", "220 go\r\n")] {
        let mut line = String::new();
        stream.read_line(&mut line).await.unwrap();
        assert!(line.starts_with(word), "{line}");
        stream.write_all(answer.as_bytes()).await.unwrap();
    }
    let stream = acceptor.accept(stream.into_inner()).await.ok()?;
    Some(take_mail(BufReader::new(stream)).await)
}

#[tokio::test]
async fn mail_goes_by_tls_to_who_is_trusted() {
    let directory = tempfile::tempdir().unwrap();
    let ca_file = directory.path().join("ca.pem");
    let rcgen::CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    fs::write(&ca_file, cert.pem()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![cert.der().clone()],
            PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap(),
        )
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    for ca_file in [Some(ca_file), None] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let is_trusted = ca_file.is_some();
        let mail = Mail { ca_file, ..mail(port, Encryption::StartTls) };
        let mut alerts =
            Alerts::new("midas", &Settings { mail: Some(mail), ..Settings::default() });
        alerts.tell(&change(11, State::Down));
        let mail = timeout(SOON, tls_sink(listener, acceptor.clone())).await.unwrap();
        assert_eq!(mail.is_some_and(|it| it.contains("up -> down")), is_trusted);
    }
}

#[tokio::test]
async fn a_mail_server_that_nobody_uses_any_more_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let retry = Duration::from_millis(1);
    let mail = Mail { retry, ..mail(port, Encryption::None) };
    let mut alerts = Alerts::new("midas", &Settings { mail: Some(mail), ..Settings::default() });
    alerts.tell(&change(11, State::Down));
    alerts.reconfigure(&Settings::default());
    let ended = timeout(SOON, alerts.tasks.join_next()).await.unwrap();
    assert!(ended.is_some_and(|it| it.is_ok()));
}
