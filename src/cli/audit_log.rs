//! `mythichooks audit-log`: who changed what.

use clap::Args;

use super::{
    client::Query,
    connection::ConnectionArgs,
    error::CliError,
    list::{self, Moment, PageArgs, push},
    table::Column,
};

/// Which entries to show.
#[derive(Debug, Args)]
pub struct AuditLogArgs {
    #[command(flatten)]
    filters: Filters,
    #[command(flatten)]
    pages: PageArgs,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Filters")]
struct Filters {
    /// About things of this account
    #[arg(long, value_name = "ACCOUNT")]
    account: Option<String>,

    /// Of this action, like `endpoint.updated`
    #[arg(long, value_name = "ACTION")]
    action: Option<String>,

    /// On this id or name
    #[arg(long, value_name = "ID|NAME")]
    subject: Option<String>,

    /// From this time on: RFC 3339, or how long ago (`2h`)
    #[arg(long, value_name = "TIME")]
    since: Option<Moment>,

    /// Before this time: RFC 3339, or how long ago (`2h`)
    #[arg(long, value_name = "TIME")]
    until: Option<Moment>,
}

impl Filters {
    fn query(&self) -> Query {
        let mut query = Query::new();
        push(&mut query, "account", self.account.as_ref());
        push(&mut query, "action", self.action.as_ref());
        push(&mut query, "subject", self.subject.as_ref());
        push(&mut query, "since", self.since.as_ref());
        push(&mut query, "until", self.until.as_ref());
        query
    }
}

const COLUMNS: &[Column] = &[
    Column::whole("AT", "/at"),
    Column::whole("ACTION", "/action"),
    Column::whole("SUBJECT", "/subject"),
    Column::whole("BY", "/actor/type"),
    Column::text("NAME", "/actor/name"),
    Column::whole("ACCOUNT", "/account"),
    Column::text("DETAILS", "/details"),
];

impl AuditLogArgs {
    /// Shows them.
    pub async fn run(self, connection: &ConnectionArgs) -> Result<(), CliError> {
        list::show(connection, &["v1", "audit-log"], self.filters.query(), &self.pages, COLUMNS).await
    }
}
