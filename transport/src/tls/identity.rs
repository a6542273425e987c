//! Who we are: the client certificate and its private key.

use rustls::pki_types::pem::{Error as PemError, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::TlsConfigError;
use super::trust::Certificates;

const ITEM: &str = "private key";
const ENCRYPTED_BEGIN: &str = "-----BEGIN ENCRYPTED PRIVATE KEY-----";
const ENCRYPTED_END: &str = "-----END ENCRYPTED PRIVATE KEY-----";

/// A client certificate with what leads from it to an authority, and its key, as they were given.
#[derive(Clone)]
pub(super) struct Identity {
    pub(super) chain: Vec<Certificates>,
    pub(super) key: PrivateKey,
}

/// A private key as it was given.
#[derive(Clone)]
pub(super) enum PrivateKey {
    Pem(Box<[u8]>),
    Der(Box<[u8]>),
}

impl Identity {
    pub(super) fn read_chain(&self) -> Result<Vec<CertificateDer<'static>>, TlsConfigError> {
        let mut chain = Vec::new();
        for certificates in &self.chain {
            chain.extend(certificates.read("client certificate")?);
        }
        if chain.is_empty() { Err(TlsConfigError::Missing("client certificate")) } else { Ok(chain) }
    }
}

impl PrivateKey {
    /// The key, in the form that its bytes have: PKCS#8, PKCS#1 or SEC1; encrypted PKCS#8 with its passphrase.
    pub(super) fn read(&self, passphrase: Option<&[u8]>) -> Result<PrivateKeyDer<'static>, TlsConfigError> {
        match self {
            Self::Pem(text) => read_pem(text, passphrase),
            Self::Der(bytes) => read_der(bytes, passphrase),
        }
    }
}

fn read_pem(text: &[u8], passphrase: Option<&[u8]>) -> Result<PrivateKeyDer<'static>, TlsConfigError> {
    if let Some(section) = encrypted_section(text) {
        let passphrase = passphrase.ok_or(TlsConfigError::PassphraseNeeded)?;
        return decrypt_pem(section, passphrase);
    }
    if text.windows(22).any(|window| window == b"Proc-Type: 4,ENCRYPTED") {
        let convert = "convert it with `openssl pkcs8 -topk8`";
        return Err(TlsConfigError::KeyEncryption(convert.into()));
    }
    match PrivateKeyDer::from_pem_slice(text) {
        Ok(key) => Ok(key),
        Err(PemError::NoItemsFound) => Err(TlsConfigError::Missing(ITEM)),
        Err(error) => Err(TlsConfigError::Pem { item: ITEM, detail: error.to_string().into() }),
    }
}

fn read_der(bytes: &[u8], passphrase: Option<&[u8]>) -> Result<PrivateKeyDer<'static>, TlsConfigError> {
    match (PrivateKeyDer::try_from(bytes.to_vec()), passphrase) {
        (Ok(key), _) => Ok(key),
        (Err(_), Some(passphrase)) => decrypt_der(bytes, passphrase),
        (Err(error), None) => Err(TlsConfigError::PrivateKey(error.into())),
    }
}

/// The part of a PEM file that is an encrypted key: it may have certificates besides.
fn encrypted_section(text: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(text).ok()?;
    let begin = text.find(ENCRYPTED_BEGIN)?;
    let length = text[begin..].find(ENCRYPTED_END)? + ENCRYPTED_END.len();
    Some(&text[begin..begin + length])
}

#[cfg(feature = "tls-encrypted-keys")]
fn decrypt_pem(section: &str, passphrase: &[u8]) -> Result<PrivateKeyDer<'static>, TlsConfigError> {
    let (_, document) = pkcs8::SecretDocument::from_pem(section)
        .map_err(|error| TlsConfigError::Pem { item: ITEM, detail: error.to_string().into() })?;
    decrypt_der(document.as_bytes(), passphrase)
}

#[cfg(feature = "tls-encrypted-keys")]
fn decrypt_der(bytes: &[u8], passphrase: &[u8]) -> Result<PrivateKeyDer<'static>, TlsConfigError> {
    use pkcs8::{der::ErrorKind, pkcs5};

    let encrypted = pkcs8::EncryptedPrivateKeyInfoRef::try_from(bytes).map_err(|error| match error {
        pkcs8::Error::Asn1(error) if matches!(error.kind(), ErrorKind::OidUnknown { .. }) => {
            TlsConfigError::KeyEncryption(error.to_string().into())
        }
        error => TlsConfigError::PrivateKey(error.to_string().into()),
    })?;
    let key = encrypted.decrypt(passphrase).map_err(|error| match error {
        // A wrong passphrase may give bytes whose padding is right by chance, and that are no key.
        pkcs8::Error::EncryptedPrivateKey(pkcs5::Error::DecryptFailed) | pkcs8::Error::Asn1(_) => {
            TlsConfigError::Passphrase
        }
        error => TlsConfigError::KeyEncryption(error.to_string().into()),
    })?;
    PrivateKeyDer::try_from(key.as_bytes().to_vec()).map_err(|error| TlsConfigError::PrivateKey(error.into()))
}

#[cfg(not(feature = "tls-encrypted-keys"))]
fn decrypt_pem(_section: &str, _passphrase: &[u8]) -> Result<PrivateKeyDer<'static>, TlsConfigError> {
    Err(TlsConfigError::KeyEncryption("build with feature `tls-encrypted-keys`".into()))
}

#[cfg(not(feature = "tls-encrypted-keys"))]
fn decrypt_der(_bytes: &[u8], _passphrase: &[u8]) -> Result<PrivateKeyDer<'static>, TlsConfigError> {
    Err(TlsConfigError::KeyEncryption("build with feature `tls-encrypted-keys`".into()))
}
