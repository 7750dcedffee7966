//! The bare loop: actix-web accepts, one group-committed batch, 202; awc delivers, a second commit.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use actix_web::{
    App, HttpResponse, HttpServer,
    web::{self, Bytes, Data},
};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{commit::Committer, write_whole};
use crate::cores;

#[derive(Deserialize)]
struct Posted<'a> {
    r#type: &'a str,
    #[serde(borrow)]
    data: Contents<'a>,
}

#[derive(Deserialize)]
struct Contents<'a> {
    #[serde(borrow)]
    object: &'a RawValue,
}

/// What all threads share.
struct Loop {
    committer: Committer,
    receivers: Vec<String>,
    last: AtomicU64,
    delivered: AtomicU64,
}

pub fn run(directory: &Path, listen_file: &Path, receivers: Vec<String>) {
    let (last, delivered) = (AtomicU64::new(0), AtomicU64::new(0));
    let shared = Arc::new(Loop { committer: Committer::start(directory), receivers, last, delivered });
    actix_rt::System::new().block_on(async {
        let server = HttpServer::new(move || {
            App::new()
                .app_data(Data::from(Arc::clone(&shared)))
                .app_data(Data::new(client()))
                .route("/events", web::post().to(accept))
                .route("/delivered", web::get().to(delivered_so_far))
        });
        let server = server.workers(cores::count()).bind("127.0.0.1:0").unwrap();
        let address = server.addrs()[0].to_string();
        let server = server.run();
        write_whole(listen_file, &address);
        server.await.unwrap();
    });
}

/// A client that keeps as many connections as it needs.
pub fn client() -> awc::Client {
    awc::Client::builder().connector(awc::Connector::new().limit(0)).disable_redirects().finish()
}

async fn accept(body: Bytes, shared: Data<Loop>, client: Data<awc::Client>) -> HttpResponse {
    let Ok(posted) = serde_json::from_slice::<Posted>(&body) else { return HttpResponse::BadRequest().finish() };
    let n = shared.last.fetch_add(1, Ordering::Relaxed);
    let id = format!("evt_{n:026}");
    let (kind, object) = (posted.r#type, posted.data.object.get());
    let body = format!(r#"{{"id":"{id}","type":"{kind}","created":1706140800,"data":{{"object":{object}}}}}"#);
    shared.committer.commit(key(b'E', n), body.clone().into_bytes()).await;
    if !shared.receivers.is_empty() {
        actix_rt::spawn(deliver(n, body, shared, client));
    }
    HttpResponse::Accepted().content_type("application/json").body(format!(r#"{{"id":"{id}"}}"#))
}

async fn deliver(n: u64, body: String, shared: Data<Loop>, client: Data<awc::Client>) {
    let receiver = &shared.receivers[n as usize % shared.receivers.len()];
    let request = client.post(receiver).content_type("application/json");
    let mut answer = request.send_body(body).await.unwrap();
    assert!(answer.status().is_success());
    let answered = answer.body().await.unwrap();
    shared.committer.commit(key(b'D', n), answered.to_vec()).await;
    shared.delivered.fetch_add(1, Ordering::Relaxed);
}

async fn delivered_so_far(shared: Data<Loop>) -> String {
    shared.delivered.load(Ordering::Relaxed).to_string()
}

/// Keys of one kind grow.
pub fn key(kind: u8, n: u64) -> Vec<u8> {
    let mut key = vec![kind];
    key.extend(u128::from(n).to_be_bytes());
    key
}
