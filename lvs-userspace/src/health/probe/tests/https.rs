//! Web servers with certificates of their own authority.

use std::sync::{Arc, Mutex};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer},
    },
};

use super::*;

/// An authority that nobody knows.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).unwrap().der().clone();
        Self { issuer: Issuer::new(params, key), certificate }
    }

    /// A web server with a certificate for this name, and the names that it was asked for.
    async fn web(&self, name: &str, expired: bool) -> (u16, Arc<Mutex<Vec<String>>>) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        if expired {
            params.not_before = date_time_ymd(2001, 1, 1);
            params.not_after = date_time_ymd(2002, 1, 1);
        }
        let certificate = params.signed_by(&key, &self.issuer).unwrap().der().clone();
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate],
                PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
            )
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let names = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // Some hang up when they see the certificate.
                let Ok(mut stream) = acceptor.accept(stream).await else { continue };
                let name = stream.get_ref().1.server_name().unwrap_or_default().to_owned();
                names.lock().unwrap().push(name);
                let mut request = [0; 1024];
                assert!(stream.read(&mut request).await.unwrap() > 0);
                let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
                stream.write_all(answer).await.unwrap();
                stream.shutdown().await.ok();
            }
        });
        (port, asked)
    }

    /// Asks a web server as this host.
    async fn ask(&self, port: u16, host: Option<&str>, verify: bool) -> Result<(), String> {
        let tools = Tools {
            connectors: Connectors::trusting(vec![self.certificate.clone()]),
            ..Tools::default()
        };
        let http = Http {
            host: host.map(str::to_owned),
            body: Some("ok".to_owned()),
            tls: Some(Tls { verify }),
            ..http()
        };
        let target = target(Ipv4Addr::LOCALHOST.into());
        let outcome = probe(target, &check(Kind::Http(http), port), None, &tools).await;
        outcome.map(drop).map_err(|failure| failure.to_string())
    }
}

#[tokio::test]
async fn a_certificate_must_be_for_the_host_and_of_somebody_who_is_trusted() {
    let authority = Authority::new();
    let (port, asked) = authority.web("www.example.org", false).await;
    assert!(authority.ask(port, Some("www.example.org"), true).await.is_ok());
    assert_eq!(*asked.lock().unwrap(), ["www.example.org"], "the name that it was asked for");

    let other = authority.ask(port, Some("mail.example.org"), true).await.unwrap_err();
    assert!(other.contains("not valid for name"), "{other}");
    let stranger = Authority::new().ask(port, Some("www.example.org"), true).await.unwrap_err();
    assert!(stranger.contains("UnknownIssuer") || stranger.contains("BadSignature"), "{stranger}");
    // Without a host it is asked for the virtual address, which is in no certificate.
    assert!(authority.ask(port, None, true).await.is_err());
    for host in [None, Some("mail.example.org")] {
        assert!(Authority::new().ask(port, host, false).await.is_ok(), "nobody looks");
    }
}

#[tokio::test]
async fn a_certificate_must_be_of_today() {
    let authority = Authority::new();
    let (port, _) = authority.web("www.example.org", true).await;
    let reason = authority.ask(port, Some("www.example.org"), true).await.unwrap_err();
    assert!(reason.contains("xpired"), "{reason}");
    assert!(authority.ask(port, Some("www.example.org"), false).await.is_ok());
}
