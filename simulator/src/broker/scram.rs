//! The server's side of SCRAM-SHA-256 (RFC 5802, RFC 7677).

use data_encoding::BASE64;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

const ITERATIONS: u32 = 4_096;
const SALT: &[u8] = b"a salt for a test";
/// What the server adds to the client's nonce: always the same, since the model draws nothing at random.
const NONCE: &str = "+from+the+test+broker";

type Key = [u8; 32];

/// One user, by what a server keeps of the password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Scram {
    user: String,
    stored_key: Key,
    server_key: Key,
}

/// Between the client's two messages: what was said so far, and the nonce.
#[derive(Debug)]
pub(super) struct Challenged {
    said: String,
    nonce: String,
}

impl Scram {
    /// The user name and the password are taken as they are.
    pub(super) fn new(user: &str, password: &str) -> Self {
        let mut salted = Key::default();
        pbkdf2::pbkdf2_hmac::<Sha256>(password.as_bytes(), SALT, ITERATIONS, &mut salted);
        Self {
            user: user.replace('=', "=3D").replace(',', "=2C"),
            stored_key: Sha256::digest(sign(&salted, "Client Key")).into(),
            server_key: sign(&salted, "Server Key"),
        }
    }

    /// Somebody who listened to an earlier exchange cannot sign.
    pub(super) fn forget_server_key(&mut self) {
        self.server_key = Key::default();
    }

    /// The answer to the client's first message, unless that is wrong.
    pub(super) fn challenge(&self, data: &[u8]) -> Option<(Challenged, Vec<u8>)> {
        let bare = str::from_utf8(data).ok()?.strip_prefix("n,,")?;
        let (user, nonce) = bare.strip_prefix("n=")?.split_once(",r=")?;
        if user != self.user || nonce.is_empty() {
            return None;
        }
        let nonce = format!("{nonce}{NONCE}");
        let challenge = format!("r={nonce},s={},i={ITERATIONS}", BASE64.encode(SALT));
        Some((Challenged { said: format!("{bare},{challenge}"), nonce }, challenge.into_bytes()))
    }

    /// The answer to the client's final message, unless that is wrong.
    pub(super) fn check(&self, challenged: &Challenged, data: &[u8]) -> Option<Vec<u8>> {
        let (without_proof, proof) = str::from_utf8(data).ok()?.rsplit_once(",p=")?;
        if without_proof != format!("c=biws,r={}", challenged.nonce) {
            return None;
        }
        let message = format!("{},{without_proof}", challenged.said);
        let signature = sign(&self.stored_key, &message);
        let mut client_key: Key = BASE64.decode(proof.as_bytes()).ok()?.try_into().ok()?;
        client_key.iter_mut().zip(signature).for_each(|(byte, other)| *byte ^= other);
        if Key::from(Sha256::digest(client_key)) != self.stored_key {
            return None;
        }
        Some(format!("v={}", BASE64.encode(&sign(&self.server_key, &message))).into_bytes())
    }
}

fn sign(key: &Key, message: &str) -> Key {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key of any length will do");
    mac.update(message.as_bytes());
    mac.finalize().into_bytes().into()
}
