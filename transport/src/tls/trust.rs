//! Whom we trust.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

use super::TlsConfigError;

/// Certificates as they were given.
#[derive(Clone)]
pub(super) enum Certificates {
    Pem(Box<[u8]>),
    Der(Box<[u8]>),
}

impl Certificates {
    /// Every certificate of them, at least one.
    pub(super) fn read(&self, item: &'static str) -> Result<Vec<CertificateDer<'static>>, TlsConfigError> {
        let text = match self {
            Self::Pem(text) => text,
            Self::Der(bytes) => return Ok(vec![CertificateDer::from(bytes.to_vec())]),
        };
        let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text).collect();
        match all {
            Ok(all) if all.is_empty() => Err(TlsConfigError::Missing(item)),
            Ok(all) => Ok(all),
            Err(error) => Err(TlsConfigError::Pem { item, detail: error.to_string().into() }),
        }
    }
}

/// The given authorities, and the platform's if asked for.
pub(super) fn roots(own: &[Certificates], platform: bool) -> Result<RootCertStore, TlsConfigError> {
    const ITEM: &str = "CA certificate";
    let mut store = RootCertStore::empty();
    if platform {
        add_platform_roots(&mut store)?;
    }
    for certificates in own {
        for certificate in certificates.read(ITEM)? {
            let unusable =
                |error: Error| TlsConfigError::Certificate { item: ITEM, detail: error.to_string().into() };
            store.add(certificate).map_err(unusable)?;
        }
    }
    Ok(store)
}

/// The operating system's certificates if this build can read them and there are any, or else those compiled in.
fn add_platform_roots(store: &mut RootCertStore) -> Result<(), TlsConfigError> {
    #[cfg_attr(not(feature = "tls-native-roots"), allow(unused_mut))]
    let mut reason = String::from("this build knows none, and `TlsOptions` name none");
    #[cfg(feature = "tls-native-roots")]
    {
        let found = rustls_native_certs::load_native_certs();
        if let Some(error) = found.errors.first() {
            reason = error.to_string();
        } else {
            "the operating system has none".clone_into(&mut reason);
        }
        store.add_parsable_certificates(found.certs);
    }
    #[cfg(feature = "tls-webpki-roots")]
    if store.is_empty() {
        store.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    if store.is_empty() { Err(TlsConfigError::NoRoots(reason.into())) } else { Ok(()) }
}

/// Believes every certificate. That the server has the certificate's key is still checked.
#[derive(Debug)]
pub(super) struct NoVerification(pub(super) Arc<CryptoProvider>);

impl ServerCertVerifier for NoVerification {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
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
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
