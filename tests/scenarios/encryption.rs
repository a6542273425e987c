//! Certificates: whom a client believes, and what it shows.

use sterna::{Cause, ConnectError, Lost, LostKind, QoS, TlsOptions};
use sterna_simulator::TestCertificates;

use crate::brokers::{Security, Setup, certificates};
use crate::cell::Scope;
use crate::tools::text;

scenarios!(ENCRYPTED =>
    a_certificate_that_is_not_right_is_refused,
    clients_show_certificates,
);

const ENCRYPTED: Scope = Scope::only(|cell| cell.transport.is_encrypted());

fn lost(error: &ConnectError) -> &Lost {
    match error {
        ConnectError::Closed(Cause::Lost(lost)) => lost,
        other => panic!("{other}"),
    }
}

// R: RUN-05, REC-09
async fn a_certificate_that_is_not_right_is_refused(setup: Setup) {
    let certificates = certificates();
    let elsewhere = TestCertificates::new();
    for (identity, trusted, reason) in [
        (&certificates.expired, &certificates.authority, "has expired"),
        (
            &certificates.wrong_host,
            &certificates.authority,
            "is not for `127.0.0.1`, but for elsewhere.invalid",
        ),
        (&certificates.self_signed, &certificates.authority, "is self-signed, or issued by"),
        (&certificates.server, &elsewhere.authority, "that is not trusted"),
        (&certificates.namesake, &certificates.authority, "is not trusted: its issuer has the name of"),
    ] {
        let broker = setup.secured_broker(Security { identity: identity.clone(), asks: false }).await;
        let trusting = |authority| broker.builder("client").tls(TlsOptions::new().ca_pem(authority));
        let error = trusting(trusted).connect().await.expect_err("not to be believed");
        let lost = lost(&error);
        assert_eq!(lost.kind, LostKind::Tls, "{error}");
        assert!(lost.detail.contains(reason), "{reason}: {error}");
    }
    // The right name of the wrong host's certificate.
    let security = Security { identity: certificates.wrong_host.clone(), asks: false };
    let broker = setup.secured_broker(security).await;
    let named = TlsOptions::new().ca_pem(&certificates.authority).server_name("elsewhere.invalid");
    broker.builder("client").tls(named).connect().await.expect("it is for that name");
}

// R: RUN-05
async fn clients_show_certificates(setup: Setup) {
    let certificates = certificates();
    let security = Security { identity: certificates.server.clone(), asks: true };
    let broker = setup.secured_broker(security).await;
    let trusting = || TlsOptions::new().ca_pem(&certificates.authority);
    let showing = |identity: &sterna_simulator::Identity| {
        trusting().client_certificate_pem(&identity.certificate, &identity.key)
    };
    let known = broker.builder("known").tls(showing(&certificates.client));
    let client = known.connect().await.expect("let in");
    let mut stream = client.subscribe("secret").await.expect("granted");
    client.publish("secret", "hello").qos(QoS::AtLeastOnce).await.expect("acknowledged");
    assert_eq!(text(&mut stream).await, "hello");
    for tls in [trusting(), showing(&certificates.stranger)] {
        let error = broker.builder("unknown").tls(tls).connect().await.expect_err("not let in");
        // The server's alert may be overtaken by the end of the connection.
        let kind = lost(&error).kind;
        assert!(matches!(kind, LostKind::Tls | LostKind::Eof | LostKind::Io), "{error}");
    }
}
