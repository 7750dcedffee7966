//! The demo's receiver, and what it has seen and verified so far.

use std::{collections::HashSet, net::TcpListener, time::Duration};

use actix_web::{http::StatusCode, web};
use tokio::sync::mpsc;

use crate::cli::{
    error::CliError,
    receiver::{self, Receiver, Sighting, behaviour::Behaviour},
};
use crate::domain::signature::SigningSecret;

/// Far longer than anything takes here, the longest wait of the demo's schedule included.
const LIMIT: Duration = Duration::from_secs(20);

/// A receiver at work.
pub struct Audience {
    receiver: web::Data<Receiver>,
    sightings: mpsc::Receiver<Sighting>,
    verified: HashSet<String>,
}

impl Audience {
    /// Starts a receiver that knows this secret.
    pub fn start(listener: TcpListener, secret: SigningSecret) -> Result<Self, CliError> {
        let (receiver, sightings) = Receiver::new(vec![secret], Behaviour::answering(StatusCode::OK));
        let receiver = web::Data::new(receiver);
        let server = receiver::serve(listener, receiver.clone(), false)
            .map_err(|error| CliError::system("cannot start the receiver", error))?;
        actix_rt::spawn(server);
        Ok(Self { receiver, sightings, verified: HashSet::new() })
    }

    /// Lets the next requests fail.
    pub fn fail_next(&self, count: u64) {
        self.receiver.behaviour().fail_next(count);
    }

    /// The events that were verified and answered well.
    pub fn verified(&self) -> &HashSet<String> {
        &self.verified
    }

    /// Waits for the next request, whatever it is.
    pub async fn next(&mut self) -> Result<Sighting, CliError> {
        let sighting = self.sightings.recv().await;
        let sighting = sighting.ok_or_else(|| CliError::Failed("the receiver has ended".to_owned()))?;
        let good = sighting.verification.is_some_and(receiver::verification::Verification::is_good);
        if let Some(event) = sighting.event.as_ref().filter(|_| good && sighting.status.is_success()) {
            self.verified.insert(event.id.clone());
        }
        Ok(sighting)
    }

    /// Waits for the next request with this event. One that does not verify must not come.
    pub async fn hear(&mut self, event_id: &str) -> Result<Sighting, CliError> {
        let hearing = async {
            loop {
                let sighting = self.next().await?;
                if !sighting.is_taken() {
                    return Err(CliError::Failed("a request of the server did not verify".to_owned()));
                }
                if sighting.event.as_ref().is_some_and(|event| event.id == event_id) {
                    return Ok(sighting);
                }
            }
        };
        tokio::time::timeout(LIMIT, hearing)
            .await
            .map_err(|_| CliError::Failed(format!("{event_id} did not arrive within {} s", LIMIT.as_secs())))?
    }

    /// Sends a well-formed event that is signed with another secret, and gives the status that it is answered.
    /// It has to be a 401: a receiver that takes everything would prove nothing.
    pub async fn hear_a_forgery(&mut self, url: &str) -> Result<u16, CliError> {
        const BODY: &str = r#"{"id":"evt_forged","type":"batch.completed","created":0,"data":{"object":{}}}"#;
        let other = SigningSecret::from_random([0; 24]);
        let sent = awc::Client::builder()
            .disable_redirects()
            .finish()
            .post(url)
            .insert_header(("x-mythicdot-signature", other.platform_signature(BODY.as_bytes())))
            .send_body(BODY)
            .await;
        let answer = sent.map_err(|error| CliError::Failed(format!("the receiver does not answer: {error}")))?;
        self.next().await?;
        match answer.status() {
            StatusCode::UNAUTHORIZED => Ok(answer.status().as_u16()),
            other => Err(CliError::Failed(format!("the receiver answered a forged request with {other}"))),
        }
    }
}
