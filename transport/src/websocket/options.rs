//! What the request for a WebSocket says besides.

use std::fmt;

use tungstenite::http::{HeaderMap, HeaderName, HeaderValue};

use super::WebSocketError;

/// What the hand-shake writes itself.
const OWN_HEADERS: [&str; 6] = [
    "connection",
    "upgrade",
    "sec-websocket-key",
    "sec-websocket-version",
    "sec-websocket-extensions",
    "sec-websocket-protocol",
];

/// What the request for a WebSocket says besides path and query, which are the URL's.
///
/// ```
/// use sterna_transport::WebSocketOptions;
///
/// let options = WebSocketOptions::new().header("Authorization", "Bearer secret");
/// assert!(!format!("{options:?}").contains("secret"));
/// ```
#[derive(Clone, Default)]
pub struct WebSocketOptions {
    headers: Vec<(Box<str>, Box<str>)>,
    subprotocols: Vec<Box<str>>,
}

impl WebSocketOptions {
    /// No further headers, and the subprotocol that the MQTT version asks for.
    pub fn new() -> Self {
        Self::default()
    }

    /// A further header. `Host` replaces the one that the URL gives.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Offers this subprotocol instead of `mqtt` (`mqttv3.1` for MQTT 3.1). Each call adds one; the first is the best.
    #[must_use]
    pub fn subprotocol(mut self, name: &str) -> Self {
        self.subprotocols.push(name.into());
        self
    }

    pub(crate) fn check(&self) -> Result<(), WebSocketError> {
        self.header_map()?;
        self.offered("mqtt").map(|_| ())
    }

    pub(super) fn header_map(&self) -> Result<HeaderMap, WebSocketError> {
        let mut map = HeaderMap::new();
        for (name, value) in &self.headers {
            let refused = || WebSocketError::Header(name.clone());
            let parsed: HeaderName = name.parse().map_err(|_| refused())?;
            if OWN_HEADERS.contains(&parsed.as_str()) {
                return Err(refused());
            }
            let mut value = HeaderValue::from_str(value).map_err(|_| refused())?;
            value.set_sensitive(true);
            map.append(parsed, value);
        }
        Ok(map)
    }

    /// The subprotocols to offer, as they stand in the request.
    pub(super) fn offered(&self, default: &str) -> Result<String, WebSocketError> {
        // A token of RFC 9110.
        let lawful = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        for name in &self.subprotocols {
            if name.is_empty() || !name.bytes().all(lawful) {
                return Err(WebSocketError::SubprotocolName(name.clone()));
            }
        }
        Ok(if self.subprotocols.is_empty() { default.to_owned() } else { self.subprotocols.join(", ") })
    }
}

/// Shows the names of headers, not their values.
impl fmt::Debug for WebSocketOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.headers.iter().map(|(name, _)| name).collect();
        f.debug_struct("WebSocketOptions")
            .field("headers", &names)
            .field("subprotocols", &self.subprotocols)
            .finish()
    }
}
