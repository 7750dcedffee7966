//! What the demo does and tells, step by step: it is the producer here, and speaks with the server's API alone.

use std::{
    collections::HashSet,
    fmt::Display,
    time::{Duration, Instant},
};

use actix_web::http::Method;
use serde::Deserialize;
use serde_json::{json, value::RawValue};

use super::{audience::Audience, scratch::ScratchDir, server::RETRY_SCHEDULE, until};
use crate::cli::{
    client::ApiClient,
    connection::{ServerAddress, Token},
    error::CliError,
    event::{NewEvent, NewEventData},
    listen,
    output::{Output, Tone},
};
use crate::domain::time::Timestamp;

/// The event that the receiver fails at first, and how often.
const FAILED_FIRST: &str = "batch.failed";
const FAILURES: u64 = 2;

/// Far longer than a change takes to be in the log.
const LOG_LIMIT: Duration = Duration::from_secs(10);

/// The story's cast: the producer's client of the server, and the receiver's side.
pub struct Story {
    output: Output,
    client: ApiClient,
    audience: Audience,
    endpoint_id: String,
    sent: HashSet<String>,
}

#[derive(Deserialize)]
struct Accepted {
    id: String,
}

#[derive(Deserialize)]
struct NewEndpoint {
    id: String,
    secret: String,
}

#[derive(Deserialize)]
struct Catalog {
    data: Vec<CatalogEntry>,
}

#[derive(Deserialize)]
struct CatalogEntry {
    name: String,
    example: Box<RawValue>,
}

#[derive(Deserialize)]
struct Deliveries {
    data: Vec<Delivery>,
}

#[derive(Deserialize)]
struct Delivery {
    id: String,
    event_id: String,
    r#type: String,
    status: String,
    last_response_code: Option<u16>,
    attempts_made: usize,
    next_attempt_at: Option<String>,
    #[serde(default)]
    attempts: Vec<Attempt>,
}

#[derive(Deserialize)]
struct Attempt {
    number: usize,
    started_at: String,
    response_code: Option<u16>,
}

fn step(output: Output, number: u8, title: &str) -> Result<(), CliError> {
    output.line(format_args!("\n{}", output.styled(Tone::Heading, format_args!("{number}. {title}"))))
}

fn tell(output: Output, text: impl Display) -> Result<(), CliError> {
    output.line(format_args!("   {text}"))
}

impl Story {
    /// The first steps: the server, a receiver, an endpoint made through the API.
    pub async fn begin(output: Output, scratch: &ScratchDir, server: &ServerAddress) -> Result<Self, CliError> {
        step(output, 1, "A server on a scratch store")?;
        tell(output, format_args!("{server}, its store in {}", scratch.data_dir().display()))?;
        tell(output, format_args!("it retries after {RETRY_SCHEDULE}, so that you see it; by default 5m,30m,2h,8h"))?;
        let client = ApiClient::with_token(server, None, Some(Token::read(&scratch.admin_token())?))?;

        step(output, 2, "An endpoint, and the receiver behind it")?;
        let (listener, address) = listen::bind("127.0.0.1:0", None)?;
        let url = format!("http://{address}/webhooks");
        let body = json!({ "url": url, "event_types": ["*"], "description": "The demo's receiver" });
        let endpoint: NewEndpoint = client.send(Method::POST, &["v1", "endpoints"], &body).await?.parse()?;
        let secret = endpoint.secret.parse().map_err(|error| CliError::Unusable(format!("the secret {error}")))?;
        let mut audience = Audience::start(listener, secret)?;
        tell(output, format_args!("{}  takes all event types at {url}", endpoint.id))?;
        tell(output, "its signing secret was shown once, to the receiver, which verifies every request with it")?;
        let refused = audience.hear_a_forgery(&url).await?;
        tell(
            output,
            format_args!("a forged request: {}", output.styled(Tone::Good, format_args!("{refused} refused"))),
        )?;
        Ok(Self { output, client, audience, endpoint_id: endpoint.id, sent: HashSet::new() })
    }

    /// The other steps: events that arrive, one that does not at first, and what the server's log says of them.
    pub async fn go_through(&mut self) -> Result<(), CliError> {
        let catalog: Catalog =
            self.client.get(&["v1", "event-types"], &vec![("limit", "500".to_owned())]).await?.parse()?;
        step(self.output, 3, "One event of each built-in type")?;
        for entry in &catalog.data {
            self.send_and_hear(entry).await?;
        }
        let Some(entry) = catalog.data.iter().find(|entry| entry.name == FAILED_FIRST) else {
            return Err(CliError::Failed(format!("{FAILED_FIRST} is not in the catalog")));
        };
        step(self.output, 4, "One more, while the receiver has a bad moment")?;
        self.send_through_failures(entry).await?;
        step(self.output, 5, "What the delivery log says")?;
        self.sum_up().await
    }

    async fn send(&mut self, entry: &CatalogEntry) -> Result<String, CliError> {
        let event = NewEvent {
            r#type: &entry.name,
            data: NewEventData { object: &entry.example },
            id: None,
            created: None,
            account: None,
        };
        let accepted: Accepted = self.client.send(Method::POST, &["v1", "events"], &event).await?.parse()?;
        self.sent.insert(accepted.id.clone());
        Ok(accepted.id)
    }

    async fn send_and_hear(&mut self, entry: &CatalogEntry) -> Result<(), CliError> {
        let start = Instant::now();
        let id = self.send(entry).await?;
        let sighting = self.audience.hear(&id).await?;
        let millis = start.elapsed().as_secs_f64() * 1_000.0;
        let verdict = self.output.styled(Tone::Good, format_args!("{} verified", sighting.status.as_u16()));
        tell(self.output, format_args!("{:26}  {id}  {verdict}  {millis:.1} ms after the POST", entry.name))
    }

    async fn send_through_failures(&mut self, entry: &CatalogEntry) -> Result<(), CliError> {
        self.audience.fail_next(FAILURES);
        tell(self.output, format_args!("it answers the next {FAILURES} requests with 503, as if it were overloaded"))?;
        let id = self.send(entry).await?;
        tell(self.output, format_args!("{:26}  {id}  accepted", entry.name))?;
        let mut first = None;
        loop {
            let sighting = self.audience.hear(&id).await?;
            let number = usize::try_from(sighting.times_seen).unwrap_or(usize::MAX);
            let delivery = self.logged(&id, number).await?;
            let Some(attempt) = delivery.attempts.iter().find(|attempt| attempt.number == number) else {
                return Err(CliError::Failed(format!("attempt {number} of {} is not in the log", delivery.id)));
            };
            let started: Timestamp =
                attempt.started_at.parse().map_err(|_| CliError::Unusable("a time that is none".to_owned()))?;
            let after = started.since(*first.get_or_insert(started)).as_secs_f64();
            let code = attempt.response_code.unwrap_or_default();
            let (tone, then) = match &delivery.next_attempt_at {
                Some(next) => (Tone::Bad, format!("next attempt at {next}")),
                None => (Tone::Good, delivery.status.clone()),
            };
            let code = self.output.styled(tone, format_args!("{code} verified"));
            tell(
                self.output,
                format_args!("attempt {number}  {}  {after:3.1} s after the first  {code}  {then}", attempt.started_at),
            )?;
            if delivery.next_attempt_at.is_none() {
                return Ok(());
            }
        }
    }

    /// The delivery of an event, once the log has so many attempts of it.
    async fn logged(&self, event_id: &str, attempts: usize) -> Result<Delivery, CliError> {
        let query = vec![("event_id", event_id.to_owned())];
        until("the attempt is not in the log", LOG_LIMIT, async || {
            let page: Deliveries = self.client.get(&["v1", "deliveries"], &query).await?.parse()?;
            let found = page.data.into_iter().find(|delivery| delivery.attempts_made >= attempts);
            let Some(Delivery { id, .. }) = found else { return Ok(None) };
            self.client.get(&["v1", "deliveries", &id], &Vec::new()).await?.parse().map(Some)
        })
        .await
    }

    /// Compares what was sent, what the receiver saw and what the log has: all three have to agree.
    async fn sum_up(&mut self) -> Result<(), CliError> {
        let query = vec![("endpoint_id", self.endpoint_id.clone()), ("limit", "500".to_owned())];
        let deliveries = until("not everything was delivered", LOG_LIMIT, async || {
            let page: Deliveries = self.client.get(&["v1", "deliveries"], &query).await?.parse()?;
            let ended =
                page.data.len() == self.sent.len() && page.data.iter().all(|delivery| delivery.status != "pending");
            Ok(ended.then_some(page.data))
        })
        .await?;
        for delivery in deliveries.iter().rev() {
            let code = delivery.last_response_code.map_or_else(|| "-".to_owned(), |code| code.to_string());
            let (id, status, attempts) = (&delivery.id, &delivery.status, delivery.attempts_made);
            let plural = if attempts == 1 { "attempt,  the last" } else { "attempts, the last" };
            tell(self.output, format_args!("{id}  {:26}  {status}  {attempts} {plural} {code}", delivery.r#type))?;
        }
        let delivered: HashSet<_> = deliveries
            .iter()
            .filter(|delivery| delivery.status == "delivered")
            .map(|delivery| delivery.event_id.clone())
            .collect();
        let attempts: usize = deliveries.iter().map(|delivery| delivery.attempts_made).sum();
        let (events, good, verified) = (self.sent.len(), delivered.len(), self.audience.verified().len());
        let summary =
            format!("{events} events, {attempts} attempts: {good} delivered, {verified} verified by the receiver");
        if delivered != self.sent || *self.audience.verified() != self.sent {
            return Err(CliError::Failed(format!("not everything was delivered and verified: {summary}")));
        }
        tell(self.output, self.output.styled(Tone::Good, summary))
    }

    /// Tells where to look around.
    pub fn invite(&self, scratch: &ScratchDir, server: &ServerAddress) -> Result<(), CliError> {
        let token_file = scratch.admin_token();
        self.output.line(format_args!(
            "\n{}\n   dashboard    {server}/\n   its API      {server}/openapi.json\n   sign in with the token in {}\n   \
             by hand      mythichooks delivery list --server {server} --token-file {}",
            self.output.styled(Tone::Heading, "Look around"),
            token_file.display(),
            token_file.display(),
        ))?;
        self.output
            .line("\nThe receiver goes on and shows here what comes. Ctrl-C ends the demo and removes its store.")
    }

    /// Shows what the receiver sees, for as long as it sees anything.
    pub async fn go_on(&mut self) -> CliError {
        loop {
            let sighting = match self.audience.next().await {
                Ok(sighting) => sighting,
                Err(error) => return error,
            };
            if let Err(error) = tell(self.output, listen::line(self.output, &sighting)) {
                return error;
            }
        }
    }
}
