//! TLS by rustls, over memory.

mod error;
mod identity;
mod layer;
mod options;
mod trust;

pub use error::{TlsConfigError, TlsError};
pub(crate) use layer::TlsLayer;
pub use options::TlsOptions;
