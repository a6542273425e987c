//! Why TLS cannot be set up, and why it failed.

use rustls::{AlertDescription, CertificateError, Error};

/// Why [`TlsOptions`](crate::TlsOptions) make no configuration.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TlsConfigError {
    /// Neither the build nor the options have a cryptography provider.
    #[error(
        "no cryptography: build with feature `tls-ring` or `tls-aws-lc-rs`, or set `TlsOptions::provider`"
    )]
    NoProvider,
    /// There is no certificate to trust: none was given, and the platform has none.
    #[error("no certificate authority to trust: {0}")]
    NoRoots(Box<str>),
    /// Text that should be PEM is none.
    #[error("the {item} is not PEM: {detail}")]
    Pem {
        /// What was read: `CA certificate`, `client certificate` or `private key`.
        item: &'static str,
        /// What is wrong.
        detail: Box<str>,
    },
    /// PEM that has other things, or nothing, in it.
    #[error("there is no {0} in what was given as one")]
    Missing(&'static str),
    /// The bytes are not those of a certificate.
    #[error("the {item} cannot be used: {detail}")]
    Certificate {
        /// What was read: `CA certificate` or `client certificate`.
        item: &'static str,
        /// What is wrong.
        detail: Box<str>,
    },
    /// The bytes are not those of a private key, or of one that the cryptography provider does not know.
    #[error("the private key cannot be used: {0}")]
    PrivateKey(Box<str>),
    /// The private key is encrypted, and no passphrase is set.
    #[error("the private key is encrypted: set its passphrase with `TlsOptions::key_passphrase`")]
    PassphraseNeeded,
    /// The passphrase does not open the private key.
    #[error("the passphrase does not open the private key")]
    Passphrase,
    /// The private key is encrypted in a way that this build does not read.
    #[error("the private key is encrypted in a form that is not supported: {0}")]
    KeyEncryption(Box<str>),
    /// The private key and the client certificate do not belong together.
    #[error("the private key does not belong to the client certificate")]
    KeyMismatch,
    /// A finished `ClientConfig` was given, and options that it should have had.
    #[error("a given rustls::ClientConfig takes no other options: set them in the ClientConfig")]
    Conflict,
    /// rustls refuses the configuration for another reason.
    #[error("the TLS configuration cannot be used: {0}")]
    Rustls(Error),
}

/// Why TLS failed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// The host is not a name or address that a certificate can be for.
    #[error("`{0}` is not a name that a certificate can be for: set `TlsOptions::server_name`")]
    ServerName(Box<str>),
    /// The server's certificate has expired.
    #[error("the server's certificate has expired")]
    Expired,
    /// The server's certificate is not valid yet.
    #[error("the server's certificate is not valid yet: is this machine's clock right?")]
    NotValidYet,
    /// The server's certificate is self-signed, or of a certificate authority that is not trusted.
    #[error(
        "the server's certificate is self-signed, or issued by a certificate authority that is not trusted"
    )]
    UnknownIssuer,
    /// A signature is not that of the key which should have made it: the server's certificate is of a certificate authority
    /// that only has the name of a trusted one, or the server does not have the key of its certificate.
    #[error(
        "the server's certificate is not trusted: its issuer has the name of a trusted certificate authority, but \
         another key (or the server does not have the certificate's own key)"
    )]
    BadSignature,
    /// The server's certificate is for other names.
    #[error("the server's certificate is not for `{expected}`, but for {presented}")]
    WrongHost {
        /// The name that was asked for.
        expected: Box<str>,
        /// The names that it is for, separated by commas.
        presented: Box<str>,
    },
    /// The server uses a certificate authority's own certificate as its own.
    #[error("the server's certificate is that of a certificate authority, which cannot be a server's")]
    AuthorityAsServer,
    /// The server's certificate has been revoked.
    #[error("the server's certificate has been revoked")]
    Revoked,
    /// Anything else about the server's certificate.
    #[error("the server's certificate is not acceptable: {0}")]
    Certificate(CertificateError),
    /// The server wants a client certificate, and none was given.
    #[error("the server demands a client certificate")]
    ClientCertificateRequired,
    /// The server does not accept the client certificate.
    #[error("the server refuses the client certificate: {0:?}")]
    ClientCertificateRefused(AlertDescription),
    /// The server ended TLS with another alert.
    #[error("the server ended TLS: {0:?}")]
    Alert(AlertDescription),
    /// What answers at this port is not TLS.
    #[error("the server does not speak TLS on this port")]
    NotTls,
    /// The connection ended within the hand-shake.
    #[error("the connection was cut off during the TLS hand-shake")]
    HandshakeCut,
    /// The connection ended without TLS's close_notify: the last bytes may be missing.
    #[error("the connection was cut off without TLS's close_notify")]
    Truncated,
    /// Anything else.
    #[error("TLS failed: {0}")]
    Rustls(Error),
}

impl TlsError {
    /// `is_answered`: the server has sent something that is TLS before.
    pub(super) fn new(error: Error, is_answered: bool) -> Self {
        match error {
            Error::InvalidCertificate(error) => Self::from_certificate(error),
            Error::AlertReceived(alert) => Self::from_alert(alert),
            Error::InvalidMessage(_) if !is_answered => Self::NotTls,
            error => Self::Rustls(error),
        }
    }

    fn from_certificate(error: CertificateError) -> Self {
        match error {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => Self::Expired,
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => Self::NotValidYet,
            CertificateError::UnknownIssuer => Self::UnknownIssuer,
            CertificateError::BadSignature => Self::BadSignature,
            CertificateError::Revoked => Self::Revoked,
            CertificateError::NotValidForNameContext { expected, presented } => {
                Self::WrongHost { expected: expected.to_str().into(), presented: list(&presented) }
            }
            // rustls has no variant of its own for what its verifier calls this.
            CertificateError::Other(error) if error.to_string().contains("CaUsedAsEndEntity") => {
                Self::AuthorityAsServer
            }
            error => Self::Certificate(error),
        }
    }

    fn from_alert(alert: AlertDescription) -> Self {
        match alert {
            AlertDescription::CertificateRequired => Self::ClientCertificateRequired,
            AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied => Self::ClientCertificateRefused(alert),
            alert => Self::Alert(alert),
        }
    }
}

/// Names as rustls tells them, `DnsName("a.example")` and `IpAddress(::1)`, as people write them.
fn list(presented: &[String]) -> Box<str> {
    let plain = |name: &String| {
        let inner = name.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')')).unwrap_or(name);
        inner.trim_matches('"').to_owned()
    };
    match presented {
        [] => "no name".into(),
        names => names.iter().map(plain).collect::<Vec<_>>().join(", ").into(),
    }
}
