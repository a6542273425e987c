//! The MQTT client without a runtime: the [`Client`] handle with its futures and streams, which need nothing but
//! wakers, and the [`Engine`], which an adapter drives by carrying out its steps.
//!
//! Applications use an adapter, such as `sterna-tokio`; see [`ClientBuilder`] for the options and [`Client`] for
//! what a client can do. Adapters implement [`Runtime`]; see [`Engine`] for how to drive it.
#![forbid(unsafe_code)]

mod authentication;
#[cfg(feature = "blocking")]
pub mod blocking;
mod buffer;
mod builder;
mod client;
mod completion;
mod copies;
mod dialler;
#[cfg(feature = "driver")]
pub mod driver;
mod engine;
mod error;
mod events;
mod filter;
mod grants;
mod hook;
mod identifiers;
mod inbox;
mod lifecycle;
mod lock;
mod machine;
mod message;
mod operation;
mod outlet;
#[cfg(feature = "driver")]
mod pace;
mod publish;
mod receiver;
mod request;
mod requests;
mod room;
mod router;
#[cfg(feature = "scram")]
mod scram;
mod shared;
#[cfg(feature = "sockets")]
pub mod sockets;
mod store;
mod stream;
mod subscription;
mod trace;
mod unsubscribe;
mod wire;

pub use authentication::{Authenticator, ReauthenticateError, Reauthenticating};
pub use builder::{Async, ClientBuilder, Runtime};
#[cfg(feature = "blocking")]
pub use builder::{Blocking, BlockingRuntime};
pub use client::{Client, Statistics};
pub use dialler::{DialId, Target};
pub use engine::{Commit, Committed, Engine, Step};
pub use error::{
    AckError, ConnectError, DisconnectError, PublishError, RequestError, RespondError, SubscribeError, Unsent,
};
pub use events::{Event, Events};
pub use filter::{Filter, IntoFilters};
pub use hook::{BoxError, ConnectAttempt};
pub use inbox::{AckMode, Unclaimed};
pub use lifecycle::{Connecting, Disconnecting};
pub use message::{Acker, Message};
pub use outlet::Outlet;
pub use publish::{Delivery, Enqueuing, Pending, Publishing};
pub use request::Requesting;
#[cfg(feature = "scram")]
pub use scram::{Scram, ScramError};
pub use store::{MemoryStore, Store};
#[cfg(feature = "store-redb")]
pub use store::{RedbStore, StoreOpenError};
pub use stream::OnFull;
pub use subscription::{Messages, Subscribing, Subscription};
pub use unsubscribe::Unsubscribing;

/// Recordings of what a client does, and their replay.
#[cfg(feature = "record")]
pub use sterna_record as record;

pub use sterna_core::packet::{
    Properties, PropertiesBuf, Property, PropertyId, ProtocolVersion, QoS, ReasonCode, RetainHandling,
    SubscribeOptions,
};
pub use sterna_core::{
    AfterPubRec, Attempt, AuthError, Authentication, Batch, CancelError, Cause, CleanStart, ClientId, Config,
    ConfigError, Data, Granted, InDoubt, Instant, Key, Lost, LostKind, MessageId, OperationError, PacketInfo,
    ProtocolError, QueuePolicy, Receipt, Reconnect, Refusal, Server, ServerClose, ServerLimit, SessionError,
    SessionLoss, State, StoreError, StoreOp, TopicAliases, VersionPolicy, Will,
};
pub use sterna_transport::{
    Credentials, Endpoint, SocketOptions, Transport, TransportError, TransportOptions, UrlError,
};
#[cfg(feature = "proxy")]
pub use sterna_transport::{Proxies, Proxy, ProxyError, ProxyKind};
#[cfg(feature = "tls")]
pub use sterna_transport::{TlsConfigError, TlsError, TlsOptions, rustls};
#[cfg(feature = "websocket")]
pub use sterna_transport::{WebSocketError, WebSocketOptions};
