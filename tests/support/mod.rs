//! What the integration tests share. Each test file that says `mod support;` compiles it for itself.
#![allow(dead_code, unused_imports, reason = "no test file uses all of it")]

pub(crate) mod folder;
pub(crate) mod mosquitto;
pub(crate) mod network;
pub(crate) mod program;
