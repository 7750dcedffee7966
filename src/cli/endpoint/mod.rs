//! `mythichooks endpoint`: make, look at, change, test and replay endpoints, and rotate their secrets.

mod args;
mod settings;

use actix_web::http::Method;
use clap::Subcommand;
use serde_json::{Map, Value, json};

use self::{
    args::{CreateArgs, EndpointArg, ListArgs, ReplayArgs, RotateArgs, TestArgs, UpdateArgs},
    settings::read_secret,
};
use super::{
    client::{Answer, ApiClient, Query},
    connection::ConnectionArgs,
    error::CliError,
    list,
    output::{Output, remark},
    resource,
    resource_name::ResourceName,
    table::{self, Column},
};

/// What can be done with endpoints.
#[derive(Debug, Subcommand)]
pub enum EndpointCommand {
    /// Make an endpoint; its secret is shown this once
    #[command(after_help = "Examples:
  mythichooks endpoint create --url https://hooks.example.com/in --event-types '*'
  mythichooks endpoint create --url https://hooks.example.com/in --event-types 'batch.*' --account acme
  mythichooks endpoint create --url https://hooks.example.com/in --event-types '*' --headers @headers.txt")]
    Create(CreateArgs),
    /// List endpoints, newest first
    #[command(after_help = "Example:
  mythichooks endpoint list --account acme")]
    List(ListArgs),
    /// Show one endpoint with the settings that hold for it and its health
    #[command(after_help = "Example:
  mythichooks endpoint get ep_01JJ3ZK8V0M5Y2Q7T9A4C6E8GB")]
    Get(EndpointArg),
    /// Change an endpoint: only what is named
    #[command(after_help = "Examples:
  mythichooks endpoint update ep_01JJ3ZK8V0M5Y2Q7T9A4C6E8GB --event-types 'batch.*' --timeout 10s
  mythichooks endpoint update ep_01JJ3ZK8V0M5Y2Q7T9A4C6E8GB --reset timeout,retry_schedule")]
    Update(UpdateArgs),
    /// Delete an endpoint
    #[command(after_help = "Example:
  mythichooks endpoint delete ep_01JJ3ZK8V0M5Y2Q7T9A4C6E8GB")]
    Delete(EndpointArg),
    /// Print an endpoint's signing secret
    #[command(after_help = "Example:
  (umask 077; mythichooks endpoint secret ep_01JJ3ZK8V0M5Y2Q7T9A4C6E8GB > secret)
  mythichooks listen --secret-file secret")]
    Secret(EndpointArg),
    /// Give an endpoint a new secret; the old one goes on signing beside it for the overlap
    #[command(after_help = "Example:
  mythichooks endpoint rotate-secret ep_01JJ3ZK8V0M5Y2Q7T9A4C6E8GB --overlap 24h")]
    RotateSecret(RotateArgs),
    /// Send the catalog's example event to this endpoint alone, in one attempt
    #[command(after_help = "Example:
  mythichooks endpoint test ep_01JJ3ZK8V0M5Y2Q7T9A4C6E8GB --type batch.failed")]
    Test(TestArgs),
    /// Deliver the events of a stretch of time once more
    #[command(after_help = "Examples:
  mythichooks endpoint replay ep_01JJ3ZK8V0M5Y2Q7T9A4C6E8GB --since 24h --select failed
  mythichooks endpoint replay ep_01JJ3ZK8V0M5Y2Q7T9A4C6E8GB --since 2026-01-25T00:00:00Z --select missed")]
    Replay(ReplayArgs),
    /// Hold an endpoint's deliveries; new ones are queued
    #[command(after_help = "Example:
  mythichooks endpoint pause ep_01JJ3ZK8V0M5Y2Q7T9A4C6E8GB")]
    Pause(EndpointArg),
    /// Deliver again to an endpoint that is paused or disabled
    #[command(after_help = "Example:
  mythichooks endpoint resume ep_01JJ3ZK8V0M5Y2Q7T9A4C6E8GB")]
    Resume(EndpointArg),
}

const COLUMNS: &[Column] = &[
    Column::whole("ID", "/id"),
    Column::whole("STATUS", "/status"),
    Column::whole("ACCOUNT", "/account"),
    Column::whole("PENDING", "/health/pending"),
    Column::whole("FAILING SINCE", "/health/failing_since"),
    Column::text("EVENT TYPES", "/event_types"),
    Column::text("URL", "/url"),
];

const FIELDS: &[Column] = &[
    Column::whole("id", "/id"),
    Column::text("url", "/url"),
    Column::text("event types", "/event_types"),
    Column::whole("status", "/status"),
    Column::text("disabled because", "/disabled_reason"),
    Column::whole("account", "/account"),
    Column::text("description", "/description"),
    Column::whole("ordered", "/ordered"),
    Column::whole("timeout", "/effective/timeout"),
    Column::text("retry schedule", "/effective/retry_schedule"),
    Column::whole("max in flight", "/effective/max_in_flight"),
    Column::whole("rate limit", "/effective/rate_limit"),
    Column::text("headers", "/headers"),
    Column::text("metadata", "/metadata"),
    Column::whole("pending", "/health/pending"),
    Column::whole("failing since", "/health/failing_since"),
    Column::whole("last success", "/health/last_success_at"),
    Column::whole("last error at", "/health/last_error/at"),
    Column::text("last error", "/health/last_error/message"),
    Column::whole("created at", "/created_at"),
    Column::whole("updated at", "/updated_at"),
];

impl EndpointCommand {
    /// Does it.
    pub async fn run(self, connection: &ConnectionArgs) -> Result<(), CliError> {
        match self {
            Self::Create(args) => create(connection, args).await,
            Self::List(args) => {
                let mut query = Query::new();
                list::push(&mut query, "account", args.account.as_ref());
                list::push(&mut query, "status", args.status.as_ref());
                list::show(connection, &["v1", "endpoints"], query, &args.pages, COLUMNS).await
            }
            Self::Get(args) => {
                let client = ApiClient::new(connection)?;
                let answer = client.get(&["v1", "endpoints", args.id.as_str()], &Query::new()).await?;
                resource::show(connection, &answer, FIELDS)
            }
            Self::Update(args) => {
                let id = args.endpoint.id.clone();
                patch(connection, &id, &changes(args)?).await
            }
            Self::Delete(args) => {
                let client = ApiClient::new(connection)?;
                client.call(Method::DELETE, &["v1", "endpoints", args.id.as_str()]).await?;
                resource::confirm(connection, format_args!("deleted {}", args.id))
            }
            Self::Secret(args) => secret(connection, &args.id).await,
            Self::RotateSecret(args) => rotate(connection, args).await,
            Self::Test(args) => {
                let body = args.r#type.map_or_else(|| json!({}), |name| json!({ "type": name }));
                let answer = post(connection, &args.endpoint.id, "test", &body).await?;
                resource::show(connection, &answer, TESTED)
            }
            Self::Replay(args) => replay(connection, args).await,
            Self::Pause(args) => patch(connection, &args.id, &status("paused")).await,
            Self::Resume(args) => patch(connection, &args.id, &status("enabled")).await,
        }
    }
}

const TESTED: &[Column] = &[
    Column::whole("delivery", "/id"),
    Column::whole("event", "/event_id"),
    Column::whole("type", "/type"),
    Column::whole("status", "/status"),
];

async fn create(connection: &ConnectionArgs, args: CreateArgs) -> Result<(), CliError> {
    let mut body = Map::new();
    body.insert("url".to_owned(), args.url.into());
    body.insert("event_types".to_owned(), args.event_types.into());
    if let Some(account) = args.account {
        body.insert("account".to_owned(), account.into());
    }
    if let Some(path) = args.secret_file {
        body.insert("secret".to_owned(), read_secret(&path)?.expose().into());
    }
    args.settings.add_to(&mut body)?;
    let answer = ApiClient::new(connection)?.send(Method::POST, &["v1", "endpoints"], &body).await?;
    show_with_secret(connection, &answer)
}

/// A resource with its signing secret, which the API shows only now.
fn show_with_secret(connection: &ConnectionArgs, answer: &Answer) -> Result<(), CliError> {
    resource::show(connection, answer, FIELDS)?;
    if connection.json {
        return Ok(());
    }
    let output = Output::stdout();
    table::write_heading(output, "signing secret")?;
    output.line(answer.value()?.get("secret").map_or_else(|| "-".to_owned(), table::cell))
}

fn changes(args: UpdateArgs) -> Result<Value, CliError> {
    let mut body = Map::new();
    if let Some(url) = args.url {
        body.insert("url".to_owned(), url.into());
    }
    if !args.event_types.is_empty() {
        body.insert("event_types".to_owned(), args.event_types.into());
    }
    if let Some(status) = args.status {
        body.insert("status".to_owned(), status.into());
    }
    args.settings.add_to(&mut body)?;
    for name in args.reset {
        if body.insert(name.clone(), Value::Null).is_some() {
            return Err(CliError::Usage(format!("{name} is both set and reset")));
        }
    }
    if body.is_empty() {
        return Err(CliError::Usage("nothing to change is named: see --help".to_owned()));
    }
    Ok(body.into())
}

fn status(status: &str) -> Value {
    json!({ "status": status })
}

async fn patch(connection: &ConnectionArgs, id: &ResourceName, body: &Value) -> Result<(), CliError> {
    let client = ApiClient::new(connection)?;
    let answer = client.send(Method::PATCH, &["v1", "endpoints", id.as_str()], body).await?;
    resource::show(connection, &answer, FIELDS)
}

async fn post(connection: &ConnectionArgs, id: &ResourceName, action: &str, body: &Value) -> Result<Answer, CliError> {
    ApiClient::new(connection)?.send(Method::POST, &["v1", "endpoints", id.as_str(), action], body).await
}

/// The secret alone on a line, so that it can go into a file.
async fn secret(connection: &ConnectionArgs, id: &ResourceName) -> Result<(), CliError> {
    let client = ApiClient::new(connection)?;
    let answer = client.get(&["v1", "endpoints", id.as_str(), "secret"], &Query::new()).await?;
    let output = Output::stdout();
    if connection.json {
        return output.document(answer.text());
    }
    output.line(answer.value()?.get("secret").map_or_else(|| "-".to_owned(), table::cell))
}

async fn rotate(connection: &ConnectionArgs, args: RotateArgs) -> Result<(), CliError> {
    let mut body = Map::new();
    if let Some(overlap) = args.overlap {
        body.insert("overlap".to_owned(), overlap.to_string().into());
    }
    if let Some(path) = args.secret_file {
        body.insert("secret".to_owned(), read_secret(&path)?.expose().into());
    }
    let answer = post(connection, &args.endpoint.id, "rotate-secret", &body.into()).await?;
    let output = Output::stdout();
    if connection.json {
        return output.document(answer.text());
    }
    let rotated = answer.value()?;
    output.line(rotated.get("secret").map_or_else(|| "-".to_owned(), table::cell))?;
    if let Some(end) = rotated.get("overlap_ends_at") {
        remark(format_args!("the old secret signs beside it until {}", table::cell(end)));
    }
    Ok(())
}

async fn replay(connection: &ConnectionArgs, args: ReplayArgs) -> Result<(), CliError> {
    let mut body = json!({ "since": args.since, "select": args.select });
    if let Some(until) = args.until {
        body["until"] = until.to_string().into();
    }
    if !args.event_types.is_empty() {
        body["event_types"] = args.event_types.into();
    }
    let answer = post(connection, &args.endpoint.id, "replay", &body).await?;
    resource::show(connection, &answer, &[Column::whole("deliveries", "/count")])
}
