//! `mythichooks token`: make, list and revoke API tokens.

use actix_web::http::Method;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{
    client::ApiClient,
    connection::ConnectionArgs,
    error::CliError,
    list::{self, PageArgs},
    output::Output,
    resource,
    resource_name::ResourceName,
    table::{self, Column},
};
use crate::domain::duration::HumanDuration;

/// What can be done with tokens.
#[derive(Debug, Subcommand)]
pub enum TokenCommand {
    /// Make a token; it is shown this once
    #[command(after_help = "Examples:
  mythichooks token create --name billing --role ingest --account acme
  mythichooks token create --name on-call --role read --expires-in 30d")]
    Create(CreateArgs),
    /// List tokens, newest first, never the tokens themselves
    #[command(after_help = "Example:
  mythichooks token list")]
    List(PageArgs),
    /// Revoke a token
    #[command(after_help = "Example:
  mythichooks token delete tok_01JJ3ZK8V0M5Y2Q7T9A4C6E8GB")]
    Delete {
        /// The token's id, not the token
        #[arg(value_name = "TOK_ID")]
        id: ResourceName,
    },
}

/// A token to make.
#[derive(Debug, Args)]
pub struct CreateArgs {
    /// What the token is for, for people
    #[arg(long, value_name = "TEXT")]
    name: String,

    /// What it may do: all, all but secrets and changes, or only posting events
    #[arg(long, value_name = "ROLE", value_parser = ["admin", "read", "ingest"])]
    role: String,

    /// Bind it to one account
    #[arg(long, value_name = "ACCOUNT")]
    account: Option<String>,

    /// How long it is valid, like `30d` [default: until it is deleted]
    #[arg(long, value_name = "DURATION")]
    expires_in: Option<HumanDuration>,
}

impl CreateArgs {
    fn body(&self) -> Value {
        let mut body = json!({ "name": self.name, "role": self.role });
        if let Some(account) = &self.account {
            body["account"] = account.as_str().into();
        }
        if let Some(expires_in) = self.expires_in {
            body["expires_in"] = expires_in.to_string().into();
        }
        body
    }
}

const COLUMNS: &[Column] = &[
    Column::whole("ID", "/id"),
    Column::text("NAME", "/name"),
    Column::whole("ROLE", "/role"),
    Column::whole("ACCOUNT", "/account"),
    Column::whole("CREATED", "/created_at"),
    Column::whole("EXPIRES", "/expires_at"),
];

const FIELDS: &[Column] = &[
    Column::whole("id", "/id"),
    Column::text("name", "/name"),
    Column::whole("role", "/role"),
    Column::whole("account", "/account"),
    Column::whole("expires at", "/expires_at"),
];

impl TokenCommand {
    /// Does it.
    pub async fn run(self, connection: &ConnectionArgs) -> Result<(), CliError> {
        match self {
            Self::Create(args) => create(connection, &args).await,
            Self::List(pages) => list::show(connection, &["v1", "tokens"], Vec::new(), &pages, COLUMNS).await,
            Self::Delete { id } => {
                let client = ApiClient::new(connection)?;
                client.call(Method::DELETE, &["v1", "tokens", id.as_str()]).await?;
                resource::confirm(connection, format_args!("deleted {id}"))
            }
        }
    }
}

async fn create(connection: &ConnectionArgs, args: &CreateArgs) -> Result<(), CliError> {
    let answer = ApiClient::new(connection)?.send(Method::POST, &["v1", "tokens"], &args.body()).await?;
    resource::show(connection, &answer, FIELDS)?;
    if connection.json {
        return Ok(());
    }
    let output = Output::stdout();
    table::write_heading(output, "token (shown this once)")?;
    output.line(answer.value()?.get("token").map_or_else(|| "-".to_owned(), table::cell))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_asked_for_in_the_words_of_the_api() {
        let mut args = CreateArgs {
            name: "billing".to_owned(),
            role: "ingest".to_owned(),
            account: None,
            expires_in: Some(HumanDuration::from_secs(3600)),
        };
        assert_eq!(args.body(), json!({"name": "billing", "role": "ingest", "expires_in": "1h"}));
        args.expires_in = None;
        args.account = Some("acme".to_owned());
        assert_eq!(args.body(), json!({"name": "billing", "role": "ingest", "account": "acme"}));
    }
}
