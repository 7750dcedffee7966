//! `mythichooks audit-log`: who changed what.

use clap::Args;

use super::{
    connection::ConnectionArgs,
    error::CliError,
    list::{self, PageArgs},
    table::Column,
};

/// Which entries to show.
#[derive(Debug, Args)]
pub struct AuditLogArgs {
    #[command(flatten)]
    pages: PageArgs,
}

const COLUMNS: &[Column] = &[
    Column::whole("AT", "/at"),
    Column::whole("ACTION", "/action"),
    Column::whole("SUBJECT", "/subject"),
    Column::text("ACTOR", "/actor/name"),
    Column::whole("ACCOUNT", "/account"),
    Column::text("DETAILS", "/details"),
];

impl AuditLogArgs {
    /// Shows them.
    pub async fn run(self, connection: &ConnectionArgs) -> Result<(), CliError> {
        list::show(connection, &["v1", "audit-log"], Vec::new(), &self.pages, COLUMNS).await
    }
}
