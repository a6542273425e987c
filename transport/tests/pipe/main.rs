//! Pipes against servers in memory: rustls's, tungstenite's, and proxies written by hand.
#![allow(missing_docs, unreachable_pub)]

mod combined;
mod damage;
mod proxy;
mod support;
mod tls;
mod tls_options;
mod websocket;
mod websocket_frames;
