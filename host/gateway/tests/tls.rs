//! Real sockets with TLS.

use std::path::Path;
use std::time::Duration;

use crate::support::sockets::{connect, is_closed, until};
use crate::support::{World, ok};
use skyloom_gateway::{Server, Settings, Tls};
use tokio::net::TcpListener;

/// A certificate for `localhost` that vouches for itself. False: no openssl here.
fn make_certificate(certificate: &Path, key: &Path) -> bool {
    let made = std::process::Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"])
        .args(["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"])
        .arg("-keyout")
        .arg(key)
        .arg("-out")
        .arg(certificate)
        .output();
    let Ok(made) = made else {
        println!("SKIPPED: openssl");
        return false;
    };
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    true
}

/// What curl gets that trusts this certificate only.
async fn over_tls(port: u16, trusted: &Path) -> String {
    let curl = tokio::process::Command::new("curl")
        .args(["-sS", "--max-time", "10", "-H", "X-Token: member", "--resolve"])
        .arg(format!("localhost:{port}:127.0.0.1"))
        .arg("--cacert")
        .arg(trusted)
        .arg(format!("https://localhost:{port}/api/things"))
        .output()
        .await
        .expect("curl");
    String::from_utf8_lossy(&[curl.stdout, curl.stderr].concat()).into_owned()
}

#[tokio::test]
async fn tls_is_spoken_and_certificates_are_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let [certificate, key, old, other, other_key] =
        ["c.pem", "k.pem", "old.pem", "other.pem", "other-k.pem"].map(|name| folder.path().join(name));
    if !make_certificate(&certificate, &key) || !make_certificate(&other, &other_key) {
        return;
    }
    std::fs::copy(&certificate, &old).unwrap();
    let world = World::echo();
    let server = Server::new(world.shared.clone()).unwrap();
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = socket.local_addr().unwrap().port();
    let tls = Tls::read(&certificate, &key).unwrap();
    server.listen(socket, Some(&tls), &world.gateway).unwrap();
    assert_eq!(over_tls(port, &old).await, "things.list");

    // Half a change, as between two copies: the old pair goes on.
    std::fs::copy(&other, &certificate).unwrap();
    assert!(tls.read_again().is_err(), "the key of another certificate");
    assert_eq!(over_tls(port, &old).await, "things.list");
    std::fs::copy(&other_key, &key).unwrap();
    tls.read_again().unwrap();
    assert_eq!(over_tls(port, &other).await, "things.list");
    assert!(over_tls(port, &old).await.contains("certificate"));

    let refused = |certificate: &Path, key: &Path| Tls::read(certificate, key).err().unwrap().to_string();
    assert!(refused(&certificate, &certificate).contains("c.pem: "), "a certificate is no key");
    assert!(refused(&key, &key).contains("k.pem: holds no certificate"));
    assert!(refused(folder.path(), &key).contains("is a folder, a regular file is wanted"));
}

#[tokio::test]
async fn a_drain_does_not_wait_for_handshakes() {
    let folder = tempfile::tempdir().unwrap();
    let [certificate, key] = ["c.pem", "k.pem"].map(|name| folder.path().join(name));
    if !make_certificate(&certificate, &key) {
        return;
    }
    let settings = Settings { drain_ms: 60_000, ..Settings::default() };
    let world = World::with(settings, |_, _| Ok(ok("{}")));
    let server = Server::new(world.shared.clone()).unwrap();
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    server.listen(socket, Some(&Tls::read(&certificate, &key).unwrap()), &world.gateway).unwrap();
    let mut silent = connect(address, "").await;
    until(async || world.shared.metrics.connections.get() == 1).await;
    let drained = server.run(async {});
    assert!(tokio::time::timeout(Duration::from_secs(20), drained).await.expect("at once"));
    assert!(is_closed(&mut silent).await);
}
