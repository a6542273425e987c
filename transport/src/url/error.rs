//! Why a URL does not name a server.

/// Why a URL does not name a server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UrlError {
    /// There is no `scheme://`.
    #[error("a server URL needs a scheme, such as mqtt://")]
    NoScheme,
    /// A scheme that no build knows.
    #[error("unknown URL scheme `{0}`")]
    UnknownScheme(Box<str>),
    /// A scheme that is MQTT's, but whose transport is not part of this build. There is no falling back to an
    /// unencrypted connection.
    #[error("URL scheme `{0}` is not supported by this build")]
    UnsupportedScheme(Box<str>),
    /// The host name is not a host name.
    #[error("`{0}` is not a host name")]
    Host(Box<str>),
    /// An IPv6 address without its closing bracket, or with something but a port behind it.
    #[error("an IPv6 address stands in brackets: [::1]")]
    Brackets,
    /// The port is not a number of 1 to 65,535.
    #[error("`{0}` is not a port number")]
    Port(Box<str>),
    /// Percent-encoding that does not decode to UTF-8.
    #[error("the URL's {0} is not UTF-8")]
    Utf8(&'static str),
    /// Only WebSocket and Unix sockets have a path.
    #[error("the path `{0}` has no meaning for this scheme")]
    Path(Box<str>),
    /// A query parameter that means nothing here.
    #[error("unknown query parameter `{0}`")]
    Query(Box<str>),
    /// A Unix socket without the path of its file, or with a host name or port.
    #[error("a Unix socket's URL has three slashes and a path: unix:///run/mqtt.sock")]
    SocketPath,
    /// TLS options are set, but the scheme asks for an unencrypted connection.
    #[error("TLS options are set, but URL scheme `{0}` is not encrypted")]
    NotEncrypted(Box<str>),
    /// A server sends its client to another transport than the one that was asked for.
    #[error("`{0}` is of another transport than the server that names it")]
    OtherTransport(Box<str>),
}
