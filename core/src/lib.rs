//! The sans-IO core of Sterna: MQTT 3.1, 3.1.1 and 5.0 as packets and as one state machine.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod packet;
pub mod topic;
