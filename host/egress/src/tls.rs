//! Who is believed to be the host.

use std::sync::Arc;

use sha2::{Digest, Sha256};
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};

/// Whose word counts.
pub enum Trust {
    /// The authorities of this machine.
    Machine,
    /// Those of a PEM file.
    Authorities(Vec<u8>),
    /// One certificate, by its SHA-256.
    Pinned([u8; 32]),
}

impl Trust {
    pub fn pin(text: &str) -> Result<Self, String> {
        let hash: Option<[u8; 32]> = hex::decode(text.replace(':', "")).ok().and_then(|bytes| bytes.try_into().ok());
        hash.map(Self::Pinned).ok_or_else(|| "pin: it is no SHA-256 of 64 hex digits".to_owned())
    }

    pub fn config(self) -> Result<Arc<ClientConfig>, String> {
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?;
        let roots = match self {
            Self::Machine => machine(),
            Self::Authorities(pem) => authorities(&pem)?,
            Self::Pinned(hash) => {
                let pinned = Arc::new(Pinned { hash, provider });
                let config = builder.dangerous().with_custom_certificate_verifier(pinned);
                return Ok(spoken(config.with_no_client_auth()));
            }
        };
        Ok(spoken(builder.with_root_certificates(roots).with_no_client_auth()))
    }
}

fn spoken(mut config: ClientConfig) -> Arc<ClientConfig> {
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Arc::new(config)
}

/// What cannot be read of this machine's authorities vouches for nobody; without any, no https answers.
fn machine() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots
}

fn authorities(pem: &[u8]) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|error| format!("ca: {error}"))?;
        roots.add(certificate).map_err(|error| format!("ca: {error}"))?;
    }
    if roots.is_empty() { Err("ca: the file holds no certificate".to_owned()) } else { Ok(roots) }
}

#[derive(Debug)]
struct Pinned {
    hash: [u8; 32],
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if Sha256::digest(certificate)[..] == self.hash {
            return Ok(ServerCertVerified::assertion());
        }
        Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
