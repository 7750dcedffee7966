//! `mythichooks delivery`: look at deliveries and their attempts, retry and cancel them.

use actix_web::http::Method;
use clap::{Args, Subcommand};
use serde_json::{Map, Value};

use super::{
    client::ApiClient,
    connection::ConnectionArgs,
    error::CliError,
    list::{self, DeliveryFilters, PageArgs},
    output::Output,
    resource,
    resource_name::ResourceName,
    table::{self, Column},
};

/// What can be done with deliveries.
#[derive(Debug, Subcommand)]
pub enum DeliveryCommand {
    /// List deliveries, newest first
    #[command(after_help = "Examples:
  mythichooks delivery list --status failed --since 24h
  mythichooks delivery list --endpoint-id ep_01JJ3ZK8V0M5Y2Q7T9A4C6E8GB --response-code 503 --all --json")]
    List(ListArgs),
    /// Show one delivery with its payload, request headers and every attempt
    #[command(after_help = "Example:
  mythichooks delivery get dlv_01JJ3ZK8V0M5Y2Q7T9A4C6E8GB")]
    Get(DeliveryArg),
    /// Make one attempt at once, beside the schedule; whatever the delivery's status
    #[command(after_help = "Example:
  mythichooks delivery retry dlv_01JJ3ZK8V0M5Y2Q7T9A4C6E8GB")]
    Retry(DeliveryArg),
    /// Stop a pending delivery
    #[command(after_help = "Example:
  mythichooks delivery cancel dlv_01JJ3ZK8V0M5Y2Q7T9A4C6E8GB")]
    Cancel(DeliveryArg),
    /// Retry all deliveries that match the filters; at least one filter is needed
    #[command(after_help = "Examples:
  mythichooks delivery retry-all --status failed --since 24h
  mythichooks delivery retry-all --endpoint-id ep_01JJ3ZK8V0M5Y2Q7T9A4C6E8GB --status failed")]
    RetryAll(DeliveryFilters),
}

/// Which deliveries to list.
#[derive(Debug, Args)]
pub struct ListArgs {
    #[command(flatten)]
    filters: DeliveryFilters,
    #[command(flatten)]
    pages: PageArgs,
}

/// One delivery.
#[derive(Debug, Args)]
pub struct DeliveryArg {
    /// The delivery's id
    #[arg(value_name = "DLV_ID")]
    id: ResourceName,
}

/// A delivery in a list.
pub const COLUMNS: &[Column] = &[
    Column::whole("ID", "/id"),
    Column::whole("STATUS", "/status"),
    Column::whole("ATTEMPTS", "/attempts_made"),
    Column::whole("CODE", "/last_response_code"),
    Column::whole("TYPE", "/type"),
    Column::whole("EVENT", "/event_id"),
    Column::whole("ENDPOINT", "/endpoint_id"),
    Column::whole("CREATED", "/created_at"),
    Column::whole("NEXT ATTEMPT", "/next_attempt_at"),
];

const FIELDS: &[Column] = &[
    Column::whole("id", "/id"),
    Column::whole("status", "/status"),
    Column::whole("event", "/event_id"),
    Column::whole("type", "/type"),
    Column::whole("endpoint", "/endpoint_id"),
    Column::text("url", "/url"),
    Column::whole("account", "/account"),
    Column::whole("test", "/test"),
    Column::whole("attempts made", "/attempts_made"),
    Column::whole("last response code", "/last_response_code"),
    Column::whole("created at", "/created_at"),
    Column::whole("next attempt at", "/next_attempt_at"),
    Column::whole("completed at", "/completed_at"),
];

const ATTEMPTS: &[Column] = &[
    Column::whole("NUMBER", "/number"),
    Column::whole("TRIGGER", "/trigger"),
    Column::whole("STARTED", "/started_at"),
    Column::whole("MS", "/duration_ms"),
    Column::whole("CODE", "/response_code"),
    Column::whole("ADDRESS", "/remote_addr"),
    Column::whole("ERROR", "/error/kind"),
    Column::text("MESSAGE", "/error/message"),
];

impl DeliveryCommand {
    /// Does it.
    pub async fn run(self, connection: &ConnectionArgs) -> Result<(), CliError> {
        match self {
            Self::List(args) => {
                list::show(connection, &["v1", "deliveries"], args.filters.query(), &args.pages, COLUMNS).await
            }
            Self::Get(args) => get(connection, &args.id).await,
            Self::Retry(args) => change(connection, &args.id, "retry").await,
            Self::Cancel(args) => change(connection, &args.id, "cancel").await,
            Self::RetryAll(filters) => retry_all(connection, &filters).await,
        }
    }
}

async fn get(connection: &ConnectionArgs, id: &ResourceName) -> Result<(), CliError> {
    let answer = ApiClient::new(connection)?.get(&["v1", "deliveries", id.as_str()], &Vec::new()).await?;
    let output = Output::stdout();
    if connection.json {
        return output.document(answer.text());
    }
    let delivery = answer.value()?;
    table::write_fields(output, FIELDS, &delivery)?;
    resource::write_items(output, "attempts", delivery.get("attempts"), ATTEMPTS)?;
    if let Some(Value::Object(headers)) = delivery.get("request_headers") {
        table::write_heading(output, "request headers")?;
        for (name, value) in headers {
            output.line(format_args!("{}: {}", super::printable::printable(name), table::cell(value)))?;
        }
    }
    match delivery.get("payload").and_then(Value::as_str) {
        Some(payload) => resource::write_json(output, "payload", payload),
        None => Ok(()),
    }
}

async fn change(connection: &ConnectionArgs, id: &ResourceName, action: &str) -> Result<(), CliError> {
    let client = ApiClient::new(connection)?;
    let answer = client.call(Method::POST, &["v1", "deliveries", id.as_str(), action]).await?;
    resource::show(connection, &answer, FIELDS)
}

async fn retry_all(connection: &ConnectionArgs, filters: &DeliveryFilters) -> Result<(), CliError> {
    let filter = filter_body(filters);
    if filter.is_empty() {
        return Err(CliError::Usage("at least one filter is needed, for instance --status failed".to_owned()));
    }
    let answer = ApiClient::new(connection)?.send(Method::POST, &["v1", "deliveries", "retry"], &filter).await?;
    resource::show(connection, &answer, &[Column::whole("deliveries", "/count")])
}

/// The filters as the fields of a body: as in a query, but a code is a number.
fn filter_body(filters: &DeliveryFilters) -> Map<String, Value> {
    filters
        .query()
        .into_iter()
        .map(|(name, value)| {
            let value = match filters.response_code {
                Some(code) if name == "response_code" => code.into(),
                _ => value.into(),
            };
            (name.to_owned(), value)
        })
        .collect()
}
