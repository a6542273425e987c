//! Proxies on the way to the server.

use sterna::{Cause, ClientBuilder, ConnectError, LostKind, Proxy as Through, QoS};

use crate::brokers::Setup;
use crate::cell::{OVER_IP, Runtime};
use crate::proxy::{Kind, Login, Proxy};
use crate::tools::text;

scenarios!(OVER_IP => through_proxies, proxies_that_refuse);

const KINDS: [(Kind, &str); 3] = [(Kind::Http, "http"), (Kind::Socks5, "socks5"), (Kind::Socks5, "socks5h")];
const LOGIN: Login = ("ann", "s3cret:@/");
/// The same, as it stands in a URL.
const IN_URL: &str = "ann:s3cret%3A%40%2F@";

fn through(
    builder: ClientBuilder<Runtime>,
    proxy: &Proxy,
    scheme: &str,
    login: &str,
) -> ClientBuilder<Runtime> {
    let url = format!("{scheme}://{login}{}", proxy.address());
    builder.proxy(Through::parse(&url).expect("a proxy's URL"))
}

// R: CON-15
async fn through_proxies(setup: Setup) {
    let broker = setup.broker().await;
    for (kind, scheme) in KINDS {
        for (login, in_url) in [(None, ""), (Some(LOGIN), IN_URL)] {
            let proxy = Proxy::start(kind, login).await;
            let builder = through(broker.builder("far"), &proxy, scheme, in_url);
            let client = builder.connect().await.expect("connected through the proxy");
            let mut stream = client.subscribe("far").qos(QoS::AtLeastOnce).await.expect("granted");
            client.publish("far", "away").qos(QoS::AtLeastOnce).await.expect("acknowledged");
            assert_eq!(text(&mut stream).await, "away");
            assert_eq!(proxy.served(), 1, "{scheme}: not past it");
            client.disconnect().await.expect("graceful");
        }
    }
}

// R: CON-15, REC-09
async fn proxies_that_refuse(setup: Setup) {
    let mut broker = setup.broker().await;
    for (kind, scheme) in KINDS {
        let proxy = Proxy::start(kind, Some(LOGIN)).await;
        for login in ["", "ann:wrong@"] {
            let connecting = through(broker.builder("far"), &proxy, scheme, login).connect();
            refused(&connecting.await.expect_err("not for everybody"));
        }
        assert_eq!(proxy.served(), 0);
    }
    broker.stop(crate::brokers::Memory::Lost).await;
    for (kind, scheme) in KINDS {
        let proxy = Proxy::start(kind, None).await;
        let connecting = through(broker.builder("far"), &proxy, scheme, "").connect();
        refused(&connecting.await.expect_err("there is no server behind it"));
    }
}

fn refused(error: &ConnectError) {
    let ConnectError::Closed(Cause::Lost(lost)) = error else { panic!("{error}") };
    assert_eq!(lost.kind, LostKind::Proxy, "{error}");
}
