//! `mythichooks event-type`: the catalog of event types.

use actix_web::http::Method;
use clap::{Args, Subcommand};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{
    client::ApiClient,
    connection::ConnectionArgs,
    error::CliError,
    json_source::JsonSource,
    list::{self, PageArgs},
    output::Output,
    resource,
    resource_name::ResourceName,
    table::{self, Column},
};

/// What can be done with event types.
#[derive(Debug, Subcommand)]
pub enum EventTypeCommand {
    /// List the catalog
    #[command(after_help = "Example:
  mythichooks event-type list")]
    List(PageArgs),
    /// Show one event type with its example and its schema
    #[command(after_help = "Example:
  mythichooks event-type get batch.completed")]
    Get(NameArg),
    /// Make an event type, or replace the one of this name
    #[command(after_help = "Examples:
  mythichooks event-type put invoice.paid --description 'An invoice was paid' --example '{\"invoice\": \"inv_1\"}'
  mythichooks event-type put invoice.paid --description Paid --example e.json --schema s.json --enforce-schema")]
    Put(PutArgs),
    /// Delete an event type
    #[command(after_help = "Example:
  mythichooks event-type delete invoice.paid")]
    Delete(NameArg),
}

/// One event type.
#[derive(Debug, Args)]
pub struct NameArg {
    /// The event type's name
    #[arg(value_name = "NAME")]
    name: ResourceName,
}

/// An event type to write.
#[derive(Debug, Args)]
pub struct PutArgs {
    /// The event type's name, like `invoice.paid`
    #[arg(value_name = "NAME")]
    name: ResourceName,

    /// What happened, in a sentence
    #[arg(long, value_name = "TEXT")]
    description: String,

    /// A realistic object: a file, `-` for standard input, or the JSON itself
    #[arg(long, value_name = "FILE|-|JSON")]
    example: JsonSource,

    /// A JSON Schema (2020-12) of the object: a file, `-` for standard input, or the JSON itself
    #[arg(long, value_name = "FILE|-|JSON")]
    schema: Option<JsonSource>,

    /// Refuse events whose object breaks the schema
    #[arg(long, requires = "schema")]
    enforce_schema: bool,
}

const COLUMNS: &[Column] = &[
    Column::whole("NAME", "/name"),
    Column::whole("BUILT IN", "/built_in"),
    Column::whole("SCHEMA ENFORCED", "/enforce_schema"),
    Column::text("DESCRIPTION", "/description"),
];

const FIELDS: &[Column] = &[
    Column::whole("name", "/name"),
    Column::text("description", "/description"),
    Column::whole("built in", "/built_in"),
    Column::whole("schema enforced", "/enforce_schema"),
];

impl EventTypeCommand {
    /// Does it.
    pub async fn run(self, connection: &ConnectionArgs) -> Result<(), CliError> {
        match self {
            Self::List(pages) => list::show(connection, &["v1", "event-types"], Vec::new(), &pages, COLUMNS).await,
            Self::Get(args) => get(connection, &args.name).await,
            Self::Put(args) => put(connection, &args).await,
            Self::Delete(args) => {
                let client = ApiClient::new(connection)?;
                client.call(Method::DELETE, &["v1", "event-types", args.name.as_str()]).await?;
                resource::confirm(connection, format_args!("deleted {}", args.name))
            }
        }
    }
}

async fn get(connection: &ConnectionArgs, name: &ResourceName) -> Result<(), CliError> {
    #[derive(Deserialize)]
    struct Texts<'a> {
        #[serde(borrow)]
        example: &'a RawValue,
        #[serde(borrow, default)]
        schema: Option<&'a RawValue>,
    }
    let answer = ApiClient::new(connection)?.get(&["v1", "event-types", name.as_str()], &Vec::new()).await?;
    let output = Output::stdout();
    if connection.json {
        return output.document(answer.text());
    }
    table::write_fields(output, FIELDS, &answer.value()?)?;
    let texts: Texts<'_> = answer.parse()?;
    resource::write_json(output, "example", texts.example.get())?;
    match texts.schema {
        Some(schema) => resource::write_json(output, "schema", schema.get()),
        None => Ok(()),
    }
}

async fn put(connection: &ConnectionArgs, args: &PutArgs) -> Result<(), CliError> {
    #[derive(Serialize)]
    struct Body<'a> {
        description: &'a str,
        example: &'a RawValue,
        #[serde(skip_serializing_if = "Option::is_none")]
        schema: Option<&'a RawValue>,
        enforce_schema: bool,
    }
    let schema = args.schema.as_ref().map(JsonSource::read).transpose()?;
    let body = Body {
        description: &args.description,
        example: &args.example.read()?,
        schema: schema.as_deref(),
        enforce_schema: args.enforce_schema,
    };
    let client = ApiClient::new(connection)?;
    let answer = client.send(Method::PUT, &["v1", "event-types", args.name.as_str()], &body).await?;
    resource::show(connection, &answer, FIELDS)
}
