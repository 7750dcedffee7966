//! The HTTP client of the client commands: one request at a time to the server, over TCP, TLS or a Unix socket.
//! Proxies named in the environment are not asked, redirects are not followed (the token would go with them).

use std::{path::Path, sync::Arc, time::Duration};

use actix_rt::net::UnixStream;
use actix_service::fn_service;
use actix_tls::connect::{ConnectError, ConnectInfo, Connection};
use actix_web::http::{
    Method, Uri,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER},
};
use awc::{ClientRequest, Connector};
use futures_util::StreamExt as _;
use rustls_pki_types::{CertificateDer, pem::PemObject as _};
use serde::Serialize;
use serde_json::Value;
use url::Url;

use super::{
    connection::{ConnectionArgs, ServerAddress, Token},
    error::CliError,
    problem::Problem,
};

/// How long connecting may take, and then the TLS handshake.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long one request may take, the answer's body included; a replay over a long history takes a while.
const REQUEST_TIMEOUT: Duration = Duration::from_mins(2);
/// The largest answer that is read: a page of 500 items is far below it.
const LARGEST_ANSWER: usize = 64 * 1024 * 1024;

/// Query parameters, in order.
pub type Query = Vec<(&'static str, String)>;

/// A client of one server.
pub struct ApiClient {
    http: awc::Client,
    address: ServerAddress,
    base: Url,
    token: Option<Token>,
}

/// A JSON document that the server answered with, as it came.
#[derive(Debug, Clone)]
pub struct Answer {
    text: String,
}

impl Answer {
    /// The document's text, unchanged; empty for a 204.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The document parsed; for showing, since numbers may lose digits.
    pub fn value(&self) -> Result<Value, CliError> {
        self.parse()
    }

    /// The document as a type of the caller's.
    pub fn parse<'a, T: serde::Deserialize<'a>>(&'a self) -> Result<T, CliError> {
        serde_json::from_str(&self.text)
            .map_err(|error| CliError::Unusable(format!("the server's answer is not what it should be: {error}")))
    }
}

impl ApiClient {
    /// A client for the server that the options name, with the token that they lead to.
    pub fn new(args: &ConnectionArgs) -> Result<Self, CliError> {
        Self::with_token(&args.server, args.ca_file.as_deref(), args.token()?)
    }

    /// A client for this server and token.
    pub fn with_token(server: &ServerAddress, ca_file: Option<&Path>, token: Option<Token>) -> Result<Self, CliError> {
        let builder = awc::Client::builder().disable_redirects().disable_timeout();
        let connector = Connector::new().timeout(CONNECT_TIMEOUT).handshake_timeout(CONNECT_TIMEOUT);
        let http = match server {
            ServerAddress::Unix(path) => {
                let path = path.clone();
                let socket = fn_service(move |info: ConnectInfo<Uri>| {
                    let path = path.clone();
                    async move {
                        let stream = UnixStream::connect(path).await.map_err(ConnectError::Io)?;
                        Ok(Connection::new(info.request().clone(), stream))
                    }
                });
                builder.connector(connector.connector(socket)).finish()
            }
            ServerAddress::Url(url) if url.scheme() == "https" => {
                builder.connector(connector.rustls_0_23(Arc::new(tls_config(ca_file)?))).finish()
            }
            ServerAddress::Url(_) => builder.connector(connector).finish(),
        };
        Ok(Self { http, address: server.clone(), base: server.base()?, token })
    }

    /// Asks for a resource.
    pub async fn get(&self, path: &[&str], query: &Query) -> Result<Answer, CliError> {
        let request = self.request(Method::GET, path, query)?;
        self.answer(request, None).await
    }

    /// Sends a change with a JSON body.
    pub async fn send(&self, method: Method, path: &[&str], body: &impl Serialize) -> Result<Answer, CliError> {
        self.send_with(method, path, body, None).await
    }

    /// Sends a change with a JSON body, and an `Idempotency-Key` if there is one.
    pub async fn send_with(
        &self,
        method: Method,
        path: &[&str],
        body: &impl Serialize,
        idempotency_key: Option<&str>,
    ) -> Result<Answer, CliError> {
        let mut request = self.request(method, path, &Query::new())?;
        if let Some(key) = idempotency_key {
            request = request.insert_header(("idempotency-key", key));
        }
        let body = serde_json::to_string(body).map_err(|error| CliError::Unusable(error.to_string()))?;
        self.answer(request, Some(body)).await
    }

    /// Sends a change that has no body.
    pub async fn call(&self, method: Method, path: &[&str]) -> Result<Answer, CliError> {
        let request = self.request(method, path, &Query::new())?;
        self.answer(request, None).await
    }

    /// Opens a stream of server-sent events; `last_id` is where an earlier one ended.
    pub async fn stream(
        &self,
        path: &[&str],
        query: &Query,
        last_id: Option<&str>,
    ) -> Result<
        awc::ClientResponse<impl futures_util::Stream<Item = Result<bytes::Bytes, awc::error::PayloadError>> + use<>>,
        CliError,
    > {
        let mut request = self.request(Method::GET, path, query)?.insert_header((ACCEPT, "text/event-stream"));
        if let Some(id) = last_id {
            request = request.insert_header(("last-event-id", id));
        }
        self.open(request).await
    }

    /// Opens an answer that is not JSON and can be of any length.
    pub async fn download(
        &self,
        path: &[&str],
    ) -> Result<
        awc::ClientResponse<impl futures_util::Stream<Item = Result<bytes::Bytes, awc::error::PayloadError>> + use<>>,
        CliError,
    > {
        let request = self.request(Method::GET, path, &Query::new())?;
        self.open(request.insert_header((ACCEPT, "application/octet-stream"))).await
    }

    async fn open(
        &self,
        request: ClientRequest,
    ) -> Result<
        awc::ClientResponse<impl futures_util::Stream<Item = Result<bytes::Bytes, awc::error::PayloadError>> + use<>>,
        CliError,
    > {
        let head = tokio::time::timeout(REQUEST_TIMEOUT, request.send()).await;
        let mut response = head.map_err(|_| self.timed_out())?.map_err(|error| self.unreachable(error))?;
        if response.status().is_success() {
            return Ok(response);
        }
        let text = tokio::time::timeout(REQUEST_TIMEOUT, self.text(&mut response)).await;
        Err(refusal(&response, &text.map_err(|_| self.timed_out())??))
    }

    /// That the connection to the server broke, or never was.
    pub fn unreachable(&self, reason: impl std::fmt::Display) -> CliError {
        CliError::Unreachable { server: self.address.to_string(), reason: reason.to_string() }
    }

    fn timed_out(&self) -> CliError {
        self.unreachable(format_args!("no complete answer within {} s", REQUEST_TIMEOUT.as_secs()))
    }

    /// Each of `path` becomes one segment, whatever characters it has.
    fn request(&self, method: Method, path: &[&str], query: &Query) -> Result<ClientRequest, CliError> {
        let mut url = self.base.clone();
        url.path_segments_mut()
            .map_err(|()| CliError::Usage(format!("{}: not the address of a server", self.address)))?
            .pop_if_empty()
            .extend(path);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let mut request = self.http.request(method, url.as_str()).insert_header((ACCEPT, "application/json"));
        if let Some(token) = &self.token {
            request = request.insert_header((AUTHORIZATION, token.authorization()));
        }
        Ok(request)
    }

    async fn answer(&self, request: ClientRequest, body: Option<String>) -> Result<Answer, CliError> {
        let exchange = async {
            let sent = match body {
                Some(body) => request.insert_header((CONTENT_TYPE, "application/json")).send_body(body),
                None => request.send(),
            };
            let mut response = sent.await.map_err(|error| self.unreachable(error))?;
            let text = self.text(&mut response).await?;
            if !response.status().is_success() {
                return Err(refusal(&response, &text));
            }
            // What is printed for programs is handed on as it came.
            let is_json = text.is_empty() || serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok();
            if is_json { Ok(Answer { text }) } else { Err(self.unreachable("the answer is not JSON")) }
        };
        tokio::time::timeout(REQUEST_TIMEOUT, exchange).await.map_err(|_| self.timed_out())?
    }

    async fn text<S>(&self, response: &mut awc::ClientResponse<S>) -> Result<String, CliError>
    where
        S: futures_util::Stream<Item = Result<bytes::Bytes, awc::error::PayloadError>> + Unpin,
    {
        let mut body = Vec::new();
        while let Some(chunk) = response.next().await {
            body.extend_from_slice(&chunk.map_err(|error| self.unreachable(error))?);
            if body.len() > LARGEST_ANSWER {
                return Err(self.unreachable("the answer is larger than 64 MiB"));
            }
        }
        String::from_utf8(body).map_err(|_| self.unreachable("the answer is not UTF-8"))
    }
}

fn refusal<S>(response: &awc::ClientResponse<S>, body: &str) -> CliError {
    let retry_after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    Problem::from_response(response.status().as_u16(), body, retry_after).into()
}

/// TLS with the system's certificate authorities and those of `ca_file`. HTTP/1.1 alone: nothing here is parallel.
fn tls_config(ca_file: Option<&Path>) -> Result<rustls::ClientConfig, CliError> {
    let mut roots = rustls::RootCertStore::empty();
    // A system without a certificate store, or with a broken entry in it, can still use --ca-file.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(path) = ca_file {
        let unusable = |reason: String| CliError::Unusable(format!("{}: {reason}", path.display()));
        let pem =
            super::connection::read_bounded(path, 4 * 1024 * 1024).map_err(|error| CliError::file(path, error))?;
        let mut found = false;
        for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
            let certificate = certificate.map_err(|error| unusable(error.to_string()))?;
            roots.add(certificate).map_err(|error| unusable(error.to_string()))?;
            found = true;
        }
        if !found {
            return Err(unusable("holds no certificate".to_owned()));
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| CliError::Unusable(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}
