//! TLS as a client: whom to trust.

use std::sync::Arc;

use tokio_rustls::rustls::{
    ClientConfig, ConfigBuilder, RootCertStore, WantsVerifier, crypto::ring,
    pki_types::CertificateDer,
};

/// The beginning of every configuration.
///
/// # Errors
/// When the provider has not what TLS needs.
pub fn builder() -> Result<ConfigBuilder<ClientConfig, WantsVerifier>, String> {
    ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())
}

/// Trusts whom the system trusts, and these.
///
/// # Errors
/// When the provider has not what TLS needs.
pub fn strict(also: &[CertificateDer<'static>]) -> Result<ClientConfig, String> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(also.iter().cloned());
    // Without any, every certificate is refused, and the reason says so.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    Ok(builder()?.with_root_certificates(roots).with_no_client_auth())
}
