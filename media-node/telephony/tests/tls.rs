//! Trunks over TLS: the certificate must come from a root we trust and name the trunk.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::net::SocketAddr;
use std::sync::Arc;
use support::*;
use talkif_call_engine::io::LegEnd;
use talkif_telephony::{DialError, DialRequest, DirectTelephony, Telephony, Transport};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::{ServerConfig, crypto};

/// A carrier that is busy, over TLS, with a certificate for `name` that it signed itself.
struct Carrier {
    address: SocketAddr,
    certificate: Vec<u8>,
    /// The first line it was sent, once it was sent one.
    heard: oneshot::Receiver<String>,
}

fn crypto_once() {
    // Another test of this process may have been faster.
    let _ = crypto::ring::default_provider().install_default();
}

async fn carrier(name: &str) -> Carrier {
    crypto_once();
    let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (hears, heard) = oneshot::channel();
    tokio::spawn(serve(listener, TlsAcceptor::from(Arc::new(config)), hears));
    Carrier { address, certificate: made.cert.pem().into_bytes(), heard }
}

async fn serve(listener: TcpListener, acceptor: TlsAcceptor, hears: oneshot::Sender<String>) {
    let (stream, _) = listener.accept().await.unwrap();
    // A caller that does not trust us ends the handshake.
    let Ok(mut stream) = acceptor.accept(stream).await else { return };
    let (mut text, mut buffer) = (String::new(), [0; 4_096]);
    while !text.contains("\r\n\r\n") {
        let length = stream.read(&mut buffer).await.unwrap_or(0);
        if length == 0 {
            return;
        }
        text.push_str(&String::from_utf8_lossy(&buffer[..length]));
    }
    let copied = |name: &str| text.lines().find(|line| line.starts_with(name)).unwrap().to_owned();
    let copies = ["Via", "From", "Call-ID", "CSeq"].map(copied).join("\r\n");
    let busy =
        format!("SIP/2.0 486 Busy Here\r\n{copies}\r\n{};tag=t\r\nContent-Length: 0\r\n\r\n", copied("To"));
    stream.write_all(busy.as_bytes()).await.unwrap();
    let _ = hears.send(text.lines().next().unwrap_or_default().to_owned());
    // Until the caller goes.
    while stream.read(&mut buffer).await.is_ok_and(|length| length > 0) {}
}

async fn node_trusting(roots: &[u8]) -> DirectTelephony {
    let mut config = config();
    config.tls_roots = Some(roots.to_vec());
    node_with(config).await
}

fn as_named(name: &str, carrier: &Carrier) -> DialRequest {
    let mut request = request(carrier.address);
    request.trunk.transport = Transport::Tls;
    request.trunk.address = format!("{name}:{}", carrier.address.port());
    request
}

/// The call is not attempted, and the carrier never saw what it would have been about.
async fn assert_refused(node: &DirectTelephony, carrier: Carrier) {
    let Err(DialError::Sip(why)) = node.dial(as_named("localhost", &carrier)).await else {
        panic!("dialled over a connection nobody vouches for")
    };
    assert!(why.contains("certificate"), "{why}");
    assert!(carrier.heard.await.is_err(), "the INVITE must not leave");
}

#[tokio::test]
async fn a_trunk_with_a_good_certificate_is_dialled() {
    for name in ["localhost", "127.0.0.1"] {
        let carrier = carrier(name).await;
        let node = node_trusting(&carrier.certificate).await;
        let mut leg = node.dial(as_named(name, &carrier)).await.unwrap();
        assert_eq!(end(&mut leg).await, (LegEnd::Busy, Some(486)));
        assert!(carrier.heard.await.unwrap().starts_with("INVITE sips:+905321234218@"));
        assert_forgotten(&node).await;
    }
}

#[tokio::test]
async fn a_certificate_for_another_name_is_refused() {
    let carrier = carrier("carrier.example").await;
    let node = node_trusting(&carrier.certificate).await;
    assert_refused(&node, carrier).await;
}

#[tokio::test]
async fn a_certificate_nobody_vouches_for_is_refused() {
    let (carrier, other) = (carrier("localhost").await, carrier("localhost").await);
    let node = node_trusting(&other.certificate).await;
    assert_refused(&node, carrier).await;
}
