//! TLS connections: what they carry, how they fail, how they end.

use std::sync::Arc;

use bytes::BytesMut;
use sterna_transport::rustls::{self, AlertDescription, HandshakeKind};
use sterna_transport::{TlsError, TlsOptions, TransportError, TransportOptions};

use crate::support::certificates::{Certified, expired, future, self_signed};
use crate::support::{Authority, Pair, Server, Split, give, pattern, pipe, sent, try_pipe};

const URL: &str = "mqtts://broker.example";

pub fn options(tls: TlsOptions) -> TransportOptions {
    let mut options = TransportOptions::default();
    options.tls = tls;
    options
}

fn trusting(authority: &Authority) -> TransportOptions {
    options(TlsOptions::new().ca_pem(authority.pem()))
}

fn pair(authority: &Authority, certified: &Certified, split: Split) -> Pair {
    Pair::new(URL, &trusting(authority), Server::tls(certified.server()), split)
}

fn failure(options: &TransportOptions, config: rustls::ServerConfig) -> TlsError {
    match Pair::new(URL, options, Server::tls(config), Split::Whole).failure() {
        TransportError::Tls(error) => error,
        other => panic!("{other:?}"),
    }
}

// R: RUN-05
#[test]
fn bytes_go_both_ways_however_they_are_split() {
    let authority = Authority::new("test");
    let certified = authority.certify(&["broker.example"]);
    for split in Split::ALL {
        let mut pair = pair(&authority, &certified, split).open();
        pair.talk(b"there", b"back");
        pair.talk(&pattern(100_000), &pattern(70_000));
        pair.talk(b"", b"x");
    }
}

// R: RUN-05
#[test]
fn sixteen_mebibytes_go_both_ways() {
    let authority = Authority::new("test");
    let certified = authority.certify(&["broker.example"]);
    let payload = pattern(16 << 20);
    pair(&authority, &certified, Split::Whole).open().talk(&payload, &payload);
}

// R: RUN-05
#[test]
fn der_is_as_good_as_pem_and_addresses_as_names() {
    let authority = Authority::new("test");
    let certified = authority.certify(&["127.0.0.1", "::1"]);
    let options = options(TlsOptions::new().ca_der(authority.der()));
    for url in ["tls://127.0.0.1", "ssl://[::1]:9"] {
        Pair::new(url, &options, Server::tls(certified.server()), Split::Whole).open().talk(b"a", b"b");
    }
}

// R: RUN-05
#[test]
fn what_is_wrong_with_a_certificate_is_said() {
    let authority = Authority::new("test");
    let trusting = trusting(&authority);
    let name = &["broker.example"][..];

    let error = failure(&trusting, authority.certify_with(name, expired).server());
    assert_eq!(error, TlsError::Expired);
    assert_eq!(error.to_string(), "the server's certificate has expired");
    assert_eq!(failure(&trusting, authority.certify_with(name, future).server()), TlsError::NotValidYet);
    assert_eq!(failure(&trusting, self_signed(name).server()), TlsError::UnknownIssuer);
    let stranger = Authority::new("stranger");
    assert_eq!(failure(&trusting, stranger.certify(name).server()), TlsError::UnknownIssuer);
    let namesake = Authority::new("test");
    let error = failure(&trusting, namesake.certify(name).server());
    assert_eq!(error, TlsError::BadSignature);
    assert!(error.to_string().starts_with("the server's certificate is not trusted: "), "{error}");
    assert_eq!(failure(&trusting, authority.as_server().server()), TlsError::AuthorityAsServer);

    let error = failure(&trusting, authority.certify(&["other.example", "third.example"]).server());
    let said = "the server's certificate is not for `broker.example`, but for ";
    assert!(matches!(error, TlsError::WrongHost { .. }), "{error:?}");
    assert!(error.to_string().starts_with(said), "{error}");
    assert!(error.to_string().contains("third.example"), "{error}");
}

// R: RUN-05
#[test]
fn the_platforms_authorities_are_no_longer_trusted_beside_ones_own() {
    let authority = Authority::new("test");
    let server = || authority.certify(&["broker.example"]).server();
    // The platform does not know this one.
    assert_eq!(failure(&TransportOptions::default(), server()), TlsError::UnknownIssuer);
    let both = TlsOptions::new().ca_pem(authority.pem()).with_platform_roots();
    Pair::new(URL, &options(both), Server::tls(server()), Split::Whole).open().talk(b"a", b"b");
}

// R: RUN-05
#[test]
fn without_verification_everybody_is_believed() {
    let options = options(TlsOptions::new().dangerous_no_verification());
    let certified = self_signed(&["elsewhere.example"]);
    Pair::new(URL, &options, Server::tls(certified.server()), Split::Whole).open().talk(b"a", b"b");
}

// R: RUN-05
#[test]
fn a_client_certificate_is_shown_to_whom_demands_it() {
    let authority = Authority::new("test");
    let clients = Authority::new("clients");
    let server = || Server::tls(authority.certify(&["broker.example"]).demanding_server(&clients));
    let client = clients.certify(&["client"]);
    let base = TlsOptions::new().ca_pem(authority.pem());

    let (chain, key) = (client.pem.clone(), client.key.serialize_pem());
    let one_file = format!("{chain}{key}");
    let ways = [
        base.clone().client_certificate_pem(&chain, &key),
        base.clone().client_certificate_pem(&one_file, &one_file),
        base.clone().client_certificate_der([&client.certificate], client.key.serialize_der()),
    ];
    for tls in ways {
        Pair::new(URL, &options(tls), server(), Split::Whole).open().talk(b"a", b"b");
    }

    let without = Pair::new(URL, &options(base.clone()), server(), Split::Whole).failure();
    assert!(matches!(without, TransportError::Tls(TlsError::ClientCertificateRequired)), "{without:?}");

    let stranger = Authority::new("stranger").certify(&["client"]);
    let tls = base.client_certificate_pem(&stranger.pem, stranger.key.serialize_pem());
    let refused = Pair::new(URL, &options(tls), server(), Split::Whole).failure();
    assert!(
        matches!(refused, TransportError::Tls(TlsError::ClientCertificateRefused(_))),
        "{refused:?}: {refused}"
    );
}

// R: RUN-05
#[test]
fn the_server_is_told_name_and_protocols() {
    let authority = Authority::new("test");
    let certified = authority.certify(&["inner.example"]);
    let mut config = certified.server();
    config.alpn_protocols = vec![b"mqtt".to_vec()];
    let config = Arc::new(config);
    let base = TlsOptions::new().ca_pem(authority.pem()).server_name("inner.example");
    let open =
        |tls| Pair::new("mqtts://10.0.0.1", &options(tls), Server::tls_shared(&config), Split::Whole).open();

    let mut pair = open(base.clone().alpn(["other", "mqtt"]));
    let tls = pair.server.tls.as_mut().unwrap();
    assert_eq!(tls.server_name(), Some("inner.example"));
    assert_eq!(tls.alpn_protocol(), Some(&b"mqtt"[..]));

    assert_eq!(open(base.clone().without_sni()).server.tls.unwrap().server_name(), None);

    let tls = options(base.alpn(["other"]));
    let refused = Pair::new("mqtts://10.0.0.1", &tls, Server::tls_shared(&config), Split::Whole).failure();
    let alert = AlertDescription::NoApplicationProtocol;
    assert!(matches!(&refused, TransportError::Tls(TlsError::Alert(said)) if *said == alert), "{refused:?}");
}

// R: RUN-05
#[test]
fn a_reconnect_resumes_the_session() {
    let authority = Authority::new("test");
    let config = Arc::new(authority.certify(&["broker.example"]).server());
    let options = trusting(&authority);
    let mut kinds = Vec::new();
    for options in [options.clone(), options.clone(), options] {
        let mut pair = Pair::new(URL, &options, Server::tls_shared(&config), Split::Whole).open();
        pair.talk(b"a", b"b");
        kinds.push(pair.server.tls.unwrap().handshake_kind());
    }
    assert_eq!(kinds[0], Some(HandshakeKind::Full));
    assert_eq!(kinds[1..], [Some(HandshakeKind::Resumed); 2]);
}

// R: RUN-05
#[test]
fn a_finished_configuration_is_used_as_it_is() {
    let authority = Authority::new("test");
    let config = TlsOptions::new().ca_pem(authority.pem()).client_config().unwrap();
    let tls = TlsOptions::from_config(config.clone());
    assert!(Arc::ptr_eq(&tls.client_config().unwrap(), &config));
    let server = Server::tls(authority.certify(&["inner.example"]).server());
    let options = options(tls.server_name("inner.example"));
    Pair::new(URL, &options, server, Split::Whole).open().talk(b"a", b"b");
}

#[test]
fn a_name_that_no_certificate_has_is_refused_before_anything_is_sent() {
    let refused = try_pipe("mqtts://under_score.-bad-.example", &TransportOptions::default()).unwrap_err();
    assert!(matches!(refused, TransportError::Tls(TlsError::ServerName(_))), "{refused:?}");
}

// R: RUN-05
#[test]
fn an_end_is_told_from_a_cut() {
    let authority = Authority::new("test");
    let certified = authority.certify(&["broker.example"]);

    let mut ended = pair(&authority, &certified, Split::Single).open();
    ended.server.send(b"last words");
    ended.server.close();
    let result = ended.exchange(&mut &[][..]);
    assert!(matches!(result, Err(TransportError::Closed)), "{result:?}");
    assert_eq!(&ended.plain[..], b"last words", "they are not lost");
    assert!(ended.pipe.handle_eof().is_ok());

    let mut cut = pair(&authority, &certified, Split::Whole).open();
    let result = cut.pipe.handle_eof();
    assert!(matches!(result, Err(TransportError::Tls(TlsError::Truncated))), "{result:?}");
}

// R: RUN-05
#[test]
fn we_end_in_an_orderly_way() {
    let authority = Authority::new("test");
    let mut pair = pair(&authority, &authority.certify(&["broker.example"]), Split::Whole).open();
    for _ in 0..2 {
        let mut wire = Vec::new();
        pair.pipe.close(&mut wire).unwrap();
        pair.server.receive(&wire);
    }
    assert!(pair.server.is_closed);
    assert_eq!(pair.server.failure, None);
    assert!(!pair.pipe.wants_send());
}

// R: RUN-05
#[test]
fn a_hand_shake_that_is_cut_at_any_byte_says_so() {
    let authority = Authority::new("test");
    let config = Arc::new(authority.certify(&["broker.example"]).server());
    let options = trusting(&authority);
    let mut server = Server::tls_shared(&config);
    server.receive(&sent(&mut pipe(URL, &options), b""));
    let length = server.output().len();
    for end in (0..length).step_by(7) {
        let mut pipe = pipe(URL, &options);
        let mut server = Server::tls_shared(&config);
        server.receive(&sent(&mut pipe, b""));
        let answer = server.output();
        let mut plain = BytesMut::new();
        give(&mut pipe, &answer[..end.min(answer.len() - 1)], &mut plain).unwrap();
        assert!(pipe.is_handshaking());
        let cut = pipe.handle_eof();
        assert!(matches!(cut, Err(TransportError::Tls(TlsError::HandshakeCut))), "{end}: {cut:?}");
    }
}

// R: RUN-05
#[test]
fn a_port_without_tls_is_recognized() {
    for answer in
        [&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], b"\x20\x02\x00\x01", b"220 smtp.example ready\r\n"]
    {
        let mut pipe = pipe(URL, &TransportOptions::default());
        sent(&mut pipe, b"");
        let result = give(&mut pipe, answer, &mut BytesMut::new());
        // Four bytes are less than the header of a record, and need not be enough to tell.
        let failed = result.is_err();
        assert!(failed || answer.len() < 5, "{answer:?}");
        if let Err(error) = result {
            assert!(matches!(error, TransportError::Tls(TlsError::NotTls)), "{error:?}");
        }
    }
}

#[test]
fn a_refused_server_is_told_why() {
    let authority = Authority::new("test");
    let server = Server::tls(self_signed(&["broker.example"]).server());
    let mut pair = Pair::new(URL, &trusting(&authority), server, Split::Whole);
    pair.exchange(&mut &[][..]).unwrap_err();
    let mut wire = Vec::new();
    pair.pipe.close(&mut wire).unwrap();
    pair.server.receive(&wire);
    let told = pair.server.failure.expect("an alert has come");
    assert!(told.contains("UnknownCA"), "{told}");
}
