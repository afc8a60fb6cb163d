//! TLS to real servers, with or without a look at their certificates.

use std::{
    io,
    sync::{Arc, OnceLock},
};

use tokio::net::TcpStream;
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{
        ClientConfig, DigitallySignedStruct, Error, SignatureScheme,
        client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        crypto::{CryptoProvider, ring},
        pki_types::{CertificateDer, ServerName, UnixTime},
    },
};

use crate::tls;

/// Made when they are needed first: reading the system's certificates takes a while.
#[derive(Default)]
pub(super) struct Connectors {
    strict: OnceLock<Result<TlsConnector, String>>,
    lenient: OnceLock<Result<TlsConnector, String>>,
    /// Who is trusted besides those that the system trusts.
    also: Vec<CertificateDer<'static>>,
}

impl Connectors {
    /// Trusts these, too.
    #[cfg(test)]
    pub(super) fn trusting(also: Vec<CertificateDer<'static>>) -> Self {
        Self { also, ..Self::default() }
    }

    /// A handshake with who should be `name`.
    pub(super) async fn connect(
        &self,
        stream: TcpStream,
        name: String,
        verify: bool,
    ) -> io::Result<TlsStream<TcpStream>> {
        let connector = if verify {
            self.strict.get_or_init(|| Ok(into_connector(tls::strict(&self.also)?)))
        } else {
            self.lenient.get_or_init(|| Ok(into_connector(lenient()?)))
        };
        let connector = connector.as_ref().map_err(|error| io::Error::other(error.clone()))?;
        let name = ServerName::try_from(name).map_err(io::Error::other)?;
        connector.connect(name, stream).await
    }
}

fn into_connector(config: ClientConfig) -> TlsConnector {
    TlsConnector::from(Arc::new(config))
}

/// Trusts everybody.
fn lenient() -> Result<ClientConfig, String> {
    let verifier = Lenient(Arc::new(ring::default_provider()));
    let builder = tls::builder()?.dangerous().with_custom_certificate_verifier(Arc::new(verifier));
    Ok(builder.with_no_client_auth())
}

/// Takes any certificate, but only from who has its key.
#[derive(Debug)]
struct Lenient(Arc<CryptoProvider>);

impl ServerCertVerifier for Lenient {
    fn verify_server_cert(
        &self,
        _certificate: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        tokio_rustls::rustls::crypto::verify_tls12_signature(
            message,
            certificate,
            signature,
            algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        tokio_rustls::rustls::crypto::verify_tls13_signature(
            message,
            certificate,
            signature,
            algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
