//! SCRAM-SHA-256 against the model broker.

mod world;

use sterna_client::{
    Cause, Client, ConnectError, OperationError, ProtocolVersion, QoS, ReasonCode, ReauthenticateError, Scram,
};
use sterna_core::packet::PacketType;
use sterna_simulator::broker::{Authentication, Options};
use world::World;

const USER: &str = "anna, of =Kiel=";
const PASSWORD: &str = "thunder";

fn world(exchange: Authentication, password: &str) -> (World, Client) {
    let options = Options { authentication: Some(exchange), ..Options::default() };
    let scram = Scram::sha256(USER, password).unwrap();
    World::new(ProtocolVersion::V5, options, |builder| builder.authentication(Scram::SHA_256, scram))
}

// R: CON-09
#[test]
fn every_connection_and_reauthentication_is_proven_both_ways() {
    let (mut world, client) = world(Authentication::scram_sha256(USER, PASSWORD), PASSWORD);
    world.finish(client.connect()).expect("the exchange is passed");
    world.finish(client.reauthenticate()).expect("and again");
    world.cut();
    world.finish(client.publish("t", "x").qos(QoS::AtLeastOnce)).expect("and on the next connection");
    assert_eq!(world.received(PacketType::Auth).len(), 1 + 2 + 1);
    let said: Vec<_> = world.broker.records().map(|record| record.bytes().clone()).collect();
    let reveals =
        |bytes: &bytes::Bytes| bytes.windows(PASSWORD.len()).any(|part| part == PASSWORD.as_bytes());
    assert!(!said.iter().any(reveals), "the password never leaves");
}

// R: CON-09
#[test]
fn a_wrong_password_is_refused() {
    let (mut world, client) = world(Authentication::scram_sha256(USER, "lightning"), PASSWORD);
    let Err(ConnectError::Closed(Cause::Refused(refusal))) = world.finish(client.connect()) else {
        panic!("not refused")
    };
    assert_eq!(refusal.reason, ReasonCode::NOT_AUTHORIZED);

    let (mut world, client) = self::world(Authentication::scram_sha256(USER, PASSWORD), PASSWORD);
    world.finish(client.connect()).expect("the exchange is passed");
    world.broker.options_mut().authentication = Some(Authentication::scram_sha256(USER, "lightning"));
    let failed = world.finish(client.reauthenticate());
    assert!(matches!(failed, Err(ReauthenticateError::Failed(OperationError::Refused(_)))), "{failed:?}");
}

// R: CON-09
#[test]
fn a_server_that_cannot_sign_gets_nothing() {
    let impostor = || Authentication::scram_sha256_without_proof(USER, PASSWORD);
    let (mut world, client) = world(impostor(), PASSWORD);
    drop(client.publish("t", "secret").qos(QoS::AtLeastOnce).send().unwrap());
    let failed = world.finish(client.connect());
    let reason = ReasonCode::UNSPECIFIED_ERROR;
    assert!(
        matches!(failed, Err(ConnectError::Closed(Cause::Authentication(found))) if found == reason),
        "{failed:?}"
    );
    assert!(world.received(PacketType::Publish).is_empty());

    let (mut world, client) = self::world(Authentication::scram_sha256(USER, PASSWORD), PASSWORD);
    world.finish(client.connect()).expect("the exchange is passed");
    world.broker.options_mut().authentication = Some(impostor());
    assert_eq!(world.finish(client.reauthenticate()), Err(ReauthenticateError::Server(reason)));
}
