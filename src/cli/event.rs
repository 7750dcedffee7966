//! `mythichooks event`: send events and look at them.

use actix_web::http::Method;
use clap::{ArgGroup, Args, Subcommand};
use serde::{Deserialize, Serialize};
use serde_json::{Value, value::RawValue};

use super::{
    client::{Answer, ApiClient},
    connection::ConnectionArgs,
    delivery,
    error::CliError,
    json_source::JsonSource,
    list::{self, CommonFilters, PageArgs},
    output::Output,
    resource,
    resource_name::ResourceName,
    table::{self, Column},
};
use crate::domain::time::Timestamp;

/// What can be done with events.
#[derive(Debug, Subcommand)]
pub enum EventCommand {
    /// Post an event
    #[command(after_help = "Examples:
  mythichooks event send batch.completed --example
  mythichooks event send batch.completed --data '{\"id\": \"batch_7\", \"status\": \"completed\"}'
  mythichooks event send batch.completed --example --account acme --dry-run
  produce | mythichooks event send usage.threshold.reached --data - --account acme --id evt_usage-7")]
    Send(SendArgs),
    /// List events, newest first
    #[command(after_help = "Examples:
  mythichooks event list --type batch.failed --since 2h
  mythichooks event list --account acme --all --json")]
    List(ListArgs),
    /// Show one event with its payload and its deliveries
    #[command(after_help = "Example:
  mythichooks event get evt_01JJ3ZK8V0M5Y2Q7T9A4C6E8GB")]
    Get {
        /// The event's id
        #[arg(value_name = "EVT_ID")]
        id: ResourceName,
    },
}

/// An event to post.
#[derive(Debug, Args)]
#[command(
    group = ArgGroup::new("event_type").args(["name", "type"]).required(true),
    group = ArgGroup::new("object").args(["data", "example"]).required(true)
)]
pub struct SendArgs {
    /// The event's type, from the catalog
    #[arg(value_name = "TYPE")]
    name: Option<String>,

    /// The event's type, as an option
    #[arg(long, value_name = "TYPE")]
    r#type: Option<String>,

    /// The event's `data.object`: a file, `-` for standard input, or the JSON object itself. It is sent byte for byte
    #[arg(long, visible_alias = "object", value_name = "FILE|-|JSON")]
    data: Option<JsonSource>,

    /// Send the catalog's example object of this type
    #[arg(long)]
    example: bool,

    /// The event's id; the server makes one otherwise. The same id and content again are not sent twice
    #[arg(long, value_name = "EVT_ID")]
    id: Option<String>,

    /// When it happened: RFC 3339 or Unix seconds [default: now]
    #[arg(long, value_name = "TIME", value_parser = parse_created)]
    created: Option<i64>,

    /// The account that it happened in [default: the token's, or `default`]
    #[arg(long, value_name = "ACCOUNT")]
    account: Option<String>,

    /// Send nothing: show which endpoints would get it, and why the others would not
    #[arg(long, conflicts_with = "idempotency_key")]
    dry_run: bool,

    /// A key that makes repeating this command safe, for producers with no event ids of their own
    #[arg(long, value_name = "KEY", value_parser = parse_idempotency_key)]
    idempotency_key: Option<String>,
}

/// Which events to list.
#[derive(Debug, Args)]
pub struct ListArgs {
    #[command(flatten)]
    filters: CommonFilters,
    #[command(flatten)]
    pages: PageArgs,
}

/// The body of `POST /v1/events`.
#[derive(Serialize)]
pub struct NewEvent<'a> {
    /// The event's type.
    pub r#type: &'a str,
    /// Its `data`.
    pub data: NewEventData<'a>,
    /// The producer's own id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<&'a str>,
    /// Unix time in whole seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<i64>,
    /// Whose event it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<&'a str>,
}

/// The `data` of an event: its object, as it is.
#[derive(Serialize)]
pub struct NewEventData<'a> {
    /// The object.
    pub object: &'a RawValue,
}

const COLUMNS: &[Column] = &[
    Column::whole("ID", "/id"),
    Column::whole("TYPE", "/type"),
    Column::whole("ACCOUNT", "/account"),
    Column::seconds("CREATED", "/created"),
    Column::whole("ACCEPTED", "/accepted_at"),
    Column::whole("DELIVERIES", "/deliveries"),
];

const SENT: &[Column] = &[
    Column::whole("id", "/id"),
    Column::whole("type", "/type"),
    Column::whole("account", "/account"),
    Column::seconds("created", "/created"),
    Column::whole("deliveries", "/deliveries"),
];

const WOULD: &[Column] =
    &[Column::whole("type", "/type"), Column::whole("account", "/account"), Column::whole("deliveries", "/deliveries")];

const FATES: &[Column] = &[
    Column::whole("WOULD BE", "/outcome"),
    Column::whole("ENDPOINT", "/id"),
    Column::whole("ACCOUNT", "/account"),
    Column::whole("MATCHES", "/subscription"),
    Column::whole("REASONS", "/reasons"),
    Column::text("URL", "/url"),
];

const FIELDS: &[Column] = &[
    Column::whole("id", "/id"),
    Column::whole("type", "/type"),
    Column::whole("account", "/account"),
    Column::seconds("created", "/created"),
    Column::whole("accepted at", "/accepted_at"),
];

impl EventCommand {
    /// Does it.
    pub async fn run(self, connection: &ConnectionArgs) -> Result<(), CliError> {
        match self {
            Self::Send(args) => send(connection, &args).await,
            Self::List(args) => {
                list::show(connection, &["v1", "events"], args.filters.query(), &args.pages, COLUMNS).await
            }
            Self::Get { id } => get(connection, &id).await,
        }
    }
}

async fn send(connection: &ConnectionArgs, args: &SendArgs) -> Result<(), CliError> {
    // clap lets one of the two be given, and just one.
    let event_type = args.name.as_ref().or(args.r#type.as_ref()).map_or("", String::as_str);
    let client = ApiClient::new(connection)?;
    let object = match &args.data {
        Some(source) => source.read()?,
        None => example(&client, event_type).await?,
    };
    let event = NewEvent {
        r#type: event_type,
        data: NewEventData { object: &object },
        id: args.id.as_deref(),
        created: args.created,
        account: args.account.as_deref(),
    };
    if args.dry_run {
        let answer = client.send(Method::POST, &["v1", "events", "dry-run"], &event).await?;
        return show_dry_run(connection, &answer);
    }
    let answer = client.send_with(Method::POST, &["v1", "events"], &event, args.idempotency_key.as_deref()).await?;
    resource::show(connection, &answer, SENT)
}

/// What would become of an event: how many deliveries, and a line for each endpoint.
fn show_dry_run(connection: &ConnectionArgs, answer: &Answer) -> Result<(), CliError> {
    resource::show(connection, answer, WOULD)?;
    if connection.json {
        return Ok(());
    }
    let would = answer.value()?;
    resource::write_items(Output::stdout(), "endpoints", would.get("endpoints"), FATES)?;
    match would.get("has_more_endpoints") {
        Some(Value::Bool(true)) => Output::stdout().line("There are more endpoints than are shown."),
        _ => Ok(()),
    }
}

/// The catalog's example object of an event type.
pub async fn example(client: &ApiClient, event_type: &str) -> Result<Box<RawValue>, CliError> {
    #[derive(Deserialize)]
    struct WithExample {
        example: Box<RawValue>,
    }
    let answer = client.get(&["v1", "event-types", event_type], &Vec::new()).await;
    let answer = answer.map_err(|error| match error {
        CliError::Refused(problem) if problem.status() == 403 => CliError::Failed(
            "--example reads the catalog, which a token with the role `ingest` may not; give the object with --data"
                .to_owned(),
        ),
        error => error,
    })?;
    Ok(answer.parse::<WithExample>()?.example)
}

async fn get(connection: &ConnectionArgs, id: &ResourceName) -> Result<(), CliError> {
    #[derive(Deserialize)]
    struct WithPayload<'a> {
        #[serde(borrow)]
        data: &'a RawValue,
    }
    let answer = ApiClient::new(connection)?.get(&["v1", "events", id.as_str()], &Vec::new()).await?;
    let output = Output::stdout();
    if connection.json {
        return output.document(answer.text());
    }
    let event: Value = answer.value()?;
    table::write_fields(output, FIELDS, &event)?;
    resource::write_json(output, "data", answer.parse::<WithPayload<'_>>()?.data.get())?;
    resource::write_items(output, "deliveries", event.get("deliveries"), delivery::COLUMNS)
}

fn parse_created(text: &str) -> Result<i64, String> {
    match (text.parse::<i64>(), text.parse::<Timestamp>()) {
        (Ok(seconds), _) => Ok(seconds),
        (_, Ok(time)) => Ok(time.as_seconds()),
        _ => Err("must be Unix seconds, or a time like `2026-01-25T00:00:00Z`".to_owned()),
    }
}

fn parse_idempotency_key(text: &str) -> Result<String, String> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("must be printable ASCII without spaces".to_owned());
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn created_is_seconds_or_a_time() {
        assert_eq!(parse_created("1706140800"), Ok(1_706_140_800));
        assert_eq!(parse_created("2024-01-25T00:00:00.9Z"), Ok(1_706_140_800));
        assert!(parse_created("now").is_err());
    }

    #[test]
    fn an_event_is_posted_as_the_contract_says_and_its_object_stays_as_it_is() {
        let object = RawValue::from_string("{\"b\": 1.10, \"a\":1e400}".to_owned()).unwrap();
        let mut event = NewEvent {
            r#type: "batch.completed",
            data: NewEventData { object: &object },
            id: None,
            created: None,
            account: None,
        };
        assert_eq!(
            serde_json::to_string(&event).unwrap(),
            r#"{"type":"batch.completed","data":{"object":{"b": 1.10, "a":1e400}}}"#
        );
        event.id = Some("evt_1");
        event.created = Some(7);
        event.account = Some("acme");
        assert!(serde_json::to_string(&event).unwrap().ends_with(r#","id":"evt_1","created":7,"account":"acme"}"#));
    }
}
