//! Sterna.
#![forbid(unsafe_code)]
