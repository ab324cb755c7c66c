//! Who is believed to be the host.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use skyloom_egress::{Request, Rules};
use skyloom_model::ErrorCode;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::requests::{egress, refused};
use crate::support::{Host, ok, redirect};

struct Certificate {
    pem: PathBuf,
    der: CertificateDer<'static>,
    acceptor: TlsAcceptor,
}

/// One for `cloud.test` and 127.0.0.1 that vouches for itself. None: no openssl here.
fn certificate(folder: &Path, name: &str) -> Option<Certificate> {
    let [pem, key] = ["crt", "key"].map(|end| folder.join(format!("{name}.{end}")));
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"])
        .args(["-subj", "/CN=cloud.test", "-addext", "subjectAltName=IP:127.0.0.1"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .arg("-keyout")
        .arg(&key)
        .arg("-out")
        .arg(&pem)
        .output();
    let Ok(made) = made else {
        println!("SKIPPED: openssl");
        return None;
    };
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let der = CertificateDer::from_pem_file(&pem).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![der.clone()], PrivateKeyDer::from_pem_file(&key).unwrap())
        .unwrap();
    Some(Certificate { pem, der, acceptor: TlsAcceptor::from(Arc::new(config)) })
}

#[tokio::test]
async fn a_host_is_believed_by_authority_or_by_its_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let (Some(own), Some(other)) = (certificate(folder.path(), "own"), certificate(folder.path(), "other")) else {
        return;
    };
    let host = Host::start_over(Some(own.acceptor.clone()), |_| ok("sealed")).await;
    let url = format!("https://{}/", host.address);
    let rules = || Rules::to(vec![host.address.to_string()]);
    let pin = |certificate: &Certificate| Some(hex::encode(Sha256::digest(&certificate.der)));
    for trusts in [Rules { ca: Some(own.pem.clone()), ..rules() }, Rules { pin: pin(&own), ..rules() }] {
        assert_eq!(egress(&trusts).send(Request::get(&url)).await.unwrap().body, b"sealed");
    }
    let believed = host.asked().len();
    for doubts in [rules(), Rules { ca: Some(other.pem.clone()), ..rules() }, Rules { pin: pin(&other), ..rules() }] {
        assert_eq!(refused(egress(&doubts).send(Request::get(&url)).await).0, ErrorCode::Unavailable);
    }
    assert_eq!(host.asked().len(), believed, "something was sent to who wasn't believed");
    let empty = folder.path().join("empty.crt");
    std::fs::write(&empty, "nothing").unwrap();
    let wrong = Rules { ca: Some(empty), ..rules() };
    let said = skyloom_egress::Egress::new(&wrong, &|path, _| std::fs::read(path)).unwrap_err();
    assert!(said.starts_with("ca: "), "{said}");
}

#[tokio::test]
async fn nothing_leads_from_https_to_http() {
    let folder = tempfile::tempdir().unwrap();
    let Some(own) = certificate(folder.path(), "own") else { return };
    let plain = Host::start(|_| ok("")).await;
    let to = plain.url("/");
    let host = Host::start_over(Some(own.acceptor), move |_| redirect(302, &to)).await;
    let hosts = vec![host.address.to_string(), plain.address.to_string()];
    let rules = Rules { plain: true, ca: Some(own.pem), ..Rules::to(hosts) };
    let answer = egress(&rules).send(Request::get(&format!("https://{}/", host.address))).await;
    assert_eq!(refused(answer), (ErrorCode::Forbidden, "url".to_owned()));
    assert_eq!(plain.asked(), Vec::<String>::new());
}
