//! What TLS trusts and shows.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use sterna_client::{TlsOptions, rustls};

use super::credentials::{OneSecret, Secret};
use crate::exit::Failure;

#[derive(Debug, Args)]
#[command(next_help_heading = "TLS")]
#[allow(clippy::struct_excessive_bools)] // Independent switches.
pub(crate) struct TlsArguments {
    /// Trust the authorities in this PEM file, instead of the platform's; repeatable
    #[arg(long, visible_alias = "ca", value_name = "FILE")]
    cafile: Vec<PathBuf>,
    /// Trust the authorities in all PEM files (.crt, .pem) of this folder, instead of the platform's
    #[arg(long, value_name = "FOLDER")]
    capath: Option<PathBuf>,
    /// Trust the platform's authorities too, beside those of --cafile
    #[arg(long)]
    tls_use_os_certs: bool,
    /// Show this client certificate: a PEM file, with those that lead to its authority
    #[arg(long, value_name = "FILE")]
    cert: Option<PathBuf>,
    /// The private key of --cert: a PEM file [default: it is in the same file]
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// The passphrase of the private key. Others can see it on the command line: see --key-passphrase-file
    #[arg(long, value_name = "PASSPHRASE", conflicts_with_all = ["key_passphrase_file", "ask_key_passphrase"])]
    key_passphrase: Option<OsString>,
    /// The passphrase of the private key is the first line of this file
    #[arg(long, value_name = "FILE", conflicts_with = "ask_key_passphrase")]
    key_passphrase_file: Option<PathBuf>,
    /// Ask for the passphrase of the private key at the terminal
    #[arg(long)]
    ask_key_passphrase: bool,
    /// Offer this application protocol (ALPN), such as mqtt; repeatable, the best first
    #[arg(long = "tls-alpn", visible_alias = "alpn", value_name = "PROTOCOL")]
    alpn: Vec<String>,
    /// The name that the server is asked for (SNI) and that its certificate must be for [default: the host]
    #[arg(long, visible_alias = "sni", value_name = "NAME")]
    server_name: Option<String>,
    /// Do not tell the server which name it is asked for
    #[arg(long)]
    no_sni: bool,
    /// The only version of TLS to speak [default: 1.3, or 1.2 where the server has no newer one]
    #[arg(long, value_name = "VERSION", value_enum)]
    tls_version: Option<TlsVersion>,
    /// DANGEROUS: believe any server. Whoever is on the way can pretend to be it, and read and change everything, the
    /// password included
    #[arg(long)]
    insecure: bool,
    /// DANGEROUS: append the keys to the file that SSLKEYLOGFILE names, for Wireshark: whoever has that file can read
    /// the traffic
    #[arg(long)]
    tls_keylog: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum TlsVersion {
    #[value(name = "tlsv1.2", alias = "1.2")]
    V1_2,
    #[value(name = "tlsv1.3", alias = "1.3")]
    V1_3,
}

impl TlsArguments {
    /// Whether any of them was given: then a host is reached over TLS.
    pub(super) fn is_given(&self) -> bool {
        let lists = !self.cafile.is_empty() || !self.alpn.is_empty();
        let files = self.capath.is_some() || self.cert.is_some() || self.key.is_some();
        let switches = self.tls_use_os_certs || self.no_sni || self.insecure || self.tls_keylog;
        lists || files || switches || self.server_name.is_some() || self.tls_version.is_some()
    }

    pub(super) fn options(&self) -> Result<TlsOptions, Failure> {
        let mut options = self.trust(TlsOptions::new())?;
        match (&self.cert, &self.key) {
            (Some(certificate), key) => {
                let key = key.as_ref().unwrap_or(certificate);
                options = options.client_certificate_pem(read(certificate)?, read(key)?);
            }
            (None, Some(_)) => return Err(Failure::Usage("--key needs --cert".to_owned())),
            (None, None) => {}
        }
        if let Some(passphrase) = self.passphrase()? {
            options = options.key_passphrase(passphrase);
        }
        if !self.alpn.is_empty() {
            options = options.alpn(&self.alpn);
        }
        if let Some(name) = &self.server_name {
            options = options.server_name(name);
        }
        if self.no_sni {
            options = options.without_sni();
        }
        if let Some(version) = self.tls_version {
            options = options.provider(provider(version).into());
        }
        if self.tls_keylog {
            options = options.key_log_file();
        }
        Ok(options)
    }

    fn trust(&self, options: TlsOptions) -> Result<TlsOptions, Failure> {
        let mut options = options;
        for file in &self.cafile {
            options = options.ca_pem(read(file)?);
        }
        if let Some(folder) = &self.capath {
            for file in certificates(folder)? {
                options = options.ca_pem(read(&file)?);
            }
        }
        if self.tls_use_os_certs {
            options = options.with_platform_roots();
        }
        if self.insecure {
            options = options.dangerous_no_verification();
        }
        Ok(options)
    }

    fn passphrase(&self) -> Result<Option<Vec<u8>>, Failure> {
        let secret = Secret {
            given: self.key_passphrase.as_deref(),
            file: self.key_passphrase_file.as_deref(),
            ask: self.ask_key_passphrase,
        };
        let is_wanted = secret.given.is_some() || secret.file.is_some() || secret.ask;
        if is_wanted && self.cert.is_none() {
            return Err(Failure::Usage("a passphrase needs --cert and --key".to_owned()));
        }
        secret.read(OneSecret::Passphrase)
    }
}

/// The library takes the versions that its cipher suites are for.
fn provider(version: TlsVersion) -> rustls::crypto::CryptoProvider {
    let mut provider = rustls::crypto::ring::default_provider();
    let wanted = match version {
        TlsVersion::V1_2 => rustls::ProtocolVersion::TLSv1_2,
        TlsVersion::V1_3 => rustls::ProtocolVersion::TLSv1_3,
    };
    provider.cipher_suites.retain(|suite| suite.version().version == wanted);
    provider
}

fn certificates(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let fail = |error: std::io::Error| Failure::Usage(format!("{}: {error}", folder.display()));
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(fail)? {
        let path = entry.map_err(fail)?.path();
        if path.extension().is_some_and(|extension| extension == "crt" || extension == "pem") {
            files.push(path);
        }
    }
    if files.is_empty() {
        return Err(Failure::Usage(format!("{}: it has no .crt and no .pem file", folder.display())));
    }
    files.sort();
    Ok(files)
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path).map_err(|error| Failure::Usage(format!("{}: {error}", path.display())))
}
