//! A receiver of webhooks: it verifies each request, answers as its behaviour says, and reports what it saw.
//! `listen` shows these reports; `demo` tells its story by them.

pub mod behaviour;
mod recent_ids;
pub mod verification;

use std::{
    io,
    net::TcpListener,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use actix_web::{
    App, HttpRequest, HttpResponse, HttpServer,
    dev::Server,
    http::{
        StatusCode,
        header::{ALLOW, RETRY_AFTER},
    },
    web,
};
use bytes::Bytes;
use serde::Deserialize;
use tokio::sync::mpsc;

use self::{behaviour::Behaviour, recent_ids::RecentIds, verification::Verification};
use crate::clock::Clock;
use crate::domain::{signature::SigningSecret, time::Timestamp};

/// Far above the largest event that a server sends by default (1 MiB).
const LARGEST_BODY: usize = 16 * 1024 * 1024;

/// What was seen of one request.
#[derive(Debug, Clone)]
pub struct Sighting {
    /// When it came.
    pub received_at: Timestamp,
    /// What its signatures say; `None` without a secret to check them with.
    pub verification: Option<Verification>,
    /// The event in it, if it is one.
    pub event: Option<SeenEvent>,
    /// How often this event has come, this time included.
    pub times_seen: u32,
    /// What it is answered.
    pub status: StatusCode,
    /// Whether the answer is a failure on purpose.
    pub fails: bool,
    /// The body as it came.
    pub body: Bytes,
}

impl Sighting {
    /// True unless its signature was checked and refused, or it is no event.
    pub fn is_taken(&self) -> bool {
        self.event.is_some() && self.verification.is_none_or(Verification::is_good)
    }
}

/// What a receiver reads of an event.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct SeenEvent {
    /// `evt_…`.
    pub id: String,
    /// Its type.
    #[serde(rename = "type")]
    pub event_type: String,
}

/// A receiver's state.
pub struct Receiver {
    secrets: Vec<SigningSecret>,
    behaviour: Behaviour,
    clock: Clock,
    seen: Mutex<RecentIds>,
    sightings: mpsc::Sender<Sighting>,
}

impl Receiver {
    /// A receiver that knows these secrets (none: it cannot verify) and the stream of what it sees.
    pub fn new(secrets: Vec<SigningSecret>, behaviour: Behaviour) -> (Self, mpsc::Receiver<Sighting>) {
        // A reader that falls this far behind holds answers back; nothing is left out and nothing piles up.
        let (sightings, reports) = mpsc::channel(256);
        let seen = Mutex::new(RecentIds::default());
        (Self { secrets, behaviour, clock: Clock::start(), seen, sightings }, reports)
    }

    /// How it answers.
    pub fn behaviour(&self) -> &Behaviour {
        &self.behaviour
    }

    async fn receive(&self, request: &HttpRequest, body: Bytes) -> HttpResponse {
        let received_at = self.clock.wall();
        let verification =
            (!self.secrets.is_empty()).then(|| Verification::of(&self.secrets, request.headers(), &body, received_at));
        let event: Option<SeenEvent> = serde_json::from_slice(&body).ok();
        let (status, fails) = if verification.is_some_and(|verification| !verification.is_good()) {
            (StatusCode::UNAUTHORIZED, false)
        } else if event.is_none() {
            (StatusCode::BAD_REQUEST, false)
        } else {
            let reply = self.behaviour.next_reply();
            (reply.status, reply.fails)
        };
        // Only what is signed counts as seen: a forger must not make a true event look like a repetition.
        let times_seen = match &event {
            Some(event) if status != StatusCode::UNAUTHORIZED => {
                self.seen.lock().unwrap_or_else(PoisonError::into_inner).count(&event.id)
            }
            _ => 1,
        };
        let sighting = Sighting { received_at, verification, event, times_seen, status, fails, body };
        let taken = sighting.is_taken();
        // The reader may be gone already while the server ends; the answer is given all the same.
        let _ = self.sightings.send(sighting).await;
        if taken {
            actix_rt::time::sleep(self.behaviour.delay).await;
        }
        let mut response = HttpResponse::build(status);
        if let Some(retry_after) = self.behaviour.retry_after.as_deref().filter(|_| taken && !status.is_success()) {
            response.insert_header((RETRY_AFTER, retry_after));
        }
        response.finish()
    }
}

/// Serves a receiver at every path of `listener`, until it is stopped or the process gets a signal.
pub fn serve(listener: TcpListener, receiver: web::Data<Receiver>, handles_signals: bool) -> io::Result<Server> {
    let patience = receiver.behaviour.delay + Duration::from_secs(1);
    let server = HttpServer::new(move || {
        App::new()
            .app_data(receiver.clone())
            .app_data(web::PayloadConfig::new(LARGEST_BODY))
            .default_service(web::to(handle))
    })
    .workers(1)
    .shutdown_timeout(patience.as_secs())
    .listen(listener)?;
    Ok(if handles_signals { server.run() } else { server.disable_signals().run() })
}

async fn handle(request: HttpRequest, body: Bytes, receiver: web::Data<Receiver>) -> HttpResponse {
    if request.method() != actix_web::http::Method::POST {
        return HttpResponse::MethodNotAllowed().insert_header((ALLOW, "POST")).finish();
    }
    receiver.receive(&request, body).await
}

#[cfg(test)]
mod tests {
    use actix_web::test::{TestRequest, call_service, init_service};

    use super::*;

    const EVENT: &str = r#"{"id":"evt_1","type":"a.b","created":1,"data":{"object":{}}}"#;

    async fn answers(receiver: Receiver, requests: Vec<TestRequest>) -> Vec<actix_web::dev::ServiceResponse> {
        let app = App::new().app_data(web::Data::new(receiver)).default_service(web::to(handle));
        let app = init_service(app).await;
        let mut answers = Vec::new();
        for request in requests {
            answers.push(call_service(&app, request.to_request()).await);
        }
        answers
    }

    fn signed(secret: &SigningSecret) -> TestRequest {
        TestRequest::post()
            .uri("/any/path")
            .insert_header(("x-mythicdot-signature", secret.platform_signature(EVENT.as_bytes())))
            .set_payload(EVENT)
    }

    #[actix_web::test]
    async fn a_bad_signature_is_refused_and_uses_up_no_failure() {
        let secret = SigningSecret::from_random([1; 24]);
        let mut behaviour = Behaviour::answering(StatusCode::OK);
        behaviour.fail_next(1);
        behaviour.retry_after = Some("5".to_owned());
        let (receiver, mut sightings) = Receiver::new(vec![secret.clone()], behaviour);
        let forged = signed(&SigningSecret::from_random([2; 24]));
        let answers = answers(receiver, vec![forged, signed(&secret), signed(&secret)]).await;
        assert_eq!(answers.iter().map(|answer| answer.status().as_u16()).collect::<Vec<_>>(), [401, 503, 200]);
        let retry_after: Vec<_> = answers.iter().map(|answer| answer.headers().contains_key(RETRY_AFTER)).collect();
        assert_eq!(retry_after, [false, true, false]);
        let seen: Vec<_> = std::iter::from_fn(|| sightings.try_recv().ok()).collect();
        assert_eq!(seen.iter().map(|sighting| sighting.times_seen).collect::<Vec<_>>(), [1, 1, 2]);
        assert_eq!(seen.iter().map(Sighting::is_taken).collect::<Vec<_>>(), [false, true, true]);
    }

    #[actix_web::test]
    async fn without_a_secret_it_takes_events_unverified_but_nothing_else() {
        let (receiver, mut sightings) = Receiver::new(Vec::new(), Behaviour::answering(StatusCode::OK));
        let requests = vec![
            TestRequest::post().set_payload(EVENT),
            TestRequest::post().set_payload("not an event"),
            TestRequest::get(),
        ];
        let answers = answers(receiver, requests).await;
        assert_eq!(answers.iter().map(|answer| answer.status().as_u16()).collect::<Vec<_>>(), [200, 400, 405]);
        assert!(sightings.recv().await.unwrap().verification.is_none());
    }
}
