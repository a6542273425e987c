//! What the client tells `tracing` (feature `tracing`); without the feature nothing of it is compiled.

#[cfg(not(feature = "tracing"))]
mod off;
#[cfg(feature = "tracing")]
mod on;

#[cfg(not(feature = "tracing"))]
pub(crate) use self::off::Trace;
#[cfg(feature = "tracing")]
pub(crate) use self::on::Trace;
