//! HTTPS: receivers whose certificates are good or not, over TLS 1.2 and 1.3 and HTTP/2, and the server's own listener.

use std::sync::mpsc;
use std::sync::{Arc, Mutex};

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use rcgen::KeyPair;
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, SupportedProtocolVersion, version};

use crate::support::api::attempts;
use crate::support::authority::Authority;
use crate::support::{Server, sign, until};

/// What an HTTPS receiver saw of each request: the HTTP version, and whether its signature verifies.
type Seen = Arc<Mutex<Vec<(actix_web::http::Version, bool)>>>;

/// An HTTPS receiver on a thread of its own; its URL. It knows `SECRET`.
fn https(
    certificate: &rcgen::Certificate,
    key: &KeyPair,
    versions: &[&'static SupportedProtocolVersion],
) -> (String, Seen) {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], PrivateKeyDer::Pkcs8(key.serialize_der().into()))
        .unwrap();
    let seen = Seen::default();
    let recording = web::Data::new(Arc::clone(&seen));
    let (tell, bound) = mpsc::channel();
    std::thread::spawn(move || {
        actix_web::rt::System::new().block_on(async move {
            let server =
                HttpServer::new(move || App::new().app_data(recording.clone()).default_service(web::to(record)));
            let server = server.workers(1).bind_rustls_0_23("127.0.0.1:0", config).unwrap();
            tell.send(server.addrs()[0]).unwrap();
            server.disable_signals().run().await.unwrap();
        });
    });
    (format!("https://{}/hook", bound.recv().unwrap()), seen)
}

async fn record(request: HttpRequest, body: web::Bytes, seen: web::Data<Seen>) -> HttpResponse {
    let signature = request.headers().get("x-mythicdot-signature").map(|value| value.to_str().unwrap().to_owned());
    let verifies = signature == Some(sign::platform(&secret(), &body));
    seen.lock().unwrap().push((request.version(), verifies));
    HttpResponse::NoContent().finish()
}

fn secret() -> String {
    sign::secret(0x42)
}

/// A server that trusts `authority` beside the usual ones, if one is given.
fn server_trusting(authority: Option<&Authority>) -> Server {
    let mut setup = Server::setup().schedule("1h");
    if let Some(authority) = authority {
        let file = authority.pem_file(setup.root());
        setup = setup.args([std::ffi::OsStr::new("--ca-file"), file.as_os_str()]);
    }
    setup.start()
}

fn deliver(server: &Server, url: &str) -> serde_json::Value {
    let api = server.admin();
    api.endpoint_with(url, &serde_json::json!({"secret": secret()}));
    let event = api.event();
    api.delivery_after(&event, 1)
}

#[test]
fn a_trusted_certificate_is_delivered_to() {
    for versions in [&[&version::TLS13][..], &[&version::TLS12]] {
        let authority = Authority::new();
        let (certificate, key) = authority.sign(&["127.0.0.1"], 2020..2090);
        let (url, seen) = https(&certificate, &key, versions);
        let server = server_trusting(Some(&authority));
        let delivery = deliver(&server, &url);
        assert_eq!(delivery["status"], "delivered", "{delivery:#}");
        assert_eq!(seen.lock().unwrap().len(), 1);
        assert!(seen.lock().unwrap()[0].1, "the signature");
        let timing = &attempts(&delivery)[0]["timing"];
        assert!(
            timing.as_object().unwrap().iter().any(|(name, took)| name.contains("tls") && took.is_number()),
            "{timing}"
        );
    }
}

#[test]
fn http_2_is_spoken_where_it_is_offered() {
    let authority = Authority::new();
    let (certificate, key) = authority.sign(&["127.0.0.1"], 2020..2090);
    let (url, seen) = https(&certificate, &key, &[&version::TLS13]);
    let server = server_trusting(Some(&authority));
    let api = server.admin();
    api.endpoint_with(&url, &serde_json::json!({"secret": secret()}));
    let events: Vec<String> = (0..20).map(|_| api.event()).collect();
    for event in &events {
        api.delivery_in(event, "delivered");
    }
    until("all are seen", || seen.lock().unwrap().len() == 20);
    for (version, verifies) in seen.lock().unwrap().iter() {
        assert_eq!(*version, actix_web::http::Version::HTTP_2);
        assert!(verifies);
    }
}

#[test]
fn other_certificates_are_tls_errors_and_nothing_is_sent() {
    let authority = Authority::new();
    for (what, name, years, trusted) in [
        ("unknown authority", "127.0.0.1", 2020..2090, false),
        ("another name", "other.example", 2020..2090, true),
        ("expired", "127.0.0.1", 2010..2015, true),
        ("not yet valid", "127.0.0.1", 2080..2090, true),
    ] {
        let (certificate, key) = authority.sign(&[name], years);
        let (url, seen) = https(&certificate, &key, &[&version::TLS13, &version::TLS12]);
        let server = server_trusting(trusted.then_some(&authority));
        let delivery = deliver(&server, &url);
        assert_eq!(attempts(&delivery)[0]["error"]["kind"], "tls", "{what}: {delivery:#}");
        assert!(seen.lock().unwrap().is_empty(), "{what}: a request was sent");
    }
}

#[test]
fn a_certificate_that_is_signed_by_itself_is_told_in_words() {
    let (certificate, key) = Authority::self_signed("127.0.0.1");
    let (url, seen) = https(&certificate, &key, &[&version::TLS13]);
    let delivery = deliver(&server_trusting(None), &url);
    let error = &attempts(&delivery)[0]["error"];
    let message = error["message"].as_str().unwrap();
    assert!(error["kind"] == "tls" && message.contains("signed by itself") && !message.contains("Other"), "{error}");
    assert!(seen.lock().unwrap().is_empty());
}

#[test]
fn files_that_are_no_certificate_or_key_are_named() {
    let authority = Authority::new();
    let (certificate, key) = authority.sign(&["127.0.0.1"], 2020..2090);
    let (_, other) = authority.sign(&["127.0.0.1"], 2020..2090);
    let root = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        std::fs::write(root.path().join(name), text).unwrap();
        root.path().join(name).display().to_string()
    };
    let (good, own) = (file("good.pem", &certificate.pem()), file("own.pem", &key.serialize_pem()));
    let (foreign, junk) = (file("foreign.pem", &other.serialize_pem()), file("junk.pem", "nothing"));
    for (certificate, key, said) in [
        (&junk, &own, format!("--tls-cert {junk}: has no certificate in it")),
        (&own, &own, format!("--tls-cert {own}: has no certificate in it")),
        (&good, &junk, format!("--tls-key {junk}: has no private key in it")),
        (&good, &good, format!("--tls-key {good}: has no private key in it")),
        (&good, &foreign, format!("--tls-key {foreign}: is not the key of {good}")),
    ] {
        let setup = Server::setup().args(["--tls-cert", certificate, "--tls-key", key]);
        let output = setup.command().output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(1) && stderr.contains(&said), "{said:?} is not in {stderr}");
    }
    let setup =
        Server::setup().listen(&format!("unix:{}", file("socket", ""))).args(["--tls-cert", &good, "--tls-key", &own]);
    let output = setup.command().output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(2) && stderr.contains("Unix socket"), "another start is in vain: {stderr}");
}

#[test]
fn plain_http_on_an_https_port_is_a_tls_error() {
    let server = server_trusting(None);
    let plain = crate::support::Receiver::ok();
    let delivery = deliver(&server, &plain.url().replace("http:", "https:"));
    let kind = attempts(&delivery)[0]["error"]["kind"].as_str().unwrap_or("none").to_owned();
    assert!(matches!(kind.as_str(), "tls" | "connect"), "{delivery:#}");
}

#[test]
fn the_api_itself_over_tls() {
    let setup = Server::setup();
    let authority = Authority::new();
    let (certificate, key) = authority.sign(&["127.0.0.1"], 2020..2090);
    let (certificate_file, key_file) = (setup.root().join("cert.pem"), setup.root().join("key.pem"));
    std::fs::write(&certificate_file, certificate.pem()).unwrap();
    std::fs::write(&key_file, key.serialize_pem()).unwrap();
    let ca_file = authority.pem_file(setup.root());
    let server = setup
        .args([std::ffi::OsStr::new("--tls-cert"), certificate_file.as_os_str()])
        .args([std::ffi::OsStr::new("--tls-key"), key_file.as_os_str()])
        .start_unprobed();
    let address = server.address().to_owned();
    until("stats over HTTPS", || {
        let mut command = crate::support::server::mythichooks();
        command.args(["stats", "--json", "--server", &format!("https://{address}")]);
        command.arg("--token-file").arg(server.setup.data_dir().join("admin-token")).arg("--ca-file").arg(&ca_file);
        command.output().unwrap().status.success()
    });
    // Without the authority the client refuses, and plain HTTP is not spoken there.
    let mut command = crate::support::server::mythichooks();
    command.args(["stats", "--server", &format!("https://{address}")]);
    let output = command.arg("--token-file").arg(server.setup.data_dir().join("admin-token")).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let plain = crate::support::Api::new(&format!("http://{address}"), None);
    assert!(!plain.try_request("GET", "/healthz", &[], None).is_ok_and(|answer| answer.status == 200));
}
