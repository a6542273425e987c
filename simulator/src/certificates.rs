//! Certificates for tests, made when they are needed.

use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};

/// A certificate and its private key (PKCS#8), both in PEM.
#[derive(Clone, PartialEq, Eq)]
pub struct Identity {
    /// The certificate.
    pub certificate: String,
    /// The private key.
    pub key: String,
}

/// Shows no key.
impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("certificate", &self.certificate).finish_non_exhaustive()
    }
}

/// What a test of TLS needs: new keys with each value. Everything is of [`authority`](Self::authority) unless it says
/// otherwise, and for `localhost`, 127.0.0.1 and ::1.
#[derive(Debug, Clone)]
pub struct TestCertificates {
    /// The certificate of the authority, in PEM: what a client must trust, and a server that asks for certificates.
    pub authority: String,
    /// The server's.
    pub server: Identity,
    /// A server's whose time ended in the year 2000.
    pub expired: Identity,
    /// A server's, for `elsewhere.invalid` only.
    pub wrong_host: Identity,
    /// A server's that is of no authority.
    pub self_signed: Identity,
    /// A server's that is of another authority with the same name.
    pub namesake: Identity,
    /// The certificate of a client with the common name `client`.
    pub client: Identity,
    /// A client's certificate of another authority.
    pub stranger: Identity,
}

impl Default for TestCertificates {
    fn default() -> Self {
        Self::new()
    }
}

impl TestCertificates {
    /// Makes them all.
    pub fn new() -> Self {
        let number = NEXT_AUTHORITY.fetch_add(2, Ordering::Relaxed);
        let (authority, namesake) = (new_authority(number), new_authority(number));
        let other = new_authority(number + 1);
        let mut expired = server(&HERE);
        expired.not_before = date_time_ymd(1999, 1, 1);
        expired.not_after = date_time_ymd(2000, 1, 1);
        Self {
            server: sign(&server(&HERE), &authority),
            expired: sign(&expired, &authority),
            wrong_host: sign(&server(&["elsewhere.invalid"]), &authority),
            self_signed: self_sign(&server(&HERE)),
            namesake: sign(&server(&HERE), &namesake),
            client: sign(&client("client"), &authority),
            stranger: sign(&client("stranger"), &other),
            authority: authority.pem(),
        }
    }
}

const HERE: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// No two have the same name unless they are to: what is wrong with a certificate is told by that.
static NEXT_AUTHORITY: AtomicU32 = AtomicU32::new(1);

fn new_authority(number: u32) -> CertifiedIssuer<'static, KeyPair> {
    let mut parameters = named(&[], &format!("Authority {number} of a test"));
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    CertifiedIssuer::self_signed(parameters, new_key()).expect("it can be signed")
}

fn server(hosts: &[&str]) -> CertificateParams {
    let mut parameters = named(hosts, "The server of a test");
    parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    parameters
}

fn client(name: &str) -> CertificateParams {
    let mut parameters = named(&[], name);
    parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    parameters
}

fn named(hosts: &[&str], name: &str) -> CertificateParams {
    let hosts: Vec<_> = hosts.iter().map(ToString::to_string).collect();
    let mut parameters = CertificateParams::new(hosts).expect("lawful names");
    parameters.distinguished_name.push(DnType::CommonName, name);
    parameters
}

fn new_key() -> KeyPair {
    KeyPair::generate().expect("a key can be made")
}

fn sign(parameters: &CertificateParams, authority: &CertifiedIssuer<'_, KeyPair>) -> Identity {
    let key = new_key();
    let certificate = parameters.signed_by(&key, authority).expect("it can be signed");
    Identity { certificate: certificate.pem(), key: key.serialize_pem() }
}

fn self_sign(parameters: &CertificateParams) -> Identity {
    let key = new_key();
    let certificate = parameters.self_signed(&key).expect("it can be signed");
    Identity { certificate: certificate.pem(), key: key.serialize_pem() }
}
