//! What a TLS connection trusts and shows.

use std::fmt;
use std::sync::{Arc, OnceLock};

use rustls::crypto::CryptoProvider;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, Error, InconsistentKeys, KeyLogFile};

use super::identity::{Identity, PrivateKey};
use super::trust::{Certificates, NoVerification, roots};
use super::{TlsConfigError, TlsError};

/// What a TLS connection trusts and shows.
///
/// By default it trusts what the platform trusts: the operating system's certificates (feature `tls-native-roots`), or,
/// where there are none, Mozilla's, compiled in (`tls-webpki-roots`). Certificates are verified by rustls in either case,
/// never by the operating system, which may ask the network and block.
///
/// The cryptography is that of `aws-lc-rs` (feature `tls-aws-lc-rs`) or else `ring` (`tls-ring`), or what
/// [`provider`](Self::provider) says; the provider that a process may have installed for rustls is neither used nor set.
///
/// The rustls configuration is made once, when it is first needed, and shared by all clones: so are the sessions that it
/// resumes. Each change makes a new one. Many clients are best given clones of one: the platform's certificates, which every
/// configuration has, are larger than all else that a client needs.
///
/// ```
/// use sterna_transport::TlsOptions;
///
/// # fn options(ca: &[u8], certificate: &[u8], key: &[u8]) -> TlsOptions {
/// TlsOptions::new().ca_pem(ca).client_certificate_pem(certificate, key).alpn(["mqtt"])
/// # }
/// ```
#[derive(Clone, Default)]
pub struct TlsOptions {
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    settings: Settings,
    config: OnceLock<Result<Arc<ClientConfig>, TlsConfigError>>,
}

#[derive(Clone, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of its own")]
struct Settings {
    authorities: Vec<Certificates>,
    platform_roots: bool,
    identity: Option<Identity>,
    passphrase: Option<Box<[u8]>>,
    alpn: Vec<Vec<u8>>,
    server_name: Option<Box<str>>,
    no_sni: bool,
    key_log: bool,
    no_verification: bool,
    provider: Option<Arc<CryptoProvider>>,
    given: Option<Arc<ClientConfig>>,
    /// Anything but `server_name` and `given` was set.
    configured: bool,
}

impl TlsOptions {
    /// The platform's trust, no client certificate.
    pub fn new() -> Self {
        Self::default()
    }

    /// A finished rustls configuration. Of the options, only [`server_name`](Self::server_name) goes with it.
    pub fn from_config(config: Arc<ClientConfig>) -> Self {
        let settings = Settings { given: Some(config), ..Settings::default() };
        Self { inner: Arc::new(Inner { settings, config: OnceLock::new() }) }
    }

    /// Trusts the certificate authorities in this PEM text, instead of the platform's: a server of a private authority
    /// is not to be impersonated with a public one. May be called several times.
    #[must_use]
    pub fn ca_pem(self, pem: impl AsRef<[u8]>) -> Self {
        let pem = Certificates::Pem(pem.as_ref().into());
        self.configure(|settings| settings.authorities.push(pem))
    }

    /// As [`ca_pem`](Self::ca_pem), with one certificate in DER.
    #[must_use]
    pub fn ca_der(self, der: impl AsRef<[u8]>) -> Self {
        let der = Certificates::Der(der.as_ref().into());
        self.configure(|settings| settings.authorities.push(der))
    }

    /// Trusts the platform's authorities beside those of [`ca_pem`](Self::ca_pem) and [`ca_der`](Self::ca_der).
    #[must_use]
    pub fn with_platform_roots(self) -> Self {
        self.configure(|settings| settings.platform_roots = true)
    }

    /// Shows this client certificate (mutual TLS): PEM text of the certificate and those that lead to its authority, in
    /// that order, and of its private key: PKCS#8, PKCS#1 or SEC1. One text may have all, and be given twice.
    #[must_use]
    pub fn client_certificate_pem(self, chain: impl AsRef<[u8]>, key: impl AsRef<[u8]>) -> Self {
        let chain = vec![Certificates::Pem(chain.as_ref().into())];
        let key = PrivateKey::Pem(key.as_ref().into());
        self.configure(|settings| settings.identity = Some(Identity { chain, key }))
    }

    /// As [`client_certificate_pem`](Self::client_certificate_pem), in DER.
    #[must_use]
    pub fn client_certificate_der<C: AsRef<[u8]>>(
        self,
        chain: impl IntoIterator<Item = C>,
        key: impl AsRef<[u8]>,
    ) -> Self {
        let chain = chain.into_iter().map(|der| Certificates::Der(der.as_ref().into())).collect();
        let key = PrivateKey::Der(key.as_ref().into());
        self.configure(|settings| settings.identity = Some(Identity { chain, key }))
    }

    /// The passphrase of the private key, which is then encrypted PKCS#8 (PBES2, what `openssl pkcs8 -topk8` writes).
    /// Needs feature `tls-encrypted-keys`.
    #[must_use]
    pub fn key_passphrase(self, passphrase: impl AsRef<[u8]>) -> Self {
        let passphrase = passphrase.as_ref().into();
        self.configure(|settings| settings.passphrase = Some(passphrase))
    }

    /// Offers these application protocols (ALPN), the best first. A server that knows none of them refuses, or goes on
    /// without.
    #[must_use]
    pub fn alpn<P: AsRef<[u8]>>(self, protocols: impl IntoIterator<Item = P>) -> Self {
        let protocols = protocols.into_iter().map(|name| name.as_ref().to_vec()).collect();
        self.configure(|settings| settings.alpn = protocols)
    }

    /// The name that the server is asked for (SNI), and that its certificate must be for. Default: the endpoint's host.
    #[must_use]
    pub fn server_name(self, name: &str) -> Self {
        self.change(|settings| settings.server_name = Some(name.into()))
    }

    /// Does not tell the server which name it is asked for. The certificate must be for it nevertheless.
    #[must_use]
    pub fn without_sni(self) -> Self {
        self.configure(|settings| settings.no_sni = true)
    }

    /// Appends the keys of each session to the file that the environment variable `SSLKEYLOGFILE` names, so that
    /// Wireshark can read the traffic, and so can everybody else who has that file.
    #[must_use]
    pub fn key_log_file(self) -> Self {
        self.configure(|settings| settings.key_log = true)
    }

    /// The cryptography provider.
    #[must_use]
    pub fn provider(self, provider: Arc<CryptoProvider>) -> Self {
        self.configure(|settings| settings.provider = Some(provider))
    }

    /// Believes every server: anybody on the way can read and change everything. For experiments only.
    #[must_use]
    pub fn dangerous_no_verification(self) -> Self {
        self.configure(|settings| settings.no_verification = true)
    }

    /// Whether nothing was set.
    pub fn is_default(&self) -> bool {
        let Settings { configured, given, server_name, .. } = &self.inner.settings;
        !configured && given.is_none() && server_name.is_none()
    }

    /// The rustls configuration. It is made once; the platform's certificates are read from files then.
    ///
    /// # Errors
    /// [`TlsConfigError`]: what was given cannot be used.
    pub fn client_config(&self) -> Result<Arc<ClientConfig>, TlsConfigError> {
        self.inner.config.get_or_init(|| self.inner.settings.build()).clone()
    }

    /// The name that the certificate must be for.
    pub(super) fn name_for(&self, host: &str) -> Result<ServerName<'static>, TlsError> {
        let name = self.inner.settings.server_name.as_deref().unwrap_or(host);
        ServerName::try_from(name.to_owned()).map_err(|_| TlsError::ServerName(name.into()))
    }

    fn configure(self, set: impl FnOnce(&mut Settings)) -> Self {
        self.change(|settings| {
            settings.configured = true;
            set(settings);
        })
    }

    fn change(self, set: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = self.inner.settings.clone();
        set(&mut settings);
        Self { inner: Arc::new(Inner { settings, config: OnceLock::new() }) }
    }
}

impl Settings {
    fn build(&self) -> Result<Arc<ClientConfig>, TlsConfigError> {
        if let Some(given) = &self.given {
            return if self.configured { Err(TlsConfigError::Conflict) } else { Ok(given.clone()) };
        }
        let provider = self.provider.clone().or_else(default_provider).ok_or(TlsConfigError::NoProvider)?;
        let builder = ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(TlsConfigError::Rustls)?;
        let builder = if self.no_verification {
            builder.dangerous().with_custom_certificate_verifier(Arc::new(NoVerification(provider)))
        } else {
            let platform = self.platform_roots || self.authorities.is_empty();
            builder.with_root_certificates(roots(&self.authorities, platform)?)
        };
        let mut config = match &self.identity {
            Some(identity) => {
                let (chain, key) = (identity.read_chain()?, identity.key.read(self.passphrase.as_deref())?);
                builder.with_client_auth_cert(chain, key).map_err(unusable_identity)?
            }
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols.clone_from(&self.alpn);
        config.enable_sni = !self.no_sni;
        if self.key_log {
            config.key_log = Arc::new(KeyLogFile::new());
        }
        Ok(Arc::new(config))
    }
}

fn unusable_identity(error: Error) -> TlsConfigError {
    match error {
        Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => TlsConfigError::KeyMismatch,
        Error::InvalidCertificate(error) => {
            TlsConfigError::Certificate { item: "client certificate", detail: error.to_string().into() }
        }
        Error::General(detail) => TlsConfigError::PrivateKey(detail.into()),
        error => TlsConfigError::Rustls(error),
    }
}

/// That of the feature which nobody has by default, if it is there.
#[cfg_attr(any(feature = "tls-ring", feature = "tls-aws-lc-rs"), expect(clippy::unnecessary_wraps))]
fn default_provider() -> Option<Arc<CryptoProvider>> {
    #[cfg(feature = "tls-aws-lc-rs")]
    return Some(Arc::new(rustls::crypto::aws_lc_rs::default_provider()));
    #[cfg(all(feature = "tls-ring", not(feature = "tls-aws-lc-rs")))]
    return Some(Arc::new(rustls::crypto::ring::default_provider()));
    #[cfg(not(any(feature = "tls-ring", feature = "tls-aws-lc-rs")))]
    return None;
}

/// Shows no key and no passphrase.
impl fmt::Debug for TlsOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let settings = &self.inner.settings;
        f.debug_struct("TlsOptions")
            .field("authorities", &settings.authorities.len())
            .field("platform_roots", &(settings.platform_roots || settings.authorities.is_empty()))
            .field("client_certificate", &settings.identity.is_some())
            .field("server_name", &settings.server_name)
            .field("no_verification", &settings.no_verification)
            .field("key_log", &settings.key_log)
            .field("given", &settings.given.is_some())
            .finish_non_exhaustive()
    }
}
