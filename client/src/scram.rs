//! SCRAM-SHA-256 (RFC 5802, RFC 7677) as an authenticator.

use std::fmt;
use std::ops::RangeInclusive;

use data_encoding::BASE64;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use sterna_core::packet::ReasonCode;

use crate::Authenticator;

/// No channel binding: a client that neither has one nor asks for one.
const HEADER: &str = "n,,";
/// Bytes of randomness in a nonce: 24 characters.
const NONCE: usize = 18;

type Key = [u8; 32];

/// Authentication by user name and password without sending the password, in which the server proves that it knows the
/// user too: SCRAM-SHA-256 (RFC 7677), without channel binding.
///
/// ```
/// use sterna_client::{ClientBuilder, Runtime, Scram, ScramError};
///
/// fn with_password<R: Runtime>(builder: ClientBuilder<R>) -> Result<ClientBuilder<R>, ScramError> {
///     Ok(builder.authentication(Scram::SHA_256, Scram::sha256("anna", "thunder")?))
/// }
/// ```
///
/// User name and password are prepared as SASLprep (RFC 4013) demands, so that they may be typed on any keyboard.
///
/// The server decides how many times the password is hashed, and the driver does nothing else in the meantime: see
/// [`maximum_iterations`](Self::maximum_iterations). What was computed is kept for the next connection.
///
/// A server's message that is not as RFC 5802 says is [`ReasonCode::PROTOCOL_ERROR`], a number of iterations out of
/// bounds [`ReasonCode::IMPLEMENTATION_SPECIFIC_ERROR`], and a server that does not prove itself, or has an error to
/// tell, [`ReasonCode::UNSPECIFIED_ERROR`].
pub struct Scram {
    /// Prepared and escaped.
    user: String,
    /// Prepared.
    password: String,
    iterations: RangeInclusive<u32>,
    /// The password as it was salted last.
    salted: Option<Salted>,
    phase: Phase,
}

struct Salted {
    salt: Vec<u8>,
    iterations: u32,
    key: Key,
}

enum Phase {
    Idle,
    /// The client's first message has left, without its header: this.
    First(String),
    /// The client's final message has left: the message that the server has to sign, and with which key.
    Final {
        message: String,
        server_key: Key,
    },
}

/// Why [`Scram`] cannot use a user name or a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ScramError {
    /// The user name is empty, or has a character that SASLprep prohibits.
    #[error("the user name is empty or has a prohibited character")]
    User,
    /// The password is empty, or has a character that SASLprep prohibits.
    #[error("the password is empty or has a prohibited character")]
    Password,
}

impl Scram {
    /// The method's name, for [`ClientBuilder::authentication`](crate::ClientBuilder::authentication).
    pub const SHA_256: &str = "SCRAM-SHA-256";
    /// The fewest iterations that a server may ask for (RFC 7677): with fewer whoever sees the exchange would soon have
    /// guessed the password.
    pub const MINIMUM_ITERATIONS: u32 = 4_096;
    /// The most iterations that a server may ask for by default: about half a second of work.
    pub const MAXIMUM_ITERATIONS: u32 = 600_000;

    /// SCRAM-SHA-256 for a user.
    ///
    /// # Errors
    /// [`ScramError`]: such a user name or password cannot be.
    pub fn sha256(user: &str, password: &str) -> Result<Self, ScramError> {
        let prepare = |text, error| match stringprep::saslprep(text) {
            Ok(prepared) if !prepared.is_empty() => Ok(prepared.into_owned()),
            _ => Err(error),
        };
        Ok(Self {
            user: prepare(user, ScramError::User)?.replace('=', "=3D").replace(',', "=2C"),
            password: prepare(password, ScramError::Password)?,
            iterations: Self::MINIMUM_ITERATIONS..=Self::MAXIMUM_ITERATIONS,
            salted: None,
            phase: Phase::Idle,
        })
    }

    /// The most iterations that a server may ask for, so that a hostile one cannot keep the processor busy; at least
    /// [`MINIMUM_ITERATIONS`](Self::MINIMUM_ITERATIONS). Default: [`MAXIMUM_ITERATIONS`](Self::MAXIMUM_ITERATIONS).
    #[must_use]
    pub fn maximum_iterations(mut self, iterations: u32) -> Self {
        self.iterations = Self::MINIMUM_ITERATIONS..=iterations.max(Self::MINIMUM_ITERATIONS);
        self
    }

    fn first(&mut self, nonce: &str) -> Vec<u8> {
        let bare = format!("n={},r={nonce}", self.user);
        let message = format!("{HEADER}{bare}").into_bytes();
        self.phase = Phase::First(bare);
        message
    }

    fn last(&mut self, first: &str, challenge: &str) -> Result<String, ReasonCode> {
        let malformed = ReasonCode::PROTOCOL_ERROR;
        // Extensions may follow; a mandatory one, `m=`, would stand first and is refused with that.
        let mut attributes = challenge.split(',');
        let mut attribute =
            |name| attributes.next().and_then(|text| text.strip_prefix(name)).ok_or(malformed);
        let nonce = attribute("r=")?;
        let salt = BASE64.decode(attribute("s=")?.as_bytes()).map_err(|_| malformed)?;
        let iterations = parse_iterations(attribute("i=")?).ok_or(malformed)?;
        let ours = first.split_once(",r=").map_or("", |(_, nonce)| nonce);
        if !nonce.starts_with(ours) || nonce.len() == ours.len() || salt.is_empty() {
            return Err(malformed);
        }
        if !self.iterations.contains(&iterations) {
            return Err(ReasonCode::IMPLEMENTATION_SPECIFIC_ERROR);
        }
        let salted = self.salt(salt, iterations);
        let client_key = sign(&salted, b"Client Key");
        let server_key = sign(&salted, b"Server Key");
        let without_proof = format!("c={},r={nonce}", BASE64.encode(HEADER.as_bytes()));
        let message = format!("{first},{challenge},{without_proof}");
        let signature = sign(&Sha256::digest(client_key).into(), message.as_bytes());
        let mut proof = client_key;
        proof.iter_mut().zip(signature).for_each(|(byte, other)| *byte ^= other);
        self.phase = Phase::Final { message, server_key };
        Ok(format!("{without_proof},p={}", BASE64.encode(&proof)))
    }

    fn salt(&mut self, salt: Vec<u8>, iterations: u32) -> Key {
        match &self.salted {
            Some(salted) if salted.salt == salt && salted.iterations == iterations => salted.key,
            _ => {
                let mut key = Key::default();
                pbkdf2::pbkdf2_hmac::<Sha256>(self.password.as_bytes(), &salt, iterations, &mut key);
                self.salted = Some(Salted { salt, iterations, key });
                key
            }
        }
    }
}

impl Authenticator for Scram {
    /// Without randomness from the operating system there is no first message, and the exchange fails.
    fn start(&mut self) -> Option<Vec<u8>> {
        self.phase = Phase::Idle;
        let mut nonce = [0; NONCE];
        getrandom::fill(&mut nonce).ok()?;
        Some(self.first(&BASE64.encode(&nonce)))
    }

    fn step(&mut self, challenge: Option<&[u8]>) -> Result<Option<Vec<u8>>, ReasonCode> {
        let Phase::First(first) = std::mem::replace(&mut self.phase, Phase::Idle) else {
            return Err(ReasonCode::PROTOCOL_ERROR);
        };
        let challenge =
            str::from_utf8(challenge.unwrap_or_default()).map_err(|_| ReasonCode::PROTOCOL_ERROR)?;
        self.last(&first, challenge).map(|message| Some(message.into_bytes()))
    }

    fn finish(&mut self, data: Option<&[u8]>) -> Result<(), ReasonCode> {
        let Phase::Final { message, server_key } = std::mem::replace(&mut self.phase, Phase::Idle) else {
            return Err(ReasonCode::UNSPECIFIED_ERROR);
        };
        let signature = data
            .and_then(|data| data.strip_prefix(b"v="))
            .map(|data| data.split(|byte| *byte == b',').next().unwrap_or_default())
            .and_then(|data| BASE64.decode(data).ok())
            .ok_or(ReasonCode::UNSPECIFIED_ERROR)?;
        mac(&server_key, message.as_bytes())
            .verify_slice(&signature)
            .map_err(|_| ReasonCode::UNSPECIFIED_ERROR)
    }
}

/// Shows the user name, and neither the password nor what was made of it.
impl fmt::Debug for Scram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scram")
            .field("user", &self.user)
            .field("iterations", &self.iterations)
            .finish_non_exhaustive()
    }
}

fn parse_iterations(text: &str) -> Option<u32> {
    // No sign, which `parse` would take.
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

fn mac(key: &Key, message: &[u8]) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key of any length will do");
    mac.update(message);
    mac
}

fn sign(key: &Key, message: &[u8]) -> Key {
    mac(key, message).finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONCE: &str = "rOprNGfwEbeRWgbNEkqO";
    const CHALLENGE: &str =
        "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
    const SIGNATURE: &str = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";

    /// The user of the example in RFC 7677, section 3.
    fn scram() -> Scram {
        Scram::sha256("user", "pencil").unwrap()
    }

    fn challenged(scram: &mut Scram, challenge: &str) -> Result<Option<Vec<u8>>, ReasonCode> {
        scram.first(NONCE);
        scram.step(Some(challenge.as_bytes()))
    }

    // R: CON-09
    #[test]
    fn the_example_of_the_specification_is_met() {
        let mut scram = scram();
        // The second time the password is salted already.
        for _ in 0..2 {
            assert_eq!(scram.first(NONCE), b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
            let answer = scram.step(Some(CHALLENGE.as_bytes())).unwrap().unwrap();
            let expected = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                            p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
            assert_eq!(String::from_utf8(answer).unwrap(), expected);
            assert_eq!(scram.finish(Some(SIGNATURE.as_bytes())), Ok(()));
        }
    }

    #[test]
    fn another_salt_or_number_of_iterations_is_salted_anew() {
        let mut scram = scram();
        let mut answers: Vec<_> =
            [CHALLENGE, &CHALLENGE.replace("W22", "X22"), &CHALLENGE.replace("4096", "4097")]
                .map(|challenge| challenged(&mut scram, challenge).unwrap())
                .into();
        answers.sort();
        answers.dedup();
        assert_eq!(answers.len(), 3);
    }

    #[test]
    fn a_server_that_does_not_prove_itself_is_refused() {
        let signatures = [
            None,
            Some(""),
            Some("e=unknown-user"),
            Some("v="),
            Some("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G5="),
            Some("v=7rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="),
            Some("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95A=="),
        ];
        for signature in signatures {
            let mut scram = scram();
            challenged(&mut scram, CHALLENGE).unwrap();
            let finished = scram.finish(signature.map(str::as_bytes));
            assert_eq!(finished, Err(ReasonCode::UNSPECIFIED_ERROR), "{signature:?}");
            let again = scram.finish(Some(SIGNATURE.as_bytes()));
            assert_eq!(again, Err(ReasonCode::UNSPECIFIED_ERROR), "there is one try");
        }
        // Nor may the exchange be left out.
        let mut scram = scram();
        assert_eq!(scram.finish(None), Err(ReasonCode::UNSPECIFIED_ERROR));
        scram.first(NONCE);
        assert_eq!(scram.finish(Some(SIGNATURE.as_bytes())), Err(ReasonCode::UNSPECIFIED_ERROR));
    }

    #[test]
    fn iterations_have_bounds() {
        let out_of_bounds = Err(ReasonCode::IMPLEMENTATION_SPECIFIC_ERROR);
        for iterations in ["0", "1", "4095", "600001", "4294967295"] {
            let challenge = CHALLENGE.replace("4096", iterations);
            assert_eq!(challenged(&mut scram(), &challenge), out_of_bounds, "{iterations}");
        }
        let mut lower = scram().maximum_iterations(0);
        assert!(challenged(&mut lower, CHALLENGE).is_ok(), "what RFC 7677 asks for is always allowed");
        assert_eq!(challenged(&mut lower, &CHALLENGE.replace("4096", "4097")), out_of_bounds);
    }

    #[test]
    fn a_challenge_out_of_form_is_refused() {
        let malformed = [
            "",
            "r=",
            "e=other-error",
            // The server must add to our nonce.
            "r=rOprNGfwEbeRWgbNEkqO,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
            "r=ropRNGfwEbeRWgbNEkqOmore,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
            "r=rOprNGfwEbeRWgbNEkqOmore,s=W22ZaJ0SNY7soEsUEjb6g,i=4096",
            "r=rOprNGfwEbeRWgbNEkqOmore,s=,i=4096",
            "r=rOprNGfwEbeRWgbNEkqOmore,s=W22ZaJ0SNY7soEsUEjb6gQ==",
            "r=rOprNGfwEbeRWgbNEkqOmore,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=",
            "r=rOprNGfwEbeRWgbNEkqOmore,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=+4096",
            "r=rOprNGfwEbeRWgbNEkqOmore,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=99999999999",
            "m=new,r=rOprNGfwEbeRWgbNEkqOmore,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
        ];
        for challenge in malformed {
            let answer = challenged(&mut scram(), challenge);
            assert_eq!(answer, Err(ReasonCode::PROTOCOL_ERROR), "{challenge}");
        }
        assert!(challenged(&mut scram(), &format!("{CHALLENGE},x=extension")).is_ok());
        let mut scram = scram();
        scram.first(NONCE);
        assert_eq!(scram.step(Some(b"r=\xff")), Err(ReasonCode::PROTOCOL_ERROR));
        assert_eq!(
            scram.step(Some(CHALLENGE.as_bytes())),
            Err(ReasonCode::PROTOCOL_ERROR),
            "there is one try"
        );
    }

    #[test]
    fn names_and_passwords_are_prepared() {
        let mut scram = Scram::sha256("a=b,c\u{ad}\u{a0}\u{2168}", "p\u{aa}").unwrap();
        assert_eq!(scram.first("x"), b"n,,n=a=3Db=2Cc IX,r=x");
        assert_eq!(scram.password, "pa");
        assert_eq!(Scram::sha256("", "p").unwrap_err(), ScramError::User);
        assert_eq!(Scram::sha256("a\u{7}", "p").unwrap_err(), ScramError::User);
        assert_eq!(Scram::sha256("a", "\u{ad}").unwrap_err(), ScramError::Password);
        assert_eq!(Scram::sha256("a", "\u{627}1").unwrap_err(), ScramError::Password);
        assert!(!format!("{:?}", Scram::sha256("a", "secret")).contains("secret"));
    }

    #[test]
    fn every_exchange_has_its_own_nonce() {
        let mut scram = scram();
        let (first, second) = (scram.start().unwrap(), scram.start().unwrap());
        assert_ne!(first, second);
        assert_eq!(first.len(), "n,,n=user,r=".len() + 24);
    }
}
