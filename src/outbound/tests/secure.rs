//! TLS and HTTP/2, with a certificate authority of the test's own.

use std::sync::atomic::{AtomicUsize, Ordering};

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, KeyPair};
use rustls::{ServerConfig, ServerConnection, StreamOwned, crypto::ring, version};
use rustls_pki_types::PrivateKeyDer;
use tempfile::NamedTempFile;

use super::*;

struct Authority {
    certificate: rcgen::Certificate,
    key: KeyPair,
    file: NamedTempFile,
}

impl Authority {
    fn new(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).unwrap();
        let mut file = NamedTempFile::new().unwrap();
        file.write_all(certificate.pem().as_bytes()).unwrap();
        Self { certificate, key, file }
    }

    fn settings(&self) -> Settings {
        Settings { extra_ca: Some(self.file.path().to_owned()), ..settings() }
    }

    fn server(&self, name: &str, protocols: &[&str]) -> ServerConfig {
        self.server_with(CertificateParams::new(vec![name.to_owned()]).unwrap(), protocols, rustls::ALL_VERSIONS)
    }

    fn server_with(
        &self,
        params: CertificateParams,
        protocols: &[&str],
        versions: &[&'static rustls::SupportedProtocolVersion],
    ) -> ServerConfig {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.certificate, &self.key).unwrap();
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(versions)
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], PrivateKeyDer::Pkcs8(key.serialize_der().into()))
            .unwrap();
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        config
    }
}

/// HTTP/1.1 over TLS; answers all requests on a connection.
fn serve_tls(config: ServerConfig) -> (SocketAddr, Seen) {
    let (config, seen) = (Arc::new(config), Seen::default());
    let notes = Arc::clone(&seen);
    let address = serve(move |stream, number| {
        let mut stream = StreamOwned::new(ServerConnection::new(Arc::clone(&config)).unwrap(), stream);
        while read_request(&mut stream).is_some() {
            notes.lock().unwrap().push(number.to_string());
            stream.write_all(OK.as_bytes()).unwrap();
        }
    });
    (address, seen)
}

#[actix_web::test]
async fn a_kept_secure_connection_that_was_closed_is_replaced_at_once() {
    let authority = Authority::new("authority");
    let config = Arc::new(authority.server("hooks.example", &[]));
    for says_goodbye in [true, false] {
        let config = Arc::clone(&config);
        let address = serve(move |stream, _| {
            let mut stream = StreamOwned::new(ServerConnection::new(Arc::clone(&config)).unwrap(), stream);
            read_request(&mut stream).unwrap();
            stream.write_all(OK.as_bytes()).unwrap();
            if says_goodbye {
                stream.conn.send_close_notify();
                let _ = stream.flush();
            }
        });
        let transport = prepared(authority.settings(), &Prepared::new([vec![address]]));
        for _ in 0..3 {
            assert_eq!(code(&transport.send(https("hooks.example", address)).await.unwrap()), 200);
        }
    }
}

#[actix_web::test]
async fn a_body_to_the_end_of_a_secure_connection() {
    let authority = Authority::new("authority");
    let config = Arc::new(authority.server("hooks.example", &[]));
    let address = serve(move |stream, _| {
        let mut stream = StreamOwned::new(ServerConnection::new(Arc::clone(&config)).unwrap(), stream);
        read_request(&mut stream).unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\nhello").unwrap();
    });
    let transport = prepared(authority.settings(), &Prepared::new([vec![address]]));
    let outcome = transport.send(https("hooks.example", address)).await.unwrap();
    assert_eq!((code(&outcome), body(&outcome)), (200, "hello"));
}

fn https(name: &str, address: SocketAddr) -> OutboundRequest {
    request(&format!("https://{name}:{}/hooks", address.port()), LONG)
}

#[actix_web::test]
async fn both_versions_of_tls_and_reuse() {
    let authority = Authority::new("authority");
    for version in [&version::TLS12, &version::TLS13] {
        let params = CertificateParams::new(vec!["hooks.example".to_owned()]).unwrap();
        let (address, seen) = serve_tls(authority.server_with(params, &["http/1.1"], &[version]));
        let transport = prepared(authority.settings(), &Prepared::new([vec![address]]));
        let first = transport.send(https("hooks.example", address)).await.unwrap();
        assert_eq!((code(&first), body(&first)), (200, "ok"));
        assert!(first.timing.dns.is_some() && first.timing.connect.is_some() && first.timing.tls.is_some());
        let second = transport.send(https("hooks.example", address)).await.unwrap();
        assert_eq!((code(&second), second.timing.connect, second.timing.tls), (200, None, None));
        // With the root's dot the name is the same to the certificate, and another authority to the pool.
        assert_eq!(code(&transport.send(https("hooks.example.", address)).await.unwrap()), 200);
        assert_eq!(*seen.lock().unwrap(), ["0", "0", "1"]);
    }
}

#[actix_web::test]
async fn a_large_body_arrives_whole_over_tls() {
    let authority = Authority::new("authority");
    let (address, _) = serve_tls(authority.server("hooks.example", &["http/1.1"]));
    let transport = prepared(authority.settings(), &Prepared::new([vec![address]]));
    for size in [0, 1, 100_000, 3_000_000] {
        let mut large = https("hooks.example", address);
        large.body = vec![b'x'; size].into();
        assert_eq!(code(&transport.send(large).await.unwrap()), 200, "{size}");
    }
}

#[actix_web::test]
async fn certificates_for_addresses() {
    let authority = Authority::new("authority");
    let (address, _) = serve_tls(authority.server("127.0.0.1", &[]));
    assert_eq!(code(&transport(authority.settings()).send(https("127.0.0.1", address)).await.unwrap()), 200);
    let Ok(listener) = TcpListener::bind("[::1]:0") else { return };
    let address = listener.local_addr().unwrap();
    let config = Arc::new(authority.server("::1", &[]));
    thread::spawn(move || {
        let stream = listener.accept().unwrap().0;
        let mut stream = StreamOwned::new(ServerConnection::new(config).unwrap(), stream);
        read_request(&mut stream).unwrap();
        stream.write_all(OK.as_bytes()).unwrap();
    });
    let networks = vec!["::1/128".parse().unwrap()];
    let transport = transport(Settings { allow_networks: networks, ..authority.settings() });
    assert_eq!(code(&transport.send(https("[::1]", address)).await.unwrap()), 200);
}

#[actix_web::test]
async fn certificates_that_are_not_good_enough_are_named() {
    let authority = Authority::new("authority");
    let mut expired = CertificateParams::new(vec!["hooks.example".to_owned()]).unwrap();
    expired.not_before = rcgen::date_time_ymd(2001, 1, 1);
    expired.not_after = rcgen::date_time_ymd(2002, 1, 1);
    let stranger = Authority::new("stranger");
    for (config, says) in [
        (stranger.server("hooks.example", &[]), "not signed by an authority that is trusted here (see --ca-file)"),
        (authority.server("other.example", &[]), "not for hooks.example"),
        (authority.server_with(expired, &[], rustls::ALL_VERSIONS), "expired"),
    ] {
        let (address, seen) = serve_tls(config);
        let transport = prepared(authority.settings(), &Prepared::new([vec![address]]));
        let outcome = transport.send(https("hooks.example", address)).await.unwrap();
        assert_eq!(kind(&outcome), Some(ErrorKind::Tls), "{says}");
        assert!(message(&outcome).contains(says), "{}", message(&outcome));
        assert!(message(&outcome).contains("hooks.example") && message(&outcome).contains(&address.to_string()));
        assert!(outcome.timing.connect.is_some() && outcome.timing.tls.is_none());
        assert!(seen.lock().unwrap().is_empty());
    }
}

#[actix_web::test]
async fn no_tls_there_at_all() {
    let plain = serve(|mut stream, _| {
        let _ = stream.read(&mut [0; 4096]);
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
    });
    let closes = serve(|mut stream, _| {
        let _ = stream.read(&mut [0; 4096]);
    });
    for address in [plain, closes] {
        let outcome = transport(settings()).send(request(&format!("https://{address}/"), SHORT * 10)).await.unwrap();
        assert!(matches!(kind(&outcome), Some(ErrorKind::Tls)), "{outcome:?}");
    }
}

#[test]
fn unusable_ca_files_are_errors_that_name_them() {
    let empty = NamedTempFile::new().unwrap();
    for path in [empty.path().to_owned(), "/no/such/file".into()] {
        let settings = Settings { extra_ca: Some(path.clone()), ..settings() };
        let error = Shared::new(settings).err().unwrap().to_string();
        assert!(error.contains(&path.display().to_string()), "{error}");
    }
}

/// What an HTTP/2 server has seen of each request.
type Requests = Arc<Mutex<Vec<(String, actix_web::http::Version, String)>>>;

/// An HTTP/2 server, with its count of connections; it stops with the test's runtime.
fn serve_http2(config: ServerConfig) -> (SocketAddr, Requests, Arc<AtomicUsize>) {
    let (requests, connections) = (Requests::default(), Arc::new(AtomicUsize::new(0)));
    let (notes, count) = (Arc::clone(&requests), Arc::clone(&connections));
    let server = HttpServer::new(move || {
        let notes = Arc::clone(&notes);
        App::new().default_service(web::to(move |request: HttpRequest, body: web::Bytes| {
            let notes = Arc::clone(&notes);
            async move {
                let line = format!("{} {} {}", request.method(), request.uri(), String::from_utf8_lossy(&body));
                let headers = format!("{:?}", request.headers());
                notes.lock().unwrap().push((line, request.version(), headers));
                match request.path() {
                    "/hangs" => std::future::pending().await,
                    "/head" => HttpResponse::Ok().insert_header(("x-long", "a".repeat(200_000))).finish(),
                    "/long" => HttpResponse::Ok().body("a".repeat(100_000)),
                    _ => HttpResponse::Accepted().insert_header(("x-a", "1")).body("two"),
                }
            }
        }))
    })
    .on_connect(move |_, _| {
        count.fetch_add(1, Ordering::SeqCst);
    })
    .workers(1)
    .disable_signals()
    .bind_rustls_0_23("127.0.0.1:0", config)
    .unwrap();
    let address = server.addrs()[0];
    actix_rt::spawn(server.run());
    (address, requests, connections)
}

#[actix_web::test]
async fn http2_to_receivers_that_offer_it_over_one_connection() {
    let authority = Authority::new("authority");
    let (address, requests, connections) = serve_http2(authority.server("hooks.example", &["h2", "http/1.1"]));
    let transport = prepared(authority.settings(), &Prepared::new([vec![address]]));
    let first = transport.send(https("hooks.example", address)).await.unwrap();
    assert_eq!((code(&first), body(&first)), (202, "two"));
    assert!(first.timing.tls.is_some() && first.timing.first_byte.is_some() && first.timing.body.is_some());
    assert!(first.response.unwrap().headers.contains(&("x-a".into(), "1".into())));
    let several = futures_util::future::join_all((0..8).map(|_| transport.send(https("hooks.example", address)))).await;
    for outcome in several {
        let outcome = outcome.unwrap();
        assert_eq!((code(&outcome), outcome.timing.connect, outcome.timing.tls), (202, None, None));
        assert_eq!(outcome.remote_addr, Some(address));
    }
    assert_eq!(connections.load(Ordering::SeqCst), 1);
    let url = format!("https://hooks.example:{}/hooks", address.port());
    for (line, version, headers) in requests.lock().unwrap().iter() {
        assert_eq!(*line, format!("POST {url} {{\"id\":\"evt_1\"}}"));
        assert_eq!(*version, actix_web::http::Version::HTTP_2);
        for unwanted in ["accept", "cookie", "connection"] {
            assert!(!headers.contains(unwanted), "{headers}");
        }
    }
    // Letting go of the connection sends nothing of its own.
    transport.pool().sweep(std::time::Instant::now() + Duration::from_secs(31));
    actix_rt::time::sleep(SHORT).await;
    assert_eq!(requests.lock().unwrap().len(), 9);
}

#[actix_web::test]
async fn http2_bodies_are_bounded_and_deadlines_hold() {
    let authority = Authority::new("authority");
    let (address, _, connections) = serve_http2(authority.server("hooks.example", &["h2"]));
    let transport = prepared(authority.settings(), &Prepared::new([vec![address]]));
    let url = |path: &str| format!("https://hooks.example:{}{path}", address.port());
    let long = transport.send(request(&url("/long"), LONG)).await.unwrap();
    assert_eq!((code(&long), body(&long).len()), (200, 4096));
    assert!(long.response.unwrap().truncated);
    let mut large = request(&url("/hooks"), LONG);
    large.body = vec![b'x'; 200_000].into();
    assert_eq!(code(&transport.send(large).await.unwrap()), 202);
    assert_eq!(connections.load(Ordering::SeqCst), 1);
    let head = transport.send(request(&url("/head"), LONG)).await.unwrap();
    assert_eq!(kind(&head), Some(ErrorKind::Protocol), "{head:?}");
    assert_eq!(code(&transport.send(https("hooks.example", address)).await.unwrap()), 202);
    let before = connections.load(Ordering::SeqCst);
    let hung = transport.send(request(&url("/hangs"), SHORT)).await.unwrap();
    assert_eq!(kind(&hung), Some(ErrorKind::Timeout));
    assert_eq!(code(&transport.send(https("hooks.example", address)).await.unwrap()), 202);
    assert_eq!(connections.load(Ordering::SeqCst), before + 1, "the connection that hung is not used again");
}

#[actix_web::test]
async fn http2_bodies_longer_than_the_window_are_read_where_they_are_kept() {
    let authority = Authority::new("authority");
    let (address, _, _) = serve_http2(authority.server("hooks.example", &["h2"]));
    let settings = Settings { response_body_limit: 200_000, ..authority.settings() };
    let transport = prepared(settings, &Prepared::new([vec![address]]));
    let url = format!("https://hooks.example:{}/long", address.port());
    for _ in 0..15 {
        let outcome = transport.send(request(&url, LONG)).await.unwrap();
        assert_eq!((code(&outcome), body(&outcome).len()), (200, 100_000));
        assert!(!outcome.response.unwrap().truncated);
    }
}

/// The next connection, for a server that does with it as it likes.
async fn accept_http2(
    listener: &actix_rt::net::TcpListener,
    config: &Arc<ServerConfig>,
) -> h2::server::Connection<tokio_rustls::server::TlsStream<actix_rt::net::TcpStream>, Bytes> {
    let (stream, _) = listener.accept().await.unwrap();
    let stream = tokio_rustls::TlsAcceptor::from(Arc::clone(config)).accept(stream).await.unwrap();
    h2::server::handshake(stream).await.unwrap()
}

#[actix_web::test]
async fn over_http2_too_who_takes_an_event_before_it_is_there_gets_all_of_it() {
    let authority = Authority::new("authority");
    let config = Arc::new(authority.server("hooks.example", &["h2"]));
    let listener = actix_rt::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = actix_rt::spawn(async move {
        let mut connection = accept_http2(&listener, &config).await;
        let (request, mut respond) = connection.accept().await.unwrap().unwrap();
        let reading = actix_rt::spawn(async move {
            let mut body = request.into_body();
            respond.send_response(http::Response::new(()), true).unwrap();
            let mut read = 0;
            while let Some(Ok(chunk)) = body.data().await {
                read += chunk.len();
                body.flow_control().release_capacity(chunk.len()).unwrap();
            }
            read
        });
        while let Some(Ok(_)) = connection.accept().await {}
        reading.await.unwrap()
    });
    let transport = prepared(authority.settings(), &Prepared::new([vec![address]]));
    let mut large = https("hooks.example", address);
    large.body = vec![b'x'; 1_000_000].into();
    assert_eq!(code(&transport.send(large).await.unwrap()), 200);
    drop(transport);
    assert_eq!(server.await.unwrap(), 1_000_000);
}

#[actix_web::test]
async fn an_http2_connection_that_was_closed_is_replaced_at_once() {
    let authority = Authority::new("authority");
    let config = Arc::new(authority.server("hooks.example", &["h2"]));
    // Serves one request a connection and closes it without a word.
    let listener = actix_rt::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    actix_rt::spawn(async move {
        loop {
            let mut connection = accept_http2(&listener, &config).await;
            let (_, mut respond) = connection.accept().await.unwrap().unwrap();
            let mut body = respond.send_response(http::Response::new(()), false).unwrap();
            body.send_data(Bytes::from_static(b"once"), true).unwrap();
            // Polling the connection is what sends; the next request, if one comes, goes unanswered.
            let _ = tokio::time::timeout(SHORT, connection.accept()).await;
        }
    });
    let transport = prepared(authority.settings(), &Prepared::new([vec![address]]));
    for round in 0..3 {
        let outcome = transport.send(https("hooks.example", address)).await.unwrap();
        assert_eq!((code(&outcome), body(&outcome)), (200, "once"), "round {round}");
        assert!(outcome.timing.connect.is_some(), "round {round}");
    }
}
