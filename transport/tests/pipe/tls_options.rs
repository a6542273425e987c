//! What TLS options refuse, and what they keep to themselves.

use pkcs8::pkcs5::pbes2::Parameters;
use pkcs8::{LineEnding, PrivateKeyInfoRef};
use sterna_transport::{Endpoint, TlsConfigError, TlsOptions, TransportError, TransportOptions, UrlError};

use crate::support::Authority;
use crate::support::certificates::{Certified, provider};

fn refused(options: &TlsOptions) -> TlsConfigError {
    options.client_config().expect_err("it is refused")
}

/// The key, in the PEM and the DER that `openssl pkcs8 -topk8` makes.
fn encrypted(certified: &Certified, passphrase: &str) -> (String, Vec<u8>) {
    let der = certified.key.serialize_der();
    let key = PrivateKeyInfoRef::try_from(&der[..]).unwrap();
    let parameters = Parameters::generate_pbkdf2_sha256_aes256cbc(1_000, b"saltsalt", [7; 16]).unwrap();
    let document = key.encrypt_with_params(parameters, passphrase).unwrap();
    let pem = document.to_pem("ENCRYPTED PRIVATE KEY", LineEnding::LF).unwrap().to_string();
    (pem, document.as_bytes().to_vec())
}

// R: RUN-05
#[test]
fn certificates_that_are_none_are_refused() {
    let item = "CA certificate";
    let ca = |text: &str| refused(&TlsOptions::new().ca_pem(text));
    assert_eq!(ca("hello"), TlsConfigError::Missing(item));
    assert_eq!(ca(""), TlsConfigError::Missing(item));
    let broken = "-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n";
    assert!(matches!(ca(broken), TlsConfigError::Pem { .. }), "{:?}", ca(broken));
    let endless = "-----BEGIN CERTIFICATE-----\nAAAA\n";
    assert!(matches!(ca(endless), TlsConfigError::Pem { .. }), "{:?}", ca(endless));
    let other = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    assert!(matches!(ca(other), TlsConfigError::Certificate { .. }), "{:?}", ca(other));
    let der = refused(&TlsOptions::new().ca_der(b"hello"));
    assert!(matches!(der, TlsConfigError::Certificate { .. }), "{der:?}");
}

// R: RUN-05
#[test]
fn keys_that_do_not_fit_are_refused() {
    let authority = Authority::new("test");
    let (one, other) = (authority.certify(&["one"]), authority.certify(&["other"]));
    let with = |chain: &str, key: &str| refused(&TlsOptions::new().client_certificate_pem(chain, key));
    let key = one.key.serialize_pem();
    assert_eq!(with(&other.pem, &key), TlsConfigError::KeyMismatch);
    assert_eq!(with(&one.pem, &one.pem), TlsConfigError::Missing("private key"));
    assert_eq!(with(&key, &key), TlsConfigError::Missing("client certificate"));
    let legacy = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\nAAAA\n\
                  -----END RSA PRIVATE KEY-----\n";
    assert!(matches!(with(&one.pem, legacy), TlsConfigError::KeyEncryption(_)));
    let der = refused(&TlsOptions::new().client_certificate_der([&one.certificate], b"hello"));
    assert!(matches!(der, TlsConfigError::PrivateKey(_)), "{der:?}");
}

// R: RUN-05
#[test]
fn an_encrypted_key_needs_its_passphrase() {
    let certified = Authority::new("test").certify(&["client"]);
    let (pem, der) = encrypted(&certified, "open sesame");
    let forms = [
        TlsOptions::new().client_certificate_pem(&certified.pem, &pem),
        TlsOptions::new().client_certificate_pem(&certified.pem, format!("{}{pem}", certified.pem)),
        TlsOptions::new().client_certificate_der([&certified.certificate], &der),
    ];
    for (index, options) in forms.into_iter().enumerate() {
        assert!(options.clone().key_passphrase("open sesame").client_config().is_ok(), "{index}");
        assert_eq!(refused(&options.clone().key_passphrase("wrong")), TlsConfigError::Passphrase, "{index}");
        if index < 2 {
            assert_eq!(refused(&options), TlsConfigError::PassphraseNeeded);
        }
    }
}

// R: RUN-05
#[test]
fn an_unknown_encryption_is_named() {
    let certified = Authority::new("test").certify(&["client"]);
    let (_, mut der) = encrypted(&certified, "open sesame");
    // The last byte of the name of AES-256-CBC.
    let name = b"\x60\x86\x48\x01\x65\x03\x04\x01\x2a";
    let at = der.windows(name.len()).position(|window| window == name).unwrap();
    der[at + name.len() - 1] = 0x7F;
    let options = TlsOptions::new().client_certificate_der([&certified.certificate], &der);
    let refused = refused(&options.key_passphrase("open sesame"));
    assert!(matches!(refused, TlsConfigError::KeyEncryption(_)), "{refused:?}");
}

// R: RUN-05
#[test]
fn a_finished_configuration_takes_no_options() {
    let config = TlsOptions::new().client_config().unwrap();
    let conflict = TlsOptions::from_config(config).dangerous_no_verification();
    assert_eq!(refused(&conflict), TlsConfigError::Conflict);
}

// R: RUN-05
#[test]
fn the_configuration_is_made_once_and_as_asked() {
    let options = TlsOptions::new().alpn(["mqtt"]).without_sni().provider(provider()).key_log_file();
    let config = options.client_config().unwrap();
    assert!(std::sync::Arc::ptr_eq(&config, &options.clone().client_config().unwrap()));
    assert_eq!(config.alpn_protocols, [b"mqtt"]);
    assert!(!config.enable_sni);
    assert!(format!("{:?}", config.key_log).contains("KeyLogFile"));
    assert!(
        sterna_transport::rustls::crypto::CryptoProvider::get_default().is_none(),
        "nothing is installed"
    );
}

// R: CON-01
#[test]
fn tls_options_are_never_ignored() {
    let mut options = TransportOptions::default();
    options.tls = TlsOptions::new().server_name("broker.example");
    for url in ["mqtt://host", "ws://host", "unix:///socket"] {
        let refused = options.check(&Endpoint::parse(url).unwrap()).unwrap_err();
        assert!(matches!(refused, TransportError::Url(UrlError::NotEncrypted(_))), "{url}: {refused:?}");
        assert!(TransportOptions::default().check(&Endpoint::parse(url).unwrap()).is_ok());
    }
    assert!(options.check(&Endpoint::parse("wss://host").unwrap()).is_ok());
    // What is wrong in itself is found before anything is dialled.
    options.tls = TlsOptions::new().ca_pem("nothing");
    let refused = options.check(&Endpoint::parse("wss://host").unwrap()).unwrap_err();
    assert!(matches!(refused, TransportError::TlsConfig(TlsConfigError::Missing(_))), "{refused:?}");
}

// R: CON-07
#[test]
fn nothing_secret_is_shown() {
    let certified = Authority::new("test").certify(&["client"]);
    let key = certified.key.serialize_pem();
    let options =
        TlsOptions::new().client_certificate_pem(&certified.pem, &key).key_passphrase("open sesame");
    let shown = format!("{options:?}");
    assert!(!shown.contains("sesame") && !shown.contains("PRIVATE"), "{shown}");
    assert!(!shown.contains(&format!("{:?}", &key.as_bytes()[..8])), "{shown}");
}
