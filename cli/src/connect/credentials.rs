//! Who we are: user name and password, and where the password comes from.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use clap::Args;
use sterna_client::{ClientBuilder, Credentials, Endpoint, Scram};

use crate::exit::Failure;

#[derive(Debug, Args)]
#[command(next_help_heading = "Credentials")]
pub(crate) struct CredentialOptions {
    /// User name
    #[arg(short, long)]
    username: Option<String>,
    /// Password. Others on this machine can see it on the command line: better --password-file, --ask-password or the
    /// environment's STERNA_PASSWORD
    #[arg(
        short = 'P',
        long,
        visible_alias = "pw",
        allow_hyphen_values = true,
        conflicts_with_all = ["password_file", "ask_password"]
    )]
    password: Option<OsString>,
    /// The password is the first line of this file
    #[arg(long, value_name = "FILE", conflicts_with = "ask_password")]
    password_file: Option<PathBuf>,
    /// Ask for the password at the terminal
    #[arg(long)]
    ask_password: bool,
    /// Authenticate by SCRAM-SHA-256 (MQTT 5): the password is not sent, and the server proves that it knows it
    #[arg(long)]
    scram: bool,
}

/// User name and password as they are used.
#[derive(Clone)]
pub(super) struct Login {
    user_name: Option<String>,
    password: Option<Vec<u8>>,
    scram: bool,
}

impl CredentialOptions {
    pub(super) fn needs_v5(&self) -> bool {
        self.scram
    }

    pub(super) fn login(&self, url: &str) -> Result<Login, Failure> {
        let secret = Secret {
            given: self.password.as_deref(),
            file: self.password_file.as_deref(),
            ask: self.ask_password,
        };
        let mut login = Login {
            user_name: self.username.clone(),
            password: secret.read(OneSecret::Password)?,
            scram: self.scram,
        };
        if self.scram {
            login.complete(url)?;
        }
        Ok(login)
    }
}

impl Login {
    /// What the URL says, which the client would otherwise take by itself.
    fn complete(&mut self, url: &str) -> Result<(), Failure> {
        let endpoint = Endpoint::parse(url).map_err(|error| Failure::Usage(error.to_string()))?;
        if let Some(Credentials { user_name, password }) = endpoint.credentials {
            self.user_name.get_or_insert(user_name.into());
            if let Some(password) = password {
                self.password.get_or_insert(password.into());
            }
        }
        self.scram_authenticator().map(|_| ())
    }

    fn scram_authenticator(&self) -> Result<Scram, Failure> {
        let (Some(user), Some(password)) = (&self.user_name, &self.password) else {
            return Err(Failure::Usage("--scram needs a user name and a password".to_owned()));
        };
        let password = str::from_utf8(password)
            .map_err(|_| Failure::Usage("--scram: the password is not UTF-8".to_owned()))?;
        Scram::sha256(user, password).map_err(|error| Failure::Usage(format!("--scram: {error}")))
    }

    /// Gives them to the client.
    pub(super) fn apply<R: sterna_client::Runtime>(
        &self,
        builder: ClientBuilder<R>,
    ) -> Result<ClientBuilder<R>, Failure> {
        if self.scram {
            let builder = builder.configure(|config| (config.user_name, config.password) = (None, None));
            return Ok(builder.authentication(Scram::SHA_256, self.scram_authenticator()?));
        }
        let mut builder = builder;
        if let Some(user_name) = &self.user_name {
            builder = builder.user_name(user_name.as_str());
        }
        if let Some(password) = &self.password {
            builder = builder.password(password.clone());
        }
        Ok(builder)
    }
}

/// Where a secret comes from.
pub(super) struct Secret<'a> {
    pub(super) given: Option<&'a OsStr>,
    pub(super) file: Option<&'a Path>,
    pub(super) ask: bool,
}

/// Which secret it is.
#[derive(Clone, Copy)]
pub(super) enum OneSecret {
    Password,
    Passphrase,
}

impl Secret<'_> {
    pub(super) fn read(&self, which: OneSecret) -> Result<Option<Vec<u8>>, Failure> {
        let (name, prompt) = match which {
            OneSecret::Password => ("password", "Password: "),
            OneSecret::Passphrase => ("passphrase", "Passphrase of the private key: "),
        };
        if self.ask {
            let typed = rpassword::prompt_password(prompt)
                .map_err(|error| Failure::Usage(format!("the {name} cannot be asked for: {error}")))?;
            return Ok(Some(typed.into_bytes()));
        }
        if let Some(path) = self.file {
            let text = std::fs::read(path)
                .map_err(|error| Failure::Usage(format!("{}: {error}", path.display())))?;
            let line = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
            return Ok(Some(line.strip_suffix(b"\r").unwrap_or(line).to_vec()));
        }
        Ok(self.given.map(|given| given.as_encoded_bytes().to_vec()))
    }
}
