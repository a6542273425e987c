use super::{Properties, ProtocolVersion, QoS};
/// CONNECT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)] // Debug by hand: never shows user name or password (CON-07)
pub struct Connect<'a> {
    pub version: ProtocolVersion,
    /// The bridge flag of some brokers: bit 0x80 of the protocol level, 3.x only.
    pub bridge: bool,
    /// Clean Session in 3.x.
    pub clean_start: bool,
    /// Seconds; 0 turns it off.
    pub keep_alive: u16,
    pub properties: Properties<'a>,
    pub client_id: &'a str,
    pub will: Option<Will<'a>>,
    pub user_name: Option<&'a str>,
    pub password: Option<&'a [u8]>,
}
/// The will in a CONNECT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Will<'a> {
    pub qos: QoS,
    pub retain: bool,
    pub properties: Properties<'a>,
    pub topic: &'a str,
    pub payload: &'a [u8],
}
