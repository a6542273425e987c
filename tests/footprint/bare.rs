//! Connections over TLS without a client: rustls on a socket, connected to an MQTT server like a client. What they have is
//! the least that a client over rustls can have.

use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::Arc;

use sterna::protocol::packet::{Connect, PROTOCOL_MAXIMUM_PACKET_SIZE, Properties};
use sterna::rustls::pki_types::ServerName;
use sterna::rustls::{ClientConfig, ClientConnection, Stream};
use sterna::{Endpoint, ProtocolVersion};

/// A connection that is open.
#[derive(Debug)]
pub(crate) struct Bare {
    _socket: TcpStream,
    _tls: ClientConnection,
}

impl Bare {
    /// Connects to the server at `url`, to nothing but the answer to CONNECT: what a server sends after the hand-shake has
    /// been read then.
    pub(crate) fn connect(url: &str, config: &Arc<ClientConfig>, client_id: &str) -> Self {
        let Endpoint { host, port, .. } = Endpoint::parse(url).expect("a URL");
        let address = (&*host, port).to_socket_addrs().expect("an address").next().expect("an address");
        let mut socket = TcpStream::connect(address).expect("it listens");
        let name = ServerName::try_from(String::from(host)).expect("a host");
        let mut tls = ClientConnection::new(config.clone(), name).expect("rustls takes it");
        let connect = Connect {
            version: ProtocolVersion::V5,
            bridge: false,
            clean_start: true,
            keep_alive: 0,
            properties: Properties::EMPTY,
            client_id,
            will: None,
            user_name: None,
            password: None,
        };
        let mut packet = Vec::new();
        connect.encode(PROTOCOL_MAXIMUM_PACKET_SIZE, &mut packet).expect("lawful");
        let mut stream = Stream::new(&mut tls, &mut socket);
        stream.write_all(&packet).and_then(|()| stream.flush()).expect("the server takes it");
        let mut connack = [0; 64];
        let count = stream.read(&mut connack).expect("the server answers");
        assert_eq!((connack[0], connack[3]), (0x20, 0), "{:x?}: accepted", &connack[..count]);
        Self { _socket: socket, _tls: tls }
    }
}
